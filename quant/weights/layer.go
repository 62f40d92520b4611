package weights

import (
	"errors"
	"fmt"
	"math"
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
)

// Layer describes one tensor of a file.
type Layer struct {
	Name   string
	Shape  []int // empty for a scalar
	DType  DType // of the values; for a quantized layer the type they had before
	Params int   // the number of values, the product of Shape

	Quant     QuantType
	Axis      int // V2: -1 one scale for the tensor, 0 one a row (or one a group where GroupSize > 0)
	GroupSize int // V2: values that share a scale, counted along the flattened tensor; 0 none
}

// quantized says whether the layer holds codes rather than values.
func (l *Layer) quantized() bool { return l.Quant == QuantInt8 || l.Quant == QuantInt2 }

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
	case QuantInt8, QuantInt2:
		padded := l.Params
		if l.GroupSize > 0 && l.GroupSize <= math.MaxInt32 {
			padded = ceilDiv(l.Params, l.GroupSize) * l.GroupSize
		}
		if l.Quant == QuantInt2 {
			return ceilDiv(l.Params, 4), ceilDiv(padded, 4)
		}
		return l.Params, padded
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
