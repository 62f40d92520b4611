package db

import (
	"cmp"
	"context"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/accel"
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
	Column int               // position of a vector or halfvec column
	Near   []float32         // the query vector
	K      int               // how many rows, at least 1
	Metric Metric            // 0 means Cosine; those of bits compare no vectors
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

// Search returns the K rows nearest to q.Near, nearest first, ties by RowID. Rows that are in no index are compared one by one,
// so every row is seen at once; with Exact, or without an index on the column for the metric, all are.
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
		x.release()
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
			x.release()
			return nil, err
		}
	}
	if tb != nil {
		if err := x.addOwn(tb); err != nil {
			x.release()
			return nil, err
		}
	}
	return x.run()
}

// search is a Query under way: scans, each over vectors that lie back to back, and probes of indexes, shared by a few goroutines.
type search struct {
	d      *DB
	ctx    context.Context
	q      *Query
	t      *Table
	column uint32
	query  accel.Query
	index  *VectorIndex // the one to use, nil for none
	filter *denseFilter // q.Filter, made when a probe first needs it
	probes []probe
	scans  []vectorScan
	head   int // vectors of scans that are in the head
	stats  SearchStats
}

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
	x := &search{ctx: ctx, q: q, t: t, column: c.ID, query: accel.NewQuery(q.Metric, q.Near)}
	if !q.Exact {
		x.index = t.indexFor(q.Column, q.Metric)
	}
	return x, nil
}
