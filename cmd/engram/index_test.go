package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pgvector/pgvector-go"
)

const indexTestRows = 12_000

// loadPoints makes a table of vectors.
func loadPoints(t *testing.T, c *pgx.Conn) {
	t.Helper()
	ctx := context.Background()
	if _, err := c.Exec(ctx, "CREATE TABLE points (id bigint PRIMARY KEY, v vector(64))"); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 4))
	_, err := c.CopyFrom(ctx, pgx.Identifier{"points"}, []string{"id", "v"}, pgx.CopyFromSlice(indexTestRows, func(i int) ([]any, error) {
		v := make([]float32, 64)
		for j := range v {
			v[j] = float32(r.NormFloat64()) + 3*float32(i%9)
		}
		return []any{int64(i), pgvector.NewVector(v)}, nil
	}))
	if err == nil {
		_, err = c.Exec(ctx, "VACUUM points")
	}
	if err != nil {
		t.Fatal(err)
	}
}

const slowIndex = "CREATE INDEX slow ON points USING hnsw (v vector_l2_ops) WITH (m = 64, ef_construction = 1000)"

// plan is what EXPLAIN says of a search of points.
func plan(t *testing.T, c *pgx.Conn) string {
	t.Helper()
	query := "'[" + strings.Repeat("1,", 63) + "1]'"
	rows, err := c.Query(context.Background(), "EXPLAIN SELECT id FROM points ORDER BY v <-> "+query+" LIMIT 5")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// nearestIs5 searches for the vector of row 5.
func nearestIs5(t *testing.T, c *pgx.Conn) {
	t.Helper()
	var id int64
	err := c.QueryRow(context.Background(), "SELECT id FROM points ORDER BY v <-> (SELECT v FROM points WHERE id = 5) LIMIT 1").Scan(&id)
	if err != nil || id != 5 {
		t.Errorf("the nearest row is %d, %v", id, err)
	}
}

// A client cancels the index it builds, drops the table under one, and the server is killed while it builds one. Nothing half-done is
// left, searches are right all the time, and what is wanted gets built.
func TestIndexBuildInterrupted(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir)
	c, other := s.connectVectors(t), s.connectVectors(t)
	ctx := context.Background()
	loadPoints(t, c)
	building := func() chan error {
		ended := make(chan error, 1)
		go func() { _, err := c.Exec(ctx, slowIndex); ended <- err }()
		deadline := time.Now().Add(30 * time.Second)
		for !strings.Contains(plan(t, other), "Index: slow") { // its definition is committed before it is built
			if time.Now().After(deadline) {
				t.Fatalf("CREATE INDEX does not begin:\n%s", plan(t, other))
			}
		}
		nearestIs5(t, other)
		return ended
	}

	ended := building()
	if err := c.PgConn().CancelRequest(ctx); err != nil {
		t.Fatal(err)
	}
	var e *pgconn.PgError
	if err := <-ended; !errors.As(err, &e) || e.Code != "57014" {
		t.Errorf("cancelled: %v", err)
	}
	if got := plan(t, c); !strings.Contains(got, "Index: none") {
		t.Errorf("after the cancel:\n%s", got)
	}

	ended = building()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.cmd.Wait()
	<-ended
	s = serve(t, dir)
	c, other = s.connectVectors(t), s.connectVectors(t)
	nearestIs5(t, c)
	deadline := time.Now().Add(2 * time.Minute)
	for got := ""; !strings.Contains(got, "segments ready: 1 of 1"); got = plan(t, c) {
		if time.Now().After(deadline) {
			t.Fatalf("the index is not built after a restart:\n%s\n%s", got, s.log)
		}
		time.Sleep(50 * time.Millisecond)
	}
	nearestIs5(t, c)
	if !strings.Contains(s.log.String(), "is missing and will be built") {
		t.Errorf("the log does not tell:\n%s", s.log)
	}
	if _, err := c.Exec(ctx, "DROP INDEX slow"); err != nil {
		t.Fatal(err)
	}

	ended = building()
	if _, err := other.Exec(ctx, "DROP TABLE points"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the table was dropped while its index was built: %v", err)
	}
	s.terminate(t)
	if left, err := filepath.Glob(filepath.Join(dir, "segments", "*.idx*")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	if out, err := output(t, "verify", "--dir", dir); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

func TestMemoryLimitFlag(t *testing.T) {
	for text, want := range map[string]int64{"4GiB": 4 << 30, "512MiB": 512 << 20, "200000000": 200_000_000, "262144 K": 1 << 28, "1G": 1 << 30} {
		var b byteSize
		if err := b.UnmarshalText([]byte(text)); err != nil || int64(b) != want {
			t.Errorf("%s: %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "much", "1MiB", "-4GiB", "99999999999GiB", "4 GiB GiB"} {
		var b byteSize
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: %d", text, b)
		}
	}
	if out, err := output(t, "serve", "--dir", t.TempDir(), "--memory-limit", "little"); err == nil || !strings.Contains(out, "little") {
		t.Errorf("%v\n%s", err, out)
	}
}
