package db

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

// vectorRows is a table of many vectors, partly settled, partly in the head, with NULLs and changes, and what it holds.
func vectorRows(t testing.TB, d *DB, dim int, free bool, n int) (*Table, map[RowID][]float32) {
	t.Helper()
	typ := VectorOf(dim)
	if free {
		typ = VectorOf(0)
	}
	b := d.NewBatch(nil)
	table := value(b.CreateTable(Table{Name: "vectors", Columns: []Column{{Name: "v", Type: typ}}}))(t)
	must(t, b.Commit(ctx))
	r, want := rand.New(rand.NewPCG(7, 7)), map[RowID][]float32{}
	vec := func() any {
		if r.IntN(10) == 0 {
			return nil
		}
		v := make([]float32, dim)
		for i := range v {
			v[i] = float32(r.IntN(21) - 10)
		}
		return v
	}
	keep := func(id RowID, v any) {
		delete(want, id)
		if x, ok := v.([]float32); ok {
			want[id] = x
		}
	}
	for part := range 4 {
		b := d.NewBatch(nil)
		rows := make([]Row, n/4)
		for i := range rows {
			rows[i] = Row{vec()}
		}
		ids := value(b.Insert(ctx, table, rows...))(t)
		for i, id := range ids {
			keep(id, rows[i][0])
		}
		must(t, b.Commit(ctx))
		if part < 3 {
			must(t, d.Seal(ctx, table.ID))
		}
	}
	b = d.NewBatch(nil)
	for _, id := range slices.Sorted(func(yield func(RowID) bool) {
		for id := range want {
			if !yield(id) {
				return
			}
		}
	}) {
		switch r.IntN(12) {
		case 0:
			must(t, b.Delete(ctx, table, id))
			keep(id, nil)
		case 1:
			v := vec()
			must(t, b.Update(ctx, table, id, map[int]any{0: v}))
			keep(id, v)
		}
	}
	must(t, b.Commit(ctx))
	return table, want
}

func brute(want map[RowID][]float32, q Query) []Hit {
	var hits []Hit
	for id, v := range want {
		if q.Filter == nil || q.Filter.Contains(uint64(id)) {
			hits = append(hits, Hit{id, q.Metric.Dist(q.Near, v)})
		}
	}
	slices.SortFunc(hits, compareHits)
	return hits[:min(len(hits), q.K)]
}

func TestSearch(t *testing.T) {
	for _, free := range []bool{false, true} {
		d := openMem(t, nil)
		const dim = 24
		table, want := vectorRows(t, d, dim, free, 4000)
		old := d.Snapshot()
		frozen := map[RowID][]float32{}
		for id, v := range want {
			frozen[id] = v
		}
		b := d.NewBatch(nil)
		for id := range want {
			if id%5 == 0 {
				must(t, b.Delete(ctx, table, id))
				delete(want, id)
			}
		}
		near := make([]float32, dim)
		r := rand.New(rand.NewPCG(1, 1))
		check := func(name string, x Reader, want map[RowID][]float32) {
			t.Helper()
			for i := range near {
				near[i] = float32(r.IntN(21) - 10)
			}
			for _, metric := range []Metric{L2, Cosine, InnerProduct, L1} {
				for _, share := range []float64{-1, 0, 0.001, 0.01, 0.3, 1} {
					q := Query{Near: near, K: 1 + r.IntN(200), Metric: metric, Stats: &SearchStats{}}
					if share >= 0 {
						q.Filter = roaring64.New()
						for id := range want {
							if r.Float64() < share {
								q.Filter.Add(uint64(id))
							}
						}
						q.Filter.Add(1 << 40) // no such row
					}
					got, err := x.Search(ctx, table, q)
					if w := brute(want, q); err != nil || fmt.Sprint(got) != fmt.Sprint(w) {
						t.Fatalf("%s, free %t, %s, k %d, filter %g: got %v, %v, want %v", name, free, metric, q.K, share, got, err, w)
					}
					scored := q.Stats.HeadVectors + q.Stats.SegmentVectors
					if q.Filter == nil && scored != len(want) || scored > len(want) {
						t.Fatalf("%s: %d vectors scored of %d", name, scored, len(want))
					}
				}
			}
		}
		check("batch", b, want)
		check("older snapshot", old, frozen)
		must(t, b.Commit(ctx))
		check("older snapshot after a commit", old, frozen)
		must(t, d.Seal(ctx, table.ID))
		must(t, d.Compact(ctx, table.ID))
		check("older snapshot after compaction", old, frozen)
		now := d.Snapshot()
		check("compacted", now, want)
		must(t, d.Verify(ctx))
		now.Close()
		old.Close()
	}
}

func TestSearchErrors(t *testing.T) {
	d := openMem(t, nil)
	items := fillItems(t, d)
	s := d.Snapshot()
	defer s.Close()
	var dim *QueryDimensionError
	if _, err := s.Search(ctx, items, Query{Column: 2, Near: []float32{1, 2}, K: 1}); !errors.As(err, &dim) ||
		err.Error() != "different vector dimensions 3 and 2" {
		t.Errorf("dimension: %v", err)
	}
	three := []float32{1, 2, 3}
	for name, q := range map[string]Query{
		"no vector column": {Column: 1, Near: three, K: 1}, "no k": {Column: 2, Near: three}, "no query": {Column: 2, K: 1},
		"metric of bits": {Column: 2, Near: three, K: 1, Metric: 5}, "unknown metric": {Column: 2, Near: three, K: 1, Metric: 99},
	} {
		if _, err := s.Search(ctx, items, q); !errors.Is(err, ErrInvalidValue) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Search(ctx, items, Query{Column: 7, Near: three, K: 1}); !errors.Is(err, ErrColumnNotFound) {
		t.Errorf("no such column: %v", err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Search(stopped, items, Query{Column: 2, Near: three, K: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A column of free dimension may mix them; comparing with a row of another one is an error, as in pgvector, wherever the row lies.
func TestSearchMixedDimensions(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		d := openMem(t, nil)
		b := d.NewBatch(nil)
		table := value(b.CreateTable(Table{Name: "t", Columns: []Column{{Name: "v", Type: VectorOf(0)}}}))(t)
		ids := value(b.Insert(ctx, table, Row{[]float32{1, 2}}, Row{[]float32{1, 2, 3}}, Row{[]float32{2, 1}}))(t)
		if sealed {
			must(t, b.Commit(ctx))
			must(t, d.Seal(ctx, table.ID))
			b = d.NewBatch(nil)
		}
		var dim *QueryDimensionError
		if _, err := b.Search(ctx, table, Query{Near: []float32{1, 2}, K: 1}); !errors.As(err, &dim) {
			t.Errorf("sealed %t: mixed dimensions: %v", sealed, err)
		}
		q := Query{Near: []float32{1, 2}, K: 5, Filter: roaring64.BitmapOf(uint64(ids[0]), uint64(ids[2]))}
		if hits, err := b.Search(ctx, table, q); err != nil || len(hits) != 2 {
			t.Errorf("sealed %t: rows of one dimension: %v %v", sealed, hits, err)
		}
		must(t, b.Delete(ctx, table, ids[1]))
		if hits, err := b.Search(ctx, table, Query{Near: []float32{1, 2}, K: 5}); err != nil || len(hits) != 2 || hits[0].ID != ids[0] {
			t.Errorf("sealed %t: after the other dimension is gone: %v %v", sealed, hits, err)
		}
		must(t, b.Commit(ctx))
	}
}

// A vector of zeros has no cosine: it is found last, as pgvector sorts NaN.
func TestSearchZeroVector(t *testing.T) {
	d := openMem(t, nil)
	items := makeItems(t, d)
	b := d.NewBatch(nil)
	ids := value(b.Insert(ctx, items, Row{1, nil, []float32{0, 0, 0}}, Row{2, nil, []float32{-1, 0, 0}}, Row{3, nil, []float32{0, 0, 0}}))(t)
	must(t, b.Commit(ctx))
	s := d.Snapshot()
	defer s.Close()
	hits := value(s.Search(ctx, items, Query{Column: 2, Near: []float32{1, 0, 0}, K: 2}))(t)
	if len(hits) != 2 || hits[0].ID != ids[1] || hits[1].ID != ids[0] || hits[1].Dist == hits[1].Dist {
		t.Errorf("hits %v", hits)
	}
}

// Replaced versions leave the arena when no snapshot sees them any more.
func TestArenaSweep(t *testing.T) {
	d := openMem(t, nil)
	items := makeItems(t, d)
	b := d.NewBatch(nil)
	for i := range 400 {
		value(b.Insert(ctx, items, Row{i, nil, []float32{float32(i), 0, 0}}))(t)
	}
	must(t, b.Commit(ctx))
	old := d.Snapshot()
	churn := func(rounds int) {
		for round := range rounds {
			b := d.NewBatch(nil)
			for id := RowID(1); id <= 400; id++ {
				must(t, b.Update(ctx, items, id, map[int]any{2: []float32{float32(id), float32(round), 1}}))
			}
			must(t, b.Commit(ctx))
		}
	}
	entries := func() int {
		n := 0
		for _, c := range d.cat.tables[items.ID].arenas[3].view() {
			n += c.n
		}
		return n
	}
	churn(10)
	if n := entries(); n < 11*400 {
		t.Fatalf("%d entries: versions that a snapshot may see are gone", n)
	}
	hits := value(old.Search(ctx, items, Query{Column: 2, Near: []float32{7, 0, 0}, K: 1, Metric: L2}))(t)
	if hits[0].Dist != 0 {
		t.Errorf("the older snapshot finds %v", hits)
	}
	old.Close()
	if n := entries(); n > 2*400 {
		t.Errorf("%d entries for 400 rows once the older snapshot is closed", n)
	}
	churn(3)
	if n := entries(); n > 2*400 {
		t.Errorf("%d entries for 400 rows", n)
	}
	must(t, d.Verify(ctx))
	must(t, d.Seal(ctx, items.ID))
	if n, st := entries(), d.Stats(); n != 0 || st.HeadRows != 0 {
		t.Errorf("%d entries after a seal, %+v", n, st)
	}
}
