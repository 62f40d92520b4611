package db

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/db/internal/keys"
)

func TestOpenOnDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	d, err := Open(dir, nil)
	must(t, err)
	if d.Dir() != dir || d.SegmentDir() != filepath.Join(dir, "segments") {
		t.Errorf("%s, %s", d.Dir(), d.SegmentDir())
	}
	if _, err := Open(dir, nil); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second Open: %v", err)
	}
	items := fillItems(t, d)
	s := d.Snapshot()
	v := value(s.View(items))(t)
	if _, err := os.Stat(v.Segments[0].Path); err != nil || !filepath.IsAbs(v.Segments[0].Path) {
		t.Errorf("Parquet file %s: %v", v.Segments[0].Path, err)
	}
	s.Close()
	must(t, os.WriteFile(filepath.Join(d.SegmentDir(), "000100-000000099.parquet.tmp"), []byte("x"), 0o600))
	must(t, os.WriteFile(filepath.Join(d.SegmentDir(), "notes.txt"), []byte("x"), 0o600))
	must(t, d.Close())
	if err := d.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
	var log bytes.Buffer
	d, err = Open(dir, &Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	defer d.Close()
	must(t, d.Verify(ctx))
	if _, err := os.Stat(filepath.Join(d.SegmentDir(), "000100-000000099.parquet.tmp")); err == nil || !strings.Contains(log.String(), "000000099") {
		t.Errorf("an orphan was not swept: %v, log %s", err, log.String())
	}
	if _, err := os.Stat(filepath.Join(d.SegmentDir(), "notes.txt")); err != nil {
		t.Errorf("somebody's file was swept: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := Open(file, nil); err == nil {
		t.Error("a file was opened as a directory")
	}
	memory := uint32(MemoriesID)
	for name, x := range map[string]struct {
		ruin func(kv *pebble.DB) error
		want error
		says string
	}{
		"newer":          {func(kv *pebble.DB) error { return kv.Set(keys.Format(), keys.FormatValue(99), nil) }, ErrFormat, "version 99"},
		"no format":      {func(kv *pebble.DB) error { return kv.Delete(keys.Format(), nil) }, ErrCorrupt, "no format"},
		"other format":   {func(kv *pebble.DB) error { return kv.Set(keys.Format(), []byte("x"), nil) }, ErrCorrupt, "not an engram"},
		"no memories":    {func(kv *pebble.DB) error { return kv.Delete(keys.Table(memory), nil) }, ErrCorrupt, "memories"},
		"bad descriptor": {func(kv *pebble.DB) error { return kv.Set(keys.Table(memory), []byte("{"), nil) }, ErrCorrupt, "table 1"},
		"other table's":  {func(kv *pebble.DB) error { return kv.Set(keys.Table(7), []byte(`{"ID":8}`), nil) }, ErrCorrupt, "says 8"},
		"no columns":     {func(kv *pebble.DB) error { return kv.Set(keys.Table(7), []byte(`{"ID":7}`), nil) }, ErrCorrupt, "name is empty"},
		"bad missing": {func(kv *pebble.DB) error {
			return kv.Set(keys.Table(7), []byte(`{"ID":7,"Name":"t","NextColumn":1,"Columns":[{"ID":1,"Name":"a","Kind":3,"Missing":"AAAA"}]}`), nil)
		}, ErrCorrupt, "table 7"},
		"bad table key": {func(kv *pebble.DB) error { return kv.Set([]byte("t1"), nil, nil) }, ErrCorrupt, "table key"},
		"bad head":      {func(kv *pebble.DB) error { return kv.Set(keys.Head(memory, 1), []byte{9, 9}, nil) }, ErrCorrupt, "row 1"},
		"bad head key":  {func(kv *pebble.DB) error { return kv.Set(keys.Heads(memory).Start, nil, nil) }, ErrCorrupt, "head"},
		"no such segment": {func(kv *pebble.DB) error {
			return kv.Set(keys.Segment(memory, 5), []byte(`{"Base":"000001-000000005","Rows":1}`), nil)
		}, ErrCorrupt, "000001-000000005"},
		"odd segment": {func(kv *pebble.DB) error {
			return kv.Set(keys.Segment(memory, 5), []byte(`{"Base":"../x","Rows":1}`), nil)
		}, ErrCorrupt, "../x"},
		"bad manifest": {func(kv *pebble.DB) error { return kv.Set(keys.Segment(memory, 5), []byte(`[`), nil) }, ErrCorrupt, "segment 5"},
		"no table":     {func(kv *pebble.DB) error { return kv.Set(keys.Segment(99, 5), []byte(`{}`), nil) }, ErrCorrupt, "table 99"},
		"bad queue":    {func(kv *pebble.DB) error { return kv.Set(append(keys.PendingOf(memory).Start, 'x'), nil, nil) }, nil, ""},
		"bad counter":  {func(kv *pebble.DB) error { return kv.Set(keys.Counter(memory, 1), []byte("x"), nil) }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			d := openMem(t, &Options{FS: fs})
			must(t, d.kv.Flush())
			must(t, x.ruin(d.kv))
			d.counters.m = map[counterID]*counter{}
			must(t, d.Close())
			d, err := Open("test", &Options{FS: fs, NoBackground: true})
			if x.want != nil {
				if !errors.Is(err, x.want) || !strings.Contains(err.Error(), x.says) {
					t.Fatalf("got %v, want %v saying %q", err, x.want, x.says)
				}
				// The failed Open has let go of everything.
				if _, err := Open("test", &Options{FS: fs, NoBackground: true}); errors.Is(err, ErrLocked) {
					t.Errorf("still locked: %v", err)
				}
				return
			}
			if err == nil {
				defer d.Close()
				b := d.NewBatch(nil)
				defer b.Close()
				_, err = b.InsertMemory(ctx, Memory{})
			}
			if err == nil || !(errors.Is(err, ErrCorrupt) || strings.Contains(err.Error(), "bytes where")) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Dead rows beyond a segment's end cannot be: Open says which segment.
func TestOpenBadDeadRows(t *testing.T) {
	for _, v := range [][]byte{{1, 2, 3}, nil} {
		fs := vfs.NewMem()
		d := openMem(t, &Options{FS: fs})
		items := fillItems(t, d)
		g := d.cat.tables[items.ID].segments[0]
		if v == nil {
			v, _ = keys.Bitmap(roaring.BitmapOf(2))
		}
		must(t, d.kv.Set(keys.Dead(uint32(items.ID), g.id), v, nil))
		must(t, d.Close())
		if _, err := Open("test", &Options{FS: fs}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), g.base) {
			t.Errorf("got %v", err)
		}
	}
}

// After Close every method answers ErrClosed and none panics.
func TestClosed(t *testing.T) {
	d := openMem(t, nil)
	items := fillItems(t, d)
	s, b, late := d.Snapshot(), d.NewBatch(nil), d.NewBatch(nil)
	view := value(s.View(items))(t)
	batchView := value(b.View(items))(t)
	value(late.Insert(ctx, items, Row{9, nil, nil}))(t)
	must(t, d.Close())
	nothing := func(RowID, Row) error { return nil }
	for _, r := range []Reader{s, b, late, d.Snapshot(), d.NewBatch(nil)} {
		if r.Tables() != nil || r.Schemas() != nil {
			t.Errorf("%T lists tables", r)
		}
		_, err1 := r.Table("public", "items")
		_, err2 := r.TableByID(MemoriesID)
		_, err3 := r.Get(ctx, items, 1, nil)
		_, _, err4 := r.Lookup(ctx, items, 0, []any{1})
		_, err5 := r.Search(ctx, items, Query{Column: 2, Near: []float32{1, 2, 3}, K: 1})
		_, err6 := r.View(items)
		_, err7 := r.Count(ctx, items)
		_, _, err8 := r.Setting("k")
		_, err9 := r.Settings("k")
		for i, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8, err9, r.Scan(ctx, items, nil, nothing)} {
			if !errors.Is(err, ErrClosed) && r != Reader(late) {
				t.Errorf("%T call %d: %v", r, i+1, err)
			}
		}
	}
	_, err := b.Insert(ctx, items, Row{8, nil, nil})
	_, errID := d.NextIdentity(memoriesTable, 0)
	_, errPending := d.EmbedPending(ctx)
	for i, err := range []error{err, late.Commit(ctx), late.Commit(ctx), b.Close(), late.Refresh(), late.RollbackTo(0), d.Seal(ctx, items.ID), d.Compact(ctx, items.ID),
		d.Verify(ctx), errID, errPending, view.Head(ctx, nil, nothing), batchView.Head(ctx, nil, nothing)} {
		if i != 3 && !errors.Is(err, ErrClosed) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if st := d.Stats(); st.Tables != 0 {
		t.Errorf("%+v", st)
	}
}

func TestBatchOptions(t *testing.T) {
	d := openMem(t, nil)
	items := fillItems(t, d)
	b := d.NewBatch(&BatchOptions{ReadOnly: true})
	if _, err := b.Insert(ctx, items, Row{9, nil, nil}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
	must(t, b.Commit(ctx))
	b = d.NewBatch(&BatchOptions{MaxBytes: 1000})
	value(b.Insert(ctx, items, Row{9, nil, nil}))(t)
	if _, err := b.Insert(ctx, items, Row{10, strings.Repeat("x", 1000), nil}); !errors.Is(err, ErrBatchTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := b.Refresh(); err == nil {
		t.Error("a batch that has written was refreshed")
	}
	if err := b.RollbackTo(99); !errors.Is(err, ErrInvalidValue) {
		t.Errorf("no such mark: %v", err)
	}
	must(t, b.Commit(ctx))
	b = d.NewBatch(nil)
	other := d.NewBatch(nil)
	value(other.Insert(ctx, items, Row{11, nil, nil}))(t)
	must(t, other.Commit(ctx, CommitOptions{NoSync: true}))
	if n := value(b.Count(ctx, items))(t); n != 5 {
		t.Errorf("%d rows before Refresh", n)
	}
	must(t, b.Refresh())
	if n := value(b.Count(ctx, items))(t); n != 6 {
		t.Errorf("%d rows after Refresh", n)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	value(b.Insert(ctx, items, Row{12, nil, nil}))(t)
	if err := b.Commit(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := d.Seal(stopped, items.ID); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled seal: %v", err)
	}
	if names, _ := d.fs.List(d.segDir); len(names) != len(d.cat.tables[items.ID].segments[0].seg.Files()) {
		t.Errorf("files after a cancelled seal: %v", names)
	}
	s := d.Snapshot()
	defer s.Close()
	if err := s.Scan(stopped, items, nil, func(RowID, Row) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled scan: %v", err)
	}
	mine := errors.New("mine")
	for range 2 {
		if err := s.Scan(ctx, items, nil, func(RowID, Row) error { return mine }); err != mine {
			t.Errorf("the callback's error became %v", err)
		}
	}
}

// A seal or a compaction whose files cannot be written changes nothing.
func TestUpkeepFails(t *testing.T) {
	fs := &failFS{FS: vfs.NewMem()}
	d := openMem(t, &Options{FS: fs})
	items := fillItems(t, d)
	must(t, d.Seal(ctx, items.ID))
	b := d.NewBatch(nil)
	value(b.Insert(ctx, items, Row{9, nil, nil}))(t)
	must(t, b.Commit(ctx))
	fs.fail = errors.New("disk full")
	if err := d.Seal(ctx, items.ID); !errors.Is(err, fs.fail) {
		t.Errorf("seal: %v", err)
	}
	if err := d.Compact(ctx, items.ID); !errors.Is(err, fs.fail) {
		t.Errorf("compact: %v", err)
	}
	fs.fail = nil
	must(t, d.Verify(ctx))
}

// When a table is truncated or dropped under a seal or a compaction, its work is thrown away.
func TestUpkeepOvertaken(t *testing.T) {
	for _, upkeep := range []func(*DB, context.Context, TableID) error{(*DB).Seal, (*DB).Compact} {
		for _, change := range []func(*Batch, TableID) error{(*Batch).Truncate, (*Batch).DropTable} {
			hook := &hookFS{FS: vfs.NewMem()}
			d := openMem(t, &Options{FS: hook})
			items := fillItems(t, d)
			must(t, d.Seal(ctx, items.ID))
			b := d.NewBatch(nil)
			value(b.Insert(ctx, items, Row{9, nil, nil}))(t)
			must(t, b.Commit(ctx))
			hook.onSegment = func() {
				b := d.NewBatch(nil)
				must(t, change(b, items.ID))
				must(t, b.Commit(ctx))
			}
			if err := upkeep(d, ctx, items.ID); !errors.Is(err, ErrConflict) {
				t.Errorf("upkeep of a changed table: %v", err)
			}
			must(t, d.Verify(ctx))
			if names, _ := d.fs.List(d.segDir); len(names) != 0 {
				t.Errorf("files left: %v", names)
			}
		}
	}
}

// failFS fails to make segment files.
type failFS struct {
	vfs.FS
	fail error
}

func (f *failFS) Create(name string, k vfs.DiskWriteCategory) (vfs.File, error) {
	if f.fail != nil && strings.Contains(name, segmentDir) {
		return nil, f.fail
	}
	return f.FS.Create(name, k)
}
