package sql

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func vectorText(r *rand.Rand, dim int) string {
	parts := make([]string, dim)
	for i := range parts {
		parts[i] = fmt.Sprintf("%.4f", r.NormFloat64())
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// BenchmarkPrepared runs prepared statements through Bind, Execute and Sync over 10,000 rows of 128-d vectors.
func BenchmarkPrepared(b *testing.B) {
	s := testSession(b, testEngine(b))
	r := rand.New(rand.NewPCG(1, 2))
	must(b, s, "CREATE TABLE items (id bigint PRIMARY KEY, v vector(128))")
	var copied strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&copied, "%d\t%s\n", i, vectorText(r, 128))
	}
	doWith(s, "COPY items FROM STDIN", &script{in: strings.NewReader(copied.String())})
	query := vectorText(r, 128)
	for _, c := range []struct{ name, text, param string }{
		{"constant", "SELECT $1::int", "1"},
		{"point", "SELECT id FROM items WHERE id = $1", "77"},
		{"nearest", "SELECT id FROM items ORDER BY v <-> $1 LIMIT 10", query},
		{"count", "SELECT count(*) FROM items WHERE id < $1", "5000"},
	} {
		b.Run(c.name, func(b *testing.B) {
			ctx := context.Background()
			if _, err := s.Prepare(ctx, "", c.text, nil); err != nil {
				b.Fatal(err)
			}
			s.Sync(ctx)
			for b.Loop() {
				if _, err := s.Bind(ctx, "", "", []Param{{Value: []byte(c.param)}}, nil); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Execute(ctx, "", 0, &script{cols: s.statements[""].Columns()}); err != nil {
					b.Fatal(err)
				}
				if err := s.Sync(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
