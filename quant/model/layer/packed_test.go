package layer_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"engram/quant"
	"engram/quant/model/layer"
	"engram/quant/weights"
)

// schemes are all kinds of codes: those that are multiplied as bytes and those that are not.
var schemes = []quant.Scheme{
	{Bits: 8, Symmetric: true, Granularity: quant.PerChannel},
	{Bits: 8, Granularity: quant.PerChannel},
	{Bits: 8, Symmetric: true, Granularity: quant.PerTensor},
	{Bits: 8, Granularity: quant.PerTensor},
	{Bits: 8, Symmetric: true, Granularity: quant.PerGroup, GroupSize: 32},
	{Bits: 8, Granularity: quant.PerGroup, GroupSize: 7}, // runs over rows' ends
	{Bits: 8, Granularity: quant.PerGroup, GroupSize: 2 * in},
	{Bits: 4, Granularity: quant.PerGroup, GroupSize: 16},
	{Bits: 4, Symmetric: true, Granularity: quant.PerChannel},
	{Bits: 4, Granularity: quant.PerTensor},
	{Bits: 4, Granularity: quant.PerGroup, GroupSize: 12},
	{Bits: 3, Granularity: quant.PerGroup, GroupSize: 32},
	{Bits: 3, Symmetric: true, Granularity: quant.PerGroup, GroupSize: 4},
	{Bits: 2, Granularity: quant.PerGroup, GroupSize: 8},
	{Bits: 2, Granularity: quant.PerGroup, GroupSize: 100},
}

func name(s quant.Scheme) string {
	return fmt.Sprintf("int%d %v %d symmetric=%v", s.Bits, s.Granularity, s.GroupSize, s.Symmetric)
}

// values are the numbers that codes of w stand for.
func values(tb testing.TB, s quant.Scheme, w []float32) []float32 {
	tb.Helper()
	q, err := quant.QuantizeMatrix(s, out, in, w)
	if err != nil {
		tb.Fatal(err)
	}
	v := make([]float32, len(w))
	q.Dequantize(v)
	return v
}

// TestLinearOfCodes compares the layer with the product of its codes' values in float64. Inputs rounded to bytes are off by
// half a step, greatest magnitude / 254, which adds up like a walk of random steps.
func TestLinearOfCodes(t *testing.T) {
	const rows = 9
	x := numbers(3, rows*in)
	for _, s := range schemes {
		p, _ := write(t, &s, nil)
		l, err := p.Linear("a", out, in)
		if err != nil {
			t.Fatal(err)
		}
		var work layer.Scratch
		got := make([]float32, rows*out)
		l.Apply(got, x, rows, &work)
		if err := work.Err(); err != nil {
			t.Fatal(err)
		}
		w := values(t, s, numbers(0, out*in))
		var err2, all float64
		for i, want := range product(x, w, numbers(9, out), rows) {
			err2 += (float64(got[i]) - want) * (float64(got[i]) - want)
			all += want * want
		}
		if e := math.Sqrt(err2 / all); !(e < 0.01) {
			t.Errorf("%s: relative error %v", name(s), e)
		}
		table, err := p.Embedding("a", out, in)
		if err != nil {
			t.Fatal(err)
		}
		row := make([]float32, in)
		table.Gather(row, []int32{out - 1}, &work)
		if !slices.Equal(row, w[(out-1)*in:]) {
			t.Errorf("%s: the last row of the table differs", name(s))
		}
	}
}

// TestRowsAlone: what a row gives does not depend on the others, for every kind of codes and for numbers.
func TestRowsAlone(t *testing.T) {
	const rows = 200
	x := numbers(4, rows*in)
	for i := 3 * in; i < 4*in; i++ {
		x[i] *= 1000 // an outlier among the rows
	}
	clear(x[5*in : 6*in])
	check := func(name string, p *layer.Params) {
		l, err := p.Linear("a", out, in)
		if err != nil {
			t.Fatal(err)
		}
		var s layer.Scratch
		all, alone := make([]float32, rows*out), make([]float32, out)
		l.Apply(all, x, rows, &s)
		for r := range rows {
			l.Apply(alone, x[r*in:(r+1)*in], 1, &s)
			if !slices.Equal(alone, all[r*out:(r+1)*out]) {
				t.Fatalf("%s: row %d alone differs", name, r)
			}
		}
		bias := numbers(9, out)
		if !slices.Equal(all[5*out:6*out], bias) {
			t.Errorf("%s: zeros do not give the bias", name)
		}
		if n := testing.AllocsPerRun(20, func() { l.Apply(all, x, rows, &s) }); n > 0.2 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	for _, s := range schemes {
		p, _ := write(t, &s, nil)
		check(name(s), p)
	}
	p, _ := write(t, nil, nil)
	check("float32", p)
}

// TestNotFinite: what is not finite in a row shows in what it gives, and nowhere else.
func TestNotFinite(t *testing.T) {
	s := schemes[0]
	p, _ := write(t, &s, nil)
	l, err := p.Linear("b", out, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		x := numbers(5, 3*in)
		x[in+7] = float32(bad)
		y := make([]float32, 3*out)
		var work layer.Scratch
		l.Apply(y, x, 3, &work)
		for i, v := range y {
			if finite := !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0); finite == (i/out == 1) {
				t.Fatalf("%v: output %d of row %d is %v", bad, i%out, i/out, v)
			}
		}
	}
	tiny := make([]float32, in)
	tiny[0] = 1e-45
	y := []float32{}
	y = append(y, make([]float32, out)...)
	var work layer.Scratch
	l.Apply(y, tiny, 1, &work)
	if slices.ContainsFunc(y, func(v float32) bool { return v != 0 }) {
		t.Errorf("the least number gives %v", y)
	}
}

// TestHalves: tensors of float16 are used as they are, whatever the file calls them.
func TestHalves(t *testing.T) {
	path := t.TempDir() + "/weights.parquet"
	w := numbers(6, out*in)
	b := quant.AppendHalf(nil, w)
	if err := weights.WriteFile(path, []*weights.Tensor{{Name: "a.weight", Shape: []int{out, in}, DType: weights.Float16, Data: b}}, nil); err != nil {
		t.Fatal(err)
	}
	p, err := layer.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range w {
		w[i] = quant.FromHalf(quant.ToHalf(w[i]))
	}
	l, err := p.Linear("a", out, in)
	if err != nil {
		t.Fatal(err)
	}
	var s layer.Scratch
	x, y := numbers(7, 3*in), make([]float32, 3*out)
	l.Apply(y, x, 3, &s)
	for i, want := range product(x, w, nil, 3) {
		if math.Abs(float64(y[i])-want) > 1e-4 {
			t.Fatalf("element %d is %v, want %v", i, y[i], want)
		}
	}
	e, err := p.Embedding("a", out, in)
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float32, in)
	e.Gather(row, []int32{5}, &s)
	if err := s.Err(); err != nil || !slices.Equal(row, w[5*in:6*in]) {
		t.Errorf("row differs, err %v", err)
	}
	if p.Resident() != int64(2*2*out*in) {
		t.Errorf("%d bytes in memory for two uses of %d", p.Resident(), 2*out*in)
	}
}

func TestReplaceAndObserve(t *testing.T) {
	p, _ := write(t, nil, nil)
	l, err := p.Linear("b", out, in)
	if err != nil {
		t.Fatal(err)
	}
	var s layer.Scratch
	x := numbers(8, 2*in)
	run := func() []float32 {
		y := make([]float32, 2*out)
		l.Apply(y, x, 2, &s)
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		return y
	}
	before := run()
	q, err := quant.QuantizeMatrix(schemes[8], out, in, numbers(1, out*in))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Replace("b.weight", q); err != nil {
		t.Fatal(err)
	}
	with := run()
	if slices.Equal(before, with) {
		t.Error("the codes are not used")
	}
	if err := p.Replace("b.weight", nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(run(), before) {
		t.Error("the file's numbers are not back")
	}
	bad := q.Clone()
	bad.Codes = bad.Codes[1:]
	small, _ := quant.QuantizeMatrix(schemes[0], 2, 2, make([]float32, 4))
	if err := p.Replace("b.weight", bad); !errors.Is(err, quant.ErrParams) {
		t.Errorf("too few codes: %v", err)
	}
	if err := p.Replace("b.weight", small); !errors.Is(err, weights.ErrShape) {
		t.Errorf("another shape: %v", err)
	}
	var seen []string
	p.Observe(func(tensor string, got []float32, rows int) {
		if rows != 2 || !slices.Equal(got, x) {
			t.Error("other inputs")
		}
		seen = append(seen, tensor)
	})
	run()
	p.Observe(nil)
	run()
	if !slices.Equal(seen, []string{"b.weight"}) {
		t.Errorf("observed %v", seen)
	}
}

// TestBudget: memory stays inside the budget, what was used longest ago goes first, and all works as before.
func TestBudget(t *testing.T) {
	size := int64(4 * 64 * in) // a panel holds whole numbers of rows
	p, _ := write(t, nil, &layer.Options{Budget: size + 100})
	a, err := p.Linear("a", out, in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Linear("b", out, in)
	if err != nil {
		t.Fatal(err)
	}
	if p.Resident() != 0 {
		t.Errorf("%d bytes before the first use", p.Resident())
	}
	var s layer.Scratch
	x, y, z := numbers(8, in), make([]float32, out), make([]float32, out)
	a.Apply(y, x, 1, &s)
	one := p.Resident()
	if one < 4*out*in || one > size {
		t.Errorf("%d bytes for one layer", one)
	}
	b.Apply(z, x, 1, &s)
	if p.Resident() != one {
		t.Errorf("%d bytes for two layers, the budget is %d", p.Resident(), size+100)
	}
	again := make([]float32, out)
	a.Apply(again, x, 1, &s)
	p.Unload()
	if p.Resident() != 0 {
		t.Errorf("%d bytes after Unload", p.Resident())
	}
	b.Apply(y, x, 1, &s)
	if !slices.Equal(y, z) || p.Resident() != one {
		t.Errorf("after Unload another result, or %d bytes", p.Resident())
	}
}

// TestConcurrentUse runs layers while others unload, replace and at last close them.
func TestConcurrentUse(t *testing.T) {
	for _, s := range []*quant.Scheme{nil, &schemes[0], &schemes[7], &schemes[5]} {
		p, _ := write(t, s, &layer.Options{Budget: 1})
		var want [2][]float32
		x := numbers(8, 3*in)
		var ls [2]*layer.Linear
		var work layer.Scratch
		for i, n := range []string{"a", "b"} {
			l, err := p.Linear(n, out, in)
			if err != nil {
				t.Fatal(err)
			}
			ls[i], want[i] = l, make([]float32, 3*out)
			l.Apply(want[i], x, 3, &work)
		}
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				var s layer.Scratch
				y := make([]float32, 3*out)
				for i := range 60 {
					ls[(g+i)%2].Apply(y, x, 3, &s)
					if err := s.Err(); err != nil {
						if !errors.Is(err, layer.ErrClosed) || slices.ContainsFunc(y, func(v float32) bool { return v != 0 }) {
							t.Errorf("err %v", err)
						}
					} else if !slices.Equal(y, want[(g+i)%2]) {
						t.Error("another result")
					}
					if i%7 == g {
						p.Unload()
					}
					if g == 0 && i == 50 {
						if err := p.Close(); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		if err := p.Close(); err != nil || p.Resident() != 0 {
			t.Errorf("second Close: %v, %d bytes", err, p.Resident())
		}
	}
}

// TestDamage flips bits of the numbers: the layer says so when it is first used and gives zeros, and the others work.
func TestDamage(t *testing.T) {
	for _, s := range []*quant.Scheme{nil, &schemes[0], &schemes[7]} {
		p, path := write(t, s, nil)
		p.Close()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		w, err := weights.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		raw, _, err := w.Tensor("a.weight")
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Index(string(b), string(raw.Data))
		w.Close()
		b[at+len(raw.Data)/2] ^= 4
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if p, err = layer.Open(path, nil); err != nil {
			t.Fatal(err)
		}
		la, err1 := p.Linear("a", out, in)
		ea, err2 := p.Embedding("a", out, in)
		lb, err3 := p.Linear("b", out, in)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		var work layer.Scratch
		y := slices.Repeat([]float32{1}, out)
		x := numbers(1, in)
		check := func(v []float32) {
			t.Helper()
			err := work.Err()
			if !errors.Is(err, weights.ErrCorrupt) || !strings.Contains(err.Error(), "a.weight") || !strings.Contains(err.Error(), path) {
				t.Errorf("err %v", err)
			}
			if slices.ContainsFunc(v, func(v float32) bool { return v != 0 }) {
				t.Error("numbers of a corrupt layer")
			}
		}
		la.Apply(y, x, 1, &work)
		check(y)
		ea.Gather(x, []int32{1}, &work)
		check(x)
		lb.Apply(y, numbers(1, in), 1, &work)
		if err := work.Err(); err != nil {
			t.Errorf("the other layer: %v", err)
		}
		p.Close()
	}
}
