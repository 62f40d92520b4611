package db

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"

	"engram/db/internal/keys"
	"engram/db/internal/row"
)

// Snapshot is a consistent view of a database at one commit. It is safe for concurrent use. It must be closed: while it is open
// the rows it sees stay on disk and in memory.
type Snapshot struct {
	d         *DB
	kv        *pebble.Snapshot
	commit    uint64
	cat       *catalog
	elem      *list.Element // in DB.live
	batchElem *list.Element // in DB.batches, nil when not a batch

	mu     sync.Mutex
	ops    int
	closed bool // no new operation begins
	gone   bool // resources are released
	dead   map[uint64]*roaring.Bitmap
}

var _ Reader = (*Snapshot)(nil)

// enter begins an operation; each must be followed by exit.
func (s *Snapshot) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.ops++
	return nil
}

func (s *Snapshot) exit() {
	s.mu.Lock()
	s.ops--
	last := s.closed && s.ops == 0 && !s.gone
	s.gone = s.gone || last
	s.mu.Unlock()
	if last {
		s.d.release(s)
	}
}

// Close releases the snapshot; operations that still run finish first. It may be called more than once.
func (s *Snapshot) Close() error {
	s.mu.Lock()
	s.closed = true
	last := s.ops == 0 && !s.gone
	s.gone = s.gone || last
	s.mu.Unlock()
	if last {
		s.d.release(s)
	}
	return nil
}

// Tables returns all tables by schema and name.
func (s *Snapshot) Tables() []*Table {
	if s.enter() != nil {
		return nil
	}
	defer s.exit()
	tables := make([]*Table, 0, len(s.cat.tables))
	for _, ts := range s.cat.tables {
		tables = append(tables, ts.t)
	}
	sortTables(tables)
	return tables
}

func sortTables(tables []*Table) {
	slices.SortFunc(tables, func(a, b *Table) int {
		return strings.Compare(a.Schema+"\x00"+a.Name, b.Schema+"\x00"+b.Name)
	})
}

// Schemas returns the names of all schemas.
func (s *Snapshot) Schemas() []string {
	if s.enter() != nil {
		return nil
	}
	defer s.exit()
	return sortedKeys(s.cat.schemas)
}

func sortedKeys(m map[string]bool) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Table returns the named table, or an error wrapping ErrTableNotFound.
func (s *Snapshot) Table(schema, name string) (*Table, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.exit()
	id, ok := s.cat.names[tableName{schema, name}]
	if !ok {
		return nil, fmt.Errorf("%w: %s.%s", ErrTableNotFound, schema, name)
	}
	return s.cat.tables[id].t, nil
}

// TableByID returns a table, or an error wrapping ErrTableNotFound.
func (s *Snapshot) TableByID(id TableID) (*Table, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.exit()
	ts := s.cat.tables[id]
	if ts == nil {
		return nil, fmt.Errorf("%w: number %d", ErrTableNotFound, id)
	}
	return ts.t, nil
}

// state finds a table for a descriptor that a caller brought; a descriptor of another version would misread rows.
func (s *Snapshot) state(t *Table) (*tableState, error) {
	ts := s.cat.tables[t.ID]
	if ts == nil {
		return nil, fmt.Errorf("%w: %s", ErrTableNotFound, t)
	}
	if ts.t.Version != t.Version {
		return nil, fmt.Errorf("%w: table %s has changed", ErrConflict, t)
	}
	return ts, nil
}

// begin enters the snapshot and finds a table; the caller must exit when err is nil.
func (s *Snapshot) begin(t *Table, want []int) (*tableState, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	ts, err := s.state(t)
	if err == nil {
		err = ts.t.checkWant(want)
	}
	if err != nil {
		s.exit()
		return nil, err
	}
	return ts, nil
}

// Get returns a row, or an error wrapping ErrRowNotFound.
func (s *Snapshot) Get(ctx context.Context, t *Table, id RowID, want []int) (Row, error) {
	ts, err := s.begin(t, want)
	if err != nil {
		return nil, err
	}
	defer s.exit()
	return s.get(ts, ts.t, id, want)
}

// get reads a row of a table as the descriptor t, which may be a batch's, sees it.
func (s *Snapshot) get(ts *tableState, t *Table, id RowID, want []int) (Row, error) {
	g, ord, err := ts.find(id, s.deadOf)
	if err != nil {
		return nil, err
	}
	if g != nil { // alive in a segment: then the head has no newer version
		r := t.blank(want)
		if err := g.seg.Row(ord, t.ids(want), r); err != nil {
			return nil, corrupt(err, "segment %s", g.base)
		}
		return r, nil
	}
	v, c, err := s.kv.Get(keys.Head(uint32(t.ID), uint64(id)))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s row %d", ErrRowNotFound, t, id)
	}
	if err != nil {
		return nil, s.d.storageError(err)
	}
	defer c.Close()
	return t.decode(id, v, want)
}

// decode reads an encoded row.
func (t *Table) decode(id RowID, b []byte, want []int) (Row, error) {
	r := t.blank(want)
	if err := row.Decode(b, t.cols, want, r); err != nil {
		return nil, corrupt(err, "%s row %d", t, id)
	}
	return r, nil
}

// deadOf returns the dead rows of a segment at the snapshot; nil is none. The bitmap is shared and must not be changed.
func (s *Snapshot) deadOf(g *segmentRef) (*roaring.Bitmap, error) {
	if now := g.dead.Load(); now.commit <= s.commit {
		return now.bits, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.dead[g.id]; ok {
		return b, nil
	}
	b, err := readDead(s.kv, g)
	if err != nil {
		return nil, err
	}
	if s.dead == nil {
		s.dead = map[uint64]*roaring.Bitmap{}
	}
	s.dead[g.id] = b
	return b, nil
}

// Lookup finds a row by a unique key, given as the key's values in the order of its columns, in their Go form or what Coerce
// takes. A NULL among them is never found.
func (s *Snapshot) Lookup(ctx context.Context, t *Table, unique int, key []any) (RowID, bool, error) {
	if _, err := s.begin(t, nil); err != nil {
		return 0, false, err
	}
	defer s.exit()
	k, ok, err := t.lookupKey(unique, key)
	if err != nil || !ok {
		return 0, false, err
	}
	return s.lookup(k)
}

// lookup reads a unique key as it lies in Pebble.
func (s *Snapshot) lookup(key []byte) (RowID, bool, error) { return readUnique(s.kv, key) }

func readUnique(kv pebble.Reader, key []byte) (RowID, bool, error) {
	v, c, err := kv.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer c.Close()
	n, err := keys.ParseNumber(v)
	if err != nil {
		return 0, false, corrupt(err, "unique key")
	}
	return RowID(n), true, nil
}

// lookupKey encodes the key of a lookup; false when it holds a NULL.
func (t *Table) lookupKey(unique int, key []any) ([]byte, bool, error) {
	if unique < 0 || unique >= len(t.Uniques) {
		return nil, false, fmt.Errorf("%w: unique key %d of table %s", ErrColumnNotFound, unique, t)
	}
	u := &t.Uniques[unique]
	if len(key) != len(u.Columns) {
		return nil, false, fmt.Errorf("%w: %d values for unique key %q of %d columns", ErrInvalidValue, len(key), u.Name, len(u.Columns))
	}
	dst := keys.AppendUnique(nil, uint32(t.ID), u.ID)
	for i, p := range u.Columns {
		v, err := row.Coerce(t.Columns[p].Type, key[i])
		if err != nil {
			return nil, false, err
		}
		if v == nil {
			return nil, false, nil
		}
		if dst, err = row.AppendKey(dst, t.Columns[p].Type, v); err != nil {
			return nil, false, err
		}
	}
	return dst, true, nil
}

// uniqueKey encodes a row's key of a unique index; false when it holds a NULL.
func (t *Table) uniqueKey(u *Unique, r Row) ([]byte, bool, error) {
	dst := keys.AppendUnique(nil, uint32(t.ID), u.ID)
	for _, p := range u.Columns {
		if r[p] == nil {
			return nil, false, nil
		}
		var err error
		if dst, err = row.AppendKey(dst, t.Columns[p].Type, r[p]); err != nil {
			return nil, false, fmt.Errorf("column %q: %w", t.Columns[p].Name, err)
		}
	}
	return dst, true, nil
}

// Count returns the number of rows. It costs no scan.
func (s *Snapshot) Count(ctx context.Context, t *Table) (int64, error) {
	ts, err := s.begin(t, nil)
	if err != nil {
		return 0, err
	}
	defer s.exit()
	return ts.mem.rows(s.commit), nil
}

// Setting returns a setting; false when there is none.
func (s *Snapshot) Setting(key string) ([]byte, bool, error) {
	if err := s.enter(); err != nil {
		return nil, false, err
	}
	defer s.exit()
	v, c, err := s.kv.Get(keys.Setting(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, s.d.storageError(err)
	}
	defer c.Close()
	return slices.Clone(v), true, nil
}

// Settings returns the keys of the settings that begin with prefix, in order.
func (s *Snapshot) Settings(prefix string) ([]string, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.exit()
	var names []string
	err := eachKey(context.Background(), s.kv, keys.SettingsUnder(prefix), func(k, _ []byte) error {
		names = append(names, string(k[1:]))
		return nil
	})
	return names, s.d.storageError(err)
}

// eachKey calls f for the keys of a span; key and value are valid until f returns.
func eachKey(ctx context.Context, kv pebble.Reader, span keys.Span, f func(key, value []byte) error) error {
	it, err := kv.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: span.Start, UpperBound: span.End})
	if err != nil {
		return err
	}
	defer it.Close()
	for n, ok := 0, it.First(); ok; n, ok = n+1, it.Next() {
		if n%256 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := f(it.Key(), v); err != nil {
			return err
		}
	}
	return it.Error()
}
