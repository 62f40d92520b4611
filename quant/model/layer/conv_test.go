package layer_test

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"engram/quant"
	"engram/quant/model/layer"
	"engram/quant/weights"

	"pgregory.net/rapid"
)

// tensorFile writes tensors by name and opens them. Those of two dimensions are written as int8 codes where s is not nil.
func tensorFile(tb interface{ Fatal(...any) }, dir string, s *quant.Scheme, shapes map[string][]int, values map[string][]float32) *layer.Params {
	path := filepath.Join(dir, "weights.parquet")
	w, err := weights.CreateV2(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for name, shape := range shapes {
		if s != nil && len(shape) == 2 {
			q, err := quant.QuantizeMatrix(*s, shape[0], shape[1], values[name])
			if err == nil {
				err = w.AddQuantized(name, shape, weights.Float32, q, weights.Note{})
			}
			if err != nil {
				tb.Fatal(err)
			}
			continue
		}
		if err := w.Add(&weights.Tensor{Name: name, Shape: shape, DType: weights.Float32, Data: weights.Float32Bytes(values[name])}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	p, err := layer.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// padded gives the pixel at (y, x) of channel c, and whether it lies in the picture. Where the window is SAME, the zeros before
// the first pixel are half of those that are missing, rounded down.
func before(n, size, step int, same bool) int {
	if !same {
		return 0
	}
	return max((int(math.Ceil(float64(n)/float64(step)))-1)*step+size-n, 0) / 2
}

type sizes struct {
	n, rows, cols, in, out int
	w                      layer.Window
}

func drawSizes(t *rapid.T) sizes {
	draw := func(name string, most int) int { return rapid.IntRange(1, most).Draw(t, name) }
	return sizes{draw("n", 3), draw("rows", 9), draw("cols", 9), draw("in", 5), draw("out", 5), layer.Window{
		Rows: draw("high", 4), Cols: draw("wide", 4), RowStep: draw("down", 3), ColStep: draw("right", 3),
		SameRows: rapid.Bool().Draw(t, "same rows"), SameCols: rapid.Bool().Draw(t, "same cols"),
	}}
}

// visit calls f for every output and every pixel that its window sees.
func (s *sizes) visit(f func(i, y, x, r, c, iy, ix int, inside bool)) {
	outRows, outCols := s.w.Over(s.rows, s.cols)
	top, left := before(s.rows, s.w.Rows, s.w.RowStep, s.w.SameRows), before(s.cols, s.w.Cols, s.w.ColStep, s.w.SameCols)
	for i := range s.n {
		for y := range outRows {
			for x := range outCols {
				for r := range s.w.Rows {
					for c := range s.w.Cols {
						iy, ix := y*s.w.RowStep+r-top, x*s.w.ColStep+c-left
						f(i, y, x, r, c, iy, ix, iy >= 0 && iy < s.rows && ix >= 0 && ix < s.cols)
					}
				}
			}
		}
	}
}

func near(t *rapid.T, what string, got []float32, want []float64) {
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > 1e-4*(1+math.Abs(want[i])) {
			t.Fatalf("%s: number %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// TestConvolutionsAreTheirDefinition compares convolutions and pooling with their definitions, for windows and pictures of all
// kinds.
func TestConvolutionsAreTheirDefinition(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSizes(t)
		outRows, outCols := s.w.Over(s.rows, s.cols)
		size := s.w.Rows * s.w.Cols
		w, b := numbers(1, s.out*size*s.in), numbers(2, s.out)
		dw, db := numbers(3, s.in*size), numbers(4, s.in)
		p := tensorFile(t, dir, nil, map[string][]int{"c.weight": {s.out, size * s.in}, "c.bias": {s.out}, "d.weight": {s.in, size}, "d.bias": {s.in}},
			map[string][]float32{"c.weight": w, "c.bias": b, "d.weight": dw, "d.bias": db})
		defer p.Close()
		conv, err := p.Conv("c", -1, s.in, s.w)
		deep, err2 := p.Depthwise("d", -1, s.w)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		x := numbers(5, s.n*s.rows*s.cols*s.in)
		pixels := s.n * outRows * outCols
		want, wantDeep, wantMax := make([]float64, pixels*s.out), make([]float64, pixels*s.in), make([]float64, pixels*s.in)
		for i := range want {
			want[i] = float64(b[i%s.out])
		}
		for i := range wantDeep {
			wantDeep[i], wantMax[i] = float64(db[i%s.in]), math.Inf(-1)
		}
		s.visit(func(i, y, xx, r, c, iy, ix int, inside bool) {
			if !inside {
				return
			}
			at := (i*outRows+y)*outCols + xx
			for k := range s.in {
				v := float64(x[((i*s.rows+iy)*s.cols+ix)*s.in+k])
				for o := range s.out {
					want[at*s.out+o] += v * float64(w[o*size*s.in+(r*s.w.Cols+c)*s.in+k])
				}
				wantDeep[at*s.in+k] += v * float64(dw[k*size+r*s.w.Cols+c])
				wantMax[at*s.in+k] = max(wantMax[at*s.in+k], v)
			}
		})
		var sc layer.Scratch
		got, gotDeep, gotMax := make([]float32, len(want)), make([]float32, len(wantDeep)), make([]float32, len(wantDeep))
		conv.Apply(got, x, s.n, s.rows, s.cols, &sc)
		deep.Apply(gotDeep, x, s.n, s.rows, s.cols)
		layer.MaxPool(gotMax, x, s.n, s.rows, s.cols, s.in, s.w)
		near(t, "convolution", got, want)
		near(t, "depthwise", gotDeep, wantDeep)
		near(t, "greatest", gotMax, wantMax)
		if err := sc.Err(); err != nil {
			t.Fatal(err)
		}
		// A picture by itself gives the same, to the last bit.
		if one := s.rows * s.cols * s.in; len(want) > 0 {
			last := make([]float32, outRows*outCols*s.out)
			conv.Apply(last, x[(s.n-1)*one:], 1, s.rows, s.cols, &sc)
			if !slices.Equal(last, got[len(got)-len(last):]) {
				t.Fatal("a picture's result depends on those beside it")
			}
		}
	})
}

// TestSamePadding has the sizes that TensorFlow's documentation computes.
func TestSamePadding(t *testing.T) {
	for _, c := range []struct {
		w                layer.Window
		rows, cols, y, x int
	}{
		{layer.Square(3, 2), 224, 224, 112, 112}, {layer.Square(3, 1), 7, 5, 7, 5}, {layer.Square(3, 2), 7, 7, 4, 4},
		{layer.Window{Rows: 3, Cols: 3, RowStep: 1, ColStep: 1, SameCols: true}, 76, 32, 74, 32},
		{layer.Window{Rows: 2, Cols: 2, RowStep: 2, ColStep: 2}, 7, 9, 3, 4}, {layer.Window{Rows: 3, Cols: 1, RowStep: 1, ColStep: 1}, 2, 9, 0, 0},
	} {
		if y, x := c.w.Over(c.rows, c.cols); y != c.y || x != c.x {
			t.Errorf("%+v over %d x %d: %d x %d, want %d x %d", c.w, c.rows, c.cols, y, x, c.y, c.x)
		}
	}
}

// TestConvolutionOfCodes: a convolution whose weights are codes multiplies by what they stand for, within what the activations
// lose.
func TestConvolutionOfCodes(t *testing.T) {
	const rows, cols, in, out = 10, 11, 8, 6
	w := numbers(1, out*9*in)
	values := map[string][]float32{"c.weight": w, "d.weight": numbers(2, in*9)}
	shapes := map[string][]int{"c.weight": {out, 9 * in}, "d.weight": {in, 9}}
	x := numbers(3, rows*cols*in)
	var results [][]float32
	for _, s := range []*quant.Scheme{nil, {Bits: 8, Granularity: quant.PerChannel, Symmetric: true}, {Bits: 8, Granularity: quant.PerTensor}} {
		p := tensorFile(t, t.TempDir(), s, shapes, values)
		defer p.Close()
		conv, err := p.Conv("c", out, in, layer.Square(3, 1))
		deep, err2 := p.Depthwise("d", in, layer.Square(3, 1))
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		var sc layer.Scratch
		got := make([]float32, rows*cols*(in+out))
		conv.Apply(got, x, 1, rows, cols, &sc)
		deep.Apply(got[rows*cols*out:], x, 1, rows, cols)
		if err := sc.Err(); err != nil {
			t.Fatal(err)
		}
		results = append(results, got)
	}
	for k, got := range results[1:] {
		var dot, a, b float64
		for i, v := range got {
			dot, a, b = dot+float64(v)*float64(results[0][i]), a+float64(v)*float64(v), b+float64(results[0][i])*float64(results[0][i])
		}
		if c := dot / math.Sqrt(a*b); c < 0.9995 {
			t.Errorf("codes %d: cosine %v to the floats", k, c)
		}
	}
}

func TestConvolutionsSayWhatIsWrong(t *testing.T) {
	p := tensorFile(t, t.TempDir(), nil, map[string][]int{"c.weight": {4, 18}}, map[string][]float32{"c.weight": make([]float32, 72)})
	defer p.Close()
	if _, err := p.Conv("c", 4, 3, layer.Square(3, 1)); !errors.Is(err, weights.ErrShape) {
		t.Errorf("channels: %v", err)
	}
	if _, err := p.Depthwise("c", 5, layer.Window{Rows: 1, Cols: 18, RowStep: 1, ColStep: 1}); !errors.Is(err, weights.ErrShape) {
		t.Errorf("channels: %v", err)
	}
	if _, err := p.Depthwise("d", 4, layer.Square(3, 1)); !errors.Is(err, weights.ErrNoLayer) {
		t.Errorf("no layer: %v", err)
	}
	if _, err := p.Conv("c", 4, 2, layer.Window{}); err == nil {
		t.Error("a window of nothing is taken")
	}
	if _, err := p.Depthwise("c", 4, layer.Window{}); err == nil {
		t.Error("a window of nothing is taken")
	}
}

func TestActivations(t *testing.T) {
	v := []float32{-2, -0.5, 0, 0.5, 7}
	layer.LeakyReLU(v, 0.2)
	if want := []float32{-0.4, -0.1, 0, 0.5, 7}; !slices.Equal(v, want) {
		t.Errorf("leaky: %v, want %v", v, want)
	}
	layer.Clamp(v, -0.3, 6)
	if want := []float32{-0.3, -0.1, 0, 0.5, 6}; !slices.Equal(v, want) {
		t.Errorf("clamp: %v, want %v", v, want)
	}
	mean := make([]float32, 2)
	layer.MeanRows(mean, []float32{1, 2, 3, 6}, 2, 2)
	if want := []float32{2, 4}; !slices.Equal(mean, want) {
		t.Errorf("mean: %v, want %v", mean, want)
	}
	layer.MeanRows(mean, nil, 0, 2)
	if !slices.Equal(mean, []float32{0, 0}) {
		t.Errorf("mean of nothing: %v", mean)
	}
}

func TestConvolutionsAllocateNothing(t *testing.T) {
	const rows, cols, ch = 12, 12, 8
	p := tensorFile(t, t.TempDir(), nil, map[string][]int{"c.weight": {ch, 9 * ch}, "d.weight": {ch, 9}},
		map[string][]float32{"c.weight": numbers(1, 9*ch*ch), "d.weight": numbers(2, 9*ch)})
	defer p.Close()
	conv, _ := p.Conv("c", ch, ch, layer.Square(3, 1))
	deep, err := p.Depthwise("d", ch, layer.Square(3, 1))
	if err != nil {
		t.Fatal(err)
	}
	x, dst := numbers(3, rows*cols*ch), make([]float32, rows*cols*ch)
	var s layer.Scratch
	if n := testing.AllocsPerRun(10, func() {
		conv.Apply(dst, x, 1, rows, cols, &s)
		deep.Apply(dst, x, 1, rows, cols)
		layer.MaxPool(dst, x, 1, rows, cols, ch, layer.Square(3, 1))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
