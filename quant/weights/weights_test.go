package weights_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"engram/quant/weights"
)

func open(tb testing.TB, path string, o *weights.Options) *weights.File {
	tb.Helper()
	f, err := weights.Open(path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return f
}

// tensors draws tensors of every type with any bytes.
func tensors(t *rapid.T) []*weights.Tensor {
	var out []*weights.Tensor
	for i := range rapid.IntRange(0, 8).Draw(t, "layers") {
		shape := rapid.SliceOfN(rapid.IntRange(0, 7), 0, 4).Draw(t, "shape")
		n := 1
		for _, d := range shape {
			n *= d
		}
		dt := weights.DType(rapid.IntRange(int(weights.Float32), int(weights.Bool)).Draw(t, "dtype"))
		out = append(out, &weights.Tensor{
			Name: fmt.Sprintf("layer.%d.%s", i, rapid.String().Draw(t, "name")), Shape: shape, DType: dt,
			Data: rapid.SliceOfN(rapid.Byte(), n*dt.Size(), n*dt.Size()).Draw(t, "data"),
		})
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		want := tensors(t)
		kv := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "metadata")
		path := filepath.Join(dir, "w.parquet")
		if err := weights.WriteFile(path, want, &weights.WriterOptions{Metadata: kv}); err != nil {
			t.Fatal(err)
		}
		f, err := weights.Open(path, &weights.Options{NoMap: rapid.Bool().Draw(t, "no map")})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Version() != 1 || f.Path() != path || len(f.Layers()) != len(want) {
			t.Fatalf("version %d, path %q, %d layers", f.Version(), f.Path(), len(f.Layers()))
		}
		for k, v := range kv {
			if got, ok := f.Metadata()[k]; !ok || got != v {
				t.Fatalf("metadata %q is %q, want %q", k, got, v)
			}
		}
		for i, w := range want {
			if l := f.Layers()[i]; l.Name != w.Name || !slices.Equal(l.Shape, w.Shape) || l.DType != w.DType || l.Params*w.DType.Size() != len(w.Data) {
				t.Fatalf("layer %d is %+v, want %+v", i, l, w)
			}
			got, _, err := f.Tensor(w.Name)
			if err != nil || !slices.Equal(got.Data, w.Data) {
				t.Fatalf("tensor %q: %v, err %v", w.Name, got, err)
			}
		}
		if err := f.Verify(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestTensorsAreMapped checks what a model relies on: a float32 tensor that we wrote is a piece of the file itself, aligned.
func TestTensorsAreMapped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.parquet")
	var ts []*weights.Tensor
	for i := range 20 {
		v := make([]float32, i*37)
		for j := range v {
			v[j] = float32(i*1000 + j)
		}
		ts = append(ts, &weights.Tensor{Name: fmt.Sprint(i), Shape: []int{i, 37}, DType: weights.Float32, Data: weights.Float32Bytes(v)})
	}
	if err := weights.WriteFile(path, ts, nil); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, path, nil)
	for i := range 20 {
		v, mapped, err := f.Float32(fmt.Sprint(i), i, 37)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			continue // no numbers, no place
		}
		if p := uintptr(unsafe.Pointer(&v[0])); !mapped || p%64 != 0 {
			t.Errorf("tensor %d: mapped %v, address %x", i, mapped, p)
		}
		again, _, _ := f.Float32(fmt.Sprint(i))
		if &again[0] != &v[0] {
			t.Errorf("tensor %d was copied", i)
		}
		if v[36] != float32(i*1000+36) {
			t.Errorf("tensor %d: value %v", i, v[36])
		}
	}
	if len(raw) > 20*19/2*37*4+20*1200 {
		t.Errorf("file of %d bytes is larger than its numbers explain", len(raw))
	}
	copied := open(t, path, &weights.Options{NoMap: true})
	v, mapped, err := copied.Float32("5", 5, 37)
	if err != nil || mapped || v[0] != 5000 {
		t.Errorf("without a map: %v, mapped %v, err %v", v[:1], mapped, err)
	}
}

func TestReadsFilesOfOthers(t *testing.T) {
	var rows []row
	for i := range 10 {
		v := make([]float32, 50*i+6)
		for j := range v {
			v[j] = float32(j%5) - float32(i)/3
		}
		rows = append(rows, v1row(fmt.Sprintf("encoder.layer.%d.weight", i), []int32{2, int32(len(v) / 2)}, v...))
	}
	rows = append(rows, v1row("scalar", nil, 3.5), v1row("twin", []int32{6}, make([]float32, 6)...))
	for name, how := range layouts(false) {
		t.Run(name, func(t *testing.T) {
			path := how.file(t, rows...)
			for _, noMap := range []bool{false, true} {
				f := open(t, path, &weights.Options{NoMap: noMap})
				if f.Version() != 1 || len(f.Layers()) != len(rows) {
					t.Fatalf("version %d, %d layers", f.Version(), len(f.Layers()))
				}
				for i := len(rows) - 1; i >= 0; i-- {
					v, _, err := f.Float32(rows[i].name)
					if err != nil || !slices.Equal(f32(v...), rows[i].data) {
						t.Errorf("%s: %d values, err %v", rows[i].name, len(v), err)
					}
				}
			}
		})
	}
}

func TestElementTypes(t *testing.T) {
	le16 := func(v ...uint16) (b []byte) {
		for _, x := range v {
			b = append(b, byte(x), byte(x>>8))
		}
		return b
	}
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		dtype string
		data  []byte
		want  []float32
	}{
		{"torch.float32", f32(1, -2.5), []float32{1, -2.5}},
		{"float", f32(1, -2.5), []float32{1, -2.5}},
		{"torch.float16", le16(0x3c00, 0xc100, 0x0001, 0x8000, 0x7bff, 0x7c00, 0xfc00, 0x03ff), []float32{1, -2.5, 1.0 / (1 << 24), float32(math.Copysign(0, -1)), 65504, inf, -inf, 1023.0 / (1 << 24)}},
		{"torch.half", le16(0x3c00), []float32{1}},
		{"torch.bfloat16", le16(0x3f80, 0xc020), []float32{1, -2.5}},
		// A writer that has no bfloat16 arrays widens the values and keeps the name.
		{"torch.bfloat16", f32(1, -2.5), []float32{1, -2.5}},
		{"torch.float64", []byte{0, 0, 0, 0, 0, 0, 4, 0xc0}, []float32{-2.5}},
		{"torch.int64", []byte{254, 255, 255, 255, 255, 255, 255, 255}, []float32{-2}},
		{"torch.int32", []byte{7, 0, 0, 0}, []float32{7}},
		{"torch.int16", []byte{255, 255}, []float32{-1}},
		{"torch.int8", []byte{128, 127}, []float32{-128, 127}},
		{"torch.uint8", []byte{128, 127}, []float32{128, 127}},
		{"torch.bool", []byte{0, 1}, []float32{0, 1}},
	} {
		f := open(t, foreign{}.file(t, row{name: "x", shape: []int32{int32(len(c.want))}, dtype: c.dtype, data: c.data, n: int64(len(c.want))}), nil)
		got, _, err := f.Float32("x", len(c.want))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, err %v, want %v", c.dtype, got, err, c.want)
		}
	}
	// Every half-precision pattern against its definition.
	for h := range 1 << 16 {
		sign, exp, frac := 1.0, h>>10&31, float64(h&1023)
		if h>>15 == 1 {
			sign = -1
		}
		want := sign * math.Ldexp(1+frac/1024, exp-15)
		if exp == 0 {
			want = sign * math.Ldexp(frac, -24)
		} else if exp == 31 {
			want = math.Inf(int(sign))
			if frac != 0 {
				want = math.NaN()
			}
		}
		if got := weights.Float16ToFloat32(uint16(h)); math.Float32bits(got) != math.Float32bits(float32(want)) && !(math.IsNaN(want) && got != got) {
			t.Fatalf("half %04x is %v, want %v", h, got, want)
		}
	}
}

func TestDTypeNames(t *testing.T) {
	for d := weights.Float32; d <= weights.Bool; d++ {
		if got, err := weights.ParseDType(d.String()); got != d || err != nil {
			t.Errorf("%v reads as %v, err %v", d, got, err)
		}
	}
	for _, s := range []string{"", "torch.", "torch.complex64", "int4"} {
		if _, err := weights.ParseDType(s); !errors.Is(err, weights.ErrUnsupported) {
			t.Errorf("%q: err %v", s, err)
		}
	}
	if s := weights.DType(99).String(); s != "dtype(99)" || weights.DType(99).Size() != 0 {
		t.Error(s)
	}
}

func TestClose(t *testing.T) {
	path := foreign{}.file(t, v1row("x", []int32{2}, 1, 2))
	f := open(t, path, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				v, _, err := f.Float32("x")
				if err != nil && !errors.Is(err, weights.ErrClosed) {
					t.Error(err)
				}
				if err == nil && len(v) != 2 {
					t.Error(v)
				}
			}
		})
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if _, _, err := f.Tensor("x"); !errors.Is(err, weights.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestWriterRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.parquet")
	w, err := weights.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	good := &weights.Tensor{Name: "a", Shape: []int{1}, DType: weights.Float32, Data: f32(1)}
	if err := w.Add(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		t    weights.Tensor
		want error
	}{
		{weights.Tensor{Name: "b", Shape: []int{2}, DType: weights.Float32, Data: f32(1)}, weights.ErrShape},
		{weights.Tensor{Name: "b", Shape: []int{-1}, DType: weights.Float32}, weights.ErrCorrupt},
		{weights.Tensor{Name: "b", Shape: make([]int, 17), DType: weights.Float32}, weights.ErrCorrupt},
		{weights.Tensor{Name: "b", Shape: []int{1 << 40}, DType: weights.Float32}, weights.ErrTooLarge},
		{weights.Tensor{Name: "b", Shape: []int{1 << 20, 1 << 20, 1 << 30}, DType: weights.Int8}, weights.ErrTooLarge},
		{weights.Tensor{Name: "b", DType: 77, Data: f32(1)}, weights.ErrUnsupported},
	} {
		if err := w.Add(&c.t); !errors.Is(err, c.want) {
			t.Errorf("%v: err %v, want %v", c.t.Shape, err, c.want)
		}
	}
	for _, name := range []string{"", "a"} {
		if err := w.Add(&weights.Tensor{Name: name, Shape: []int{1}, DType: weights.Float32, Data: f32(1)}); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if err := w.Add(good); !errors.Is(err, weights.ErrClosed) {
		t.Errorf("Add after Close: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if f := open(t, path, nil); len(f.Layers()) != 1 {
		t.Errorf("layers %v: what was refused must leave nothing", f.Layers())
	}
}

// TestWriterIsAtomic checks that an unfinished file is never seen, and that a finished one replaces what was there.
func TestWriterIsAtomic(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.parquet")
	if err := os.WriteFile(path, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	w, err := weights.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(&weights.Tensor{Name: "a", Shape: []int{1}, DType: weights.Float32, Data: f32(1)}); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if b, _ := os.ReadFile(path); string(b) != "before" {
		t.Errorf("after Abort: %q", b)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, ".*")); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	if err := weights.WriteFile(path, nil, nil); err != nil {
		t.Fatal(err)
	}
	if f := open(t, path, nil); len(f.Layers()) != 0 || f.Verify() != nil {
		t.Error("an empty file must have no layers")
	}
	if err := weights.WriteFile(filepath.Join(dir, "none", "w.parquet"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder that is not there: %v", err)
	}
	if err := weights.WriteFile(path, []*weights.Tensor{{Name: ""}}, nil); err == nil {
		t.Error("a bad tensor was written")
	}
}
