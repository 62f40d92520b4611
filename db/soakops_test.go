package db

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// upkeep compacts, builds and reindexes, beside the background that does the same.
func (s *soak) upkeep(r *rand.Rand) {
	for s.running() {
		var err error
		switch r.IntN(20) {
		case 2:
			err = s.d.Compact(ctx, s.table)
			s.compactions.Add(1)
		case 3:
			err = s.d.BuildIndexes(ctx, s.table, nil)
		case 4:
			err = s.d.Reindex(ctx, s.table, "w_idx", nil)
			s.reindexes.Add(1)
		default:
			time.Sleep(time.Duration(r.IntN(200)) * time.Millisecond)
		}
		if err != nil && !errors.Is(err, ErrConflict) {
			s.fail("upkeep: %v", err)
		}
	}
}

// seal seals now and then, beside the background.
func (s *soak) seal(r *rand.Rand) {
	for s.running() {
		time.Sleep(time.Duration(r.IntN(int(s.phaseTime/4))) + time.Millisecond)
		if err := s.d.Seal(ctx, s.table); err != nil && !errors.Is(err, ErrConflict) {
			s.fail("seal: %v", err)
		}
		s.seals.Add(1)
	}
}

// define drops and makes indexes, and tables that go while their indexes are built.
func (s *soak) define(r *rand.Rand) {
	for s.running() {
		time.Sleep(time.Duration(50+r.IntN(200)) * time.Millisecond)
		err := s.redefine(r)
		if err == nil {
			err = s.passing(r)
		}
		if err != nil && !errors.Is(err, ErrConflict) {
			s.fail("definitions: %v", err)
		}
		s.definitions.Add(1)
	}
}

// redefine drops the index of v, or makes it again.
func (s *soak) redefine(r *rand.Rand) error {
	b, view := s.model.begin(s.d)
	defer b.Close()
	t, err := b.TableByID(s.table)
	if err != nil {
		return err
	}
	n := t.Clone()
	if i := slices.IndexFunc(n.Indexes, func(x VectorIndex) bool { return x.Name == "v_idx" }); i < 0 {
		n.Indexes = append(n.Indexes, VectorIndex{Name: "v_idx", Column: soakV, Kind: IndexHNSW, Metric: Cosine, M: 16, EfConstruction: 100,
			Compact: r.IntN(3) == 0})
	} else if r.IntN(12) == 0 {
		n.Indexes = slices.Delete(n.Indexes, i, i+1)
	} else {
		return nil
	}
	if _, err := b.AlterTable(ctx, n); err != nil {
		return err
	}
	return s.model.commit(b, view.own)
}

// passing makes a table with an index and drops it, most often before the index is built.
func (s *soak) passing(r *rand.Rand) error {
	b := s.d.NewBatch(nil)
	defer b.Close()
	t, err := b.CreateTable(Table{Name: fmt.Sprintf("passing%d", r.Uint32()), Columns: []Column{{Name: "v", Type: VectorOf(s.w.dim)}},
		Indexes: []VectorIndex{{Name: "p_idx", Column: 0, Kind: IndexHNSW, Metric: L2}}})
	if err != nil {
		return err
	}
	for range 1500 {
		if _, err := b.Insert(ctx, t, Row{s.w.draw(r, r.IntN(10))}); err != nil {
			return err
		}
	}
	if err := b.Commit(ctx); err != nil {
		return err
	}
	if err := s.d.Seal(ctx, t.ID); err != nil {
		return err
	}
	built := make(chan error, 1)
	go func() { built <- s.d.BuildIndexes(ctx, t.ID, nil) }()
	time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
	b = s.d.NewBatch(nil)
	defer b.Close()
	if err := b.DropTable(t.ID); err != nil {
		return err
	}
	if err := b.Commit(ctx); err != nil {
		return err
	}
	if err := <-built; err != nil && !errors.Is(err, ErrTableNotFound) {
		return fmt.Errorf("building an index of a table that goes: %w", err)
	}
	return nil
}
