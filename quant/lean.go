package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"engram/accel"
)

// Lean keeps a byte, or four bits, for each of the directions in which vectors differ most, and one float32 for all that is left. With
// the centre c and orthonormal directions u_1..u_m, a vector v becomes
//
//	code_i = round(<u_i, v - c> / step) + 128          bytes, clamped
//	code_i = floor(<u_i, v - c> / step) + 8            four bits, clamped to 0..15; it stands for the middle, (code_i - 7.5) * step
//	tail   = |decoded code|^2 + (|v - c|^2 - sum <u_i, v - c>^2)
//
// so that tail - 2 <y, decoded code> estimates the squared distance of v to a query whose coordinates along the directions are y,
// but for a number that is the same for all rows: it is off only by what rounding lost and by the product of what lies outside
// the directions on both sides, which for rows near each other is small (the idea is LeanVec's, arXiv 2312.16335). Without
// directions the coordinates of v are kept themselves.
//
// A record is a multiple of accel.CodeLine bytes and what accel.CodeQuery reads. A Lean may be used concurrently.
type Lean struct {
	dim, kept int
	nibbles   bool      // four bits a coordinate
	centre    []float32 // dim
	turn      []float32 // kept*dim, rows are directions; nil: coordinates are kept as they are
	turn8     []int8    // the same in bytes, each row times turnScale
	turnScale []float32
	step      float32
}

// LeanSizes are the sizes of records of 4-bit codes that FitLean tries before it keeps every coordinate as a byte.
var LeanSizes = []int{64, 128, 192, 256}

// leanRecord is the size of the record of kept coordinates.
func leanRecord(kept int, nibbles bool) int {
	if nibbles {
		kept = (kept + 1) / 2
	}
	return (kept + accel.CodeTail + accel.CodeLine - 1) / accel.CodeLine * accel.CodeLine
}

// nibblesIn is how many 4-bit codes a record has room for.
func nibblesIn(size int) int { return 2 * (size - accel.CodeTail) }

// Dim is how many elements a vector has.
func (l *Lean) Dim() int { return l.dim }

// Kept is how many coordinates are kept.
func (l *Lean) Kept() int { return l.kept }

// Bits is how many bits a coordinate has, 8 or 4.
func (l *Lean) Bits() int {
	if l.nibbles {
		return 4
	}
	return 8
}

// CodeSize is how many bytes a record has.
func (l *Lean) CodeSize() int { return leanRecord(l.kept, l.nibbles) }

// Step is how far apart two neighbouring codes of a coordinate are.
func (l *Lean) Step() float32 { return l.step }

// Bytes is the memory of l itself.
func (l *Lean) Bytes() int { return 4*(len(l.centre)+len(l.turn)+len(l.turnScale)) + len(l.turn8) }

// LeanScratch is the memory that Encode and Query need. It serves one call at a time.
type LeanScratch struct {
	off  []float32 // v - centre
	y    []float32 // its coordinates
	off8 []int8
	dots []int32
	q    []int8
}

func (s *LeanScratch) grow(l *Lean) {
	n := l.CodeSize()
	if l.nibbles {
		n *= 2
	}
	if len(s.off) != l.dim || len(s.y) != l.kept || len(s.q) != n {
		s.off, s.off8 = make([]float32, l.dim), make([]int8, l.dim)
		s.y, s.dots = make([]float32, l.kept), make([]int32, l.kept)
		s.q = make([]int8, n)
	}
}

// Encode writes the record of v to dst, which has CodeSize bytes. It panics if v has not Dim elements. The tail of a
// vector that is not finite is NaN.
func (l *Lean) Encode(dst []byte, v []float32, s *LeanScratch) {
	mustDim(l.dim, v)
	s.grow(l)
	rest := l.coordinates(v, s)
	dst = dst[:l.CodeSize()]
	step := float64(l.step)
	var sum int64
	if l.nibbles {
		step /= 2
		sum = l.encodeNibbles(dst, s.y)
	} else {
		sum = l.encodeBytes(dst, s.y)
	}
	tail := step*step*float64(sum) + rest
	if rest-rest != 0 {
		tail = math.NaN()
	}
	binary.LittleEndian.PutUint32(dst[len(dst)-accel.CodeTail:], math.Float32bits(float32(tail)))
}

// encodeBytes writes the codes of y and returns the sum of their squares, in steps.
func (l *Lean) encodeBytes(dst []byte, y []float32) (sum int64) {
	inv := 1 / l.step
	for i, y := range y {
		n := roundByte(y * inv)
		dst[i] = byte(n + 128)
		sum += int64(n) * int64(n)
	}
	for i := len(y); i < len(dst); i++ {
		dst[i] = 128
	}
	return sum
}

// encodeNibbles writes the codes of y and returns the sum of their squares, in halves of a step.
func (l *Lean) encodeNibbles(dst []byte, y []float32) (sum int64) {
	inv := 1 / l.step
	clear(dst)
	half := len(dst) - accel.CodeTail
	for i, y := range y {
		c := floorNibble(y * inv)
		sum += int64(2*c-15) * int64(2*c-15)
		if i < half {
			dst[i] |= byte(c)
		} else {
			dst[i-half] |= byte(c << 4)
		}
	}
	return sum
}

// floorNibble is the 4-bit code of a number of steps; that of NaN is one of them.
func floorNibble(x float32) int32 {
	if !(x < 7) {
		return 15
	}
	if x < -8 {
		return 0
	}
	return int32(x + 8) // not below 0, so that cutting is rounding down
}

// roundByte rounds to the nearest whole number from -127 to 127, NaN to one of them.
func roundByte(x float32) int32 {
	if !(x < 127) {
		x = 127
	}
	if x < -127 {
		x = -127
	}
	if x < 0 {
		return int32(x - 0.5)
	}
	return int32(x + 0.5)
}

// coordinates fills s.y for v and returns the squared length of what lies outside the directions.
func (l *Lean) coordinates(v []float32, s *LeanScratch) float64 {
	all := 0.0
	for i, x := range v {
		x -= l.centre[i]
		s.off[i] = x
		all += float64(x) * float64(x)
	}
	if l.turn == nil {
		copy(s.y, s.off)
		return all - all // 0, or NaN
	}
	accel.DotRows(s.off, l.turn, s.y)
	in := 0.0
	for _, y := range s.y {
		in += float64(y) * float64(y)
	}
	return max(0, all-in)
}

// Query makes q score records against v: rows in the order of their scores are about in the order of their distance to v. The
// square of the distance is about the score plus what Query returns. q uses s until it is used again.
func (l *Lean) Query(v []float32, q *accel.CodeQuery, s *LeanScratch) (offset float32) {
	mustDim(l.dim, v)
	s.grow(l)
	centre := l.centre[:len(v)]
	for i, x := range v {
		s.off[i] = x - centre[i]
	}
	all := accel.SqNorm(s.off)
	y := s.off
	if l.turn != nil {
		l.turnQuery(s)
		y = s.y
	}
	scale := accel.AbsMax(y) / 127
	if l.nibbles {
		half := l.CodeSize() - accel.CodeTail
		low := y[:min(half, len(y))]
		fewBits(s.q, low, 1/scale)
		fewBits(s.q[l.CodeSize():], y[len(low):], 1/scale)
		q.ResetNibbles(s.q, -scale*l.step)
		return all
	}
	fewBits(s.q, y, 1/scale)
	q.Reset(s.q, -2*scale*l.step)
	return all
}

// turnQuery fills s.y with the coordinates of s.off. It multiplies bytes: what is lost on the way is as small as what the
// codes lose.
func (l *Lean) turnQuery(s *LeanScratch) {
	scale := accel.AbsMax(s.off) / 127
	fewBits(s.off8, s.off, 1/scale)
	accel.DotInt8Rows(s.off8, l.turn8, s.dots)
	for i, d := range s.dots {
		s.y[i] = float32(d) * (l.turnScale[i] * scale)
	}
}

// fewBits rounds v*inv to bytes, ties to even; the products are at most 127 and a little. An inv that is not finite gives zeros.
func fewBits(dst []int8, v []float32, inv float32) {
	if !finite(inv) {
		clear(dst[:len(v)])
		return
	}
	accel.QuantizeInt8(dst[:len(v)], v, inv)
}

// RowQuery makes q score records against the row that a record stands for.
func (l *Lean) RowQuery(record []byte, q *accel.CodeQuery, s *LeanScratch) {
	s.grow(l)
	if l.nibbles {
		size := l.CodeSize()
		low := record[:min(size-accel.CodeTail, l.kept)]
		for i, c := range low {
			s.q[i] = int8(2*(c&15)) - 15
		}
		for i, c := range record[:l.kept-len(low)] {
			s.q[size+i] = int8(2*(c>>4)) - 15
		}
		q.ResetNibbles(s.q, -l.step*l.step/2)
		return
	}
	for i, c := range record[:l.kept] {
		s.q[i] = int8(c - 128)
	}
	q.Reset(s.q, -2*l.step*l.step)
}

// RowOffset is what a score of RowQuery lacks of the squared distance.
func (l *Lean) RowOffset(record []byte) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(record[len(record)-accel.CodeTail:]))
}

// makeBytes fills turn8 from turn.
func (l *Lean) makeBytes() {
	if l.turn == nil {
		return
	}
	l.turn8, l.turnScale = make([]int8, len(l.turn)), make([]float32, l.kept)
	for i := range l.kept {
		row := l.turn[i*l.dim : (i+1)*l.dim]
		most := float32(0)
		for _, x := range row {
			most = max(most, x, -x)
		}
		l.turnScale[i] = most / 127
		inv := 1 / l.turnScale[i]
		if !finite(inv) {
			inv = 0
		}
		for j, x := range row {
			l.turn8[i*l.dim+j] = int8(roundByte(x * inv))
		}
	}
}

// Parameters of a Lean are: kind, version, flags, a zero, the dimension, what is kept, the step; the centre; and the
// directions if the flag says that there are some.
const (
	leanHeader  = 16
	leanTurned  = 1
	leanNibbles = 2
)

// AppendParams appends what OpenLean needs to make l again.
func (l *Lean) AppendParams(dst []byte) []byte {
	flags := byte(0)
	if l.turn != nil {
		flags |= leanTurned
	}
	if l.nibbles {
		flags |= leanNibbles
	}
	dst = append(dst, byte(KindLean), paramsVersion, flags, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(l.dim))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(l.kept))
	dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(l.step))
	return appendFloats(appendFloats(dst, l.centre), l.turn)
}

// OpenLean makes the codec that AppendParams described. The error is ErrParams.
func OpenLean(params []byte) (*Lean, error) {
	if len(params) < leanHeader || Kind(params[0]) != KindLean || params[1] != paramsVersion || params[2]&^(leanTurned|leanNibbles) != 0 || params[3] != 0 {
		return nil, fmt.Errorf("%w: not those of lean codes", ErrParams)
	}
	dim, kept := binary.LittleEndian.Uint32(params[4:]), binary.LittleEndian.Uint32(params[8:])
	l := &Lean{dim: int(dim), kept: int(kept), step: math.Float32frombits(binary.LittleEndian.Uint32(params[12:]))}
	turned := params[2]&leanTurned != 0
	l.nibbles = params[2]&leanNibbles != 0
	switch {
	case dim < 1 || dim > MaxDim || kept < 1 || kept > dim || !turned && kept != dim:
		return nil, fmt.Errorf("%w: %d of %d coordinates kept", ErrParams, kept, dim)
	case !(l.step > 0) || !finite(l.step):
		return nil, fmt.Errorf("%w: step %v", ErrParams, l.step)
	}
	want := 4 * uint64(dim)
	if turned {
		want += 4 * uint64(dim) * uint64(kept)
	}
	if uint64(len(params)-leanHeader) != want {
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrParams, len(params), want+leanHeader)
	}
	l.centre = make([]float32, dim)
	readFloats(l.centre, params[leanHeader:])
	if turned {
		l.turn = make([]float32, int(dim)*int(kept))
		readFloats(l.turn, params[leanHeader+4*dim:])
	}
	for _, x := range append(l.centre[:len(l.centre):len(l.centre)], l.turn...) {
		if !finite(x) {
			return nil, fmt.Errorf("%w: a number is not finite", ErrParams)
		}
	}
	l.makeBytes()
	return l, nil
}
