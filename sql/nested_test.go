package sql

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestNestedSearch holds searches inside of queries against the same question put to DuckDB with a window.
func TestNestedSearch(t *testing.T) {
	s := testSession(t, testEngine(t))
	fillVectors(t, s, 2500, 200, 6)
	must(t, s, "CREATE TABLE q (id int, n int, v vector(6)); INSERT INTO q SELECT id, n, v FROM items WHERE id % 40 = 7")
	must(t, s, "CREATE INDEX ON items USING flat (v vector_l2_ops)")
	for _, where := range []string{"true", "i.n < 40", "i.word = 'word3' AND i.n > 10", "false", "i.v IS NOT NULL"} {
		for _, op := range []string{"<->", "<=>", "<#>", "<+>"} {
			want := do(s, fmt.Sprintf(`SELECT qid, id, d FROM (SELECT q.id AS qid, i.id AS id, i.v %s q.v AS d,
				row_number() OVER (PARTITION BY q.id ORDER BY i.v %s q.v, i.id) AS r FROM q, items i WHERE %s) s WHERE r <= 3 ORDER BY 1, 3, 2`, op, op, where))
			lateral := fmt.Sprintf("LATERAL (SELECT i.id, i.v %s q.v AS d FROM items i WHERE %s ORDER BY i.v %s q.v LIMIT 3) k", op, where, op)
			if op == "<+>" && where == "true" {
				if got := must(t, s, "EXPLAIN SELECT q.id, k.id FROM q, "+lateral); !strings.Contains(got, "Vector Search on items: v <+> query") {
					t.Errorf("the search is not seen:\n%s", got)
				}
			}
			expect(t, s, "SELECT q.id, k.id, k.d FROM q, "+lateral+" ORDER BY 1, 3, 2", want)
			expect(t, s, "SELECT q.id, k.id, k.d FROM q JOIN "+lateral+" ON true ORDER BY 1, 3, 2", want)
		}
	}
	direct := must(t, s, "SELECT id, n FROM items WHERE n < 50 ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 7 OFFSET 2")
	for _, text := range []string{
		"SELECT * FROM (SELECT id, n FROM items WHERE n < 50 ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 7 OFFSET 2) s",
		"WITH k AS (SELECT id, n FROM items WHERE n < 50 ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 7 OFFSET 2) SELECT * FROM k",
		"SELECT * FROM (SELECT id, n FROM items i WHERE n < 50 ORDER BY '[1,2,3,4,5,6]' <-> i.v LIMIT 7 OFFSET 2) s",
	} {
		expect(t, s, text, direct)
	}
	must(t, s, "CREATE VIEW nearest AS SELECT id, n FROM items WHERE n < 50 ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 7 OFFSET 2")
	expect(t, s, "SELECT * FROM nearest", direct)
	first := must(t, s, "SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 2")
	expect(t, s, "SELECT unnest(ARRAY(SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 2))", first)
	expect(t, s, "SELECT count(*) FROM items WHERE id IN (SELECT id FROM items WHERE n < 50 ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 5)", "5\n(SELECT 1)")
	expect(t, s, "SELECT count(*) FROM q, LATERAL (SELECT id FROM items WHERE n = q.n ORDER BY v <-> q.v LIMIT 1) k WHERE q.id < 1000", must(t, s, "SELECT count(*) FROM q WHERE id < 1000"))
	expect(t, s, "SELECT * FROM (SELECT id FROM items ORDER BY v <-> '[1,2]' LIMIT 1) s", "ERROR 22000: different vector dimensions 6 and 2")
	expect(t, s, "SELECT * FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT -1) s", "ERROR 2201W: LIMIT must not be negative")
	must(t, s, "BEGIN; INSERT INTO items (id, v) VALUES (777777, '[1,2,3,4,5,6]')")
	expect(t, s, "SELECT id, d FROM (SELECT id, v <-> '[1,2,3,4,5,6]' AS d FROM items ORDER BY d LIMIT 1) s", "777777|0\n(SELECT 1)")
	must(t, s, "ROLLBACK; CREATE TABLE copy AS SELECT id FROM (SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 2) s")
	expect(t, s, "SELECT * FROM copy", first)
}

// TestNestedParameters prepares searches inside of queries whose parameters stand in the filter alone.
func TestNestedParameters(t *testing.T) {
	s := testSession(t, testEngine(t))
	fillVectors(t, s, 2500, 100, 4)
	ctx := context.Background()
	if _, err := s.Prepare(ctx, "q", "SELECT id FROM (SELECT id FROM items WHERE word = $1 AND n > $2 AND n <> $2 ORDER BY v <-> $3 LIMIT $4) s", nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{{"word1", "30", "[1,2,3,4]", "4"}, {"word2", "90", "[0,2,3,4]", "2"}, {"x", "1", "[0,2,3,4]", "2"}} {
		var params []Param
		for _, p := range c {
			params = append(params, Param{Value: []byte(p)})
		}
		if _, err := s.Bind(ctx, "", "q", params, nil); err != nil {
			t.Fatal(err)
		}
		w := &script{cols: s.statements["q"].Columns()}
		if _, err := s.Execute(ctx, "", 0, w); err != nil {
			t.Fatal(err)
		}
		if err := s.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		want := do(s, fmt.Sprintf("SELECT id FROM items WHERE word = '%s' AND n > %s ORDER BY v <-> '%s' LIMIT %s", c[0], c[1], c[2], c[3]))
		if w.out.String() != want {
			t.Errorf("%v: got\n%s\nwant\n%s", c, w.out.String(), want)
		}
	}
}
