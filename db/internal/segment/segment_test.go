package segment_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"engram/db/internal/row"
	"engram/db/internal/row/rowtest"
	"engram/db/internal/segment"
)

var ctx = context.Background()

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// table is a source of rows held in memory.
type table struct {
	cols []row.Column
	ids  []uint64
	rows [][]any
	next int
}

func (t *table) Next() (uint64, []any, error) {
	if t.next == len(t.ids) {
		return 0, nil, io.EOF
	}
	t.next++
	return t.ids[t.next-1], t.rows[t.next-1], nil
}

func (t *table) source() segment.Source { return &table{cols: t.cols, ids: t.ids, rows: t.rows} }

// wants lists the IDs of all columns.
func (t *table) wants() (ids []uint32) {
	for _, c := range t.cols {
		ids = append(ids, c.ID)
	}
	return ids
}

// same compares bit for bit, which reflect.DeepEqual does not do for NaN, and decimals by what they print.
func same(a, b any) bool {
	switch x := a.(type) {
	case float32:
		y, ok := b.(float32)
		return ok && math.Float32bits(x) == math.Float32bits(y)
	case float64:
		y, ok := b.(float64)
		return ok && math.Float64bits(x) == math.Float64bits(y)
	case []float32:
		y, ok := b.([]float32)
		ok = ok && len(x) == len(y)
		for i := 0; ok && i < len(x); i++ {
			ok = same(x[i], y[i])
		}
		return ok
	case *apd.Decimal:
		y, ok := b.(*apd.Decimal)
		return ok && x.String() == y.String() && x.Exponent == y.Exponent
	case []any:
		y, ok := b.([]any)
		ok = ok && len(x) == len(y)
		for i := 0; ok && i < len(x); i++ {
			ok = same(x[i], y[i])
		}
		return ok
	}
	return reflect.DeepEqual(a, b)
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// check compares a segment with the table it was written from, by every way of reading.
func check(t fataler, s *segment.Segment, want *table) {
	t.Helper()
	if s.Rows() != len(want.ids) || !reflect.DeepEqual(append([]row.Column{}, s.Columns()...), append([]row.Column{}, want.cols...)) {
		t.Fatalf("%d rows of %v, want %d of %v", s.Rows(), s.Columns(), len(want.ids), want.cols)
	}
	all := want.wants()
	n := 0
	err := s.Scan(ctx, 0, append(all, 999), func(ord uint32, id uint64, values []any) error {
		if int(ord) != n || id != want.ids[ord] || values[len(all)] != segment.Absent {
			return fmt.Errorf("row %d is %d with RowID %d", n, ord, id)
		}
		n++
		if !same(want.rows[ord], values[:len(all)]) {
			return fmt.Errorf("row %d: scanned %v, want %v", ord, values, want.rows[ord])
		}
		return nil
	})
	if err != nil || n != len(want.ids) {
		t.Fatalf("scan of %d rows: %v", n, err)
	}
	for ord, id := range want.ids {
		if o, ok := s.Ord(id); !ok || o != uint32(ord) || s.RowID(o) != id {
			t.Fatalf("RowID %d is row %d (%v)", id, o, ok)
		}
		dst := make([]any, len(all)+1)
		dst[len(all)] = "untouched"
		if err := s.Row(uint32(ord), append(all, 999), dst); err != nil || !same(want.rows[ord], dst[:len(all)]) || dst[len(all)] != "untouched" {
			t.Fatalf("row %d: %v, %v, want %v", ord, dst, err, want.rows[ord])
		}
	}
	for i, c := range want.cols {
		checkVectors(t, s, want, i, c)
	}
	if err := s.Verify(ctx); err != nil {
		t.Fatalf("verify: %v", err)
	}
}

func checkVectors(t fataler, s *segment.Segment, want *table, i int, c row.Column) {
	t.Helper()
	v, ok := s.Vectors(c.ID)
	if ok != (c.Type.Kind == row.Vector || c.Type.Kind == row.Halfvec) {
		t.Fatalf("column %v has vectors: %v", c, ok)
	}
	if !ok {
		return
	}
	index, inRuns := 0, 0
	for _, r := range v.Runs {
		if r.First != inRuns {
			t.Fatalf("a run begins at %d, want %d", r.First, inRuns)
		}
		inRuns += r.Count
	}
	for ord := range want.ids {
		x, present := v.At(uint32(ord))
		w, _ := want.rows[ord][i].([]float32)
		if present != (w != nil) || present && !same(w, x) {
			t.Fatalf("vector of row %d: %v, want %v", ord, x, w)
		}
		k, ok := v.Index(uint32(ord))
		if ok != present || k != index || (v.Present == nil || v.Present.Contains(uint32(ord))) != present {
			t.Fatalf("row %d has index %d (%v), want %d", ord, k, ok, index)
		}
		if present {
			if v.Ord(index) != uint32(ord) || !same(v.Nth(index), w) {
				t.Fatalf("vector %d is of row %d, want %d", index, v.Ord(index), ord)
			}
			index++
		}
	}
	if v.Count != index || inRuns != index || v.Rows != len(want.ids) {
		t.Fatalf("%d vectors in %d rows, runs hold %d, want %d", v.Count, v.Rows, inRuns, index)
	}
	if _, ok := v.At(uint32(len(want.ids))); ok {
		t.Fatalf("a vector beyond the last row")
	}
}

// draw makes a random table.
func draw(t *rapid.T) *table {
	tab := &table{}
	names := []string{"id", "ID", "v", "v.list.element", "", "__engram_rowid", "__engram_exact_1", "text", "été"}
	for _, id := range rapid.SliceOfNDistinct(rapid.Uint32Range(0, 40), 0, 6, rapid.ID[uint32]).Draw(t, "ids") {
		tab.cols = append(tab.cols, row.Column{ID: id, Name: rapid.SampledFrom(names).Draw(t, "name"), Type: rowtest.Types().Draw(t, "type")})
	}
	last := uint64(0)
	for range rapid.IntRange(0, 40).Draw(t, "rows") {
		last += rapid.SampledFrom([]uint64{1, 1, 1, 1, 2, 300, 1 << 33}).Draw(t, "gap")
		tab.ids = append(tab.ids, last)
		values := make([]any, len(tab.cols))
		for i, c := range tab.cols {
			values[i] = rowtest.Values(c.Type).Draw(t, "value")
		}
		tab.rows = append(tab.rows, values)
	}
	return tab
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab := draw(t)
		fs := vfs.NewMem()
		o := &segment.WriteOptions{FS: fs, RowGroupRows: rapid.IntRange(1, 50).Draw(t, "group"), RowGroupBytes: rapid.SampledFrom([]int64{0, 200}).Draw(t, "group bytes")}
		ft, err := segment.Write(ctx, "a", tab.cols, tab.source(), o)
		if err != nil {
			t.Fatal(err)
		}
		cache := segment.NewCache(rapid.SampledFrom([]int64{0, 1 << 20}).Draw(t, "cache"))
		s, err := segment.Open("a", ft.Columns, &segment.OpenOptions{FS: fs, Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(ft, s.Footer()) {
			t.Fatalf("Write says %+v, Open %+v", ft, s.Footer())
		}
		check(t, s, tab)
		exact := map[uint32]int{}
		for _, c := range tab.cols {
			_, exact[c.ID], _ = s.ParquetExact(c.ID)
		}
		if err := s.Close(); err != nil || cache.Used() != 0 {
			t.Fatalf("%v, %d bytes left in the cache", err, cache.Used())
		}
		// What is rebuilt from the Parquet file alone is the same.
		if err := fs.Remove("a.rows"); err != nil {
			t.Fatal(err)
		}
		if s, err = segment.Open("a", nil, &segment.OpenOptions{FS: fs, Logger: quiet}); err != nil {
			t.Fatal(err)
		}
		check(t, s, tab)
		for _, c := range tab.cols {
			if _, n, _ := s.ParquetExact(c.ID); n != exact[c.ID] {
				t.Fatalf("%d rows without a DECIMAL, were %d", n, exact[c.ID])
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// vectorTable has a text and vectors with NULLs, whose values include every kind of float there is.
func vectorTable(rows, dim int) *table {
	tab := &table{cols: []row.Column{
		{ID: 1, Name: "text", Type: row.Of(row.Text)},
		{ID: 2, Name: "full", Type: row.Type{Kind: row.Vector, Mod: int32(dim)}},
		{ID: 3, Name: "sparse", Type: row.Type{Kind: row.Vector, Mod: int32(dim)}},
	}}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		a, b := make([]float32, dim), make([]float32, dim)
		for j := range a {
			a[j], b[j] = float32(rnd.NormFloat64()), math.Float32frombits(rnd.Uint32())
		}
		b[0] = math.Float32frombits([]uint32{0x7fc12345, 0xff800001, 0x80000000, 0x7f800000, 1}[i%5])
		values := []any{fmt.Sprintf("this is the text of row %d, %x", i, rnd.Uint64()), a, b}
		if i%3 == 1 || i/100 == 2 {
			values[2] = nil
		}
		tab.ids = append(tab.ids, uint64(i*2+10))
		tab.rows = append(tab.rows, values)
	}
	return tab
}

func TestMappedVectors(t *testing.T) {
	base := filepath.Join(t.TempDir(), "seg")
	tab := vectorTable(1000, 24)
	if _, err := segment.Write(ctx, base, tab.cols, tab.source(), &segment.WriteOptions{RowGroupRows: 100}); err != nil {
		t.Fatal(err)
	}
	s, err := segment.Open(base, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check(t, s, tab)
	v, _ := s.Vectors(2)
	if len(v.Runs) != 10 || v.Present != nil || v.Dim != 24 {
		t.Fatalf("%d runs of dimension %d", len(v.Runs), v.Dim)
	}
	if v, _ = s.Vectors(3); v.Runs[2].Count != 0 || v.Present == nil {
		t.Fatal("the third row group should have no vectors")
	}
}
