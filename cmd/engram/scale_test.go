package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"
	pgxvector "github.com/pgvector/pgvector-go/pgx"
)

const (
	scaleDim     = 512
	scaleQueries = 20
)

// scaleRows is how many rows TestScale loads: 100,000 when ENGRAM_LONG is set, else 6,000.
func scaleRows() int {
	if os.Getenv("ENGRAM_LONG") != "" {
		return 100_000
	}
	return 6_000
}

// Many rows go in by binary COPY, are sealed and opened again: exact search equals brute force before and after, and
// counts, filters and joins run from Parquet.
func TestScale(t *testing.T) {
	n := scaleRows()
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(7, 7))
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = make([]float32, scaleDim)
		for j := range vectors[i] {
			vectors[i][j] = float32(random.NormFloat64())
		}
	}
	s := serve(t, dir, "--seal-rows", fmt.Sprint(n/3))
	c := s.connectVectors(t)
	ctx := context.Background()
	for _, statement := range []string{
		"create table big (id bigint primary key, bucket int not null, name text, embedding vector(512))",
		"create table buckets (bucket int primary key, label text)",
		"insert into buckets select g, 'label ' || g from generate_series(0, 9) g",
	} {
		if _, err := c.Exec(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	started := time.Now()
	copied, err := c.CopyFrom(ctx, pgx.Identifier{"big"}, []string{"id", "bucket", "name", "embedding"},
		pgx.CopyFromSlice(n, func(i int) ([]any, error) {
			return []any{int64(i), int32(i % 10), fmt.Sprintf("row %d", i), pgvector.NewVector(vectors[i])}, nil
		}))
	if err != nil || copied != int64(n) {
		t.Fatalf("copied %d of %d: %v", copied, n, err)
	}
	t.Logf("COPY of %d rows of %d dimensions: %.1f s", n, scaleDim, time.Since(started).Seconds())
	checkScale(t, c, vectors, random)

	waitSealed(t, dir, n)
	s.terminate(t)
	started = time.Now()
	s = serve(t, dir, "--seal-rows", fmt.Sprint(n/3))
	t.Logf("opened in %v", time.Since(started).Round(time.Millisecond))
	c = s.connectVectors(t)
	checkScale(t, c, vectors, random)
	s.terminate(t)
}

func (s *testServer) connectVectors(t *testing.T) *pgx.Conn {
	t.Helper()
	c := s.connect(t)
	if err := pgxvector.RegisterTypes(context.Background(), c); err != nil {
		t.Fatalf("pgvector's driver: %v", err)
	}
	return c
}

func waitSealed(t *testing.T, dir string, rows int) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		files := 0
		filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
			if strings.HasSuffix(path, ".parquet") {
				files++
			}
			return nil
		})
		if files > 0 {
			t.Logf("%d Parquet files", files)
			return
		}
	}
	t.Fatalf("%d rows were never sealed", rows)
}

func checkScale(t *testing.T, c *pgx.Conn, vectors [][]float32, random *rand.Rand) {
	t.Helper()
	ctx := context.Background()
	n := len(vectors)
	var searching time.Duration
	for range scaleQueries {
		query := vectors[random.IntN(n)]
		started := time.Now()
		rows, err := c.Query(ctx, "select id from big order by embedding <-> $1 limit 10", pgvector.NewVector(query))
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		searching += time.Since(started)
		if want := bruteForce(vectors, query, 10); err != nil || !slices.Equal(got, want) {
			t.Fatalf("top 10 are %v, want %v (%v)", got, want, err)
		}
	}
	t.Logf("exact top 10 of %d: %.1f ms a query", n, searching.Seconds()*1000/scaleQueries)

	f := func(want any, statement string, args ...any) {
		t.Helper()
		started := time.Now()
		var got any
		if err := c.QueryRow(ctx, statement, args...).Scan(&got); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		if got != want {
			t.Errorf("%s = %v (%T), want %v", statement, got, got, want)
		}
		t.Logf("%6.1f ms  %s", time.Since(started).Seconds()*1000, statement)
	}
	f(int64(n), "select count(*) from big")
	f(int64(n/10), "select count(*) from big where bucket = 3")
	f(fmt.Sprintf("row %d", n-1), "select name from big where id = $1", int64(n-1))
	f("label 7", "select max(b.label) from big join buckets b using (bucket) where big.id % 10 = 7")
	f(int64(10), "select count(distinct b.label) from big join buckets b using (bucket)")
}

// bruteForce is the oracle: all distances, sorted; ties go to the smaller id.
func bruteForce(vectors [][]float32, query []float32, k int) []int64 {
	type scored struct {
		id   int64
		dist float64
	}
	all := make([]scored, len(vectors))
	for i, v := range vectors {
		var sum float64
		for j := range v {
			d := float64(v[j]) - float64(query[j])
			sum += d * d
		}
		all[i] = scored{int64(i), sum}
	}
	slices.SortFunc(all, func(a, b scored) int {
		switch {
		case a.dist < b.dist:
			return -1
		case a.dist > b.dist:
			return 1
		}
		return int(a.id - b.id)
	})
	ids := make([]int64, k)
	for i := range ids {
		ids[i] = all[i].id
	}
	return ids
}
