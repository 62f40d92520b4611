package db

import (
	"context"
	"fmt"

	"engram/db/internal/keys"
)

// verifyTable checks that everything stored of a table agrees: files with their checksums, rows with their unique keys and the
// other way round, vectors in memory with those of the head rows, and the number of rows.
func (s *Snapshot) verifyTable(ctx context.Context, ts *tableState) error {
	t := ts.t
	for _, g := range ts.segments {
		if err := g.seg.Verify(ctx); err != nil {
			return corrupt(err, "segment %s", g.base)
		}
	}
	var rows, uniques int64
	seen := map[RowID]bool{}
	err := s.scan(ctx, ts, t, nil, nil, func(id RowID, r Row) error {
		rows++
		if seen[id] {
			return fmt.Errorf("%w: %s row %d is there twice", ErrCorrupt, t, id)
		}
		seen[id] = true
		for i := range t.Uniques {
			k, ok, err := t.uniqueKey(&t.Uniques[i], r)
			if err != nil {
				return corrupt(err, "%s row %d", t, id)
			}
			if !ok {
				continue
			}
			uniques++
			if owner, ok, err := s.lookup(k); err != nil || !ok || owner != id {
				return fmt.Errorf("%w: %s row %d: unique key %q names row %d (%t, %v)", ErrCorrupt, t, id, t.Uniques[i].Name, owner, ok, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if counted := ts.mem.rows(s.commit); counted != rows {
		return fmt.Errorf("%w: %s has %d rows, counted as %d", ErrCorrupt, t, rows, counted)
	}
	for i := range t.Uniques {
		err := eachKey(ctx, s.kv, keys.UniqueIndex(uint32(t.ID), t.Uniques[i].ID), func(k, _ []byte) error { uniques--; return nil })
		if err != nil {
			return s.d.storageError(err)
		}
	}
	if uniques != 0 {
		return fmt.Errorf("%w: %s: %d unique keys name no row", ErrCorrupt, t, -uniques)
	}
	return s.verifyArenas(ctx, ts)
}

// verifyArenas compares the vectors in memory with the head rows.
func (s *Snapshot) verifyArenas(ctx context.Context, ts *tableState) error {
	t := ts.t
	for _, p := range t.vectors {
		have := map[RowID][]float32{}
		for _, c := range ts.arenas[t.Columns[p].ID].view() {
			for i := range c.n {
				if !c.visible(i, s.commit) {
					continue
				}
				if have[c.ids[i]] != nil {
					return fmt.Errorf("%w: %s row %d has two vectors in memory", ErrCorrupt, t, c.ids[i])
				}
				have[c.ids[i]] = c.vector(i)
			}
		}
		err := s.scanHead(ctx, t, []int{p}, nil, func(id RowID, r Row) error {
			stored, _ := r[0].([]float32)
			if !sameBits(stored, have[id]) {
				return fmt.Errorf("%w: %s row %d: the vector in memory is not the stored one", ErrCorrupt, t, id)
			}
			delete(have, id)
			return nil
		})
		if err != nil {
			return err
		}
		for id := range have {
			return fmt.Errorf("%w: %s row %d: a vector in memory has no row in the head", ErrCorrupt, t, id)
		}
	}
	return nil
}

func sameBits(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && (a[i] == a[i] || b[i] == b[i]) {
			return false
		}
	}
	return true
}
