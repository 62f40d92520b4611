package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/db/internal/keys"
	"engram/db/internal/segment"
)

// VerifyReport is what VerifyAll has found.
type VerifyReport struct {
	Tables, Segments int
	Rows             int64
	Indexes          int     // vector indexes of segments that were read
	Unbuilt          int     // vector indexes of segments that the background is still to build
	Problems         []error // what is wrong; each wraps ErrCorrupt or ErrIndexFile
}

// Verify is VerifyAll that returns the first problem.
func (d *DB) Verify(ctx context.Context) error {
	r, err := d.VerifyAll(ctx, nil)
	if err == nil && len(r.Problems) > 0 {
		err = r.Problems[0]
	}
	return err
}

// VerifyAll reads every row and every file, checks checksums, and that unique keys, counts, vectors and indexes agree with the
// rows. It goes on where something is wrong; its error is only that it could not go on. progress, when not nil, is told how many rows of
// how many are done, by the calling goroutine.
func (d *DB) VerifyAll(ctx context.Context, progress func(done, total int64)) (VerifyReport, error) {
	s := d.Snapshot()
	defer s.Close()
	if err := s.enter(); err != nil {
		return VerifyReport{}, err
	}
	defer s.exit()
	v := &verifier{s: s, progress: progress}
	tables := s.Tables()
	for _, t := range tables {
		v.total += s.cat.tables[t.ID].mem.rows(s.commit)
	}
	for _, t := range tables {
		if err := v.table(ctx, s.cat.tables[t.ID]); err != nil {
			return v.report, err
		}
	}
	return v.report, nil
}

// verifier checks one snapshot.
type verifier struct {
	s        *Snapshot
	progress func(done, total int64)
	done     int64
	total    int64
	report   VerifyReport
}

// problem notes an error; it returns those that end the check.
func (v *verifier) problem(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		v.report.Problems = append(v.report.Problems, err)
	}
	return nil
}

// table checks that everything stored of a table agrees: files with their checksums, rows with their unique keys and the other way
// round, vectors in memory with those of the head rows, and the number of rows.
func (v *verifier) table(ctx context.Context, ts *tableState) error {
	v.report.Tables++
	for _, g := range ts.segments {
		v.report.Segments++
		var err error
		if err = g.seg.Verify(ctx); err != nil {
			err = corrupt(err, "segment %s", g.base)
		}
		if err := v.problem(ctx, err); err != nil {
			return err
		}
	}
	for _, check := range []func(context.Context, *tableState) error{v.indexes, v.rows, v.s.verifyArenas} {
		if err := v.problem(ctx, check(ctx, ts)); err != nil {
			return err
		}
	}
	return nil
}

// indexes reads the vector indexes of a table's segments.
func (v *verifier) indexes(ctx context.Context, ts *tableState) error {
	var errs []error
	eachIndex(ts, func(x *VectorIndex, g *segmentRef, c *segment.VectorColumn) {
		if x.kindIn(c) == IndexFlat || ctx.Err() != nil {
			return
		}
		open := g.useIndex(x.ID)
		if open == nil {
			if cause := v.s.d.failureOf(g, x.ID); cause != nil {
				errs = append(errs, fmt.Errorf("index %q of %s: segment %s has none: %w", x.Name, ts.t, g.base, cause))
			} else {
				v.report.Unbuilt++
			}
			return
		}
		v.report.Indexes++
		if err := open.file.Verify(); err != nil {
			errs = append(errs, fmt.Errorf("index %q of %s: %s: %w", x.Name, ts.t, open.path, err))
		}
		if err := open.release(); err != nil {
			errs = append(errs, err)
		}
	}, false)
	return errors.Join(errs...)
}

// failureOf is why an index of a segment cannot be used, nil when nobody has failed to open or build it.
func (d *DB) failureOf(g *segmentRef, id uint32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := g.failures[id]; f != nil {
		return f.err
	}
	return nil
}

// rows reads the rows of a table.
func (v *verifier) rows(ctx context.Context, ts *tableState) error {
	s, t := v.s, ts.t
	var rows, uniques int64
	seen := roaring64.New()
	err := s.scan(ctx, ts, t, nil, nil, func(id RowID, r Row) error {
		rows++
		if v.done++; v.progress != nil && v.done%1024 == 0 {
			v.progress(v.done, v.total)
		}
		if !seen.CheckedAdd(uint64(id)) {
			return fmt.Errorf("%w: %s row %d is there twice", ErrCorrupt, t, id)
		}
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
	v.report.Rows += rows
	if v.progress != nil {
		v.progress(v.done, v.total)
	}
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
	return nil
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
