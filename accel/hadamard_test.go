package accel

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// TestHadamardIsTheMatrix compares every level with the matrix itself, and the levels with each other bit by bit.
func TestHadamardIsTheMatrix(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 0; n <= 2048; n = max(1, 2*n) {
		v, f := make([]float32, n), make([]float32, n)
		for i := range v {
			v[i], f[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
		}
		ref := append([]float32(nil), v...)
		hadamardGo(ref, f)
		for i := 0; i < n; i += 1 + n/17 {
			want, size := 0.0, 0.0
			for j := range v {
				x := float64(v[j] * f[j])
				if bits.OnesCount(uint(i&j))%2 == 1 {
					x = -x
				}
				want += x
				size += math.Abs(x)
			}
			if math.Abs(want-float64(ref[i])) > 1e-6*(size+1) {
				t.Fatalf("n %d: element %d is %v, want %v", n, i, ref[i], want)
			}
		}
		for _, l := range levels(t) {
			for shift := range 3 {
				got := append(make([]float32, shift, n+shift), v...)[shift:]
				l.hadamard(got, f)
				for i := range got {
					if got[i] != ref[i] {
						t.Fatalf("%v, n %d: element %d is %v, want %v", l, n, i, got[i], ref[i])
					}
				}
			}
		}
	}
}

func TestHadamardRefuses(t *testing.T) {
	for _, n := range [][2]int{{3, 3}, {4, 2}, {12, 12}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("lengths %v are taken", n)
				}
			}()
			Hadamard(make([]float32, n[0]), make([]float32, n[1]))
		}()
	}
}

func BenchmarkHadamard512(b *testing.B) {
	v, f := make([]float32, 512), make([]float32, 512)
	for b.Loop() {
		Hadamard(v, f)
	}
}
