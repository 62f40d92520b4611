package quant

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"engram/accel"

	"pgregory.net/rapid"
)

// exact is the dist in float64.
func exact(m accel.Metric, a, b []float32) float64 {
	var ip, sqA, sqB, l2 float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ip, sqA, sqB, l2 = ip+x*y, sqA+x*x, sqB+y*y, l2+(x-y)*(x-y)
	}
	switch m {
	case accel.L2:
		return l2
	case accel.InnerProduct:
		return -ip
	}
	return 1 - ip/math.Sqrt(sqA*sqB)
}

var scored = []accel.Metric{accel.L2, accel.InnerProduct, accel.Cosine}

// vectors draws vectors of many magnitudes, shifted from the origin or not, some of them zero.
func vectors(t *rapid.T, n, dim int) []float32 {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	size := math.Pow(10, float64(rapid.IntRange(-6, 6).Draw(t, "magnitude")))
	shift := rapid.SampledFrom([]float64{0, 0, 1, 100}).Draw(t, "shift")
	v := make([]float32, n*dim)
	for i := range v {
		v[i] = float32(size * (r.NormFloat64() + shift))
	}
	if rapid.IntRange(0, 3).Draw(t, "zero") == 0 {
		clear(v[:dim])
	}
	return v
}

// TestSQ8Elements: every element comes back within half a scale.
func TestSQ8Elements(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dim := rapid.IntRange(1, 200).Draw(t, "dim")
		rows := vectors(t, 8, dim)
		s, err := TrainSQ8(dim, rows)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "no centre") {
			s, _ = NewSQ8(dim, nil)
		}
		got := make([]float32, dim)
		for ; len(rows) > 0; rows = rows[dim:] {
			code := s.AppendCode(nil, rows[:dim])
			if len(code) != s.CodeSize() {
				t.Fatalf("code of %d bytes, want %d", len(code), s.CodeSize())
			}
			if err := s.Decode(got, code); err != nil {
				t.Fatal(err)
			}
			tl, lost := s.tailOf(code), 0.0
			for i, x := range rows[:dim] {
				d := math.Abs(float64(got[i]) - float64(x))
				if d > float64(tl.scale)*0.5001+math.Abs(float64(x))/(1<<22) {
					t.Fatalf("element %d is %v, was %v, scale %v", i, got[i], x, tl.scale)
				}
				lost += d * d
			}
			if slack := (math.Sqrt(float64(tl.sq)) + math.Sqrt(tl.off())) / (1 << 20); math.Abs(math.Sqrt(lost)-float64(tl.lost)) > slack {
				t.Fatalf("rounding lost %v, the code says %v", math.Sqrt(lost), tl.lost)
			}
		}
	})
}

// TestSQ8Bound: a score differs from the exact dist by no more than its bound, and the three ways to score agree.
func TestSQ8Bound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dim, n := rapid.IntRange(1, 300).Draw(t, "dim"), rapid.IntRange(1, 300).Draw(t, "rows")
		rows := vectors(t, n, dim)
		s, err := TrainSQ8(dim, rows)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "no centre") {
			s, _ = NewSQ8(dim, nil)
		}
		var codes []byte
		for i := range n {
			codes = s.AppendCode(codes, rows[i*dim:(i+1)*dim])
		}
		v := vectors(t, 1, dim)
		ords := make([]uint32, n)
		for i := range ords {
			ords[i] = uint32(n - 1 - i)
		}
		for _, m := range scored {
			q, err := s.Query(m, v, codes)
			if err != nil || q.Len() != n {
				t.Fatalf("%d rows, %v", q.Len(), err)
			}
			dst, again, bound, span := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			q.Score(ords, dst)
			q.ScoreError(ords, again, bound)
			q.ScoreRange(0, span)
			for i, ord := range ords {
				if math.Float32bits(dst[i]) != math.Float32bits(again[i]) || math.Float32bits(dst[i]) != math.Float32bits(span[ord]) {
					t.Fatalf("%v of row %d: %v, %v, %v", m, ord, dst[i], again[i], span[ord])
				}
				want := exact(m, v, rows[int(ord)*dim:(int(ord)+1)*dim])
				if math.IsNaN(want) {
					if dst[i] == dst[i] {
						t.Fatalf("%v of row %d is %v, exactly NaN", m, ord, dst[i])
					}
					continue
				}
				if d := math.Abs(float64(dst[i]) - want); !(d <= float64(bound[i])) {
					t.Fatalf("%v of row %d is %v, exactly %v: off by %g, bound %g", m, ord, dst[i], want, d, bound[i])
				}
			}
		}
	})
}

// TestSQ8BoundIsUseful: on vectors like embeddings the bound is a small part of the dists, so that it
// can spare exact comparisons.
func TestSQ8BoundIsUseful(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	const dim, n = 384, 200
	rows := normal(r, dim*n)
	s := codec[*SQ8](t)(TrainSQ8(dim, rows))
	var codes []byte
	ords := make([]uint32, n)
	for i := range ords {
		ords[i] = uint32(i)
		codes = s.AppendCode(codes, rows[i*dim:(i+1)*dim])
	}
	for _, m := range scored {
		q, err := s.Query(m, rows[:dim], codes)
		if err != nil {
			t.Fatal(err)
		}
		dst, bound := make([]float32, n), make([]float32, n)
		q.ScoreError(ords, dst, bound)
		for i := 1; i < n; i++ {
			size := float32(1) // of a cosine distance
			switch m {
			case accel.L2:
				size = 2 * dim
			case accel.InnerProduct:
				size = dim
			}
			if bound[i] > 0.03*size {
				t.Fatalf("%v: bound %v where dists are about %v", m, bound[i], size)
			}
		}
	}
}

// TestSQ8Space: codes measured against each other are near what the vectors give.
func TestSQ8Space(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	const dim, n = 96, 50
	rows := normal(r, dim*n)
	for i := range rows {
		rows[i] += 2
	}
	clear(rows[:dim])
	for _, s := range []*SQ8{codec[*SQ8](t)(TrainSQ8(dim, rows)), codec[*SQ8](t)(NewSQ8(dim, nil))} {
		var codes []byte
		for i := range n {
			codes = s.AppendCode(codes, rows[i*dim:(i+1)*dim])
		}
		for _, m := range scored {
			p, err := s.Space(m, codes)
			if err != nil || p.Len() != n {
				t.Fatalf("%d rows, %v", p.Len(), err)
			}
			for i := range n {
				a, b := uint32(i), uint32(r.IntN(n))
				got := float64(p.Between(a, b))
				want := exact(m, rows[i*dim:(i+1)*dim], rows[int(b)*dim:(int(b)+1)*dim])
				if math.IsNaN(want) != math.IsNaN(got) || math.Abs(got-want) > 0.02*(math.Abs(want)+dim/5) {
					t.Fatalf("%v between %d and %d is %v, exactly %v", m, a, b, got, want)
				}
				if back := p.Between(b, a); float64(back) != got && back == back {
					t.Fatalf("%v is not symmetric: %v and %v", m, got, back)
				}
			}
		}
	}
}

// TestSQ8NotNumbers: what cannot be kept scores NaN and disturbs nobody else.
func TestSQ8NotNumbers(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	rows := []float32{1, 2, nan, 1, inf, 0, 1e30, 1e30, 3, 4, 1e-44, 0, 0, 0}
	s := codec[*SQ8](t)(TrainSQ8(2, []float32{1, 2, nan, 1, 3, 4}))
	if c := s.Centre(); c[0] != 2 || c[1] != 3 {
		t.Errorf("centre %v", c)
	}
	if c := codec[*SQ8](t)(TrainSQ8(1, []float32{nan})); c.Centre() != nil {
		t.Error("a centre of nothing")
	}
	var codes []byte
	for i := 0; i < len(rows); i += 2 {
		codes = s.AppendCode(codes, rows[i:i+2])
	}
	for _, m := range scored {
		q, _ := s.Query(m, []float32{1, 1}, codes)
		dst := make([]float32, len(rows)/2)
		q.ScoreRange(0, dst)
		for i, d := range dst {
			lost := i >= 1 && i <= 3 || m == accel.Cosine && i >= 5 // a squared length below 2^-150 is zero
			if (d != d) != lost {
				t.Errorf("%v of row %d is %v", m, i, d)
			}
		}
	}
	got := make([]float32, 2)
	if err := s.Decode(got, codes[s.CodeSize():2*s.CodeSize()]); err != nil || got[0] == got[0] {
		t.Errorf("a vector with NaN decodes to %v, %v", got, err)
	}
	q, _ := s.Query(accel.L2, []float32{nan, 0}, codes)
	dst := make([]float32, 1)
	if q.ScoreRange(0, dst); dst[0] == dst[0] {
		t.Errorf("a query with NaN scores %v", dst[0])
	}
}

func TestSQ8Refuses(t *testing.T) {
	s := codec[*SQ8](t)(NewSQ8(4, nil))
	codes := s.AppendCode(nil, make([]float32, 4))
	f := func(m accel.Metric, v []float32, codes []byte, want error) {
		t.Helper()
		if _, err := s.Query(m, v, codes); !errors.Is(err, want) {
			t.Errorf("Query: %v, want %v", err, want)
		}
		if _, err := s.Space(m, codes); !errors.Is(err, want) && want != ErrDimension {
			t.Errorf("Space: %v, want %v", err, want)
		}
	}
	f(accel.L2, make([]float32, 3), codes, ErrDimension)
	f(accel.L1, make([]float32, 4), codes, accel.ErrMetric)
	f(accel.Hamming, make([]float32, 4), codes, accel.ErrMetric)
	f(accel.L2, make([]float32, 4), codes[1:], ErrCode)
}

func TestSQ8Allocations(t *testing.T) {
	s := codec[*SQ8](t)(NewSQ8(100, nil))
	v, codes := make([]float32, 100), make([]byte, 0, 5*s.CodeSize())
	for range 4 {
		codes = s.AppendCode(codes, v)
	}
	q, _ := s.Query(accel.L2, v, codes)
	ords, dst, bound := []uint32{3, 1, 0}, make([]float32, 3), make([]float32, 3)
	if n := testing.AllocsPerRun(50, func() {
		q.Score(ords, dst)
		q.ScoreRange(1, dst)
		q.ScoreError(ords, dst, bound)
		s.AppendCode(codes, v)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSQ8(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 5))
	const dim, n = 768, 20_000
	s := codec[*SQ8](b)(NewSQ8(dim, nil))
	v := normal(r, dim)
	var codes []byte
	for range n {
		codes = s.AppendCode(codes, v)
	}
	b.Run("encode", func(b *testing.B) {
		b.SetBytes(4 * dim)
		dst := make([]byte, 0, s.CodeSize())
		for b.Loop() {
			s.AppendCode(dst, v)
		}
	})
	for _, m := range scored {
		b.Run(fmt.Sprintf("scan/%v", m), func(b *testing.B) {
			q, _ := s.Query(m, v, codes)
			dst := make([]float32, n)
			b.SetBytes(int64(len(codes)))
			for b.Loop() {
				q.ScoreRange(0, dst)
			}
		})
	}
}
