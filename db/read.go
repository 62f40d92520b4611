package db

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Batches read what their snapshot sees and, over it, what they have written.

// Tables returns all tables by schema and name.
func (b *Batch) Tables() []*Table {
	if b.done || b.snap.enter() != nil {
		return nil
	}
	defer b.snap.exit()
	var tables []*Table
	for id, ts := range b.snap.cat.tables {
		if b.tables[id] == nil {
			tables = append(tables, ts.t)
		}
	}
	for _, tb := range b.tables {
		if tb.table != nil {
			tables = append(tables, tb.table)
		}
	}
	sortTables(tables)
	return tables
}

// Schemas returns the names of all schemas.
func (b *Batch) Schemas() []string {
	if b.done || b.snap.enter() != nil {
		return nil
	}
	defer b.snap.exit()
	all := maps.Clone(b.snap.cat.schemas)
	for name, made := range b.schemas {
		if made {
			all[name] = true
		} else {
			delete(all, name)
		}
	}
	return sortedKeys(all)
}

func (b *Batch) hasSchema(name string) bool {
	if made, ok := b.schemas[name]; ok {
		return made
	}
	return b.snap.cat.schemas[name]
}

// Table returns the named table, or an error wrapping ErrTableNotFound.
func (b *Batch) Table(schema, name string) (*Table, error) {
	if b.done {
		return nil, ErrClosed
	}
	if err := b.snap.enter(); err != nil {
		return nil, err
	}
	defer b.snap.exit()
	if t := b.named(schema, name); t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%w: %s.%s", ErrTableNotFound, schema, name)
}

func (b *Batch) named(schema, name string) *Table {
	for _, tb := range b.tables {
		if t := tb.table; t != nil && t.Schema == schema && t.Name == name {
			return t
		}
	}
	if id, ok := b.snap.cat.names[tableName{schema, name}]; ok && b.tables[id] == nil {
		return b.snap.cat.tables[id].t
	}
	return nil
}

// TableByID returns a table, or an error wrapping ErrTableNotFound.
func (b *Batch) TableByID(id TableID) (*Table, error) {
	if b.done {
		return nil, ErrClosed
	}
	if tb := b.tables[id]; tb != nil {
		if tb.table == nil {
			return nil, fmt.Errorf("%w: number %d", ErrTableNotFound, id)
		}
		return tb.table, nil
	}
	return b.snap.TableByID(id)
}

// begin enters the snapshot and finds what the batch does to a table, nil when nothing; the caller must call b.snap.exit
// when err is nil.
func (b *Batch) begin(t *Table, want []int) (*tableBatch, *tableState, error) {
	if b.done {
		return nil, nil, ErrClosed
	}
	tb := b.tables[t.ID]
	if tb == nil {
		ts, err := b.snap.begin(t, want)
		return nil, ts, err
	}
	if tb.table == nil {
		return nil, nil, fmt.Errorf("%w: %s", ErrTableNotFound, t)
	}
	if tb.table.Version != t.Version {
		return nil, nil, fmt.Errorf("%w: table %s has changed", ErrConflict, t)
	}
	if err := tb.table.checkWant(want); err != nil {
		return nil, nil, err
	}
	return tb, tb.base, b.snap.enter()
}

// Get returns a row, or an error wrapping ErrRowNotFound.
func (b *Batch) Get(ctx context.Context, t *Table, id RowID, want []int) (Row, error) {
	tb, ts, err := b.begin(t, want)
	if err != nil {
		return nil, err
	}
	defer b.snap.exit()
	if tb == nil {
		return b.snap.get(ts, ts.t, id, want)
	}
	return b.get(tb, id, want)
}

// Lookup finds a row by a unique key: see Snapshot.Lookup.
func (b *Batch) Lookup(ctx context.Context, t *Table, unique int, key []any) (RowID, bool, error) {
	tb, _, err := b.begin(t, nil)
	if err != nil {
		return 0, false, err
	}
	defer b.snap.exit()
	k, ok, err := t.lookupKey(unique, key)
	if err != nil || !ok {
		return 0, false, err
	}
	if tb == nil {
		return b.snap.lookup(k)
	}
	w, err := b.key(tb, string(k))
	if err != nil || !w.present {
		return 0, false, err
	}
	return w.row, true, nil
}

// Scan calls f for every row: the snapshot's as Snapshot.Scan does, then those the batch has written, by RowID.
// f must not write to the batch.
func (b *Batch) Scan(ctx context.Context, t *Table, want []int, f func(id RowID, r Row) error) error {
	tb, ts, err := b.begin(t, want)
	if err != nil {
		return err
	}
	defer b.snap.exit()
	if tb == nil {
		return b.snap.scan(ctx, ts, ts.t, want, nil, f)
	}
	if tb.hasBase() {
		if err := b.snap.scan(ctx, ts, tb.table, want, tb, f); err != nil {
			return err
		}
	}
	return tb.scanOwn(ctx, want, f)
}

// scanOwn calls f for the rows the batch has written.
func (tb *tableBatch) scanOwn(ctx context.Context, want []int, f func(RowID, Row) error) error {
	for i, id := range tb.sortedRows() {
		if i%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		w := tb.rows[id]
		if w.enc == nil {
			continue
		}
		r, err := tb.table.decode(id, w.enc, want)
		if err == nil {
			err = f(id, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// View tells where the rows of a table lie, with the batch's own among its head. It shows what the batch has written when Head
// runs, but the dead rows of segments as of now: take a new view after a write.
func (b *Batch) View(t *Table) (*TableView, error) {
	tb, ts, err := b.begin(t, nil)
	if err != nil {
		return nil, err
	}
	defer b.snap.exit()
	if tb == nil {
		return b.snap.View(ts.t)
	}
	v := &TableView{Table: tb.table}
	if tb.hasBase() {
		if v.Segments, err = b.snap.viewSegments(ts, tb.table, tb.rows); err != nil {
			return nil, err
		}
	}
	v.head = func(ctx context.Context, want []int, f func(RowID, Row) error) error {
		if err := tb.table.checkWant(want); err != nil {
			return err
		}
		if err := b.snap.enter(); err != nil {
			return err
		}
		defer b.snap.exit()
		if tb.hasBase() {
			if err := b.snap.scanHead(ctx, tb.table, want, tb, f); err != nil {
				return err
			}
		}
		return tb.scanOwn(ctx, want, f)
	}
	return v, nil
}

// Count returns the number of rows. It costs no scan.
func (b *Batch) Count(ctx context.Context, t *Table) (int64, error) {
	tb, ts, err := b.begin(t, nil)
	if err != nil {
		return 0, err
	}
	defer b.snap.exit()
	if tb == nil {
		return ts.mem.rows(b.snap.commit), nil
	}
	if !tb.hasBase() {
		return tb.delta, nil
	}
	return ts.mem.rows(b.snap.commit) + tb.delta, nil
}

// Setting returns a setting; false when there is none.
func (b *Batch) Setting(key string) ([]byte, bool, error) {
	if b.done {
		return nil, false, ErrClosed
	}
	if v, ok := b.settings[key]; ok {
		return slices.Clone(v), v != nil, nil
	}
	return b.snap.Setting(key)
}

// Settings returns the keys of the settings that begin with prefix, in order.
func (b *Batch) Settings(prefix string) ([]string, error) {
	if b.done {
		return nil, ErrClosed
	}
	names, err := b.snap.Settings(prefix)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, n := range names {
		all[n] = true
	}
	for n, v := range b.settings {
		if v == nil {
			delete(all, n)
		} else if strings.HasPrefix(n, prefix) {
			all[n] = true
		}
	}
	return sortedKeys(all), nil
}
