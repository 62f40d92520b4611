package db

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The crash test takes the disk as a power cut would leave it, before every operation that changes it, and opens it again.

// crashFS calls before ahead of each change of the disk.
type crashFS struct {
	vfs.FS
	before func()
}

func (c *crashFS) Create(name string, k vfs.DiskWriteCategory) (vfs.File, error) {
	c.before()
	f, err := c.FS.Create(name, k)
	return c.wrap(f), err
}

func (c *crashFS) OpenReadWrite(name string, k vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := c.FS.OpenReadWrite(name, k, o...)
	return c.wrap(f), err
}

func (c *crashFS) OpenDir(name string) (vfs.File, error) {
	f, err := c.FS.OpenDir(name)
	return c.wrap(f), err
}

func (c *crashFS) ReuseForWrite(a, b string, k vfs.DiskWriteCategory) (vfs.File, error) {
	c.before()
	f, err := c.FS.ReuseForWrite(a, b, k)
	return c.wrap(f), err
}

func (c *crashFS) Link(a, b string) error   { c.before(); return c.FS.Link(a, b) }
func (c *crashFS) Rename(a, b string) error { c.before(); return c.FS.Rename(a, b) }
func (c *crashFS) Remove(a string) error    { c.before(); return c.FS.Remove(a) }
func (c *crashFS) Unwrap() vfs.FS           { return c.FS }

func (c *crashFS) wrap(f vfs.File) vfs.File {
	if f == nil {
		return nil
	}
	return &crashFile{f, c}
}

type crashFile struct {
	vfs.File
	fs *crashFS
}

func (f *crashFile) Write(p []byte) (int, error) { f.fs.before(); return f.File.Write(p) }
func (f *crashFile) WriteAt(p []byte, at int64) (int, error) {
	f.fs.before()
	return f.File.WriteAt(p, at)
}
func (f *crashFile) Sync() error     { f.fs.before(); return f.File.Sync() }
func (f *crashFile) SyncData() error { f.fs.before(); return f.File.SyncData() }
func (f *crashFile) SyncTo(n int64) (bool, error) {
	f.fs.before()
	return f.File.SyncTo(n)
}

const crashWriters = 2

// crashRun is what the writers have been promised.
type crashRun struct {
	started [crashWriters]atomic.Int64 // last commit begun
	acked   [crashWriters]atomic.Int64 // last commit acknowledged
}

// crashWrite makes commit n of a writer: it inserts two rows, moves its counter row, changes the row of two commits ago and
// deletes one of three commits ago, so its rows tell which commits happened.
func crashWrite(d *DB, t *Table, w int, n int64, sync bool) error {
	b := d.NewBatch(nil)
	defer b.Close()
	key := func(n, i int64) int64 { return int64(w)*1_000_000 + n*10 + i }
	vec := []float32{float32(n), float32(w), 1}
	if _, err := b.Insert(ctx, t, Row{key(n, 1), "fresh", vec}, Row{key(n, 2), "fresh", vec}); err != nil {
		return err
	}
	at := func(k int64) RowID { id, _, _ := b.Lookup(ctx, t, 0, []any{k}); return id }
	var err error
	if id := at(key(0, 0)); id == 0 {
		_, err = b.Insert(ctx, t, Row{key(0, 0), fmt.Sprint(n), nil})
	} else {
		err = b.Update(ctx, t, id, map[int]any{1: fmt.Sprint(n)})
	}
	if err == nil && n > 2 {
		err = b.Update(ctx, t, at(key(n-2, 1)), map[int]any{1: "changed", 2: []float32{0, 0, float32(n)}})
	}
	if err == nil && n > 3 {
		err = b.Delete(ctx, t, at(key(n-3, 2)))
	}
	if err != nil {
		return err
	}
	return b.Commit(ctx, CommitOptions{NoSync: !sync})
}

// crashState is what a writer's rows are after n commits.
func crashState(w int, n int64) map[int64]string {
	rows := map[int64]string{}
	if n == 0 {
		return rows
	}
	base := int64(w) * 1_000_000
	rows[base] = fmt.Sprint(n)
	for i := int64(1); i <= n; i++ {
		rows[base+i*10+1], rows[base+i*10+2] = "fresh", "fresh"
		if i <= n-2 {
			rows[base+i*10+1] = "changed"
		}
		if i <= n-3 {
			delete(rows, base+i*10+2)
		}
	}
	return rows
}

// checkCrash opens what a crash left and compares it with what was promised before it.
func checkCrash(fs vfs.FS, table TableID, acked, started [crashWriters]int64) error {
	d, err := Open("db", &Options{FS: fs, NoBackground: true})
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Verify(ctx); err != nil {
		return err
	}
	s := d.Snapshot()
	defer s.Close()
	t, err := s.TableByID(table)
	if err != nil {
		return err
	}
	var got [crashWriters]map[int64]string
	for w := range got {
		got[w] = map[int64]string{}
	}
	if err := s.Scan(ctx, t, nil, func(_ RowID, r Row) error {
		got[r[0].(int64)/1_000_000][r[0].(int64)] = r[1].(string)
		return nil
	}); err != nil {
		return err
	}
	for w := range got {
		var n int64
		fmt.Sscan(got[w][int64(w)*1_000_000], &n)
		if n < acked[w] || n > started[w] {
			return fmt.Errorf("writer %d: commit %d is the last one there, %d was acknowledged and %d begun", w, n, acked[w], started[w])
		}
		if a, b := fmt.Sprint(got[w]), fmt.Sprint(crashState(w, n)); a != b {
			return fmt.Errorf("writer %d after commit %d: got %s, want %s", w, n, a, b)
		}
	}
	return crashStrays(fs, d)
}

// crashStrays says whether files are there that nothing names.
func crashStrays(fs vfs.FS, d *DB) error {
	names, err := fs.List(d.segDir)
	if err != nil {
		return err
	}
	var live []string
	for _, ts := range d.cat.tables {
		for _, g := range ts.segments {
			for _, f := range g.seg.Files() {
				live = append(live, fs.PathBase(f))
			}
		}
	}
	if len(names) != len(live) {
		return fmt.Errorf("files %v, live %v", names, live)
	}
	return nil
}

func TestCrash(t *testing.T) {
	commits, every := int64(60), 1
	if testing.Short() {
		commits, every = 8, 4
	}
	mem := vfs.NewCrashableMem()
	fs := &crashFS{FS: mem, before: func() {}}
	d, err := Open("db", &Options{FS: fs, NoBackground: true, SealRows: 8})
	must(t, err)
	table := makeItems(t, d)
	var run crashRun
	type shot struct {
		fs             *vfs.MemFS
		acked, started [crashWriters]int64
	}
	var mu sync.Mutex
	var shots []shot
	ops, rng := 0, rand.New(rand.NewPCG(1, 2))
	fs.before = func() {
		mu.Lock()
		defer mu.Unlock()
		if ops++; ops%every != 0 {
			return
		}
		var x shot
		for w := range x.acked {
			x.acked[w] = run.acked[w].Load()
		}
		cfg := vfs.CrashCloneCfg{}
		if ops%2 == 0 {
			cfg = vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng}
		}
		x.fs = mem.CrashClone(cfg)
		for w := range x.started {
			x.started[w] = run.started[w].Load()
		}
		shots = append(shots, x)
	}
	var wg sync.WaitGroup
	for w := range crashWriters {
		wg.Go(func() {
			for n := int64(1); n <= commits; n++ {
				run.started[w].Store(n)
				sync := n%4 != 0
				if err := crashWrite(d, table, w, n, sync); err != nil {
					t.Errorf("writer %d commit %d: %v", w, n, err)
					return
				}
				if sync {
					run.acked[w].Store(n)
				}
			}
		})
	}
	for i := range 6 {
		must(t, d.Seal(ctx, table.ID))
		if i%3 == 2 {
			must(t, d.Compact(ctx, table.ID))
			must(t, d.kv.Flush())
		}
	}
	wg.Wait()
	must(t, d.Seal(ctx, table.ID))
	must(t, d.Compact(ctx, table.ID))
	must(t, d.Close())
	t.Logf("%d changes of the disk, %d crashes", ops, len(shots))
	for i, x := range shots {
		if err := checkCrash(x.fs, table.ID, x.acked, x.started); err != nil {
			t.Fatalf("crash %d: %v", i, err)
		}
	}
}

// A segment that the manifest names must be there and whole: otherwise Open says which file is not.
func TestBrokenSegment(t *testing.T) {
	for _, ruin := range []func(fs vfs.FS, name string) error{
		func(fs vfs.FS, name string) error { return fs.Remove(name) },
		func(fs vfs.FS, name string) error {
			f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
			if err != nil {
				return err
			}
			_, err = f.Write([]byte("not a Parquet file"))
			return errors.Join(err, f.Close())
		},
	} {
		fs := vfs.NewMem()
		d := openMem(t, &Options{FS: fs})
		items := makeItems(t, d)
		b := d.NewBatch(nil)
		_, err := b.Insert(ctx, items, Row{1, "one", []float32{1, 2, 3}})
		must(t, err)
		must(t, b.Commit(ctx))
		must(t, d.Seal(ctx, items.ID))
		s := d.Snapshot()
		path := value(s.View(items))(t).Segments[0].Path
		must(t, d.Close())
		must(t, ruin(fs, path))
		_, err = Open("test", &Options{FS: fs})
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), fs.PathBase(path)[:16]) {
			t.Fatalf("open with a broken segment: %v", err)
		}
	}
}

// syncFS fails to sync log files once told.
type syncFS struct {
	vfs.FS
	broken atomic.Bool
}

func (s *syncFS) Create(name string, k vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := s.FS.Create(name, k)
	if err == nil && strings.HasSuffix(name, ".log") {
		f = &syncFile{f, s}
	}
	return f, err
}

func (s *syncFS) ReuseForWrite(a, b string, k vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := s.FS.ReuseForWrite(a, b, k)
	if err == nil && strings.HasSuffix(b, ".log") {
		f = &syncFile{f, s}
	}
	return f, err
}

type syncFile struct {
	vfs.File
	fs *syncFS
}

var errSync = errors.New("input/output error")

func (f *syncFile) Sync() error {
	if f.fs.broken.Load() {
		return errSync
	}
	return f.File.Sync()
}

func (f *syncFile) SyncData() error { return f.Sync() }

// After a sync that failed nobody knows what the disk holds: the commit is not acknowledged and no other is taken.
func TestSyncFails(t *testing.T) {
	fs := &syncFS{FS: vfs.NewMem()}
	d, err := Open("test", &Options{FS: fs, NoBackground: true})
	must(t, err)
	items := fillItems(t, d)
	insert := func(id int) error {
		b := d.NewBatch(nil)
		value(b.Insert(ctx, items, Row{id, nil, nil}))(t)
		return b.Commit(ctx)
	}
	fs.broken.Store(true)
	for id := range 2 {
		if err := insert(10 + id); !errors.Is(err, ErrFailed) || !errors.Is(err, errSync) {
			t.Errorf("commit %d on a broken disk: %v", id, err)
		}
	}
	for _, err := range []error{d.Seal(ctx, items.ID), d.Compact(ctx, items.ID)} {
		if err != nil && !errors.Is(err, ErrFailed) {
			t.Errorf("upkeep on a broken disk: %v", err)
		}
	}
	fs.broken.Store(false)
	d.Close() // says that the log could not be written
}

// A batch larger than Pebble's write buffer is applied like any other.
func TestLargeBatch(t *testing.T) {
	fs := vfs.NewMem()
	o := &Options{FS: fs, MemoryLimit: 1 << 20}
	d := openMem(t, o)
	items := makeItems(t, d)
	b := d.NewBatch(nil)
	text := strings.Repeat("large ", 1000)
	for i := range 2000 {
		value(b.Insert(ctx, items, Row{i, text, []float32{float32(i), 1, 2}}))(t)
	}
	must(t, b.Commit(ctx))
	must(t, d.Verify(ctx))
	must(t, d.Close())
	d = openMem(t, o)
	must(t, d.Verify(ctx))
	if st := d.Stats(); st.HeadRows != 2000 {
		t.Errorf("%+v", st)
	}
}
