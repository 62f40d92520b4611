package quant

import (
	"encoding/binary"
	"fmt"
	"math"
)

// SQ8 keeps a signed byte a dimension and a scale a vector: with the centre c, an element x becomes
//
//	round((x - c) / scale), scale = max |x_i - c_i| / 127
//
// so no element is off by more than half a scale. Nothing must be trained; a centre near the mean of
// the vectors makes the scales smaller. The code ends in four numbers of four bytes: the scale, the
// length of what rounding lost, the sum of the squared bytes and the squared length of the vector. From
// the first two follows a bound on the error of every score, and from the others every metric but L1.
//
// A vector with an element that is not a finite number, or whose squared length is not a finite float32,
// has a code whose scores are NaN.
type SQ8 struct {
	dim    int
	centre []float32 // nil: the origin
}

// sq8Tail is the bytes of a code after the elements.
const sq8Tail = 16

// NewSQ8 makes a codec of dim elements, 1 to MaxDim, around centre; a nil centre is the origin. It
// keeps centre. The error is ErrParams, also for a centre that is not finite.
func NewSQ8(dim int, centre []float32) (*SQ8, error) {
	if err := checkDim(dim); err != nil {
		return nil, err
	}
	if centre != nil && len(centre) != dim {
		return nil, fmt.Errorf("%w: a centre of %d elements for dimension %d", ErrParams, len(centre), dim)
	}
	s := &SQ8{dim: dim, centre: centre}
	for _, c := range centre {
		if !finite(c) {
			return nil, fmt.Errorf("%w: centre is not finite", ErrParams)
		}
	}
	return s, nil
}

// TrainSQ8 makes a codec around the mean of rows, which lie one after the other; rows with elements
// that are not finite do not count. The error is ErrParams or ErrDimension.
func TrainSQ8(dim int, rows []float32) (*SQ8, error) {
	if err := checkDim(dim); err != nil {
		return nil, err
	}
	if len(rows)%dim != 0 {
		return nil, fmt.Errorf("%w: %d numbers are not rows of %d", ErrDimension, len(rows), dim)
	}
	sums, n := make([]float64, dim), 0
next:
	for ; len(rows) > 0; rows = rows[dim:] {
		for _, x := range rows[:dim] {
			if !finite(x) {
				continue next
			}
		}
		for i, x := range rows[:dim] {
			sums[i] += float64(x)
		}
		n++
	}
	if n == 0 {
		return NewSQ8(dim, nil)
	}
	centre := make([]float32, dim)
	for i, s := range sums {
		centre[i] = float32(s / float64(n))
	}
	return NewSQ8(dim, centre)
}

// Kind is KindSQ8.
func (s *SQ8) Kind() Kind { return KindSQ8 }

// Dim is how many elements a vector has.
func (s *SQ8) Dim() int { return s.dim }

// CodeSize is a byte an element and sixteen more.
func (s *SQ8) CodeSize() int { return s.dim + sq8Tail }

// Centre is the point codes are relative to, nil for the origin. It must not be changed.
func (s *SQ8) Centre() []float32 { return s.centre }

// AppendParams appends what Open needs to make s again.
func (s *SQ8) AppendParams(dst []byte) []byte {
	if s.centre == nil {
		return appendHeader(dst, KindSQ8, 0, s.dim)
	}
	return appendFloats(appendHeader(dst, KindSQ8, flagCentre, s.dim), s.centre)
}

// AppendCode appends the code of v, which must have Dim elements.
func (s *SQ8) AppendCode(dst []byte, v []float32) []byte {
	mustDim(s.dim, v)
	at := len(dst)
	for range s.CodeSize() {
		dst = append(dst, 0)
	}
	putTail(dst[at+s.dim:], s.encode(dst[at:at+s.dim], v, s.centre))
	return dst
}

// tail is what a code keeps beside its elements.
type tail struct {
	scale   float32 // NaN if the vector cannot be kept
	lost    float32 // length of what rounding lost, rounded up
	squares uint32  // sum of the squared bytes
	sq      float32 // squared length of the vector, centre included
}

// off is the squared length of the decoded vector less the centre.
func (t tail) off() float64 { return float64(t.scale) * float64(t.scale) * float64(t.squares) }

func putTail(dst []byte, t tail) {
	binary.LittleEndian.PutUint32(dst, math.Float32bits(t.scale))
	binary.LittleEndian.PutUint32(dst[4:], math.Float32bits(t.lost))
	binary.LittleEndian.PutUint32(dst[8:], t.squares)
	binary.LittleEndian.PutUint32(dst[12:], math.Float32bits(t.sq))
}

// tailOf reads the tail of code, which is a whole code of s.
func (s *SQ8) tailOf(code []byte) tail { return readTail(code[s.dim:]) }

func readTail(b []byte) tail {
	b = b[:sq8Tail]
	return tail{
		scale:   math.Float32frombits(binary.LittleEndian.Uint32(b)),
		lost:    math.Float32frombits(binary.LittleEndian.Uint32(b[4:])),
		squares: binary.LittleEndian.Uint32(b[8:]),
		sq:      math.Float32frombits(binary.LittleEndian.Uint32(b[12:])),
	}
}

// encode writes the elements of v less centre to dst.
func (s *SQ8) encode(dst []byte, v, centre []float32) tail {
	var most uint32 // the bits of the largest absolute value, which order as the values do, NaN above all
	sq := 0.0
	for i, x := range v {
		sq += float64(x) * float64(x)
		if centre != nil {
			x -= centre[i]
		}
		most = max(most, math.Float32bits(x)&^(1<<31))
	}
	t := tail{scale: math.Float32frombits(most) / 127, sq: float32(sq)}
	if !finite(t.scale) || !finite(t.sq) {
		nan := float32(math.NaN())
		return tail{scale: nan, lost: nan, sq: nan}
	}
	inv := 1 / t.scale
	if !finite(inv) { // all zeros, or too small for a scale: every element is kept as zero
		t.scale, inv = 0, 0
	}
	// Adding and taking away 1.5*2^23 rounds to a whole number, ties to even; x*inv is at most 127 and
	// a few roundings, so no byte overflows. The conversion keeps the compiler from fusing the product
	// into the sum.
	const whole = 3 << 22
	lost := 0.0
	dst = dst[:len(v)]
	for i, x := range v {
		if centre != nil {
			x -= centre[i]
		}
		c := float32(x*inv) + whole - whole
		n := int32(c)
		dst[i] = byte(n)
		t.squares += uint32(n * n)
		d := float64(x) - float64(c)*float64(t.scale)
		lost += d * d
	}
	t.lost = up(math.Sqrt(lost))
	return t
}

// up is x as a float32 that is not smaller.
func up(x float64) float32 {
	f := float32(x)
	if float64(f) < x {
		f = math.Nextafter32(f, float32(math.Inf(1)))
	}
	return f
}

// Decode writes to dst the vector that code stands for, NaN if that cannot be kept. The error is
// ErrDimension or ErrCode.
func (s *SQ8) Decode(dst []float32, code []byte) error {
	if err := checkDecode(s, dst, code); err != nil {
		return err
	}
	scale := s.tailOf(code).scale
	for i := range dst {
		x := float32(int8(code[i])) * scale
		if s.centre != nil {
			x += s.centre[i]
		}
		dst[i] = x
	}
	return nil
}
