package index

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestRowsFindEveryRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dim := rapid.IntRange(1, 5).Draw(t, "dim")
		var runs [][]float32
		n := 0
		even := rapid.Bool().Draw(t, "even")
		for i, many := 0, rapid.IntRange(0, 5).Draw(t, "runs"); i < many; i++ {
			size := rapid.IntRange(0, 7).Draw(t, "size")
			if even && i < many-1 {
				size = 7
			}
			run := make([]float32, size*dim)
			for j := range run {
				run[j] = float32(n*dim + j)
			}
			n += size
			runs = append(runs, run)
		}
		r, err := NewRows(dim, runs...)
		if err != nil || r.Len() != n || r.Dim() != dim {
			t.Fatalf("%d rows of %d, %v, want %d of %d", r.Len(), r.Dim(), err, n, dim)
		}
		for i := range n {
			if v := r.Row(uint32(i)); len(v) != dim || v[0] != float32(i*dim) {
				t.Fatalf("row %d starts with %v, want %d", i, v[0], i*dim)
			}
		}
		seen := 0
		for i := range r.Runs() {
			first, data := r.Run(i)
			if int(first) != seen || data[0] != float32(seen*dim) {
				t.Fatalf("run %d starts at %d, want %d", i, first, seen)
			}
			seen += len(data) / dim
		}
		if seen != n {
			t.Fatalf("runs hold %d rows, want %d", seen, n)
		}
	})
}

func TestRowsRefuseHalfVectors(t *testing.T) {
	if _, err := NewRows(3, make([]float32, 3), make([]float32, 4)); !errors.Is(err, ErrDimension) {
		t.Fatalf("got %v, want ErrDimension", err)
	}
	if _, err := NewRows(0); !errors.Is(err, ErrDimension) {
		t.Fatalf("got %v, want ErrDimension", err)
	}
}
