package quant

import "unsafe"

// Flat is the codec that loses nothing: float32, little-endian.
type Flat struct{ dim int }

// NewFlat makes a codec of dim elements, 1 to MaxDim. The error is ErrParams.
func NewFlat(dim int) (*Flat, error) {
	if err := checkDim(dim); err != nil {
		return nil, err
	}
	return &Flat{dim}, nil
}

// Kind is KindFlat.
func (f *Flat) Kind() Kind { return KindFlat }

// Dim is how many elements a vector has.
func (f *Flat) Dim() int { return f.dim }

// CodeSize is four bytes an element.
func (f *Flat) CodeSize() int { return 4 * f.dim }

// AppendCode appends the bytes of v, which must have Dim elements.
func (f *Flat) AppendCode(dst []byte, v []float32) []byte {
	mustDim(f.dim, v)
	return appendFloats(dst, v)
}

// Decode writes the vector of code to dst, bit by bit. The error is ErrDimension or ErrCode.
func (f *Flat) Decode(dst []float32, code []byte) error {
	if err := checkDecode(f, dst, code); err != nil {
		return err
	}
	readFloats(dst, code)
	return nil
}

// AppendParams appends what Open needs to make f again.
func (f *Flat) AppendParams(dst []byte) []byte { return appendHeader(dst, KindFlat, 0, f.dim) }

// Floats is codes seen as float32 without a copy, for index.NewFlat. It reports false if the machine
// cannot: big-endian, or codes not aligned to four bytes. The result lives as long as codes.
func (f *Flat) Floats(codes []byte) ([]float32, bool) {
	one := uint16(1)
	if *(*byte)(unsafe.Pointer(&one)) != 1 {
		return nil, false
	}
	if len(codes)%f.CodeSize() != 0 {
		return nil, false
	}
	if len(codes) == 0 {
		return nil, true
	}
	p := unsafe.Pointer(unsafe.SliceData(codes))
	if uintptr(p)%4 != 0 {
		return nil, false
	}
	return unsafe.Slice((*float32)(p), len(codes)/4), true
}
