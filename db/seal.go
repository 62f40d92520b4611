package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"

	"engram/db/internal/keys"
	"engram/db/internal/row"
	"engram/db/internal/segment"
)

// take waits for a turn: of those who wait for the same one, one has it at a time. release ends it.
func take(ctx context.Context, turn chan struct{}) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-turn:
		return func() { turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Seal writes the head rows of a table to a segment. Writers go on meanwhile; rows they change stay in the head. Snapshots taken
// before see the same rows as ever. An empty head is left alone.
func (d *DB) Seal(ctx context.Context, id TableID) error {
	release, err := take(ctx, d.seals)
	if err != nil {
		return err
	}
	defer release()
	s, ts, headBytes, err := d.beginSeal(id)
	if err != nil {
		return err
	}
	defer s.Close()
	defer s.exit()
	defer d.endSeal(ts)
	number, err := d.counters.take(0, keys.CounterSegments, 1, 16)
	if err != nil {
		return err
	}
	src, err := newHeadSource(ctx, s, ts.t)
	if err != nil {
		return d.storageError(err)
	}
	defer src.it.Close()
	if !src.more {
		return d.storageError(src.it.Error())
	}
	g, err := d.writeSegment(ctx, ts.t, number, src)
	if err != nil {
		return err
	}
	kv, err := d.publishSeal(ts, g, headBytes)
	if err != nil {
		return errors.Join(err, g.seg.Close(), segment.Remove(d.fs, g.base))
	}
	d.emptyTrash()
	return d.syncWait(kv, false)
}

// beginSeal takes a snapshot, entered, and starts to note which rows are written after it.
func (d *DB) beginSeal(id TableID) (*Snapshot, *tableState, int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, nil, 0, ErrClosed
	}
	if d.failed != nil {
		return nil, nil, 0, d.failed
	}
	ts := d.cat.tables[id]
	if ts == nil {
		return nil, nil, 0, fmt.Errorf("%w: number %d", ErrTableNotFound, id)
	}
	s := d.snapshotLocked(false)
	if err := s.enter(); err != nil {
		return nil, nil, 0, err
	}
	ts.mem.written = map[RowID]struct{}{}
	return s, ts, ts.mem.headBytes, nil
}

func (d *DB) endSeal(ts *tableState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ts.mem.written = nil
}

// writeSegment writes and opens a segment that no manifest entry names yet.
func (d *DB) writeSegment(ctx context.Context, t *Table, number uint64, src segment.Source) (*segmentRef, error) {
	e := manifestEntry{Base: segmentName(t.ID, number)}
	base := d.fs.PathJoin(d.segDir, e.Base)
	// Writing takes about four times the bytes of a row group, and a seal and a compaction may write at once.
	group := min(max(d.opt.MemoryLimit/16, 1<<20), 64<<20)
	f, err := segment.Write(ctx, base, t.cols, src, &segment.WriteOptions{FS: d.fs, RowGroupBytes: group})
	if err != nil {
		return nil, fmt.Errorf("db: write segment %s: %w", base, err)
	}
	e.Rows = f.Rows
	g, err := d.openSegment(t.ID, number, e)
	if err != nil {
		return nil, errors.Join(err, segment.Remove(d.fs, base))
	}
	return g, nil
}

// publishSeal makes a written segment live: one atomic Pebble batch names it in the manifest and takes its rows out of the head.
// Rows written since the snapshot are dead in the segment and stay as they are in the head.
func (d *DB) publishSeal(ts *tableState, g *segmentRef, headBytes int64) (*pebble.Batch, error) {
	kv := d.kv.NewBatch()
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.cat.tables[ts.t.ID]
	if d.failed != nil || now == nil || now.mem != ts.mem {
		kv.Close()
		if d.failed != nil {
			return nil, d.failed
		}
		return nil, fmt.Errorf("%w: table %s was dropped or truncated while it was sealed", ErrConflict, ts.t)
	}
	written := ts.mem.written
	dead := roaring.New()
	for id := range written {
		if ord, ok := g.seg.Ord(uint64(id)); ok {
			dead.Add(ord)
		}
	}
	err := d.sealBatchLocked(kv, g, written, dead)
	if err == nil {
		err = d.putLocked(kv, false)
	}
	if err != nil {
		kv.Close()
		return nil, err
	}
	if !dead.IsEmpty() {
		g.dead.Store(&deadRows{bits: dead, commit: d.commit})
	}
	cat := d.cat.clone()
	cat.put(now.withSegments(nil, g))
	d.setCatalogLocked(cat)
	now.mem.headBytes -= headBytes
	sealed := make([]RowID, 0, g.seg.Rows())
	for ord := range uint32(g.seg.Rows()) {
		if !dead.Contains(ord) {
			sealed = append(sealed, RowID(g.seg.RowID(ord)))
		}
	}
	oldest := d.oldestLocked()
	for _, a := range now.arenas {
		a.kill(d.commit, sealed...)
		d.sweepLocked(a, oldest)
	}
	return kv, nil
}

// sealBatchLocked fills the Pebble batch of a seal. One range deletion takes the sealed rows out of the head; rows in that range
// written since the snapshot are put back behind it.
func (d *DB) sealBatchLocked(kv *pebble.Batch, g *segmentRef, written map[RowID]struct{}, dead *roaring.Bitmap) error {
	span := keys.HeadRange(uint32(g.table), uint64(g.min), uint64(g.max))
	if err := kv.DeleteRange(span.Start, span.End, nil); err != nil {
		return err
	}
	for id := range written {
		if id < g.min || id > g.max {
			continue
		}
		key := keys.Head(uint32(g.table), uint64(id))
		v, c, err := d.kv.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		err = errors.Join(kv.Set(key, v, nil), c.Close())
		if err != nil {
			return err
		}
	}
	return d.manifestLocked(kv, g, dead)
}

// manifestLocked names a segment in the manifest.
func (d *DB) manifestLocked(kv *pebble.Batch, g *segmentRef, dead *roaring.Bitmap) error {
	e, err := json.Marshal(manifestEntry{Base: d.fs.PathBase(g.base), Rows: g.seg.Rows()})
	if err != nil {
		return err
	}
	if err := kv.Set(keys.Segment(uint32(g.table), g.id), e, nil); err != nil || dead.IsEmpty() {
		return err
	}
	v, err := keys.Bitmap(dead)
	if err != nil {
		return err
	}
	return kv.Merge(keys.Dead(uint32(g.table), g.id), v, nil)
}

// headSource yields the head rows of a snapshot to a segment.
type headSource struct {
	ctx    context.Context
	t      *Table
	it     *pebble.Iterator
	more   bool
	values Row
}

func newHeadSource(ctx context.Context, s *Snapshot, t *Table) (*headSource, error) {
	span := keys.Heads(uint32(t.ID))
	it, err := s.kv.NewIter(&pebble.IterOptions{LowerBound: span.Start, UpperBound: span.End})
	if err != nil {
		return nil, err
	}
	return &headSource{ctx: ctx, t: t, it: it, more: it.First(), values: make(Row, len(t.cols))}, nil
}

// Next returns the next row; its values are valid until the following call.
func (h *headSource) Next() (uint64, []any, error) {
	if !h.more {
		if err := h.it.Error(); err != nil {
			return 0, nil, err
		}
		return 0, nil, io.EOF
	}
	if err := h.ctx.Err(); err != nil {
		return 0, nil, err
	}
	_, id, err := keys.ParsePair(h.it.Key())
	if err != nil {
		return 0, nil, corrupt(err, "head of %s", h.t)
	}
	v, err := h.it.ValueAndErr()
	if err != nil {
		return 0, nil, err
	}
	copy(h.values, h.t.missing)
	if err := row.Decode(v, h.t.cols, nil, h.values); err != nil {
		return 0, nil, corrupt(err, "%s row %d", h.t, id)
	}
	h.more = h.it.Next()
	return id, h.values, nil
}
