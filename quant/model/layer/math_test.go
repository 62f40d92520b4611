package layer_test

import (
	"math"
	"slices"
	"testing"

	"engram/quant/model/layer"
)

func close32(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range want {
		if d := math.Abs(float64(got[i]) - want[i]); !(d <= tolerance) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

func TestLayerNorm(t *testing.T) {
	const rows, w = 3, 11
	x, scale, bias := numbers(1, rows*w), numbers(2, w), numbers(3, w)
	want := make([]float64, rows*w)
	for r := range rows {
		var mean, square float64
		for _, v := range x[r*w : (r+1)*w] {
			mean += float64(v) / w
		}
		for _, v := range x[r*w : (r+1)*w] {
			square += (float64(v) - mean) * (float64(v) - mean) / w
		}
		for i, v := range x[r*w : (r+1)*w] {
			want[r*w+i] = (float64(v)-mean)/math.Sqrt(square+1e-3)*float64(scale[i]) + float64(bias[i])
		}
	}
	y := make([]float32, rows*w)
	layer.LayerNorm(y, x, rows, scale, bias, 1e-3)
	close32(t, "norm", y, want, 1e-5)
	layer.LayerNorm(x, x, rows, scale, bias, 1e-3)
	if !slices.Equal(x, y) {
		t.Error("in place another result")
	}
}

func TestElementwise(t *testing.T) {
	x := []float32{-30, -3, -1, -0.5, 0, 0.5, 1, 3, 30}
	apply := func(f func([]float32), want func(float64) float64, what string) {
		t.Helper()
		y := slices.Clone(x)
		f(y)
		w := make([]float64, len(x))
		for i, v := range x {
			w[i] = want(float64(v))
		}
		close32(t, what, y, w, 1e-6)
	}
	apply(layer.ReLU, func(v float64) float64 { return math.Max(v, 0) }, "relu")
	apply(layer.Tanh, math.Tanh, "tanh")
	apply(layer.GELU, func(v float64) float64 { return v * (1 - 0.5*math.Erfc(v/math.Sqrt2)) }, "gelu")
	s := []float32{1000, 1000 + float32(math.Ln2), -1000}
	layer.Softmax(s)
	close32(t, "softmax", s, []float64{1.0 / 3, 2.0 / 3, 0}, 1e-5)
	u := []float32{3, 0, -4}
	layer.Unit(u, 1e-12)
	close32(t, "unit", u, []float64{0.6, 0, -0.8}, 1e-7)
	clear(u)
	layer.Unit(u, 1e-12)
	close32(t, "unit of zeros", u, []float64{0, 0, 0}, 0)
}

// TestAttend compares with the formula in float64, with queries, keys and values in one matrix.
func TestAttend(t *testing.T) {
	const n, heads, dim = 5, 3, 4
	const width = heads * dim
	qkv := numbers(11, n*3*width)
	want := make([]float64, n*width)
	for h := range heads {
		for i := range n {
			var e [n]float64
			total := 0.0
			for j := range n {
				dot := 0.0
				for d := range dim {
					dot += float64(qkv[i*3*width+h*dim+d]) * float64(qkv[j*3*width+width+h*dim+d])
				}
				e[j] = math.Exp(dot / 2)
				total += e[j]
			}
			for j := range n {
				for d := range dim {
					want[i*width+h*dim+d] += e[j] / total * float64(qkv[j*3*width+2*width+h*dim+d])
				}
			}
		}
	}
	var s layer.Scratch
	got := make([]float32, n*width)
	layer.Attend(got, qkv, qkv[width:], qkv[2*width:], n, heads, dim, 3*width, &s)
	close32(t, "attention", got, want, 1e-5)
	if a := testing.AllocsPerRun(50, func() { layer.Attend(got, qkv, qkv[width:], qkv[2*width:], n, heads, dim, 3*width, &s) }); a > 0 {
		t.Errorf("%v allocations", a)
	}
}
