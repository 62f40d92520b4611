package quant

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

var (
	// ErrDimension says that a vector has not the codec's number of elements.
	ErrDimension = errors.New("quant: different vector dimensions")
	// ErrCode says that bytes are not codes of the codec.
	ErrCode = errors.New("quant: not a code")
	// ErrParams says that bytes do not describe a codec.
	ErrParams = errors.New("quant: bad codec parameters")
)

// MaxDim is the most elements a vector may have: an int8 inner product of so many cannot overflow.
const MaxDim = 1 << 16

// Kind says how numbers are kept. The numbers are written to disk and never change.
type Kind uint8

const (
	KindFlat Kind = 1 // float32
	KindSQ8  Kind = 2 // a signed byte a dimension
	KindLean Kind = 3 // a byte for each of the directions that matter most
	// KindRaBitQ is a bit a dimension, and again four, with bounds on the error.
	KindRaBitQ Kind = 4
)

// String is the name ParseKind reads.
func (k Kind) String() string {
	switch k {
	case KindFlat:
		return "flat"
	case KindSQ8:
		return "sq8"
	case KindLean:
		return "lean"
	case KindRaBitQ:
		return "rabitq"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// ParseKind reads the name of a kind, in any case.
func ParseKind(s string) (Kind, error) {
	for _, k := range []Kind{KindFlat, KindSQ8} {
		if strings.EqualFold(s, k.String()) {
			return k, nil
		}
	}
	return 0, fmt.Errorf("quant: unknown kind of code %q (flat, sq8)", s)
}

// Codec turns vectors into codes and back.
type Codec interface {
	// Kind says how numbers are kept.
	Kind() Kind
	// Dim is how many elements a vector has.
	Dim() int
	// CodeSize is how many bytes a code has.
	CodeSize() int
	// AppendCode appends the code of v to dst. It panics if v has not Dim elements.
	AppendCode(dst []byte, v []float32) []byte
	// Decode writes to dst, which has Dim elements, the vector that code stands for. The error is
	// ErrDimension or ErrCode.
	Decode(dst []float32, code []byte) error
	// AppendParams appends what Open needs to make the codec again.
	AppendParams(dst []byte) []byte
}

// Parameters are: kind, version, flags, a zero, the dimension in four bytes; then, if flag 1 is set, a
// float32 centre of that dimension.
const (
	paramsVersion = 1 // 1: flat, sq8
	paramsHeader  = 8
	flagCentre    = 1
)

// Open makes the codec that AppendParams described. The error is ErrParams.
func Open(params []byte) (Codec, error) {
	if len(params) < paramsHeader {
		return nil, fmt.Errorf("%w: %d bytes", ErrParams, len(params))
	}
	kind, version, flags := Kind(params[0]), params[1], params[2]
	dim := binary.LittleEndian.Uint32(params[4:])
	rest := params[paramsHeader:]
	switch {
	case version != paramsVersion:
		return nil, fmt.Errorf("%w: version %d, this program reads %d", ErrParams, version, paramsVersion)
	case dim < 1 || dim > MaxDim:
		return nil, fmt.Errorf("%w: dimension %d, allowed are 1 to %d", ErrParams, dim, MaxDim)
	case params[3] != 0 || flags&^flagCentre != 0 || kind != KindSQ8 && flags != 0:
		return nil, fmt.Errorf("%w: unknown flags", ErrParams)
	case len(rest) != int(flags&flagCentre)*int(dim)*4:
		return nil, fmt.Errorf("%w: %d bytes for dimension %d", ErrParams, len(params), dim)
	}
	switch kind {
	case KindFlat:
		return NewFlat(int(dim))
	case KindSQ8:
		var centre []float32
		if flags&flagCentre != 0 {
			centre = make([]float32, dim)
			readFloats(centre, rest)
		}
		return NewSQ8(int(dim), centre)
	}
	return nil, fmt.Errorf("%w: unknown %v", ErrParams, kind)
}

func appendHeader(dst []byte, kind Kind, flags byte, dim int) []byte {
	dst = append(dst, byte(kind), paramsVersion, flags, 0)
	return binary.LittleEndian.AppendUint32(dst, uint32(dim))
}

// checkDim fails unless dim is one a codec may have.
func checkDim(dim int) error {
	if dim < 1 || dim > MaxDim {
		return fmt.Errorf("%w: dimension %d, allowed are 1 to %d", ErrParams, dim, MaxDim)
	}
	return nil
}

// checkDecode fails unless dst and code have the sizes of c.
func checkDecode(c Codec, dst []float32, code []byte) error {
	if len(dst) != c.Dim() {
		return fmt.Errorf("%w %d and %d", ErrDimension, c.Dim(), len(dst))
	}
	if len(code) != c.CodeSize() {
		return fmt.Errorf("%w of %v: %d bytes, want %d", ErrCode, c.Kind(), len(code), c.CodeSize())
	}
	return nil
}

// mustDim panics unless v has dim elements.
func mustDim(dim int, v []float32) {
	if len(v) != dim {
		panic(fmt.Sprintf("quant: vector of %d elements given to a codec of %d", len(v), dim))
	}
}

// finite reports whether x is a number.
func finite(x float32) bool { return x-x == 0 }

func appendFloats(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

// readFloats fills dst from four times as many bytes.
func readFloats(dst []float32, src []byte) {
	src = src[:4*len(dst)]
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}
