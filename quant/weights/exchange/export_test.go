package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"engram/quant"
	"engram/quant/weights"
	"engram/quant/weights/exchange"
)

// model writes tensors to a weight file and opens it as a source.
func model(tb testing.TB, tensors ...*weights.Tensor) exchange.Source {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "weights.parquet")
	if err := weights.WriteFile(path, tensors, nil); err != nil {
		tb.Fatal(err)
	}
	return opened(tb, path)
}

func opened(tb testing.TB, path string) exchange.Source {
	tb.Helper()
	s, err := exchange.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// anyTensors draws tensors of every type.
func anyTensors(t *rapid.T) []*weights.Tensor {
	var out []*weights.Tensor
	for i := range rapid.IntRange(0, 6).Draw(t, "tensors") {
		shape := rapid.SliceOfN(rapid.IntRange(0, 6), 0, 4).Draw(t, "shape")
		n := 1
		for _, d := range shape {
			n *= d
		}
		dt := weights.DType(rapid.IntRange(int(weights.Float32), int(weights.Bool)).Draw(t, "dtype"))
		out = append(out, &weights.Tensor{Name: fmt.Sprintf("layers.%d.%s", i, rapid.StringMatching(`[a-z"\\é]{0,8}`).Draw(t, "name")),
			Shape: shape, DType: dt,
			Data: rapid.SliceOfN(rapid.Byte(), n*dt.Size(), n*dt.Size()).Draw(t, "data")})
	}
	return out
}

// TestSafetensorsRoundTrip writes tensors as safetensors and back as a weight file: the same to the bit.
func TestSafetensorsRoundTrip(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	out, back := filepath.Join(dir, "x.safetensors"), filepath.Join(dir, "back.parquet")
	rapid.Check(t, func(r *rapid.T) {
		want := anyTensors(r)
		path := filepath.Join(dir, "weights.parquet")
		if err := weights.WriteFile(path, want, nil); err != nil {
			r.Fatal(err)
		}
		s := opened(t, path)
		if err := exchange.WriteSafetensors(ctx, out, s, &exchange.ExportOptions{Metadata: map[string]string{"k": "v"}}); err != nil {
			r.Fatal(err)
		}
		mid := opened(t, out)
		if len(want) > 0 && mid.(*exchange.Safetensors).Metadata()["k"] != "v" {
			r.Fatal("metadata is lost")
		}
		if err := exchange.WriteParquet(ctx, back, mid, nil); err != nil {
			r.Fatal(err)
		}
		end := opened(t, back)
		for _, src := range []exchange.Source{mid, end} {
			for _, w := range want {
				got, err := src.Read(w.Name)
				if err != nil || got.DType != w.DType || !slices.Equal(got.Shape, w.Shape) || !bytes.Equal(got.Data, w.Data) {
					r.Fatalf("%v: %+v, err %v, want %+v", src.Format(), got, err, w)
				}
			}
		}
		for _, c := range []exchange.Source{s, mid, end} {
			c.Close()
		}
	})
}

// TestGGUFRoundTrip writes tensors as GGUF of each type: what has to be exact is, and codes are off by half a step at most.
func TestGGUFRoundTrip(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	path := filepath.Join(dir, "x.gguf")
	rapid.Check(t, func(r *rapid.T) {
		rows, cols := rapid.IntRange(1, 4).Draw(r, "rows"), rapid.SampledFrom([]int{1, 31, 32, 64, 96}).Draw(r, "cols")
		v := rapid.SliceOfN(rapid.Float32Range(-50, 50), rows*cols, rows*cols).Draw(r, "v")
		kind := rapid.SampledFrom([]string{"", "Q8_0", "Q4_0", "F16", "F32"}).Draw(r, "type")
		s := model(t, &weights.Tensor{Name: "m", Shape: []int{rows, cols}, DType: weights.Float32, Data: weights.Float32Bytes(v)},
			&weights.Tensor{Name: "v", Shape: []int{cols}, DType: weights.Float32, Data: weights.Float32Bytes(v[:cols])},
			&weights.Tensor{Name: "n", Shape: []int{}, DType: weights.Uint8, Data: []byte{200}})
		if err := exchange.WriteGGUF(ctx, path, s, &exchange.GGUFOptions{Type: kind}); err != nil {
			r.Fatal(err)
		}
		g := opened(t, path)
		defer g.Close()
		if got := values(t, g, "v"); !slices.Equal(got, v[:cols]) {
			r.Fatalf("a vector: %v, want %v", got, v[:cols])
		}
		if n, err := g.Read("n"); err != nil || n.DType != weights.Int16 || !bytes.Equal(n.Data, []byte{200, 0}) || !slices.Equal(n.Shape,
			[]int{1}) {
			r.Fatalf("%+v, %v", n, err)
		}
		m, err := g.Read("m")
		if err != nil || !slices.Equal(m.Shape, []int{rows, cols}) {
			r.Fatalf("%+v, %v", m, err)
		}
		got, err := m.Float32()
		if err != nil {
			r.Fatal(err)
		}
		for from := 0; from < len(v); from += min(cols, 32) {
			block := v[from:min(from+min(cols, 32), len(v))]
			most := 0.0
			for _, x := range block {
				most = max(most, math.Abs(float64(x)))
			}
			// Half a step, where a scale rounded to a half is off by 2^-11 of itself; Q4_0 has no code for the other end.
			step := map[string]float64{"": most / 127 * 0.57, "Q8_0": most / 127 * 0.57, "Q4_0": most / 8 * 1.01, "F16": most / 2048, "F32": 0}[kind]
			if cols%32 != 0 && kind != "F16" {
				step = 0
			}
			for i, x := range block {
				if e := math.Abs(float64(got[from+i] - x)); e > step+1e-7 {
					r.Fatalf("%s: %v became %v, %v allowed", kind, x, got[from+i], step)
				}
			}
		}
	})
}

// TestGGUFGolden compares the bytes of one block of each kind with what the format's definition gives by hand.
func TestGGUFGolden(t *testing.T) {
	v := make([]float32, 32)
	v[0], v[1], v[16], v[31] = -127, 1, 64, 127
	w := make([]float32, 32)
	w[0], w[1], w[16], w[31] = 8, -7, 1, -1
	path := filepath.Join(t.TempDir(), "x.gguf")
	for _, c := range []struct {
		kind string
		v    []float32
		want []byte
	}{
		{"Q8_0", v, cat([]byte{0x00, 0x3c, 0x81, 1}, make([]byte, 14), []byte{64}, make([]byte, 14), []byte{127})},
		// The scale is 8 / -8 = -1; codes are 8 more than the quotients -8, 7, -1 and 1.
		{"Q4_0", w, cat([]byte{0x00, 0xbc, 0x70, 0x8f}, bytes.Repeat([]byte{0x88}, 13), []byte{0x98})},
	} {
		s := model(t, &weights.Tensor{Name: "m", Shape: []int{1, 32}, DType: weights.Float32, Data: weights.Float32Bytes(c.v)})
		o := &exchange.GGUFOptions{Type: c.kind, Metadata: map[string]any{"general.architecture": "llama", "tokens": []string{"a", "b"},
			"scores": []float32{1}, "kinds": []int32{2},
			"u8": uint8(1), "i8": int8(-1), "u16": uint16(2), "i16": int16(-2), "i32": int32(-3), "u64": uint64(4), "i64": int64(-4),
			"f32": float32(0.5), "f64": 0.25,
			"yes": true, "no": false}}
		if err := exchange.WriteGGUF(context.Background(), path, s, o); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil || !bytes.HasSuffix(b, pad(bytes.Clone(c.want), 32)) || len(b)%32 != 0 {
			t.Errorf("%s: the file ends in % x, err %v, want % x", c.kind, b[max(0, len(b)-64):], err, c.want)
		}
		g := opened(t, path).(*exchange.GGUF)
		for k, v := range o.Metadata {
			if got := g.Metadata()[k]; fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", v, v) {
				t.Errorf("%s is %v, want %v", k, got, v)
			}
		}
		if !slices.Equal(values(t, g, "m"), c.v) {
			t.Errorf("%s: %v, want %v", c.kind, values(t, g, "m"), c.v)
		}
	}
}

func TestExportOfFloats(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	s := model(t, &weights.Tensor{Name: "f", Shape: []int{2}, DType: weights.Float32, Data: f32(1.5, -2)},
		&weights.Tensor{Name: "d", Shape: []int{1}, DType: weights.Float64, Data: []byte{0, 0, 0, 0, 0, 0, 0xe0, 0x3f}},
		&weights.Tensor{Name: "i", Shape: []int{1}, DType: weights.Int32, Data: i32(70000)})
	var last [2]int64
	o := &exchange.ExportOptions{Floats: weights.Float16, Progress: func(done, total int64) { last = [2]int64{done, total} }}
	for name, write := range map[string]func(context.Context, string, exchange.Source,
		*exchange.ExportOptions) error{"s": exchange.WriteSafetensors, "p": exchange.WriteParquet} {
		path := filepath.Join(dir, name)
		if err := write(ctx, path, s, o); err != nil {
			t.Fatal(err)
		}
		if last != [2]int64{4, 4} {
			t.Errorf("progress ended at %v", last)
		}
		got := opened(t, path)
		for name, want := range map[string][]byte{"f": {0, 0x3e, 0, 0xc0}, "d": {0, 0x38}, "i": i32(70000)} {
			if x, err := got.Read(name); err != nil || !bytes.Equal(x.Data, want) {
				t.Errorf("%s: %v, err %v, want %v", name, x, err, want)
			}
		}
	}
	big := model(t, &weights.Tensor{Name: "f", Shape: []int{1}, DType: weights.Float32, Data: f32(70000)})
	path := filepath.Join(dir, "big")
	if err := exchange.WriteSafetensors(ctx, path, big, o); !errors.Is(err, weights.ErrUnsupported) {
		t.Errorf("70000 as float16: %v", err)
	}
	if err := exchange.WriteSafetensors(ctx, path, big, &exchange.ExportOptions{Floats: weights.Int8}); !errors.Is(err,
		weights.ErrUnsupported) {
		t.Errorf("floats as int8: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range []error{exchange.WriteSafetensors(cancelled, path, s, nil), exchange.WriteParquet(cancelled, path, s, nil),
		exchange.WriteGGUF(cancelled, path, s, nil)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
	if err := exchange.WriteGGUF(ctx, filepath.Join(dir, "none", "x"), s, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) != 2 || len(hidden) != 0 {
		t.Errorf("failures left behind %v %v", left, hidden)
	}
}

func TestGGUFWriteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	row := func(v float32) *weights.Tensor {
		x := make([]float32, 32)
		x[3] = v
		return &weights.Tensor{Name: "m", Shape: []int{1, 32}, DType: weights.Float32, Data: weights.Float32Bytes(x)}
	}
	for what, c := range map[string]struct {
		x *weights.Tensor
		o exchange.GGUFOptions
	}{
		"a type unknown": {row(1), exchange.GGUFOptions{Type: "Q2_K"}},
		"a long name": {&weights.Tensor{Name: string(bytes.Repeat([]byte("n"), 64)), Shape: []int{1}, DType: weights.Int8,
			Data: []byte{1}}, exchange.GGUFOptions{}},
		"five dimensions": {&weights.Tensor{Name: "x", Shape: []int{1, 1, 1, 1, 1}, DType: weights.Int8, Data: []byte{1}},
			exchange.GGUFOptions{}},
		"metadata":     {row(1), exchange.GGUFOptions{Metadata: map[string]any{"k": struct{}{}}}},
		"not a number": {row(float32(math.NaN())), exchange.GGUFOptions{}},
		"infinite":     {row(float32(math.Inf(1))), exchange.GGUFOptions{Type: "Q4_0"}},
		"too large":    {row(1e8), exchange.GGUFOptions{}},
	} {
		if err := exchange.WriteGGUF(context.Background(), path, model(t, c.x), &c.o); !errors.Is(err, weights.ErrUnsupported) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// So small that a half is 0: zeros, not a division by it.
	if err := exchange.WriteGGUF(context.Background(), path, model(t, row(1e-12)), nil); err != nil || values(t, opened(t, path),
		"m")[3] != 0 {
		t.Errorf("a tiny number: %v", err)
	}
}

// TestParquetSource reads a V2 file: codes as what they stand for, plain layers as they are.
func TestParquetSource(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "weights.parquet")
	w, err := weights.CreateV2(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	q, err := quant.QuantizeMatrix(quant.Scheme{Bits: 8, Symmetric: true, Granularity: quant.PerChannel}, 1, 3, []float32{127, -2, 5})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.AddQuantized("q", []int{1, 3}, weights.Float32, q, weights.Note{}),
		w.Add(&weights.Tensor{Name: "h", Shape: []int{1}, DType: weights.Float16, Data: []byte{0, 0x3c}}),
		w.Add(&weights.Tensor{Name: "f", Shape: []int{1}, DType: weights.Float32, Data: f32(9)}), w.Close()); err != nil {
		t.Fatal(err)
	}
	s := opened(t, dir)
	if s.Format() != exchange.FormatParquet || !slices.Equal(values(t, s, "q"), []float32{127, -2, 5}) || values(t, s, "f")[0] != 9 {
		t.Errorf("%v", s.Tensors())
	}
	if x := s.Tensors()[0]; x.Type != "int8" || x.DType != weights.Float32 || x.Params != 3 {
		t.Errorf("%+v", x)
	}
	if h, err := s.Read("h"); err != nil || h.DType != weights.Float16 || s.Tensors()[1].DType != weights.Float16 {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err := s.Read("none"); !errors.Is(err, weights.ErrNoLayer) {
		t.Errorf("none: %v", err)
	}
}
