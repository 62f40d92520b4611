package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"engram/quant/weights"
)

// TestModelMigrate takes a weight file to V2 and back by the command.
func TestModelMigrate(t *testing.T) {
	dir := t.TempDir()
	v1, v2, back := filepath.Join(dir, "v1"), filepath.Join(dir, "v2"), filepath.Join(dir, "back")
	if err := weights.WriteFile(v1, []*weights.Tensor{{Name: "a", Shape: []int{2}, DType: weights.Int16, Data: []byte{1, 2, 3, 4}}},
		nil); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{v1, v2, "--to", "v2"}, {v2, back, "--to=v1"}} {
		if code := run(append([]string{"model", "migrate"}, args...)); code != 0 {
			t.Fatalf("%q: exit status %d", args, code)
		}
	}
	f, err := weights.Open(v2, nil)
	if err != nil || f.Version() != 2 {
		t.Fatalf("%v", err)
	}
	f.Close()
	a, _ := os.ReadFile(v1)
	b, err := os.ReadFile(back)
	if err != nil || string(a) != string(b) {
		t.Errorf("%d bytes became %d, or others; %v", len(a), len(b), err)
	}
	if err := os.WriteFile(v1, []byte(strings.Repeat("x", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	if code := run([]string{"model", "migrate", v1, v2, "--to", "v2"}); code != 1 {
		t.Errorf("a file that is none: exit status %d", code)
	}
}
