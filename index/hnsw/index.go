package hnsw

import (
	"context"
	"fmt"

	"engram/accel"
	"engram/index"
)

// Config says how to build an index. The zero value of everything but Metric is a good choice.
type Config struct {
	// Metric is L2, InnerProduct or Cosine.
	Metric accel.Metric
	// M is half of how many links a vector has, as in other libraries; 0 means 16, 1024 is the most.
	M int
	// EfConstruction is how many rows a search of the build keeps in view; 0 means that the size of the data decides.
	EfConstruction int
	// Profile says what to spend bytes on.
	Profile index.Profile
	// Threads is how many goroutines build; 0 means GOMAXPROCS. The index does not depend on it.
	Threads int
	// Memory is how many bytes the build may hold beside the rows, 0 for no limit. If they do not suffice the error is index.ErrMemory.
	Memory int64
	// Seed makes another, equally good index.
	Seed uint64
	// Progress, if not nil, is told how many of all steps are done, by one goroutine at a time.
	Progress func(done, total int64)
}

// Index finds near rows by walking a graph. It may be searched by many goroutines at once.
type Index struct {
	metric accel.Metric
	rows   *index.Rows
}

// Build makes an index of rows, which must not change and must outlive it. When ctx ends, Build stops every goroutine it
// started and returns the error of ctx. Other errors: accel.ErrMetric, index.ErrMemory.
func Build(ctx context.Context, rows *index.Rows, cfg Config) (*Index, error) {
	if err := checkMetric(cfg.Metric); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &Index{metric: cfg.Metric, rows: rows}, nil
}

func checkMetric(m accel.Metric) error {
	switch m {
	case accel.L2, accel.InnerProduct, accel.Cosine:
		return nil
	}
	return fmt.Errorf("hnsw: %w: %v, there are l2, ip, cosine", accel.ErrMetric, m)
}

// Len is how many rows the index covers.
func (x *Index) Len() int { return x.rows.Len() }

// Metric is what near means.
func (x *Index) Metric() accel.Metric { return x.metric }

// Bytes is the size of the index beyond the float32 vectors.
func (x *Index) Bytes() int64 { return headerSize }

// Describe says in one line what the index is.
func (x *Index) Describe() string {
	return fmt.Sprintf("hnsw %v, %d rows of %d", x.metric, x.rows.Len(), x.rows.Dim())
}

// Nearest returns the rows nearest to v, as index.Searcher says.
func (x *Index) Nearest(v []float32, k int, o *index.SearchOptions) ([]index.Hit, error) {
	if len(v) != x.rows.Dim() {
		return nil, fmt.Errorf("%w %d and %d", index.ErrDimension, x.rows.Dim(), len(v))
	}
	var none index.SearchOptions
	if o == nil {
		o = &none
	}
	var top index.TopK
	top.Reset(min(k, x.rows.Len()))
	q := accel.NewQuery(x.metric, v)
	var stats index.Stats
	stats.Searches = 1
	for i := range uint32(x.rows.Len()) {
		if o.Bits != nil && (int(i/64) >= len(o.Bits) || o.Bits[i/64]>>(i%64)&1 == 0) || o.Keep != nil && !o.Keep(i) {
			stats.Filtered++
			continue
		}
		stats.Scored++
		top.Push(i, q.Dist(x.rows.Row(i)))
	}
	if o.Stats != nil {
		o.Stats.Add(stats)
	}
	return top.AppendTo(o.Dst[:0]), nil
}
