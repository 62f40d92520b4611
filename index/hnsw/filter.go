package hnsw

import (
	"math/bits"

	"engram/accel"
	"engram/index"
)

// filter says which rows a search may return. It asks Keep once a row at most.
type filter struct {
	n       int
	bits    []uint64 // nil: all rows
	keep    func(ord uint32) bool
	asked   []uint64 // rows keep was asked for, and
	yes     []uint64 // those it let through
	refused int64    // rows met that do not pass
	word    int      // where fill goes on
	left    uint64   // what is left of the word before
}

// begin makes f the filter of o over n rows.
func (f *filter) begin(o *index.SearchOptions, n int) {
	f.n, f.bits, f.keep, f.refused = n, o.Bits, o.Keep, 0
	f.rewind()
	if f.keep == nil {
		return
	}
	words := (n + 63) / 64
	if cap(f.asked) < words {
		f.asked, f.yes = make([]uint64, words), make([]uint64, words)
	}
	f.asked, f.yes = f.asked[:words], f.yes[:words]
	clear(f.asked)
	clear(f.yes)
}

// end forgets what belongs to the caller.
func (f *filter) end() { f.bits, f.keep = nil, nil }

func (f *filter) rewind() { f.word, f.left = 0, 0 }

// none reports whether every row passes as far as is known without asking.
func (f *filter) none() bool { return f.bits == nil && f.keep == nil }

// passes reports whether a row may be returned.
func (f *filter) passes(ord uint32) bool {
	if f.bits != nil && (int(ord>>6) >= len(f.bits) || f.bits[ord>>6]>>(ord&63)&1 == 0) {
		return false
	}
	return f.keep == nil || f.ask(ord)
}

func (f *filter) ask(ord uint32) bool {
	word, bit := ord>>6, uint64(1)<<(ord&63)
	if f.asked[word]&bit == 0 {
		f.asked[word] |= bit
		if f.keep(ord) {
			f.yes[word] |= bit
		}
	}
	return f.yes[word]&bit != 0
}

// wordAt is 64 rows of bits, those beyond the rows left out.
func (f *filter) wordAt(i int) uint64 {
	w := ^uint64(0)
	if f.bits != nil {
		if i >= len(f.bits) {
			return 0
		}
		w = f.bits[i]
	}
	if rest := f.n - 64*i; rest < 64 {
		w &= 1<<rest - 1
	}
	return w
}

// samples is how many rows are asked to guess how many Keep lets through.
const samples = 128

// matching is how many rows pass: exactly without Keep, about with it.
func (f *filter) matching() int {
	count := f.n
	if f.bits != nil {
		count = 0
		for i := range (f.n + 63) / 64 {
			count += bits.OnesCount64(f.wordAt(i))
		}
	}
	if f.keep == nil || count == 0 {
		return count
	}
	asked, yes := 0, 0
	step := max(1, f.n/(2*samples))
	for ord := step / 2; ord < f.n && asked < samples; ord += step {
		if f.wordAt(ord/64)>>(ord%64)&1 == 1 {
			asked++
			if f.ask(uint32(ord)) {
				yes++
			}
		}
	}
	if asked == 0 {
		return count
	}
	return count * yes / asked
}

// fill writes the next rows that pass to dst and returns how many, fewer than len(dst) only at the end.
func (f *filter) fill(dst []uint32) int {
	m := 0
	for m < len(dst) {
		if f.left == 0 {
			if 64*f.word >= f.n {
				break
			}
			f.left = f.wordAt(f.word)
			f.word++
			f.refused += int64(min(64, f.n-64*(f.word-1)) - bits.OnesCount64(f.left))
			continue
		}
		ord := uint32(64*(f.word-1) + bits.TrailingZeros64(f.left))
		f.left &= f.left - 1
		if f.keep != nil && !f.ask(ord) {
			f.refused++
			continue
		}
		dst[m] = ord
		m++
	}
	return m
}

const (
	// insideShare is the least share of rows that pass for which a walk that does not look at the filter is best: below it, too
	// much of its pool is rows that may not be returned.
	insideShare = 0.7
	// scanBytes is how many bytes of codes are scanned for each row that a search keeps in view, rather than walked among.
	scanBytes = 40 << 10
	// scanLeast is how many bytes of codes are scanned at any width: it takes less than half a millisecond.
	scanLeast = 5 << 20
	// exactBytes is how many bytes of vectors are compared rather than their codes: where few rows pass, those nearest to a query are
	// far from it and nearly equally far, which codes do not tell apart.
	exactBytes = 4 << 20
)

// filtered searches the rows that pass w.filter.
func (x *Index) filtered(w *walker, q *accel.Query, k, ef int, o *index.SearchOptions, stats *index.Stats) {
	f := &w.filter
	passing := f.matching()
	defer func() { stats.Filtered = f.refused }()
	stats.Regime = index.Exact
	if few := 64 + 2*reranked(k, ef); passing <= few || x.scan == 0 && passing*4*x.rows.Dim() <= exactBytes || ef >= passing/2 || x.lean == nil || !x.aim(w, q.Vector(), ef+leastEf) {
		x.scanRows(w, q, o)
		return
	}
	scan := max(scanLeast, ef*scanBytes)
	if x.scan > 0 {
		scan = x.scan
	}
	found := 0
	if passing*x.size <= scan {
		x.scanCodes(w, ef, o.Done)
		found = x.rerankPool(w, q, k, ef, stats)
	} else {
		found = x.walkFiltered(w, q, k, ef, float64(passing)/float64(x.n), o, stats)
	}
	if found >= k || o.Done != nil && stopped(o.Done) {
		return
	}
	// The walk ran dry, or rows without a code are wanted too.
	w.best.top.Reset(k)
	stats.Regime, stats.Reranked = index.Exact, 0
	x.scanRows(w, q, o)
}

// walkFiltered searches by walking where share of the rows pass, and returns how many it found.
func (x *Index) walkFiltered(w *walker, q *accel.Query, k, ef int, share float64, o *index.SearchOptions, stats *index.Stats) int {
	if share >= insideShare {
		stats.Regime = index.Inside
		wide := int(float64(ef)/share) + leastEf
		w.begin(x.n, wide, x.degree)
		w.enter(x, x.entries, x.theirs)
		w.walk(x, wide, o.Done)
		if found := x.rerankPool(w, q, k, ef, stats); found >= k || o.Done != nil && stopped(o.Done) {
			return found
		}
		// None of the rows around v passes.
		w.best.top.Reset(k)
		w.begin(x.n, ef+leastEf, x.degree)
	}
	stats.Regime = index.Widened
	w.enterPassing(x, ef+starts)
	w.walkPassing(x, ef+starts, o.Done)
	return x.rerankPool(w, q, k, ef, stats)
}

// scanRows compares every row that passes exactly.
func (x *Index) scanRows(w *walker, q *accel.Query, o *index.SearchOptions) {
	w.room(x.degree)
	w.filter.rewind()
	for {
		m := w.filter.fill(w.ids[:entryBlock])
		if m == 0 {
			return
		}
		x.flat.show(q, w.ids[:m], &w.best)
		w.scored += int64(m)
		if o.Done != nil && stopped(o.Done) {
			return
		}
	}
}

// scanCodes fills the pool with the ef nearest rows that pass by their codes.
func (x *Index) scanCodes(w *walker, ef int, done <-chan struct{}) {
	w.filter.rewind()
	for {
		m := w.filter.fill(w.ids[:entryBlock])
		if m == 0 {
			return
		}
		w.score(x, m, ef)
		if done != nil && stopped(done) {
			return
		}
	}
}

// rerankPool compares the nearest rows of the pool that pass exactly and returns how many those were.
func (x *Index) rerankPool(w *walker, q *accel.Query, k, ef int, stats *index.Stats) int {
	most := reranked(k, ef)
	w.ids = w.ids[:cap(w.ids)]
	m, all := 0, 0
	for _, key := range w.pool {
		ord := keyOrd(key)
		if !w.filter.none() && !w.filter.passes(ord) {
			continue
		}
		w.ids[m] = ord
		m++
		if all++; all == most {
			break
		}
		if m == len(w.ids) {
			x.flat.show(q, w.ids, &w.best)
			m = 0
		}
	}
	x.flat.show(q, w.ids[:m], &w.best)
	stats.Reranked += int64(all)
	return all
}

// enterPassing starts the walk from the nearest entries and from all that pass: the rows that pass may lie in several places, none of them
// near the query.
func (w *walker) enterPassing(x *Index, ef int) {
	w.enter(x, x.entries, x.theirs)
	w.passing = w.passing[:0]
	for i, e := range x.entries {
		if w.filter.passes(e) && w.see(e) {
			w.passing = append(w.passing, uint32(i))
		}
	}
	for from := 0; from < len(w.passing); from += entryBlock {
		ids := w.passing[from:min(from+entryBlock, len(w.passing))]
		dists := w.dists[:len(ids)]
		w.query.Gather(x.theirs, ids, dists)
		w.scored += int64(len(ids))
		for i, d := range dists {
			if len(w.pool) < ef || d < w.bound(ef) {
				w.insert(key(d, x.entries[ids[i]]), ef)
			}
		}
	}
}

// branch is how many rows that pass a row leads to, directly or by way of a row that does not, before the next row is looked at.
const branch = 24

// walkPassing is walk among the rows that pass: where a link leads to a row that does not, the links of that row are taken in its place
// (the idea is ACORN's, arXiv 2403.04871). The pool may hold up to starts rows that do not pass.
func (w *walker) walkPassing(x *Index, ef int, done <-chan struct{}) {
	n := uint32(x.n)
	for {
		row, ok := w.expand()
		if !ok {
			return
		}
		m := 0
		w.passing = w.passing[:0]
		for _, v := range x.linksOf(row) {
			if v >= n {
				continue
			}
			if !w.filter.passes(v) {
				w.passing = append(w.passing, v)
			} else if w.see(v) {
				w.ids[m] = v
				m++
			}
		}
		for i, v := range w.passing {
			if m >= branch {
				break
			}
			if i+2 < len(w.passing) {
				x.fetchLinks(w.passing[i+2])
			}
			if !w.see(v) {
				continue
			}
			w.filter.refused++
			for _, u := range x.linksOf(v) {
				if u < n && m < len(w.ids) && w.filter.passes(u) && w.see(u) {
					w.ids[m] = u
					m++
				}
			}
		}
		w.ahead(x)
		w.score(x, m, ef)
		if done != nil && stopped(done) {
			return
		}
	}
}

// fetchLinks asks for the links of a row.
func (x *Index) fetchLinks(ord uint32) {
	at := int(ord) * (x.degree + 1)
	accel.Prefetch(x.links[at : at+x.degree+1])
}
