package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"engram/sql/internal/catalog"
)

// clientScope adds the relations of the catalog to the test tables.
func clientScope() *testScope {
	s := newTestScope()
	for _, r := range catalog.Relations() {
		p := &Relation{OID: r.OID, Schema: r.Schema, Name: r.Name, Kind: Catalog}
		for i, c := range r.Columns {
			p.Columns = append(p.Columns, RelColumn{Name: c.Name, Type: c.Type, AttNum: int16(i + 1), NotNull: c.NotNull})
		}
		s.relations[r.Schema+"."+r.Name] = p
	}
	s.table(Table, "public", "parent", "id int4, name varchar(20), amount numeric(10,2), ts timestamptz, arr int4[], j jsonb", 1)
	s.table(Table, "public", "child", "id int8, parent_id int4, note text", 1)
	s.table(Table, "public", "pgbench_accounts", "aid int4, bid int4, abalance int4, filler char(84)", 1)
	s.table(Table, "public", "pgbench_branches", "bid int4, bbalance int4, filler char(88)", 1)
	s.table(Table, "public", "pgbench_tellers", "tid int4, bid int4, tbalance int4, filler char(84)", 1)
	s.table(Table, "public", "pgbench_history", "tid int4, bid int4, aid int4, delta int4, mtime timestamp, filler char(22)", 0)
	return s
}

// clientQueries takes the statements out of a captured log.
func clientQueries(text string) []string {
	var out []string
	var cur []string
	flush := func() {
		if q := strings.TrimSpace(strings.Join(cur, "\n")); q != "" {
			out = append(out, q)
		}
		cur = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "LOG:  statement: "):
			flush()
			cur = []string{strings.TrimPrefix(line, "LOG:  statement: ")}
		case strings.HasPrefix(line, "LOG:  execute "):
			flush()
			_, q, _ := strings.Cut(strings.TrimPrefix(line, "LOG:  execute "), ": ")
			cur = []string{q}
		case strings.HasPrefix(line, "\t") && cur != nil:
			cur = append(cur, line)
		default:
			flush()
		}
	}
	flush()
	return out
}

// TestClients analyses what real clients send. Every statement must be planned or refused with an error of a class that
// a client understands; how many are planned must not fall.
func TestClients(t *testing.T) {
	files, _ := filepath.Glob("../../../../shared/clients/*")
	if len(files) == 0 {
		t.Skip("no captured statements beside the repository (../shared/clients)")
	}
	sc := clientScope()
	good, total := 0, 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		g, n := 0, 0
		reasons := map[string]int{}
		for _, q := range clientQueries(string(b)) {
			n++
			stmts, err := Parse(q)
			for _, st := range stmts {
				if _, e := Analyze(st, sc, nil); e != nil {
					err = e
					break
				}
			}
			if err == nil {
				g++
				continue
			}
			reasons[err.Error()]++
			if strings.Contains(err.Error(), "XX000") {
				t.Errorf("%s: %v\n%s", filepath.Base(f), err, q)
			}
		}
		good, total = good+g, total+n
		t.Logf("%s: %d of %d", filepath.Base(f), g, n)
		for r, k := range reasons {
			t.Logf("    %3d x %s", k, r)
		}
	}
	t.Logf("%d of %d statements are planned", good, total)
	if total > 0 && good*100 < total*80 {
		t.Errorf("only %d of %d statements are planned", good, total)
	}
}
