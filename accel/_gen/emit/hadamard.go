package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Hadamard emits the fast Hadamard transform. Levels inside a register are a permutation and a multiplication by
// signs of one, which is exact, so that every level gives the bits of the reference.
func Hadamard() {
	for _, m := range []machine{avx2, avx512} {
		TEXT("hadamard"+m.name, NOSPLIT, "func(v, factors *float32, n int)")
		Pragma("noescape")
		Doc(fmt.Sprintf("hadamard%s transforms n numbers in place, n a power of two and at least %d.", m.name, m.bytes/4))
		h := &hadamard{machine: m, l: new(labels)}
		h.v = Load(Param("v"), GP64())
		factors := Load(Param("factors"), GP64())
		h.end = Load(Param("n"), GP64())
		SHLQ(Imm(2), h.end)
		h.inside(factors)
		h.across()
		VZEROUPPER()
		RET()
	}
}

type hadamard struct {
	machine
	l      *labels
	v, end Register // end in bytes from v
}

// swap exchanges the halves of every run of 2*h numbers of a register.
func (m machine) swap(h int, v, out Register) {
	switch {
	case h == 1:
		VPERMILPS(Imm(0xB1), v, out)
	case h == 2:
		VPERMILPS(Imm(0x4E), v, out)
	case h == 4 && m.wide:
		VSHUFF32X4(Imm(0xB1), v, v, out)
	case h == 4:
		VPERM2F128(Imm(1), v, v, out)
	default:
		VSHUFF32X4(Imm(0x4E), v, v, out)
	}
}

// signs is a register with 1 and -1 in alternating runs of h.
func (m machine) signs(h int) Register {
	name := fmt.Sprintf("hadamard%s_%d", m.name, h)
	g := GLOBL(name, RODATA|NOPTR)
	for i := 0; i < m.bytes/4; i++ {
		x := U32(0x3f800000) // 1
		if i&h != 0 {
			x = U32(0xbf800000) // -1
		}
		DATA(4*i, x)
	}
	v := m.vec()
	VMOVUPS(g, v)
	return v
}

// inside does the levels that stay inside a register, after the factors.
func (h *hadamard) inside(factors Register) {
	lanes := h.bytes / 4
	var sign []Register
	for s := 1; s < lanes; s *= 2 {
		sign = append(sign, h.signs(s))
	}
	off := GP64()
	XORQ(off, off)
	loop := h.l.next("inside")
	Label(loop)
	v := h.vec()
	VMOVUPS(Mem{Base: h.v, Index: off, Scale: 1}, v)
	VMULPS(Mem{Base: factors, Index: off, Scale: 1}, v, v)
	for i, s := 0, 1; s < lanes; i, s = i+1, s*2 {
		w := h.vec()
		h.swap(s, v, w)
		VFMADD231PS(v, sign[i], w)
		v = w
	}
	VMOVUPS(v, Mem{Base: h.v, Index: off, Scale: 1})
	ADDQ(Imm(uint64(h.bytes)), off)
	CMPQ(off, h.end)
	JL(LabelRef(loop))
}

// across does the levels between registers, two in one pass while two are left.
func (h *hadamard) across() {
	step, double, four, outer := GP64(), GP64(), GP64(), GP64()
	MOVQ(U32(h.bytes), step)
	two, one, done := h.l.next("two"), h.l.next("one"), h.l.next("done")
	block, inner := h.l.next("block"), h.l.next("inner")
	at, stop := GP64(), GP64()
	p := [4]Register{GP64(), GP64(), GP64(), GP64()}
	Label(two)
	LEAQ(Mem{Base: step, Index: step, Scale: 1}, double)
	LEAQ(Mem{Base: double, Index: double, Scale: 1}, four)
	CMPQ(four, h.end)
	JG(LabelRef(one))
	XORQ(outer, outer)
	Label(block)
	LEAQ(Mem{Base: h.v, Index: outer, Scale: 1}, p[0])
	LEAQ(Mem{Base: p[0], Index: step, Scale: 1}, p[1])
	LEAQ(Mem{Base: p[0], Index: double, Scale: 1}, p[2])
	LEAQ(Mem{Base: p[1], Index: double, Scale: 1}, p[3])
	XORQ(at, at)
	Label(inner)
	var x [4]VecVirtual
	for i := range x {
		x[i] = h.vec()
		VMOVUPS(Mem{Base: p[i], Index: at, Scale: 1}, x[i])
	}
	y := [4]VecVirtual{h.vec(), h.vec(), h.vec(), h.vec()}
	VADDPS(x[1], x[0], y[0])
	VSUBPS(x[1], x[0], y[1])
	VADDPS(x[3], x[2], y[2])
	VSUBPS(x[3], x[2], y[3])
	VADDPS(y[2], y[0], x[0])
	VADDPS(y[3], y[1], x[1])
	VSUBPS(y[2], y[0], x[2])
	VSUBPS(y[3], y[1], x[3])
	for i := range x {
		VMOVUPS(x[i], Mem{Base: p[i], Index: at, Scale: 1})
	}
	ADDQ(Imm(uint64(h.bytes)), at)
	CMPQ(at, step)
	JL(LabelRef(inner))
	ADDQ(four, outer)
	CMPQ(outer, h.end)
	JL(LabelRef(block))
	MOVQ(four, step)
	JMP(LabelRef(two))

	Label(one)
	CMPQ(double, h.end)
	JG(LabelRef(done))
	// One level is left: it joins the two halves.
	LEAQ(Mem{Base: h.v, Index: step, Scale: 1}, p[1])
	MOVQ(step, stop)
	XORQ(at, at)
	last := h.l.next("last")
	Label(last)
	a, b, c := h.vec(), h.vec(), h.vec()
	VMOVUPS(Mem{Base: h.v, Index: at, Scale: 1}, a)
	VMOVUPS(Mem{Base: p[1], Index: at, Scale: 1}, b)
	VADDPS(b, a, c)
	VSUBPS(b, a, a)
	VMOVUPS(c, Mem{Base: h.v, Index: at, Scale: 1})
	VMOVUPS(a, Mem{Base: p[1], Index: at, Scale: 1})
	ADDQ(Imm(uint64(h.bytes)), at)
	CMPQ(at, stop)
	JL(LabelRef(last))
	Label(done)
}
