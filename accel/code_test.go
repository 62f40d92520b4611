package accel

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// codes returns n bytes at offset off, extremes more often than chance, with noise around them.
func codes(r *rand.Rand, n, off int) []int8 {
	buf := make([]int8, n+off+64)
	for i := range buf {
		buf[i] = int8(r.Uint32())
		if r.IntN(8) == 0 {
			buf[i] = -128
		}
	}
	return buf[off : off+n : off+n]
}

func exactInt8(a, b []int8) int32 {
	s := int64(0)
	for i := range a {
		s += int64(a[i]) * int64(b[i])
	}
	return int32(s)
}

func TestInt8Pairs(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for n := 0; n <= 1000; n++ {
		for _, off := range offsets {
			a, b := codes(r, n, off), codes(r, n, offsets[n%len(offsets)])
			want := exactInt8(a, b)
			for _, l := range levels(t) {
				if got := l.dotInt8(a, b); got != want {
					t.Fatalf("at %v, length %d, offset %d: %d, want %d", l, n, off, got, want)
				}
			}
		}
	}
}

// TestInt8Extremes: all -128 is where saturating or too narrow sums show; 131,071 elements is the
// longest that cannot overflow, and beyond it every level wraps alike.
func TestInt8Extremes(t *testing.T) {
	low, high := make([]int8, 140_000), make([]int8, 140_000)
	for i := range low {
		low[i], high[i] = -128, 127
	}
	for _, n := range []int{1, 64, 1000, 65_536, 131_071, 140_000} {
		for _, l := range levels(t) {
			for _, p := range [][2][]int8{{low, low}, {low, high}, {high, low}, {high, high}} {
				a, b := p[0][:n], p[1][:n]
				if got, want := l.dotInt8(a, b), exactInt8(a, b); got != want {
					t.Errorf("at %v, %d times %d*%d: %d, want %d", l, n, a[0], b[0], got, want)
				}
			}
		}
	}
	if got := DotInt8(low[:131_071], low[:131_071]); got != 131_071*16_384 {
		t.Errorf("the longest safe code gives %d", got)
	}
}

func TestInt8Rows(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	f := func(dim, count int) {
		t.Helper()
		q, rows := codes(r, dim, count%5), codes(r, dim*count, dim%7)
		dst, picked := make([]int32, count), make([]int32, count)
		at := make([]uint32, count)
		for i := range at {
			at[i] = uint32(r.IntN(count))
		}
		for _, l := range levels(t) {
			atLevel(l, func() {
				DotInt8Rows(q, rows, dst)
				DotInt8Gather(q, rows, at, picked)
			})
			for i := range dst {
				if want := exactInt8(q, rows[i*dim:(i+1)*dim]); dst[i] != want {
					t.Fatalf("at %v, dim %d, row %d of %d: %d, want %d", l, dim, i, count, dst[i], want)
				}
				o := int(at[i])
				if want := exactInt8(q, rows[o*dim:(o+1)*dim]); picked[i] != want {
					t.Fatalf("at %v, dim %d, gathered row %d: %d, want %d", l, dim, o, picked[i], want)
				}
			}
		}
	}
	for dim := 1; dim <= 300; dim++ {
		f(dim, dim%14)
	}
	for count := 0; count < 14; count++ {
		f(784, count)
	}
	f(1000, 2*chunkRows(1000, 1)+5)
}

func TestBits(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for n := 0; n <= 1000; n++ {
		a, b := make([]byte, n+3)[3:], make([]byte, n+1)[1:]
		differ, both, either := 0, 0, 0
		for i := range a {
			a[i], b[i] = byte(r.Uint32()), byte(r.Uint32())
			differ += bits.OnesCount8(a[i] ^ b[i])
			both += bits.OnesCount8(a[i] & b[i])
			either += bits.OnesCount8(a[i] | b[i])
		}
		for _, l := range levels(t) {
			if got := l.hamming(a, b); got != differ {
				t.Fatalf("hamming at %v, length %d: %d, want %d", l, n, got, differ)
			}
		}
		want := float32(1)
		if both > 0 {
			want = float32(1 - float64(both)/float64(either))
		}
		if got := Jaccard.BitDistance()(a, b); got != want {
			t.Fatalf("jaccard, length %d: %v, want %v", n, got, want)
		}
		if got := Hamming.BitDistance()(a, b); got != float32(differ) {
			t.Fatalf("hamming, length %d: %v, want %v", n, got, differ)
		}
	}
}

func TestMetric(t *testing.T) {
	onDisk := map[Metric]uint8{L2: 1, InnerProduct: 2, Cosine: 3, L1: 4, Hamming: 5, Jaccard: 6}
	for m, n := range onDisk {
		if uint8(m) != n {
			t.Errorf("%v is %d on disk, want %d", m, uint8(m), n)
		}
		if got, err := ParseMetric(m.String()); err != nil || got != m {
			t.Errorf("ParseMetric(%q) = %v, %v", m, got, err)
		}
		if (m.Distance() == nil) != m.Bits() || (m.BitDistance() == nil) == m.Bits() {
			t.Errorf("%v has the wrong kinds of functions", m)
		}
		if d := m.Ranked(m.Reported(2.25)); d != 2.25 {
			t.Errorf("%v: 2.25 reported and ranked again is %v", m, d)
		}
	}
	for name, want := range map[string]Metric{"Inner_Product": InnerProduct, "EUCLIDEAN": L2, "manhattan": L1} {
		if got, err := ParseMetric(name); err != nil || got != want {
			t.Errorf("ParseMetric(%q) = %v, %v", name, got, err)
		}
	}
	if _, err := ParseMetric(""); err == nil {
		t.Error("the empty name is a metric")
	}
	if Metric(0).Valid() || Metric(7).Valid() || Metric(9).String() != "metric(9)" || Metric(9).Distance() != nil {
		t.Error("a number beyond the metrics is valid")
	}
	a, b := []float32{1, 2, 3}, []float32{4, 6, 3}
	for m, want := range map[Metric]float64{L2: 5, InnerProduct: -25, Cosine: 1 - 25/math.Sqrt(14*61), L1: 7} {
		if got := m.Reported(m.Dist(a, b)); math.Abs(got-want) > 1e-6 {
			t.Errorf("%v reports %v, want %v", m, got, want)
		}
	}
	if d := L2.Ranked(-1); !math.IsInf(float64(d), -1) {
		t.Errorf("a negative Euclidean bound ranks as %v", d)
	}
	if d := Cosine.Reported(Cosine.Dist([]float32{0, 0}, []float32{1, 2})); !math.IsNaN(d) {
		t.Errorf("cosine with a vector of zeros is %v", d)
	}
}
