package ivf

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"engram/accel"
	"engram/index"
	"engram/index/internal/exact"
	"engram/index/internal/filter"
	"engram/index/internal/space"
	"engram/quant"
)

// walker is the memory of one search, kept between searches.
type walker struct {
	filter filter.Filter
	best   exact.Best
	vector []float32 // the query in the space of L2
	query  quant.RaBitQQuery
	near   sieve // rows
	to     sieve // lists
	order  []uint32
	seen   []uint64 // lists looked into
	sums   [chunk]uint16
	bounds [chunk]float32
	places [chunk]uint32
	at     [chunk]uint32
	dots   [chunk]int32
	dists  [chunk]float32
	errs   [chunk]float32
	scored int64
}

const (
	// chunk is how many rows are scored between two looks at the bound.
	chunk = 8 * accel.ScanRows
	// unbounded is the same while there is no bound, and all of them go on to the next code.
	unbounded = 2 * accel.ScanRows
	// batch is how many rows are compared exactly between two looks at the bound: their vectors are fetched together.
	batch = 8
	// eps is how many standard deviations of its code a row may be nearer than it seems.
	eps = 1.9
	// firstLists is how many lists are put in order before a search begins; the others are where it needs them.
	firstLists = 32
	// longestSq bounds the squared length of what is compared by codes: distances between such are finite.
	longestSq = 1e37
	// filteredReach is by how much farther a search under a filter looks: rows that pass need not lie where rows lie.
	filteredReach = 1.25
	// exactBytes is how many bytes of vectors that pass a filter are compared rather than their codes.
	exactBytes = 4 << 20
)

var walkers = sync.Pool{New: func() any { return new(walker) }}

// Nearest returns the k rows nearest to v: see index.Searcher. Probes trades speed for recall; where it is 0, the search looks
// into lists for as long as they promise more.
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
	w.scored = 0
	stats := index.Stats{Searches: 1}
	if k > 0 {
		w.filter.Begin(o, x.n)
		x.search(w, &q, k, o, &stats)
		w.filter.End()
		stats.Scored, stats.Filtered = w.scored, w.filter.Refused
	}
	if o.Stats != nil {
		o.Stats.Add(stats)
	}
	return w.best.Top.AppendTo(o.Dst[:0]), nil
}

func (x *Index) search(w *walker, q *accel.Query, k int, o *index.SearchOptions, stats *index.Stats) {
	filtered := !w.filter.None()
	if filtered {
		stats.Regime = index.Exact
		if few := w.filter.Matching(); few <= 64+2*k || few*4*x.rows.Dim() <= exactBytes {
			x.scanRows(w, q, o)
			return
		}
	}
	if x.codes == nil || k >= x.n/2 || !x.aim(w, q.Vector()) {
		x.scanRows(w, q, o)
		return
	}
	wide := x.scanLists(w, k, o)
	if filtered {
		stats.Regime = index.Inside
		if wide {
			stats.Regime = index.Widened
		}
	}
	x.rerank(w, q, k, stats)
	if w.best.Top.Len() < k && !stopped(o.Done) {
		// Rows without a code are wanted too.
		w.ask(x.odd, func(ords []uint32) {
			w.scored += int64(len(ords))
			w.best.Show(x.rows, q, ords)
		})
	}
}

// aim makes w ready to look for v; false if v has no place among the rows.
func (x *Index) aim(w *walker, v []float32) bool {
	if dim := x.codes.Dim(); len(w.vector) != dim {
		w.vector = make([]float32, dim)
	}
	return x.codes.Query(space.Query(x.metric, w.vector, v), &w.query) && accel.SqNorm(w.query.Turned) < longestSq
}

// scanLists looks into lists, nearest first, and leaves what it found in w.near. It reports whether it looked into more than it would
// have without a filter.
func (x *Index) scanLists(w *walker, k int, o *index.SearchOptions) (wide bool) {
	lists := x.Lists()
	w.near.reset(k)
	if cap(w.seen) < (lists+63)/64 {
		w.seen = make([]uint64, (lists+63)/64)
	}
	w.seen = w.seen[:(lists+63)/64]
	clear(w.seen)
	w.order = w.order[:0]
	first := firstLists
	if o.Probes > 0 {
		first = o.Probes + o.Probes/4 + 4 // codes put some of them too far back
	}
	least := float32(math.Inf(1)) // squared distance of the nearest centroid
	for i := 0; i < lists; i++ {
		if i == len(w.order) {
			x.goOn(w, first)
			first *= 4
		}
		list := w.order[i]
		base := x.toCentroid(w, list)
		least = min(least, base)
		if w.enough(x, i, base, least, o.Probes) {
			if len(w.near.pool) >= k {
				return wide
			}
			wide = true
		}
		w.seen[list/64] |= 1 << (list % 64)
		w.scored += int64(w.scan(x.codes, &x.lists, int(list), base, &w.near, &w.filter))
		if stopped(o.Done) {
			return wide
		}
	}
	return wide
}

// enough reports whether the lists before number i are those a search looks into. Where the caller does not say how many, it goes
// on while a row as near as the k-th best may well lie on the other side of the plane between this centroid and the nearest one: the
// distance of the query to that plane is the difference of the squared distances over twice the distance of the centroids, and in many
// dimensions a row at distance d is off by about the same small share of d in any direction. That share, and how far centroids are
// apart, are in x.reach.
func (w *walker) enough(x *Index, i int, base, least float32, probes int) bool {
	if probes > 0 {
		return i >= probes
	}
	reach := x.reach
	if !w.filter.None() {
		reach *= filteredReach
	}
	return base-least > reach*float32(math.Sqrt(float64(max(0, w.near.bound())))) // never while fewer than k are known: NaN
}

func (x *Index) toCentroid(w *walker, list uint32) float32 {
	return accel.L2Sq(w.query.Turned, x.centroid(int(list)))
}

// goOn puts lists that were not looked into in order behind those that were: about the first of all by their codes, or all of them.
func (x *Index) goOn(w *walker, first int) {
	if 2*first < x.Lists() {
		w.to.reset(first)
		w.scan(x.codes, &x.root, 0, accel.SqNorm(w.query.Turned), &w.to, nil)
		if w.follow(w.to.sorted()) {
			return
		}
	}
	w.to.reset(0)
	for l := range x.Lists() {
		w.to.pool = append(w.to.pool, candidate{x.toCentroid(w, uint32(l)), uint32(l)})
	}
	slices.SortFunc(w.to.pool, nearer)
	w.follow(w.to.pool)
}

// follow puts those of lists that were not looked into behind the others, and reports whether there are any.
func (w *walker) follow(lists []candidate) bool {
	before := len(w.order)
	for _, c := range lists {
		if w.seen[c.id/64]>>(c.id%64)&1 == 0 {
			w.order = append(w.order, c.id)
		}
	}
	return len(w.order) > before
}

// scan shows the rows of a list that pass f, if it is not nil, to s, and returns how many rows there are; base is the squared distance
// of the query to the point they are coded around.
func (w *walker) scan(codes *quant.RaBitQ, c *coded, list int, base float32, s *sieve, f *filter.Filter) int {
	from, to := c.span(list)
	all := to - from
	block, size := int(c.blocks[list]), codes.BlockSize()
	for rows := 0; from < to; from += rows {
		rows = min(chunk, to-from)
		if bound := s.bound(); bound != bound {
			rows = min(unbounded, rows)
		}
		blocks := blocksOf(rows)
		n := blocks * accel.ScanRows
		w.query.Bounds(c.codes[block*size:(block+blocks)*size], c.factors[block*accel.ScanFactors:(block+blocks)*accel.ScanFactors],
			base, eps, w.sums[:n], w.bounds[:n])
		block += blocks
		m := accel.Below(w.bounds[:rows], s.bound(), w.places[:])
		kept := 0
		for _, p := range w.places[:m] {
			row := uint32(from) + p
			if c.ords[row] >= c.limit { // the file is damaged
				continue
			}
			if f != nil && !f.Passes(c.ords[row]) {
				f.Refused++
				continue
			}
			w.at[kept] = row
			kept++
		}
		w.query.Fine(c.records, w.at[:kept], base, w.dots[:kept], w.dists[:kept], w.errs[:kept])
		for i, row := range w.at[:kept] {
			off := eps * w.errs[i]
			s.show(c.ords[row], w.dists[i]-off, w.dists[i]+off)
		}
	}
	return all
}

// rerank compares what is left exactly, until no row can be among the k nearest any more.
func (x *Index) rerank(w *walker, q *accel.Query, k int, stats *index.Stats) {
	offset, scale := x.squared(w)
	left := w.near.sorted()
	for len(left) > 0 {
		m := batch
		if have := w.best.Top.Len(); have < k {
			m = min(k-have, chunk) // these are compared in any case
		}
		m = min(m, len(left))
		if left[0].low > offset+scale*w.best.Top.Bound() {
			return
		}
		ords := w.at[:m]
		for i, c := range left[:m] {
			ords[i] = c.id
		}
		w.best.Show(x.rows, q, ords)
		stats.Reranked += int64(m)
		left = left[m:]
	}
}

// squared says how dists become squared distances in the space of L2: offset + scale*dist.
func (x *Index) squared(w *walker) (offset, scale float32) {
	switch x.metric {
	case accel.InnerProduct:
		return accel.SqNorm(w.vector) + x.longest, 2
	case accel.Cosine:
		return 0, 2
	}
	return 0, 1
}

// ask calls show with those of ords that pass, some at a time.
func (w *walker) ask(ords []uint32, show func([]uint32)) {
	m := 0
	for _, ord := range ords {
		if !w.filter.None() && !w.filter.Passes(ord) {
			w.filter.Refused++
			continue
		}
		w.at[m] = ord
		if m++; m == len(w.at) {
			show(w.at[:m])
			m = 0
		}
	}
	show(w.at[:m])
}

// scanRows compares every row that passes exactly.
func (x *Index) scanRows(w *walker, q *accel.Query, o *index.SearchOptions) {
	w.filter.Rewind()
	for {
		m := w.filter.Fill(w.at[:])
		if m == 0 {
			return
		}
		w.best.Show(x.rows, q, w.at[:m])
		w.scored += int64(m)
		if stopped(o.Done) {
			return
		}
	}
}

func stopped(done <-chan struct{}) bool {
	select {
	case <-done: // never ready if nil
		return true
	default:
		return false
	}
}
