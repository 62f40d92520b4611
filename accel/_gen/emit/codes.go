package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Codes emits the scores of code records: see accel.CodeQuery. All lines of a call's records are asked for before the
// first is read, which is what hides the latency of memory when records are scattered.
func Codes() {
	for _, m := range []machine{avx2, vnni} {
		TEXT("codeGather"+m.name, NOSPLIT, "func(q *int8, stride int, codes *byte, at *uint32, count int, bias int32, scale float32, dst *float32)")
		Pragma("noescape")
		Doc(fmt.Sprintf("codeGather%s scores the count records whose numbers are at; stride is a multiple of 64.", m.name))
		e := &codes{machine: m}
		e.emit()
	}
	for _, m := range []machine{avx2, vnni} {
		TEXT("codeGatherNibbles"+m.name, NOSPLIT, "func(q *int8, stride int, codes *byte, at *uint32, count int, bias int32, scale float32, dst *float32)")
		Pragma("noescape")
		Doc(fmt.Sprintf("codeGatherNibbles%s is codeGather%s for records of 4-bit codes: q has two numbers for each byte of a record.", m.name, m.name))
		e := &codes{machine: m, nibbles: true}
		e.emit()
	}
	TEXT("prefetchLines", NOSPLIT, "func(p *byte, n int)")
	Pragma("noescape")
	Doc("prefetchLines asks for the cache lines of n bytes.")
	p, n := Load(Param("p"), GP64()), Load(Param("n"), GP64())
	Label("loop")
	PREFETCHT0(Mem{Base: p})
	ADDQ(Imm(64), p)
	SUBQ(Imm(64), n)
	JG(LabelRef("loop"))
	RET()
}

type codes struct {
	machine
	q, stride, base, at, dst, off Register
	bias, scale                   Register

	nibbles   bool     // 4-bit codes, whose
	high      Register // factors of upper halves these are
	low, ones Register // masks
}

func (e *codes) emit() {
	e.q, e.stride, e.base = Load(Param("q"), GP64()), Load(Param("stride"), GP64()), Load(Param("codes"), GP64())
	e.at, e.dst, e.off = Load(Param("at"), GP64()), Load(Param("dst"), GP64()), GP64()
	count := Load(Param("count"), GP64())
	bias, scale := Load(Param("bias"), GP32()), Load(Param("scale"), XMM())
	e.bias, e.scale = X14, X15
	VMOVD(bias, X14)
	VPBROADCASTD(X14, X14)
	VMOVAPS(scale, X15)
	VBROADCASTSS(X15, X15)
	if e.nibbles {
		e.high = GP64()
		LEAQ(Mem{Base: e.q, Index: e.stride, Scale: 1}, e.high)
		low := e.vec()
		e.spread(0x0f0f0f0f, low)
		e.low = low
		if !e.wide {
			ones := YMM()
			e.spread(0x00010001, ones)
			e.ones = ones
		}
	}
	e.ask(count)
	Label("fours")
	CMPQ(count, Imm(4))
	JLT(LabelRef("ones"))
	e.group(4)
	SUBQ(Imm(4), count)
	JMP(LabelRef("fours"))
	Label("ones")
	TESTQ(count, count)
	JZ(LabelRef("done"))
	e.group(1)
	DECQ(count)
	JMP(LabelRef("ones"))
	Label("done")
	VZEROUPPER()
	RET()
}

// ask prefetches every line of every record.
func (e *codes) ask(count Register) {
	i, p := GP64(), GP64()
	XORQ(i, i)
	Label("ask")
	CMPQ(i, count)
	JGE(LabelRef("asked"))
	e.record(p, Mem{Base: e.at, Index: i, Scale: 4})
	XORQ(e.off, e.off)
	Label("line")
	PREFETCHT0(Mem{Base: p, Index: e.off, Scale: 1})
	ADDQ(Imm(64), e.off)
	CMPQ(e.off, e.stride)
	JLT(LabelRef("line"))
	INCQ(i)
	JMP(LabelRef("ask"))
	Label("asked")
}

// record points p to the record whose number is at the operand.
func (e *codes) record(p GPVirtual, number Mem) {
	MOVL(number, p.As32())
	IMULQ(e.stride, p)
	ADDQ(e.base, p)
}

// group scores n records, 1 or 4, and steps past them.
func (e *codes) group(n int) {
	low := []VecPhysical{X0, X1, X2, X3}
	var rows, acc []Register
	for i := 0; i < n; i++ {
		p := GP64()
		e.record(p, Mem{Base: e.at, Disp: 4 * i})
		rows = append(rows, p)
		v := e.vec()
		e.zero(v)
		acc = append(acc, v)
	}
	loop := fmt.Sprintf("chunk%d", n)
	XORQ(e.off, e.off)
	Label(loop)
	step := 64
	if e.nibbles {
		step = e.bytes
		e.halves(rows, acc)
	} else if e.wide {
		v := e.vec()
		VMOVDQU32(Mem{Base: e.q, Index: e.off, Scale: 1}, v)
		for i, r := range rows {
			w := e.vec()
			VMOVDQU32(Mem{Base: r, Index: e.off, Scale: 1}, w)
			dpbusd(v, w, acc[i])
		}
	} else {
		step = 16
		v := e.vec()
		VPMOVSXBW(Mem{Base: e.q, Index: e.off, Scale: 1}, v)
		for i, r := range rows {
			w := e.vec()
			VPMOVZXBW(Mem{Base: r, Index: e.off, Scale: 1}, w)
			VPMADDWD(w, v, w)
			VPADDD(w, acc[i], acc[i])
		}
	}
	ADDQ(Imm(uint64(step)), e.off)
	CMPQ(e.off, e.stride)
	JLT(LabelRef(loop))
	for i := range rows {
		v, hi := acc[i].(VecVirtual), XMM()
		if e.wide {
			half := YMM()
			VEXTRACTI64X4(Imm(1), v.AsZ(), half)
			VPADDD(half, v.AsY(), v.AsY())
			VEXTRACTI32X4(Imm(1), v.AsY(), hi)
		} else {
			VEXTRACTI128(Imm(1), v.AsY(), hi)
		}
		VPADDD(hi, v.AsX(), low[i])
	}
	if n == 4 {
		VPHADDD(X1, X0, X0)
		VPHADDD(X3, X2, X2)
		VPHADDD(X2, X0, X0)
	} else {
		VPHADDD(X0, X0, X0)
		VPHADDD(X0, X0, X0)
	}
	if e.nibbles {
		VPADDD(X0, X0, X0) // see accel.CodeQuery: twice the sum, for the middle of the codes is 7.5
	}
	VPADDD(X14, X0, X0)
	VCVTDQ2PS(X0, X0)
	VMULPS(X15, X0, X0)
	VMOVSS(Mem{Base: rows[0], Index: e.stride, Scale: 1, Disp: -4}, X1)
	for i := 1; i < n; i++ {
		VINSERTPS(Imm(uint64(i<<4)), Mem{Base: rows[i], Index: e.stride, Scale: 1, Disp: -4}, X1, X1)
	}
	VADDPS(X1, X0, X0)
	if n == 4 {
		VMOVUPS(X0, Mem{Base: e.dst})
	} else {
		VMOVSS(X0, Mem{Base: e.dst})
	}
	ADDQ(Imm(uint64(4*n)), e.at)
	ADDQ(Imm(uint64(4*n)), e.dst)
}

// halves adds to acc the products of a register of each of rows, 4-bit codes.
func (e *codes) halves(rows, acc []Register) {
	ql, qh := e.vec(), e.vec()
	for _, at := range []struct {
		base Register
		v    Register
	}{{e.q, ql}, {e.high, qh}} {
		if e.wide {
			VMOVDQU32(Mem{Base: at.base, Index: e.off, Scale: 1}, at.v)
		} else {
			VMOVDQU(Mem{Base: at.base, Index: e.off, Scale: 1}, at.v)
		}
	}
	for i, r := range rows {
		lo, hi := e.vec(), e.vec()
		if e.wide {
			VMOVDQU32(Mem{Base: r, Index: e.off, Scale: 1}, lo)
			VPSRLW(Imm(4), lo, hi)
			VPANDD(e.low, lo, lo)
			VPANDD(e.low, hi, hi)
			dpbusd(ql, lo, acc[i])
			dpbusd(qh, hi, acc[i])
			continue
		}
		VMOVDQU(Mem{Base: r, Index: e.off, Scale: 1}, lo)
		VPSRLW(Imm(4), lo, hi)
		VPAND(e.low, lo, lo)
		VPAND(e.low, hi, hi)
		// Two products of at most 15*128 each, and two such pairs, are far from what 16 bits hold.
		VPMADDUBSW(ql, lo, lo)
		VPMADDUBSW(qh, hi, hi)
		VPADDW(hi, lo, lo)
		VPMADDWD(e.ones, lo, lo)
		VPADDD(lo, acc[i], acc[i])
	}
}
