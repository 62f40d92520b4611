package emit

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// float is one float32 operation at one width.
type float struct {
	machine
	op   string
	s    span
	mask Register // of the tail: a K register, or for AVX2 a vector
	sign Register // l1: all bits but the sign
}

// Float emits the three shapes of op for AVX2 and AVX-512.
func Float(op string) {
	names := map[string]string{"dot": "dot", "l2sq": "l2sq", "l1": "l1", "dotnorm": "dotNorm"}
	says := map[string]string{
		"dot": "the inner product", "l2sq": "the squared Euclidean distance", "l1": "the sum of absolute differences",
		"dotnorm": "the inner product of q with a row, and of the row with itself,",
	}
	dsts, params := []string{"dst"}, "dst *float32"
	if op == "dotnorm" {
		dsts, params = []string{"dst", "sq"}, "dst, sq *float32"
	}
	if op != "dotnorm" {
		for _, m := range []machine{avx2, avx512} {
			TEXT(names[op]+m.name, NOSPLIT, "func(a, b []float32) float32")
			Pragma("noescape")
			Doc(fmt.Sprintf("%s%s is %s of two slices of len(a) numbers.", names[op], m.name, says[op]))
			f := &float{machine: m, op: op}
			pair(f)
		}
	}
	for _, m := range []machine{avx2, avx512} {
		f := &float{machine: m, op: op}
		TEXT(names[op]+"Rows"+m.name, NOSPLIT, "func(q *float32, dim int, rows *float32, count int, "+params+")")
		Pragma("noescape")
		Doc(fmt.Sprintf("%sRows%s writes %s for count rows that lie one after the other.", names[op], m.name, says[op]))
		rows(f, f.group(), dsts)
		f = &float{machine: m, op: op}
		TEXT(names[op]+"Gather"+m.name, NOSPLIT, "func(q *float32, dim int, rows *float32, at *uint32, count int, "+params+")")
		Pragma("noescape")
		Doc(fmt.Sprintf("%sGather%s writes %s for the count rows whose numbers are at.", names[op], m.name, says[op]))
		rowsAtOnce := min(2, f.group())
		gather(f, rowsAtOnce, dsts)
	}
}

// group is how many rows fit in the registers at once with four sums each.
func (f *float) group() int {
	n := 2
	if f.wide {
		n = 4
	}
	if f.op == "dotnorm" {
		n /= 2
	}
	return n
}

func (f *float) size() int { return 4 }

func (f *float) begin(l *labels, q, dim Register) {
	f.s = cut(dim, f.bytes/4, 4)
	if f.wide {
		f.mask = f.s.tailMask(16)
	}
	if f.op == "l1" {
		f.sign = f.vec()
		if f.wide {
			VPTERNLOGD(Imm(0xff), f.sign, f.sign, f.sign)
		} else {
			VPCMPEQD(f.sign, f.sign, f.sign)
		}
		VPSRLD(Imm(1), f.sign, f.sign)
	}
}

// tailTable is eight set and eight clear lanes: loading at 8-rest gives the mask of rest lanes.
func tailTable() Mem {
	if tail.Symbol.Name == "" {
		tail = GLOBL("tailMask", RODATA|NOPTR)
		for i := 0; i < 16; i++ {
			v := uint32(0)
			if i < 8 {
				v = 0xffffffff
			}
			DATA(4*i, U32(v))
		}
	}
	return tail
}

var tail Mem

// load puts the tail of the row at base into v, zero beyond it.
func (f *float) load(base, v Register) {
	if f.wide {
		VMOVUPS_Z(f.s.at(base, 0), f.mask, v)
		return
	}
	VMASKMOVPS(f.s.at(base, 0), f.mask, v)
}

// add emits acc += op(q, row) for one chunk; row may be memory.
func (f *float) add(q Register, row Op, acc []Register) {
	switch f.op {
	case "dot":
		VFMADD231PS(row, q, acc[0])
	case "l2sq":
		d := f.vec()
		VSUBPS(row, q, d)
		VFMADD231PS(d, d, acc[0])
	case "l1":
		d := f.vec()
		VSUBPS(row, q, d)
		if f.wide {
			VPANDD(f.sign, d, d)
		} else {
			VPAND(f.sign, d, d)
		}
		VADDPS(d, acc[0], acc[0])
	case "dotnorm":
		r := row
		if _, ok := row.(Mem); ok {
			v := f.vec()
			VMOVUPS(row, v)
			r = v
		}
		VFMADD231PS(r, q, acc[0])
		VFMADD231PS(r, r, acc[1])
	}
}

// sums runs over the rows and leaves each total in the low lane of the returned registers' group:
// out[d][i] is destination d of row i as a full vector, four sums already folded into one.
func (f *float) sums(l *labels, q Register, group []Register, ah ahead) [][]Register {
	outs := 1
	if f.op == "dotnorm" {
		outs = 2
	}
	acc := make([][][]Register, len(group)) // row, sum, destination
	for i := range acc {
		acc[i] = make([][]Register, accumulators)
		for c := range acc[i] {
			for d := 0; d < outs; d++ {
				v := f.vec()
				f.zero(v)
				acc[i][c] = append(acc[i][c], v)
			}
		}
	}
	f.s.walk(l, f.bytes, func(c, disp int) {
		v := f.vec()
		VMOVUPS(f.s.at(q, disp), v)
		for i, r := range group {
			f.add(v, f.s.at(r, disp), acc[i][c])
		}
	}, func(n int) { ah.prefetch(f.s, group, n) }, func() {
		if !f.wide {
			f.mask = f.vec()
			p, n := GP64(), GP64()
			LEAQ(tailTable(), p)
			MOVQ(f.s.rest, n)
			NEGQ(n)
			VMOVDQU(Mem{Base: p, Index: n, Scale: 4, Disp: 32}, f.mask)
		}
		v, w := f.vec(), f.vec()
		f.load(q, v)
		for i, r := range group {
			f.load(r, w)
			f.add(v, w, acc[i][accumulators-1])
		}
	})
	out := make([][]Register, outs)
	for i := range group {
		for d := range out {
			a := acc[i]
			VADDPS(a[1][d], a[0][d], a[0][d])
			VADDPS(a[3][d], a[2][d], a[2][d])
			VADDPS(a[2][d], a[0][d], a[0][d])
			out[d] = append(out[d], a[0][d])
		}
	}
	return out
}

// low are the registers that hold folded rows. They are fixed because horizontal adds have no form for
// registers above 15, which avo would otherwise hand out.
var low = []VecPhysical{X0, X1, X2, X3}

// fold adds the lanes of v, halves first, down to four, and leaves them in low[i].
func (f *float) fold(v Register, i int) Register {
	vec := v.(VecVirtual)
	if f.wide {
		hi, lo := YMM(), XMM()
		VEXTRACTF64X4(Imm(1), vec.AsZ(), hi)
		VADDPS(hi, vec.AsY(), vec.AsY())
		VEXTRACTF32X4(Imm(1), vec.AsY(), lo)
		VADDPS(lo, vec.AsX(), low[i])
		return low[i]
	}
	hi := XMM()
	VEXTRACTF128(Imm(1), vec.AsY(), hi)
	VADDPS(hi, vec.AsX(), low[i])
	return low[i]
}

func (f *float) score(l *labels, q Register, group []Register, ah ahead, dst []Register) {
	for d, v := range f.sums(l, q, group, ah) {
		for i := range v {
			v[i] = f.fold(v[i], i)
		}
		switch len(v) {
		case 1:
			VHADDPS(v[0], v[0], v[0])
			VHADDPS(v[0], v[0], v[0])
			VMOVSS(v[0], Mem{Base: dst[d]})
		case 2:
			VHADDPS(v[1], v[0], v[0])
			VHADDPS(v[0], v[0], v[0])
			VMOVSD(v[0], Mem{Base: dst[d]})
		case 4:
			VHADDPS(v[1], v[0], v[0])
			VHADDPS(v[3], v[2], v[2])
			VHADDPS(v[2], v[0], v[0])
			VMOVUPS(v[0], Mem{Base: dst[d]})
		}
	}
}

// pair emits the kernel for two slices.
func pair(f *float) {
	l := new(labels)
	a := Load(Param("a").Base(), GP64())
	b := Load(Param("b").Base(), GP64())
	n := Load(Param("a").Len(), GP64())
	f.begin(l, a, n)
	v := f.fold(f.sums(l, a, []Register{b}, ahead{})[0][0], 0)
	VHADDPS(v, v, v)
	VHADDPS(v, v, v)
	VZEROUPPER() // keeps the low lanes; what follows is an SSE store
	Store(v, ReturnIndex(0))
	RET()
}
