package accel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestNearestAgreesWithReference: the same place and score at every level, the first of equals, nothing from what is no number.
func TestNearestAgreesWithReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 150 {
		norms, dots := make([]float32, n), make([]float32, n)
		for i := range norms {
			norms[i], dots[i] = float32(r.IntN(6)), float32(r.IntN(4))
			switch r.IntN(20) {
			case 0:
				dots[i] = float32(math.NaN())
			case 1:
				norms[i] = float32(math.Inf(1))
			}
		}
		want, least := nearestGo(norms, dots)
		for _, l := range levels(t) {
			if got, v := l.nearest(norms, dots); got != want || v != least {
				t.Fatalf("%v: of %v and %v: %d at %v, want %d at %v", l, norms, dots, got, v, want, least)
			}
		}
	}
}

// TestNearestRows compares with the distances themselves.
func TestNearestRows(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const m, n, dim = 37, 53, 29
	a, b := make([]float32, m*dim), make([]float32, n*dim)
	for i := range a {
		a[i] = float32(r.NormFloat64())
	}
	for i := range b {
		b[i] = float32(r.NormFloat64())
	}
	norms := make([]float32, n)
	SqNorms(dim, b, norms)
	p := PackNT(n, dim, b)
	place, score := make([]uint32, m), make([]float32, m)
	p.Nearest(m, a, norms, make([]float32, m*n), place, score)
	dist := make([]float32, n)
	for i := range m {
		row := a[i*dim : (i+1)*dim]
		L2SqRows(row, b, dist)
		for j, d := range dist {
			if d < dist[place[i]]-1e-3 {
				t.Fatalf("row %d: %d at %v, but %d at %v", i, place[i], dist[place[i]], j, d)
			}
		}
		if got := score[i] + SqNorm(row); math.Abs(float64(got-dist[place[i]])) > 1e-3 {
			t.Fatalf("row %d: score %v, distance %v", i, got, dist[place[i]])
		}
	}
}
