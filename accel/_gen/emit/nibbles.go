package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Nibbles emits inner products of a query of bytes with records of 4-bit codes: see accel.DotNibbles. AVX2 serves AVX512 too.
func Nibbles() {
	for _, m := range []machine{avx2, vnni} {
		for _, scattered := range []bool{false, true} {
			nibbles(m, scattered)
		}
	}
}

func nibbles(m machine, scattered bool) {
	name, signature, doc := "Rows", "func(q *int8, size int, codes *byte, count int, dst *int32)", "count records that follow each other"
	if scattered {
		name, signature, doc = "Gather", "func(q *int8, size int, codes *byte, at *uint32, count int, dst *int32)", "the count records whose numbers are at"
	}
	TEXT("dotNibbles"+name+m.name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(fmt.Sprintf("dotNibbles%s%s multiplies q with %s; size is a multiple of 32.", name, m.name, doc))
	q, size, base, dst := Load(Param("q"), GP64()), Load(Param("size"), GP64()), Load(Param("codes"), GP64()), Load(Param("dst"), GP64())
	count := Load(Param("count"), GP64())
	high := GP64() // where the factors of the upper nibbles are
	LEAQ(Mem{Base: q, Index: size, Scale: 1}, high)
	nibble, ones := YMM(), YMM()
	avx2.spread(0x0f0f0f0f, nibble)
	avx2.spread(0x00010001, ones)
	off := GP64()
	row := base
	if scattered {
		at := Load(Param("at"), GP64())
		askLines(base, at, count, size)
		Label("row")
		p := GP64()
		MOVL(Mem{Base: at}, p.As32())
		IMULQ(size, p)
		ADDQ(base, p)
		ADDQ(Imm(4), at)
		row = p
	} else {
		Label("row")
	}
	acc := YMM()
	VPXOR(acc, acc, acc)
	XORQ(off, off)
	Label("chunk")
	lo, hi, ql, qh := YMM(), YMM(), YMM(), YMM()
	VMOVDQU(Mem{Base: row, Index: off, Scale: 1}, lo)
	VMOVDQU(Mem{Base: q, Index: off, Scale: 1}, ql)
	VMOVDQU(Mem{Base: high, Index: off, Scale: 1}, qh)
	VPSRLW(Imm(4), lo, hi)
	VPAND(nibble, lo, lo)
	VPAND(nibble, hi, hi)
	if m.wide {
		dpbusd(ql, lo, acc)
		dpbusd(qh, hi, acc)
	} else {
		// Two products of at most 15*128 each, and two pairs: far from what 16 bits hold.
		VPMADDUBSW(ql, lo, lo)
		VPMADDUBSW(qh, hi, hi)
		VPADDW(hi, lo, lo)
		VPMADDWD(ones, lo, lo)
		VPADDD(lo, acc, acc)
	}
	ADDQ(Imm(32), off)
	CMPQ(off, size)
	JLT(LabelRef("chunk"))
	upper := XMM()
	VEXTRACTI128(Imm(1), acc, upper)
	VPADDD(upper, acc.AsX(), X0)
	VPHADDD(X0, X0, X0)
	VPHADDD(X0, X0, X0)
	VMOVD(X0, Mem{Base: dst})
	ADDQ(Imm(4), dst)
	if !scattered {
		ADDQ(size, base)
	}
	DECQ(count)
	JNZ(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// askLines prefetches all of the count records whose numbers are at.
func askLines(base, at, count, size Register) {
	i, p, off := GP64(), GP64(), GP64()
	XORQ(i, i)
	Label("ask")
	MOVL(Mem{Base: at, Index: i, Scale: 4}, p.As32())
	IMULQ(size, p)
	ADDQ(base, p)
	XORQ(off, off)
	Label("line")
	PREFETCHT0(Mem{Base: p, Index: off, Scale: 1})
	ADDQ(Imm(64), off)
	CMPQ(off, size)
	JLT(LabelRef("line"))
	INCQ(i)
	CMPQ(i, count)
	JLT(LabelRef("ask"))
}
