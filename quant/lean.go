package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"engram/accel"
)

// Lean keeps a byte for each of the directions in which vectors differ most, and one float32 for all that is left. With the
// centre c and orthonormal directions u_1..u_m, a vector v becomes
//
//	code_i = round(<u_i, v - c> / step) + 128, clamped to a byte
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
	centre    []float32 // dim
	turn      []float32 // kept*dim, rows are directions; nil: coordinates are kept as they are
	turn8     []int8    // the same in bytes, each row times turnScale
	turnScale []float32
	step      float32
}

// LeanSizes are the sizes of records that FitLean tries before it keeps every coordinate.
var LeanSizes = []int{64, 128, 192, 256, 384, 512}

// leanRecord is the size of the record of kept coordinates.
func leanRecord(kept int) int {
	return (kept + accel.CodeTail + accel.CodeLine - 1) / accel.CodeLine * accel.CodeLine
}

// Dim is how many elements a vector has.
func (l *Lean) Dim() int { return l.dim }

// Kept is how many coordinates are kept.
func (l *Lean) Kept() int { return l.kept }

// CodeSize is how many bytes a record has.
func (l *Lean) CodeSize() int { return leanRecord(l.kept) }

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
	if len(s.off) != l.dim || len(s.y) != l.kept || len(s.q) != l.CodeSize() {
		s.off, s.off8 = make([]float32, l.dim), make([]int8, l.dim)
		s.y, s.dots = make([]float32, l.kept), make([]int32, l.kept)
		s.q = make([]int8, l.CodeSize())
	}
}

// Encode writes the record of v to dst, which has CodeSize bytes. It panics if v has not Dim elements. The tail of a
// vector that is not finite is NaN.
func (l *Lean) Encode(dst []byte, v []float32, s *LeanScratch) {
	mustDim(l.dim, v)
	s.grow(l)
	rest := l.coordinates(v, s)
	dst = dst[:l.CodeSize()]
	inv := 1 / l.step
	sum := int64(0)
	for i, y := range s.y {
		n := roundByte(y * inv)
		dst[i] = byte(n + 128)
		sum += int64(n) * int64(n)
	}
	for i := l.kept; i < len(dst); i++ {
		dst[i] = 128
	}
	tail := float64(l.step)*float64(l.step)*float64(sum) + rest
	if rest-rest != 0 {
		tail = math.NaN()
	}
	binary.LittleEndian.PutUint32(dst[len(dst)-accel.CodeTail:], math.Float32bits(float32(tail)))
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
	var all float32
	for i, x := range v {
		x -= l.centre[i]
		s.off[i] = x
		all += x * x
	}
	y := s.off
	if l.turn != nil {
		l.turnQuery(s)
		y = s.y
	}
	most := mostOf(y)
	scale := most / 127
	fewBits(s.q, y, 1/scale)
	q.Reset(s.q, -2*scale*l.step)
	return all
}

// turnQuery fills s.y with the coordinates of s.off. It multiplies bytes: what is lost on the way is as small as what the
// codes lose.
func (l *Lean) turnQuery(s *LeanScratch) {
	scale := mostOf(s.off) / 127
	fewBits(s.off8, s.off, 1/scale)
	accel.DotInt8Rows(s.off8, l.turn8, s.dots)
	for i, d := range s.dots {
		s.y[i] = float32(d) * (l.turnScale[i] * scale)
	}
}

// mostOf is the largest absolute value.
func mostOf(v []float32) float32 {
	var most uint32 // the bits of absolute values order as the values do
	for _, x := range v {
		most = max(most, math.Float32bits(x)&^(1<<31))
	}
	return math.Float32frombits(most)
}

// fewBits rounds v*inv to bytes, ties to even; the products are at most 127 and a little. An inv that is not finite gives zeros.
func fewBits(dst []int8, v []float32, inv float32) {
	if !finite(inv) {
		inv = 0
	}
	const whole = 3 << 22 // see SQ8.encode
	dst = dst[:len(v)]
	for i, x := range v {
		dst[i] = int8(math.Float32bits(float32(x*inv) + whole))
	}
}

// RowQuery makes q score records against the row that a record stands for.
func (l *Lean) RowQuery(record []byte, q *accel.CodeQuery, s *LeanScratch) {
	s.grow(l)
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
// directions if flag 1 is set.
const leanHeader = 16

// AppendParams appends what OpenLean needs to make l again.
func (l *Lean) AppendParams(dst []byte) []byte {
	flags := byte(0)
	if l.turn != nil {
		flags = 1
	}
	dst = append(dst, byte(KindLean), paramsVersion, flags, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(l.dim))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(l.kept))
	dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(l.step))
	return appendFloats(appendFloats(dst, l.centre), l.turn)
}

// OpenLean makes the codec that AppendParams described. The error is ErrParams.
func OpenLean(params []byte) (*Lean, error) {
	if len(params) < leanHeader || Kind(params[0]) != KindLean || params[1] != paramsVersion || params[2]&^1 != 0 || params[3] != 0 {
		return nil, fmt.Errorf("%w: not those of lean codes", ErrParams)
	}
	dim, kept := binary.LittleEndian.Uint32(params[4:]), binary.LittleEndian.Uint32(params[8:])
	l := &Lean{dim: int(dim), kept: int(kept), step: math.Float32frombits(binary.LittleEndian.Uint32(params[12:]))}
	turned := params[2] == 1
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
