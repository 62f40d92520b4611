package accel

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// abs clears the sign, NaN included; the compiler makes it one instruction.
func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// same panics unless both lengths agree.
func same(a, b int) {
	if a != b {
		panic("accel: slices differ in length")
	}
}

// Dot is the inner product of a and b.
func Dot(a, b []float32) float32 {
	same(len(a), len(b))
	return current.dot(a, b)
}

// L2Sq is the squared Euclidean distance of a and b.
func L2Sq(a, b []float32) float32 {
	same(len(a), len(b))
	return current.l2sq(a, b)
}

// L1Dist is the sum of the absolute differences of a and b.
func L1Dist(a, b []float32) float32 {
	same(len(a), len(b))
	return current.l1(a, b)
}

// SqNorm is the squared Euclidean length of a.
func SqNorm(a []float32) float32 { return current.dot(a, a) }

// Norm is the Euclidean length of a.
func Norm(a []float32) float32 { return float32(math.Sqrt(float64(current.dot(a, a)))) }

// CosineDist is one minus the cosine of the angle between a and b, from 0 to 2. It is NaN where either
// is all zeros, as pgvector's <=> is.
func CosineDist(a, b []float32) float32 {
	same(len(a), len(b))
	return cosineDist(current.dot(a, b), current.dot(a, a), current.dot(b, b))
}

// cosineDist makes the distance from an inner product and two squared norms. The product of the norms
// and its root are taken in float64: they cannot overflow there, and a vector is at distance 0 from itself.
func cosineDist(dot, sqA, sqB float32) float32 {
	sim := float64(dot) / math.Sqrt(float64(sqA)*float64(sqB))
	if sim > 1 {
		sim = 1
	} else if sim < -1 {
		sim = -1
	}
	return float32(1 - sim)
}

// DotInt8 is the inner product of two int8 codes modulo 2^32: exact up to 131,071 elements, whatever
// they hold.
func DotInt8(a, b []int8) int32 {
	same(len(a), len(b))
	return current.dotInt8(a, b)
}

// HammingDist counts the bits in which a and b differ. Bits that pad the last byte must be equal in both.
func HammingDist(a, b []byte) int {
	same(len(a), len(b))
	return current.hamming(a, b)
}

// JaccardDist is one minus the bits set in both over the bits set in either, from 0 to 1. It is 1 where
// no bit is set in both, two empty sets included, as pgvector's <%> is.
func JaccardDist(a, b []byte) float32 {
	same(len(a), len(b))
	both, either := 0, 0
	for len(a) >= 8 {
		x, y := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
		both += bits.OnesCount64(x & y)
		either += bits.OnesCount64(x | y)
		a, b = a[8:], b[8:]
	}
	for i := range a {
		both += bits.OnesCount8(a[i] & b[i])
		either += bits.OnesCount8(a[i] | b[i])
	}
	if both == 0 {
		return 1
	}
	return float32(1 - float64(both)/float64(either))
}
