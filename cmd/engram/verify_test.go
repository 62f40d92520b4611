package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verify reads a whole database and says so; it finds what a disk has changed, and measures its indexes.
func TestVerifyCommand(t *testing.T) {
	dir := t.TempDir()
	out, err := output(t, "sql", "--dir", dir, "-q",
		"-c", "CREATE TABLE points (id bigserial PRIMARY KEY, v vector(8))",
		"-c", `INSERT INTO points (v) SELECT ('[' || sin(i) || ',' || cos(i*1.7) || ',' || sin(i*3.1) || ',' || cos(i*0.3) || ',' || sin(i*0.7) || ','
			|| cos(i*2.3) || ',' || sin(i*5.9) || ',' || cos(i*7.7) || ']')::vector FROM generate_series(1, 3000) i`,
		"-c", "CREATE INDEX near ON points USING hnsw (v vector_l2_ops)")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = output(t, "verify", "--dir", dir, "--recall", "--samples", "20")
	if err != nil || !strings.Contains(out, "3000 rows") || !strings.Contains(out, "nothing is wrong") || !strings.Contains(out, "1 of 1") {
		t.Fatalf("%v\n%s", err, out)
	}
	var r verifyReport
	out, err = output(t, "verify", "--dir", dir, "--json", "--recall")
	if err != nil || json.Unmarshal([]byte(out), &r) != nil || !r.OK || r.Indexes != 1 || len(r.Recall) == 0 || r.Rows != 3000 {
		t.Fatalf("%v\n%s\n%+v", err, out, r)
	}
	for _, m := range r.Recall {
		if m.Index == "near" && (m.Mean < 0.95 || m.Samples != 100 || m.IndexedSegments != 1) {
			t.Errorf("%+v", m)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "segments", "*.idx"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(files[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err = output(t, "verify", "--dir", dir)
	if err == nil || !strings.Contains(out, "wrong: index \"near\"") || strings.Contains(out, "nothing is wrong") {
		t.Fatalf("a changed byte of an index: %v\n%s", err, out)
	}
	if out, err = output(t, "verify", "--dir", dir, "--recall", "--min-recall", "1.1", "--json"); err == nil || !strings.Contains(out, "less than 1.1") {
		t.Fatalf("recall too low: %v\n%s", err, out)
	}
	if out, err = output(t, "verify", "--dir", filepath.Join(dir, "nowhere")); err == nil {
		t.Fatalf("a directory that is not there: %s", out)
	}
}
