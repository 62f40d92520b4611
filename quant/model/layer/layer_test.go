package layer_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"engram/quant"
	"engram/quant/model/layer"
	"engram/quant/weights"
)

const out, in = 37, 64

// numbers are n normal ones.
func numbers(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// write makes a weight file of one dense layer "a" with a bias and one without, "b", plain or as codes, and opens it.
func write(tb testing.TB, s *quant.Scheme, o *layer.Options) (*layer.Params, string) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "weights.parquet")
	w, err := weights.CreateV2(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for i, name := range []string{"a", "b"} {
		v := numbers(uint64(i), out*in)
		if s == nil {
			err = w.Add(&weights.Tensor{Name: name + ".weight", Shape: []int{out, in}, DType: weights.Float32, Data: weights.Float32Bytes(v)})
		} else {
			q, qerr := quant.QuantizeMatrix(*s, out, in, v)
			if qerr != nil {
				tb.Fatal(qerr)
			}
			err = w.AddQuantized(name+".weight", []int{out, in}, weights.Float32, q, weights.Note{})
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	bias := &weights.Tensor{Name: "a.bias", Shape: []int{out}, DType: weights.Float32, Data: weights.Float32Bytes(numbers(9, out))}
	if err := errors.Join(w.Add(bias), w.Close()); err != nil {
		tb.Fatal(err)
	}
	p, err := layer.Open(path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close() })
	return p, path
}

// product is x W^T + b in float64.
func product(x, w, bias []float32, rows int) []float64 {
	y := make([]float64, rows*out)
	for t := range rows {
		for o := range out {
			if bias != nil {
				y[t*out+o] = float64(bias[o])
			}
			for i := range in {
				y[t*out+o] += float64(x[t*in+i]) * float64(w[o*in+i])
			}
		}
	}
	return y
}

func TestLinearOfNumbers(t *testing.T) {
	p, _ := write(t, nil, nil)
	var s layer.Scratch
	x := numbers(3, 5*in)
	for i, name := range []string{"a", "b"} {
		l, err := p.Linear(name, -1, in)
		if err != nil || l.Out != out || l.In != in || l.Name() != name+".weight" {
			t.Fatalf("%+v, %v", l, err)
		}
		var bias []float32
		if name == "a" {
			bias = numbers(9, out)
		}
		got := make([]float32, 5*out)
		l.Apply(got, x, 5, &s)
		for j, want := range product(x, numbers(uint64(i), out*in), bias, 5) {
			if math.Abs(float64(got[j])-want) > 1e-4 {
				t.Fatalf("%s: element %d is %v, want %v", name, j, got[j], want)
			}
		}
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	e, err := p.Embedding("a", -1, -1)
	if err != nil || e.Rows != out || e.Dim != in {
		t.Fatalf("%+v, %v", e, err)
	}
	rows := make([]float32, 2*in)
	e.Gather(rows, []int32{36, 2}, &s)
	w := numbers(0, out*in)
	if !slices.Equal(rows, append(slices.Clone(w[36*in:]), w[2*in:3*in]...)) {
		t.Error("rows are not those of the table")
	}
	e.Gather(rows, []int32{1, out}, &s)
	if err := s.Err(); err == nil || s.Err() != nil || rows[0] != 0 {
		t.Errorf("a row that is not there: %v", err)
	}
}

func TestErrorsNameTheLayer(t *testing.T) {
	p, path := write(t, nil, nil)
	check := func(err, want error, name string) {
		t.Helper()
		if !errors.Is(err, want) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want %v that names %s", err, want, name)
		}
	}
	_, err := p.Linear("c", -1, -1)
	check(err, weights.ErrNoLayer, "c.weight")
	_, err = p.Linear("a", out, in+1)
	check(err, weights.ErrShape, "a.weight")
	_, err = p.Embedding("a", out+1, -1)
	check(err, weights.ErrShape, "a.weight")
	_, err = p.Float32("a.bias", out, 1)
	check(err, weights.ErrShape, "a.bias")
	check(p.Replace("c.weight", nil), weights.ErrNoLayer, "c.weight")
}
