package sql

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs the golden files: each directive is a text for Session.Query. "session=b" runs it in another session,
// "names" prints the columns, "seal=table" settles a table's rows first, "copy" takes what stands behind a line "----in"
// as the data of COPY FROM STDIN.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.script")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".script"), func(t *testing.T) {
			e := testEngine(t)
			sessions := map[string]*Session{}
			datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string { return runDirective(t, e, sessions, d) })
			for _, s := range sessions {
				s.Close()
			}
		})
	}
}

func runDirective(t *testing.T, e *Engine, sessions map[string]*Session, d *datadriven.TestData) string {
	name := "a"
	w := &script{}
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "session":
			name = arg.Vals[0]
		case "names":
			w.names = true
		}
	}
	s := sessions[name]
	var notices []string
	if s == nil {
		var err error
		if s, err = e.NewSession(t.Context(), SessionOptions{}); err != nil {
			t.Fatal(err)
		}
		sessions[name] = s
	}
	s.notice = func(n *Error) { notices = append(notices, fmt.Sprintf("%s %s: %s\n", n.Severity, n.Code, n.Message)) }
	switch d.Cmd {
	case "sql":
		text := d.Input
		if body, in, ok := strings.Cut(text, "\n==\n"); ok {
			text, w.in = body, strings.NewReader(in+"\n")
		}
		out := doWith(s, text, w)
		return strings.Join(notices, "") + out
	case "seal":
		snap := e.db.Snapshot()
		tab, err := snap.Table("public", strings.TrimSpace(d.Input))
		snap.Close()
		if err != nil {
			return err.Error() + "\n"
		}
		if err := e.db.Seal(t.Context(), tab.ID); err != nil {
			return err.Error() + "\n"
		}
		return "sealed\n"
	}
	t.Fatalf("%s: unknown directive %s", d.Pos, d.Cmd)
	return ""
}
