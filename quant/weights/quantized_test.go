package weights_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"engram/quant"
	"engram/quant/weights"
)

// schemes draws a scheme that has no search in it, so that tests stay quick.
func schemes(t *rapid.T) quant.Scheme {
	s := quant.Scheme{
		Bits:        rapid.SampledFrom([]int{2, 3, 4, 8}).Draw(t, "bits"),
		Symmetric:   rapid.Bool().Draw(t, "symmetric"),
		Granularity: rapid.SampledFrom([]quant.Granularity{quant.PerTensor, quant.PerChannel, quant.PerGroup}).Draw(t, "granularity"),
	}
	if s.Granularity == quant.PerGroup {
		s.GroupSize = rapid.SampledFrom([]int{1, 3, 4, 32}).Draw(t, "group")
	}
	return s
}

// TestV2WriterRoundTrip writes codes beside plain values and reads back the same codes, notes and values.
func TestV2WriterRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.parquet")
	rapid.Check(t, func(t *rapid.T) {
		s := schemes(t)
		shape := rapid.SampledFrom([][]int{{7}, {4, 8}, {3, 5}, {2, 3, 4}, {0, 4}, {1, 65}}).Draw(t, "shape")
		rows, n := shape[0], 1
		for _, d := range shape {
			n *= d
		}
		cols := 0
		if rows > 0 {
			cols = n / rows
		}
		w := rapid.SliceOfN(rapid.Float32Range(-10, 10), n, n).Draw(t, "w")
		q, err := quant.QuantizeMatrix(s, rows, cols, w)
		if err != nil {
			t.Fatal(err)
		}
		note := weights.Note{Method: rapid.SampledFrom([]string{"", "gptq"}).Draw(t, "method"), Fallback: rapid.SampledFrom([]string{"", "no texts"}).Draw(t, "fallback"),
			WeightError: rapid.SampledFrom([]float64{0, 0.25}).Draw(t, "error"), OutputError: rapid.SampledFrom([]float64{0, 0.125}).Draw(t, "output")}
		f, err := weights.CreateV2(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		plain := &weights.Tensor{Name: "norm", Shape: []int{2}, DType: weights.Float32, Data: f32(1, -2)}
		if err := errors.Join(f.Add(plain), f.AddQuantized("x", shape, weights.Float32, q, note), f.Close()); err != nil {
			t.Fatal(err)
		}
		r, err := weights.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		l, _ := r.Layer("x")
		if r.Version() != 2 || l.Quant.Bits() != s.Bits || l.Note != note || !slices.Equal(l.Shape, shape) {
			t.Fatalf("version %d, layer %+v", r.Version(), l)
		}
		got, _, err := r.Quantized("x", shape...)
		if err != nil || !slices.Equal(got.Codes[:len(q.Codes)], q.Codes) || !slices.Equal(got.Scales, q.Scales) {
			t.Fatalf("%+v, err %v, want %+v", got, err, q)
		}
		want := make([]float32, n)
		q.Dequantize(want)
		if v, _, err := r.Float32("x"); err != nil || !slices.Equal(v, want) {
			t.Fatalf("values %v, err %v, want %v", v, err, want)
		}
		if v, _, err := r.Float32("norm", 2); err != nil || !slices.Equal(v, []float32{1, -2}) {
			t.Fatalf("norm %v, err %v", v, err)
		}
		if _, _, err := r.Quantized("norm"); !errors.Is(err, weights.ErrUnsupported) {
			t.Fatalf("codes of a plain layer: err %v", err)
		}
		if err := r.Verify(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAddQuantizedRefuses(t *testing.T) {
	dir := t.TempDir()
	q, err := quant.QuantizeMatrix(quant.Scheme{Bits: 8, Symmetric: true, Granularity: quant.PerChannel}, 2, 3, make([]float32, 6))
	if err != nil {
		t.Fatal(err)
	}
	v1, err := weights.Create(filepath.Join(dir, "v1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer v1.Abort()
	if err := v1.AddQuantized("x", []int{2, 3}, weights.Float32, q, weights.Note{}); !errors.Is(err, weights.ErrUnsupported) {
		t.Errorf("codes in V1: err %v", err)
	}
	w, err := weights.CreateV2(filepath.Join(dir, "v2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	short := q.Clone()
	short.Codes = short.Codes[:5]
	for _, c := range []struct {
		name  string
		shape []int
		q     *quant.Quantized
		want  error
	}{
		{"x", []int{3, 2}, q, weights.ErrShape},
		{"x", []int{2, 3}, short, quant.ErrParams},
		{"x", []int{2, -3}, q, weights.ErrCorrupt},
	} {
		if err := w.AddQuantized(c.name, c.shape, weights.Float32, c.q, weights.Note{}); !errors.Is(err, c.want) {
			t.Errorf("%v: err %v, want %v", c.shape, err, c.want)
		}
	}
	if err := w.AddQuantized("", []int{2, 3}, weights.Float32, q, weights.Note{}); err == nil {
		t.Error("a layer without a name was written")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.AddQuantized("x", []int{2, 3}, weights.Float32, q, weights.Note{}); !errors.Is(err, weights.ErrClosed) {
		t.Errorf("after Close: err %v", err)
	}
}
