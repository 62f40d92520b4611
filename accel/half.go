package accel

import "math"

//go:generate sh -c "cd _gen && go run main.go -op half -out ../half_amd64.s -stubs ../half_amd64.go -pkg accel"

// Rows of float16 (IEEE 754 binary16) take half the bytes of float32 and are widened, exactly, as they are read: where memory is what a
// scan waits for, it takes half the time. Results lie within the bound of the package on the widened numbers, and a row scores the same
// bits in every shape.

// DotHalfRows writes the inner products of q with each row of rows, which holds len(dst) rows of len(q) halves.
func DotHalfRows(q []float32, rows []uint16, dst []float32) {
	checkRows(len(q), len(rows), len(dst))
	for i := range dst {
		dst[i] = current.dotHalf(q, rows[i*len(q):(i+1)*len(q)])
	}
}

// L2SqHalfRows writes the squared Euclidean distances of q to each row of rows.
func L2SqHalfRows(q []float32, rows []uint16, dst []float32) {
	checkRows(len(q), len(rows), len(dst))
	for i := range dst {
		dst[i] = current.l2sqHalf(q, rows[i*len(q):(i+1)*len(q)])
	}
}

// DotHalfGather writes the inner products of q with the rows numbered at: dst[i] belongs to row at[i].
func DotHalfGather(q []float32, rows []uint16, at []uint32, dst []float32) {
	checkAt(len(q), len(rows), at, len(dst))
	for i, r := range at {
		dst[i] = current.dotHalf(q, rows[int(r)*len(q):(int(r)+1)*len(q)])
	}
}

// L2SqHalfGather writes the squared Euclidean distances of q to the rows numbered at.
func L2SqHalfGather(q []float32, rows []uint16, at []uint32, dst []float32) {
	checkAt(len(q), len(rows), at, len(dst))
	for i, r := range at {
		dst[i] = current.l2sqHalf(q, rows[int(r)*len(q):(int(r)+1)*len(q)])
	}
}

// fromHalf is the value of a half: its bits, moved to where those of a float32 are, stand for the value times 2^-112, subnormals included.
func fromHalf(h uint16) float32 {
	sign, rest := uint32(h&0x8000)<<16, uint32(h&0x7fff)<<13
	if rest >= 0x7c00<<13 { // infinity, NaN
		return math.Float32frombits(sign | 0x7f800000 | rest&(1<<23-1))
	}
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(rest)*0x1p112))
}

func dotHalfGo(q []float32, row []uint16) float32 {
	sum := float32(0)
	for i, h := range row {
		sum += q[i] * fromHalf(h)
	}
	return sum
}

func l2sqHalfGo(q []float32, row []uint16) float32 {
	sum := float32(0)
	for i, h := range row {
		d := q[i] - fromHalf(h)
		sum += d * d
	}
	return sum
}
