package quant

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"engram/accel"
)

func TestRotationKeepsAnglesAndSpreads(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, dim := range []int{1, 2, 3, 7, 16, 100, 255, 512, 784, 1023} {
		rot := NewRotation(dim, 5)
		a, b := make([]float32, dim), make([]float32, dim)
		for i := range a {
			a[i], b[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
		}
		dot, sq := float64(accel.Dot(a, b)), float64(accel.SqNorm(a))
		rot.Apply(a)
		rot.Apply(b)
		if d := math.Abs(float64(accel.Dot(a, b)) - dot); d > 1e-4*float64(dim) {
			t.Errorf("dim %d: the inner product moved by %v", dim, d)
		}
		if s := float64(accel.SqNorm(a)); math.Abs(s-sq) > 1e-4*sq {
			t.Errorf("dim %d: the squared norm moved from %v to %v", dim, sq, s)
		}
		if dim < 64 {
			continue
		}
		// A vector with one element of weight must not keep it.
		for _, at := range []int{0, dim / 2, dim - 1} {
			one := make([]float32, dim)
			one[at] = 1
			rot.Apply(one)
			for i, x := range one {
				if math.Abs(float64(x)) > 6/math.Sqrt(float64(dim)) {
					t.Errorf("dim %d: element %d of unit vector %d is %v", dim, i, at, x)
				}
			}
		}
	}
}

func TestRotationBelongsToItsSeed(t *testing.T) {
	v := func(seed uint64) []float32 {
		v := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
		NewRotation(len(v), seed).Apply(v)
		return v
	}
	if !slices.Equal(v(7), v(7)) || slices.Equal(v(7), v(8)) {
		t.Error("a seed is to give one rotation, another seed another")
	}
}
