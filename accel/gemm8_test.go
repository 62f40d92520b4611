package accel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// signed makes n codes of which none, extremes included, is rare.
func signed(r *rand.Rand, n int) []int8 {
	v := make([]int8, n)
	for i := range v {
		switch r.IntN(8) {
		case 0:
			v[i] = []int8{-128, -127, 127, 0}[r.IntN(4)]
		default:
			v[i] = int8(r.IntN(256) - 128)
		}
	}
	return v
}

// TestGemmInt8 compares every element with a plain sum, at every level, at sizes around every edge.
func TestGemmInt8(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 1))
	f := func(m, n, k int) {
		t.Helper()
		a, b := signed(r, m*k), signed(r, n*k)
		p := PackInt8(n, k, b)
		if p.Rows() != n || p.Depth() != k {
			t.Fatalf("packed %d rows of %d", p.Rows(), p.Depth())
		}
		want := make([]int32, m*n)
		for i := range m {
			for j := range n {
				want[i*n+j] = dotInt8Go(a[i*k:(i+1)*k], b[j*k:(j+1)*k])
			}
		}
		for _, l := range levels(t) {
			c := make([]int32, m*n+8)
			for i := range c {
				c[i] = 77
			}
			atLevel(l, func() { p.MulNT(m, a, c[:m*n]) })
			if !slices.Equal(c[:m*n], want) || c[m*n] != 77 {
				t.Fatalf("%d by %d by %d at %v differs", m, n, k, l)
			}
		}
	}
	for m := range 15 {
		f(m, 65+m, 9)
	}
	for n := range 140 {
		f(7, n, 5)
	}
	for k := range 70 {
		f(7, 20, k)
	}
	for _, k := range []int{100, 511, 512, 513, 1024, 1030, 4096} {
		f(13, 70, k)
	}
	f(byteRows+7, 33, 40)
	// The greatest sums there are.
	k := 4096
	a, b := make([]int8, k), make([]int8, k)
	for i := range a {
		a[i], b[i] = -128, -128
	}
	c := make([]int32, 1)
	for _, l := range levels(t) {
		atLevel(l, func() { PackInt8(1, k, b).MulNT(1, a, c) })
		if c[0] != 128*128*int32(k) {
			t.Errorf("at %v the greatest sum is %d", l, c[0])
		}
	}
}

// packCodes packs as package quant does.
func packCodes(bits int, codes []int8) []byte {
	out := make([]byte, (len(codes)*bits+7)/8)
	for i, q := range codes {
		for b := range bits {
			v := int(q)
			if bits < 8 {
				v += 1 << (bits - 1)
			}
			out[(i*bits+b)/8] |= byte(v>>b&1) << ((i*bits + b) % 8)
		}
	}
	return out
}

// TestGemmGroups compares products of codes in groups with the sum in float64 and, without zero points, levels with each
// other to the bit; and an element alone with one among others.
func TestGemmGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(32, 1))
	for _, bits := range []int{2, 3, 4, 8} {
		for _, s := range []struct{ m, n, k, group int }{
			{1, 1, 8, 8}, {5, 3, 16, 8}, {7, 65, 64, 32}, {6, 64, 64, 64}, {13, 130, 96, 16}, {4, 9, 520, 520}, {9, 20, 1024, 512}, {8, 70, 1536, 1536},
			{byteRows + 5, 30, 64, 16}, {3, 10, 1040, 40},
		} {
			for _, withZeros := range []bool{false, true} {
				testGroups(t, r, bits, s.m, s.n, s.k, s.group, withZeros)
			}
		}
	}
	testGroups(t, r, 8, 7, 9, 33, 33, true) // a row that is no whole number of steps
	testGroups(t, r, 8, 7, 9, 36, 12, false)
}

func testGroups(t *testing.T, r *rand.Rand, bits, m, n, k, group int, withZeros bool) {
	t.Helper()
	name := fmt.Sprintf("%d bits, %d by %d by %d, groups of %d, zeros %v", bits, m, n, k, group, withZeros)
	a, q := signed(r, m*k), make([]int8, n*k)
	for i := range a {
		a[i] = max(a[i], -127)
	}
	for i := range q {
		q[i] = int8(r.IntN(1<<bits) - 1<<(bits-1))
	}
	scales := make([]float32, n*k/group)
	var zeros []float32
	for i := range scales {
		scales[i] = r.Float32() + 0.1
	}
	if withZeros {
		zeros = make([]float32, len(scales))
		for i := range zeros {
			zeros[i] = r.Float32()*4 - 2
		}
	}
	p := PackGroups(bits, n, k, group, packCodes(bits, q), scales, zeros)
	if p.Rows() != n || p.Depth() != k || p.Bytes() < int64(n*k*bits/8+4*len(scales)) {
		t.Fatalf("%s: packed %d rows of %d in %d bytes", name, p.Rows(), p.Depth(), p.Bytes())
	}
	var before []float32
	for _, l := range append([]Level{LevelGo}, levels(t)...) {
		c, alone := make([]float32, m*n), make([]float32, n)
		atLevel(l, func() {
			p.MulNT(m, a, c)
			p.MulNT(1, a[(m-1)*k:], alone)
		})
		if !slices.Equal(alone, c[(m-1)*n:]) {
			t.Fatalf("%s: at %v a row alone differs", name, l)
		}
		if before != nil && !withZeros && !slices.Equal(before, c) {
			t.Fatalf("%s: %v differs from the level below", name, l)
		}
		before = c
		for i := range m {
			for j := range n {
				var want, size float64
				for x := range k {
					g := (j*k + x) / group
					term := float64(a[i*k+x]) * float64(q[j*k+x]) * float64(scales[g])
					if withZeros {
						term -= float64(a[i*k+x]) * float64(zeros[g]) * float64(scales[g])
					}
					want += term
					size += math.Abs(float64(a[i*k+x])) * float64(scales[g]) * (math.Abs(float64(q[j*k+x])) + 2)
				}
				if d := math.Abs(float64(c[i*n+j]) - want); d > 1e-6*size {
					t.Fatalf("%s: at %v element %d, %d is %v, want %v", name, l, i, j, c[i*n+j], want)
				}
			}
		}
	}
}

func TestGemmInt8Refuses(t *testing.T) {
	for _, f := range []func(){
		func() { PackInt8(2, 2, make([]int8, 3)) },
		func() { PackInt8(2, 2, make([]int8, 4)).MulNT(1, make([]int8, 3), make([]int32, 2)) },
		func() { PackInt8(2, 2, make([]int8, 4)).MulNT(1, make([]int8, 2), make([]int32, 3)) },
		func() { PackGroups(4, 1, 12, 12, make([]byte, 6), make([]float32, 1), nil) },
		func() { PackGroups(4, 1, 8, 8, make([]byte, 3), make([]float32, 1), nil) },
		func() { PackGroups(8, 2, 4, 4, make([]byte, 8), make([]float32, 1), nil) },
		func() { PackGroups(8, 2, 4, 4, make([]byte, 8), make([]float32, 2), make([]float32, 1)) },
		func() {
			PackGroups(8, 1, 4, 4, make([]byte, 4), make([]float32, 1), nil).MulNT(1, make([]int8, 4), make([]float32, 2))
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("lengths that do not fit are accepted")
				}
			}()
			f()
		}()
	}
	for _, c := range []struct{ bits, k, group int }{{5, 8, 8}, {4, 12, 12}, {4, 16, 5}, {8, 0, 0}, {8, 12, 6}, {3, 16, 4}} {
		if GroupsFit(c.bits, c.k, c.group) {
			t.Errorf("%+v fits", c)
		}
	}
}

func TestGemmInt8AllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 1))
	p := PackGroups(4, 70, 64, 32, packCodes(4, make([]int8, 70*64)), make([]float32, 140), make([]float32, 140))
	q := PackInt8(70, 64, signed(r, 70*64))
	a, f, c := signed(r, 9*64), make([]float32, 9*70), make([]int32, 9*70)
	if n := testing.AllocsPerRun(100, func() { p.MulNT(9, a, f); q.MulNT(9, a, c) }); n > 0.1 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkGemmInt8 shows operations a second at the shapes of BERT, beside the product of float32.
func BenchmarkGemmInt8(b *testing.B) {
	for _, s := range [][3]int{{96, 384, 384}, {384, 1536, 384}, {768, 3072, 768}, {1536, 4096, 4096}} {
		m, n, k := s[0], s[1], s[2]
		r := rand.New(rand.NewPCG(34, 1))
		a, codes := signed(r, m*k), signed(r, n*k)
		name := fmt.Sprintf("%dx%dx%d", m, n, k)
		report := func(b *testing.B) {
			b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GOPS")
		}
		p, c := PackInt8(n, k, codes), make([]int32, m*n)
		b.Run(name+"/int8", func(b *testing.B) {
			for b.Loop() {
				p.MulNT(m, a, c)
			}
			report(b)
		})
		f := make([]float32, m*n)
		for _, g := range []struct{ bits, group int }{{8, k}, {8, 32}, {4, 64}, {4, 32}, {3, 32}, {2, 32}} {
			if k%g.group != 0 {
				continue
			}
			q := PackGroups(g.bits, n, k, g.group, make([]byte, n*k*g.bits/8), make([]float32, n*k/g.group), nil)
			b.Run(fmt.Sprintf("%s/int%d-g%d", name, g.bits, g.group), func(b *testing.B) {
				for b.Loop() {
					q.MulNT(m, a, f)
				}
				report(b)
			})
		}
		x, y := make([]float32, m*k), PackNT(n, k, make([]float32, n*k))
		b.Run(name+"/float32", func(b *testing.B) {
			for b.Loop() {
				y.MulNT(m, x, f)
			}
			report(b)
		})
	}
}
