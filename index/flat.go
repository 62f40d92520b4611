package index

import (
	"fmt"
	"math"
	"math/bits"
	"sync"

	"engram/accel"
)

// Flat compares a query with every row: exact, and the oracle for every other index. It covers float32
// vectors that lie one after the other, which it neither copies nor changes, so they may be a mapped file; they
// must outlive it. A Flat may be used by many goroutines at once.
//
// Flat is an Index, a Space, and makes Scorers of its rows. As an Index it works with any Scorer of as
// many rows, for example one that scores codes.
type Flat struct {
	metric accel.Metric
	dim    int
	n      int
	rows   []float32
	sq     []float32
}

// block is how many rows are scored between two looks at the filter, the top-k and Done.
const block = 256

// NewFlat makes a Flat of len(rows)/dim rows. sq may hold their squared norms as accel.SqNorms gives
// them, which makes Cosine cheaper; nil computes them with each search, other metrics ignore it. It fails if
// the lengths do not fit, or metric does not compare float32 vectors.
func NewFlat(metric accel.Metric, dim int, rows, sq []float32) (*Flat, error) {
	if metric.Distance() == nil {
		return nil, fmt.Errorf("index: %v: %w for float32 vectors", metric, accel.ErrMetric)
	}
	if dim < 1 || len(rows)%dim != 0 {
		return nil, fmt.Errorf("%w: %d numbers are not rows of %d", ErrDimension, len(rows), dim)
	}
	n := len(rows) / dim
	if n > math.MaxUint32 {
		return nil, fmt.Errorf("index: %d rows are more than ords can number", n)
	}
	if sq != nil && len(sq) != n {
		return nil, fmt.Errorf("index: %d squared norms for %d rows", len(sq), n)
	}
	return &Flat{metric: metric, dim: dim, n: n, rows: rows, sq: sq}, nil
}

// Len is how many rows there are.
func (f *Flat) Len() int { return f.n }

// Dim is how many elements a row has.
func (f *Flat) Dim() int { return f.dim }

// Metric is what the rows are compared by.
func (f *Flat) Metric() accel.Metric { return f.metric }

// Row is the vector of row ord, as stored.
func (f *Flat) Row(ord uint32) []float32 {
	i := int(ord) * f.dim
	return f.rows[i : i+f.dim : i+f.dim]
}

// Between is the dist of rows a and b.
func (f *Flat) Between(a, b uint32) float32 { return f.metric.Dist(f.Row(a), f.Row(b)) }

// Query makes a Scorer of v, which must not change while it is in use. The error is ErrDimension.
func (f *Flat) Query(v []float32) (*FlatQuery, error) {
	q := new(FlatQuery)
	if err := q.reset(f, v); err != nil {
		return nil, err
	}
	return q, nil
}

// FlatQuery scores a vector against the rows of a Flat. It may be used by many goroutines at once.
type FlatQuery struct {
	f *Flat
	q accel.Query
}

func (q *FlatQuery) reset(f *Flat, v []float32) error {
	if len(v) != f.dim {
		return fmt.Errorf("%w %d and %d", ErrDimension, f.dim, len(v))
	}
	q.f, q.q = f, accel.NewQuery(f.metric, v)
	return nil
}

// Score writes to dst[i] the dist of row ords[i]. It panics if a row does not exist.
func (q *FlatQuery) Score(ords []uint32, dst []float32) {
	q.q.Gather(q.f.rows, q.f.sq, ords, dst)
}

// ScoreRange writes to dst[i] the dist of row from+i. It panics if a row does not exist.
func (q *FlatQuery) ScoreRange(from uint32, dst []float32) {
	i, j := int(from), int(from)+len(dst)
	var sq []float32
	if q.f.sq != nil {
		sq = q.f.sq[i:j]
	}
	q.q.Rows(q.f.rows[i*q.f.dim:j*q.f.dim], sq, dst)
}

// scan is the memory of one search, kept between searches.
type scan struct {
	top   TopK
	own   FlatQuery
	o     SearchOptions
	stats Stats
	q     Scorer
	span  RangeScorer // q if it can, else nil
	n     int         // ords waiting
	ords  [block]uint32
	dists [block]float32
}

var scans = sync.Pool{New: func() any { return new(scan) }}

// Nearest is Search for the vector v. The error is ErrDimension.
func (f *Flat) Nearest(v []float32, k int, o *SearchOptions) ([]Hit, error) {
	s := scans.Get().(*scan)
	defer s.release()
	if err := s.own.reset(f, v); err != nil {
		return nil, err
	}
	return s.search(&s.own, f.n, k, o), nil
}

// Search returns the k nearest rows that pass the filter. Every row that passes is scored, once.
func (f *Flat) Search(q Scorer, k int, o *SearchOptions) []Hit {
	s := scans.Get().(*scan)
	defer s.release()
	return s.search(q, f.n, k, o)
}

// release forgets what belongs to the caller and keeps the memory, unless a very large k grew it.
func (s *scan) release() {
	s.own, s.o, s.q, s.span, s.n = FlatQuery{}, SearchOptions{}, nil, nil, 0
	if cap(s.top.heap) > 1<<16 {
		s.top = TopK{}
	}
	scans.Put(s)
}

func (s *scan) search(q Scorer, n, k int, o *SearchOptions) []Hit {
	if o != nil {
		s.o = *o
	}
	s.q, s.stats = q, Stats{Searches: 1}
	s.span, _ = q.(RangeScorer)
	s.top.Reset(min(k, n))
	if s.top.k > 0 {
		switch {
		case s.o.Bits != nil:
			s.words(n)
		case s.o.Keep != nil:
			s.asked(n)
		default:
			s.all(n)
		}
	}
	if s.o.Stats != nil {
		s.o.Stats.Add(s.stats)
	}
	return s.top.AppendTo(s.o.Dst[:0])
}

// done reports whether the caller has lost interest.
func (s *scan) done() bool {
	select {
	case <-s.o.Done: // never ready if nil
		return true
	default:
		return false
	}
}

// all scans without a filter.
func (s *scan) all(n int) {
	for from := 0; from < n && !s.done(); from += block {
		s.run(uint32(from), min(block, n-from))
	}
}

// run scores and shows m <= block rows from from on.
func (s *scan) run(from uint32, m int) {
	s.stats.Scored += int64(m)
	if s.span != nil {
		s.span.ScoreRange(from, s.dists[:m])
		s.top.PushRange(from, s.dists[:m])
		return
	}
	for i := range s.ords[:m] {
		s.ords[i] = from + uint32(i)
	}
	s.q.Score(s.ords[:m], s.dists[:m])
	s.top.PushAll(s.ords[:m], s.dists[:m])
}

// asked scans the rows that Keep allows.
func (s *scan) asked(n int) {
	for from := 0; from < n && !s.done(); from += block {
		for i := from; i < min(from+block, n); i++ {
			s.ask(uint32(i))
		}
	}
	s.flush()
}

// words scans the rows that Bits and Keep allow.
func (s *scan) words(n int) {
	whole := (n + 63) / 64
	for i := 0; i < whole; i++ {
		if i%(block/64) == 0 && s.done() {
			break
		}
		if i >= len(s.o.Bits) {
			s.stats.Filtered += int64(n - i*64)
			break
		}
		w := s.o.Bits[i]
		rows := min(64, n-i*64)
		if rows < 64 {
			w &= 1<<rows - 1
		}
		s.stats.Filtered += int64(rows - bits.OnesCount64(w))
		for ; w != 0; w &= w - 1 {
			s.ask(uint32(i*64 + bits.TrailingZeros64(w)))
		}
	}
	s.flush()
}

// ask queues a row unless Keep refuses it.
func (s *scan) ask(ord uint32) {
	if s.o.Keep != nil && !s.o.Keep(ord) {
		s.stats.Filtered++
		return
	}
	s.ords[s.n] = ord
	if s.n++; s.n == block {
		s.flush()
	}
}

// flush scores the queued rows, which are in ascending order.
func (s *scan) flush() {
	ords := s.ords[:s.n]
	s.n = 0
	if len(ords) == 0 {
		return
	}
	if int(ords[len(ords)-1]-ords[0]) == len(ords)-1 {
		s.run(ords[0], len(ords))
		return
	}
	dists := s.dists[:len(ords)]
	s.stats.Scored += int64(len(ords))
	s.q.Score(ords, dists)
	s.top.PushAll(ords, dists)
}
