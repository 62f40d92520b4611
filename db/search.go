package db

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/accel"
	"engram/db/internal/segment"
	"engram/index"
)

// Metric says how far two vectors are from each other.
type Metric = accel.Metric

// The metrics of vector columns. A dist of L2 is squared: Metric.Reported gives the number that a user sees.
const (
	L2           = accel.L2
	InnerProduct = accel.InnerProduct
	Cosine       = accel.Cosine
	L1           = accel.L1
	Hamming      = accel.Hamming // of bit strings
	Jaccard      = accel.Jaccard // of bit strings
)

// Query asks for the rows nearest to a vector.
type Query struct {
	Column int               // position of a vector, halfvec or bit column
	Near   []float32         // the query vector
	Bits   string            // the query of a bit column, '0' and '1', instead of Near
	K      int               // how many rows, at least 1
	Metric Metric            // 0 means Cosine, of a bit column Hamming
	Filter *roaring64.Bitmap // RowIDs that may be returned; nil means all
	Ef     int               // how many rows an hnsw index keeps in view; 0 means that it chooses
	Probes int               // how many lists an ivf index looks into; 0 means that it chooses
	Exact  bool              // compare every row: use no index
	Stats  *SearchStats      // filled when not nil
}

// Hit is one answer to a Query.
type Hit struct {
	ID   RowID
	Dist float32 // as the metric ranks: smaller is nearer, NaN is farthest
}

// SearchStats says what a search did.
type SearchStats struct {
	HeadVectors    int // vectors compared in the head and in the batch
	SegmentVectors int // vectors compared in segments
	Segments       int // segments visited

	Index           string // name of the index used, "" for none
	IndexedSegments int    // segments whose index was asked; the others were compared row by row
	Scored          int    // by indexes: rows whose dist was computed, be it from codes
	Reranked        int    // by indexes: rows whose exact dist was computed after a walk on codes
	Filtered        int    // by indexes: rows met that may not be returned
	Regime          string // how indexes treated the filter: none, exact, inside or widened; "" when none was asked
}

func compareHits(a, b Hit) int {
	return cmp.Or(index.CompareDist(a.Dist, b.Dist), cmp.Compare(a.ID, b.ID))
}

// Search returns the K rows nearest to q.Near, nearest first, ties by RowID. It is exact: it compares every row that Filter allows.
// Rows whose vector is NULL are never returned. A vector of another dimension than q.Near is a *QueryDimensionError.
func (s *Snapshot) Search(ctx context.Context, t *Table, q Query) ([]Hit, error) {
	ts, err := s.begin(t, nil)
	if err != nil {
		return nil, err
	}
	defer s.exit()
	x, err := newSearch(ctx, ts.t, &q)
	if err != nil {
		return nil, err
	}
	if err := x.addBase(s, ts, nil); err != nil {
		return nil, err
	}
	return x.run()
}

// Search returns the rows nearest to q.Near as the batch sees them: see Snapshot.Search.
func (b *Batch) Search(ctx context.Context, t *Table, q Query) ([]Hit, error) {
	tb, ts, err := b.begin(t, nil)
	if err != nil {
		return nil, err
	}
	defer b.snap.exit()
	x, err := newSearch(ctx, t, &q)
	if err != nil {
		return nil, err
	}
	if tb == nil || tb.hasBase() {
		if err := x.addBase(b.snap, ts, tb); err != nil {
			return nil, err
		}
	}
	if tb != nil {
		if err := x.addOwn(tb); err != nil {
			return nil, err
		}
	}
	return x.run()
}

// search is a Query under way: a list of scans, each over vectors that lie back to back, shared by a few goroutines.
type search struct {
	ctx    context.Context
	q      *Query
	t      *Table
	column uint32
	query  accel.Query
	scans  []vectorScan
	head   int // vectors of scans that are in the head
	stats  SearchStats
}

// vectorScan is vectors that lie back to back, some of which count.
type vectorScan struct {
	dim  int
	data []float32
	n    int
	// pick appends to dst which of the vectors from to to may be returned.
	pick func(dst []uint32, from, to int) []uint32
	id   func(i uint32) RowID
}

// scanBlock is how many vectors are scored at a time.
const scanBlock = 512

func newSearch(ctx context.Context, t *Table, q *Query) (*search, error) {
	if err := t.checkWant([]int{q.Column}); err != nil {
		return nil, err
	}
	if q.Metric == 0 {
		q.Metric = Cosine
	}
	c := &t.Columns[q.Column]
	switch {
	case c.Type.Kind != Vector && c.Type.Kind != Halfvec:
		return nil, fmt.Errorf("%w: column %q of type %s has no vectors", ErrInvalidValue, c.Name, c.Type)
	case !q.Metric.Valid() || q.Metric.Bits():
		return nil, fmt.Errorf("%w: metric %s does not compare vectors", ErrInvalidValue, q.Metric)
	case q.K < 1:
		return nil, fmt.Errorf("%w: a search for %d rows", ErrInvalidValue, q.K)
	case len(q.Near) == 0:
		return nil, fmt.Errorf("%w: the query vector has no elements", ErrInvalidValue)
	case c.Type.Dim() != 0 && c.Type.Dim() != len(q.Near):
		return nil, &QueryDimensionError{Stored: c.Type.Dim(), Query: len(q.Near)}
	}
	return &search{ctx: ctx, q: q, t: t, column: c.ID, query: accel.NewQuery(q.Metric, q.Near)}, nil
}

func (x *search) allows(id RowID) bool { return x.q.Filter == nil || x.q.Filter.Contains(uint64(id)) }

// addBase adds the vectors of a snapshot, but for rows that a batch has changed.
func (x *search) addBase(s *Snapshot, ts *tableState, tb *tableBatch) error {
	if x.q.Filter != nil && x.q.Filter.IsEmpty() {
		return nil
	}
	var own map[RowID]rowWrite
	if tb != nil {
		own = tb.rows
	}
	if a := ts.arenas[x.column]; a != nil {
		for _, c := range a.view() {
			x.addChunk(c, s.commit, own)
		}
	}
	for _, g := range ts.segments {
		dead, err := s.deadWith(g, own)
		if err == nil {
			err = x.addSegment(g, dead)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *search) addChunk(c chunkView, commit uint64, own map[RowID]rowWrite) {
	x.scans = append(x.scans, vectorScan{
		dim: c.dim, data: c.data, n: c.n,
		pick: func(dst []uint32, from, to int) []uint32 {
			for i := from; i < to; i++ {
				if !c.visible(i, commit) || !x.allows(c.ids[i]) {
					continue
				}
				if _, changed := own[c.ids[i]]; !changed {
					dst = append(dst, uint32(i))
				}
			}
			return dst
		},
		id: func(i uint32) RowID { return c.ids[i] },
	})
	x.head = len(x.scans)
}

// addOwn adds the vectors a batch has written.
func (x *search) addOwn(tb *tableBatch) error {
	byDim := map[int]*chunk{}
	for id, w := range tb.rows {
		if w.enc == nil || !x.allows(id) {
			continue
		}
		v, err := tb.table.vectorOf(id, w.enc, x.q.Column)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		c := byDim[len(v)]
		if c == nil {
			c = &chunk{dim: len(v)}
			byDim[len(v)] = c
		}
		c.data, c.ids = append(c.data, v...), append(c.ids, id)
	}
	for _, c := range byDim {
		x.scans = append([]vectorScan{{dim: c.dim, data: c.data, n: len(c.ids), pick: pickAll,
			id: func(i uint32) RowID { return c.ids[i] }}}, x.scans...)
		x.head++
	}
	return nil
}

func pickAll(dst []uint32, from, to int) []uint32 {
	for i := from; i < to; i++ {
		dst = append(dst, uint32(i))
	}
	return dst
}

// addSegment adds the vectors of a segment.
func (x *search) addSegment(g *segmentRef, dead *roaring.Bitmap) error {
	v, ok := g.seg.Vectors(x.column)
	if !ok || v.Count == 0 {
		return nil
	}
	x.stats.Segments++
	counts := func(ord uint32) bool { return dead == nil || !dead.Contains(ord) }
	id := func(ord uint32) RowID { return RowID(g.seg.RowID(ord)) }
	if x.q.Filter != nil && x.q.Filter.GetCardinality() < uint64(v.Count/8) {
		return x.addPicked(g, v, counts, id)
	}
	if v.Dim == 0 {
		for i := range v.Count {
			if ord := v.Ord(i); counts(ord) && x.allows(id(ord)) {
				x.addOne(v.Nth(i), id(ord))
			}
		}
		return nil
	}
	for _, r := range v.Runs {
		x.addRun(v, r, counts, id)
	}
	return nil
}

// addRun adds the vectors of one row group.
func (x *search) addRun(v *segment.VectorColumn, r segment.VectorRun, counts func(uint32) bool, id func(uint32) RowID) {
	ord := func(i uint32) uint32 { return r.FirstOrd + i }
	if v.Present != nil {
		ords := make([]uint32, 0, r.Count)
		it := v.Present.Iterator()
		it.AdvanceIfNeeded(r.FirstOrd)
		for len(ords) < r.Count && it.HasNext() {
			ords = append(ords, it.Next())
		}
		ord = func(i uint32) uint32 { return ords[i] }
	}
	x.scans = append(x.scans, vectorScan{
		dim: v.Dim, data: r.Data, n: r.Count,
		pick: func(dst []uint32, from, to int) []uint32 {
			for i := from; i < to; i++ {
				if o := ord(uint32(i)); counts(o) && (x.q.Filter == nil || x.allows(id(o))) {
					dst = append(dst, uint32(i))
				}
			}
			return dst
		},
		id: func(i uint32) RowID { return id(ord(i)) },
	})
}

// addPicked adds the vectors of the few rows that a filter allows.
func (x *search) addPicked(g *segmentRef, v *segment.VectorColumn, counts func(uint32) bool, id func(uint32) RowID) error {
	it := x.q.Filter.Iterator()
	it.AdvanceIfNeeded(uint64(g.min))
	for it.HasNext() {
		row := it.Next()
		if row > uint64(g.max) {
			break
		}
		if ord, ok := g.seg.Ord(row); ok && counts(ord) {
			if vec, ok := v.At(ord); ok {
				x.addOne(vec, RowID(row))
			}
		}
	}
	return nil
}

func (x *search) addOne(vec []float32, id RowID) {
	x.scans = append(x.scans, vectorScan{dim: len(vec), data: vec, n: 1, pick: pickAll, id: func(uint32) RowID { return id }})
}

// run makes the scans and merges their hits.
func (x *search) run() ([]Hit, error) {
	total := 0
	for i := range x.scans {
		total += x.scans[i].n * x.scans[i].dim
	}
	workers := max(1, min(runtime.GOMAXPROCS(0), total/(1<<18)))
	blocks := x.blocks()
	var next atomic.Int64
	var wg sync.WaitGroup
	lists, errs := make([][]Hit, workers), make([]error, workers)
	var headScored, segmentScored atomic.Int64
	work := func(w int) {
		k := nearest{k: x.q.K}
		var buf scanBuffer
		for {
			i := int(next.Add(1)) - 1
			if i >= len(blocks) {
				break
			}
			if errs[w] = x.ctx.Err(); errs[w] != nil {
				return
			}
			n, err := x.scan(blocks[i], &k, &buf)
			if err != nil {
				errs[w] = err
				return
			}
			if blocks[i].scan < x.head {
				headScored.Add(int64(n))
			} else {
				segmentScored.Add(int64(n))
			}
		}
		lists[w] = k.sorted()
	}
	for w := 1; w < workers; w++ {
		wg.Add(1)
		go func() { defer wg.Done(); work(w) }()
	}
	work(0)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	if x.q.Stats != nil {
		x.stats.HeadVectors, x.stats.SegmentVectors = int(headScored.Load()), int(segmentScored.Load())
		*x.q.Stats = x.stats
	}
	return index.Merge(nil, x.q.K, compareHits, lists...), nil
}

// block is a part of a scan that one goroutine does at a time.
type block struct{ scan, from, to int }

func (x *search) blocks() []block {
	var blocks []block
	for i := range x.scans {
		const step = 8 * scanBlock
		for from := 0; from < x.scans[i].n; from += step {
			blocks = append(blocks, block{i, from, min(from+step, x.scans[i].n)})
		}
	}
	return blocks
}

type scanBuffer struct {
	at   [scanBlock]uint32
	dist [scanBlock]float32
}

// scan scores a block and shows the hits to k. It returns how many vectors it compared.
func (x *search) scan(b block, k *nearest, buf *scanBuffer) (int, error) {
	s := &x.scans[b.scan]
	scored := 0
	for from := b.from; from < b.to; from += scanBlock {
		to := min(from+scanBlock, b.to)
		at := s.pick(buf.at[:0], from, to)
		if len(at) == 0 {
			continue
		}
		if s.dim != len(x.q.Near) {
			return 0, &QueryDimensionError{Stored: s.dim, Query: len(x.q.Near)}
		}
		dist := buf.dist[:len(at)]
		if len(at) == to-from {
			x.query.Rows(s.data[from*s.dim:to*s.dim], nil, dist)
		} else {
			x.query.Gather(s.data[:s.n*s.dim], nil, at, dist)
		}
		scored += len(at)
		for i, d := range dist {
			if k.wants(d) {
				k.push(Hit{ID: s.id(at[i]), Dist: d})
			}
		}
	}
	return scored, nil
}
