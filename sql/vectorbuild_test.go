package sql

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// fillClusters makes a table of rows whose vectors lie in clusters that spread in a few directions, as embeddings do; n is 0 to
// 999 and place the cluster.
func fillClusters(t testing.TB, s *Session, rows, dim int) (query func() string) {
	t.Helper()
	const clusters, spread = 30, 10
	r := rand.New(rand.NewPCG(5, 11))
	draw := func(n int) [][]float64 {
		all := make([][]float64, n)
		for i := range all {
			all[i] = make([]float64, dim)
			for j := range all[i] {
				all[i][j] = r.NormFloat64()
			}
		}
		return all
	}
	centers, axes := draw(clusters), draw(spread)
	vector := func(place int) string {
		v := append([]float64(nil), centers[place]...)
		for _, axis := range axes {
			z := 0.3 * r.NormFloat64()
			for j := range v {
				v[j] += z * axis[j]
			}
		}
		b := []byte{'['}
		for j, x := range v {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendFloat(b, x+0.05*r.NormFloat64(), 'g', 5, 32)
		}
		return string(append(b, ']'))
	}
	must(t, s, fmt.Sprintf("CREATE TABLE points (id bigint PRIMARY KEY, n int, place int, word text, v vector(%d))", dim))
	var b strings.Builder
	for i := range rows {
		place := r.IntN(clusters)
		fmt.Fprintf(&b, "%d\t%d\t%d\tword%d\t%s\n", i, r.IntN(1000), place, i%7, vector(place))
	}
	if out := doWith(s, "COPY points FROM STDIN", &script{in: strings.NewReader(b.String())}); strings.Contains(out, "ERROR") {
		t.Fatal(out)
	}
	return func() string { return "'" + vector(r.IntN(clusters)) + "'" }
}

// TestRecallUnderFilters measures searches under predicates of SQL that let 50, 10, 1 and 0.1 % of the rows through, against exact
// search: as many rows as match, and recall of 0.95 or more.
func TestRecallUnderFilters(t *testing.T) {
	s := testSession(t, testEngine(t))
	const rows = 16_000
	query := fillClusters(t, s, rows, 64)
	must(t, s, "CREATE INDEX graph ON points USING hnsw (v vector_l2_ops)")
	must(t, s, "DELETE FROM points WHERE n % 40 = 17")
	if got := must(t, s, "EXPLAIN SELECT id FROM points ORDER BY v <-> "+query()+" LIMIT 10"); !strings.Contains(got, "segments ready: 1 of 1") {
		t.Fatal(got)
	}
	for _, where := range []string{"true", "n < 500", "n BETWEEN 300 AND 400", "n IN (7, 8, 9, 10, 11, 12, 13, 14, 15, 16)", "n = 123", "place = 4",
		"word = 'word3' AND n > 500", "n < 20 OR place = 7", "length(word) = 5 AND n % 2 = 0", "n >= 997 AND word <> 'word1'"} {
		count, err := strconv.Atoi(rowsOf(s, "SELECT count(*) FROM points WHERE "+where)[0])
		if err != nil {
			t.Fatal(err)
		}
		found, all := 0, 0
		const asked = 25
		for range asked {
			text := directly(where, "<->", "v", query(), 10, 0)
			text = strings.Replace(text, "items", "points", 1)
			must(t, s, "SET enable_indexscan = off")
			exact := map[string]bool{}
			for _, id := range rowsOf(s, text) {
				exact[id] = true
			}
			must(t, s, "SET enable_indexscan = on")
			got := rowsOf(s, text)
			if len(got) != min(10, count) || len(exact) != len(got) {
				t.Fatalf("%s: %d rows by index, %d exactly, %d match", where, len(got), len(exact), count)
			}
			all += len(exact)
			for _, id := range got {
				if exact[id] {
					found++
				}
			}
		}
		recall := float64(found) / float64(all)
		t.Logf("%-45s %5.1f %% pass, recall %.3f", where, 100*float64(count)/rows, recall)
		if recall < 0.95 {
			t.Errorf("%s: recall %.3f", where, recall)
		}
	}
}

// A CREATE INDEX that is cancelled leaves nothing; inside of a transaction that did more, the index stays and is built later.
func TestCreateIndexCancelled(t *testing.T) {
	s := testSession(t, testEngine(t))
	query := fillClusters(t, s, 8_000, 64)
	const slow = "CREATE INDEX slow ON points USING hnsw (v vector_l2_ops) WITH (m = 64, ef_construction = 1000)"
	must(t, s, "SET statement_timeout = '100ms'")
	expect(t, s, slow, "ERROR 57014: canceling statement due to statement timeout")
	must(t, s, "SET statement_timeout = 0")
	expect(t, s, "SELECT count(*) FROM pg_indexes WHERE indexname = 'slow'", "0\n(SELECT 1)")
	if got := must(t, s, "EXPLAIN SELECT id FROM points ORDER BY v <-> "+query()+" LIMIT 1"); !strings.Contains(got, "Index: none") {
		t.Error(got)
	}
	must(t, s, "BEGIN; INSERT INTO points (id) VALUES (-1); "+slow+"; SET statement_timeout = '100ms'")
	if got := do(s, "COMMIT"); !strings.Contains(got, "(COMMIT)") {
		t.Error(got)
	}
	must(t, s, "SET statement_timeout = 0")
	expect(t, s, "SELECT count(*) FROM pg_indexes WHERE indexname = 'slow'", "1\n(SELECT 1)")
	expect(t, s, "SELECT count(*) FROM points WHERE id = -1", "1\n(SELECT 1)")
	must(t, s, "DROP INDEX slow; CREATE INDEX slow ON points USING hnsw (v vector_l2_ops)")
	if got := must(t, s, "EXPLAIN SELECT id FROM points ORDER BY v <-> "+query()+" LIMIT 1"); !strings.Contains(got, "segments ready: 1 of 1") {
		t.Error(got)
	}
}
