package ivf_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"unsafe"

	"engram/accel"
	"engram/index"
	"engram/index/indextest"
	"engram/index/ivf"
)

// asIndex makes of a Searcher the Index that indextest knows: the vector travels in the Scorer.
type asIndex struct{ index.Searcher }

type asked struct {
	index.Scorer
	v []float32
}

func (a asIndex) Search(q index.Scorer, k int, o *index.SearchOptions) []index.Hit {
	hits, err := a.Nearest(q.(asked).v, k, o)
	if err != nil {
		panic(err)
	}
	return hits
}

func mustRows(t testing.TB, dim int, runs ...[]float32) *index.Rows {
	t.Helper()
	r, err := index.NewRows(dim, runs...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustBuild(t testing.TB, rows *index.Rows, cfg ivf.Config) *ivf.Index {
	t.Helper()
	x, err := ivf.Build(context.Background(), rows, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Verify(); err != nil {
		t.Fatal(err)
	}
	return x
}

// inRuns cuts rows into runs of different lengths.
func inRuns(dim int, rows []float32) [][]float32 {
	n := len(rows) / dim
	a, b := n/3*dim, n/2*dim
	return [][]float32{rows[:a], rows[a:b], rows[b:]}
}

// reopened is x written and opened again.
func reopened(t testing.TB, x *ivf.Index, rows *index.Rows) *ivf.Index {
	t.Helper()
	y, err := ivf.Open(written(t, x), rows)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// written is the file of x, as aligned as a mapped one.
func written(t testing.TB, x *ivf.Index) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := x.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes said, %d written, %v", n, b.Len(), err)
	}
	return aligned(b.Bytes())
}

func aligned(b []byte) []byte {
	buf := make([]byte, len(b)+64)
	skip := int(-uintptr(unsafe.Pointer(&buf[0])) & 63)
	buf = buf[skip : skip+len(b) : skip+len(b)]
	copy(buf, b)
	return buf
}

func TestConforms(t *testing.T) {
	for _, m := range []accel.Metric{accel.L2, accel.InnerProduct, accel.Cosine} {
		for _, inFile := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/file=%v", m, inFile), func(t *testing.T) {
				build := func(t *testing.T, m accel.Metric, dim int, data []float32) indextest.Built {
					rows := mustRows(t, dim, data)
					if inFile {
						rows = mustRows(t, dim, inRuns(dim, data)...)
					}
					x := mustBuild(t, rows, ivf.Config{Metric: m})
					if inFile {
						x = reopened(t, x, rows)
					}
					return indextest.Built{Index: asIndex{x}, Query: func(v []float32) index.Scorer { return asked{v: v} }}
				}
				indextest.Run(t, indextest.Options{Metric: m}, build)
			})
		}
	}
}
