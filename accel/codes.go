package accel

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// CodeLine is what the size of a code record is a multiple of: a cache line.
const CodeLine = 64

// CodeTail is the bytes at the end of a code record that are no code: a float32 which is added to the score.
const CodeTail = 4

// CodeQuery scores one query against code records. A record is a multiple of CodeLine bytes: codes, and at its very end a float32, the
// tail. A code is an unsigned byte, 128 standing for zero, or four bits, 7.5 standing for zero. The score of a record is
//
//	tail + scale * sum q_i * (code_i - 128)           bytes: Reset
//	tail + scale * sum q_i * (2 * code_i - 15)        four bits: ResetNibbles
//
// rounded after the product and after the sum. It is the same at every level. The zero value scores nothing. Gather may be called
// concurrently.
type CodeQuery struct {
	q       []int8
	stride  int // bytes of a record
	nibbles bool
	bias    int32
	scale   float32
}

// Reset makes q the query, which is as long as a record; its last CodeTail numbers must be 0 and the sum of len(q) products must
// fit an int32, which it does up to 65,536 numbers. It keeps q.
func (c *CodeQuery) Reset(q []int8, scale float32) {
	c.reset(q, len(q), scale)
	c.nibbles, c.bias = false, -128*c.bias
}

// ResetNibbles makes q the query for records of 4-bit codes of half its length: q_i belongs to the lower half of byte i and
// q_(len(q)/2+i) to the upper half. The numbers that belong to the last CodeTail bytes must be 0. It keeps q.
func (c *CodeQuery) ResetNibbles(q []int8, scale float32) {
	c.reset(q, len(q)/2, scale)
	c.nibbles, c.bias = true, -15*c.bias
}

// reset takes what both forms share; bias becomes the sum of q.
func (c *CodeQuery) reset(q []int8, stride int, scale float32) {
	if stride == 0 || stride%CodeLine != 0 || len(q)%CodeLine != 0 {
		panic("accel: a code record is a multiple of 64 bytes")
	}
	for at := stride; at <= len(q); at += stride {
		for _, x := range q[at-CodeTail : at] {
			if x != 0 {
				panic("accel: the tail of a record is no code")
			}
		}
	}
	sum := int32(0)
	for _, x := range q {
		sum += int32(x)
	}
	c.q, c.stride, c.bias, c.scale = q, stride, sum, scale
}

// Gather writes to dst[i] the score of record at[i] of codes.
func (c *CodeQuery) Gather(codes []byte, at []uint32, dst []float32) {
	checkAt(c.stride, len(codes), at, len(dst))
	if len(at) > 0 {
		current.codeGather(c, codes, at, dst)
	}
}

func codeGatherGo(c *CodeQuery, codes []byte, at []uint32, dst []float32) {
	n := c.stride
	for i, r := range at {
		row := codes[int(r)*n : (int(r)+1)*n]
		dot := c.bias
		if c.nibbles {
			dot += 2 * dotNibblesGo(c.q, row)
		} else {
			for j, x := range c.q {
				dot += int32(x) * int32(row[j])
			}
		}
		tail := math.Float32frombits(binary.LittleEndian.Uint32(row[n-CodeTail:]))
		dst[i] = float32(float32(dot)*c.scale) + tail
	}
}

// Prefetch asks for the cache lines of b, which a later read will then not wait for. It does nothing at LevelGo.
func Prefetch(b []uint32) {
	if len(b) > 0 {
		current.prefetch(&b[0], 4*len(b))
	}
}

// PrefetchFloats is Prefetch for float32 numbers.
func PrefetchFloats(v []float32) {
	if len(v) > 0 {
		current.prefetch((*uint32)(unsafe.Pointer(&v[0])), 4*len(v))
	}
}
