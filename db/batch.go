package db

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"engram/db/internal/keys"
	"engram/db/internal/row"
)

// BatchOptions configure a batch.
type BatchOptions struct {
	ReadOnly bool  // writes answer ErrReadOnly
	MaxBytes int64 // encoded size at which writes answer ErrBatchTooLarge; 0 means 2 GiB
}

// maxBatchBytes keeps a batch well below the 4 GiB that the log can take.
const maxBatchBytes = 2 << 30

// Batch is an atomic set of writes over one snapshot, which also reads its own writes. One goroutine at a time uses it.
//
// The first of two batches that change the same row, or the same table's descriptor, wins: the other's Commit answers
// ErrConflict, and its caller tries again with a new batch. A failed call leaves the batch as it was before the call.
type Batch struct {
	d       *DB
	snap    *Snapshot
	opt     BatchOptions
	done    bool
	bytes   int64
	undo    []func()
	scratch []byte
	marked  bool // some Mark may be rolled back to: keep undo

	tables   map[TableID]*tableBatch
	schemas  map[string]bool   // made true, dropped false
	settings map[string][]byte // nil: deleted
}

var _ Reader = (*Batch)(nil)

// tableBatch is what a batch does to one table.
type tableBatch struct {
	base  *tableState // in the snapshot; nil when the batch made the table
	table *Table      // as the batch sees it; nil when dropped

	truncated bool // no row of base is seen
	altered   bool // table differs from base's
	verified  bool // correct only while nobody else writes rows: constraints were checked over all of them

	rows  map[RowID]rowWrite
	keys  map[string]keyWrite // unique keys as they lie in Pebble
	delta int64               // change of the number of rows; from zero when truncated
}

// rowWrite is a row as the batch leaves it.
type rowWrite struct {
	enc     []byte // nil when deleted
	fresh   bool   // not in the snapshot
	pending bool   // waits for its embedding
	settled bool   // waited in the snapshot perhaps, and no longer does
}

// keyWrite is a unique key as the batch leaves it.
type keyWrite struct {
	row     RowID
	present bool
	baseRow RowID // in the snapshot
	baseHad bool
}

func (tb *tableBatch) skips(id RowID) bool { _, ok := tb.rows[id]; return ok }

// hasBase reports whether rows of the snapshot are seen.
func (tb *tableBatch) hasBase() bool { return tb.base != nil && !tb.truncated }

// NewBatch starts a set of writes over a snapshot of the last commit. It must be committed or closed.
func (d *DB) NewBatch(o *BatchOptions) *Batch {
	b := &Batch{d: d, snap: d.batchSnapshot()}
	if o != nil {
		b.opt = *o
	}
	if b.opt.MaxBytes <= 0 {
		b.opt.MaxBytes = maxBatchBytes
	}
	b.reset()
	return b
}

func (b *Batch) reset() {
	b.tables, b.schemas, b.settings = map[TableID]*tableBatch{}, map[string]bool{}, map[string][]byte{}
	b.undo, b.marked, b.bytes = nil, false, 0
}

// Empty reports whether the batch has written nothing.
func (b *Batch) Empty() bool {
	return len(b.tables) == 0 && len(b.schemas) == 0 && len(b.settings) == 0
}

// Refresh moves an empty batch to a snapshot of the last commit. A batch that has written answers an error.
func (b *Batch) Refresh() error {
	if b.done {
		return ErrClosed
	}
	if !b.Empty() {
		return errors.New("db: a batch that has written cannot move to a newer snapshot")
	}
	b.snap.Close()
	b.snap = b.d.batchSnapshot()
	b.reset()
	return nil
}

// Close throws an uncommitted batch away. After Commit it does nothing.
func (b *Batch) Close() error {
	if !b.done {
		b.done = true
		b.reset()
		b.snap.Close()
	}
	return nil
}

// Mark is a savepoint of a batch.
type Mark int

// Mark sets a savepoint.
func (b *Batch) Mark() Mark {
	b.marked = true
	return Mark(len(b.undo))
}

// RollbackTo undoes every write since m. m stays valid; marks set after it do not.
func (b *Batch) RollbackTo(m Mark) error {
	if b.done {
		return ErrClosed
	}
	if m < 0 || int(m) > len(b.undo) {
		return fmt.Errorf("%w: no such mark", ErrInvalidValue)
	}
	b.rollback(int(m))
	return nil
}

func (b *Batch) rollback(to int) {
	for i := len(b.undo) - 1; i >= to; i-- {
		b.undo[i]()
		b.undo[i] = nil
	}
	b.undo = b.undo[:to]
}

// write runs one call that changes the batch: all of it or nothing.
func (b *Batch) write(f func() error) error {
	if b.done {
		return ErrClosed
	}
	if b.opt.ReadOnly {
		return ErrReadOnly
	}
	if err := b.snap.enter(); err != nil {
		return err
	}
	defer b.snap.exit()
	start := len(b.undo)
	if err := f(); err != nil {
		b.rollback(start)
		return err
	}
	if !b.marked {
		clear(b.undo)
		b.undo = b.undo[:0]
	}
	return nil
}

// own returns what the batch does to a table, recording that it touches it. The caller is inside write.
func (b *Batch) own(id TableID) (*tableBatch, error) {
	if tb := b.tables[id]; tb != nil {
		if tb.table == nil {
			return nil, fmt.Errorf("%w: number %d", ErrTableNotFound, id)
		}
		return tb, nil
	}
	ts := b.snap.cat.tables[id]
	if ts == nil {
		return nil, fmt.Errorf("%w: number %d", ErrTableNotFound, id)
	}
	tb := &tableBatch{base: ts, table: ts.t, rows: map[RowID]rowWrite{}, keys: map[string]keyWrite{}}
	b.putTable(id, tb)
	return tb, nil
}

func (b *Batch) putTable(id TableID, tb *tableBatch) {
	old, had := b.tables[id]
	b.tables[id] = tb
	b.undo = append(b.undo, func() {
		if had {
			b.tables[id] = old
		} else {
			delete(b.tables, id)
		}
	})
}

// ownTable is own for a descriptor that a caller brought.
func (b *Batch) ownTable(t *Table) (*tableBatch, error) {
	tb, err := b.own(t.ID)
	if err != nil {
		return nil, err
	}
	if tb.table.Version != t.Version {
		return nil, fmt.Errorf("%w: table %s has changed", ErrConflict, t)
	}
	return tb, nil
}

// setRow records a row as it shall be; a nil encoding deletes it.
func (b *Batch) setRow(tb *tableBatch, id RowID, w rowWrite) error {
	old, had := tb.rows[id]
	grow := int64(len(w.enc)) - int64(len(old.enc))
	if !had {
		grow += 48
	}
	if b.bytes+grow > b.opt.MaxBytes {
		return fmt.Errorf("%w: more than %d bytes", ErrBatchTooLarge, b.opt.MaxBytes)
	}
	delta := tb.delta
	if w.enc == nil {
		tb.delta--
	} else if !had && w.fresh || had && old.enc == nil {
		tb.delta++
	}
	b.bytes += grow
	if w.enc == nil && w.fresh {
		delete(tb.rows, id)
	} else {
		tb.rows[id] = w
	}
	b.undo = append(b.undo, func() {
		tb.delta = delta
		b.bytes -= grow
		if had {
			tb.rows[id] = old
		} else {
			delete(tb.rows, id)
		}
	})
	return nil
}

// key returns the state of a unique key as the batch sees it, remembering what the snapshot says.
func (b *Batch) key(tb *tableBatch, k string) (keyWrite, error) {
	if w, ok := tb.keys[k]; ok {
		return w, nil
	}
	if !tb.hasBase() {
		return keyWrite{}, nil
	}
	id, ok, err := b.snap.lookup([]byte(k))
	return keyWrite{row: id, present: ok, baseRow: id, baseHad: ok}, err
}

func (b *Batch) setKey(tb *tableBatch, k string, w keyWrite) {
	old, had := tb.keys[k]
	tb.keys[k] = w
	b.undo = append(b.undo, func() {
		if had {
			tb.keys[k] = old
		} else {
			delete(tb.keys, k)
		}
	})
}

// claim makes a unique key name a row, or says who has it.
func (b *Batch) claim(tb *tableBatch, u *Unique, k []byte, id RowID, r Row) error {
	w, err := b.key(tb, string(k))
	if err != nil {
		return err
	}
	if w.present && w.row != id {
		return tb.table.uniqueError(u, r)
	}
	w.row, w.present = id, true
	b.setKey(tb, string(k), w)
	return nil
}

func (b *Batch) unclaim(tb *tableBatch, k []byte) error {
	w, err := b.key(tb, string(k))
	if err != nil {
		return err
	}
	w.present = false
	b.setKey(tb, string(k), w)
	return nil
}

// CommitOptions configure a commit.
type CommitOptions struct {
	NoSync bool // do not wait for the log to reach the disk: a crash may lose the commit, never half of it
}

// encode writes a row of a table for the head. The bytes are the caller's own; scratch only saves growing them.
func (b *Batch) encode(t *Table, r Row) ([]byte, error) {
	enc, err := row.Append(b.scratch[:0], t.cols, r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidValue, err)
	}
	if cap(enc) <= 1<<20 {
		b.scratch = enc
	}
	return slices.Clone(enc), nil
}

// sortedRows returns the RowIDs a batch has written to a table, in order.
func (tb *tableBatch) sortedRows() []RowID { return slices.Sorted(maps.Keys(tb.rows)) }

// SetSetting stores a small value for an upper layer; a nil value deletes it.
func (b *Batch) SetSetting(key string, value []byte) error {
	return b.write(func() error {
		if key == "" || len(key) > 1024 {
			return fmt.Errorf("%w: a setting's key has 1 to 1024 bytes", ErrInvalidValue)
		}
		old, had := b.settings[key]
		b.settings[key] = slices.Clone(value)
		if value != nil && b.settings[key] == nil {
			b.settings[key] = []byte{}
		}
		b.undo = append(b.undo, func() {
			if had {
				b.settings[key] = old
			} else {
				delete(b.settings, key)
			}
		})
		return nil
	})
}

// Delete removes a row, or answers an error wrapping ErrRowNotFound.
func (b *Batch) Delete(ctx context.Context, t *Table, id RowID) error {
	return b.write(func() error {
		tb, err := b.ownTable(t)
		if err != nil {
			return err
		}
		r, err := b.get(tb, id, nil)
		if err != nil {
			return err
		}
		for i := range tb.table.Uniques {
			k, ok, err := tb.table.uniqueKey(&tb.table.Uniques[i], r)
			if err == nil && ok {
				err = b.unclaim(tb, k)
			}
			if err != nil {
				return err
			}
		}
		return b.setRow(tb, id, rowWrite{fresh: tb.rows[id].fresh, settled: t.ID == MemoriesID})
	})
}

// pendingKey is the key that says that a row waits for its embedding.
func (t *Table) pendingKey(id RowID) []byte { return keys.Pending(uint32(t.ID), uint64(id)) }

func (d *DB) batchSnapshot() *Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.snapshotLocked(true)
}
