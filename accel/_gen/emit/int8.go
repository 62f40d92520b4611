package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// eight is the int8 inner product at one width. Sums are taken modulo 2^32, so every level and every
// order of the sums gives the same bits.
type eight struct {
	machine
	s    span
	mask Register // K register of the tail; AVX2 has none
	flip Register // vnni: 0x80 in every byte
	bias Register // vnni: -128 times the sums of q, a lane each
}

// Int8 emits the inner product of int8 slices in its three shapes.
func Int8() {
	for _, m := range []machine{avx2, avx512, vnni} {
		e := &eight{machine: m}
		TEXT("dotInt8"+m.name, NOSPLIT, "func(a, b []int8) int32")
		Pragma("noescape")
		Doc(fmt.Sprintf("dotInt8%s is the inner product of two slices of len(a) numbers, modulo 2^32.", m.name))
		e.pair()
		e = &eight{machine: m}
		TEXT("dotInt8Rows"+m.name, NOSPLIT, "func(q *int8, dim int, rows *int8, count int, dst *int32)")
		Pragma("noescape")
		Doc(fmt.Sprintf("dotInt8Rows%s writes the inner products of q with count rows that lie one after the other.", m.name))
		rows(e, e.group(), []string{"dst"})
		e = &eight{machine: m}
		TEXT("dotInt8Gather"+m.name, NOSPLIT, "func(q *int8, dim int, rows *int8, at *uint32, count int, dst *int32)")
		Pragma("noescape")
		Doc(fmt.Sprintf("dotInt8Gather%s writes the inner products of q with the count rows whose numbers are at.", m.name))
		gather(e, 2, []string{"dst"})
	}
}

func (e *eight) group() int {
	if e.wide {
		return 4
	}
	return 2
}

func (e *eight) size() int { return 1 }

// width is the bytes of a row one chunk takes: all of a register for VNNI, half where bytes are
// widened to words first.
func (e *eight) width() int {
	if e.name == vnni.name {
		return 64
	}
	return e.bytes / 2
}

func (e *eight) begin(l *labels, q, dim Register) {
	e.s = cut(dim, e.width(), 1)
	if e.wide {
		e.mask = e.s.tailMask(64)
	}
	if e.name != vnni.name {
		return
	}
	// VPDPBUSD multiplies unsigned by signed bytes. A row's byte r is read as r+128, which adds
	// 128*sum(q) to the result; the sums of q are taken once and every row starts from their negative.
	e.flip, e.bias = ZMM(), ZMM()
	c := GP32()
	MOVL(U32(0x80808080), c)
	VPBROADCASTD(c, e.flip)
	sum := ZMM()
	e.zero(sum)
	e.zero(e.bias)
	loop, rest, done := l.next("bias"), l.next("biasrest"), l.next("biasdone")
	XORQ(e.s.off, e.s.off)
	Label(loop)
	CMPQ(e.s.off, e.s.end1)
	JGE(LabelRef(rest))
	dpbusd(e.s.at(q, 0), e.flip, sum)
	ADDQ(Imm(64), e.s.off)
	JMP(LabelRef(loop))
	Label(rest)
	TESTQ(e.s.rest, e.s.rest)
	JZ(LabelRef(done))
	v := ZMM()
	VMOVDQU8_Z(e.s.at(q, 0), e.mask, v)
	dpbusd(v, e.flip, sum)
	Label(done)
	VPSUBD(sum, e.bias, e.bias)
}

// add emits acc += q*row for one chunk; q is already in the form load gives.
func (e *eight) add(q Register, row Op, acc Register) {
	t := e.vec()
	if e.name == vnni.name {
		VPXORD(row, e.flip, t)
		dpbusd(q, t, acc)
		return
	}
	VPMOVSXBW(row, t)
	VPMADDWD(t, q, t)
	VPADDD(t, acc, acc)
}

func (e *eight) score(l *labels, q Register, group []Register, ah ahead, dst []Register) {
	v := e.sums(l, q, group, ah)
	switch len(v) {
	case 1:
		VPHADDD(v[0], v[0], v[0])
		VPHADDD(v[0], v[0], v[0])
		VMOVD(v[0], Mem{Base: dst[0]})
	case 2:
		VPHADDD(v[1], v[0], v[0])
		VPHADDD(v[0], v[0], v[0])
		VMOVQ(v[0], Mem{Base: dst[0]})
	case 4:
		VPHADDD(v[1], v[0], v[0])
		VPHADDD(v[3], v[2], v[2])
		VPHADDD(v[2], v[0], v[0])
		VMOVDQU(v[0], Mem{Base: dst[0]})
	}
}

// sums returns the four remaining lanes of every row of the group.
func (e *eight) sums(l *labels, q Register, group []Register, ah ahead) []Register {
	acc := make([][]Register, len(group))
	for i := range acc {
		for c := 0; c < accumulators; c++ {
			v := e.vec()
			if c == 0 && e.bias != nil {
				VMOVDQA32(e.bias, v)
			} else {
				e.zero(v)
			}
			acc[i] = append(acc[i], v)
		}
	}
	e.s.walk(l, e.width(), func(c, disp int) {
		v := e.vec()
		if e.name == vnni.name {
			VMOVDQU32(e.s.at(q, disp), v)
		} else {
			VPMOVSXBW(e.s.at(q, disp), v)
		}
		for i, r := range group {
			e.add(v, e.s.at(r, disp), acc[i][c])
		}
	}, func(n int) { ah.prefetch(e.s, group, n) }, func() { e.tail(l, q, group, acc) })
	var out []Register
	for i, a := range acc {
		VPADDD(a[1], a[0], a[0])
		VPADDD(a[3], a[2], a[2])
		VPADDD(a[2], a[0], a[0])
		v, hi := a[0].(VecVirtual), XMM()
		if e.wide {
			half := YMM()
			VEXTRACTI64X4(Imm(1), v.AsZ(), half)
			VPADDD(half, v.AsY(), v.AsY())
			VEXTRACTI32X4(Imm(1), v.AsY(), hi)
		} else {
			VEXTRACTI128(Imm(1), v.AsY(), hi)
		}
		VPADDD(hi, v.AsX(), low[i])
		out = append(out, low[i])
	}
	return out
}

// tail adds the elements after the last whole chunk. AVX2 has no masked byte load and must not read
// past the row: it goes byte by byte, at most fifteen times.
func (e *eight) tail(l *labels, q Register, group []Register, acc [][]Register) {
	if e.wide {
		v, w := ZMM(), ZMM()
		VMOVDQU8_Z(e.s.at(q, 0), e.mask, v)
		if e.name != vnni.name {
			VPMOVSXBW(v.AsY(), v)
		}
		for i, r := range group {
			VMOVDQU8_Z(e.s.at(r, 0), e.mask, w)
			if e.name == vnni.name {
				e.add(v, w, acc[i][accumulators-1])
			} else {
				e.add(v, w.AsY(), acc[i][accumulators-1])
			}
		}
		return
	}
	left := GP64()
	MOVQ(e.s.rest, left)
	loop := l.next("byte")
	Label(loop)
	x := GP32()
	for i, r := range group {
		y, t := GP32(), XMM()
		MOVBLSX(e.s.at(q, 0), x)
		MOVBLSX(e.s.at(r, 0), y)
		IMULL(x, y)
		VMOVD(y, t)
		VPADDD(t.AsY(), acc[i][accumulators-1], acc[i][accumulators-1])
	}
	INCQ(e.s.off)
	DECQ(left)
	JNZ(LabelRef(loop))
}

// pair emits the kernel for two slices.
func (e *eight) pair() {
	l := new(labels)
	a := Load(Param("a").Base(), GP64())
	b := Load(Param("b").Base(), GP64())
	n := Load(Param("a").Len(), GP64())
	e.begin(l, a, n)
	v := e.sums(l, a, []Register{b}, ahead{})[0]
	VPHADDD(v, v, v)
	VPHADDD(v, v, v)
	out := GP32()
	VMOVD(v, out)
	Store(out, ReturnIndex(0))
	VZEROUPPER()
	RET()
}
