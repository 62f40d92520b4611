package layer

import (
	"math"

	"engram/accel"
)

// RMSNorm divides each of the rows of x by the root of the mean of its squares and multiplies by scale (Zhang and Sennrich
// 2019, arXiv 1910.07467). Rows are as long as scale; epsilon is added to the mean. dst may be x.
func RMSNorm(dst, x []float32, rows int, scale []float32, epsilon float64) {
	w := len(scale)
	for t := range rows {
		in, out := x[t*w:(t+1)*w], dst[t*w:(t+1)*w]
		var square float64
		for _, v := range in {
			square += float64(v) * float64(v)
		}
		inv := 1 / math.Sqrt(square/float64(w)+epsilon)
		for i, v := range in {
			out[i] = float32(float64(v)*inv) * scale[i]
		}
	}
}

// Rope holds the sines and cosines by which positions turn queries and keys (Su et al. 2021, arXiv 2104.09864). It is
// immutable.
type Rope struct {
	half     int
	sin, cos []float32 // half a row of a head for each position
}

// NewRope tabulates positions 0 to positions-1 for heads of dim numbers, an even count. Pair i turns by position times
// theta^(-2i/dim).
func NewRope(positions, dim int, theta float64) *Rope {
	r := &Rope{half: dim / 2, sin: make([]float32, positions*dim/2), cos: make([]float32, positions*dim/2)}
	for i := range r.half {
		rate := math.Pow(theta, -2*float64(i)/float64(dim))
		for p := range positions {
			s, c := math.Sincos(float64(p) * rate)
			r.sin[p*r.half+i], r.cos[p*r.half+i] = float32(s), float32(c)
		}
	}
	return r
}

// Turn turns, in place, the heads of v at a position: neighbours 2i and 2i+1 of a head are the pair i.
func (r *Rope) Turn(v []float32, position int) {
	sin, cos := r.sin[position*r.half:(position+1)*r.half], r.cos[position*r.half:(position+1)*r.half]
	for len(v) >= 2*r.half {
		for i, s := range sin {
			a, b := v[2*i], v[2*i+1]
			v[2*i], v[2*i+1] = a*cos[i]-b*s, a*s+b*cos[i]
		}
		v = v[2*r.half:]
	}
}

// SwiGLU multiplies gate x sigmoid(gate) by up, into gate (Shazeer 2020, arXiv 2002.05202).
func SwiGLU(gate, up []float32) {
	for i, u := range up[:len(gate)] {
		g := float64(gate[i])
		gate[i] = float32(g/(1+math.Exp(-g))) * u
	}
}

// GELUTanh is GELU by the formula with a hyperbolic tangent, x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), which some
// models were trained with.
func GELUTanh(v []float32) {
	for i, x := range v {
		a := float64(x)
		v[i] = float32(0.5 * a * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(a+0.044715*a*a*a))))
	}
}

// Cache keeps the keys and values of the tokens of one text, so that each new token looks back at them. It grows with the
// positions that are put into it. It must not be used by two goroutines at once.
type Cache struct {
	kvHeads, dim, limit int
	keys, values        []float32 // by head, then by position
}

// NewCache makes a cache for kvHeads heads of dim numbers.
func NewCache(kvHeads, dim int) *Cache { return &Cache{kvHeads: kvHeads, dim: dim} }

// Put keeps the key and the value of the token at a position, kvHeads*dim numbers each. What was there is overwritten.
func (c *Cache) Put(position int, key, value []float32) {
	if position >= c.limit {
		c.grow(max(position+1, 2*c.limit, 64))
	}
	for h := range c.kvHeads {
		at := (h*c.limit + position) * c.dim
		copy(c.keys[at:at+c.dim], key[h*c.dim:])
		copy(c.values[at:at+c.dim], value[h*c.dim:])
	}
}

func (c *Cache) grow(limit int) {
	n := limit * c.kvHeads * c.dim
	keys, values := make([]float32, n), make([]float32, n)
	old := c.limit * c.dim
	for h := range c.kvHeads {
		copy(keys[h*limit*c.dim:], c.keys[h*old:(h+1)*old])
		copy(values[h*limit*c.dim:], c.values[h*old:(h+1)*old])
	}
	c.keys, c.values, c.limit = keys, values, limit
}

// Attend mixes, for n tokens from position first on, the values of the tokens up to each: softmax(q k^T / sqrt(dim)) v for
// every head, where heads/kvHeads heads of queries in a row share the keys and values of one (Ainslie et al. 2023, arXiv
// 2305.13245). Row t of q begins at t*stride; dst gets n rows of heads*dim numbers. Keys and values of all these tokens must
// have been Put.
func (c *Cache) Attend(dst, q []float32, first, n, heads, stride int, s *Scratch) {
	width := heads * c.dim
	scale := float32(1 / math.Sqrt(float64(c.dim)))
	query := Grow(&s.query, c.dim)
	clear(dst[:n*width])
	for t := range n {
		past := first + t + 1
		scores := Grow(&s.scores, past)
		for h := range heads {
			from := q[t*stride+h*c.dim:]
			for i := range query {
				query[i] = from[i] * scale
			}
			at := h / (heads / c.kvHeads) * c.limit * c.dim
			accel.DotRows(query, c.keys[at:at+past*c.dim], scores)
			Softmax(scores)
			row := dst[t*width+h*c.dim : t*width+(h+1)*c.dim]
			for j, p := range scores {
				value := c.values[at+j*c.dim:]
				for i := range row {
					row[i] += p * value[i]
				}
			}
		}
	}
}
