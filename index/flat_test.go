package index_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"engram/accel"
	"engram/index"
	"engram/index/indextest"
)

func mustFlat(t testing.TB, m accel.Metric, dim int, rows, sq []float32) *index.Flat {
	t.Helper()
	f, err := index.NewFlat(m, dim, rows, sq)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func query(t testing.TB, f *index.Flat, v []float32) *index.FlatQuery {
	t.Helper()
	q, err := f.Query(v)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// scattered hides ScoreRange, as a scorer of codes may lack it.
type scattered struct{ index.Scorer }

func TestFlatConforms(t *testing.T) {
	for _, m := range []accel.Metric{accel.L2, accel.InnerProduct, accel.Cosine, accel.L1} {
		for _, how := range []string{"range", "scattered", "norms"} {
			t.Run(fmt.Sprintf("%v/%s", m, how), func(t *testing.T) {
				build := func(t *testing.T, m accel.Metric, dim int, rows []float32) indextest.Built {
					var sq []float32
					if how == "norms" {
						sq = make([]float32, len(rows)/dim)
						accel.SqNorms(dim, rows, sq)
					}
					f := mustFlat(t, m, dim, rows, sq)
					return indextest.Built{Index: f, Query: func(v []float32) index.Scorer {
						if how == "scattered" {
							return scattered{query(t, f, v)}
						}
						return query(t, f, v)
					}}
				}
				indextest.Run(t, indextest.Options{Exact: true, Metric: m}, build)
			})
		}
	}
}

func TestFlatNearest(t *testing.T) {
	rows := indextest.Rows(11, 500, 8)
	f := mustFlat(t, accel.Cosine, 8, rows, nil)
	for i := range uint32(20) {
		got, err := f.Nearest(f.Row(i), 3, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := f.Search(query(t, f, f.Row(i)), 3, nil); !slices.Equal(got, want) {
			t.Errorf("Nearest %v, Search %v", got, want)
		}
		if got[0] != (index.Hit{Ord: i, Dist: 0}) {
			t.Errorf("nearest to row %d is %v", i, got[0])
		}
		if d := f.Between(i, 7); d != f.Between(7, i) || d != accel.CosineDist(f.Row(i), f.Row(7)) {
			t.Errorf("Between(%d, 7) = %v", i, d)
		}
	}
	if f.Dim() != 8 || f.Len() != 500 || f.Metric() != accel.Cosine {
		t.Error("a Flat forgets what it was made of")
	}
	if got, err := f.Nearest(rows[:8], 600_000, nil); err != nil || len(got) != 500 {
		t.Errorf("%d hits of 500, %v", len(got), err)
	}
}

func TestFlatRefuses(t *testing.T) {
	rows := make([]float32, 12)
	f := func(m accel.Metric, dim int, rows, sq []float32, want error) {
		t.Helper()
		_, err := index.NewFlat(m, dim, rows, sq)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("NewFlat(%v, %d): %v, want %v", m, dim, err, want)
		}
	}
	f(accel.L2, 5, rows, nil, index.ErrDimension)
	f(accel.L2, 0, rows, nil, index.ErrDimension)
	f(accel.L2, -4, rows, nil, index.ErrDimension)
	f(accel.Hamming, 4, rows, nil, accel.ErrMetric)
	f(0, 4, rows, nil, accel.ErrMetric)
	f(accel.Cosine, 4, rows, rows[:2], nil)
	flat := mustFlat(t, accel.L2, 4, rows, nil)
	if _, err := flat.Query(rows[:3]); !errors.Is(err, index.ErrDimension) {
		t.Errorf("Query: %v", err)
	}
	if _, err := flat.Nearest(rows[:5], 1, nil); !errors.Is(err, index.ErrDimension) {
		t.Errorf("Nearest: %v", err)
	}
}

// TestFlatStopsEarly closes Done in the middle of a scan: what follows is not scored.
func TestFlatStopsEarly(t *testing.T) {
	rows := indextest.Rows(12, 5000, 4)
	f := mustFlat(t, accel.L2, 4, rows, nil)
	full := slices.Repeat([]uint64{math.MaxUint64}, 100)
	for _, bits := range [][]uint64{nil, full} {
		done, asked := make(chan struct{}), 0
		var st index.Stats
		hits, err := f.Nearest(rows[:4], 10, &index.SearchOptions{Bits: bits, Done: done, Stats: &st, Keep: func(uint32) bool {
			if asked++; asked == 1000 {
				close(done)
			}
			return true
		}})
		if err != nil || len(hits) != 10 || st.Scored < 1000 || st.Scored > 1600 {
			t.Errorf("%d hits after %d rows, %v", len(hits), st.Scored, err)
		}
	}
}

func TestFlatAllocations(t *testing.T) {
	if raced {
		t.Skip("sync.Pool allocates under the race detector")
	}
	rows := indextest.Rows(13, 2000, 32)
	f := mustFlat(t, accel.Cosine, 32, rows, nil)
	bits := slices.Repeat([]uint64{0x5555555555555555}, 32)
	dst := make([]index.Hit, 0, 10)
	var st index.Stats
	for _, o := range []*index.SearchOptions{{Dst: dst}, {Dst: dst, Bits: bits, Stats: &st}} {
		if n := testing.AllocsPerRun(50, func() { _, _ = f.Nearest(rows[:32], 10, o) }); n > 0 {
			t.Errorf("%v allocations a search into Dst", n)
		}
	}
	if n := testing.AllocsPerRun(50, func() { _, _ = f.Nearest(rows[:32], 10, nil) }); n > 1 {
		t.Errorf("%v allocations a search, the result is one", n)
	}
}

func ExampleFlat() {
	rows := []float32{
		0, 0,
		3, 4,
		1, 1,
	}
	f, _ := index.NewFlat(accel.L2, 2, rows, nil)
	hits, _ := f.Nearest([]float32{1, 2}, 2, nil)
	for _, h := range hits {
		fmt.Printf("row %d at %.3f\n", h.Ord, f.Metric().Reported(h.Dist))
	}
	// Output:
	// row 2 at 1.000
	// row 0 at 2.236
}
