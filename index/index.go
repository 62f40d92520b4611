package index

import "errors"

var (
	// ErrDimension says that a vector has not as many elements as the rows it is to be compared with.
	ErrDimension = errors.New("index: different vector dimensions")
	// ErrFile says that bytes are not an index, or not the index of these rows. The index is to be built anew.
	ErrFile = errors.New("index: bad index file")
	// ErrMemory says that a build does not fit into its budget.
	ErrMemory = errors.New("index: the build needs more memory than it may use")
)

// Profile says what an approximate index spends its bytes on.
type Profile uint8

const (
	Fast    Profile = 0 // speed: at most 4*dim + 400 bytes a vector beside the vectors
	Compact Profile = 1 // size: at most dim/2 + 200 bytes a vector beside the vectors
)

// String is the name of p in SQL.
func (p Profile) String() string {
	if p == Compact {
		return "compact"
	}
	return "fast"
}

// Searcher finds the rows nearest to a vector. It may be used by many goroutines at once.
type Searcher interface {
	// Len is how many rows the index covers.
	Len() int
	// Nearest returns up to k hits, nearest first, ties in order of ord, dists that are NaN last. It returns k
	// whenever that many rows pass the filter. Dists are those of the metric on the stored vectors, whatever codes
	// the search walked on, so that hits of several indexes merge. The error is ErrDimension.
	Nearest(v []float32, k int, o *SearchOptions) ([]Hit, error)
}

// Space measures stored rows against each other, for building an index.
type Space interface {
	// Len is how many rows there are.
	Len() int
	// Between is the dist of rows a and b, smaller is nearer.
	Between(a, b uint32) float32
}

// Scorer scores one query against stored rows.
type Scorer interface {
	// Score writes to dst[i] the dist of row ords[i]. len(dst) is len(ords), ords are below the number
	// of rows. Neither slice is kept.
	Score(ords []uint32, dst []float32)
}

// RangeScorer is a Scorer that is faster on rows that follow each other. Flat uses it where it finds it.
type RangeScorer interface {
	Scorer
	// ScoreRange writes to dst[i] the dist of row from+i.
	ScoreRange(from uint32, dst []float32)
}

// Index finds the rows nearest to a query. It may be searched by many goroutines at once, each with
// its own Scorer unless that says otherwise.
type Index interface {
	// Len is how many rows the index covers.
	Len() int
	// Search returns up to k hits, nearest first, ties in order of ord, dists that are NaN last. It
	// returns k whenever that many rows pass the filter. q scores the rows the index covers.
	Search(q Scorer, k int, o *SearchOptions) []Hit
}

// Hit is a row and how far it is.
type Hit struct {
	Ord  uint32
	Dist float32
}

// SearchOptions says how to search. Nil means all defaults.
type SearchOptions struct {
	// EfSearch is how many rows an approximate search keeps in view. 0 means 64; exact indexes ignore it.
	EfSearch int
	// Probes is how many lists an inverted file looks into. 0 means that it chooses; others ignore it.
	Probes int
	// Bits has a set bit for each row that may be returned: row ord is bit ord%64 of Bits[ord/64], and
	// rows beyond the end may not. Nil allows all rows; a slice that is empty but not nil allows none.
	Bits []uint64
	// Keep, if not nil, is asked for rows that Bits allows; only rows it answers true are returned. It
	// is called by the searching goroutine, once a row at most.
	Keep func(ord uint32) bool
	// Done, if not nil, ends the search early when closed: the hits so far are returned and it is for
	// the caller to notice. A context's Done fits.
	Done <-chan struct{}
	// Dst, if its capacity suffices, holds the result, which then costs no allocation.
	Dst []Hit
	// Stats, if not nil, is added to.
	Stats *Stats
}

// Stats counts the work of searches. The counts only grow, so one Stats may serve many searches that
// follow each other.
type Stats struct {
	Searches int64  // searches made
	Scored   int64  // rows whose dist was computed
	Filtered int64  // rows not scored because the filter says no
	Reranked int64  // rows whose exact dist was computed after a search on codes
	Regime   Regime // how the last search treated its filter
}

// Regime is how a search treats a filter.
type Regime uint8

const (
	Unfiltered Regime = 0 // every row may be returned
	Exact      Regime = 1 // few rows pass: each was scored exactly
	Inside     Regime = 2 // most rows pass: the walk goes on and keeps those that do
	Widened    Regime = 3 // between: the walk looks through rows that do not pass
)

// String names the regime for people.
func (r Regime) String() string {
	switch r {
	case Exact:
		return "exact"
	case Inside:
		return "inside"
	case Widened:
		return "widened"
	}
	return "none"
}

// Add adds o to s.
func (s *Stats) Add(o Stats) {
	s.Searches += o.Searches
	s.Scored += o.Scored
	s.Filtered += o.Filtered
	s.Reranked += o.Reranked
	s.Regime = o.Regime
}
