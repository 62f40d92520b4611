package accel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestFromHalf compares every half with the definition of binary16.
func TestFromHalf(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		e, m := int(h>>10&31), float64(h&0x3ff)
		want := math.Ldexp(1+m/1024, e-15)
		switch {
		case e == 31 && m == 0:
			want = math.Inf(1)
		case e == 31:
			want = math.NaN()
		case e == 0:
			want = math.Ldexp(m/1024, -14)
		}
		if h>>15 == 1 {
			want = -want
		}
		if got := float64(fromHalf(h)); got != want && !(got != got && want != want) {
			t.Fatalf("%#04x is %v, want %v", h, got, want)
		}
	}
}

// TestHalfRows compares every length with sums in float64, in every shape and at every alignment, and the shapes with each other.
func TestHalfRows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 300; n++ {
		const count = 5
		shift := n % 7
		q, rows := make([]float32, shift+n)[shift:], make([]uint16, shift+count*n)[shift:]
		for i := range q {
			q[i] = float32(r.NormFloat64())
		}
		for i := range rows {
			rows[i] = uint16(r.Uint32())
			if rows[i]>>10&31 > 20 { // neither infinite nor so large that it drowns the others
				rows[i] &^= 1 << 14
			}
		}
		at := []uint32{4, 0, 2}
		for _, l := range levels(t) {
			atLevel(l, func() {
				dot, sq := make([]float32, count), make([]float32, count)
				DotHalfRows(q, rows, dot)
				L2SqHalfRows(q, rows, sq)
				dotAt, sqAt := make([]float32, len(at)), make([]float32, len(at))
				DotHalfGather(q, rows, at, dotAt)
				L2SqHalfGather(q, rows, at, sqAt)
				for i := range count {
					var wantDot, wantSq, size float64
					for j, x := range q {
						y := float64(fromHalf(rows[i*n+j]))
						wantDot += float64(x) * y
						size += math.Abs(float64(x) * y)
						wantSq += (float64(x) - y) * (float64(x) - y)
					}
					bound := float64(n+12) * 0x1p-24
					if math.Abs(float64(dot[i])-wantDot) > bound*size+1e-30 || math.Abs(float64(sq[i])-wantSq) > bound*wantSq+1e-30 {
						t.Fatalf("%v, length %d: %v and %v, want %v and %v", l, n, dot[i], sq[i], wantDot, wantSq)
					}
				}
				for i, row := range at {
					if dotAt[i] != dot[row] || sqAt[i] != sq[row] {
						t.Fatalf("%v, length %d: gathered %v and %v, in rows %v and %v", l, n, dotAt[i], sqAt[i], dot[row], sq[row])
					}
				}
			})
		}
	}
	DotHalfRows(nil, nil, nil)
}
