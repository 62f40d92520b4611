package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/index"
)

// nearSpace draws the vectors that tests of indexes use.
var nearSpace = newSoakSpace(32, 12, 8, 5)

// indexedTable makes a table with n vectors, settled, and an index that is not built yet.
func indexedTable(t *testing.T, d *DB, n int, x VectorIndex) *Table {
	t.Helper()
	b := d.NewBatch(nil)
	table := value(b.CreateTable(Table{Name: "near", Columns: []Column{{Name: "n", Type: TypeOf(Int8)}, {Name: "v", Type: VectorOf(nearSpace.dim)}},
		Indexes: []VectorIndex{x}}))(t)
	r := rand.New(rand.NewPCG(3, 3))
	for i := range n {
		value(b.Insert(ctx, table, Row{i, nearSpace.draw(r, i%12)}))(t)
	}
	must(t, b.Commit(ctx))
	must(t, d.Seal(ctx, table.ID))
	return table
}

var hnswOfV = VectorIndex{Name: "v_idx", Column: 1, Kind: IndexHNSW, Metric: L2, M: 8, EfConstruction: 60}

// checkIndexed measures the recall of searches, which must be by the index or all not.
func checkIndexed(t *testing.T, d *DB, table *Table, byIndex bool) {
	t.Helper()
	s := d.Snapshot()
	defer s.Close()
	r := value(s.Recall(ctx, value(s.TableByID(table.ID))(t), 1, RecallOptions{Samples: 30, Metric: L2}))(t)
	if r.Mean < 0.95 || (r.IndexedSegments == r.Segments) != byIndex || r.Samples != 30 {
		t.Errorf("%+v, by index: %t", r, byIndex)
	}
}

func statusOf(t *testing.T, d *DB, table *Table) IndexStatus {
	t.Helper()
	all := d.IndexStatus(table.ID)
	if len(all) != 1 {
		t.Fatalf("status %+v", all)
	}
	return all[0]
}

// indexFiles lists what lies in the segment directory and belongs to an index.
func indexFiles(t *testing.T, d *DB) (names []string) {
	t.Helper()
	for _, name := range value(d.fs.List(d.segDir))(t) {
		if strings.Contains(name, ".idx") {
			names = append(names, name)
		}
	}
	return names
}

// A build that does not fit into its memory becomes a cheaper one, which the status tells, also after the database is opened again.
func TestIndexOfLittleMemory(t *testing.T) {
	const n = 4000
	asked := VectorIndex{Name: "v_idx", Column: 1, Kind: IndexHNSW, Metric: L2, EfConstruction: 40}
	for _, c := range []struct {
		memory int64
		note   string
	}{
		{0, ""},
		{n * 230, "1 of 1 segments: hnsw (compact) where hnsw (fast) is asked for"},
		{n * 180, "1 of 1 segments: ivf (compact) where hnsw (fast) is asked for"},
	} {
		fs := vfs.NewMem()
		d := openMem(t, &Options{FS: fs, BuildMemory: c.memory})
		table := indexedTable(t, d, n, asked)
		if st := statusOf(t, d, table); st.Ready != 0 || !strings.HasPrefix(st.Describe, "building") {
			t.Errorf("before the build: %+v", st)
		}
		must(t, d.BuildIndexes(ctx, table.ID, nil))
		for range 2 {
			if st := statusOf(t, d, table); st.Note != c.note || st.Ready != 1 || st.Error != "" {
				t.Errorf("memory %d: %+v", c.memory, st)
			}
			checkIndexed(t, d, table, true)
			must(t, d.Verify(ctx))
			must(t, d.Close())
			d = openMem(t, &Options{FS: fs})
		}
		must(t, d.Reindex(ctx, table.ID, "v_idx", nil))
		if st := statusOf(t, d, table); st.Note != "" {
			t.Errorf("rebuilt with memory enough: %+v", st)
		}
	}
}

// messages keeps what is logged.
type messages struct {
	slog.Handler
	mu  sync.Mutex
	all []string
}

func (m *messages) Enabled(context.Context, slog.Level) bool { return true }
func (m *messages) Handle(_ context.Context, r slog.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, r.Message)
	return nil
}

func (m *messages) has(text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.all {
		if strings.Contains(s, text) {
			return true
		}
	}
	return false
}

// An index file that is missing or broken costs a rebuild and no answer; the log and the status say so.
func TestIndexDamage(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"missing":  func([]byte) []byte { return nil },
		"empty":    func([]byte) []byte { return []byte{} },
		"cut":      func(b []byte) []byte { return b[:len(b)*2/3] },
		"header":   func(b []byte) []byte { b[20] ^= 1; return b },
		"body":     func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"last":     func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"of other": func(b []byte) []byte { b[33] ^= 1; return b },
	} {
		fs := vfs.NewMem()
		d := openMem(t, &Options{FS: fs})
		table := indexedTable(t, d, 1100, hnswOfV)
		must(t, d.BuildIndexes(ctx, table.ID, nil))
		path := d.fs.PathJoin(d.segDir, indexFiles(t, d)[0])
		must(t, d.Close())
		bytes := damage(readFile(t, fs, path))
		must(t, fs.Remove(path))
		if bytes != nil {
			writeFile(t, fs, path, bytes)
		}
		log := &messages{}
		d = openMem(t, &Options{FS: fs, Logger: slog.New(log)})
		inBody := name == "body" || name == "last"
		checkIndexed(t, d, table, inBody)
		if err := d.Verify(ctx); (name == "missing") != (err == nil) || err != nil && !errors.Is(err, index.ErrFile) {
			t.Errorf("%s: Verify: %v", name, err)
		}
		d.checkIndexes()
		st := statusOf(t, d, table)
		if st.Ready != 0 || (st.Error == "") != (name == "missing") || !log.has("will be built") {
			t.Errorf("%s: %+v, log %q", name, st, log.all)
		}
		checkIndexed(t, d, table, false)
		must(t, d.BuildIndexes(ctx, table.ID, nil))
		if st := statusOf(t, d, table); st.Ready != 1 || st.Error != "" {
			t.Errorf("%s, rebuilt: %+v", name, st)
		}
		checkIndexed(t, d, table, true)
		must(t, d.Verify(ctx))
		must(t, d.Close())
	}
}

func readFile(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f := value(fs.Open(path))(t)
	defer f.Close()
	b := make([]byte, value(f.Stat())(t).Size())
	value(f.ReadAt(b, 0))(t)
	return b
}

func writeFile(t *testing.T, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f := value(fs.Create(path, vfs.WriteCategoryUnspecified))(t)
	value(f.Write(b))(t)
	must(t, f.Sync())
	must(t, f.Close())
}

// fullFS has no room left for index files from operation number at on.
type fullFS struct {
	vfs.FS
	at    int // 0: there is room
	count int
}

func (f *fullFS) check(name string) error {
	if !strings.Contains(name, ".idx") {
		return nil
	}
	if f.count++; f.at > 0 && f.count >= f.at {
		return syscall.ENOSPC
	}
	return nil
}

func (f *fullFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.check(name); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name, c)
	return &fullFile{file, f, name}, err
}

func (f *fullFS) Rename(a, b string) error {
	if err := f.check(b); err != nil {
		return err
	}
	return f.FS.Rename(a, b)
}

type fullFile struct {
	vfs.File
	fs   *fullFS
	name string
}

func (f *fullFile) Write(p []byte) (int, error) {
	if err := f.fs.check(f.name); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *fullFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.fs.check(f.name); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, at)
}

func (f *fullFile) Sync() error {
	if err := f.fs.check(f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

// A disk that is full while an index is written leaves nothing behind, searches compare row by row, and the next try succeeds.
func TestIndexDiskFull(t *testing.T) {
	fs := &fullFS{FS: vfs.NewMem()}
	d := openMem(t, &Options{FS: fs})
	table := indexedTable(t, d, 1200, hnswOfV)
	fs.count = 0
	must(t, d.BuildIndexes(ctx, table.ID, nil))
	steps := fs.count
	if steps < 4 {
		t.Fatalf("%d steps: nothing is tried", steps)
	}
	for at := 1; at <= steps; at++ {
		b := d.NewBatch(nil)
		n := table.Clone()
		n.Indexes = nil
		n = value(b.AlterTable(ctx, n))(t).Clone()
		n.Indexes = []VectorIndex{hnswOfV}
		table = value(b.AlterTable(ctx, n))(t)
		must(t, b.Commit(ctx))
		d.dropIndexes()
		fs.at, fs.count = at, 0
		if err := d.BuildIndexes(ctx, table.ID, nil); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("step %d of %d: %v", at, steps, err)
		}
		if st := statusOf(t, d, table); st.Ready != 0 || !strings.Contains(st.Error, "no space") || !strings.HasPrefix(st.Describe, "not built") {
			t.Errorf("step %d: %+v", at, st)
		}
		if left := indexFiles(t, d); len(left) > 0 {
			t.Errorf("step %d: left are %v", at, left)
		}
		checkIndexed(t, d, table, false)
		fs.at = 0
		must(t, d.BuildIndexes(ctx, table.ID, nil))
		checkIndexed(t, d, table, true)
	}
	must(t, d.Verify(ctx))
}

// A build can be cancelled, and ends when its index or its table is dropped; nothing is left of it. Readers and writers go on
// meanwhile.
func TestIndexBuildEnds(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, d *DB, table *Table, cancel func()){
		"cancel": func(t *testing.T, d *DB, table *Table, cancel func()) { cancel() },
		"drop index": func(t *testing.T, d *DB, table *Table, cancel func()) {
			b := d.NewBatch(nil)
			n := table.Clone()
			n.Indexes = nil
			value(b.AlterTable(ctx, n))(t)
			must(t, b.Commit(ctx))
		},
		"drop table": func(t *testing.T, d *DB, table *Table, cancel func()) {
			b := d.NewBatch(nil)
			must(t, b.DropTable(table.ID))
			must(t, b.Commit(ctx))
		},
		"close": func(t *testing.T, d *DB, table *Table, cancel func()) { go d.Close(); <-d.closing.Done() },
	} {
		d := openMem(t, nil)
		table := indexedTable(t, d, 3000, hnswOfV)
		cancelled, cancel := context.WithCancel(ctx)
		told := false
		err := d.BuildIndexes(cancelled, table.ID, func(done, total int64) {
			if told || done == 0 {
				return
			}
			told = true
			if total != 3000 {
				t.Errorf("%s: progress of %d", name, total)
			}
			checkIndexed(t, d, table, false)
			b := d.NewBatch(nil)
			value(b.Insert(ctx, table, Row{-1, nil}))(t)
			must(t, b.Commit(ctx))
			must(t, d.Seal(ctx, table.ID))
			end(t, d, table, cancel)
		})
		want := map[string]error{"cancel": context.Canceled, "close": ErrClosed, "drop table": ErrTableNotFound}[name]
		if !errors.Is(err, want) || want == nil && err != nil || !told {
			t.Errorf("%s: %v, progress told: %t", name, err, told)
		}
		if name == "close" {
			continue
		}
		if left := indexFiles(t, d); len(left) > 0 {
			t.Errorf("%s: left are %v", name, left)
		}
		if name == "cancel" {
			must(t, d.BuildIndexes(ctx, table.ID, nil))
			checkIndexed(t, d, table, true)
		}
		cancel()
		must(t, d.Verify(ctx))
	}
}

// A compaction publishes its segment with its index. While it builds that, searches use the old segments, and rows are
// written, deleted and sealed.
func TestCompactionBuildsIndex(t *testing.T) {
	fs := &hookIndexFS{FS: vfs.NewMem()}
	d := openMem(t, &Options{FS: fs})
	table := indexedTable(t, d, 1500, hnswOfV)
	b := d.NewBatch(nil)
	for i := range 1500 {
		value(b.Insert(ctx, table, Row{i, nearSpace.draw(rand.New(rand.NewPCG(uint64(i), 4)), i%12)}))(t)
	}
	must(t, b.Commit(ctx))
	must(t, d.Seal(ctx, table.ID))
	must(t, d.BuildIndexes(ctx, table.ID, nil))
	called := false
	fs.on = func() {
		called = true
		checkIndexed(t, d, table, true)
		b := d.NewBatch(nil)
		for id := RowID(100); id < 200; id++ {
			must(t, b.Delete(ctx, table, id))
		}
		value(b.Insert(ctx, table, Row{1, nil}))(t)
		must(t, b.Commit(ctx))
		must(t, d.Seal(ctx, table.ID))
	}
	must(t, d.Compact(ctx, table.ID))
	if !called {
		t.Fatal("no index was written")
	}
	checkIndexed(t, d, table, true)
	if st := d.Stats(); st.Segments != 2 || st.DeadRows != 100 {
		t.Errorf("%+v", st)
	}
	must(t, d.Verify(ctx))
	s := d.Snapshot()
	defer s.Close()
	for _, h := range value(s.Search(ctx, table, Query{Column: 1, Near: nearSpace.centers[0], K: 2900, Metric: L2}))(t) {
		if h.ID >= 100 && h.ID < 200 {
			t.Fatalf("row %d died while the segments were merged, and is found", h.ID)
		}
	}
	// A compaction that is cancelled while it builds leaves everything as it was.
	stopped, cancel := context.WithCancel(ctx)
	fs.on = cancel
	files := func() string { return fmt.Sprint(slices.Sorted(slices.Values(value(d.fs.List(d.segDir))(t)))) }
	before := files()
	if err := d.Compact(stopped, table.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if after := files(); after != before {
		t.Errorf("files %s, before %s", after, before)
	}
	must(t, d.Verify(ctx))
}

// hookIndexFS calls on, once, when an index file is made.
type hookIndexFS struct {
	vfs.FS
	on func()
}

func (h *hookIndexFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if f := h.on; f != nil && strings.Contains(name, ".idx") {
		h.on = nil
		f()
	}
	return h.FS.Create(name, c)
}

func TestIndexErrors(t *testing.T) {
	d := openMem(t, nil)
	table := indexedTable(t, d, 10, VectorIndex{Name: "v_idx", Column: 1, Kind: IndexFlat})
	if err := d.Reindex(ctx, table.ID, "other", nil); !errors.Is(err, ErrIndexNotFound) {
		t.Errorf("reindex of an unknown index: %v", err)
	}
	if err := d.BuildIndexes(ctx, 9999, nil); !errors.Is(err, ErrTableNotFound) {
		t.Errorf("indexes of an unknown table: %v", err)
	}
	if d.IndexStatus(9999) != nil {
		t.Error("status of an unknown table")
	}
	must(t, d.Reindex(ctx, table.ID, "v_idx", nil))
	if st := statusOf(t, d, table); st.Ready != 1 || st.Vectors != 10 || !strings.HasPrefix(st.Describe, "flat") {
		t.Errorf("%+v", st)
	}
	must(t, d.Close())
	for _, err := range []error{d.Reindex(ctx, table.ID, "v_idx", nil), d.Compact(ctx, table.ID)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	}
}

// Many tables with small heads are sealed before they take much memory together.
func TestSealByTotal(t *testing.T) {
	d := openMem(t, &Options{SealBytes: 10_000})
	for i := range 8 {
		b := d.NewBatch(nil)
		table := value(b.CreateTable(Table{Name: fmt.Sprint("t", i), Columns: []Column{{Name: "s", Type: TypeOf(Text)}}}))(t)
		value(b.Insert(ctx, table, Row{strings.Repeat("x", 4000+i)}))(t)
		must(t, b.Commit(ctx))
		d.keepUp(ctx)
		if st := d.Stats(); st.HeadBytes >= 20_000 {
			t.Fatalf("table %d: %+v", i, st)
		}
	}
	if st := d.Stats(); st.Segments == 0 || st.Segments > 4 {
		t.Errorf("%+v", st)
	}
}

// What was written and deleted again in the head holds no writer up.
func TestHeadOfDeletedRows(t *testing.T) {
	d := openMem(t, &Options{SealBytes: 1000})
	items := makeItems(t, d)
	for i := range 30 {
		b := d.NewBatch(nil)
		ids := value(b.Insert(ctx, items, Row{i, strings.Repeat("x", 500), nil}))(t)
		must(t, b.Commit(ctx))
		b = d.NewBatch(nil)
		must(t, b.Delete(ctx, items, ids[0]))
		must(t, b.Commit(ctx))
	}
	if st := d.Stats(); st.HeadBytes < 4*1000 {
		t.Fatalf("%+v", st)
	}
	d.keepUp(ctx)
	if st := d.Stats(); st.HeadBytes != 0 || st.Segments != 0 {
		t.Errorf("%+v", st)
	}
}
