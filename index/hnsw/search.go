package hnsw

import (
	"fmt"

	"engram/accel"
	"engram/index"
	"engram/index/internal/space"
)

// defaultEf is the width of a search that asks for none.
const defaultEf = 64

// leastEf is the least width: a walk starts from as many rows.
const leastEf = 2 * starts

// Nearest returns the k rows nearest to v: see index.Searcher. EfSearch trades speed for recall.
func (x *Index) Nearest(v []float32, k int, o *index.SearchOptions) ([]index.Hit, error) {
	if len(v) != x.rows.Dim() {
		return nil, fmt.Errorf("%w %d and %d", index.ErrDimension, x.rows.Dim(), len(v))
	}
	if o == nil {
		o = new(index.SearchOptions)
	}
	w := walkers.Get().(*walker)
	defer walkers.Put(w)
	q := accel.NewQuery(x.metric, v)
	k = min(k, x.n)
	w.best.Top.Reset(k)
	stats := index.Stats{Searches: 1}
	x.search(w, &q, k, o, &stats)
	if o.Stats != nil {
		o.Stats.Add(stats)
	}
	return w.best.Top.AppendTo(o.Dst[:0]), nil
}

func (x *Index) search(w *walker, q *accel.Query, k int, o *index.SearchOptions, stats *index.Stats) {
	if k <= 0 {
		return
	}
	ef := o.EfSearch
	if ef <= 0 {
		ef = defaultEf
	}
	ef = max(ef, k, leastEf)
	w.scored = 0
	defer func() { stats.Scored = w.scored }()
	w.filter.Begin(o, x.n)
	defer w.filter.End()
	if !w.filter.None() {
		x.filtered(w, q, k, ef, o, stats)
		return
	}
	if x.lean == nil || ef >= x.n/2 || !x.aim(w, q.Vector(), ef) {
		x.scanRows(w, q, o)
		return
	}
	w.enter(x, x.entries, x.theirs)
	w.walk(x, ef, o.Done)
	if x.rerankPool(w, q, k, ef, stats) < k && !(o.Done != nil && stopped(o.Done)) {
		// Rows without a code are wanted too.
		w.best.Top.Reset(k)
		stats.Reranked = 0
		x.scanRows(w, q, o)
	}
}

// reranked is how many rows of a pool of ef are compared exactly to find the k nearest: codes misplace a row by a few places, and
// who widens the pool wants more recall than codes alone give.
func reranked(k, ef int) int { return min(ef, max(2*k+10, ef/3)) }

// aim makes w ready to walk towards v; false if v has no place among the rows.
func (x *Index) aim(w *walker, v []float32, ef int) bool {
	w.begin(x.n, ef, x.degree)
	if dim := x.lean.Dim(); len(w.vector) != dim {
		w.vector = make([]float32, dim)
	}
	offset := x.lean.Query(space.Query(x.metric, w.vector, v), &w.query, &w.lean)
	return offset-offset == 0
}
