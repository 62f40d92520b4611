package db

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// soakEnv says how long TestSoak runs, as time.ParseDuration reads it.
const soakEnv = "ENGRAM_SOAK"

// Columns of the soaked table.
const (
	soakGroup = iota
	soakPlace
	soakV
	soakW
)

// soak is a database that is written, searched, sealed, compacted, indexed, damaged and reopened by many goroutines, beside a model
// that says what each reader must see.
type soak struct {
	t     *testing.T
	dir   string
	opt   Options
	d     *DB
	table TableID
	model soakModel
	v, w  *soakSpace
	rows  int // about how many

	phaseTime time.Duration
	book      *recallBook
	end       time.Time // of the phase
	bad       atomic.Bool

	searches, commits, conflicts, seals, compactions, reindexes, definitions, opens, damages, byIndex atomic.Int64
	builds                                                                                            atomic.Int64 // counted in the log
	regimes                                                                                           sync.Map
	peak                                                                                              atomic.Int64
}

func TestSoak(t *testing.T) {
	total, phase, rows := 4*time.Second, 2*time.Second, 12_000
	if raced {
		rows = 3000
	}
	if s := os.Getenv(soakEnv); s != "" {
		var err error
		if total, err = time.ParseDuration(s); err != nil {
			t.Fatalf("%s: %v", soakEnv, err)
		}
		phase, rows = min(30*time.Second, max(total/10, 2*time.Second)), 100_000
	}
	s := &soak{t: t, phaseTime: phase, dir: filepath.Join(t.TempDir(), "soak"), rows: rows, book: newRecallBook(), model: soakModel{now: map[RowID]*soakRow{}},
		v: newSoakSpace(128, 48, 40, 1), w: newSoakSpace(32, 20, 8, 2)}
	s.opt = Options{SealRows: rows / 5, MemoryLimit: 128 << 20, BuildMemory: 64 << 20, Logger: slog.New(&soakLog{s: s})}
	// The collector keeps the heap below what the database and the model may hold, if what is alive lets it.
	model := int64(5 * s.rows / 2 * (4*(s.v.dim+s.w.dim) + 200))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(s.opt.MemoryLimit + model))
	s.open()
	s.create()
	start := time.Now()
	for time.Since(start) < total && !s.bad.Load() {
		s.end = time.Now().Add(min(phase, total-time.Since(start)))
		s.phase()
		s.settle()
	}
	must(t, s.d.Close())
	regimes := map[string]int64{}
	s.regimes.Range(func(k, v any) bool { regimes[k.(string)] = v.(*atomic.Int64).Load(); return true })
	t.Logf("%v: %d rows, %d searches (%d by index, regimes %v), %d commits, %d conflicts", time.Since(start).Round(time.Second), s.model.size(),
		s.searches.Load(), s.byIndex.Load(), regimes, s.commits.Load(), s.conflicts.Load())
	t.Logf("%d seals, %d compactions, %d builds, %d reindexes, %d definitions, %d opens, %d files damaged", s.seals.Load(),
		s.compactions.Load(), s.builds.Load(), s.reindexes.Load(), s.definitions.Load(), s.opens.Load(), s.damages.Load())
	t.Logf("recall of %d searches each: %s", recallWindow, s.book)
	allowed := s.opt.MemoryLimit + s.opt.BuildMemory + model
	t.Logf("memory: at most %d MiB of the process; allowed are %d and %d for builds, and %d for the model", s.peak.Load()>>20,
		s.opt.MemoryLimit>>20, s.opt.BuildMemory>>20, model>>20)
	if s.peak.Load() > allowed && !raced {
		t.Errorf("%d MiB of memory, more than %d", s.peak.Load()>>20, allowed>>20)
	}
	if s.byIndex.Load() == 0 || s.builds.Load() == 0 || s.commits.Load() == 0 {
		t.Error("the soak has not tried what it is for")
	}
}

// soakLog counts builds, and fails the test on errors that the background reports.
type soakLog struct {
	slog.Handler
	s *soak
}

func (h *soakLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (h *soakLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	switch {
	case r.Message == "built a vector index":
		h.s.builds.Add(1)
	case r.Level >= slog.LevelError:
		h.s.fail("log: %s", text)
	}
	return nil
}

func (s *soak) fail(format string, args ...any) {
	s.bad.Store(true)
	s.t.Errorf(format, args...)
}

func (s *soak) running() bool { return !s.bad.Load() && time.Now().Before(s.end) }

func (s *soak) open() {
	s.opens.Add(1)
	d, err := Open(s.dir, &s.opt)
	must(s.t, err)
	s.d = d
}

func (s *soak) create() {
	b := s.d.NewBatch(nil)
	t := value(b.CreateTable(Table{Name: "soak", Columns: []Column{{Name: "group", Type: TypeOf(Int8)}, {Name: "place", Type: TypeOf(Int8)},
		{Name: "v", Type: VectorOf(s.v.dim)}, {Name: "w", Type: Type{Kind: Halfvec, Mod: int32(s.w.dim)}}},
		Indexes: []VectorIndex{{Name: "v_idx", Column: soakV, Kind: IndexHNSW, Metric: Cosine, M: 16,
			EfConstruction: 100}, {Name: "w_idx", Column: soakW, Kind: IndexHNSW, Metric: L2, M: 16, EfConstruction: 100}}}))(s.t)
	must(s.t, b.Commit(ctx))
	s.table = t.ID
	r := rand.New(rand.NewPCG(1, 1))
	for s.model.size() < s.rows*9/10 {
		b, view := s.model.begin(s.d)
		s.insert(b, &view, r, min(2000, s.rows/2))
		must(s.t, s.model.commit(b, view.own))
	}
	must(s.t, s.d.Seal(ctx, s.table))
	must(s.t, s.d.BuildIndexes(ctx, s.table, nil))
}

// phase runs everything at once until the phase ends.
func (s *soak) phase() {
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() { s.read(rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(50+i)))) })
	}
	for i := range 2 {
		all.Go(func() { s.write(rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(i)))) })
		all.Go(func() { s.read(rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(10+i)))) })
	}
	all.Go(func() { s.upkeep(rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 20))) })
	all.Go(func() { s.seal(rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 25))) })
	all.Go(func() { s.define(rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 30))) })
	all.Go(func() {
		for s.running() {
			s.peak.Store(max(s.peak.Load(), s.memory())) // by this goroutine only
			time.Sleep(20 * time.Millisecond)
		}
	})
	all.Wait()
}

// settle checks everything, and reopens the database over files some of which are broken.
func (s *soak) settle() {
	if s.bad.Load() {
		return
	}
	must(s.t, s.d.BuildIndexes(ctx, s.table, nil)) // a phase may be over before all that was broken is made anew
	must(s.t, s.d.Verify(ctx))
	must(s.t, s.d.Close())
	s.damage(rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 40)))
	s.open()
	snap, view := s.model.read(s.d)
	defer snap.Close()
	t := value(snap.TableByID(s.table))(s.t)
	n := int64(0)
	view.each(func(*soakRow) { n++ })
	if have := value(snap.Count(ctx, t))(s.t); have != n {
		s.fail("%d rows after reopening, not %d", have, n)
	}
}

// damage breaks some index files as disks and people do.
func (s *soak) damage(r *rand.Rand) {
	files, err := filepath.Glob(filepath.Join(s.dir, segmentDir, "*.idx"))
	must(s.t, err)
	for _, name := range files {
		var err error
		switch st := value(os.Stat(name))(s.t); r.IntN(8) {
		case 0:
			err = os.Remove(name)
		case 1:
			err = os.Truncate(name, r.Int64N(st.Size()))
		case 2:
			f := value(os.OpenFile(name, os.O_RDWR, 0))(s.t)
			_, err = f.WriteAt([]byte{0xa5, 0x5a, byte(r.Uint32())}, r.Int64N(st.Size()))
			err = errors.Join(err, f.Close())
		default:
			continue
		}
		must(s.t, err)
		s.damages.Add(1)
	}
}

func (s *soak) values(r *rand.Rand) *soakRow {
	x := &soakRow{group: r.Int64N(1000), place: r.IntN(len(s.v.centers))}
	switch x.v = s.v.draw(r, x.place); r.IntN(200) {
	case 0:
		x.v = nil
	case 1:
		clear(x.v) // has no direction
	}
	if r.IntN(5) > 0 {
		x.w = halfOf(s.w.draw(r, x.place))
	}
	return x
}

func (x *soakRow) row() Row {
	return Row{x.group, x.place, vectorValue(x.v), vectorValue(x.w)}
}

func (s *soak) insert(b *Batch, view *soakView, r *rand.Rand, n int) {
	t := value(b.TableByID(s.table))(s.t)
	var rows []Row
	var values []*soakRow
	for range n {
		values = append(values, s.values(r))
		rows = append(rows, values[len(values)-1].row())
	}
	ids, err := b.Insert(ctx, t, rows...)
	if err != nil {
		s.fail("insert: %v", err)
		return
	}
	for i, id := range ids {
		values[i].id = id
		view.own[id] = values[i]
	}
}

// write changes rows, batch by batch, and looks at its own writes.
func (s *soak) write(r *rand.Rand) {
	for s.running() {
		b, view := s.model.begin(s.d)
		err := s.change(b, &view, r)
		if err == nil && r.IntN(3) == 0 {
			t := value(b.TableByID(s.table))(s.t)
			err = s.search(b, t, &view, s.anyQuery(r, &view), r)
		}
		if err == nil && r.IntN(20) == 0 {
			b.Close()
			continue
		}
		if err == nil {
			err = s.model.commit(b, view.own)
		}
		b.Close()
		switch {
		case errors.Is(err, ErrConflict):
			s.conflicts.Add(1)
		case err != nil:
			s.fail("write: %v", err)
		default:
			s.commits.Add(1)
		}
	}
}

func (s *soak) change(b *Batch, view *soakView, r *rand.Rand) error {
	t, err := b.TableByID(s.table)
	if err != nil {
		return err
	}
	size := s.model.size()
	if r.IntN(3) == 0 || size < s.rows {
		s.insert(b, view, r, 1+r.IntN(1+200*s.rows/max(size, 1)))
	}
	deletes := 0
	if size > s.rows {
		deletes = r.IntN(200 * size / s.rows)
	}
	for i, old := range s.model.some(r.IntN(40) + deletes) {
		if _, done := view.own[old.id]; done {
			continue
		}
		next := &soakRow{id: old.id, group: old.group, place: old.place, v: old.v, w: old.w}
		switch {
		case i < deletes:
			next = nil
			err = b.Delete(ctx, t, old.id)
		case r.IntN(2) == 0:
			next.group = r.Int64N(1000)
			err = b.Update(ctx, t, old.id, map[int]any{soakGroup: next.group})
		default:
			x := s.values(r)
			next.v, next.place = x.v, x.place
			err = b.Update(ctx, t, old.id, map[int]any{soakV: vectorValue(x.v), soakPlace: x.place})
		}
		if errors.Is(err, ErrRowNotFound) {
			return ErrConflict // somebody deleted it after the batch began, or inserted it
		}
		if err != nil {
			return err
		}
		view.own[old.id] = next
	}
	return nil
}

// anyQuery draws a search of some class.
func (s *soak) anyQuery(r *rand.Rand, view *soakView) *soakQuery {
	q := &soakQuery{Query: Query{Column: soakV, Metric: Cosine, K: 10}}
	place := r.IntN(len(s.v.centers))
	q.Near = s.v.draw(r, place)
	share := func(limit int64) func(*soakRow) bool {
		from := r.Int64N(1000 - limit + 1)
		return func(x *soakRow) bool { return x.group >= from && x.group < from+limit }
	}
	switch r.IntN(12) {
	case 0:
		q.class, q.pass = "50 %", share(500)
	case 1:
		q.class, q.pass = "10 %", share(100)
	case 2:
		q.class, q.pass = "1 %", share(10)
	case 3:
		q.class, q.pass = "0.1 %", share(1)
	case 4:
		other := r.IntN(len(s.v.centers))
		q.class, q.pass = "one cluster", func(x *soakRow) bool { return x.place == other }
	case 5:
		q.class, q.K = "k to 300", 1+r.IntN(300)
	case 6:
		q.class, q.Exact = "exact", true
	case 7, 8:
		q.class, q.Column, q.Metric, q.Near = "halfvec", soakW, L2, halfOf(s.w.draw(r, place))
		if r.IntN(3) == 0 {
			q.class, q.pass = "halfvec 50 %", share(500)
		}
	case 9:
		q.class = "own vector"
		i := 0
		for _, x := range view.own {
			if x != nil && x.v != nil {
				q.Near = x.v
				break
			}
			if i++; i > 50 {
				break
			}
		}
	default:
		q.class = "all rows"
	}
	return q
}

// search makes a search and judges it.
func (s *soak) search(x Reader, t *Table, view *soakView, q *soakQuery, r *rand.Rand) error {
	q.allow(view)
	var st SearchStats
	q.Stats = &st
	hits, err := x.Search(ctx, t, q.Query)
	if err != nil {
		return fmt.Errorf("search of class %s: %w", q.class, err)
	}
	recall, err := q.judge(hits, view)
	if err != nil {
		return fmt.Errorf("search of class %s, %+v: %w", q.class, st, err)
	}
	s.searches.Add(1)
	if st.IndexedSegments > 0 {
		s.byIndex.Add(1)
		n, _ := s.regimes.LoadOrStore(st.Regime, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}
	if st.IndexedSegments == 0 && recall < 1 {
		return fmt.Errorf("search of class %s without an index: recall %g, %+v", q.class, recall, st)
	}
	if mean, ok := s.book.add(q.class, recall); ok && mean < 0.95 {
		s.fail("recall of class %s: %g over %d searches, %+v", q.class, mean, recallWindow, st)
	}
	return nil
}

// read searches snapshots, some of them old by then.
func (s *soak) read(r *rand.Rand) {
	for s.running() {
		snap, view := s.model.read(s.d)
		for range 1 + r.IntN(20) {
			t, err := snap.TableByID(s.table)
			if err == nil {
				err = s.search(snap, t, &view, s.anyQuery(r, &view), r)
			}
			if err != nil {
				s.fail("%v", err)
			}
			if !s.running() {
				break
			}
		}
		snap.Close()
	}
}

// memory is what the process holds that is no mapped file, in bytes.
func (s *soak) memory() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "RssAnon:"); ok {
			var kib int64
			fmt.Sscan(rest, &kib)
			return kib << 10
		}
	}
	return 0
}
