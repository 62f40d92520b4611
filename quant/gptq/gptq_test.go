package gptq_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"engram/quant"
	"engram/quant/gptq"
)

// inputs draws rows of n inputs that depend on each other: a few hidden causes with falling strength, and noise.
func inputs(r *rand.Rand, rows, n int) []float32 {
	causes := max(n/3, 1)
	mix := make([]float32, causes*n)
	for i := range mix {
		mix[i] = float32(r.NormFloat64()) / float32(math.Sqrt(float64(1+i/n)))
	}
	x := make([]float32, rows*n)
	for k := range rows {
		row := x[k*n : (k+1)*n]
		for c := range causes {
			v := float32(r.NormFloat64())
			for j := range row {
				row[j] += v * mix[c*n+j]
			}
		}
		for j := range row {
			row[j] += 0.1*float32(r.NormFloat64()) + 0.3
		}
	}
	return x
}

func normal(r *rand.Rand, n int) []float32 {
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	return w
}

// hessian gathers x.
func hessian(x []float32, n, threads int) *gptq.Hessian {
	h := gptq.NewHessian(n, threads)
	h.Add(x)
	return h
}

// matrix is the mean of x_i*x_j, minus the product of the means if centred, computed plainly.
func matrix(x []float32, n int, centered bool) []float64 {
	rows := len(x) / n
	m, mean := make([]float64, n*n), make([]float64, n)
	for k := range rows {
		for i := range n {
			mean[i] += float64(x[k*n+i]) / float64(rows)
			for j := range n {
				m[i*n+j] += float64(x[k*n+i]) * float64(x[k*n+j]) / float64(rows)
			}
		}
	}
	for i := range n {
		for j := range n {
			if centered {
				m[i*n+j] -= mean[i] * mean[j]
			}
		}
	}
	return m
}

// loss is the sum over rows of d H d^T for d = w - w', in float64.
func loss(h []float64, n int, w []float32, q *quant.Quantized) float64 {
	v := make([]float32, len(w))
	q.Dequantize(v)
	var sum float64
	for r := 0; r < len(w); r += n {
		for i := range n {
			for j := range n {
				sum += (float64(w[r+i]) - float64(v[r+i])) * h[i*n+j] * (float64(w[r+j]) - float64(v[r+j]))
			}
		}
	}
	return sum
}

func TestHessian(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, rows := rapid.SampledFrom([]int{1, 3, 9}).Draw(t, "n"), rapid.SampledFrom([]int{1, 2, 60, 511, 513, 1025}).Draw(t, "rows")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		x := inputs(r, rows, n)
		h := gptq.NewHessian(n, rapid.IntRange(1, 4).Draw(t, "threads"))
		for at := 0; at < rows; {
			k := min(1+r.IntN(300), rows-at)
			h.Add(x[at*n : (at+k)*n])
			at += k
		}
		centered := rapid.Bool().Draw(t, "centered") && rows > 1
		got, want := make([]float64, n*n), matrix(x, n, centered)
		if err := h.Matrix(got, centered); err != nil {
			t.Fatal(err)
		}
		if h.Size() != n || h.Rows() != int64(rows) {
			t.Fatalf("size %d, rows %d", h.Size(), h.Rows())
		}
		scale := 0.0
		for i := range n {
			scale = max(scale, matrixAt(matrix(x, n, false), n, i))
		}
		for i := range got {
			if math.Abs(got[i]-want[i]) > 1e-5*scale {
				t.Fatalf("element %d: %g, want %g", i, got[i], want[i])
			}
		}
		mean := make([]float32, n)
		h.Mean(mean)
		for j, m := range mean {
			var sum float64
			for k := range rows {
				sum += float64(x[k*n+j])
			}
			if math.Abs(float64(m)-sum/float64(rows)) > 1e-6*math.Sqrt(scale) {
				t.Fatalf("mean %d: %g, want %g", j, m, sum/float64(rows))
			}
		}
	})
}

// TestHessianOfManyColumns has more columns than one thread works on.
func TestHessianOfManyColumns(t *testing.T) {
	const n, rows = 401, 40
	x := inputs(rand.New(rand.NewPCG(1, 1)), rows, n)
	got, want := make([]float64, n*n), matrix(x, n, false)
	if err := hessian(x, n, 3).Matrix(got, false); err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if math.Abs(got[i]-want[i]) > 1e-4 {
			t.Fatalf("element %d: %g, want %g", i, got[i], want[i])
		}
	}
}

func matrixAt(m []float64, n, i int) float64 { return m[i*n+i] }

func TestHessianRefuses(t *testing.T) {
	dst := make([]float64, 4)
	for name, c := range map[string]struct {
		x        []float32
		centered bool
	}{
		"nothing":    {nil, false},
		"zeros":      {make([]float32, 8), false},
		"constant":   {[]float32{2, 3, 2, 3}, true},
		"not finite": {[]float32{1, 2, float32(math.NaN()), 1}, false},
		"infinite":   {[]float32{1, 2, float32(math.Inf(1)), 1}, true},
	} {
		if err := hessian(c.x, 2, 1).Matrix(dst, c.centered); !errors.Is(err, gptq.ErrInputs) {
			t.Errorf("%s: err %v", name, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("half a row was taken")
		}
	}()
	gptq.NewHessian(2, 0).Add(make([]float32, 3))
}

// drawScheme draws a scheme for n inputs.
func drawScheme(t *rapid.T, n int) quant.Scheme {
	s := quant.Scheme{
		Bits:         rapid.SampledFrom([]int{2, 3, 4, 8}).Draw(t, "bits"),
		Symmetric:    rapid.Bool().Draw(t, "symmetric"),
		Granularity:  rapid.SampledFrom([]quant.Granularity{quant.PerTensor, quant.PerChannel, quant.PerGroup}).Draw(t, "granularity"),
		LeastSquares: rapid.Bool().Draw(t, "least squares"),
	}
	if s.Bits < 8 {
		s.Coarse = rapid.Bool().Draw(t, "coarse")
	}
	if s.Granularity == quant.PerGroup {
		var all []int
		for g := 1; g <= n; g++ {
			if n%g == 0 && g > 1 {
				all = append(all, g)
			}
		}
		s.GroupSize = rapid.SampledFrom(all).Draw(t, "group")
	}
	return s
}

// TestNeverWorseThanNearest: for any scheme and any inputs the loss is at most that of rounding to the nearest codes, and
// what Result says of both is true.
func TestNeverWorseThanNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{2, 6, 12, 40, 150}).Draw(t, "n")
		rows := rapid.IntRange(1, 9).Draw(t, "rows")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		x := inputs(r, rapid.SampledFrom([]int{3, 50, 700}).Draw(t, "seen"), n)
		if rapid.Bool().Draw(t, "dead") {
			for k := 0; k < len(x); k += n {
				x[k+n/2] = 0
			}
		}
		w, s := normal(r, rows*n), drawScheme(t, n)
		o := &gptq.Options{Shift: rapid.Bool().Draw(t, "shift"), Rounds: rapid.SampledFrom([]int{-1, 0, 2}).Draw(t, "rounds"), Threads: 1}
		before := slices.Clone(w)
		res, err := gptq.Quantize(t.Context(), s, rows, w, hessian(x, n, 1), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Q.Check(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(w, before) {
			t.Fatal("the weights were changed")
		}
		h := matrix(x, n, o.Shift)
		nearest, err := quant.QuantizeMatrix(s, rows, n, w)
		if err != nil {
			t.Fatal(err)
		}
		energy := loss(matrix(x, n, false), n, w, zeros(rows, n))
		got, plain := loss(h, n, w, res.Q), loss(h, n, w, nearest)
		if got > plain+1e-5*energy {
			t.Fatalf("%+v: loss %g, of the nearest codes %g", s, got, plain)
		}
		if e := math.Sqrt(got / energy); math.Abs(e-res.Error) > 1e-3+0.01*e || res.Error > res.Nearest {
			t.Fatalf("error %g and of the nearest codes %g; it is %g", res.Error, res.Nearest, e)
		}
	})
}

// zeros is a matrix of codes that all stand for 0.
func zeros(rows, n int) *quant.Quantized {
	q, err := quant.QuantizeMatrix(quant.Scheme{Bits: 8, Symmetric: true, Granularity: quant.PerTensor}, rows, n, make([]float32, rows*n))
	if err != nil {
		panic(err)
	}
	return q
}

// TestShift: with the shift added the mean output is the one of the weights.
func TestShift(t *testing.T) {
	const n, rows, seen = 24, 5, 400
	r := rand.New(rand.NewPCG(3, 4))
	x, w := inputs(r, seen, n), normal(r, rows*n)
	s := quant.Scheme{Bits: 2, Granularity: quant.PerGroup, GroupSize: 8, LeastSquares: true}
	res, err := gptq.Quantize(t.Context(), s, rows, w, hessian(x, n, 1), &gptq.Options{Shift: true})
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, rows*n)
	res.Q.Dequantize(v)
	for k := range rows {
		var gone float64
		for i, a := range x {
			gone += float64(a) * (float64(w[k*n+i%n]) - float64(v[k*n+i%n])) / seen
		}
		if math.Abs(gone-float64(res.ShiftedBy[k])) > 1e-4 {
			t.Errorf("output %d: shift %g, the mean error is %g", k, res.ShiftedBy[k], gone)
		}
	}
}

// TestTinyOptimum compares with the best codes of all, for one row of four columns and the grid that was chosen.
func TestTinyOptimum(t *testing.T) {
	const n = 4
	var near, found, best float64
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 5))
		x, w := inputs(r, 40, n), normal(r, n)
		s := quant.Scheme{Bits: 2, Granularity: quant.PerChannel, LeastSquares: true}
		res, err := gptq.Quantize(t.Context(), s, 1, w, hessian(x, n, 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := quant.QuantizeMatrix(s, 1, n, w)
		if err != nil {
			t.Fatal(err)
		}
		h := matrix(x, n, false)
		q := res.Q.Clone()
		least := math.Inf(1)
		for c := range 256 {
			q.Codes[0] = byte(c)
			least = min(least, loss(h, n, w, q))
		}
		near, found, best = near+loss(h, n, w, plain), found+loss(h, n, w, res.Q), best+least
	}
	// Rounding to the nearest costs several times the optimum; what is found must be close to it.
	if found > 1.25*best || near < 1.5*best {
		t.Errorf("loss %g, the best codes for the same grids %g, the nearest codes %g", found, best, near)
	}
}

// TestGain holds the gain over rounding on inputs like those of a network: 2 bits, groups of 32.
func TestGain(t *testing.T) {
	const n, rows = 96, 64
	r := rand.New(rand.NewPCG(6, 7))
	x := inputs(r, 3000, n)
	fit, held := x[:2000*n], x[2000*n:]
	w := normal(r, rows*n)
	s := quant.Scheme{Bits: 2, Granularity: quant.PerGroup, GroupSize: 32, LeastSquares: true}
	res, err := gptq.Quantize(t.Context(), s, rows, w, hessian(fit, n, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	sweep, err := gptq.Quantize(t.Context(), s, rows, w, hessian(fit, n, 0), &gptq.Options{Rounds: -1})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := quant.QuantizeMatrix(s, rows, n, w)
	if err != nil {
		t.Fatal(err)
	}
	h := matrix(held, n, false)
	a, b, c := loss(h, n, w, res.Q), loss(h, n, w, sweep.Q), loss(h, n, w, plain)
	t.Logf("relative squared error on other inputs: %.4f, without rounds %.4f, nearest codes %.4f", a/c, b/c, 1.0)
	if a > 0.5*c || a > b {
		t.Errorf("squared error %g, without rounds %g, nearest codes %g", a, b, c)
	}
}

func TestThreadsDoNotMatter(t *testing.T) {
	const n, rows = 200, 150
	r := rand.New(rand.NewPCG(8, 9))
	x, w := inputs(r, 900, n), normal(r, rows*n)
	s := quant.Scheme{Bits: 3, Granularity: quant.PerGroup, GroupSize: 40, LeastSquares: true, Coarse: true}
	var first *gptq.Result
	for _, threads := range []int{1, 2, 7} {
		res, err := gptq.Quantize(t.Context(), s, rows, w, hessian(x, n, threads), &gptq.Options{Threads: threads, Shift: true})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = res
		}
		if !slices.Equal(res.Q.Codes, first.Q.Codes) || !slices.Equal(res.Q.Scales, first.Q.Scales) || !slices.Equal(res.ShiftedBy, first.ShiftedBy) || res.Error != first.Error {
			t.Fatalf("%d threads: other codes", threads)
		}
	}
}

// TestDamping: inputs that lie in a plane need damping, which is raised until it suffices; a Hessian that no damping helps
// is refused.
func TestDamping(t *testing.T) {
	const n = 12
	r := rand.New(rand.NewPCG(10, 11))
	x, w := make([]float32, 30*n), normal(r, 2*n)
	for k := 0; k < len(x); k += n {
		a, b := float32(r.NormFloat64()), float32(r.NormFloat64())
		for j := range n {
			x[k+j] = a*float32(j) + b
		}
	}
	s := quant.Scheme{Bits: 4, Granularity: quant.PerGroup, GroupSize: 4, LeastSquares: true}
	res, err := gptq.Quantize(t.Context(), s, 2, w, hessian(x, n, 1), &gptq.Options{Damp: 1e-30})
	if err != nil || !(res.Damp >= 1e-30 && res.Damp <= 0.1) {
		t.Fatalf("%+v, err %v", res, err)
	}
	big := slices.Clone(x)
	for i := range big { // the sums overflow what float32 holds
		big[i] *= 1e25
	}
	if _, err := gptq.Quantize(t.Context(), s, 2, w, hessian(big, n, 1), nil); err == nil {
		t.Error("a Hessian beyond float32 was used")
	}
}

func TestRefuses(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 13))
	x, w := inputs(r, 20, 6), normal(r, 12)
	good := quant.Scheme{Bits: 4, Granularity: quant.PerChannel, LeastSquares: true}
	bad := slices.Clone(w)
	bad[7] = float32(math.NaN())
	for name, c := range map[string]struct {
		s    quant.Scheme
		rows int
		w    []float32
		want error
	}{
		"no scheme":        {quant.Scheme{}, 2, w, quant.ErrParams},
		"rows":             {good, 3, w, gptq.ErrShape},
		"no rows":          {good, 0, nil, gptq.ErrShape},
		"group":            {quant.Scheme{Bits: 4, Granularity: quant.PerGroup, GroupSize: 4}, 2, w, gptq.ErrShape},
		"weights not good": {good, 2, bad, quant.ErrParams},
	} {
		if _, err := gptq.Quantize(t.Context(), c.s, c.rows, c.w, hessian(x, 6, 1), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", name, err, c.want)
		}
	}
	if _, err := gptq.Quantize(t.Context(), good, 2, w, gptq.NewHessian(6, 1), nil); !errors.Is(err, gptq.ErrInputs) {
		t.Errorf("no inputs: err %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := gptq.Quantize(ctx, good, 2, w, hessian(x, 6, 1), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: err %v", err)
	}
}

func BenchmarkQuantize(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ rows, n, bits, group int }{{1536, 512, 4, 64}, {1536, 512, 2, 32}, {512, 1536, 2, 32}} {
		b.Run(fmt.Sprintf("%dx%d/%dbits", c.rows, c.n, c.bits), func(b *testing.B) {
			h := hessian(normal(r, 4000*c.n), c.n, 0)
			w := normal(r, c.rows*c.n)
			s := quant.Scheme{Bits: c.bits, Granularity: quant.PerGroup, GroupSize: c.group, LeastSquares: true, Coarse: true}
			for b.Loop() {
				if _, err := gptq.Quantize(b.Context(), s, c.rows, w, h, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(c.rows*c.n)/1e6/b.Elapsed().Seconds()*float64(b.N), "Mparams/s")
		})
	}
}

func BenchmarkHessian(b *testing.B) {
	for _, n := range []int{512, 1536} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x := normal(rand.New(rand.NewPCG(1, 2)), 2048*n)
			h := gptq.NewHessian(n, 1)
			for b.Loop() {
				h.Add(x)
			}
			b.ReportMetric(float64(n)*float64(n)*2048/1e9/b.Elapsed().Seconds()*float64(b.N), "GFLOPS")
		})
	}
}

// TestTarget: behind inputs that have changed, the weights that Target gives approach the outputs best, the codes of them
// better than the codes of the weights themselves, and the shift takes the mean of the errors away.
func TestTarget(t *testing.T) {
	const n, rows, seen = 20, 6, 3000
	r := rand.New(rand.NewPCG(14, 15))
	y, w := inputs(r, seen, n), normal(r, rows*n)
	x := make([]float32, len(y))
	for i, v := range y { // what earlier layers' codes do: an error that goes with the inputs, and noise
		x[i] = 0.9*v + 0.2*y[i/n*n+(i+1)%n] + 0.05*float32(r.NormFloat64()) + 0.1
	}
	h := gptq.NewHessian(n, 2)
	for at := 0; at < len(x); at += 700 * n {
		h.AddPair(x[at:min(at+700*n, len(x))], y[at:min(at+700*n, len(x))])
	}
	want, got := make([]float32, n), make([]float32, n)
	hessian(y, n, 1).Mean(want)
	h.PairMean(got)
	for j := range got {
		if math.Abs(float64(got[j]-want[j])) > 1e-5 {
			t.Fatalf("mean %d: %g, want %g", j, got[j], want[j])
		}
	}
	mean := make([]float32, n)
	h.Mean(mean)
	// off is the mean squared error of x v + shift as y w.
	off := func(v, shift []float32) (sum float64) {
		for k := 0; k < len(x); k += n {
			for o := range rows {
				d := float64(shift[o])
				for j := range n {
					d += float64(x[k+j])*float64(v[o*n+j]) - float64(y[k+j])*float64(w[o*n+j])
				}
				sum += d * d / seen
			}
		}
		return sum
	}
	s := quant.Scheme{Bits: 4, Granularity: quant.PerChannel, LeastSquares: true}
	var errs []float64
	for _, share := range []float64{0, 0.5, 1} {
		target, err := h.Target(rows, w, true, 1e-6, share)
		if err != nil {
			t.Fatal(err)
		}
		if share == 0 && !slices.Equal(target, w) {
			t.Error("no share changes the weights")
		}
		res, err := gptq.Quantize(t.Context(), s, rows, target, h, &gptq.Options{Shift: true})
		if err != nil {
			t.Fatal(err)
		}
		v := make([]float32, rows*n)
		res.Q.Dequantize(v)
		errs = append(errs, off(v, gptq.Shift(res.Q, w, mean, got)))
	}
	t.Logf("squared errors for shares of 0, 0.5 and 1: %v", errs)
	if !(errs[2] < 0.3*errs[0] && errs[1] < errs[0]) {
		t.Errorf("squared errors %v", errs)
	}
	for _, c := range []struct {
		h    *gptq.Hessian
		rows int
		want error
	}{{h, rows + 1, gptq.ErrShape}, {hessian(x, n, 1), rows, gptq.ErrShape}} {
		if _, err := c.h.Target(c.rows, w, true, 0.01, 1); !errors.Is(err, c.want) {
			t.Errorf("err %v", err)
		}
	}
	flat := gptq.NewHessian(n, 1)
	flat.AddPair(make([]float32, n), make([]float32, n))
	if _, err := flat.Target(rows, w, true, 0.01, 1); !errors.Is(err, gptq.ErrInputs) {
		t.Errorf("inputs of zeros: err %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a pair after a single row was taken")
		}
	}()
	h = hessian(x[:n], n, 1)
	h.AddPair(x[:n], y[:n])
}
