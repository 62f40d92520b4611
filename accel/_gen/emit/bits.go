package emit

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Bits emits the Hamming distance with VPOPCNTQ.
func Bits() {
	m := vnni
	TEXT("hammingVNNI", NOSPLIT, "func(a, b []byte) int")
	Pragma("noescape")
	Doc("hammingVNNI counts the bits in which two slices of len(a) bytes differ.")
	l := new(labels)
	a := Load(Param("a").Base(), GP64())
	b := Load(Param("b").Base(), GP64())
	s := cut(Load(Param("a").Len(), GP64()), 64, 1)
	mask := s.tailMask(64)
	var acc []Register
	for c := 0; c < accumulators; c++ {
		v := ZMM()
		m.zero(v)
		acc = append(acc, v)
	}
	count := func(v Register, row Op, c int) {
		VPXORQ(row, v, v)
		VPOPCNTQ(v, v)
		VPADDQ(v, acc[c], acc[c])
	}
	s.walk(l, 64, func(c, disp int) {
		v := ZMM()
		VMOVDQU64(s.at(a, disp), v)
		count(v, s.at(b, disp), c)
	}, func(int) {}, func() {
		v, w := ZMM(), ZMM()
		VMOVDQU8_Z(s.at(a, 0), mask, v)
		VMOVDQU8_Z(s.at(b, 0), mask, w)
		count(v, w, accumulators-1)
	})
	VPADDQ(acc[1], acc[0], acc[0])
	VPADDQ(acc[3], acc[2], acc[2])
	VPADDQ(acc[2], acc[0], acc[0])
	v := acc[0].(VecVirtual)
	hi, lo := YMM(), XMM()
	VEXTRACTI64X4(Imm(1), v.AsZ(), hi)
	VPADDQ(hi, v.AsY(), v.AsY())
	VEXTRACTI32X4(Imm(1), v.AsY(), lo)
	VPADDQ(lo, v.AsX(), X0)
	x, y := GP64(), GP64()
	VPEXTRQ(Imm(0), X0, x)
	VPEXTRQ(Imm(1), X0, y)
	ADDQ(y, x)
	Store(x, ReturnIndex(0))
	VZEROUPPER()
	RET()
}
