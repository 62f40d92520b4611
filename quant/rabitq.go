package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"engram/accel"
)

// RaBitQ codes vectors relative to a point near them, in one bit a dimension and again in four, and estimates their squared distance
// to a query from either, with a bound on the error (RaBitQ, SIGMOD 2024, arXiv 2405.12497; four bits: arXiv 2409.09913, with the
// step that suits a normal distribution rather than a search for the best one).
//
// Vectors are first turned: a centre is taken off and what is left rotated at random, which keeps distances and makes the elements of
// every vector alike. With the near point c, r = v - c and its length n, a code is a vector x, of signs or of whole steps, and for
// a query y
//
//	<r, y> is about <x, y> * n^2 / <x, r>
//
// unbiased over rotations, with a standard deviation of n*|y| * sqrt((1 - f^2) / (f^2 (D - 1))) where f is the cosine of x and r. So
//
//	|v - y|^2 is about |y - c|^2 + n^2 + mul*<x, c> - mul*<x, y>,  mul = 2 n^2 / <x, r>
//
// in which only <x, y> is to be computed for a row and a query. Codes of one bit lie in blocks of 32 rows, which accel.FastScan
// reads, those of four in records for accel.DotNibbles. A RaBitQ is immutable and safe for concurrent use.
type RaBitQ struct {
	dim    int
	seed   uint64
	centre []float32
	turn   *Rotation
	groups int // of a block, four dimensions each
	half   int // dimensions in the lower halves of a record
	record int // bytes
}

const (
	// fineTail is the bytes of a record that are no code: add, mul and err as ScanBounds has them.
	fineTail = 12
	// fineStep is the best step of 16 levels for a normal distribution of deviation one (Max, IRE Trans. Inf. Theory 1960).
	fineStep = 0.3352
	// fineRMS is about the root mean square of an element of a code of four bits.
	fineRMS = 1 / fineStep
	// tableTop is the largest share of a dimension in a table of bytes: four must fit.
	tableTop = 63
)

// NewRaBitQ makes the codes of vectors around centre, 1 to MaxDim numbers, which it keeps; seed chooses the rotation. The error is
// ErrParams.
func NewRaBitQ(centre []float32, seed uint64) (*RaBitQ, error) {
	dim := len(centre)
	if err := checkDim(dim); err != nil {
		return nil, err
	}
	for _, c := range centre {
		if !finite(c) {
			return nil, fmt.Errorf("%w: centre is not finite", ErrParams)
		}
	}
	r := &RaBitQ{dim: dim, seed: seed, centre: centre, turn: NewRotation(dim, seed), half: (dim + 1) / 2}
	r.groups = ((dim+3)/4 + accel.ScanGroups - 1) / accel.ScanGroups * accel.ScanGroups
	r.record = (r.half + fineTail + accel.NibbleLine - 1) / accel.NibbleLine * accel.NibbleLine
	return r, nil
}

// Dim is how many elements a vector has.
func (r *RaBitQ) Dim() int { return r.dim }

// BlockSize is how many bytes the codes of accel.ScanRows rows have in one bit a dimension.
func (r *RaBitQ) BlockSize() int { return 16 * r.groups }

// RecordSize is how many bytes a row has in four bits a dimension.
func (r *RaBitQ) RecordSize() int { return r.record }

// Turn turns v, which has Dim elements, in place. All other methods take turned vectors.
func (r *RaBitQ) Turn(v []float32) {
	mustDim(r.dim, v)
	for i, c := range r.centre {
		v[i] -= c
	}
	r.turn.Apply(v)
}

// Encode codes v relative to near, both turned: one bit a dimension as number row of block, whose codes must be zero there, with its
// numbers in factors, accel.ScanFactors of them; four bits into record. v must be finite and within float32 of near.
func (r *RaBitQ) Encode(v, near []float32, block []byte, row int, factors []float32, record []byte) {
	mustDim(r.dim, v)
	mustDim(r.dim, near)
	sq, abs, signed := 0.0, 0.0, 0.0 // |v - near|^2, <x, v - near>, <x, near>
	code := byte(0)
	for i, c := range near {
		d := float64(v[i] - c)
		sq += d * d
		if d > 0 {
			abs += d
			signed += float64(c)
			code |= 1 << (i % 4)
		} else {
			abs -= d
			signed -= float64(c)
		}
		if i%4 == 3 || i == r.dim-1 {
			accel.SetScanCode(block, i/4, row, code)
			code = 0
		}
	}
	add, mul, err := r.factors(sq, abs, signed, float64(r.dim))
	factors[row], factors[accel.ScanRows+row], factors[2*accel.ScanRows+row] = add, mul, err
	r.encodeFine(v, near, math.Sqrt(sq/float64(r.dim)), sq, record)
}

// factors are the numbers of a code x: sq is n^2, along is <x, r>, point is <x, c>, own is |x|^2.
func (r *RaBitQ) factors(sq, along, point, own float64) (add, mul, err float32) {
	if !(along > 0) {
		return float32(sq), 0, 0
	}
	m := 2 * sq / along
	// mul*|x| * sqrt(1 - f^2) is 2n * sqrt(1 - f^2) / f.
	lost := max(0, 1-along*along/(own*sq))
	return float32(sq + m*point), float32(m), float32(m * math.Sqrt(own*lost/float64(max(1, r.dim-1))))
}

func (r *RaBitQ) encodeFine(v, near []float32, deviation, sq float64, record []byte) {
	clear(record[:r.record])
	inv := float32(1 / (fineStep * deviation))
	if !finite(inv) {
		inv = 0
	}
	along, point, own := float32(0), float32(0), float32(0)
	for i, c := range near {
		d := v[i] - c
		u := int32(d*inv + 8) // below zero it is cut to zero in any case
		u = min(max(u, 0), 15)
		x := float32(u) - 7.5
		along += x * d
		point += x * c
		own += x * x
		if i < r.half {
			record[i] |= byte(u)
		} else {
			record[i-r.half] |= byte(u) << 4
		}
	}
	add, mul, err := r.factors(sq, float64(along), float64(point), float64(own))
	tail := record[r.record-fineTail : r.record]
	binary.LittleEndian.PutUint32(tail, math.Float32bits(add))
	binary.LittleEndian.PutUint32(tail[4:], math.Float32bits(mul))
	binary.LittleEndian.PutUint32(tail[8:], math.Float32bits(err))
}

// RaBitQQuery is a query ready to be compared with codes. It serves one goroutine; its memory is used again by the next
// RaBitQ.Query.
type RaBitQQuery struct {
	// Turned is the query, turned.
	Turned []float32
	tables []byte
	scale  float32 // the sum of a row times scale, and shift, is <x, y> of one bit
	shift  float32
	loose  float32 // deviation of what rounding the query adds to <x, y>

	fine      []int8
	fineScale float32
	fineShift float32
	fineLoose float32
}

// Query makes q ready for v, which is not turned yet and has Dim elements. It reports whether v is finite: if not, q is of no use.
func (r *RaBitQ) Query(v []float32, q *RaBitQQuery) bool {
	mustDim(r.dim, v)
	if len(q.Turned) != r.dim || len(q.tables) != r.BlockSize() {
		q.Turned, q.tables, q.fine = make([]float32, r.dim), make([]byte, r.BlockSize()), make([]int8, 2*r.record)
	}
	copy(q.Turned, v)
	r.Turn(q.Turned)
	most := accel.AbsMax(q.Turned)
	if !finite(most) || !finite(most*most*float32(r.dim)) {
		return false
	}
	r.queryTables(q, most)
	r.queryFine(q, most)
	return true
}

// queryTables fills the tables of FastScan. An entry is the sum of |y_i| over the dimensions of its group in which the code has the
// query's sign, so that twice a row's sum, less the sum of all, is <x, y>.
func (r *RaBitQ) queryTables(q *RaBitQQuery, most float32) {
	top := float32(min(tableTop, 65535/(4*r.groups)))
	step := most / top
	inv := 1 / step
	if !finite(inv) {
		inv = 0
	}
	all, lost := uint32(0), float32(0)
	y := q.Turned
	for g := range r.groups {
		var with, without [4]byte // what a set bit adds, and one that is not
		for j := range min(4, max(0, r.dim-4*g)) {
			x := y[4*g+j]
			size := float32(math.Abs(float64(x)))
			m := byte(size*inv + 0.5)
			all += uint32(m)
			d := size - float32(m)*step
			lost += d * d
			if x > 0 {
				with[j] = m
			} else {
				without[j] = m
			}
		}
		t := q.tables[16*g : 16*g+16 : 16*g+16]
		low := [4]byte{without[0] + without[1], with[0] + without[1], without[0] + with[1], with[0] + with[1]}
		for i, high := range [4]byte{without[2] + without[3], with[2] + without[3], without[2] + with[3], with[2] + with[3]} {
			t[4*i], t[4*i+1], t[4*i+2], t[4*i+3] = low[0]+high, low[1]+high, low[2]+high, low[3]+high
		}
	}
	q.scale, q.shift, q.loose = 2*step, -step*float32(all), float32(math.Sqrt(float64(lost)))
}

func (r *RaBitQ) queryFine(q *RaBitQQuery, most float32) {
	step := most / 127
	inv := 1 / step
	fewBits(q.fine[:r.half], q.Turned[:r.half], inv)
	fewBits(q.fine[r.record:r.record+r.dim-r.half], q.Turned[r.half:], inv)
	sum, lost := int32(0), float32(0)
	for i, y := range q.Turned {
		at := i
		if i >= r.half {
			at += r.record - r.half
		}
		b := q.fine[at]
		sum += int32(b)
		d := y - float32(b)*step
		lost += d * d
	}
	q.fineScale, q.fineShift, q.fineLoose = step, -7.5*step*float32(sum), fineRMS*float32(math.Sqrt(float64(lost)))
}

// Bounds writes to dst what the squared distances of q to the rows of len(dst)/32 blocks are at least, if no error exceeds eps
// standard deviations; an eps of 0 gives the estimates. base is the squared distance of q to the point the rows were coded by; sums
// is memory of the length of dst.
func (q *RaBitQQuery) Bounds(codes []byte, factors []float32, base, eps float32, sums []uint16, dst []float32) {
	accel.FastScan(codes, q.tables, sums)
	accel.ScanBounds(sums, factors, accel.ScanScale{
		Base: base, Scale: q.scale, Shift: q.shift + eps*q.loose, Reach: eps * float32(math.Sqrt(float64(base))),
	}, dst)
}

// Fine writes to dst[i] the estimate of the squared distance of q to record at[i] of records, and to err[i] its standard deviation.
// base is as for Bounds, dots memory of the length of dst.
func (q *RaBitQQuery) Fine(records []byte, at []uint32, base float32, dots []int32, dst, err []float32) {
	accel.DotNibblesGather(q.fine, records, at, dots)
	size := len(q.fine) / 2
	reach := float32(math.Sqrt(float64(base)))
	for i, r := range at {
		tail := records[int(r)*size+size-fineTail : (int(r)+1)*size]
		add := math.Float32frombits(binary.LittleEndian.Uint32(tail))
		mul := math.Float32frombits(binary.LittleEndian.Uint32(tail[4:]))
		off := math.Float32frombits(binary.LittleEndian.Uint32(tail[8:]))
		xy := float32(float32(dots[i])*q.fineScale) + q.fineShift
		dst[i] = (base + add) - float32(xy*mul)
		err[i] = float32(off*reach) + float32(mul*q.fineLoose)
	}
}

// AppendParams appends what OpenRaBitQ needs to make r again.
func (r *RaBitQ) AppendParams(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(appendHeader(dst, KindRaBitQ, 0, r.dim), r.seed)
	return appendFloats(dst, r.centre)
}

// OpenRaBitQ makes the codes that AppendParams described. The error is ErrParams.
func OpenRaBitQ(params []byte) (*RaBitQ, error) {
	const head = paramsHeader + 8
	if len(params) < head || Kind(params[0]) != KindRaBitQ || params[1] != paramsVersion || params[2] != 0 || params[3] != 0 {
		return nil, fmt.Errorf("%w: not those of RaBitQ codes", ErrParams)
	}
	dim := binary.LittleEndian.Uint32(params[4:])
	if dim < 1 || dim > MaxDim || len(params) != head+4*int(dim) {
		return nil, fmt.Errorf("%w: %d bytes for dimension %d", ErrParams, len(params), dim)
	}
	centre := make([]float32, dim)
	readFloats(centre, params[head:])
	return NewRaBitQ(centre, binary.LittleEndian.Uint64(params[paramsHeader:]))
}
