package layer_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"engram/quant/model/layer"
)

func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

func closeTo(t *testing.T, what string, got []float32, want func(i int) float64) {
	t.Helper()
	for i, v := range got {
		if w := want(i); !(math.Abs(float64(v)-w) <= 1e-5*(1+math.Abs(w))) {
			t.Fatalf("%s: number %d is %v, want %v", what, i, v, w)
		}
	}
}

func TestRMSNorm(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	x, scale := random(r, 3*7), random(r, 7)
	y := make([]float32, len(x))
	layer.RMSNorm(y, x, 3, scale, 1e-5)
	closeTo(t, "norm", y, func(i int) float64 {
		square := 0.0
		for _, v := range x[i/7*7 : i/7*7+7] {
			square += float64(v) * float64(v) / 7
		}
		return float64(x[i]) / math.Sqrt(square+1e-5) * float64(scale[i%7])
	})
	layer.RMSNorm(x, x, 3, scale, 1e-5)
	if !slices.Equal(x, y) {
		t.Error("in place it gives something else")
	}
}

func TestGatesAndTanh(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	x, up := random(r, 100), random(r, 100)
	gelu, tanh, gate := slices.Clone(x), slices.Clone(x), slices.Clone(x)
	layer.GELU(gelu)
	layer.GELUTanh(tanh)
	layer.SwiGLU(gate, up)
	closeTo(t, "gated", gate, func(i int) float64 { return float64(x[i]) / (1 + math.Exp(-float64(x[i]))) * float64(up[i]) })
	for i := range x {
		if d := math.Abs(float64(gelu[i] - tanh[i])); d > 1e-3 {
			t.Errorf("GELU of %v is %v, by its approximation %v", x[i], gelu[i], tanh[i])
		}
	}
	if slices.Equal(gelu, tanh) {
		t.Error("the approximation is the thing itself")
	}
	far := []float32{-100, 100, 0}
	layer.GELUTanh(far)
	if !slices.Equal(far, []float32{0, 100, 0}) {
		t.Errorf("far out: %v", far)
	}
}

// TestRope checks what turning is for: the product of a query and a key depends on how far they are apart alone, and
// lengths stay.
func TestRope(t *testing.T) {
	const dim = 6
	rope := layer.NewRope(50, dim, 10000)
	r := rand.New(rand.NewPCG(3, 1))
	q, k := random(r, 2*dim), random(r, 2*dim)
	product := func(at, back int) (dot float64) {
		a, b := slices.Clone(q), slices.Clone(k)
		rope.Turn(a, at)
		rope.Turn(b, at-back)
		for i := range a[:dim] {
			dot += float64(a[i]) * float64(b[i])
		}
		return dot
	}
	for back := range 10 {
		if a, b := product(10, back), product(49, back); math.Abs(a-b) > 1e-4 {
			t.Errorf("%d apart the product is %v and %v", back, a, b)
		}
	}
	if math.Abs(product(10, 0)-product(10, 5)) < 1e-3 {
		t.Error("positions make no difference")
	}
	v := slices.Clone(q)
	rope.Turn(v, 1)
	closeTo(t, "the second head", v[dim:dim+2], func(i int) float64 {
		s, c := math.Sincos(1)
		return []float64{float64(q[dim])*c - float64(q[dim+1])*s, float64(q[dim])*s + float64(q[dim+1])*c}[i]
	})
}

// TestCache checks attention to what came before, token by token and many at once, against the plain formula.
func TestCache(t *testing.T) {
	const heads, kv, dim, n = 6, 2, 5, 150
	r := rand.New(rand.NewPCG(4, 1))
	const stride = heads*dim + 3
	q, k, v := random(r, n*stride), random(r, n*kv*dim), random(r, n*kv*dim)
	want := func(at, i int) float64 {
		h := i / dim
		from := h / (heads / kv) * dim
		total, mixed := 0.0, 0.0
		for j := range at + 1 {
			dot := 0.0
			for d := range dim {
				dot += float64(q[at*stride+h*dim+d]) * float64(k[j*kv*dim+from+d])
			}
			e := math.Exp(dot / math.Sqrt(dim))
			total += e
			mixed += e * float64(v[j*kv*dim+from+i%dim])
		}
		return mixed / total
	}
	var s layer.Scratch
	one, many := layer.NewCache(kv, dim), layer.NewCache(kv, dim)
	for at := range n {
		many.Put(at, k[at*kv*dim:], v[at*kv*dim:])
	}
	all := make([]float32, n*heads*dim)
	many.Attend(all, q, 0, n, heads, stride, &s)
	row := make([]float32, heads*dim)
	for at := range n {
		one.Put(at, k[at*kv*dim:], v[at*kv*dim:])
		one.Attend(row, q[at*stride:], at, 1, heads, stride, &s)
		closeTo(t, "attention", row, func(i int) float64 { return want(at, i) })
		if !slices.Equal(row, all[at*heads*dim:(at+1)*heads*dim]) {
			t.Fatalf("token %d alone differs from the same among others", at)
		}
	}
	if a := testing.AllocsPerRun(10, func() { many.Attend(all, q, 0, n, heads, stride, &s) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}
