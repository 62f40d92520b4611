package hnsw

import (
	"math"
	"sync"

	"engram/accel"
	"engram/index/internal/exact"
	"engram/index/internal/filter"
	"engram/quant"
)

// walker is the memory of one walk, kept between walks.
type walker struct {
	visited []uint64 // a bit a row
	pool    []uint64 // nearest rows seen, nearest first: see key
	next    int      // no row before it is left to expand
	query   accel.CodeQuery
	lean    quant.LeanScratch
	vector  []float32 // the query as the codes know it
	ids     []uint32
	dists   []float32
	scored  int64
	links   []uint32 // a copy, while others change them
	passing []uint32 // rows or entries that the filter was asked for
	filter  filter.Filter
	best    exact.Best
	chosen  chooser
}

var walkers = sync.Pool{New: func() any { return new(walker) }}

// A key is a row in a pool: its dist above its ord above a bit that says that the row is expanded.
func key(dist float32, ord uint32) uint64 {
	b := math.Float32bits(dist)
	b ^= uint32(int32(b)>>31) | 1<<31 // the order of the bits is that of the numbers
	return uint64(b)<<32 | uint64(ord)<<1
}

func keyOrd(k uint64) uint32 { return uint32(k) >> 1 }

func keyDist(k uint64) float32 {
	b := uint32(k >> 32)
	b ^= uint32(int32(^b)>>31) | 1<<31
	return math.Float32frombits(b)
}

const expanded = 1

// begin forgets the walk before and makes room for one of width ef.
func (w *walker) begin(n, ef, degree int) {
	words := (n + 63) / 64
	if cap(w.visited) < words {
		w.visited = make([]uint64, words)
	}
	w.visited = w.visited[:words]
	clear(w.visited)
	if cap(w.pool) < ef+1 {
		w.pool = make([]uint64, 0, 2*(ef+1))
	}
	w.pool, w.next, w.scored = w.pool[:0], 0, 0
	w.room(degree)
}

// room makes room for the rows of one step.
func (w *walker) room(degree int) {
	if most := max(degree, entryBlock); cap(w.ids) < most {
		w.ids, w.dists = make([]uint32, most), make([]float32, most)
		w.links = make([]uint32, most)
	}
	w.ids, w.dists = w.ids[:cap(w.ids)], w.dists[:cap(w.ids)]
}

// see marks a row and reports whether it was not seen before.
func (w *walker) see(ord uint32) bool {
	word, bit := &w.visited[ord>>6], uint64(1)<<(ord&63)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

// insert puts a row into the pool of at most ef.
func (w *walker) insert(k uint64, ef int) {
	p := w.pool
	lo, hi := 0, len(p)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if p[mid] < k {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if len(p) < ef {
		p = p[:len(p)+1]
	}
	copy(p[lo+1:], p[lo:])
	p[lo] = k
	w.pool = p
	if lo < w.next {
		w.next = lo
	}
}

// bound is the dist at which a row does not enter a pool of ef any more.
func (w *walker) bound(ef int) float32 {
	if len(w.pool) < ef {
		return float32(math.Inf(1))
	}
	return keyDist(w.pool[ef-1])
}

const (
	// entryBlock is how many entries are scored at a time.
	entryBlock = 256
	// starts is how many of the nearest entries a walk starts from.
	starts = 4
)

// enter starts the walk from the nearest of the entries.
func (w *walker) enter(x *Index, entries []uint32, theirs []byte) {
	for from := 0; from < len(entries); from += entryBlock {
		m := min(entryBlock, len(entries)-from)
		for i := range m {
			w.ids[i] = uint32(from + i)
		}
		w.query.Gather(theirs, w.ids[:m], w.dists[:m])
		w.scored += int64(m)
		bound := w.bound(starts)
		for i, d := range w.dists[:m] {
			if d < bound {
				w.insert(key(d, entries[from+i]), starts)
				bound = w.bound(starts)
			}
		}
	}
	for _, k := range w.pool {
		w.see(keyOrd(k))
	}
}

// walk expands the nearest row not yet expanded until the pool holds none. The pool then is the nearest rows found.
func (w *walker) walk(x *Index, ef int, done <-chan struct{}) {
	for {
		row, ok := w.expand()
		if !ok {
			return
		}
		m := w.fresh(x.linksOf(row), x.n)
		w.ahead(x)
		w.score(x, m, ef)
		if done != nil && stopped(done) {
			return
		}
	}
}

// expand marks the nearest row not yet expanded and returns it; false if there is none.
func (w *walker) expand() (uint32, bool) {
	for w.next < len(w.pool) {
		k := w.pool[w.next]
		w.pool[w.next] |= expanded
		w.next++
		if k&expanded == 0 {
			return keyOrd(k), true
		}
	}
	return 0, false
}

// fresh puts those of links that were not seen before into ids and returns how many.
func (w *walker) fresh(links []uint32, n int) int {
	m, ids, visited := 0, w.ids, w.visited
	for _, v := range links {
		if int(v) >= n {
			continue
		}
		if word, bit := &visited[v>>6], uint64(1)<<(v&63); *word&bit == 0 {
			*word |= bit
			ids[m] = v
			m++
		}
	}
	return m
}

// ahead asks for the links of the row that will be expanded next unless a nearer one turns up.
func (w *walker) ahead(x *Index) {
	for i := w.next; i < len(w.pool); i++ {
		if k := w.pool[i]; k&expanded == 0 {
			x.fetchLinks(keyOrd(k))
			return
		}
	}
}

// score shows the first m of ids to the pool.
func (w *walker) score(x *Index, m, ef int) {
	w.query.Gather(x.codes, w.ids[:m], w.dists[:m])
	w.scored += int64(m)
	bound := w.bound(ef)
	for i, d := range w.dists[:m] {
		if d < bound {
			w.insert(key(d, w.ids[i]), ef)
			if len(w.pool) == ef {
				bound = keyDist(w.pool[ef-1])
			}
		}
	}
}

func stopped(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
