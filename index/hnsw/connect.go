package hnsw

// reach marks the rows that links lead to from some rows.
type reach struct {
	x     *Index
	seen  []uint64
	queue []uint32
}

func newReach(x *Index) *reach {
	r := &reach{x: x, seen: make([]uint64, (x.n+63)/64)}
	for _, e := range x.entries {
		r.from(e)
	}
	return r
}

func (r *reach) has(ord uint32) bool { return r.seen[ord>>6]>>(ord&63)&1 == 1 }

func (r *reach) from(ord uint32) {
	r.queue = append(r.queue[:0], ord)
	for len(r.queue) > 0 {
		at := r.queue[len(r.queue)-1]
		r.queue = r.queue[:len(r.queue)-1]
		if r.has(at) {
			continue
		}
		r.seen[at>>6] |= 1 << (at & 63)
		r.queue = append(r.queue, r.x.linksOf(at)...)
	}
}

// coded reports whether a row has a code: one that is not finite has none and is found by exact search only.
func (x *Index) coded(ord uint32) bool {
	d := x.lean.RowOffset(x.record(ord))
	return d == d
}

// unreached is a row that a search cannot come to, -1 if there is none.
func (x *Index) unreached() int {
	r := newReach(x)
	for ord := range uint32(x.n) {
		if !r.has(ord) && x.coded(ord) {
			return int(ord)
		}
	}
	return -1
}

// connect makes every row that has a code reachable from the entries.
func (x *Index) connect() {
	r := newReach(x)
	for ord := range uint32(x.n) {
		if !r.has(ord) && x.coded(ord) {
			x.attach(ord, r)
			r.from(ord)
		}
	}
}

// attach gives a reached row that ord links to a link back, or makes ord an entry where none of them has room.
func (x *Index) attach(ord uint32, r *reach) {
	for _, near := range x.linksOf(ord) {
		if !r.has(near) {
			continue
		}
		at := int(near) * (x.degree + 1)
		if count := int(x.links[at]); count < x.degree {
			x.links[at]++
			x.links[at+1+count] = ord
			return
		}
	}
	x.entries = append(x.entries, ord)
	x.theirs = append(x.theirs, x.record(ord)...)
}
