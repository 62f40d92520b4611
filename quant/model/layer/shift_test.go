package layer_test

import (
	"errors"
	"slices"
	"testing"

	"engram/quant/model/layer"
	"engram/quant/weights"
)

// TestShift: a shift is added to every row, beside the bias, until it is taken back.
func TestShift(t *testing.T) {
	p, _ := write(t, nil, nil)
	const rows = 3
	x, s := numbers(4, rows*in), new(layer.Scratch)
	for _, name := range []string{"a", "b"} {
		by := numbers(5, out)
		if err := p.Shift(name+".weight", by); !errors.Is(err, weights.ErrNoLayer) {
			t.Errorf("%s: before it is in use: err %v", name, err)
		}
		l, err := p.Linear(name, out, in)
		if err != nil {
			t.Fatal(err)
		}
		before, after := make([]float32, rows*out), make([]float32, rows*out)
		l.Apply(before, x, rows, s)
		if err := p.Shift(name+".weight", by); err != nil {
			t.Fatal(err)
		}
		l.Apply(after, x, rows, s)
		for i, v := range after {
			if v != before[i]+by[i%out] {
				t.Fatalf("%s: output %d is %g, was %g, the shift is %g", name, i, v, before[i], by[i%out])
			}
		}
		if err := p.Shift(name+".weight", by[1:]); !errors.Is(err, weights.ErrShape) {
			t.Errorf("%s: a shift too short: err %v", name, err)
		}
		if err := p.Shift(name+".weight", nil); err != nil {
			t.Fatal(err)
		}
		l.Apply(after, x, rows, s)
		if err := s.Err(); err != nil || !slices.Equal(after, before) {
			t.Errorf("%s: the shift was not taken back, err %v", name, err)
		}
	}
}
