package quant

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"engram/accel"
)

// TestPackGolden compares with bytes written by hand from the rule.
func TestPackGolden(t *testing.T) {
	for _, c := range []struct {
		bits  int
		codes []int8
		want  []byte
	}{
		{2, []int8{0, 1, -1, -2}, []byte{0x1e}},         // 2 3 1 0 from the low end: 00 01 11 10
		{2, []int8{1, 1, 1, 1, -2}, []byte{0xff, 0x00}}, // the fifth alone
		{2, []int8{-2, -1, 0, 1, 0}, []byte{0xe4, 0x02}},
		{3, []int8{-4, -3, -2, -1, 0, 1, 2, 3}, []byte{0x88, 0xc6, 0xfa}}, // 0..7 as octal 76543210
		{3, []int8{3, -4}, []byte{0x07}},
		{3, []int8{-4, -4, 3}, []byte{0xc0, 0x01}}, // across a byte
		{4, []int8{-8, 7, 0}, []byte{0xf0, 0x08}},
		{8, []int8{-128, -1, 0, 127}, []byte{0x80, 0xff, 0x00, 0x7f}},
		{4, nil, nil},
	} {
		got := Pack(nil, c.bits, c.codes)
		if !slices.Equal(got, c.want) {
			t.Errorf("%d bits of %v: % x, want % x", c.bits, c.codes, got, c.want)
		}
		back := make([]int8, len(c.codes))
		Unpack(back, c.bits, got, 0)
		if !slices.Equal(back, c.codes) {
			t.Errorf("%d bits: %v came back as %v", c.bits, c.codes, back)
		}
	}
}

func TestPackProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.SampledFrom([]int{2, 3, 4, 8}).Draw(t, "bits")
		half := 1 << (bits - 1)
		codes := rapid.SliceOfN(rapid.Map(rapid.IntRange(-half, half-1), func(i int) int8 { return int8(i) }), 0, 100).Draw(t, "codes")
		packed := Pack([]byte{9}, bits, codes)
		if len(packed) != 1+PackedBytes(bits, len(codes)) || packed[0] != 9 {
			t.Fatalf("%d codes of %d bits take %d bytes", len(codes), bits, len(packed)-1)
		}
		from := rapid.IntRange(0, len(codes)).Draw(t, "from")
		back := make([]int8, rapid.IntRange(0, len(codes)-from).Draw(t, "n"))
		Unpack(back, bits, packed[1:], from)
		if !slices.Equal(back, codes[from:from+len(back)]) {
			t.Fatalf("from %d: %v, want %v", from, back, codes[from:from+len(back)])
		}
	})
}

// drawScheme draws any scheme.
func drawScheme(t *rapid.T) Scheme {
	s := Scheme{
		Bits:         rapid.SampledFrom([]int{2, 3, 4, 8}).Draw(t, "bits"),
		Symmetric:    rapid.Bool().Draw(t, "symmetric"),
		Granularity:  rapid.SampledFrom([]Granularity{PerTensor, PerChannel, PerGroup}).Draw(t, "granularity"),
		LeastSquares: rapid.Bool().Draw(t, "least squares"),
	}
	if s.Granularity == PerGroup {
		s.GroupSize = rapid.SampledFrom([]int{1, 3, 16, 32, 1000}).Draw(t, "group")
	}
	s.Coarse = s.Bits < 8 && rapid.Bool().Draw(t, "coarse")
	return s
}

// drawMatrix draws numbers of very different kinds: narrow, wide, one-sided, constant.
func drawMatrix(t *rapid.T) (rows, cols int, w []float32) {
	rows, cols = rapid.IntRange(0, 6).Draw(t, "rows"), rapid.IntRange(0, 70).Draw(t, "cols")
	size := rapid.SampledFrom([]float64{1, 1e-3, 1e6, 1e-38, 1e38}).Draw(t, "size")
	shift := rapid.SampledFrom([]float64{0, 0, 5, -3}).Draw(t, "shift")
	spread := rapid.SampledFrom([]float64{1, 1, 0}).Draw(t, "spread")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	w = make([]float32, rows*cols)
	for i := range w {
		w[i] = float32(min(max((r.NormFloat64()*spread+shift)*size, -1e38), 1e38))
	}
	return rows, cols, w
}

// TestHalfAStep: a number inside the range of the codes is off by half a scale at most, whatever the scheme. float32
// rounds the quotient and the product, so a part in a million is let through, and the offset of a zero point far away.
func TestHalfAStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScheme(t)
		rows, cols, w := drawMatrix(t)
		q, err := QuantizeMatrix(s, rows, cols, w)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Check(); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(w))
		q.Dequantize(got)
		span := s.Span(rows, cols)
		for i, x := range w {
			g := q.Grid(i / span)
			ends := []float64{float64(g.Value(int8(s.low()))), float64(g.Value(int8(s.low() + s.top())))}
			slices.Sort(ends)
			scale := math.Abs(float64(g.Scale))
			off := math.Abs(float64(got[i]) - float64(x))
			slack := scale*(0.5+1e-5+math.Abs(float64(g.Zero))*1e-6) + math.Abs(float64(x))*1e-6
			inside := float64(x) >= ends[0] && float64(x) <= ends[1]
			if (inside || (!s.LeastSquares && !s.Coarse)) && off > slack {
				t.Fatalf("%+v: %v became %v, scale %v, zero %v", s, x, got[i], g.Scale, g.Zero)
			}
		}
	})
}

// TestLeastSquaresIsNoWorse: the search never ends above the grid that spans the numbers.
func TestLeastSquaresIsNoWorse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScheme(t)
		rows, cols, w := drawMatrix(t)
		s.Coarse, s.LeastSquares = false, false
		plain, err := QuantizeMatrix(s, rows, cols, w)
		if err != nil {
			t.Fatal(err)
		}
		s.LeastSquares = true
		best, err := QuantizeMatrix(s, rows, cols, w)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := squaredError(best, w), squaredError(plain, w); a > b*(1+1e-4) {
			t.Fatalf("%+v: error %v, %v without a search", s, a, b)
		}
	})
}

func squaredError(q *Quantized, w []float32) float64 {
	got := make([]float32, len(w))
	q.Dequantize(got)
	var sum float64
	for i, x := range w {
		d := float64(got[i]) - float64(x)
		sum += d * d
	}
	return sum
}

// TestNearOptimal compares with all grids of a fine lattice on groups of a few numbers at 2 bits.
func TestNearOptimal(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	s := Scheme{Bits: 2, Granularity: PerTensor, LeastSquares: true}
	var ratio float64
	const cases = 40
	for range cases {
		w := make([]float32, 8)
		for i := range w {
			w[i] = float32(r.NormFloat64())
		}
		q, err := QuantizeMatrix(s, 1, 8, w)
		if err != nil {
			t.Fatal(err)
		}
		f := fitter{s: s}
		best := math.Inf(1)
		for scale := 0.1; scale < 2; scale += 0.02 {
			for zero := -3.0; zero < 3; zero += 0.1 {
				best = min(best, f.errorOf(Grid{float32(scale), float32(zero)}, w, nil))
			}
		}
		ratio += squaredError(q, w) / best / cases
	}
	if ratio > 1.12 {
		t.Errorf("least squares ends at %.3f times the error of the best grid", ratio)
	}
	t.Logf("%.3f times the error of the best of all grids of a lattice", ratio)
}

// TestGaussianCosine: figures of quantization.md 3.5 as lower bounds.
func TestGaussianCosine(t *testing.T) {
	const n = 384 * 256
	r := rand.New(rand.NewPCG(4, 4))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	for _, c := range []struct {
		s    Scheme
		want float64
	}{
		{Scheme{Bits: 8, Symmetric: true, Granularity: PerChannel}, 0.99996},
		{Scheme{Bits: 4, Granularity: PerGroup, GroupSize: 64, LeastSquares: true}, 0.9966},
		{Scheme{Bits: 4, Granularity: PerGroup, GroupSize: 64, LeastSquares: true, Coarse: true}, 0.9963},
		{Scheme{Bits: 3, Granularity: PerGroup, GroupSize: 32, LeastSquares: true}, 0.9890},
		{Scheme{Bits: 2, Granularity: PerGroup, GroupSize: 128, LeastSquares: true}, 0.942},
		{Scheme{Bits: 2, Granularity: PerGroup, GroupSize: 32, LeastSquares: true}, 0.953},
		{Scheme{Bits: 2, Granularity: PerGroup, GroupSize: 32, LeastSquares: true, Coarse: true}, 0.951},
		{Scheme{Bits: 2, Symmetric: true, Granularity: PerGroup, GroupSize: 32, LeastSquares: true}, 0.92},
	} {
		q, err := QuantizeMatrix(c.s, 256, 384, w)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, n)
		q.Dequantize(got)
		cos := 1 - float64(accel.CosineDist(w, got))
		t.Logf("%+v: cosine %.5f", c.s, cos)
		if cos < c.want {
			t.Errorf("%+v: cosine %.5f, want %.5f", c.s, cos, c.want)
		}
	}
}

// TestImportance: errors in the columns that count are smaller.
func TestImportance(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	const rows, cols = 32, 64
	w, importance := make([]float32, rows*cols), make([]float32, cols)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	for j := range importance {
		importance[j] = float32(j%2)*100 + 1
	}
	s := Scheme{Bits: 2, Granularity: PerChannel, LeastSquares: true}
	weighted := func(q *Quantized) (sum float64) {
		got := make([]float32, len(w))
		q.Dequantize(got)
		for i, x := range w {
			sum += float64(importance[i%cols]) * float64(got[i]-x) * float64(got[i]-x)
		}
		return sum
	}
	plain, err := QuantizeMatrix(s, rows, cols, w)
	if err != nil {
		t.Fatal(err)
	}
	aware, err := QuantizeWeighted(s, rows, cols, w, importance)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := weighted(aware), weighted(plain); a >= b {
		t.Errorf("weighted error %v with importance, %v without", a, b)
	}
	if _, err := QuantizeWeighted(s, rows, cols, w, make([]float32, cols)); err != nil {
		t.Errorf("importance of 0 throughout: %v", err)
	}
}

func TestQuantizeMatrixRefuses(t *testing.T) {
	ok := Scheme{Bits: 4, Granularity: PerChannel, LeastSquares: true}
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		s          Scheme
		rows, cols int
		w          []float32
		want       error
	}{
		{Scheme{Bits: 5, Granularity: PerChannel}, 1, 1, []float32{1}, ErrParams},
		{Scheme{Bits: 4}, 1, 1, []float32{1}, ErrParams},
		{Scheme{Bits: 4, Granularity: PerGroup}, 1, 1, []float32{1}, ErrParams},
		{Scheme{Bits: 4, Granularity: PerTensor, GroupSize: 3}, 1, 1, []float32{1}, ErrParams},
		{Scheme{Bits: 8, Granularity: PerTensor, Coarse: true}, 1, 1, []float32{1}, ErrParams},
		{ok, 2, 2, []float32{1}, ErrDimension},
		{ok, -1, 2, nil, ErrParams},
		{ok, 1 << 20, 1 << 20, nil, ErrParams},
		{ok, 1, 2, []float32{1, nan}, ErrParams},
		{Scheme{Bits: 8, Symmetric: true, Granularity: PerTensor}, 1, 2, []float32{1, inf}, ErrParams},
	} {
		if _, err := QuantizeMatrix(c.s, c.rows, c.cols, c.w); !errors.Is(err, c.want) {
			t.Errorf("%+v of %d x %d: err %v, want %v", c.s, c.rows, c.cols, err, c.want)
		}
	}
	for _, v := range [][]float32{{1}, {1, nan}, {1, -1}} {
		if _, err := QuantizeWeighted(ok, 1, 2, []float32{1, 2}, v); err == nil {
			t.Errorf("importance %v was taken", v)
		}
	}
	if _, err := QuantizeWeighted(Scheme{Bits: 4, Granularity: PerTensor}, 1, 1, []float32{1}, []float32{1}); !errors.Is(err, ErrParams) {
		t.Errorf("importance without a search: err %v", err)
	}
}

func TestQuantizedCheck(t *testing.T) {
	q, err := QuantizeMatrix(Scheme{Bits: 4, Granularity: PerGroup, GroupSize: 4}, 2, 6, make([]float32, 12))
	if err != nil || q.Check() != nil || q.Bytes() != 6+12+12 {
		t.Fatalf("%+v, err %v", q, err)
	}
	for i, spoil := range []func(*Quantized){
		func(q *Quantized) { q.Scheme.Bits = 7 }, func(q *Quantized) { q.Rows = -1 }, func(q *Quantized) { q.Rows = math.MaxInt },
		func(q *Quantized) { q.Codes = q.Codes[1:] }, func(q *Quantized) { q.Scales = q.Scales[1:] }, func(q *Quantized) { q.Zeros = q.Zeros[1:] },
	} {
		c := q.Clone()
		spoil(c)
		if err := c.Check(); !errors.Is(err, ErrParams) {
			t.Errorf("damage %d: err %v", i, err)
		}
	}
}

// TestRowsAndRanges: every way of reading gives the same numbers.
func TestRowsAndRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScheme(t)
		s.LeastSquares, s.Coarse = false, false
		rows, cols, w := drawMatrix(t)
		q, err := QuantizeMatrix(s, rows, cols, w)
		if err != nil {
			t.Fatal(err)
		}
		all, codes := make([]float32, len(w)), make([]int8, len(w))
		q.Dequantize(all)
		q.Unpack(codes, 0)
		span := s.Span(rows, cols)
		for i, x := range all {
			if g := q.Grid(i / span).Value(codes[i]); g != x {
				t.Fatalf("number %d is %v, its code says %v", i, x, g)
			}
		}
		row := make([]float32, cols)
		for r := range rows {
			if q.DequantizeRow(row, r); !slices.Equal(row, all[r*cols:(r+1)*cols]) {
				t.Fatalf("row %d differs", r)
			}
		}
		from := rapid.IntRange(0, len(w)).Draw(t, "from")
		part := make([]float32, rapid.IntRange(0, len(w)-from).Draw(t, "n"))
		if q.DequantizeRange(part, from); !slices.Equal(part, all[from:from+len(part)]) {
			t.Fatalf("range at %d differs", from)
		}
	})
}

func TestGranularityNames(t *testing.T) {
	for g, want := range map[Granularity]string{PerTensor: "tensor", PerChannel: "channel", PerGroup: "group", 9: "granularity(9)"} {
		if g.String() != want {
			t.Errorf("%d is %q", g, g.String())
		}
	}
}

func BenchmarkQuantizeMatrix(b *testing.B) {
	const rows, cols = 1536, 512
	r := rand.New(rand.NewPCG(1, 1))
	w := make([]float32, rows*cols)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	for _, c := range []struct {
		name string
		s    Scheme
	}{
		{"int8", Scheme{Bits: 8, Symmetric: true, Granularity: PerChannel}},
		{"int4 lsq 64", Scheme{Bits: 4, Granularity: PerGroup, GroupSize: 64, LeastSquares: true}},
		{"int2 lsq 32", Scheme{Bits: 2, Granularity: PerGroup, GroupSize: 32, LeastSquares: true}},
		{"int2 lsq 32 coarse", Scheme{Bits: 2, Granularity: PerGroup, GroupSize: 32, LeastSquares: true, Coarse: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := QuantizeMatrix(c.s, rows, cols, w); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows*cols)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mnumbers/s")
		})
	}
}
