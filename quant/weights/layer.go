package weights

import (
	"errors"
	"fmt"
	"math"

	"engram/quant"
)

// The errors of this package, found with errors.Is. The text around them names the file and the layer.
var (
	// ErrCorrupt says that the bytes of a file do not hold together: a wrong checksum, a length that does not fit the
	// shape, a truncated page.
	ErrCorrupt = errors.New("weights: corrupt file")
	// ErrFormat says that a Parquet file is not a weight file: a column is missing or has another type.
	ErrFormat = errors.New("weights: not a weight file")
	// ErrNoLayer says that the file has no layer of that name.
	ErrNoLayer = errors.New("weights: no such layer")
	// ErrShape says that a layer has another shape than the model needs.
	ErrShape = errors.New("weights: wrong shape")
	// ErrUnsupported says that a layer is stored in a way that is not read here.
	ErrUnsupported = errors.New("weights: not supported")
	// ErrTooLarge says that a file goes beyond a limit of Options.
	ErrTooLarge = errors.New("weights: too large")
	// ErrClosed says that the file has been closed.
	ErrClosed = errors.New("weights: closed")
)

// maxDims bounds the dimensions of a tensor; no model known has more than 6.
const maxDims = 16

// QuantType says how the codes of a layer are stored. The empty QuantType is a layer of V1: plain values.
type QuantType string

// The kinds of a V2 row that are read.
const (
	QuantNone QuantType = ""     // V1: plain values of the layer's DType
	QuantFP32 QuantType = "fp32" // plain float32
	QuantFP16 QuantType = "fp16" // plain float16, whatever the dtype column says
	QuantInt8 QuantType = "int8" // one code a byte, -128..127
	QuantInt2 QuantType = "int2" // four codes a byte, least significant first, code + 2 in two bits
	QuantInt4 QuantType = "int4" // two codes a byte, low half first, code + 8 in four bits; ours
	QuantInt3 QuantType = "int3" // eight codes in three bytes, least significant first, code + 4 in three bits; ours
)

// Bits is the width of a code, 0 for the kinds that hold plain values.
func (q QuantType) Bits() int {
	switch q {
	case QuantInt8:
		return 8
	case QuantInt4:
		return 4
	case QuantInt3:
		return 3
	case QuantInt2:
		return 2
	}
	return 0
}

// QuantTypeOf is the kind of codes of a width, QuantNone where there is none.
func QuantTypeOf(bits int) QuantType {
	for _, q := range []QuantType{QuantInt2, QuantInt3, QuantInt4, QuantInt8} {
		if q.Bits() == bits {
			return q
		}
	}
	return QuantNone
}

// Layer describes one tensor of a file.
type Layer struct {
	Name   string
	Shape  []int // empty for a scalar
	DType  DType // of the values; for a quantized layer the type they had before
	Params int   // the number of values, the product of Shape

	Quant     QuantType
	Axis      int // V2: -1 one scale for the tensor, 0 one a row (or one a group where GroupSize > 0)
	GroupSize int // V2: values that share a scale, counted along the flattened tensor; 0 none

	Note Note // what the quantizer said of the layer; all of it may be missing
}

// Note says how the codes of a layer came to be. It is kept in nullable columns of ours.
type Note struct {
	Method   string // such as "gptq", "lsq" or "span"; empty: not known
	Fallback string // why it is not the method that was asked for; empty where it is
	// WeightError is |w - w'| / |w| over the layer; 0 is not known.
	WeightError float64
	// OutputError is |x w - x w'| / |x w| over the calibration texts; 0 is not known.
	OutputError float64
}

// quantized says whether the layer holds codes rather than values.
func (l *Layer) quantized() bool { return l.Quant.Bits() != 0 }

// Scheme says how the codes of a quantized layer lie, or ok is false where it holds plain values. Symmetric stays false:
// only the zero points tell.
func (l *Layer) Scheme() (s quant.Scheme, ok bool) {
	s = quant.Scheme{Bits: l.Quant.Bits(), Granularity: quant.PerTensor}
	switch {
	case l.GroupSize > 0:
		s.Granularity, s.GroupSize = quant.PerGroup, l.GroupSize
	case l.Axis == 0:
		s.Granularity = quant.PerChannel
	}
	return s, l.quantized()
}

// matrix is the shape as rows and columns: all dimensions but the first make the columns.
func (l *Layer) matrix() (rows, cols int) {
	rows = 1
	if len(l.Shape) > 0 {
		rows = l.Shape[0]
	}
	if rows == 0 {
		return 0, 0
	}
	return rows, l.Params / rows
}

// params multiplies the dimensions, or fails on a negative one, too many, or a product over max.
func params(shape []int, max int64) (int, error) {
	if len(shape) > maxDims {
		return 0, fmt.Errorf("%w: %d dimensions, at most %d", ErrCorrupt, len(shape), maxDims)
	}
	n := int64(1)
	zero := false
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("%w: negative dimension in shape %v", ErrCorrupt, shape)
		}
		if d == 0 {
			zero = true
			continue
		}
		if n > max/int64(d) {
			return 0, fmt.Errorf("%w: shape %v has more than %d values", ErrTooLarge, shape, max)
		}
		n *= int64(d)
	}
	if zero {
		return 0, nil
	}
	return int(n), nil
}

// scaleCount is the number of scales that a quantized layer needs.
func (l *Layer) scaleCount() (int, error) {
	switch {
	case l.GroupSize < 0:
		return 0, fmt.Errorf("%w: group size %d", ErrCorrupt, l.GroupSize)
	case l.GroupSize > 0:
		return ceilDiv(l.Params, l.GroupSize), nil
	case l.Axis == -1:
		return 1, nil
	case l.Axis == 0 && len(l.Shape) > 0:
		return l.Shape[0], nil
	}
	return 0, fmt.Errorf("%w: quantization axis %d of shape %v", ErrUnsupported, l.Axis, l.Shape)
}

// dataBytes gives the least and the most bytes that the data of the layer may have. They differ where a writer pads the
// last group to its full size.
func (l *Layer) dataBytes() (least, most int) {
	switch l.Quant {
	case QuantInt8, QuantInt4, QuantInt3, QuantInt2:
		padded := l.Params
		if l.GroupSize > 0 && l.GroupSize <= math.MaxInt32 {
			padded = ceilDiv(l.Params, l.GroupSize) * l.GroupSize
		}
		bits := l.Quant.Bits()
		return quant.PackedBytes(bits, l.Params), quant.PackedBytes(bits, padded)
	case QuantFP32:
		return l.Params * 4, l.Params * 4
	case QuantFP16:
		return l.Params * 2, l.Params * 2
	}
	n := l.Params * l.DType.Size()
	if l.DType == BFloat16 {
		// Writers without a bfloat16 array store the widened float32 values and keep the name.
		return n, l.Params * 4
	}
	return n, n
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
