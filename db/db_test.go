package db

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var ctx = context.Background()

// wordEncoder is a deterministic encoder: a bag of letters.
type wordEncoder struct{ calls, texts int }

func (e *wordEncoder) Dim() int     { return 8 }
func (e *wordEncoder) Name() string { return "letters" }
func (e *wordEncoder) Encode(_ context.Context, texts []string) ([][]float32, error) {
	e.calls++
	e.texts += len(texts)
	out := make([][]float32, len(texts))
	for i, s := range texts {
		h := fnv.New64a()
		h.Write([]byte(s))
		r := rand.New(rand.NewPCG(h.Sum64(), 1))
		v := make([]float32, 8)
		for j := range v {
			v[j] = float32(r.NormFloat64())
		}
		out[i] = v
	}
	return out, nil
}

func openMem(t testing.TB, o *Options) *DB {
	t.Helper()
	if o == nil {
		o = &Options{}
	}
	if o.FS == nil {
		o.FS = vfs.NewMem()
	}
	o.NoBackground = true
	d, err := Open("test", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func value[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func itemsTable() Table {
	return Table{Name: "items", Columns: []Column{
		{Name: "id", Type: TypeOf(Int8)},
		{Name: "name", Type: TypeOf(Text)},
		{Name: "v", Type: VectorOf(3)},
	}, PrimaryKey: []int{0}}
}

func makeItems(t testing.TB, d *DB) *Table {
	t.Helper()
	b := d.NewBatch(nil)
	items := value(b.CreateTable(itemsTable()))(t)
	must(t, b.Commit(ctx))
	return items
}

func TestSmoke(t *testing.T) {
	d := openMem(t, nil)
	items := makeItems(t, d)
	b := d.NewBatch(nil)
	ids := value(b.Insert(ctx, items, Row{1, "one", []float32{1, 0, 0}}, Row{2, "two", []float32{0, 1, 0}}, Row{3, nil, nil}))(t)
	hits := value(b.Search(ctx, items, Query{Column: 2, Near: []float32{1, 0.1, 0}, K: 5}))(t)
	if len(hits) != 2 || hits[0].ID != ids[0] {
		t.Fatalf("hits %v", hits)
	}
	must(t, b.Commit(ctx))
	for range 2 {
		s := d.Snapshot()
		hits = value(s.Search(ctx, items, Query{Column: 2, Near: []float32{1, 0.1, 0}, K: 5}))(t)
		if len(hits) != 2 || hits[0].ID != ids[0] {
			t.Fatalf("hits %v", hits)
		}
		r := value(s.Get(ctx, items, ids[1], nil))(t)
		if fmt.Sprint(r) != "[2 two [0 1 0]]" {
			t.Fatalf("row %v", r)
		}
		id, ok, err := s.Lookup(ctx, items, 0, []any{2})
		if err != nil || !ok || id != ids[1] {
			t.Fatal(id, ok, err)
		}
		if n := value(s.Count(ctx, items))(t); n != 3 {
			t.Fatal(n)
		}
		s.Close()
		must(t, d.Verify(ctx))
		must(t, d.Seal(ctx, items.ID))
		must(t, d.Verify(ctx))
	}
	fs := d.fs
	must(t, d.Close())
	d = openMem(t, &Options{FS: fs})
	must(t, d.Verify(ctx))
	b = d.NewBatch(nil)
	must(t, b.Delete(ctx, items, ids[0]))
	must(t, b.Update(ctx, items, ids[1], map[int]any{1: "zwei"}))
	must(t, b.Commit(ctx))
	must(t, d.Verify(ctx))
	must(t, d.Seal(ctx, items.ID))
	must(t, d.Compact(ctx, items.ID))
	must(t, d.Verify(ctx))
	if s := d.Stats(); s.Segments != 1 || s.SegmentRows != 2 || s.DeadRows != 0 || s.HeadRows != 0 {
		t.Fatalf("%+v", s)
	}
}
