package index

import "cmp"

// CompareDist orders dists: smaller first, NaN last and equal to itself.
func CompareDist(a, b float32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return cmp.Compare(isNaN(a), isNaN(b))
}

func isNaN(x float32) int {
	if x != x {
		return 1
	}
	return 0
}

// Compare orders hits as Search returns them: by dist, then by ord.
func Compare(a, b Hit) int {
	return cmp.Or(CompareDist(a.Dist, b.Dist), cmp.Compare(a.Ord, b.Ord))
}

// Merge appends to dst the first k hits of all lists together. Each list is sorted by compare already,
// which may order any kind of hit, by any kind of id:
//
//	index.Merge(nil, k, func(a, b RowHit) int {
//		return cmp.Or(index.CompareDist(a.Dist, b.Dist), cmp.Compare(a.ID, b.ID))
//	}, lists...)
//
// Hits that compare equal come in the order of their lists; none is dropped.
func Merge[H any](dst []H, k int, compare func(a, b H) int, lists ...[]H) []H {
	m := merger[H]{compare: compare, heads: make([]head[H], 0, len(lists))}
	for i, l := range lists {
		if len(l) > 0 {
			m.heads = append(m.heads, head[H]{l, i})
		}
	}
	for i := len(m.heads)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	for ; k > 0 && len(m.heads) > 0; k-- {
		h := &m.heads[0]
		dst = append(dst, h.rest[0])
		if h.rest = h.rest[1:]; len(h.rest) == 0 {
			last := len(m.heads) - 1
			m.heads[0] = m.heads[last]
			m.heads = m.heads[:last]
		}
		m.sink(0)
	}
	return dst
}

// merger is a heap of lists with the nearest first hit on top.
type merger[H any] struct {
	compare func(a, b H) int
	heads   []head[H]
}

type head[H any] struct {
	rest []H // not empty
	list int // its number, which breaks ties
}

func (m *merger[H]) before(i, j int) bool {
	a, b := &m.heads[i], &m.heads[j]
	c := m.compare(a.rest[0], b.rest[0])
	return c < 0 || c == 0 && a.list < b.list
}

func (m *merger[H]) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heads) {
			return
		}
		if child+1 < len(m.heads) && m.before(child+1, child) {
			child++
		}
		if !m.before(child, i) {
			return
		}
		m.heads[i], m.heads[child] = m.heads[child], m.heads[i]
		i = child
	}
}
