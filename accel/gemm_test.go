package accel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// TestGemm compares every element with the sum in float64, by the bound the package promises, at sizes around every edge.
func TestGemm(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 1))
	f := func(m, n, k int) {
		t.Helper()
		a, b := poisoned(r, m*k, m%5), poisoned(r, n*k, n%7)
		c := poisoned(r, m*n, 3)
		for _, l := range levels(t) {
			for i := range c {
				c[i] = float32(math.NaN())
			}
			atLevel(l, func() { GemmNT(m, n, k, a, b, c) })
			for i := range m {
				for j := range n {
					if err := floatOps[0].check(c[i*n+j], a[i*k:(i+1)*k], b[j*k:(j+1)*k]); err != nil {
						t.Fatalf("%d by %d by %d at %v, element %d, %d: %v", m, n, k, l, i, j, err)
					}
				}
			}
		}
	}
	for m := range 26 {
		f(m, 33+m, 7)
	}
	for n := range 70 {
		f(13, n, 5)
	}
	for k := range 40 {
		f(7, 40, k)
	}
	for _, k := range []int{100, 271, 272, 273, 544, 545, 784, 1000} {
		f(25, 65, k)
	}
	f(gemmRows+17, 65, 30)
}

// TestGemmCutsAlike: an element has the same bits whichever rows are multiplied with it.
func TestGemmCutsAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(22, 1))
	const m, n, k = 230, 50, 300
	a, b := poisoned(r, m*k, 0), poisoned(r, n*k, 0)
	for _, l := range levels(t) {
		atLevel(l, func() {
			whole, part := make([]float32, m*n), make([]float32, n)
			p := PackNT(n, k, b)
			if p.Rows() != n || p.Depth() != k {
				t.Errorf("packed %d rows of %d", p.Rows(), p.Depth())
			}
			p.MulNT(m, a, whole)
			for i := range m {
				p.MulNT(1, a[i*k:(i+1)*k], part)
				for j, x := range part {
					if x != whole[i*n+j] {
						t.Fatalf("at %v element %d, %d is %v alone, %v among others", l, i, j, x, whole[i*n+j])
					}
				}
			}
		})
	}
}

func TestGemmRefuses(t *testing.T) {
	for _, f := range []func(){
		func() { GemmNT(2, 2, 2, make([]float32, 4), make([]float32, 4), make([]float32, 5)) },
		func() { GemmNT(2, 2, 2, make([]float32, 3), make([]float32, 4), make([]float32, 4)) },
		func() { GemmNT(2, -2, 2, make([]float32, 4), make([]float32, 4), make([]float32, 4)) },
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
}

func BenchmarkGemm(b *testing.B) {
	for _, s := range [][3]int{{64, 768, 768}, {1024, 256, 768}, {1024, 1024, 100}, {1024, 1024, 784}} {
		m, n, k := s[0], s[1], s[2]
		x, y, c := make([]float32, m*k), make([]float32, n*k), make([]float32, m*n)
		for _, l := range Levels() {
			b.Run(fmt.Sprintf("%dx%dx%d/%v", m, n, k, l), func(b *testing.B) {
				atLevel(l, func() {
					for b.Loop() {
						GemmNT(m, n, k, x, y, c)
					}
				})
				b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
			})
			b.Run(fmt.Sprintf("packed/%dx%dx%d/%v", m, n, k, l), func(b *testing.B) {
				p := PackNT(n, k, y)
				atLevel(l, func() {
					for b.Loop() {
						p.MulNT(m, x, c)
					}
				})
				b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
			})
		}
	}
}
