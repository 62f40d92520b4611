package layer

import (
	"math"

	"engram/accel"
)

// Attend mixes the n tokens of one text: softmax(q k^T / sqrt(dim)) v for every head of dim numbers (Vaswani et al. 2017,
// arXiv 1706.03762). Row t of q, k and v begins at t*stride and has heads*dim numbers; so queries, keys and values may lie in
// one matrix, one behind the other in each row. dst gets n rows of heads*dim numbers.
func Attend(dst, q, k, v []float32, n, heads, dim, stride int, s *Scratch) {
	width := heads * dim
	scale := float32(1 / math.Sqrt(float64(dim)))
	keys, query, scores := Grow(&s.keys, n*dim), Grow(&s.query, dim), Grow(&s.scores, n)
	clear(dst[:n*width])
	for h := range heads {
		for t := range n {
			copy(keys[t*dim:(t+1)*dim], k[t*stride+h*dim:])
		}
		for t := range n {
			from := q[t*stride+h*dim:]
			for i := range query {
				query[i] = from[i] * scale
			}
			accel.DotRows(query, keys, scores)
			Softmax(scores)
			row := dst[t*width+h*dim : t*width+(h+1)*dim]
			for j, p := range scores {
				value := v[j*stride+h*dim:]
				for i := range row {
					row[i] += p * value[i]
				}
			}
		}
	}
}
