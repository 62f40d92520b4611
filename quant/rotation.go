package quant

import (
	"math"
	"math/rand/v2"

	"engram/accel"
)

// Rotation is a random orthogonal matrix that costs n*log(n): rounds of random signs and a fast Hadamard transform. A
// dimension that is no power of two is not padded: the rounds transform the power of two that starts at 0, the one that ends at
// the end and the one in the middle in turn. After it, the elements of any vector look like draws from a normal
// distribution, which is what codes of few bits a dimension want. The zero seed is a seed like others. A Rotation is immutable and
// safe for concurrent use.
type Rotation struct {
	dim    int
	rounds []round
}

// round multiplies by factors and transforms the elements from at on, len(factors) of them.
type round struct {
	at      int
	factors []float32
}

// NewRotation makes the rotation of dim >= 1 dimensions that belongs to seed: the same one on every machine, always.
func NewRotation(dim int, seed uint64) *Rotation {
	if dim < 1 {
		panic("quant: a rotation of no dimension")
	}
	p := 1
	for 2*p <= dim {
		p *= 2
	}
	places := []int{0, 0, 0}
	if p < dim {
		places = []int{0, dim - p, (dim - p) / 2, 0, dim - p}
	}
	r := &Rotation{dim: dim}
	random := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	scale := float32(1 / math.Sqrt(float64(p)))
	for _, at := range places {
		f := make([]float32, p)
		for i := range f {
			f[i] = scale
			if random.Uint64()&1 == 1 {
				f[i] = -scale
			}
		}
		r.rounds = append(r.rounds, round{at, f})
	}
	return r
}

// Dim is how many elements a vector has, before and after.
func (r *Rotation) Dim() int { return r.dim }

// Apply rotates v, which has Dim elements, in place. Lengths and angles stay, up to rounding.
func (r *Rotation) Apply(v []float32) {
	v = v[:r.dim]
	for _, s := range r.rounds {
		accel.Hadamard(v[s.at:s.at+len(s.factors)], s.factors)
	}
}
