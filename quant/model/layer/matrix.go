package layer

import (
	"engram/accel"
	"engram/quant"
)

// blockBytes is how much of a matrix is worked on at a time: it stays in the first-level cache while all rows pass.
const blockBytes = 32 << 10

// blockRows is how many rows of cols numbers make a block.
func blockRows(cols int) int { return max(blockBytes/4/max(cols, 1)&^3, 4) }

// floats is a matrix of float32, on the heap or in the mapped file.
type floats struct {
	w    []float32
	cols int
}

func (m *floats) bytes() int64 { return 4 * int64(len(m.w)) }

func (m *floats) row(dst []float32, r int) { copy(dst, m.w[r*m.cols:(r+1)*m.cols]) }

// dotBlock writes the columns of dst that belong to the rows in w, which begin with row from of a matrix of out by in.
func dotBlock(dst, x []float32, rows int, w []float32, from, out, in int) {
	n := out - from
	if in > 0 {
		n = len(w) / in
	}
	for t := range rows {
		accel.DotRows(x[t*in:(t+1)*in], w, dst[t*out+from:t*out+from+n])
	}
}

// codes is a matrix of codes of any kind, multiplied by turning a block of rows after the other into numbers. It is the
// reference for the faster ways.
type codes struct{ q *quant.Quantized }

func (m *codes) bytes() int64 { return m.q.Bytes() }

func (m *codes) row(dst []float32, r int) { m.q.DequantizeRow(dst, r) }

func (m *codes) mulNT(dst, x []float32, rows int, s *Scratch) {
	out, in := m.q.Rows, m.q.Cols
	block := blockRows(in)
	for from := 0; from < out; from += block {
		to := min(from+block, out)
		w := Grow(&s.block, (to-from)*in)
		m.q.DequantizeRange(w, from*in)
		dotBlock(dst, x, rows, w, from, out, in)
	}
}
