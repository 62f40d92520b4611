package db

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Writers move amounts between accounts while readers add them up and the background seals and compacts: every snapshot sees
// the same sum, every search finds each account once, and no move is lost.
func TestConcurrent(t *testing.T) {
	const accounts, writers, moves = 60, 4, 60
	fs := vfs.NewMem()
	open := func() *DB {
		d, err := Open("bank", &Options{FS: fs, SealRows: 40})
		must(t, err)
		return d
	}
	d := open()
	b := d.NewBatch(nil)
	bank := value(b.CreateTable(Table{Name: "bank", Columns: []Column{
		{Name: "id", Type: TypeOf(Int8)}, {Name: "amount", Type: TypeOf(Int8)}, {Name: "v", Type: VectorOf(4)},
	}, PrimaryKey: []int{0}}))(t)
	for i := range accounts {
		value(b.Insert(ctx, bank, Row{i, 100, []float32{float32(i), 1, 0, 0}}))(t)
	}
	must(t, b.Commit(ctx))
	var done atomic.Bool
	var conflicts atomic.Int64
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 9))
			for n := 0; n < moves; {
				err := move(d, bank, r.IntN(accounts), r.IntN(accounts), n)
				if errors.Is(err, ErrConflict) {
					conflicts.Add(1)
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				n++
			}
		})
	}
	for range 2 {
		reading.Go(func() {
			for !done.Load() {
				if err := checkBank(d, bank, accounts); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	reading.Go(func() {
		for !done.Load() {
			if err := d.Compact(ctx, bank.ID); err != nil {
				t.Error(err)
				return
			}
			d.Stats()
		}
	})
	writing.Wait()
	done.Store(true)
	reading.Wait()
	t.Logf("%d conflicts, %+v", conflicts.Load(), d.Stats())
	must(t, d.Verify(ctx))
	must(t, d.Close())
	d = open()
	defer d.Close()
	must(t, d.Verify(ctx))
	must(t, checkBank(d, bank, accounts))
}

func move(d *DB, bank *Table, from, to, n int) error {
	if from == to {
		return nil
	}
	b := d.NewBatch(nil)
	defer b.Close()
	for i, account := range []int{from, to} {
		id, ok, err := b.Lookup(ctx, bank, 0, []any{account})
		if err != nil || !ok {
			return fmt.Errorf("account %d: %t %w", account, ok, err)
		}
		r, err := b.Get(ctx, bank, id, []int{1})
		if err != nil {
			return err
		}
		set := map[int]any{1: r[0].(int64) + int64(2*i-1), 2: []float32{float32(account), 1, float32(n), 0}}
		if err := b.Update(ctx, bank, id, set); err != nil {
			return err
		}
	}
	return b.Commit(ctx)
}

func checkBank(d *DB, bank *Table, accounts int) error {
	s := d.Snapshot()
	defer s.Close()
	var sum int64
	rows := 0
	err := s.Scan(ctx, bank, []int{1}, func(_ RowID, r Row) error {
		sum += r[0].(int64)
		rows++
		return nil
	})
	if err != nil {
		return err
	}
	if rows != accounts || sum != int64(100*accounts) {
		return fmt.Errorf("%d rows with a sum of %d", rows, sum)
	}
	hits, err := s.Search(ctx, bank, Query{Column: 2, Near: []float32{1, 1, 1, 0}, K: 2 * accounts})
	if err != nil {
		return err
	}
	seen := map[RowID]bool{}
	for _, h := range hits {
		seen[h.ID] = true
		if _, err := s.Get(ctx, bank, h.ID, nil); err != nil {
			return err
		}
	}
	if len(hits) != accounts || len(seen) != accounts {
		return fmt.Errorf("%d hits on %d rows", len(hits), len(seen))
	}
	return nil
}

// The background seals a full head, compacts many small segments, and slows a writer that is far ahead.
func TestBackgroundUpkeep(t *testing.T) {
	d, err := Open("bg", &Options{FS: vfs.NewMem(), SealRows: 50})
	must(t, err)
	defer d.Close()
	items := makeItems(t, d)
	for i := range 60 {
		b := d.NewBatch(nil)
		rows := make([]Row, 25)
		for j := range rows {
			rows[j] = Row{i*25 + j, nil, []float32{float32(i), float32(j), 1}}
		}
		value(b.Insert(ctx, items, rows...))(t)
		must(t, b.Commit(ctx))
	}
	d.keepUp(ctx)
	d.mergeAll(ctx)
	st := d.Stats()
	if st.HeadRows >= 50 || st.Segments == 0 || st.Segments > 2*tierSegments {
		t.Errorf("%+v", st)
	}
	must(t, d.Verify(ctx))
	b := d.NewBatch(nil)
	for id := RowID(1); id <= 700; id++ {
		must(t, b.Delete(ctx, items, id))
	}
	must(t, b.Commit(ctx))
	d.keepUp(ctx)
	d.mergeAll(ctx)
	st = d.Stats()
	if float64(st.DeadRows) > deadShare*float64(st.SegmentRows) {
		t.Errorf("%+v", st)
	}
	must(t, d.Verify(ctx))
}
