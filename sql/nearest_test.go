package sql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// fillVectors makes a table of rows with vectors around a few centres: settled ones, and the last tail in the head.
func fillVectors(t testing.TB, s *Session, rows, tail, dim int) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	must(t, s, fmt.Sprintf("CREATE TABLE items (id bigint PRIMARY KEY, n int, word text, at timestamptz, v vector(%d), b bit(%d), h halfvec(%d))", dim, dim, dim))
	load := func(from, to int) {
		var b strings.Builder
		for i := from; i < to; i++ {
			v, h := vectorText(r, dim), vectorText(r, dim)
			bits := make([]byte, dim)
			for j := range bits {
				bits[j] = '0' + byte(r.IntN(2))
			}
			if i%97 == 0 {
				v = `\N`
			}
			fmt.Fprintf(&b, "%d\t%d\tword%d\t2026-01-%02d\t%s\t%s\t%s\n", i, i%100, i%10, 1+i%28, v, bits, h)
		}
		out := doWith(s, "COPY items FROM STDIN", &script{in: strings.NewReader(b.String())})
		if strings.Contains(out, "ERROR") {
			t.Fatal(out)
		}
	}
	load(0, rows-tail)
	must(t, s, "VACUUM items")
	load(rows-tail, rows)
	must(t, s, "DELETE FROM items WHERE id % 50 = 3")
}

// predicates over items, from those that everything passes to those that nothing does.
var predicates = []string{
	"", "true", "n < 50", "n < 10", "n = 7", "id < 20", "id = 77", "id IN (1, 5, 9, 5, 100000)", "id = ANY (ARRAY[4, 8, 15]::bigint[])",
	"n < 10 AND word = 'word3'", "word LIKE 'word1%'", "at > '2026-01-20'", "n IS NULL", "false", "v IS NULL", "id IN (SELECT id FROM items WHERE n = 3)",
	"EXISTS (SELECT 1 FROM items o WHERE o.id = items.id + 1 AND o.n = 1)", "n + 1 > 99", "lower(word) = 'word5' OR id % 1000 = 1",
	"id IN (2, 4, 6) AND n > 3", "regexp_replace(word, 'word', '') = '4'",
}

// exactly is the same question to DuckDB, which compares every row.
func exactly(where, op, column, query string, limit, offset int) string {
	if where != "" {
		where = "WHERE " + where
	}
	return fmt.Sprintf("SELECT id FROM (SELECT id, %s %s %s AS d FROM items %s) s ORDER BY d, id LIMIT %d OFFSET %d", column, op, query, where, limit, offset)
}

func directly(where, op, column, query string, limit, offset int) string {
	if where != "" {
		where = "WHERE " + where
	}
	return fmt.Sprintf("SELECT id FROM items %s ORDER BY %s %s %s LIMIT %d OFFSET %d", where, column, op, query, limit, offset)
}

// TestNearestMatchesExact asks the same question of the search and of DuckDB under many predicates, twice, so that kept rows
// are asked too.
func TestNearestMatchesExact(t *testing.T) {
	s := testSession(t, testEngine(t))
	const rows, dim = 2300, 16
	fillVectors(t, s, rows, 200, dim)
	r := rand.New(rand.NewPCG(1, 9))
	vector := "'" + vectorText(r, dim) + "'::vector"
	half := "'" + vectorText(r, dim) + "'::halfvec"
	bits := "B'1010110010110100'"
	compare := func(t *testing.T) {
		t.Helper()
		for i, where := range predicates {
			for _, q := range []struct{ op, column, query string }{{"<->", "v", vector}, {"<=>", "v", vector}, {"<#>", "v", vector}, {"<+>", "v", vector},
				{"<->", "h", half}, {"<+>", "h", half}} {
				if i > 3 && (q.op != "<->" || q.column != "v") {
					continue
				}
				for _, limit := range []int{1, 20}[i%2:] {
					want := do(s, exactly(where, q.op, q.column, q.query, limit, limit/10))
					got := do(s, directly(where, q.op, q.column, q.query, limit, limit/10))
					if got != want {
						t.Errorf("%s: %s %s limit %d\ngot:\n%s\nwant:\n%s", where, q.column, q.op, limit, got, want)
					}
				}
			}
			for _, op := range []string{"<~>", "<%>"} { // ties are many: the distances must agree
				list := "SELECT b " + op + " " + bits + " AS d FROM items"
				if where != "" {
					list += " WHERE " + where
				}
				want := do(s, "SELECT d FROM ("+list+") s ORDER BY d LIMIT 10")
				got := do(s, list+" ORDER BY b "+op+" "+bits+" LIMIT 10")
				if got != want {
					t.Errorf("%s: b %s\ngot:\n%s\nwant:\n%s", where, op, got, want)
				}
			}
		}
	}
	t.Run("none", compare)
	must(t, s, "CREATE INDEX ON items USING auto (v vector_l2_ops); CREATE INDEX ON items USING flat (v vector_cosine_ops)")
	t.Run("auto", compare)
	must(t, s, "CREATE INDEX ON items USING hnsw (v vector_ip_ops); SET enable_indexscan = off")
	must(t, s, "BEGIN; DELETE FROM items WHERE id < 40; INSERT INTO items (id, n, word, v) SELECT id + 10000, n, word, v FROM items WHERE n = 1")
	t.Run("off, inside a transaction", compare)
	must(t, s, "ROLLBACK")
}

// TestFilteredByIndex holds the rows of a search by graph against what must be true of them whatever the recall.
func TestFilteredByIndex(t *testing.T) {
	s := testSession(t, testEngine(t))
	const rows, dim = 6000, 24
	fillVectors(t, s, rows, 100, dim)
	must(t, s, "CREATE INDEX graph ON items USING hnsw (v vector_l2_ops); CREATE INDEX lists ON items USING ivfflat (v vector_cosine_ops)")
	r := rand.New(rand.NewPCG(3, 9))
	found, all := 0, 0
	for _, op := range []string{"<->", "<=>"} {
		for _, where := range predicates {
			query := "'" + vectorText(r, dim) + "'"
			wide, narrow := rowsOf(s, directly(where, op, "v", query, 30, 0)), rowsOf(s, directly(where, op, "v", query, 10, 0))
			want := rowsOf(s, exactly(where, op, "v", query, 30, 0))
			if len(wide) != len(want) || len(narrow) != min(10, len(want)) {
				t.Errorf("%s %s: %d and %d rows, of %d", op, where, len(narrow), len(wide), len(want))
			}
			passing := map[string]bool{}
			cond := where
			if cond == "" {
				cond = "true"
			}
			for _, id := range rowsOf(s, "SELECT id FROM items WHERE "+cond) {
				passing[id] = true
			}
			exact := map[string]bool{}
			for _, id := range want {
				exact[id] = true
			}
			for _, id := range wide {
				if !passing[id] {
					t.Errorf("%s %s: row %s does not pass", op, where, id)
				}
				if exact[id] {
					found++
				}
			}
			all += len(want)
		}
	}
	if found < all*9/10 {
		t.Errorf("recall: %d of %d", found, all)
	}
}

func rowsOf(s *Session, text string) []string {
	lines := strings.Split(strings.TrimSpace(do(s, text)), "\n")
	return lines[:len(lines)-1]
}

// TestFilterParameters runs a prepared search whose predicate takes some of the parameters, in another order.
func TestFilterParameters(t *testing.T) {
	s := testSession(t, testEngine(t))
	fillVectors(t, s, 3000, 100, 4)
	ctx := context.Background()
	if _, err := s.Prepare(ctx, "q", "SELECT id FROM items WHERE word = $3 AND n < $2 ORDER BY v <-> $1 LIMIT 5", nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"50", "2", "50"} {
		for _, word := range []string{"word1", "word0", "nothing"} {
			var params []Param
			for _, p := range []string{"[1,2,3,4]", n, word} {
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
			want := do(s, exactly("word = '"+word+"' AND n < "+n, "<->", "v", "'[1,2,3,4]'", 5, 0))
			if w.out.String() != want {
				t.Errorf("%s %s: got\n%s\nwant\n%s", n, word, w.out.String(), want)
			}
		}
	}
}

// TestKeptRowsFollowChanges changes a table between two searches with the same predicate.
func TestKeptRowsFollowChanges(t *testing.T) {
	s := testSession(t, testEngine(t))
	fillVectors(t, s, 3000, 100, 4)
	query := "SELECT id FROM items WHERE n = 42 ORDER BY v <-> '[0,0,0,0]' LIMIT 3"
	before := must(t, s, query)
	if again := must(t, s, query); again != before {
		t.Errorf("%s\n%s", before, again)
	}
	must(t, s, "INSERT INTO items (id, n, v) VALUES (100001, 42, '[0,0,0,0]')")
	if after := must(t, s, query); !strings.HasPrefix(after, "100001\n") {
		t.Errorf("the new row is not found:\n%s", after)
	}
	must(t, s, "BEGIN; UPDATE items SET n = 43 WHERE id = 100001")
	if after := must(t, s, query); after != before {
		t.Errorf("inside of a transaction:\n%s\nwant\n%s", after, before)
	}
	must(t, s, "ROLLBACK")
	if after := must(t, s, query); !strings.HasPrefix(after, "100001\n") {
		t.Errorf("after the rollback:\n%s", after)
	}
	must(t, s, "TRUNCATE items")
	expect(t, s, query, "(SELECT 0)")
	must(t, s, "INSERT INTO items (id, n, v) VALUES (1, 42, '[0,0,0,1]')")
	expect(t, s, query, "1\n(SELECT 1)")
}

// TestTopKFilter holds cosine_top_k with a filter against the same question to DuckDB.
func TestTopKFilter(t *testing.T) {
	s := testSession(t, testEngine(t))
	fillVectors(t, s, 3000, 100, 8)
	query := "'[1,-2,3,-4,5,-6,7,-8]'"
	for _, where := range predicates[1:] {
		if strings.Contains(where, "items.") || where == "v IS NULL" {
			continue
		}
		call := fmt.Sprintf("SELECT id FROM cosine_top_k(%s, 10, table_name => 'items', column_name => 'v', ef_search => 100, filter => '%s') ORDER BY score DESC, id",
			query, strings.ReplaceAll(where, "'", "''"))
		want := do(s, "SELECT id FROM (SELECT id, v <=> "+query+" AS d FROM items WHERE v IS NOT NULL AND ("+where+")) s ORDER BY d, id LIMIT 10")
		for range 2 {
			expect(t, s, call, want)
		}
	}
	expect(t, s, "SELECT id FROM cosine_top_k("+query+", 10, 'items', 'v', ef_search => 2000)", "ERROR 22023: ef_search must be between 1 and 1000")
	expect(t, s, "SELECT id FROM cosine_top_k("+query+", 10, 'items', 'v', filter => 'n = 1 UNION SELECT 1')", `ERROR 42601: "n = 1 UNION SELECT 1" is not one expression`)
	expect(t, s, "SELECT id FROM cosine_top_k("+query+", 10, 'items', 'v', filter => 'n')", "ERROR 42804: argument of WHERE must be type boolean, not type integer")
}

// TestExplainSearch looks for what EXPLAIN says of a search by index and of its predicate.
func TestExplainSearch(t *testing.T) {
	s := testSession(t, testEngine(t))
	fillVectors(t, s, 3000, 100, 4)
	must(t, s, "CREATE INDEX graph ON items USING hnsw (v vector_l2_ops)")
	for text, want := range map[string][]string{
		"EXPLAIN SELECT id FROM items ORDER BY v <=> '[1,2,3,4]' LIMIT 3":                                     {"Index: none for this column and operator"},
		"EXPLAIN SELECT id FROM items ORDER BY v <-> '[1,2,3,4]' LIMIT 3":                                     {"Index: graph  (hnsw, l2; segments ready: 1 of 1"},
		"EXPLAIN (ANALYZE, VERBOSE) SELECT id FROM items ORDER BY v <-> '[1,2,3,4]' LIMIT 3":                  {"Search: index ", "head rows compared: ", "Actual rows: 3"},
		"EXPLAIN ANALYZE SELECT id FROM items WHERE id IN (1, 2) ORDER BY v <-> '[1,2,3,4]' LIMIT 3":          {"Predicate: by keys, rows passing: 2"},
		"EXPLAIN ANALYZE SELECT id FROM items WHERE n = 1000 ORDER BY v <-> '[1,2,3,4]' LIMIT 3":              {"Predicate: by DuckDB scan, rows passing: 0"},
		"EXPLAIN (ANALYZE, FORMAT JSON) SELECT id FROM items WHERE n < 90 ORDER BY v <-> '[1,2,3,4]' LIMIT 3": {`"Predicate By": "iteration"`, `"Index Name": "graph"`, `"Rows Scored"`},
	} {
		got := must(t, s, text)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s\n%s\ndoes not say %s", text, got, w)
			}
		}
	}
	must(t, s, "SET enable_indexscan = off")
	if got := must(t, s, "EXPLAIN SELECT id FROM items ORDER BY v <-> '[1,2,3,4]' LIMIT 3"); !strings.Contains(got, "not used: enable_indexscan is off") {
		t.Error(got)
	}
}

// TestIndexRecall asks for the recall of an index.
func TestIndexRecall(t *testing.T) {
	s := testSession(t, testEngine(t))
	fillVectors(t, s, 3000, 100, 8)
	must(t, s, "CREATE INDEX graph ON items USING hnsw (v vector_l2_ops)")
	expect(t, s, "SELECT samples, k, recall > 0.9, worst <= recall, segments FROM index_recall('items', 'v', samples => 20, k => 5, ef_search => 100)", "20|5|t|t|1\n(SELECT 1)")
	expect(t, s, "SELECT samples, recall FROM index_recall('memories', 'joint_embedding')", "0|1\n(SELECT 1)")
	expect(t, s, "SELECT recall = 1 FROM index_recall('public.items', 'v', samples => 5, metric => 'l1')", "t\n(SELECT 1)")
	expect(t, s, "SELECT * FROM index_recall('items', NULL)", "(SELECT 0)")
	expect(t, s, "SELECT * FROM index_recall('items', 'n')", `ERROR 42804: column "n" of relation "items" is of type integer, not vector`)
	expect(t, s, "SELECT * FROM index_recall('nothing', 'v')", `ERROR 42P01: relation "nothing" does not exist`)
	expect(t, s, "SELECT * FROM index_recall('items', 'v', k => 0)", "ERROR 22023: k must be between 1 and 100000")
	expect(t, s, "SELECT * FROM index_recall('items', 'v', metric => 'hamming')", `ERROR 22023: metric "hamming" is not known`)
}
