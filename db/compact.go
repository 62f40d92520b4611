package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"

	"engram/db/internal/keys"
	"engram/db/internal/segment"
)

// Compact merges the segments of a table into one and drops their dead rows. Writers go on meanwhile. The old files are removed
// when no snapshot reads them any more.
func (d *DB) Compact(ctx context.Context, id TableID) error {
	return d.compact(ctx, id, func(ts *tableState) []*segmentRef {
		if len(ts.segments) == 1 && deadCount(ts.segments[0].dead.Load().bits) == 0 {
			return nil
		}
		return ts.segments
	})
}

// When the background compacts.
const (
	tierSegments   = 8       // so many segments of about one size are merged
	tierRows       = 2 << 20 // larger segments are merged no more
	deadShare      = 0.3     // a segment with more dead rows is written anew
	tierGrowthBits = 2       // sizes within a factor of four are about one size
)

// chooseCompaction returns the segments that are worth merging: one that is mostly dead, or many of one size.
func (d *DB) chooseCompaction(ts *tableState) []*segmentRef {
	tiers := map[int][]*segmentRef{}
	for _, g := range ts.segments {
		rows, dead := int64(g.seg.Rows()), deadCount(g.dead.Load().bits)
		if float64(dead) > deadShare*float64(rows) {
			return []*segmentRef{g}
		}
		if alive := rows - dead; alive < tierRows {
			tier := bits.Len64(uint64(alive)) / tierGrowthBits
			tiers[tier] = append(tiers[tier], g)
		}
	}
	for _, group := range tiers {
		if len(group) >= tierSegments {
			return group
		}
	}
	return nil
}

// compaction is a merge of segments under way. They are pinned, and no snapshot is held: a merge and the indexes of its result may
// take minutes.
type compaction struct {
	ts     *tableState
	inputs []*segmentRef
	dead   []*roaring.Bitmap // the rows that are left behind; others may die meanwhile
	alive  int64
}

// compact merges the segments that choose picks. The result has its indexes before it takes their place, so that searches are
// not slower for the merge.
func (d *DB) compact(ctx context.Context, id TableID, choose func(*tableState) []*segmentRef) (err error) {
	ctx, end, err := d.work(ctx)
	if err != nil {
		return err
	}
	defer end()
	defer func() {
		if cause := context.Cause(ctx); err != nil && errors.Is(err, context.Canceled) && cause != nil {
			err = cause
		}
	}()
	release, err := take(ctx, d.merges)
	if err != nil {
		return err
	}
	defer release()
	c, err := d.beginCompaction(id, choose)
	if err != nil || c == nil {
		return err
	}
	defer d.endCompaction(c)
	var out *segmentRef
	if c.alive > 0 {
		if out, err = d.merge(ctx, c); err != nil {
			return err
		}
		err = d.buildEarly(ctx, c.ts.t, out)
	}
	var kv *pebble.Batch
	if err == nil {
		kv, err = d.publishCompaction(c.ts, c.inputs, c.dead, out)
	}
	if err != nil {
		if out != nil {
			err = errors.Join(err, d.removeIndexes(out), out.seg.Close(), segment.Remove(d.fs, out.base))
		}
		return err
	}
	d.emptyTrash()
	return d.syncWait(kv, false)
}

// beginCompaction pins what is to be merged; nil when nothing is.
func (d *DB) beginCompaction(id TableID, choose func(*tableState) []*segmentRef) (*compaction, error) {
	s := d.Snapshot()
	defer s.Close()
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.exit()
	ts := s.cat.tables[id]
	if ts == nil {
		return nil, fmt.Errorf("%w: number %d", ErrTableNotFound, id)
	}
	c := &compaction{ts: ts, inputs: choose(ts)}
	if len(c.inputs) == 0 {
		return nil, nil
	}
	for _, g := range c.inputs {
		dead, err := s.deadOf(g)
		if err != nil {
			return nil, err
		}
		c.dead = append(c.dead, dead)
		c.alive += int64(g.seg.Rows()) - deadCount(dead)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range c.inputs {
		g.refs++
		g.merging = true
	}
	return c, nil
}

func (d *DB) endCompaction(c *compaction) {
	d.mu.Lock()
	for _, g := range c.inputs {
		g.merging = false
	}
	d.mu.Unlock()
	for _, g := range c.inputs {
		d.unpin(g)
	}
}

// merge writes the rows that live to a new segment.
func (d *DB) merge(ctx context.Context, c *compaction) (*segmentRef, error) {
	number, err := d.counters.take(0, keys.CounterSegments, 1, 16)
	if err != nil {
		return nil, err
	}
	src := newMergeSource(ctx, c.ts.t, c.inputs, c.dead)
	defer src.stop()
	return d.writeSegment(ctx, c.ts.t, number, src)
}

// publishCompaction replaces segments by one, in one atomic Pebble batch. Rows that died since the snapshot are dead in the new one.
func (d *DB) publishCompaction(ts *tableState, inputs []*segmentRef, dead []*roaring.Bitmap, out *segmentRef) (*pebble.Batch, error) {
	kv := d.kv.NewBatch()
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.failed
	now := d.cat.tables[ts.t.ID]
	if err == nil && (now == nil || now.mem != ts.mem) {
		err = fmt.Errorf("%w: table %s was dropped or truncated while it was compacted", ErrConflict, ts.t)
	}
	died := roaring.New()
	for i, g := range inputs {
		if err != nil {
			break
		}
		if bits := g.dead.Load().bits; bits != nil && out != nil {
			later := bits.Clone()
			if dead[i] != nil {
				later.AndNot(dead[i])
			}
			for it := later.Iterator(); it.HasNext(); {
				if ord, ok := out.seg.Ord(g.seg.RowID(it.Next())); ok {
					died.Add(ord)
				}
			}
		}
		err = errors.Join(kv.Delete(keys.Segment(uint32(g.table), g.id), nil), kv.Delete(keys.Dead(uint32(g.table), g.id), nil))
	}
	if err == nil && out != nil {
		err = d.manifestLocked(kv, out, died)
	}
	if err == nil {
		err = d.putLocked(kv, false)
	}
	if err != nil {
		kv.Close()
		return nil, err
	}
	if out != nil && !died.IsEmpty() {
		out.dead.Store(&deadRows{bits: died, commit: d.commit})
	}
	cat := d.cat.clone()
	cat.put(now.withSegments(inputs, out))
	d.setCatalogLocked(cat)
	return kv, nil
}

// mergeSource yields the live rows of segments in order of RowID.
type mergeSource struct {
	t      *Table
	inputs []*mergeInput
	last   *mergeInput // its row is in the caller's hands
	values Row
}

type mergeInput struct {
	next   func() (uint64, []any, bool)
	stop   func()
	id     uint64
	values []any
	err    error
}

func newMergeSource(ctx context.Context, t *Table, segments []*segmentRef, dead []*roaring.Bitmap) *mergeSource {
	m := &mergeSource{t: t, values: make(Row, len(t.cols))}
	for i, g := range segments {
		in := &mergeInput{}
		in.next, in.stop = iter.Pull2(func(yield func(uint64, []any) bool) {
			err := g.seg.Scan(ctx, 0, t.ids(nil), func(ord uint32, id uint64, values []any) error {
				if dead[i] != nil && dead[i].Contains(ord) {
					return nil
				}
				if !yield(id, values) {
					return errEnough
				}
				return nil
			})
			if err != nil && !errors.Is(err, errEnough) {
				in.err = corrupt(err, "segment %s", g.base)
			}
		})
		m.inputs = append(m.inputs, in)
	}
	return m
}

// Next returns the next row; its values are valid until the following call.
func (m *mergeSource) Next() (uint64, []any, error) {
	if m.last == nil {
		for _, in := range slices.Clone(m.inputs) {
			if err := m.advance(in); err != nil {
				return 0, nil, err
			}
		}
	} else if err := m.advance(m.last); err != nil {
		return 0, nil, err
	}
	if len(m.inputs) == 0 {
		return 0, nil, io.EOF
	}
	m.last = slices.MinFunc(m.inputs, func(a, b *mergeInput) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	for i, v := range m.last.values {
		if v == segment.Absent {
			v = m.t.missing[i]
		}
		m.values[i] = v
	}
	return m.last.id, m.values, nil
}

// advance moves an input to its next row and takes it out at its end.
func (m *mergeSource) advance(in *mergeInput) error {
	var ok bool
	if in.id, in.values, ok = in.next(); ok {
		return nil
	}
	m.inputs = slices.DeleteFunc(m.inputs, func(x *mergeInput) bool { return x == in })
	return in.err
}

func (m *mergeSource) stop() {
	for _, in := range m.inputs {
		in.stop()
	}
}
