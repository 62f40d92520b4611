package quant

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"engram/accel"
)

// Quantized is a matrix kept as codes: number k of it, counted row by row, is (code k - zero) * scale with the scale and
// the zero point of k / Scheme.Span. A vector is a matrix of one column, so that per channel is per number.
//
// It is immutable once made and may be used by several goroutines. Codes and Scales may lie in a mapped file.
type Quantized struct {
	Rows, Cols int
	Scheme     Scheme // Bits, Granularity and GroupSize tell how to read the rest
	Codes      []byte // packed as Pack does, at least PackedBytes(Bits, Rows*Cols) of them
	Scales     []float32
	Zeros      []float32 // as many as Scales, or nil: all 0
}

// MaxNumbers bounds the numbers of a Quantized.
const MaxNumbers = math.MaxInt32

// QuantizeMatrix makes codes of the rows x cols numbers of w, which lie row by row. Numbers that are not finite, a matrix
// of more than MaxNumbers and a scheme that Check refuses give ErrParams, a w of another length ErrDimension. It keeps
// nothing of w.
func QuantizeMatrix(s Scheme, rows, cols int, w []float32) (*Quantized, error) {
	return quantizeWeighted(s, rows, cols, w, nil)
}

// QuantizeWeighted is QuantizeMatrix with a scheme of least squares, where the square of an error in column j counts
// importance[j] times, such as the mean square of the inputs that the column meets. No importance may be below 0.
func QuantizeWeighted(s Scheme, rows, cols int, w, importance []float32) (*Quantized, error) {
	if len(importance) != cols {
		return nil, fmt.Errorf("%w: %d numbers of importance for %d columns", ErrDimension, len(importance), cols)
	}
	for _, v := range importance {
		if !finite(v) || v < 0 {
			return nil, fmt.Errorf("%w: an importance of %v", ErrParams, v)
		}
	}
	return quantizeWeighted(s, rows, cols, w, importance)
}

func quantizeWeighted(s Scheme, rows, cols int, w, importance []float32) (*Quantized, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if rows < 0 || cols < 0 || (cols > 0 && rows > MaxNumbers/cols) {
		return nil, fmt.Errorf("%w: a matrix of %d x %d", ErrParams, rows, cols)
	}
	if len(w) != rows*cols {
		return nil, fmt.Errorf("%w: %d numbers for a matrix of %d x %d", ErrDimension, len(w), rows, cols)
	}
	if importance != nil && !s.LeastSquares {
		return nil, fmt.Errorf("%w: importance without least squares", ErrParams)
	}
	q := &Quantized{Rows: rows, Cols: cols, Scheme: s, Scales: make([]float32, s.Scales(rows, cols))}
	if !s.Symmetric {
		q.Zeros = make([]float32, len(q.Scales))
	}
	if s.Bits == 8 && s.Symmetric && !s.LeastSquares {
		return q, q.fillInt8(w)
	}
	return q, q.fill(w, importance)
}

// fill chooses a grid for every span and rounds to it.
func (q *Quantized) fill(w, importance []float32) error {
	s := q.Scheme
	span := s.Span(q.Rows, q.Cols)
	codes := make([]int8, len(w))
	f := fitter{s: s}
	var weights []float32
	for k := range q.Scales {
		from, to := min(k*span, len(w)), min((k+1)*span, len(w))
		part := w[from:to]
		for i, x := range part {
			if !finite(x) {
				return fmt.Errorf("%w: number %d is %v", ErrParams, from+i, x)
			}
		}
		if importance != nil {
			weights = weights[:0]
			for i := from; i < to; i++ {
				weights = append(weights, importance[i%q.Cols])
			}
		}
		g := f.fit(part, weights)
		q.Scales[k] = g.Scale
		if q.Zeros != nil {
			q.Zeros[k] = g.Zero
		}
		g.Codes(codes[from:to], s.Bits, part)
	}
	q.Codes = Pack(make([]byte, 0, PackedBytes(s.Bits, len(codes))), s.Bits, codes)
	return nil
}

// Check returns ErrParams where the parts do not fit each other, for matrices that come from a file.
func (q *Quantized) Check() error {
	if err := q.Scheme.Check(); err != nil {
		return err
	}
	if q.Rows < 0 || q.Cols < 0 || (q.Cols > 0 && q.Rows > MaxNumbers/q.Cols) {
		return fmt.Errorf("%w: a matrix of %d x %d", ErrParams, q.Rows, q.Cols)
	}
	if n := PackedBytes(q.Scheme.Bits, q.Rows*q.Cols); len(q.Codes) < n {
		return fmt.Errorf("%w: %d bytes of codes, %d needed", ErrParams, len(q.Codes), n)
	}
	if n := q.Scheme.Scales(q.Rows, q.Cols); len(q.Scales) != n || (q.Zeros != nil && len(q.Zeros) != n) {
		return fmt.Errorf("%w: %d scales and %d zero points, %d needed", ErrParams, len(q.Scales), len(q.Zeros), n)
	}
	return nil
}

// Grid is the grid of span k.
func (q *Quantized) Grid(k int) Grid {
	g := Grid{Scale: q.Scales[k]}
	if q.Zeros != nil {
		g.Zero = q.Zeros[k]
	}
	return g
}

// Unpack writes the codes from to from+len(dst), counted row by row.
func (q *Quantized) Unpack(dst []int8, from int) { Unpack(dst, q.Scheme.Bits, q.Codes, from) }

// Dequantize writes all numbers to dst, which has Rows*Cols elements.
func (q *Quantized) Dequantize(dst []float32) { q.DequantizeRange(dst[:q.Rows*q.Cols], 0) }

// DequantizeRow writes row r to dst, which has Cols elements.
func (q *Quantized) DequantizeRow(dst []float32, r int) { q.DequantizeRange(dst[:q.Cols], r*q.Cols) }

// noZeros are the zero points of as many groups as are dequantized at a time.
var noZeros [1024]float32

// DequantizeRange writes the numbers from to from+len(dst), counted row by row.
func (q *Quantized) DequantizeRange(dst []float32, from int) {
	bits, span := q.Scheme.Bits, q.Scheme.Span(q.Rows, q.Cols)
	for len(dst) > 0 {
		k := from / span
		if whole := min(len(dst)/span, len(noZeros)); bits < 8 && whole > 0 && from%span == 0 && span%16 == 0 {
			zeros := noZeros[:whole]
			if q.Zeros != nil {
				zeros = q.Zeros[k : k+whole]
			}
			accel.DequantizeGroups(dst[:whole*span], bits, q.Codes[from/8*bits:], q.Scales[k:k+whole], zeros, span)
			dst, from = dst[whole*span:], from+whole*span
			continue
		}
		n := min((k+1)*span-from, len(dst))
		q.Grid(k).Values(dst[:n], bits, q.Codes, from)
		dst, from = dst[n:], from+n
	}
}

// Bytes is the memory of codes, scales and zero points.
func (q *Quantized) Bytes() int64 {
	return int64(len(q.Codes)) + 4*int64(len(q.Scales)+len(q.Zeros))
}

// Clone copies the matrix into memory of its own.
func (q *Quantized) Clone() *Quantized {
	c := *q
	c.Codes, c.Scales, c.Zeros = slices.Clone(q.Codes), slices.Clone(q.Scales), slices.Clone(q.Zeros)
	return &c
}

// fillInt8 is fill for symmetric codes of 8 bits without a search. A number becomes the nearest whole multiple of
// 1/scale = 1 / (greatest magnitude / 127).
func (q *Quantized) fillInt8(w []float32) error {
	codes := make([]int8, len(w))
	span := q.Scheme.Span(q.Rows, q.Cols)
	for k := range q.Scales {
		from, to := min(k*span, len(w)), min((k+1)*span, len(w))
		most := accel.AbsMax(w[from:to])
		if !finite(most) {
			return fmt.Errorf("%w: a number between %d and %d is not finite", ErrParams, from, to)
		}
		q.Scales[k] = safeScale(most / 127)
		accel.QuantizeInt8(codes[from:to], w[from:to], 1/q.Scales[k])
	}
	q.Codes = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(codes))), len(codes))
	return nil
}
