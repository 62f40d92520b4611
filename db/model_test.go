package db

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"
)

// The model is a plain map; random operations, with seals, compactions and reopenings in between, must never make the database
// answer differently from it.

type modelRow struct {
	id   int64
	name any
	v    []float32
}

type modelState map[RowID]modelRow

type modelBatch struct {
	b     *Batch
	since int
	state modelState
	own   map[RowID]bool // rows written
	fresh map[RowID]bool
	marks []modelMark
}

type modelMark struct {
	m     Mark
	batch modelBatch
}

type modelSnapshot struct {
	s     *Snapshot
	state modelState
}

type machine struct {
	d       *DB
	fs      *hookFS
	items   *Table
	now     modelState
	commits int
	changed map[RowID]int // last model commit that updated or deleted a row
	batches []*modelBatch
	snaps   []*modelSnapshot
}

// hookFS calls onSegment, once, when a segment file is made.
type hookFS struct {
	vfs.FS
	onSegment func()
}

func (h *hookFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f := h.onSegment; f != nil && strings.Contains(name, segmentDir) {
		h.onSegment = nil
		f()
	}
	return h.FS.Create(name, category)
}

func (m *machine) open(t *rapid.T) {
	d, err := Open("m", &Options{FS: m.fs, NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	m.d = d
}

func anyVector(t *rapid.T) []float32 {
	if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
		return nil
	}
	v := make([]float32, 3)
	for i := range v {
		v[i] = float32(rapid.IntRange(-3, 3).Draw(t, "x"))
	}
	return v
}

func vectorValue(v []float32) any {
	if v == nil {
		return nil
	}
	return v
}

func anyName(t *rapid.T) any {
	return rapid.SampledFrom([]any{nil, "a", "b", "c", "d", "e"}).Draw(t, "name")
}

func (m *machine) pick(t *rapid.T) *modelBatch {
	if len(m.batches) == 0 {
		return nil
	}
	return rapid.SampledFrom(m.batches).Draw(t, "batch")
}

// pickRow gives 0 when there is none.
func (b *modelBatch) pickRow(t *rapid.T) RowID {
	if b == nil || len(b.state) == 0 {
		return 0
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(b.state))).Draw(t, "row")
}

// clash reports whether another row of a state has the id, or the non-null name.
func (s modelState) clash(self RowID, id int64, name any) bool {
	for rid, r := range s {
		if rid != self && (r.id == id || name != nil && r.name == name) {
			return true
		}
	}
	return false
}

func (m *machine) insert(t *rapid.T) {
	b := m.pick(t)
	if b == nil {
		return
	}
	id, name, v := rapid.Int64Range(1, 30).Draw(t, "id"), anyName(t), anyVector(t)
	ids, err := b.b.Insert(ctx, m.items, Row{id, name, vectorValue(v)})
	if b.state.clash(0, id, name) {
		var c *ConstraintError
		if !errors.As(err, &c) || c.Kind != UniqueViolation {
			t.Fatalf("insert of a taken key: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	b.state[ids[0]] = modelRow{id: id, name: name, v: v}
	b.own[ids[0]], b.fresh[ids[0]] = true, true
}

func (m *machine) update(t *rapid.T) {
	b := m.pick(t)
	rid := b.pickRow(t)
	if rid == 0 {
		return
	}
	r := b.state[rid]
	set := map[int]any{}
	if rapid.Bool().Draw(t, "name?") {
		r.name = anyName(t)
		set[1] = r.name
	}
	if rapid.Bool().Draw(t, "v?") {
		r.v = anyVector(t)
		set[2] = vectorValue(r.v)
	}
	err := b.b.Update(ctx, m.items, rid, set)
	if b.state.clash(rid, r.id, r.name) {
		var c *ConstraintError
		if !errors.As(err, &c) || c.Constraint != "items_name_key" {
			t.Fatalf("update to a taken key: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	b.state[rid] = r
	b.own[rid] = true
}

func (m *machine) delete(t *rapid.T) {
	b := m.pick(t)
	rid := b.pickRow(t)
	if rid == 0 {
		return
	}
	if err := b.b.Delete(ctx, m.items, rid); err != nil {
		t.Fatal(err)
	}
	if err := b.b.Delete(ctx, m.items, rid); !errors.Is(err, ErrRowNotFound) {
		t.Fatalf("second delete: %v", err)
	}
	delete(b.state, rid)
	b.own[rid] = true
}

func (m *machine) begin(t *rapid.T) {
	if len(m.batches) >= 3 {
		return
	}
	m.batches = append(m.batches, &modelBatch{b: m.d.NewBatch(nil), since: m.commits, state: maps.Clone(m.now),
		own: map[RowID]bool{}, fresh: map[RowID]bool{}})
}

func (m *machine) mark(t *rapid.T) {
	b := m.pick(t)
	if b == nil {
		return
	}
	c := *b
	c.state, c.own, c.fresh = maps.Clone(b.state), maps.Clone(b.own), maps.Clone(b.fresh)
	b.marks = append(b.marks, modelMark{b.b.Mark(), c})
}

func (m *machine) rollbackTo(t *rapid.T) {
	b := m.pick(t)
	if b == nil {
		return
	}
	if len(b.marks) == 0 {
		return
	}
	i := rapid.IntRange(0, len(b.marks)-1).Draw(t, "mark")
	k := b.marks[i]
	if err := b.b.RollbackTo(k.m); err != nil {
		t.Fatal(err)
	}
	b.state, b.own, b.fresh = maps.Clone(k.batch.state), maps.Clone(k.batch.own), maps.Clone(k.batch.fresh)
	b.marks = b.marks[:i+1]
}

func (m *machine) commit(t *rapid.T) {
	b := m.pick(t)
	if b == nil {
		return
	}
	m.batches = slices.DeleteFunc(m.batches, func(x *modelBatch) bool { return x == b })
	conflict, taken := false, false
	next := maps.Clone(m.now)
	for rid := range b.own {
		if !b.fresh[rid] && m.changed[rid] > b.since {
			conflict = true
		}
		delete(next, rid)
	}
	for rid := range b.own {
		if r, ok := b.state[rid]; ok {
			taken = taken || next.clash(rid, r.id, r.name)
		}
	}
	err := b.b.Commit(ctx)
	var c *ConstraintError
	switch {
	case conflict && !errors.Is(err, ErrConflict) && !(taken && errors.As(err, &c)):
		t.Fatalf("commit over another's change: %v", err)
	case !conflict && taken && !errors.As(err, &c):
		t.Fatalf("commit of a taken key: %v", err)
	case !conflict && !taken && err != nil:
		t.Fatalf("commit: %v", err)
	case err != nil:
		return
	}
	m.commits++
	for rid := range b.own {
		if r, ok := b.state[rid]; ok {
			next[rid] = r
		}
		if !b.fresh[rid] {
			m.changed[rid] = m.commits
		}
	}
	m.now = next
}

func (m *machine) drop(t *rapid.T) {
	b := m.pick(t)
	if b == nil {
		return
	}
	m.batches = slices.DeleteFunc(m.batches, func(x *modelBatch) bool { return x == b })
	if err := b.b.Close(); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) reopen(t *rapid.T) {
	old := m.batches
	m.batches, m.snaps = nil, nil
	if err := m.d.Close(); err != nil {
		t.Fatal(err)
	}
	for _, b := range old {
		if err := b.b.Commit(ctx); !errors.Is(err, ErrClosed) {
			t.Fatalf("commit after close: %v", err)
		}
	}
	m.open(t)
	if err := m.d.Verify(ctx); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) actions() map[string]func(*rapid.T) {
	upkeep := func(f func() error) func(*rapid.T) {
		return func(t *rapid.T) {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return map[string]func(*rapid.T){
		"begin": m.begin, "begin2": m.begin, "insert": m.insert, "insert2": m.insert, "insert3": m.insert,
		"update": m.update, "delete": m.delete, "commit": m.commit, "commit2": m.commit, "close": m.drop,
		"mark": m.mark, "rollback": m.rollbackTo, "reopen": m.reopen,
		"seal":                 upkeep(func() error { return m.d.Seal(ctx, m.items.ID) }),
		"compact":              upkeep(func() error { return m.d.Compact(ctx, m.items.ID) }),
		"verify":               upkeep(func() error { return m.d.Verify(ctx) }),
		"seal over commits":    m.beside(func() error { return m.d.Seal(ctx, m.items.ID) }),
		"compact over commits": m.beside(func() error { return m.d.Compact(ctx, m.items.ID) }),
		"snapshot": func(t *rapid.T) {
			if len(m.snaps) < 3 {
				m.snaps = append(m.snaps, &modelSnapshot{m.d.Snapshot(), m.now})
			}
		},
		"release": func(t *rapid.T) {
			if len(m.snaps) > 0 {
				m.snaps[0].s.Close()
				m.snaps = m.snaps[1:]
			}
		},
		"": m.check,
	}
}

// beside runs f and, while f writes its segment, a few other operations.
func (m *machine) beside(f func() error) func(*rapid.T) {
	return func(t *rapid.T) {
		others := []func(*rapid.T){m.insert, m.update, m.delete, m.begin, m.commit, m.commit, m.check}
		steps := rapid.SliceOfN(rapid.IntRange(0, len(others)-1), 1, 8).Draw(t, "meanwhile")
		m.fs.onSegment = func() {
			for _, i := range steps {
				others[i](t)
			}
		}
		err := f()
		m.fs.onSegment = nil
		if err != nil {
			t.Fatal(err)
		}
	}
}

// check compares one reader with its model, chosen at random to keep the test fast.
func (m *machine) check(t *rapid.T) {
	readers := []func(){func() {
		s := m.d.Snapshot()
		defer s.Close()
		checkReader(t, m.items, s, m.now)
	}}
	for _, s := range m.snaps {
		readers = append(readers, func() { checkReader(t, m.items, s.s, s.state) })
	}
	for _, b := range m.batches {
		readers = append(readers, func() { checkReader(t, m.items, b.b, b.state) })
	}
	readers[rapid.IntRange(0, len(readers)-1).Draw(t, "reader")]()
}

func checkReader(t *rapid.T, items *Table, r Reader, want modelState) {
	t.Helper()
	got := modelState{}
	collect := func(id RowID, row Row) error {
		if _, twice := got[id]; twice {
			t.Fatalf("row %d twice", id)
		}
		v, _ := row[2].([]float32)
		got[id] = modelRow{id: row[0].(int64), name: row[1], v: v}
		return nil
	}
	if err := r.Scan(ctx, items, nil, collect); err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprint(got), fmt.Sprint(want); a != b {
		t.Fatalf("scan: got %s, want %s", a, b)
	}
	if n, err := r.Count(ctx, items); err != nil || int(n) != len(want) {
		t.Fatalf("count %d, %v, want %d", n, err, len(want))
	}
	checkView(t, items, r, want)
	for rid, w := range want {
		row, err := r.Get(ctx, items, rid, []int{2, 0})
		if err != nil || row[1] != w.id || fmt.Sprint(row[0]) != fmt.Sprint(vectorValue(w.v)) {
			t.Fatalf("get %d: %v, %v, want %v", rid, row, err, w)
		}
		id, ok, err := r.Lookup(ctx, items, 0, []any{w.id})
		if err != nil || !ok || id != rid {
			t.Fatalf("lookup %d: %d %t %v", w.id, id, ok, err)
		}
	}
	checkSearch(t, items, r, want)
}

func checkView(t *rapid.T, items *Table, r Reader, want modelState) {
	v, err := r.View(items)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range v.Segments {
		n += g.Rows
		if g.Dead != nil {
			n -= int(g.Dead.GetCardinality())
		}
		if len(g.Columns) != 3 || g.Path == "" || g.RowIDColumn == "" {
			t.Fatalf("segment view %+v", g)
		}
	}
	err = v.Head(ctx, []int{1}, func(id RowID, row Row) error {
		n++
		if want[id].name != row[0] {
			t.Fatalf("head row %d: %v, want %v", id, row, want[id])
		}
		return nil
	})
	if err != nil || n != len(want) {
		t.Fatalf("view has %d rows, %v, want %d", n, err, len(want))
	}
}

func checkSearch(t *rapid.T, items *Table, r Reader, want modelState) {
	q := Query{Column: 2, Near: []float32{1, 2, -1}, K: rapid.IntRange(1, 12).Draw(t, "k"),
		Metric: rapid.SampledFrom([]Metric{L2, InnerProduct, Cosine, L1}).Draw(t, "metric")}
	var hits []Hit
	if rapid.Bool().Draw(t, "filtered") {
		q.Filter = roaring64.New()
		for rid := range want {
			if rid%2 == 0 {
				q.Filter.Add(uint64(rid))
			}
		}
	}
	for rid, w := range want {
		if w.v != nil && (q.Filter == nil || q.Filter.Contains(uint64(rid))) {
			hits = append(hits, Hit{rid, q.Metric.Dist(q.Near, w.v)})
		}
	}
	slices.SortFunc(hits, compareHits)
	hits = hits[:min(len(hits), q.K)]
	got, err := r.Search(ctx, items, q)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(hits) {
		t.Fatalf("search: got %v, %v, want %v", got, err, hits)
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{fs: &hookFS{FS: vfs.NewMem()}, now: modelState{}, changed: map[RowID]int{}}
		m.open(t)
		defer func() { m.d.Close() }()
		b := m.d.NewBatch(nil)
		table := itemsTable()
		table.Uniques = []Unique{{Name: "items_name_key", Columns: []int{1}, Constraint: true}}
		var err error
		if m.items, err = b.CreateTable(table); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		t.Repeat(m.actions())
	})
}
