package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// stepBytes is a step of a panel: four codes of each of 64 columns.
const stepBytes = 256

// byteTile is the tile of the product of bytes at one width: 6 rows of A by 8 columns (AVX2) or 64 (VNNI).
type byteTile struct {
	machine
	acc        [6][]VecVirtual
	ptr        [2]Register // rows 0 and 3 of A; those between are reached by scaling the stride
	lda, b     Register
	panel, one []VecVirtual
}

// Gemm8 emits the tile kernels of the product of bytes. A panel of B has unsigned codes, four of each of 64 columns a step;
// A is signed. VNNI multiplies as they are, with A in bytes. AVX2 widens both to words, A beforehand: then two products
// fit the sum of VPMADDWD whatever they are, which the instruction on bytes, VPMADDUBSW, does not promise.
func Gemm8() {
	for _, m := range []machine{avx2, vnni} {
		TEXT("byteTile"+m.name, NOSPLIT, "func(steps int, a *byte, lda int, b *byte, first *int32, c *int32, ldc int, add bool)")
		Pragma("noescape")
		t := newByteTile(m, fmt.Sprintf("byteTile%s makes 6 rows by %d columns of the product of a and the panel b, starting row i from first[i];", m.name, byteCols(m)),
			"strides are in bytes, and add says to add to c.")
		t.single()
		TEXT("byteGroups"+m.name, NOSPLIT, "func(groups int, steps int, a *byte, lda int, b *byte, first *int32, scales *float32, c *float32, ldc int)")
		Pragma("noescape")
		t = newByteTile(m, fmt.Sprintf("byteGroups%s adds to c, for each of groups groups of steps steps, the tile as byteTile%s makes it times the column's scale.", m.name, m.name),
			"A group has 6 numbers of first and 64 scales.")
		t.groups()
	}
	fewBits()
	widen()
}

func byteCols(m machine) int {
	if m.wide {
		return 64
	}
	return 8
}

func newByteTile(m machine, doc ...string) *byteTile {
	Doc(doc...)
	t := &byteTile{machine: m, lda: Load(Param("lda"), GP64()), b: Load(Param("b"), GP64())}
	t.ptr[0] = Load(Param("a"), GP64())
	t.ptr[1] = GP64()
	LEAQ(Mem{Base: t.ptr[0], Index: t.lda, Scale: 2}, t.ptr[1])
	ADDQ(t.lda, t.ptr[1])
	regs := 2
	if m.wide {
		regs = 4
	}
	for i := range t.acc {
		for range regs {
			t.acc[i] = append(t.acc[i], m.vec())
		}
	}
	for range regs {
		t.panel, t.one = append(t.panel, m.vec()), append(t.one, m.vec())
	}
	return t
}

func (t *byteTile) clear() {
	for i := range t.acc {
		for _, v := range t.acc[i] {
			t.zero(v)
		}
	}
}

// step multiplies step u after the pointers.
func (t *byteTile) step(u int) {
	size := 8 // bytes of a row of A
	if t.wide {
		size = 4
	}
	for j, v := range t.panel {
		if t.wide {
			VMOVDQU32(Mem{Base: t.b, Disp: u*stepBytes + 64*j}, v)
		} else {
			VPMOVZXBW(Mem{Base: t.b, Disp: u*stepBytes + 16*j}, v)
		}
	}
	for i := range t.acc {
		x := Mem{Base: t.ptr[i/3], Disp: size * u}
		if i%3 > 0 {
			x.Index, x.Scale = t.lda, uint8(i%3)
		}
		if t.wide {
			one := t.one[i%len(t.one)]
			VPBROADCASTD(x, one)
			for j, v := range t.panel {
				dpbusd(one, v, t.acc[i][j])
			}
			continue
		}
		VPBROADCASTQ(x, t.one[0])
		VPMADDWD(t.panel[0], t.one[0], t.one[1])
		VPADDD(t.one[1], t.acc[i][0], t.acc[i][0])
		VPMADDWD(t.panel[1], t.one[0], t.one[0])
		VPADDD(t.one[0], t.acc[i][1], t.acc[i][1])
	}
}

// loop passes over n steps; n is spent.
func (t *byteTile) loop(n Register) {
	next := func(u int) {
		size := 8
		if t.wide {
			size = 4
		}
		for _, p := range t.ptr {
			ADDQ(Imm(uint64(size*u)), p)
		}
		ADDQ(I32(int32(stepBytes*u)), t.b)
	}
	Label("twos")
	SUBQ(Imm(2), n)
	JL(LabelRef("last"))
	t.step(0)
	t.step(1)
	next(2)
	JMP(LabelRef("twos"))
	Label("last")
	TESTQ(U32(1), n)
	JZ(LabelRef("sum"))
	t.step(0)
	next(1)
	Label("sum")
}

// sums leaves the sums of row i in its registers, a column a lane, with what it starts from added.
func (t *byteTile) sums(i int, first Register) []VecVirtual {
	VPBROADCASTD(Mem{Base: first, Disp: 4 * i}, t.one[0])
	out := t.acc[i]
	if !t.wide { // a register has two sums for each of four columns
		VPHADDD(t.acc[i][1], t.acc[i][0], t.acc[i][0])
		VPERMQ(Imm(0b11011000), t.acc[i][0], t.acc[i][0])
		out = out[:1]
	}
	for _, v := range out {
		VPADDD(t.one[0], v, v)
	}
	return out
}

func (t *byteTile) single() {
	t.clear()
	steps := Load(Param("steps"), GP64())
	t.loop(steps)
	first := Load(Param("first"), GP64())
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	add := Load(Param("add"), GP8())
	for _, adding := range []bool{true, false} {
		if adding {
			TESTB(add, add)
			JZ(LabelRef("set"))
		} else {
			Label("set")
		}
		d := GP64()
		MOVQ(c, d)
		for i := range t.acc {
			for j, v := range t.sums(i, first) {
				at := Mem{Base: d, Disp: j * t.bytes}
				if adding {
					VPADDD(at, v, v)
				}
				VMOVUPS(v, at)
			}
			if i < len(t.acc)-1 {
				ADDQ(ldc, d)
			}
		}
		VZEROUPPER()
		RET()
	}
}

func (t *byteTile) groups() {
	groups := Load(Param("groups"), GP64())
	first := Load(Param("first"), GP64())
	scales := Load(Param("scales"), GP64())
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	n, d := GP64(), GP64()
	Label("group")
	t.clear()
	Load(Param("steps"), n)
	t.loop(n)
	MOVQ(c, d)
	for i := range t.acc {
		for j, v := range t.sums(i, first) {
			at := Mem{Base: d, Disp: j * t.bytes}
			VCVTDQ2PS(v, v)
			VMULPS(Mem{Base: scales, Disp: j * t.bytes}, v, v)
			VADDPS(at, v, v)
			VMOVUPS(v, at)
		}
		if i < len(t.acc)-1 {
			ADDQ(ldc, d)
		}
	}
	ADDQ(Imm(24), first)
	ADDQ(I32(256), scales)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// fewBits emits the product of codes of few bits for AVX2. A code is at most 15, so that two products fit a word sixteen
// times over: the words of eight steps are added before they are widened, which halves the instructions.
func fewBits() {
	TEXT("byteNibblesAVX2", NOSPLIT, "func(groups int, steps int, a *byte, lda int, b *byte, first *int32, scales *float32, c *float32, ldc int)")
	Pragma("noescape")
	Doc("byteNibblesAVX2 is byteGroupsVNNI for codes of at most 15 and 16 columns.")
	sums := AllocLocal(6 * 64)
	lda := Load(Param("lda"), GP64())
	b := Load(Param("b"), GP64())
	p0 := Load(Param("a"), GP64())
	p1 := GP64()
	LEAQ(Mem{Base: p0, Index: lda, Scale: 2}, p1)
	ADDQ(lda, p1)
	groups := Load(Param("groups"), GP64())
	first := Load(Param("first"), GP64())
	scales := Load(Param("scales"), GP64())
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	var acc [6][2]VecVirtual
	for i := range acc {
		acc[i] = [2]VecVirtual{YMM(), YMM()}
	}
	b0, b1, x, y := YMM(), YMM(), YMM(), YMM()
	n, m, d := GP64(), GP64(), GP64()
	step := func(u int) {
		VMOVDQU(Mem{Base: b, Disp: u * stepBytes}, b0)
		VMOVDQU(Mem{Base: b, Disp: u*stepBytes + 32}, b1)
		for i := range acc {
			row := Mem{Base: []Register{p0, p1}[i/3], Disp: 4 * u}
			if i%3 > 0 {
				row.Index, row.Scale = lda, uint8(i%3)
			}
			VPBROADCASTD(row, x)
			VPMADDUBSW(x, b0, y)
			VPADDW(y, acc[i][0], acc[i][0])
			VPMADDUBSW(x, b1, x)
			VPADDW(x, acc[i][1], acc[i][1])
		}
	}
	next := func(u int) {
		ADDQ(Imm(uint64(4*u)), p0)
		ADDQ(Imm(uint64(4*u)), p1)
		ADDQ(I32(int32(stepBytes*u)), b)
	}
	Label("group")
	for i := range acc {
		VPBROADCASTD(Mem{Base: first, Disp: 4 * i}, x)
		VMOVDQU(x, sums.Offset(64*i))
		VMOVDQU(x, sums.Offset(64*i+32))
	}
	Load(Param("steps"), n)
	Label("part")
	MOVQ(U64(8), m)
	CMPQ(n, m)
	CMOVQLT(n, m)
	SUBQ(m, n)
	for i := range acc {
		for _, v := range acc[i] {
			VPXOR(v, v, v)
		}
	}
	Label("twos")
	SUBQ(Imm(2), m)
	JL(LabelRef("last"))
	step(0)
	step(1)
	next(2)
	JMP(LabelRef("twos"))
	Label("last")
	TESTQ(U32(1), m)
	JZ(LabelRef("sum"))
	step(0)
	next(1)
	Label("sum")
	ones := b0
	VPCMPEQW(ones, ones, ones)
	VPSRLW(Imm(15), ones, ones)
	for i := range acc {
		for j, v := range acc[i] {
			VPMADDWD(ones, v, v)
			VPADDD(sums.Offset(64*i+32*j), v, v)
			VMOVDQU(v, sums.Offset(64*i+32*j))
		}
	}
	TESTQ(n, n)
	JNZ(LabelRef("part"))
	MOVQ(c, d)
	for i := range acc {
		for j, v := range acc[i] {
			at := Mem{Base: d, Disp: 32 * j}
			VCVTDQ2PS(v, v)
			VMULPS(Mem{Base: scales, Disp: 32 * j}, v, v)
			VADDPS(at, v, v)
			VMOVUPS(v, at)
		}
		if i < len(acc)-1 {
			ADDQ(ldc, d)
		}
	}
	ADDQ(Imm(24), first)
	ADDQ(I32(256), scales)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

// widen emits the widening of A for AVX2.
func widen() {
	TEXT("widenAVX2", NOSPLIT, "func(dst *int16, src *int8, blocks int)")
	Pragma("noescape")
	Doc("widenAVX2 writes blocks times 16 numbers of src to dst.")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	n := Load(Param("blocks"), GP64())
	v := YMM()
	Label("loop")
	VPMOVSXBW(Mem{Base: src}, v)
	VMOVDQU(v, Mem{Base: dst})
	ADDQ(Imm(16), src)
	ADDQ(Imm(32), dst)
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
