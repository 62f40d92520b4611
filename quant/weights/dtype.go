package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unsafe"
)

// DType is the type of a tensor's elements as they lie in the file.
type DType uint8

// The element types that are read. Their names in a file are those of PyTorch, "torch.float32" and so on; the bare name
// is accepted too.
const (
	Float32 DType = iota + 1
	Float16
	BFloat16
	Float64
	Int64
	Int32
	Int16
	Int8
	Uint8
	Bool
)

// dtypes lists name and size of every DType; the index is the DType.
var dtypes = [...]struct {
	name string
	size int
}{
	Float32: {"float32", 4}, Float16: {"float16", 2}, BFloat16: {"bfloat16", 2}, Float64: {"float64", 8},
	Int64: {"int64", 8}, Int32: {"int32", 4}, Int16: {"int16", 2}, Int8: {"int8", 1}, Uint8: {"uint8", 1}, Bool: {"bool", 1},
}

// Size is the number of bytes of one element, 0 for a value that is no DType.
func (d DType) Size() int {
	if int(d) >= len(dtypes) {
		return 0
	}
	return dtypes[d].size
}

// String is the name that a file gives the type, such as "torch.float32".
func (d DType) String() string {
	if d.Size() == 0 {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return "torch." + dtypes[d].name
}

// ParseDType reads the name of an element type, with or without "torch." in front. It returns ErrUnsupported for others.
func ParseDType(s string) (DType, error) {
	bare := strings.TrimPrefix(s, "torch.")
	switch bare { // PyTorch's second names
	case "float":
		bare = "float32"
	case "half":
		bare = "float16"
	case "double":
		bare = "float64"
	case "long":
		bare = "int64"
	}
	for d, t := range dtypes {
		if t.size != 0 && t.name == bare {
			return DType(d), nil
		}
	}
	return 0, fmt.Errorf("%w: dtype %q", ErrUnsupported, s)
}

// littleEndian says whether the machine lays out numbers as the files do, so that bytes can be used in place.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// asFloat32 returns b as float32 values without a copy, or false where the bytes are not aligned or the machine is
// big-endian. The result shares b's memory.
func asFloat32(b []byte) ([]float32, bool) {
	if len(b) == 0 {
		return []float32{}, true
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if !littleEndian || len(b)%4 != 0 || uintptr(p)%4 != 0 {
		return nil, false
	}
	return unsafe.Slice((*float32)(p), len(b)/4), true
}

// Float32Bytes returns the little-endian bytes of v, as Tensor.Data wants them. They share the memory of v where the
// machine allows.
func Float32Bytes(v []float32) []byte {
	if len(v) == 0 {
		return nil
	}
	if littleEndian {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*4)
	}
	b := make([]byte, 0, len(v)*4)
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// toFloat32 converts the elements in b to float32. len(b) is a multiple of the element size.
func toFloat32(d DType, b []byte) ([]float32, error) {
	size := d.Size()
	if size == 0 {
		return nil, fmt.Errorf("%w: %v", ErrUnsupported, d)
	}
	le := binary.LittleEndian
	out := make([]float32, len(b)/size)
	for i := range out {
		e := b[i*size:]
		switch d {
		case Float32:
			out[i] = math.Float32frombits(le.Uint32(e))
		case Float16:
			out[i] = float16ToFloat32(le.Uint16(e))
		case BFloat16:
			out[i] = math.Float32frombits(uint32(le.Uint16(e)) << 16)
		case Float64:
			out[i] = float32(math.Float64frombits(le.Uint64(e)))
		case Int64:
			out[i] = float32(int64(le.Uint64(e)))
		case Int32:
			out[i] = float32(int32(le.Uint32(e)))
		case Int16:
			out[i] = float32(int16(le.Uint16(e)))
		case Int8:
			out[i] = float32(int8(e[0]))
		case Uint8:
			out[i] = float32(e[0])
		case Bool:
			if e[0] != 0 {
				out[i] = 1
			}
		}
	}
	return out, nil
}

// float16ToFloat32 widens an IEEE 754 binary16 value; every one has an exact binary32 counterpart.
func float16ToFloat32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h & 0x3ff)
	switch exp {
	case 0x1f: // infinity and NaN
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case 0: // zero and subnormals: frac * 2^-24
		v := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// Float32 gives the elements as float32, which is exact for all but 64-bit and large 32-bit numbers. The result is the
// caller's. The error wraps ErrUnsupported where DType is none and ErrCorrupt where the bytes do not divide into elements.
func (t *Tensor) Float32() ([]float32, error) {
	if size := t.DType.Size(); size != 0 && len(t.Data)%size != 0 {
		return nil, fmt.Errorf("%w: %d bytes of %v", ErrCorrupt, len(t.Data), t.DType)
	}
	return toFloat32(t.DType, t.Data)
}
