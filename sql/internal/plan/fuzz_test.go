package plan

import (
	"strings"
	"testing"

	"engram/sql/types"
)

// FuzzAnalyze: no text makes the analysis panic or say that it met a shape that nobody thought of.
func FuzzAnalyze(f *testing.F) {
	for _, s := range []string{
		"SELECT 1", "SELECT * FROM t WHERE id = $1", "SELECT id FROM t ORDER BY v <-> '[1,2,3]' LIMIT 5",
		"INSERT INTO t (id, c) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET c = excluded.c RETURNING *",
		"UPDATE t SET a = a + 1 FROM u WHERE u.t_id = t.id RETURNING t.*, u.name", "DELETE FROM t USING u WHERE t.id = u.t_id",
		"CREATE TABLE x (id serial PRIMARY KEY, v vector(3), CHECK (id > 0))", "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 2) SELECT * FROM r",
		"SELECT * FROM cosine_top_k('[1]', 3, filter => 'a')", "COPY t FROM STDIN WITH (FORMAT csv, HEADER)", "ALTER TABLE t ADD COLUMN z int DEFAULT 3",
		"SELECT count(*) FILTER (WHERE a > 1) OVER (PARTITION BY b) FROM t GROUP BY ROLLUP (a, b)", "DECLARE c CURSOR FOR SELECT 1", "GRANT SELECT ON t TO x",
	} {
		f.Add(s)
	}
	sc := newTestScope()
	f.Fuzz(func(t *testing.T, s string) {
		stmts, err := Parse(s)
		if err != nil {
			if _, ok := err.(*types.Error); !ok {
				t.Fatalf("Parse gave an error of type %T: %v", err, err)
			}
			return
		}
		for _, st := range stmts {
			p, err := Analyze(st, sc, nil)
			if err == nil {
				dump(p)
				continue
			}
			e, ok := err.(*types.Error)
			if !ok || e.Code == "XX000" && strings.Contains(e.Message, "cannot analyse") {
				t.Fatalf("%q: %v", s, err)
			}
		}
	})
}

// TestDepth: what nests too deeply is refused, quickly and without a crash.
func TestDepth(t *testing.T) {
	for name, s := range map[string]string{
		"brackets":   "SELECT " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000),
		"sums":       "SELECT " + strings.Repeat("1+", 3000) + "1",
		"subqueries": strings.Repeat("SELECT (", 700) + "SELECT 1" + strings.Repeat(")", 700),
		"joins":      "SELECT 1 FROM t t0" + strings.Repeat(" JOIN t ON true", 1000),
		"not":        "SELECT " + strings.Repeat("NOT ", 1500) + "true",
	} {
		stmts, err := Parse(s)
		if err == nil {
			_, err = Analyze(stmts[0], newTestScope(), nil)
		}
		e, ok := err.(*types.Error)
		if !ok || e.Code != "54001" && e.Code != types.CodeDuplicateAlias {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSplit: statements have their own texts and places, and errors their places in the whole text.
func TestSplit(t *testing.T) {
	stmts, err := Parse(" -- first\nSELECT 1 ;/* x; /* y */ */ SELECT 'é;' ; ;\nCOMMIT")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"SELECT 1", "SELECT 'é;'", "COMMIT"}
	if len(stmts) != len(want) {
		t.Fatalf("%d statements", len(stmts))
	}
	for i, st := range stmts {
		if st.Text != want[i] {
			t.Errorf("statement %d is %q, not %q", i, st.Text, want[i])
		}
	}
	if stmts[2].Kind != KindExit || stmts[0].Kind != KindSelect {
		t.Errorf("kinds %v %v", stmts[0].Kind, stmts[2].Kind)
	}
	_, err = Parse("SELECT 'é' FRM t")
	if e := err.(*types.Error); e.Code != "42601" || e.Position != 16 {
		t.Errorf("syntax error %v at %d", e, e.Position)
	}
	stmts, _ = Parse("SELECT 1; SELECT 'é', nix")
	_, err = Analyze(stmts[1], newTestScope(), nil)
	if e := err.(*types.Error); e.Code != "42703" || e.Position != 23 {
		t.Errorf("unknown column %v at %d", e, e.Position)
	}
}
