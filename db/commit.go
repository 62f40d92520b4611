package db

import (
	"context"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"

	"engram/db/internal/keys"
)

// Commit applies the writes atomically and closes the batch, whether it succeeds or not. When it returns nil the writes are on
// disk, unless CommitOptions.NoSync says not to wait for that. The first committer wins: if another batch has changed a row or a
// descriptor that this one changed, the answer wraps ErrConflict; if it has taken a unique key, it is a *ConstraintError.
// Other snapshots may see a commit a moment before it is on disk, but no commit that builds on it is acknowledged earlier.
func (b *Batch) Commit(ctx context.Context, o ...CommitOptions) error {
	if b.done {
		return ErrClosed
	}
	if err := b.snap.enter(); err != nil {
		b.Close()
		return err
	}
	defer b.Close()
	defer b.snap.exit()
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.Empty() {
		return nil
	}
	b.d.slowDown(ctx, b)
	w := &commit{d: b.d, b: b, kv: b.d.kv.NewBatchWithSize(int(b.bytes + b.bytes/8 + 1024))}
	if err := w.prepare(); err != nil {
		w.kv.Close()
		return err
	}
	noSync := len(o) > 0 && o[0].NoSync && !b.dropsSegments()
	if err := w.apply(noSync); err != nil {
		return err
	}
	b.d.wakeBackground()
	return nil
}

// dropsSegments says whether files may go with this batch. Such a commit waits for the disk whatever the caller says: after a
// crash the manifest must not name files that are gone.
func (b *Batch) dropsSegments() bool {
	for _, tb := range b.tables {
		if tb.base != nil && (tb.table == nil || tb.truncated) {
			return true
		}
	}
	return false
}

// commit is a batch on its way into Pebble.
type commit struct {
	d    *DB
	b    *Batch
	kv   *pebble.Batch
	vecs []vectorPut

	remember bool // some batch has an older snapshot and may conflict with this commit
}

// vectorPut is a vector of a row that goes to the head.
type vectorPut struct {
	table  TableID
	column uint32
	row    RowID
	vector []float32
}

// prepare writes into the Pebble batch all that does not depend on other commits.
func (w *commit) prepare() error {
	for name, made := range w.b.schemas {
		var err error
		if made {
			err = w.kv.Set(keys.Schema(name), nil, nil)
		} else {
			err = w.kv.Delete(keys.Schema(name), nil)
		}
		if err != nil {
			return err
		}
	}
	for key, v := range w.b.settings {
		var err error
		if v != nil {
			err = w.kv.Set(keys.Setting(key), v, nil)
		} else {
			err = w.kv.Delete(keys.Setting(key), nil)
		}
		if err != nil {
			return err
		}
	}
	for id, tb := range w.b.tables {
		if err := w.prepareTable(id, tb); err != nil {
			return err
		}
	}
	return nil
}

func (w *commit) prepareTable(id TableID, tb *tableBatch) error {
	if tb.table == nil && tb.base == nil {
		return nil // made and dropped by the same batch
	}
	if tb.base != nil && (tb.table == nil || tb.truncated) {
		for _, span := range keys.Rows(uint32(id)) {
			if err := w.kv.DeleteRange(span.Start, span.End, nil); err != nil {
				return err
			}
		}
	}
	if tb.table == nil {
		span := keys.CountersOf(uint32(id))
		if err := w.kv.DeleteRange(span.Start, span.End, nil); err != nil {
			return err
		}
		return w.kv.Delete(keys.Table(uint32(id)), nil)
	}
	if tb.altered {
		if err := w.prepareDescriptor(tb); err != nil {
			return err
		}
	}
	for k, kw := range tb.keys {
		var err error
		if kw.present {
			err = w.kv.Set([]byte(k), keys.Number(uint64(kw.row)), nil)
		} else if kw.baseHad {
			err = w.kv.Delete([]byte(k), nil)
		}
		if err != nil {
			return err
		}
	}
	return w.prepareRows(tb)
}

func (w *commit) prepareDescriptor(tb *tableBatch) error {
	if tb.base != nil {
		for _, u := range tb.base.t.Uniques {
			if span := keys.UniqueIndex(uint32(tb.table.ID), u.ID); !tb.table.hasUnique(u.ID) {
				if err := w.kv.DeleteRange(span.Start, span.End, nil); err != nil {
					return err
				}
			}
		}
	}
	v, err := tb.table.marshal()
	if err != nil {
		return err
	}
	return w.kv.Set(keys.Table(uint32(tb.table.ID)), v, nil)
}

func (w *commit) prepareRows(tb *tableBatch) error {
	t := tb.table
	for _, id := range tb.sortedRows() {
		rw := tb.rows[id]
		key := keys.Head(uint32(t.ID), uint64(id))
		var err error
		if rw.enc == nil {
			err = w.kv.Delete(key, nil)
		} else {
			err = w.kv.Set(key, rw.enc, nil)
		}
		if err == nil && rw.pending {
			err = w.kv.Set(t.pendingKey(id), nil, nil)
		} else if err == nil && rw.settled && !rw.fresh {
			err = w.kv.Delete(t.pendingKey(id), nil)
		}
		if err != nil {
			return err
		}
		for _, p := range t.vectors {
			if rw.enc == nil {
				break
			}
			v, err := t.vectorOf(id, rw.enc, p)
			if err != nil {
				return err
			}
			if v != nil {
				w.vecs = append(w.vecs, vectorPut{t.ID, t.Columns[p].ID, id, v})
			}
		}
	}
	return nil
}

// apply validates the batch against the commits since its snapshot, puts it into Pebble and publishes it, all under the commit
// lock; then it waits for the disk outside the lock, so that many commits share one sync.
func (w *commit) apply(noSync bool) error {
	d := w.d
	d.mu.Lock()
	if err := w.applyLocked(noSync); err != nil {
		d.mu.Unlock()
		w.kv.Close()
		return err
	}
	d.mu.Unlock()
	return d.syncWait(w.kv, noSync)
}

func (w *commit) applyLocked(noSync bool) error {
	d := w.d
	if d.failed != nil {
		return d.failed
	}
	if err := w.validateLocked(); err != nil {
		return err
	}
	dead, err := w.deadLocked()
	if err != nil {
		return err
	}
	for g, bits := range dead {
		v, err := keys.Bitmap(bits)
		if err == nil {
			err = w.kv.Merge(keys.Dead(uint32(g.table), g.id), v, nil)
		}
		if err != nil {
			return err
		}
	}
	if err := d.putLocked(w.kv, noSync); err != nil {
		return err
	}
	w.publishLocked(d.commit, dead)
	return nil
}

// validateLocked is first committer wins.
func (w *commit) validateLocked() error {
	d, b := w.d, w.b
	since := b.snap.commit
	for name, made := range b.schemas {
		if d.cat.schemas[name] == made {
			return fmt.Errorf("%w: schema %q", ErrConflict, name)
		}
		if !made {
			for n, id := range d.cat.names {
				if n.schema == name && !b.moves(id, name) {
					return fmt.Errorf("%w: schema %q", ErrConflict, name)
				}
			}
		}
	}
	for key := range b.settings {
		if d.recent.settings[key] > since {
			return fmt.Errorf("%w: setting %q", ErrConflict, key)
		}
	}
	for id, tb := range b.tables {
		if err := w.validateTableLocked(id, tb, since); err != nil {
			return err
		}
	}
	return nil
}

// moves reports whether the batch drops a table or moves it out of a schema.
func (b *Batch) moves(id TableID, schema string) bool {
	tb := b.tables[id]
	return tb != nil && (tb.table == nil || tb.table.Schema != schema)
}

func (w *commit) validateTableLocked(id TableID, tb *tableBatch, since uint64) error {
	d := w.d
	if tb.table != nil && tb.altered {
		n := tableName{tb.table.Schema, tb.table.Name}
		if other, ok := d.cat.names[n]; ok && other != id && (w.b.tables[other] == nil || w.b.tables[other].table != nil &&
			w.b.tables[other].table.Schema == n.schema && w.b.tables[other].table.Name == n.name) {
			return fmt.Errorf("%w: %s", ErrTableExists, tb.table)
		}
		if !d.cat.schemas[n.schema] && !w.b.schemas[n.schema] {
			return fmt.Errorf("%w: schema %q", ErrConflict, n.schema)
		}
	}
	if tb.base == nil {
		return nil
	}
	now := d.cat.tables[id]
	if now == nil || now.t.Version != tb.base.t.Version {
		return fmt.Errorf("%w: table %s has changed", ErrConflict, tb.base.t)
	}
	if tb.table == nil || tb.truncated || now.mem.lastWrite <= since {
		return nil
	}
	if tb.verified {
		return fmt.Errorf("%w: rows of table %s have changed", ErrConflict, tb.base.t)
	}
	for row, rw := range tb.rows {
		if !rw.fresh && d.recent.rows[rowKey{id, row}] > since {
			return fmt.Errorf("%w: %s row %d", ErrConflict, tb.base.t, row)
		}
	}
	for k, kw := range tb.keys {
		if !kw.present {
			continue
		}
		row, ok, err := readUnique(d.kv, []byte(k))
		if err != nil {
			return err
		}
		if ok && !(kw.baseHad && row == kw.baseRow) {
			return tb.takenError(k, kw.row)
		}
	}
	return nil
}

// takenError says that a unique key has been taken by another batch.
func (tb *tableBatch) takenError(key string, id RowID) error {
	t := tb.table
	if r, err := t.decode(id, tb.rows[id].enc, nil); err == nil {
		for i := range t.Uniques {
			if k, ok, err := t.uniqueKey(&t.Uniques[i], r); err == nil && ok && string(k) == key {
				return t.uniqueError(&t.Uniques[i], r)
			}
		}
	}
	return fmt.Errorf("%w: unique key of table %s", ErrConflict, t)
}

// deadLocked finds the settled rows that the batch replaces or deletes, where they lie now: a seal or a compaction may have moved
// them since the batch's snapshot.
func (w *commit) deadLocked() (map[*segmentRef]*roaring.Bitmap, error) {
	dead := map[*segmentRef]*roaring.Bitmap{}
	for id, tb := range w.b.tables {
		if tb.base == nil || tb.table == nil || tb.truncated {
			continue
		}
		now := w.d.cat.tables[id]
		for row, rw := range tb.rows {
			if rw.fresh {
				continue
			}
			g, ord, err := now.find(row, newestDead)
			if err != nil {
				return nil, err
			}
			if g == nil {
				continue
			}
			if dead[g] == nil {
				dead[g] = roaring.New()
			}
			dead[g].Add(ord)
		}
	}
	return dead, nil
}

func newestDead(g *segmentRef) (*roaring.Bitmap, error) { return g.dead.Load().bits, nil }

// putLocked applies a Pebble batch as the next commit. Pebble panics when it cannot write its log, for one on a full disk: that
// is a failed disk like a failed sync, and the commit lock must not stay held by it.
func (d *DB) putLocked(kv *pebble.Batch, noSync bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			cause, ok := r.(error)
			if !ok {
				cause = fmt.Errorf("%v", r)
			}
			if d.failed == nil {
				d.failed = fmt.Errorf("%w: %w", ErrFailed, cause)
			}
			err = d.failed
		}
	}()
	if noSync {
		err = d.kv.Apply(kv, pebble.NoSync)
	} else {
		err = d.kv.ApplyNoSyncWait(kv, pebble.Sync)
	}
	if err != nil {
		return d.storageError(err)
	}
	d.commit++
	return nil
}

// syncWait waits until a batch given to putLocked is on disk and frees it. After a failed sync nobody can know what the disk
// holds, so the database takes no more writes.
func (d *DB) syncWait(kv *pebble.Batch, noSync bool) error {
	defer kv.Close()
	if noSync {
		return nil
	}
	if err := kv.SyncWait(); err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.failed == nil {
			d.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		}
		return d.failed
	}
	return nil
}
