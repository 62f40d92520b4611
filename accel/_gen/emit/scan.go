package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Scan emits what a search over blocks of 32 codes does: see accel.FastScan, accel.ScanBounds and accel.Below.
func Scan() {
	for _, m := range []machine{avx2, avx512} {
		fastScan(m)
		scanBounds(m)
		below(m)
		nearest(m)
	}
}

// fastScan looks up m.bytes/16 groups at a time, one in each 128-bit lane. A register of bytes is added to 16-bit sums as it is, odd
// bytes spilling into the upper half, and once more shifted down: at the end the odd sums, shifted up, are taken off the even ones,
// which is exact whatever overflowed.
func fastScan(m machine) {
	TEXT("fastScan"+m.name, NOSPLIT, "func(codes, lut *byte, groups, blocks int, dst *uint16)")
	Pragma("noescape")
	Doc(fmt.Sprintf("fastScan%s adds up the table entries of blocks*32 rows; groups is a multiple of 4.", m.name))
	codes, tables, dst := Load(Param("codes"), GP64()), Load(Param("lut"), GP64()), Load(Param("dst"), GP64())
	bytes, blocks := Load(Param("groups"), GP64()), Load(Param("blocks"), GP64())
	SHLQ(Imm(4), bytes)
	nibble := m.vec()
	m.spread(0x0f0f0f0f, nibble)
	off := GP64()
	Label("block")
	var even, odd [2]VecVirtual // of rows 0 to 15 and 16 to 31
	for i := range even {
		even[i], odd[i] = m.vec(), m.vec()
		m.zero(even[i])
		m.zero(odd[i])
	}
	XORQ(off, off)
	Label("groups")
	c, t, hi := m.vec(), m.vec(), m.vec()
	m.load(Mem{Base: codes, Index: off, Scale: 1}, c)
	m.load(Mem{Base: tables, Index: off, Scale: 1}, t)
	VPSRLW(Imm(4), c, hi)
	m.and(nibble, c, c)
	m.and(nibble, hi, hi)
	for i, index := range []VecVirtual{c, hi} {
		v := m.vec()
		VPSHUFB(index, t, v)
		VPADDW(v, even[i], even[i])
		VPSRLW(Imm(8), v, v)
		VPADDW(v, odd[i], odd[i])
	}
	ADDQ(Imm(uint64(m.bytes)), off)
	CMPQ(off, bytes)
	JLT(LabelRef("groups"))
	for i := range even {
		v := m.vec()
		VPSLLW(Imm(8), odd[i], v)
		VPSUBW(v, even[i], even[i])
		for j, sum := range []VecVirtual{even[i], odd[i]} {
			VMOVDQU(m.foldWords(sum), Mem{Base: dst, Disp: 32*i + 16*j})
		}
	}
	ADDQ(bytes, codes)
	ADDQ(Imm(64), dst)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}

// foldWords adds up the 128-bit lanes of v in X0.
func (m machine) foldWords(v VecVirtual) Register {
	hi := XMM()
	if m.wide {
		half := YMM()
		VEXTRACTI64X4(Imm(1), v.AsZ(), half)
		VPADDW(half, v.AsY(), v.AsY())
	}
	VEXTRACTI128(Imm(1), v.AsY(), hi)
	VPADDW(hi, v.AsX(), X0)
	return X0
}

// spread fills v with a 32-bit number.
func (m machine) spread(x uint32, v VecVirtual) {
	g := GP32()
	MOVL(U32(x), g)
	VMOVD(g, X0)
	VPBROADCASTD(X0, v)
}

func (m machine) load(from Mem, v VecVirtual) {
	if m.wide {
		VMOVDQU32(from, v)
	} else {
		VMOVDQU(from, v)
	}
}

func (m machine) and(a, b, out VecVirtual) {
	if m.wide {
		VPANDD(a, b, out)
	} else {
		VPAND(a, b, out)
	}
}

// scanBounds multiplies and adds one at a time, so that every level rounds alike.
func scanBounds(m machine) {
	TEXT("scanBounds"+m.name, NOSPLIT, "func(sums *uint16, factors *float32, blocks int, base, scale, shift, reach float32, dst *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("scanBounds%s makes lower bounds of the sums of blocks*32 rows.", m.name))
	sums, factors, dst := Load(Param("sums"), GP64()), Load(Param("factors"), GP64()), Load(Param("dst"), GP64())
	blocks := Load(Param("blocks"), GP64())
	var number [4]VecVirtual
	for i, name := range []string{"base", "scale", "shift", "reach"} {
		x := Load(Param(name), XMM())
		number[i] = m.vec()
		VBROADCASTSS(x, number[i])
	}
	Label("block")
	for at := 0; at < 128; at += m.bytes {
		t, v := m.vec(), m.vec()
		VPMOVZXWD(Mem{Base: sums, Disp: at / 2}, t)
		VCVTDQ2PS(t, t)
		VMULPS(number[1], t, t)
		VADDPS(number[2], t, t)
		VMULPS(Mem{Base: factors, Disp: 128 + at}, t, t)
		VADDPS(Mem{Base: factors, Disp: at}, number[0], v)
		VSUBPS(t, v, v)
		VMULPS(Mem{Base: factors, Disp: 256 + at}, number[3], t)
		VSUBPS(t, v, v)
		VMOVUPS(v, Mem{Base: dst, Disp: at})
	}
	ADDQ(Imm(64), sums)
	ADDQ(I32(384), factors)
	ADDQ(I32(128), dst)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}

// notGreater is the predicate of a comparison that is true unless a > b, so also where one is no number.
const notGreater = 0x1A

// below works on whole registers; the caller does what is left.
func below(m machine) {
	TEXT("below"+m.name, NOSPLIT, "func(scores *float32, n int, bound float32, dst *uint32) int")
	Pragma("noescape")
	Doc(fmt.Sprintf("below%s writes the places of the scores that are not above bound; n is a positive multiple of %d.", m.name, m.bytes/4))
	scores, n, dst := Load(Param("scores"), GP64()), Load(Param("n"), GP64()), Load(Param("dst"), GP64())
	x := Load(Param("bound"), XMM())
	bound := m.vec()
	VBROADCASTSS(x, bound)
	at, found := GP64(), GP64()
	XORQ(at, at)
	XORQ(found, found)
	if m.wide {
		m.compress(scores, dst, n, at, found, bound)
	} else {
		m.pick(scores, dst, n, at, found, bound)
	}
	Store(found, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// compress writes a whole register at the end of what was found, which stays inside dst: no more was found than looked at.
func (m machine) compress(scores, dst, n, at, found Register, bound VecVirtual) {
	g := GLOBL("belowPlaces", RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(uint32(i)))
	}
	places, step := ZMM(), ZMM()
	VMOVDQU32(g, places)
	m.spread(16, step)
	Label("loop")
	v, k, count, out := ZMM(), K(), GP32(), ZMM()
	VMOVUPS(Mem{Base: scores, Index: at, Scale: 4}, v)
	VCMPPS(Imm(notGreater), bound, v, k)
	VPCOMPRESSD_Z(places, k, out)
	VMOVDQU32(out, Mem{Base: dst, Index: found, Scale: 4})
	KMOVW(k, count)
	POPCNTL(count, count)
	ADDQ(count.(GPVirtual).As64(), found)
	VPADDD(step, places, places)
	ADDQ(Imm(16), at)
	CMPQ(at, n)
	JLT(LabelRef("loop"))
}

// pick takes the bits of the comparison one by one: few are set where a bound is worth having.
func (m machine) pick(scores, dst, n, at, found Register, bound VecVirtual) {
	Label("loop")
	v, mask, bit := YMM(), GP64(), GP64()
	VMOVUPS(Mem{Base: scores, Index: at, Scale: 4}, v)
	VCMPPS(Imm(notGreater), bound, v, v)
	VMOVMSKPS(v, mask.As32())
	TESTL(mask.As32(), mask.As32())
	JZ(LabelRef("next"))
	Label("bits")
	TZCNTL(mask.As32(), bit.As32())
	ADDL(at.(GPVirtual).As32(), bit.As32())
	MOVL(bit.As32(), Mem{Base: dst, Index: found, Scale: 4})
	INCQ(found)
	BLSRL(mask.As32(), mask.As32())
	JNZ(LabelRef("bits"))
	Label("next")
	ADDQ(Imm(8), at)
	CMPQ(at, n)
	JLT(LabelRef("loop"))
}

// nearest keeps in every lane the least score so far and its place; the caller compares the lanes.
func nearest(m machine) {
	TEXT("nearest"+m.name, NOSPLIT, "func(bias, dots *float32, n int, scores *float32, places *uint32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("nearest%s finds the least of bias-2*dots in each of %d lanes; n is a positive multiple of that.", m.name, m.bytes/4))
	bias, dots, n := Load(Param("bias"), GP64()), Load(Param("dots"), GP64()), Load(Param("n"), GP64())
	lanes := GLOBL("nearestPlaces"+m.name, RODATA|NOPTR)
	for i := range m.bytes / 4 {
		DATA(4*i, U32(uint32(i)))
	}
	at := GP64()
	XORQ(at, at)
	least, place, now, step := m.vec(), m.vec(), m.vec(), m.vec()
	m.spread(0x7f800000, least) // infinity
	m.zero(place)
	m.load(lanes, now)
	m.spread(uint32(m.bytes/4), step)
	Label("loop")
	c, v := m.vec(), m.vec()
	VMOVUPS(Mem{Base: dots, Index: at, Scale: 4}, c)
	VMOVUPS(Mem{Base: bias, Index: at, Scale: 4}, v)
	VADDPS(c, c, c)
	VSUBPS(c, v, v)
	const less = 0x11 // quietly false where one is no number
	if m.wide {
		k := K()
		VCMPPS(Imm(less), least, v, k)
		VMOVAPS(v, k, least)
		VMOVDQA32(now, k, place)
	} else {
		k := YMM()
		VCMPPS(Imm(less), least, v, k)
		VBLENDVPS(k, v, least, least)
		VBLENDVPS(k, now, place, place)
	}
	VPADDD(step, now, now)
	ADDQ(Imm(uint64(m.bytes/4)), at)
	CMPQ(at, n)
	JLT(LabelRef("loop"))
	scores, places := Load(Param("scores"), GP64()), Load(Param("places"), GP64())
	VMOVUPS(least, Mem{Base: scores})
	VMOVUPS(place, Mem{Base: places})
	VZEROUPPER()
	RET()
}
