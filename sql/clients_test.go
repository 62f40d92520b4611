package sql

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// clientTables are what the captured statements speak of.
const clientTables = `
CREATE TABLE parent (id serial PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'x', amount numeric(10,2), ts timestamptz DEFAULT now(), arr int4[], j jsonb);
CREATE TABLE child (id bigserial PRIMARY KEY, parent_id int, note text);
CREATE SCHEMA s2;
CREATE TABLE s2.child (id bigserial PRIMARY KEY, pid int, note text);
CREATE INDEX child_note_idx ON child (note);
CREATE VIEW v AS SELECT id, name FROM parent;
CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88));
CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84));
CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
`

// clientStatement is one statement of a capture with the parameters it was run with.
type clientStatement struct {
	text   string
	params []Param
}

var clientParameter = regexp.MustCompile(`\$(\d+) = (NULL|'(?:[^']|'')*')`)

// clientStatements takes the statements out of a captured log of PostgreSQL: those sent as text, and those prepared.
func clientStatements(text string) []clientStatement {
	var out []clientStatement
	var cur []string
	flush := func() {
		if q := strings.TrimSpace(strings.Join(cur, "\n")); q != "" {
			out = append(out, clientStatement{text: q})
		}
		cur = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		rest, statement := strings.CutPrefix(line, "LOG:  statement: ")
		named, execute := strings.CutPrefix(line, "LOG:  execute ")
		params, detail := strings.CutPrefix(line, "DETAIL:  parameters: ")
		switch {
		case detail:
			flush()
			for _, m := range clientParameter.FindAllStringSubmatch(params, -1) {
				p := Param{Null: m[2] == "NULL"}
				if !p.Null {
					p.Value = []byte(strings.ReplaceAll(m[2][1:len(m[2])-1], "''", "'"))
				}
				last := &out[len(out)-1]
				last.params = append(last.params, p)
			}
		case statement:
			flush()
			cur = []string{rest}
		case execute:
			flush()
			_, q, _ := strings.Cut(named, ": ")
			cur = []string{q}
		case (line == "" || strings.HasPrefix(line, "\t")) && cur != nil:
			cur = append(cur, line)
		default:
			flush()
		}
	}
	flush()
	return out
}

// sendStatement runs a statement as the extended protocol would: parameters that the capture does not give are NULL.
func sendStatement(s *Session, q clientStatement) error {
	ctx, text := s.ctx, q.text
	if !strings.Contains(text, "$1") || strings.HasPrefix(text, "PREPARE") {
		return s.Query(ctx, text, &script{style: s.Style})
	}
	st, err := s.Prepare(ctx, "", text, nil)
	if err == nil {
		params := make([]Param, len(st.Params()))
		for i := range params {
			params[i].Null = true
		}
		copy(params, q.params)
		var p *Portal
		if p, err = s.Bind(ctx, "", "", params, nil); err == nil {
			_, err = s.Execute(ctx, "", 0, &script{style: s.Style, cols: p.Columns()})
		}
	}
	if err != nil {
		s.Fail()
	}
	return errors.Join(err, s.Sync(ctx))
}

// TestClientStatements replays what psql, drivers and tools sent to PostgreSQL. No statement may fail for a reason of
// ours alone (XX000), and the share that is answered must not fall.
func TestClientStatements(t *testing.T) {
	files, _ := filepath.Glob("../../shared/clients/*")
	if len(files) == 0 {
		t.Skip("no captured statements beside the repository (../shared/clients)")
	}
	good, total := 0, 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		e := testEngine(t)
		s := testSession(t, e)
		must(t, s, clientTables)
		codes := map[string]int{}
		for _, q := range clientStatements(string(b)) {
			total++
			err := sendStatement(s, q)
			if err == nil {
				good++
				codes["ok"]++
				continue
			}
			var ours *Error
			if !errors.As(err, &ours) {
				t.Errorf("%s: no error of SQL: %v\n%s", filepath.Base(file), err, q.text)
				continue
			}
			codes[ours.Code]++
			if ours.Code == "XX000" {
				t.Errorf("%s: %v\n%s", filepath.Base(file), err, q.text)
			}
			if testing.Verbose() {
				t.Logf("%s: %s %s\n\t%s", filepath.Base(file), ours.Code, ours.Message, strings.ReplaceAll(q.text, "\n", "\n\t"))
			}
			if s.Status() == 'E' && codes["25P02"] == 0 {
				must(t, s, "ROLLBACK; BEGIN") // so that one error is counted once
			}
		}
		t.Logf("%-26s %s", filepath.Base(file), countTable(codes))
	}
	t.Logf("%d of %d statements are answered", good, total)
	if good*1000 < total*answeredPerMille {
		t.Errorf("only %d of %d statements are answered", good, total)
	}
}

// answeredPerMille is what share of the captured statements has been reached.
const answeredPerMille = 945

func countTable(codes map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(codes), func(a, b string) int {
		return cmp.Or(codes[b]-codes[a], strings.Compare(a, b))
	})
	var parts []string
	for _, k := range keys {
		parts = append(parts, fmt.Sprintf("%s %d", k, codes[k]))
	}
	return strings.Join(parts, ", ")
}
