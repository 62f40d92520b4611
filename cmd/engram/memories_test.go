package main

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Memories go in as texts and are asked for in SQL, through psql and through a driver with parameters.
func TestMemories(t *testing.T) {
	modelsDir := models(t)
	s := serve(t, t.TempDir(), "--models", modelsDir)
	c := s.connect(t)
	ctx := context.Background()
	for text, category := range map[string]string{
		"A man is playing a guitar.": "music", "A woman plays the violin.": "music", "The choir sings an old song.": "music",
		"Shares dropped on Wall Street.": "money", "The bank raised its interest rate.": "money",
		"A cat sleeps on the sofa.": "animals", "Two dogs run on the beach.": "animals",
	} {
		if _, err := c.Exec(ctx, "insert into memories (text, category) values ($1, $2)", text, category); err != nil {
			t.Fatal(err)
		}
	}
	out := psql(t, s, `SELECT m.text, k.score FROM cosine_top_k(embed('a person playing music'), 5) k JOIN memories m USING (id) ORDER BY k.score DESC`)
	lines := strings.Split(out, "\n")
	if len(lines) < 4 || !strings.Contains(lines[2], "guitar") && !strings.Contains(lines[2], "violin") {
		t.Errorf("the nearest to a person playing music:\n%s", out)
	}

	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		rows, err := c.Query(ctx, "SELECT m.category FROM cosine_top_k(embed($1), $2) k JOIN memories m USING (id) ORDER BY k.score DESC", mode, "pets at rest", 1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(got) != 1 || got[0] != "animals" {
			t.Errorf("mode %v: the nearest to pets at rest is in %v, %v", mode, got, err)
		}
	}
	rows, err := c.Query(ctx, "SELECT category, count(*), avg(score) FROM cosine_top_k(embed($1), 200) k JOIN memories m USING (id) GROUP BY 1", "the stock market")
	if err != nil {
		t.Fatal(err)
	}
	type group struct {
		Category string
		Count    int64
		Mean     float64
	}
	groups, err := pgx.CollectRows(rows, pgx.RowToStructByPos[group])
	if err != nil || len(groups) != 3 {
		t.Fatalf("%v, %v", groups, err)
	}
	best, total := groups[0], int64(0)
	for _, g := range groups {
		total += g.Count
		if g.Mean > best.Mean {
			best = g
		}
	}
	if best.Category != "money" || total != 7 {
		t.Errorf("groups %v", groups)
	}
}
