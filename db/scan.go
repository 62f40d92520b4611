package db

import (
	"context"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"engram/db/internal/keys"
	"engram/db/internal/row"
	"engram/db/internal/segment"
)

// Scan calls f for every row: those of the segments, then those of the head. An error of f ends the scan and is returned.
func (s *Snapshot) Scan(ctx context.Context, t *Table, want []int, f func(id RowID, r Row) error) error {
	ts, err := s.begin(t, want)
	if err != nil {
		return err
	}
	defer s.exit()
	return s.scan(ctx, ts, ts.t, want, nil, f)
}

// skipper tells which rows of a snapshot a batch has changed; nil is none.
type skipper interface{ skips(id RowID) bool }

func (s *Snapshot) scan(ctx context.Context, ts *tableState, t *Table, want []int, skip skipper, f func(RowID, Row) error) error {
	for _, g := range ts.segments {
		if err := s.scanSegment(ctx, g, t, want, skip, f); err != nil {
			return err
		}
	}
	return s.scanHead(ctx, t, want, skip, f)
}

func (s *Snapshot) scanSegment(ctx context.Context, g *segmentRef, t *Table, want []int, skip skipper, f func(RowID, Row) error) error {
	dead, err := s.deadOf(g)
	if err != nil {
		return err
	}
	blank := t.blank(want)
	var failed error
	err = g.seg.Scan(ctx, 0, t.ids(want), func(ord uint32, id uint64, values []any) error {
		if dead != nil && dead.Contains(ord) || skip != nil && skip.skips(RowID(id)) {
			return nil
		}
		r := make(Row, len(values))
		for i, v := range values {
			if v == segment.Absent {
				r[i] = blank[i]
			} else if x, ok := v.([]float32); ok {
				r[i] = slices.Clone(x) // the scan's vectors alias the mapped file
			} else {
				r[i] = v
			}
		}
		failed = f(RowID(id), r)
		return failed
	})
	if failed != nil {
		return failed
	}
	if err != nil && ctx.Err() == nil {
		return corrupt(err, "segment %s", g.base)
	}
	return err
}

func (s *Snapshot) scanHead(ctx context.Context, t *Table, want []int, skip skipper, f func(RowID, Row) error) error {
	var failed error
	err := eachKey(ctx, s.kv, keys.Heads(uint32(t.ID)), func(k, v []byte) error {
		_, n, err := keys.ParsePair(k)
		if err != nil {
			return corrupt(err, "head of %s", t)
		}
		if skip != nil && skip.skips(RowID(n)) {
			return nil
		}
		r, err := t.decode(RowID(n), v, want)
		if err != nil {
			return err
		}
		failed = f(RowID(n), r)
		return failed
	})
	if failed != nil {
		return failed
	}
	return s.d.storageError(err)
}

// View tells where the rows of a table lie.
func (s *Snapshot) View(t *Table) (*TableView, error) {
	ts, err := s.begin(t, nil)
	if err != nil {
		return nil, err
	}
	defer s.exit()
	v := &TableView{Table: ts.t}
	if v.Segments, err = s.viewSegments(ts, ts.t, nil); err != nil {
		return nil, err
	}
	v.head = func(ctx context.Context, want []int, f func(RowID, Row) error) error {
		if _, err := s.begin(t, want); err != nil {
			return err
		}
		defer s.exit()
		return s.scanHead(ctx, ts.t, want, nil, f)
	}
	return v, nil
}

// viewSegments describes the segments of a table; own are rows that a batch has changed.
func (s *Snapshot) viewSegments(ts *tableState, t *Table, own map[RowID]rowWrite) ([]SegmentView, error) {
	views := make([]SegmentView, 0, len(ts.segments))
	for _, g := range ts.segments {
		dead, err := s.deadWith(g, own)
		if err != nil {
			return nil, err
		}
		columns := map[uint32]string{}
		for i := range t.Columns {
			if name, ok := g.seg.ParquetColumn(t.Columns[i].ID); ok {
				columns[t.Columns[i].ID] = name
			}
		}
		views = append(views, SegmentView{ID: g.id, Path: g.seg.ParquetPath(), Rows: g.seg.Rows(), Dead: dead,
			Columns: columns, RowIDColumn: g.seg.RowIDColumn(), seg: g.seg})
	}
	return views, nil
}

// deadWith returns the dead rows of a segment together with a batch's own.
func (s *Snapshot) deadWith(g *segmentRef, own map[RowID]rowWrite) (*roaring.Bitmap, error) {
	dead, err := s.deadOf(g)
	if err != nil || len(own) == 0 {
		return dead, err
	}
	var mine *roaring.Bitmap
	add := func(id RowID) {
		if ord, ok := g.seg.Ord(uint64(id)); ok {
			if mine == nil {
				mine = roaring.New()
			}
			mine.Add(ord)
		}
	}
	for id, w := range own {
		if !w.fresh && id >= g.min && id <= g.max {
			add(id)
		}
	}
	if mine == nil {
		return dead, nil
	}
	if dead != nil {
		mine.Or(dead)
	}
	return mine, nil
}

// vectorOf reads one vector column of an encoded row; nil when it is NULL.
func (t *Table) vectorOf(id RowID, b []byte, column int) ([]float32, error) {
	one, at := [1]any{t.missing[column]}, [1]int{column}
	if err := row.Decode(b, t.cols, at[:], one[:]); err != nil {
		return nil, corrupt(err, "%s row %d", t, id)
	}
	v, _ := one[0].([]float32)
	return v, nil
}
