// Package emit holds the bodies of accel's kernels, written once for every vector width.
package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// accumulators is how many partial sums each row has. Chunk c of a row always goes to sum c mod 4,
// and the sums always fold in the same order, so a row's result has the same bits whether it was
// scored alone, in a block or by gather.
const accumulators = 4

// machine is a vector width and what differs with it.
type machine struct {
	name  string // suffix of the function names
	bytes int    // width of a register
	wide  bool   // AVX-512: masks in K registers
}

var (
	avx2   = machine{name: "AVX2", bytes: 32}
	avx512 = machine{name: "AVX512", bytes: 64, wide: true}
	vnni   = machine{name: "VNNI", bytes: 64, wide: true}
)

func (m machine) vec() VecVirtual {
	if m.wide {
		return ZMM()
	}
	return YMM()
}

func (m machine) zero(v Register) {
	if m.wide {
		VPXORD(v, v, v)
	} else {
		VPXOR(v, v, v)
	}
}

// labels makes names that are unique inside one function.
type labels struct{ n int }

func (l *labels) next(what string) string {
	l.n++
	return fmt.Sprintf("%s%d", what, l.n)
}

// dpbusd emits VPDPBUSD, which this version of avo lacks: acc += sum of four u8*s8 products a lane.
func dpbusd(signed, unsigned, acc Op) {
	Instruction(&ir.Instruction{
		Opcode:   "VPDPBUSD",
		Operands: []Op{signed, unsigned, acc},
		Inputs:   []Op{signed, unsigned, acc},
		Outputs:  []Op{acc},
		ISA:      []string{"AVX512_VNNI"},
	})
}

// span is how a row is cut: off runs over bytes, whole groups of four chunks end at end4, whole
// chunks at end1, and what is left is under tail.
type span struct {
	off, end4, end1 GPVirtual
	rest            GPVirtual // elements left after the whole chunks
}

// cut computes the ends for dim elements of size bytes, lanes elements to a chunk.
func cut(dim Register, lanes, size int) span {
	s := span{off: GP64(), end4: GP64(), end1: GP64(), rest: GP64()}
	MOVQ(dim, s.end4)
	ANDQ(I32(-lanes*accumulators), s.end4)
	MOVQ(dim, s.end1)
	ANDQ(I32(-lanes), s.end1)
	MOVQ(dim, s.rest)
	ANDQ(I32(lanes-1), s.rest)
	if size > 1 {
		IMUL3Q(I32(size), s.end4, s.end4)
		IMUL3Q(I32(size), s.end1, s.end1)
	}
	return s
}

// walk emits the loop over one group of rows. chunk handles chunk number c at byte displacement disp
// from off, step follows every n bytes (and prefetches), tail handles the rest.
func (s span) walk(l *labels, width int, chunk func(c, disp int), step func(n int), tail func()) {
	loop, ones, rest, done := l.next("loop"), l.next("ones"), l.next("rest"), l.next("done")
	XORQ(s.off, s.off)
	Label(loop)
	CMPQ(s.off, s.end4)
	JGE(LabelRef(ones))
	for c := 0; c < accumulators; c++ {
		chunk(c, c*width)
	}
	step(accumulators * width)
	ADDQ(I32(accumulators*width), s.off)
	JMP(LabelRef(loop))
	Label(ones)
	for c := 0; c < accumulators-1; c++ {
		CMPQ(s.off, s.end1)
		JGE(LabelRef(rest))
		chunk(c, 0)
		step(width)
		ADDQ(I32(width), s.off)
	}
	Label(rest)
	TESTQ(s.rest, s.rest)
	JZ(LabelRef(done))
	tail()
	Label(done)
}

// at is the operand disp bytes after base + off.
func (s span) at(base Register, disp int) Mem {
	return Mem{Base: base, Index: s.off, Scale: 1, Disp: disp}
}

// tailMask builds the K mask that covers s.rest lanes.
func (s span) tailMask(bits int) Register {
	one, k := GP64(), K()
	MOVQ(U64(0xffffffffffffffff), one)
	if bits > 16 {
		BZHIQ(s.rest, one, one)
		KMOVQ(one, k)
		return k
	}
	BZHIQ(s.rest, one, one)
	KMOVW(one.As32(), k)
	return k
}
