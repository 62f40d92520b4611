package hnsw

import (
	"engram/accel"
	"engram/index"
)

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
	passing := f.Matching()
	defer func() { stats.Filtered = f.Refused }()
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
	w.best.Top.Reset(k)
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
		w.best.Top.Reset(k)
		w.begin(x.n, ef+leastEf, x.degree)
	}
	stats.Regime = index.Widened
	w.enterPassing(x, ef+starts)
	w.walkPassing(x, ef+starts, o.Done)
	return x.rerankPool(w, q, k, ef, stats)
}

// scanCodes fills the pool with the ef nearest rows that pass by their codes.
func (x *Index) scanCodes(w *walker, ef int, done <-chan struct{}) {
	w.filter.Rewind()
	for {
		m := w.filter.Fill(w.ids[:entryBlock])
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
		if !w.filter.None() && !w.filter.Passes(ord) {
			continue
		}
		w.ids[m] = ord
		m++
		if all++; all == most {
			break
		}
		if m == len(w.ids) {
			w.best.Show(x.rows, q, w.ids)
			m = 0
		}
	}
	w.best.Show(x.rows, q, w.ids[:m])
	stats.Reranked += int64(all)
	return all
}

// enterPassing starts the walk from the nearest entries and from all that pass: the rows that pass may lie in several places, none of them
// near the query.
func (w *walker) enterPassing(x *Index, ef int) {
	w.enter(x, x.entries, x.theirs)
	w.passing = w.passing[:0]
	for i, e := range x.entries {
		if w.filter.Passes(e) && w.see(e) {
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
			if !w.filter.Passes(v) {
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
			w.filter.Refused++
			for _, u := range x.linksOf(v) {
				if u < n && m < len(w.ids) && w.filter.Passes(u) && w.see(u) {
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
