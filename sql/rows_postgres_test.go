package sql

import (
	"context"
	"os"
	"strings"
	"testing"
)

// statements gives the statements of a file of testdata: they are separated by empty lines.
func statements(t *testing.T, file string) []string {
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, text := range strings.Split(string(b), "\n\n") {
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// TestRowsAgainstPostgres runs testdata/rows.sql on PostgreSQL and on the engine, as TestAgainstPostgres does. The
// tables of its first statements lie partly in segments: "-- seal" seals all of them where it stands.
func TestRowsAgainstPostgres(t *testing.T) {
	conn := startPostgres(t)
	e := testEngine(t)
	s := testSession(t, e)
	differ, sealed := 0, 0
	list := statements(t, "rows.sql")
	for _, text := range list {
		if text == "-- seal" {
			sealed += sealAll(t, e)
			continue
		}
		why, known := "", false
		if strings.HasPrefix(text, "-- differs: ") {
			known = true
			why, text, _ = strings.Cut(strings.TrimPrefix(text, "-- differs: "), "\n")
		}
		want, got := askPostgres(conn, text), askOurselves(s, text)
		switch {
		case want != got && !known:
			t.Errorf("%s\nPostgreSQL:\n%sours:\n%s", text, want, got)
		case want == got && known:
			t.Errorf("%s\nis said to differ (%s), but does not", text, why)
		case known:
			differ++
		}
	}
	if sealed == 0 {
		t.Error("nothing was sealed")
	}
	t.Logf("%d statements compared, %d known to differ", len(list), differ)
}

// sealAll seals every table and tells how many there are.
func sealAll(t *testing.T, e *Engine) int {
	snap := e.DB().Snapshot()
	defer snap.Close()
	n := 0
	for _, table := range snap.Tables() {
		if err := e.DB().Seal(context.Background(), table.ID); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
