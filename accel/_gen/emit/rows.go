package emit

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// scorer is what the three shapes (pair, rows, gather) need of an operation: begin is called once
// after q and dim are loaded, score emits one group of rows and stores its results, size is the
// bytes of an element.
type scorer interface {
	begin(l *labels, q, dim Register)
	score(l *labels, q Register, rows []Register, ahead ahead, dst []Register)
	size() int
}

// distance is how many bytes beyond the next group contiguous rows are fetched: short rows alone would
// leave memory less time to answer than it needs.
const distance = 4096

// ahead says what to prefetch while a group is scored: offset is a second running offset that is
// added to the rows themselves (contiguous rows), ptrs are other rows (gather). Both may be empty.
type ahead struct {
	offset GPVirtual
	ptrs   []Register
}

// rows emits the kernel for contiguous rows: groups of n, then one by one.
func rows(sc scorer, n int, dsts []string) {
	l := new(labels)
	q := Load(Param("q"), GP64())
	dim := Load(Param("dim"), GP64())
	sc.begin(l, q, dim)
	count := Load(Param("count"), GP64())
	first := Load(Param("rows"), GP64())
	var dst []Register
	for _, name := range dsts {
		dst = append(dst, Load(Param(name), GP64()))
	}
	stride := Load(Param("dim"), GP64())
	if sc.size() > 1 {
		IMUL3Q(I32(sc.size()), stride, stride)
	}
	next := GP64()
	groups, ones, done := l.next("groups"), l.next("single"), l.next("end")
	if n > 1 {
		Label(groups)
		CMPQ(count, Imm(uint64(n)))
		JLT(LabelRef(ones))
		group := []Register{first}
		for i := 1; i < n; i++ {
			r := GP64()
			MOVQ(group[i-1], r)
			ADDQ(stride, r)
			group = append(group, r)
		}
		MOVQ(stride, next)
		IMUL3Q(I32(int32(n)), next, next)
		ADDQ(I32(distance), next)
		sc.score(l, q, group, ahead{offset: next}, dst)
		MOVQ(group[n-1], first)
		ADDQ(stride, first)
		for _, d := range dst {
			ADDQ(Imm(uint64(4*n)), d)
		}
		SUBQ(Imm(uint64(n)), count)
		JMP(LabelRef(groups))
	}
	Label(ones)
	TESTQ(count, count)
	JZ(LabelRef(done))
	MOVQ(stride, next)
	sc.score(l, q, []Register{first}, ahead{offset: next}, dst)
	ADDQ(stride, first)
	for _, d := range dst {
		ADDQ(Imm(4), d)
	}
	DECQ(count)
	JMP(LabelRef(ones))
	Label(done)
	VZEROUPPER()
	RET()
}

// gather emits the kernel for rows picked by number: pairs, then the odd one. While a pair is
// scored the next pair is prefetched, which is what a walk over scattered rows waits for.
func gather(sc scorer, n int, dsts []string) {
	l := new(labels)
	q := Load(Param("q"), GP64())
	dim := Load(Param("dim"), GP64())
	sc.begin(l, q, dim)
	count := Load(Param("count"), GP64())
	base := Load(Param("rows"), GP64())
	at := Load(Param("at"), GP64())
	var dst []Register
	for _, name := range dsts {
		dst = append(dst, Load(Param(name), GP64()))
	}
	stride := Load(Param("dim"), GP64())
	if sc.size() > 1 {
		IMUL3Q(I32(sc.size()), stride, stride)
	}
	pick := func(i int, r Register) {
		MOVL(Mem{Base: at, Disp: 4 * i}, r.(GPVirtual).As32()) // clears the upper half
		IMULQ(stride, r)
		ADDQ(base, r)
	}
	var cur, nxt []Register
	for i := 0; i < n; i++ {
		cur, nxt = append(cur, GP64()), append(nxt, GP64())
	}
	groups, last, ones, done := l.next("groups"), l.next("last"), l.next("single"), l.next("end")
	Label(groups)
	CMPQ(count, Imm(uint64(n)))
	JLT(LabelRef(ones))
	for i := range cur {
		pick(i, cur[i])
		MOVQ(cur[i], nxt[i])
	}
	CMPQ(count, Imm(uint64(2*n)))
	JLT(LabelRef(last))
	for i := range nxt {
		pick(n+i, nxt[i])
	}
	Label(last)
	sc.score(l, q, cur, ahead{ptrs: nxt}, dst)
	for _, d := range dst {
		ADDQ(Imm(uint64(4*n)), d)
	}
	ADDQ(Imm(uint64(4*n)), at)
	SUBQ(Imm(uint64(n)), count)
	JMP(LabelRef(groups))
	Label(ones)
	TESTQ(count, count)
	JZ(LabelRef(done))
	pick(0, cur[0])
	sc.score(l, q, cur[:1], ahead{}, dst)
	for _, d := range dst {
		ADDQ(Imm(4), d)
	}
	ADDQ(Imm(4), at)
	DECQ(count)
	JMP(LabelRef(ones))
	Label(done)
	VZEROUPPER()
	RET()
}

// prefetch emits the fetches that go with width bytes of every row.
func (a ahead) prefetch(s span, rows []Register, width int) {
	for line := 0; line < width; line += 64 {
		for _, p := range a.ptrs {
			PREFETCHT0(s.at(p, line))
		}
		if a.offset == nil {
			continue
		}
		for _, r := range rows {
			PREFETCHT0(Mem{Base: r, Index: a.offset, Scale: 1, Disp: line})
		}
	}
	if a.offset != nil {
		ADDQ(I32(int32(width)), a.offset)
	}
}
