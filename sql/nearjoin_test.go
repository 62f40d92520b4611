package sql

import (
	"context"
	"strings"
	"testing"
)

// TestNearJoin asks for the nearest rows of joins, by index and exactly.
func TestNearJoin(t *testing.T) {
	s := testSession(t, testEngine(t))
	query := fillClusters(t, s, 6000, 16)
	must(t, s, "CREATE TABLE places (place int PRIMARY KEY, label text); INSERT INTO places SELECT i, 'label' || i % 5 FROM generate_series(0, 24) i")
	must(t, s, "CREATE TABLE pairs (place int, part int); INSERT INTO pairs SELECT i % 30, i FROM generate_series(0, 89) i")
	must(t, s, "CREATE INDEX graph ON points USING hnsw (v vector_l2_ops); DELETE FROM points WHERE n % 50 = 3; INSERT INTO points SELECT id + 100000, n, place, word, v FROM points WHERE n = 7")
	for _, c := range []struct {
		text string // $ is the query vector
		near bool
	}{
		{"SELECT p.id, x.label FROM points p JOIN places x USING (place) ORDER BY p.v <-> $ LIMIT 10", true},
		{"SELECT p.id FROM points p, places x WHERE x.place = p.place AND x.label = 'label2' AND p.n < 800 ORDER BY p.v <-> $ LIMIT 10", true},
		{"SELECT p.id, r.part FROM points p JOIN pairs r ON r.place = p.place ORDER BY p.v <-> $ LIMIT 9 OFFSET 6", true},
		{"SELECT p.id, x.label FROM points p LEFT JOIN places x ON x.place = p.place ORDER BY p.v <-> $ LIMIT 10", true},
		{"SELECT p.id, x.label FROM places x RIGHT JOIN points p ON x.place = p.place WHERE x.label IS NULL ORDER BY p.v <-> $ LIMIT 4", true},
		{"SELECT p.id, (SELECT label FROM places x WHERE x.place = p.place) FROM points p ORDER BY p.v <-> $ LIMIT 10", true},
		{"SELECT p.id FROM points p JOIN places x USING (place) WHERE EXISTS (SELECT 1 FROM pairs r WHERE r.part = p.n) ORDER BY p.v <-> $ LIMIT 5", true},
		{"SELECT p.id FROM points p JOIN places x USING (place) WHERE p.n = 999 AND x.label = 'label1' ORDER BY p.v <-> $ LIMIT 10", true},
		{"SELECT x.place, p.id FROM places x LEFT JOIN points p ON x.place = p.place AND p.n = 5 ORDER BY p.v <-> $ LIMIT 100", false},
		{"SELECT p.id FROM points p JOIN places x USING (place) ORDER BY p.v <=> $ LIMIT 10", false},
		{"SELECT p.id FROM points p JOIN points o ON o.id = p.id + 1 ORDER BY p.v <-> $ LIMIT 10", false},
		{"SELECT p.id FROM points p JOIN places x USING (place) WHERE p.n < (SELECT max(n) FROM points) ORDER BY p.v <-> $ LIMIT 10", false},
		{"SELECT DISTINCT p.place, p.v <-> $ FROM points p JOIN places x USING (place) ORDER BY p.v <-> $ LIMIT 10", false},
		{"SELECT p.id FROM points p JOIN places x USING (place) ORDER BY p.v <-> $ DESC LIMIT 10", false},
	} {
		found, all := 0, 0
		for range 5 {
			text := strings.ReplaceAll(c.text, "$", query())
			explained := must(t, s, "EXPLAIN "+text)
			if got := strings.Contains(explained, "its nearest rows are joined") && strings.Contains(explained, "Index: graph"); got != c.near {
				t.Errorf("%s: by index: %t\n%s", c.text, got, explained)
			}
			must(t, s, "SET enable_indexscan = off")
			want := rowsOf(s, text)
			must(t, s, "SET enable_indexscan = on")
			got := rowsOf(s, text)
			if len(got) != len(want) {
				t.Errorf("%s: %d rows, %d exactly", c.text, len(got), len(want))
			}
			exact := map[string]int{}
			for _, row := range want {
				exact[row]++
			}
			for _, row := range got {
				if exact[row] > 0 {
					exact[row]--
					found++
				}
			}
			all += len(want)
		}
		if found < all*95/100 {
			t.Errorf("%s: %d rows of %d", c.text, found, all)
		}
	}
}

// A prepared join takes its vector and its limit as parameters; what a transaction has written is joined.
func TestNearJoinParameters(t *testing.T) {
	s := testSession(t, testEngine(t))
	query := fillClusters(t, s, 6000, 16)
	must(t, s, "CREATE TABLE places (place int PRIMARY KEY, label text); INSERT INTO places SELECT i, 'label' || i % 5 FROM generate_series(0, 29) i")
	must(t, s, "CREATE INDEX graph ON points USING hnsw (v vector_l2_ops)")
	ctx := context.Background()
	if _, err := s.Prepare(ctx, "q", "SELECT p.id FROM points p JOIN places x USING (place) WHERE x.label = $3 ORDER BY p.v <-> $1 LIMIT $2", nil); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []string{"3", "0", "12"} {
		q := query()
		var params []Param
		for _, p := range []string{strings.Trim(q, "'"), limit, "label1"} {
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
		must(t, s, "SET enable_indexscan = off")
		want := must(t, s, "SELECT p.id FROM points p JOIN places x USING (place) WHERE x.label = 'label1' ORDER BY p.v <-> "+q+" LIMIT "+limit)
		must(t, s, "SET enable_indexscan = on")
		if w.out.String() != want {
			t.Errorf("limit %s: got\n%s\nwant\n%s", limit, w.out.String(), want)
		}
	}
	q := query()
	must(t, s, "BEGIN; INSERT INTO points (id, place, v) VALUES (-5, 1, "+q+")")
	join := "SELECT p.id FROM points p JOIN places x USING (place) ORDER BY p.v <-> " + q + " LIMIT 1"
	expect(t, s, join, "-5\n(SELECT 1)")
	analyzed := must(t, s, "EXPLAIN (ANALYZE) "+join)
	for _, want := range []string{"Search: index graph", "Predicate: by iteration", "Actual rows: 1"} {
		if !strings.Contains(analyzed, want) {
			t.Errorf("%s\ndoes not say %s", analyzed, want)
		}
	}
	must(t, s, "ROLLBACK")
	if got := do(s, join); strings.HasPrefix(got, "-5") {
		t.Error(got)
	}
	expect(t, s, "SELECT p.id FROM points p JOIN places x USING (place) ORDER BY p.v <-> '[1,2]' LIMIT 1", "ERROR 22000: different vector dimensions 16 and 2")
}
