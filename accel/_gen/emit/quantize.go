package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Quantize emits what turns float32 into signed bytes and codes back into float32.
func Quantize() {
	for _, m := range []machine{avx2, avx512} {
		m.absMax()
		m.quantizeInt8()
		m.dequantizeInt8()
	}
	dequantizeGroups()
}

// lanes is the float32 numbers in a register.
func (m machine) lanes() int { return m.bytes / 4 }

// absMax emits the greatest bit pattern without sign, which orders magnitudes and puts what is not finite on top.
// Four registers hide the latency.
func (m machine) absMax() {
	TEXT("absMax"+m.name, NOSPLIT, "func(v []float32) uint32")
	Pragma("noescape")
	Doc(fmt.Sprintf("absMax%s is the greatest of the elements' bits without the sign.", m.name))
	v := Load(Param("v").Base(), GP64())
	n := Load(Param("v").Len(), GP64())
	s := cut(n, m.lanes(), 4)
	l := new(labels)
	clearSign, bits := m.vec(), GP32()
	MOVL(U32(0x7fffffff), bits)
	x := XMM()
	VMOVD(bits, x)
	VPBROADCASTD(x, clearSign)
	acc := make([]Register, accumulators)
	for i := range acc {
		acc[i] = m.vec()
		m.zero(acc[i])
	}
	and := func(src Op, dst Register) {
		if m.wide {
			VPANDD(src, clearSign, dst)
		} else {
			VPAND(src, clearSign, dst)
		}
	}
	s.walk(l, m.bytes, func(c, disp int) {
		t := m.vec()
		and(s.at(v, disp), t)
		VPMAXUD(t, acc[c], acc[c])
	}, func(n int) { PREFETCHT0(s.at(v, 1024)) }, func() {
		loop := l.next("one")
		Label(loop)
		t := XMM()
		VMOVD(s.at(v, 0), t)
		if m.wide {
			VPANDD(t.AsZ(), clearSign, t.AsZ())
		} else {
			VPAND(t.AsY(), clearSign, t.AsY())
		}
		if m.wide {
			VPMAXUD(t.AsZ(), acc[0], acc[0])
		} else {
			VPMAXUD(t.AsY(), acc[0], acc[0])
		}
		ADDQ(Imm(4), s.off)
		DECQ(s.rest)
		JNZ(LabelRef(loop))
	})
	VPMAXUD(acc[1], acc[0], acc[0])
	VPMAXUD(acc[3], acc[2], acc[2])
	VPMAXUD(acc[2], acc[0], acc[0])
	top := acc[0].(VecVirtual)
	if m.wide {
		half := YMM()
		VEXTRACTI64X4(Imm(1), top.AsZ(), half)
		VPMAXUD(half, top.AsY(), top.AsY())
	}
	hi := XMM()
	VEXTRACTI128(Imm(1), top.AsY(), hi)
	VPMAXUD(hi, top.AsX(), top.AsX())
	VPSHUFD(Imm(0x4e), top.AsX(), hi)
	VPMAXUD(hi, top.AsX(), top.AsX())
	VPSHUFD(Imm(0xb1), top.AsX(), hi)
	VPMAXUD(hi, top.AsX(), top.AsX())
	out := GP32()
	VMOVD(top.AsX(), out)
	VZEROUPPER()
	Store(out, ReturnIndex(0))
	RET()
}

// quantizeInt8 emits dst = round(v * inv), ties to even, cut to a signed byte. While it works on one row it fetches
// what lies ahead bytes further, which is the next row.
func (m machine) quantizeInt8() {
	TEXT("quantizeInt8"+m.name, NOSPLIT, "func(dst *int8, v *float32, blocks int, inv float32, ahead int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("quantizeInt8%s rounds blocks of 64 numbers times inv to signed bytes; it prefetches ahead bytes behind v.", m.name))
	dst := Load(Param("dst"), GP64())
	v := Load(Param("v"), GP64())
	blocks := Load(Param("blocks"), GP64())
	ahead := Load(Param("ahead"), GP64())
	inv, scalar := m.vec(), XMM()
	Load(Param("inv"), scalar)
	VBROADCASTSS(scalar, inv)
	var order Register
	if !m.wide {
		order = YMM()
		VMOVDQU(laneOrder(), order)
	}
	ADDQ(v, ahead)
	loop, done := "loop", "done"
	Label(loop)
	TESTQ(blocks, blocks)
	JZ(LabelRef(done))
	for i := 0; i < 256; i += 64 {
		PREFETCHT0(Mem{Base: ahead, Disp: i})
	}
	if m.wide {
		for i := range 4 {
			t := ZMM()
			VMULPS(Mem{Base: v, Disp: i * 64}, inv, t)
			VCVTPS2DQ(t, t)
			VPMOVSDB(t, Mem{Base: dst, Disp: i * 16})
		}
	} else {
		for h := range 2 {
			t := [4]Register{YMM(), YMM(), YMM(), YMM()}
			for i := range t {
				VMULPS(Mem{Base: v, Disp: h*128 + i*32}, inv, t[i])
				VCVTPS2DQ(t[i], t[i])
			}
			VPACKSSDW(t[1], t[0], t[0])
			VPACKSSDW(t[3], t[2], t[2])
			VPACKSSWB(t[2], t[0], t[0])
			VPERMD(t[0], order, t[0])
			VMOVDQU(t[0], Mem{Base: dst, Disp: h * 32})
		}
	}
	ADDQ(Imm(64), dst)
	ADDQ(I32(256), v)
	ADDQ(I32(256), ahead)
	DECQ(blocks)
	JMP(LabelRef(loop))
	Label(done)
	VZEROUPPER()
	RET()
}

// laneOrder undoes what the packs of AVX2 do to the order of four byte groups.
func laneOrder() Mem {
	m := GLOBL("laneOrder", RODATA|NOPTR)
	for i, k := range []uint32{0, 4, 1, 5, 2, 6, 3, 7} {
		DATA(i*4, U32(k))
	}
	return m
}

// dequantizeInt8 emits dst = (code - zero) * scale.
func (m machine) dequantizeInt8() {
	TEXT("dequantizeInt8"+m.name, NOSPLIT, "func(dst *float32, codes *int8, blocks int, scale, zero float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("dequantizeInt8%s writes (code - zero) * scale for blocks of 16 codes.", m.name))
	dst := Load(Param("dst"), GP64())
	codes := Load(Param("codes"), GP64())
	blocks := Load(Param("blocks"), GP64())
	scale, zero, a, b := m.vec(), m.vec(), XMM(), XMM()
	Load(Param("scale"), a)
	VBROADCASTSS(a, scale)
	Load(Param("zero"), b)
	VBROADCASTSS(b, zero)
	Label("loop")
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	for i := 0; i < 16; i += m.lanes() {
		t := m.vec()
		VPMOVSXBD(Mem{Base: codes, Disp: i}, t)
		VCVTDQ2PS(t, t)
		VSUBPS(zero, t, t)
		VMULPS(scale, t, t)
		VMOVUPS(t, Mem{Base: dst, Disp: i * 4})
	}
	ADDQ(Imm(16), codes)
	ADDQ(Imm(64), dst)
	DECQ(blocks)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// dequantizeGroups emits the same for codes of 2 to 4 bits. Sixteen codes begin at a whole byte and take at most eight;
// spread puts the bytes of each code into a lane, shift brings the code to its low end, and the low four bits of a lane
// choose among the sixteen levels of the group, which repeat where there are fewer.
func dequantizeGroups() {
	TEXT("dequantizeGroupsAVX512", NOSPLIT, "func(dst *float32, codes *byte, groups, blocks, step int, scales, zeros *float32, table *[48]uint32)")
	Pragma("noescape")
	Doc("dequantizeGroupsAVX512 writes groups of blocks times 16 numbers, 16 of them from step bytes. It reads 8 bytes at a time.",
		"table holds the codes as numbers, the shuffle of bytes and the shifts.")
	dst := Load(Param("dst"), GP64())
	codes := Load(Param("codes"), GP64())
	groups := Load(Param("groups"), GP64())
	blocks := Load(Param("blocks"), GP64())
	step := Load(Param("step"), GP64())
	scales := Load(Param("scales"), GP64())
	zeros := Load(Param("zeros"), GP64())
	table := Load(Param("table"), GP64())
	numbers, spread, shift := ZMM(), ZMM(), ZMM()
	VMOVUPS(Mem{Base: table}, numbers)
	VMOVDQU32(Mem{Base: table, Disp: 64}, spread)
	VMOVDQU32(Mem{Base: table, Disp: 128}, shift)
	Label("group")
	TESTQ(groups, groups)
	JZ(LabelRef("done"))
	zero, levels, left := ZMM(), ZMM(), GP64()
	VBROADCASTSS(Mem{Base: zeros}, zero)
	VSUBPS(zero, numbers, levels)
	VBROADCASTSS(Mem{Base: scales}, zero)
	VMULPS(zero, levels, levels)
	MOVQ(blocks, left)
	Label("block")
	t := ZMM()
	VPBROADCASTQ(Mem{Base: codes}, t)
	VPSHUFB(spread, t, t)
	VPSRLVD(shift, t, t)
	VPERMPS(levels, t, t)
	VMOVUPS(t, Mem{Base: dst})
	ADDQ(step, codes)
	ADDQ(Imm(64), dst)
	DECQ(left)
	JNZ(LabelRef("block"))
	ADDQ(Imm(4), scales)
	ADDQ(Imm(4), zeros)
	DECQ(groups)
	JMP(LabelRef("group"))
	Label("done")
	VZEROUPPER()
	RET()
}
