package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Half emits inner products and squared distances of a query of float32 with rows of float16: see accel.DotHalfRows. Numbers are
// widened as they are read; the caller takes care of those behind the last whole register.
func Half() {
	for _, m := range []machine{avx2, avx512} {
		for _, op := range []string{"dot", "l2sq"} {
			half(m, op)
		}
	}
}

func half(m machine, op string) {
	TEXT(op+"Half"+m.name, NOSPLIT, "func(q *float32, row *uint16, n int) float32")
	Pragma("noescape")
	Doc(fmt.Sprintf("%sHalf%s works on n numbers, a positive multiple of %d.", op, m.name, m.bytes/4))
	q, row, n := Load(Param("q"), GP64()), Load(Param("row"), GP64()), Load(Param("n"), GP64())
	lanes := m.bytes / 4
	sums := [2]VecVirtual{m.vec(), m.vec()}
	m.zero(sums[0])
	m.zero(sums[1])
	at, pairs := GP64(), GP64()
	XORQ(at, at)
	MOVQ(n, pairs)
	ANDQ(I32(int32(-2*lanes)), pairs)
	step := func(i int) {
		x, y := m.vec(), m.vec()
		VCVTPH2PS(Mem{Base: row, Index: at, Scale: 2, Disp: 2 * lanes * i}, x)
		VMOVUPS(Mem{Base: q, Index: at, Scale: 4, Disp: 4 * lanes * i}, y)
		if op == "l2sq" {
			VSUBPS(x, y, x)
			VFMADD231PS(x, x, sums[i])
		} else {
			VFMADD231PS(x, y, sums[i])
		}
	}
	Label("loop")
	CMPQ(at, pairs)
	JGE(LabelRef("last"))
	step(0)
	step(1)
	ADDQ(Imm(uint64(2*lanes)), at)
	JMP(LabelRef("loop"))
	Label("last")
	CMPQ(at, n)
	JGE(LabelRef("fold"))
	step(0)
	Label("fold")
	VADDPS(sums[1], sums[0], sums[0])
	v, hi := sums[0], XMM()
	if m.wide {
		half := YMM()
		VEXTRACTF64X4(Imm(1), v.AsZ(), half)
		VADDPS(half, v.AsY(), v.AsY())
	}
	VEXTRACTF128(Imm(1), v.AsY(), hi)
	VADDPS(hi, v.AsX(), v.AsX())
	VHADDPS(v.AsX(), v.AsX(), v.AsX())
	VHADDPS(v.AsX(), v.AsX(), X0)
	Store(X0, ReturnIndex(0))
	VZEROUPPER()
	RET()
}
