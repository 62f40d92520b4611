package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Gemm emits the tile kernels of the float32 matrix product: a tile of C stays in registers while a row of the packed panel of B
// and one number of each row of A pass by. The panel has 32 columns at every level; AVX2 takes half of it at a time.
func Gemm() {
	tile(avx512, 12, 2)
	tile(avx2, 6, 2)
}

func tile(m machine, rows, cols int) {
	TEXT("gemmTile"+m.name, NOSPLIT, "func(k int, a *float32, lda int, b *float32, c *float32, ldc int, add bool)")
	Pragma("noescape")
	Doc(fmt.Sprintf("gemmTile%s makes %d rows by %d columns of the product of a, k numbers a row, and the panel b, 32 numbers a step of k;",
		m.name, rows, cols*m.bytes/4), "strides are in bytes, and add says to add to c.")
	k := Load(Param("k"), GP64())
	lda := Load(Param("lda"), GP64())
	b := Load(Param("b"), GP64())
	// Every third row has a pointer of its own; the two after it are reached by scaling the stride.
	var ptr []Register
	for i := 0; i < rows; i += 3 {
		if i == 0 {
			ptr = append(ptr, Load(Param("a"), GP64()))
			continue
		}
		p := GP64()
		LEAQ(Mem{Base: ptr[len(ptr)-1], Index: lda, Scale: 2}, p)
		ADDQ(lda, p)
		ptr = append(ptr, p)
	}
	acc := make([][]VecVirtual, rows)
	for i := range acc {
		for j := 0; j < cols; j++ {
			v := m.vec()
			m.zero(v)
			acc[i] = append(acc[i], v)
		}
	}
	var panel []VecVirtual
	for j := 0; j < cols; j++ {
		panel = append(panel, m.vec())
	}
	one := m.vec()
	step := func(u int) {
		for j, v := range panel {
			VMOVUPS(Mem{Base: b, Disp: u*128 + j*m.bytes}, v)
		}
		for i := range acc {
			x := Mem{Base: ptr[i/3], Disp: 4 * u}
			if i%3 > 0 {
				x.Index, x.Scale = lda, uint8(i%3)
			}
			VBROADCASTSS(x, one)
			for j, v := range panel {
				VFMADD231PS(v, one, acc[i][j])
			}
		}
	}
	next := func(u int) {
		for _, p := range ptr {
			ADDQ(Imm(uint64(4*u)), p)
		}
		ADDQ(I32(int32(128*u)), b)
		SUBQ(Imm(uint64(u)), k)
	}
	Label("fours")
	CMPQ(k, Imm(4))
	JLT(LabelRef("ones"))
	for u := 0; u < 4; u++ {
		step(u)
	}
	next(4)
	JMP(LabelRef("fours"))
	Label("ones")
	TESTQ(k, k)
	JZ(LabelRef("store"))
	step(0)
	next(1)
	JMP(LabelRef("ones"))
	Label("store")
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	add := Load(Param("add"), GP8())
	TESTB(add, add)
	JZ(LabelRef("set"))
	d := GP64()
	MOVQ(c, d)
	for i := range acc {
		for j, v := range acc[i] {
			VADDPS(Mem{Base: d, Disp: j * m.bytes}, v, v)
		}
		if i < len(acc)-1 {
			ADDQ(ldc, d)
		}
	}
	Label("set")
	for i := range acc {
		for j, v := range acc[i] {
			VMOVUPS(v, Mem{Base: c, Disp: j * m.bytes})
		}
		if i < len(acc)-1 {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
}
