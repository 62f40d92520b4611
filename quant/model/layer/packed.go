package layer

import (
	"math"

	"engram/accel"
	"engram/quant"
)

// packedFloats is a matrix of float32 laid out for products.
type packedFloats struct{ w *accel.Packed }

func (m *packedFloats) bytes() int64 { return m.w.Bytes() }

func (m *packedFloats) mulNT(dst, x []float32, rows int, _ *Scratch) { m.w.MulNT(rows, x, dst) }

// packedCodes is a matrix of codes laid out for products with bytes. The rows of the left side become bytes too, each
// with a scale of its own, its greatest magnitude / 127: so a row gives the same whatever it lies among, and a sum over
// codes is a whole number and exact (docs/decisions/0007-int8-activations.md).
type packedCodes struct{ w *accel.PackedGroups }

// packCodes lays out a matrix, or ok is false where its groups do not divide its rows: then only codes can take it.
func packCodes(q *quant.Quantized) (m *packedCodes, ok bool) {
	span := q.Scheme.Span(q.Rows, q.Cols)
	group := span
	scales, zeros := q.Scales, q.Zeros
	if q.Cols > 0 && span%q.Cols == 0 { // a row, or several, share a scale
		group = q.Cols
		each := span / q.Cols
		scales = perRow(scales, q.Rows, each)
		zeros = perRow(zeros, q.Rows, each)
	}
	if q.Cols == 0 || !accel.GroupsFit(q.Scheme.Bits, q.Cols, group) {
		return nil, false
	}
	return &packedCodes{accel.PackGroups(q.Scheme.Bits, q.Rows, q.Cols, group, q.Codes, scales, zeros)}, true
}

// perRow gives every row the number of the each rows that it is one of.
func perRow(v []float32, rows, each int) []float32 {
	if v == nil || each == 1 {
		return v
	}
	out := make([]float32, rows)
	for r := range out {
		out[r] = v[r/each]
	}
	return out
}

func (m *packedCodes) bytes() int64 { return m.w.Bytes() }

func (m *packedCodes) mulNT(dst, x []float32, rows int, s *Scratch) {
	in, out := m.w.Depth(), m.w.Rows()
	left, scales := Grow(&s.left, rows*in), Grow(&s.leftScales, rows)
	for t := range rows {
		scales[t] = toBytes(left[t*in:(t+1)*in], x[t*in:(t+1)*in])
	}
	m.w.MulNT(rows, left, dst)
	for t, scale := range scales {
		accel.Scale(dst[t*out:(t+1)*out], scale)
	}
}

// toBytes rounds x to bytes of -127 to 127 and returns what they are to be multiplied by. Zeros give 0, numbers that are
// not finite NaN, so that what comes of them is not finite either.
func toBytes(dst []int8, x []float32) float32 {
	scale := accel.AbsMax(x) / 127
	inv := 1 / scale
	switch {
	case scale < 0x1p-120: // too small to divide by: no sum would tell it from 0
		clear(dst)
		return 0
	case !(scale <= math.MaxFloat32):
		clear(dst)
		return float32(math.NaN())
	}
	accel.QuantizeInt8(dst, x, inv)
	return scale
}
