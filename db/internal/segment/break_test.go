package segment_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"engram/db/internal/row"
	"engram/db/internal/segment"
)

// mixed is a small table with all ways of storing a value.
func mixed(t testing.TB) *table {
	tab := &table{cols: []row.Column{
		{ID: 1, Name: "n", Type: row.Of(row.Int8)},
		{ID: 2, Name: "text", Type: row.Of(row.Text)},
		{ID: 3, Name: "amount", Type: row.Of(row.Numeric)},
		{ID: 4, Name: "tags", Type: row.Type{Kind: row.Array, Elem: row.Text, Mod: -1}},
		{ID: 5, Name: "v", Type: row.Type{Kind: row.Vector, Mod: 4}},
		{ID: 6, Name: "picture", Type: row.Of(row.Bytea)},
	}}
	for i := range 30 {
		amount, err := row.Coerce(row.Of(row.Numeric), fmt.Sprintf("%d.%d0", i, i))
		if err != nil {
			t.Fatal(err)
		}
		values := []any{int64(i), fmt.Sprint("row ", i), amount, []any{"a", nil}, []float32{1, 2, 3, float32(i)}, []byte{byte(i)}}
		if i%7 == 3 {
			clear(values[1:])
		}
		tab.ids = append(tab.ids, uint64(i*i))
		tab.rows = append(tab.rows, values)
	}
	return tab
}

func write(t testing.TB, fs vfs.FS, base string, tab *table) *segment.Footer {
	t.Helper()
	ft, err := segment.Write(ctx, base, tab.cols, tab.source(), &segment.WriteOptions{FS: fs, RowGroupRows: 12})
	if err != nil {
		t.Fatal(err)
	}
	return ft
}

func readFile(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(append([]byte{}, b...)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// examine opens and verifies. It reports whether the damage was found; if not, what is read must be what was written.
func examine(t *testing.T, fs vfs.FS, tab *table, what string) (found bool) {
	t.Helper()
	s, err := segment.Open("a", nil, &segment.OpenOptions{FS: fs, Logger: quiet})
	if err == nil {
		err = s.Verify(ctx)
		if err == nil {
			check(t, s, tab)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil && (!errors.Is(err, segment.ErrCorrupt) || !strings.Contains(err.Error(), "a.")) {
		t.Fatalf("%s: %v neither wraps ErrCorrupt nor names the file", what, err)
	}
	return err != nil
}

// A flipped bit anywhere is found, or mended by building the sidecar anew.
func TestEveryBrokenByte(t *testing.T) {
	fs, tab := vfs.NewMem(), mixed(t)
	write(t, fs, "a", tab)
	for _, name := range []string{"a.parquet", "a.rows"} {
		good := readFile(t, fs, name)
		rows := readFile(t, fs, "a.rows")
		found := 0
		for i := range good {
			b := append([]byte{}, good...)
			b[i] ^= 1 << (i % 8)
			writeFile(t, fs, name, b)
			if name == "a.parquet" {
				writeFile(t, fs, "a.rows", rows)
			}
			if examine(t, fs, tab, fmt.Sprint(name, " byte ", i)) {
				found++
			} else if name == "a.parquet" {
				t.Fatalf("byte %d of the Parquet file is broken and nobody noticed", i)
			}
		}
		if found == 0 {
			t.Errorf("no damage to %s was found", name)
		}
		writeFile(t, fs, name, good)
		writeFile(t, fs, "a.rows", rows)
	}
}

// Without the sidecar, broken bytes of the Parquet file are found when it is rebuilt: the file checks itself.
func TestBrokenParquetAlone(t *testing.T) {
	fs, tab := vfs.NewMem(), mixed(t)
	write(t, fs, "a", tab)
	good := readFile(t, fs, "a.parquet")
	for i := 0; i < len(good); i++ {
		b := append([]byte{}, good...)
		b[i] ^= 1 << (i % 8)
		writeFile(t, fs, "a.parquet", b)
		fs.Remove("a.rows")
		s, err := segment.Open("a", nil, &segment.OpenOptions{FS: fs, Logger: quiet})
		if err == nil {
			s.Close()
			t.Fatalf("byte %d is broken and nobody noticed", i)
		} else if !errors.Is(err, segment.ErrCorrupt) || !strings.Contains(err.Error(), "a.parquet") {
			t.Fatalf("byte %d: %v", i, err)
		}
		if list, _ := fs.List(""); len(list) > 1 {
			t.Fatalf("byte %d: files left behind: %v", i, list)
		}
	}
}

func TestTruncated(t *testing.T) {
	fs, tab := vfs.NewMem(), mixed(t)
	write(t, fs, "a", tab)
	pq, rows := readFile(t, fs, "a.parquet"), readFile(t, fs, "a.rows")
	for n := 0; n < len(pq); n += 1 + n/50 {
		writeFile(t, fs, "a.parquet", pq[:n])
		writeFile(t, fs, "a.rows", rows)
		if _, err := segment.Open("a", nil, &segment.OpenOptions{FS: fs, Logger: quiet}); !errors.Is(err, segment.ErrCorrupt) || !strings.Contains(err.Error(), "a.parquet") {
			t.Fatalf("a Parquet file of %d bytes: %v", n, err)
		}
	}
	writeFile(t, fs, "a.parquet", pq)
	for n := 0; n < len(rows); n += 1 + n/20 {
		writeFile(t, fs, "a.rows", rows[:n])
		if examine(t, fs, tab, "cut") {
			t.Fatalf("a sidecar of %d bytes was not rebuilt", n)
		}
	}
}

// Wherever writing fails, nothing is left; wherever the machine stops, what is under the final name is whole.
func TestFailAndCrashAtEveryStep(t *testing.T) {
	tab := mixed(t)
	for step := 0; ; step++ {
		mem := vfs.NewCrashableMem()
		var crashed *vfs.MemFS
		n := 0
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
				return nil
			}
			if n++; n == step+1 {
				crashed = mem.CrashClone(vfs.CrashCloneCfg{})
				return errors.New("injected")
			}
			return nil
		}))
		_, err := segment.Write(ctx, "a", tab.cols, tab.source(), &segment.WriteOptions{FS: fs, RowGroupRows: 12})
		if crashed == nil {
			if err != nil || step < 8 {
				t.Fatalf("%d steps, %v", step, err)
			}
			return
		}
		// A failed close of a file already synced is the only failure that may pass unnoticed.
		if list, _ := mem.List(""); err == nil || len(list) != 0 {
			t.Fatalf("step %d: %v, left %v", step, err, list)
		}
		list, _ := crashed.List("")
		for _, name := range list {
			if name == "a.parquet" && examine(t, crashed, tab, "crash") {
				t.Fatalf("step %d: half a segment under its final name", step)
			}
		}
		if err := segment.Remove(crashed, "a"); err != nil {
			t.Fatal(err)
		}
		if list, _ := crashed.List(""); len(list) != 0 {
			t.Fatalf("Remove left %v", list)
		}
	}
}

// After Write has returned, a crash loses nothing.
func TestDurable(t *testing.T) {
	mem, tab := vfs.NewCrashableMem(), mixed(t)
	write(t, mem, "a", tab)
	if examine(t, mem.CrashClone(vfs.CrashCloneCfg{}), tab, "crash") {
		t.Fatal("the segment did not survive")
	}
}

// A rebuild that fails leaves the Parquet file and nothing new.
func TestRebuildFails(t *testing.T) {
	tab := mixed(t)
	for step := 0; ; step++ {
		mem := vfs.NewMem()
		write(t, mem, "a", tab)
		mem.Remove("a.rows")
		n := 0
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				if n++; n == step+1 {
					return errors.New("injected")
				}
			}
			return nil
		}))
		s, err := segment.Open("a", nil, &segment.OpenOptions{FS: fs, Logger: quiet})
		if err == nil {
			if n > step {
				t.Fatalf("step %d failed unnoticed", step)
			}
			s.Close()
			break
		}
	}
}

type failing struct{ after *table }

func (f *failing) Next() (uint64, []any, error) {
	id, v, err := f.after.Next()
	if err != nil {
		return 0, nil, errors.New("the source broke")
	}
	return id, v, nil
}

func TestCancelAndBrokenSource(t *testing.T) {
	fs, tab := vfs.NewMem(), mixed(t)
	cancelled, cancel := context.WithCancel(ctx)
	o := &segment.WriteOptions{FS: fs, RowGroupRows: 5, Progress: func(int) { cancel() }}
	if _, err := segment.Write(cancelled, "a", tab.cols, tab.source(), o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := segment.Write(ctx, "a", tab.cols, &failing{tab}, o); err == nil || err.Error() != "the source broke" {
		t.Fatal(err)
	}
	if list, _ := fs.List(""); len(list) != 0 {
		t.Fatalf("left %v", list)
	}
	write(t, fs, "a", mixed(t))
	s, err := segment.Open("a", nil, &segment.OpenOptions{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Verify(cancelled); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := s.Scan(cancelled, 0, nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	stop := errors.New("stop")
	if err := s.Scan(ctx, 3, []uint32{1}, func(ord uint32, _ uint64, v []any) error {
		if ord != 3 || v[0] != int64(3) {
			t.Errorf("row %d: %v", ord, v)
		}
		return stop
	}); err != stop {
		t.Error(err)
	}
	if err := s.Row(30, nil, nil); err == nil {
		t.Error("a row beyond the last one")
	}
	if err := s.Row(0, []uint32{1}, nil); err == nil {
		t.Error("no place for the value")
	}
}

func TestWriteRefuses(t *testing.T) {
	text := []row.Column{{ID: 1, Name: "c", Type: row.Of(row.Text)}}
	vec := []row.Column{{ID: 1, Name: "c", Type: row.Type{Kind: row.Vector, Mod: 3}}}
	for name, c := range map[string]struct {
		cols []row.Column
		ids  []uint64
		rows [][]any
		o    segment.WriteOptions
	}{
		"same ID":            {text, []uint64{5, 5}, [][]any{{"a"}, {"b"}}, segment.WriteOptions{}},
		"descending":         {text, []uint64{5, 4}, [][]any{{"a"}, {"b"}}, segment.WriteOptions{}},
		"RowID too large":    {text, []uint64{1 << 63}, [][]any{{"a"}}, segment.WriteOptions{}},
		"too few values":     {text, []uint64{1}, [][]any{{}}, segment.WriteOptions{}},
		"wrong form":         {text, []uint64{1}, [][]any{{1}}, segment.WriteOptions{}},
		"no vector":          {vec, []uint64{1}, [][]any{{"x"}}, segment.WriteOptions{}},
		"empty vector":       {vec, []uint64{1}, [][]any{{[]float32{}}}, segment.WriteOptions{}},
		"wrong dimension":    {vec, []uint64{1}, [][]any{{[]float32{1}}}, segment.WriteOptions{}},
		"columns of same ID": {append(text, vec...), nil, nil, segment.WriteOptions{}},
		"unknown kind":       {[]row.Column{{ID: 1, Type: row.Of(99)}}, nil, nil, segment.WriteOptions{}},
		"huge row group":     {text, nil, nil, segment.WriteOptions{RowGroupRows: 1 << 30}},
	} {
		fs := vfs.NewMem()
		c.o.FS = fs
		_, err := segment.Write(ctx, "a", c.cols, &table{ids: c.ids, rows: c.rows}, &c.o)
		if list, _ := fs.List(""); err == nil || len(list) != 0 {
			t.Errorf("%s: %v, left %v", name, err, list)
		}
	}
}

func TestEmptyAndForeign(t *testing.T) {
	dir := t.TempDir()
	base := filepath.Join(dir, "a")
	tab := &table{cols: vectorTable(0, 3).cols}
	if _, err := segment.Write(ctx, base, tab.cols, tab, nil); err != nil {
		t.Fatal(err)
	}
	s, err := segment.Open(base, tab.cols, nil)
	if err != nil {
		t.Fatal(err)
	}
	check(t, s, tab)
	if _, ok := s.Ord(0); ok {
		t.Error("an empty segment has row 0")
	}
	if st, err := os.Stat(s.ParquetPath()); err != nil || s.Bytes() <= st.Size() || len(s.Files()) != 2 {
		t.Error(err, s.Bytes(), s.Files())
	}
	s.Close()
	if _, err := segment.Open(base, tab.cols[:1], nil); err == nil {
		t.Error("opened with other columns")
	}
	if _, err := segment.Open(filepath.Join(dir, "none"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := segment.Rebuild(ctx, filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if ft, err := segment.Rebuild(ctx, base, nil); err != nil || ft.Rows != 0 {
		t.Error(ft, err)
	}
	// The sidecar of another segment is not believed.
	other := filepath.Join(dir, "b")
	big := vectorTable(10, 3)
	if _, err := segment.Write(ctx, other, big.cols, big, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other+".rows", base+".rows"); err != nil {
		t.Fatal(err)
	}
	if _, err = segment.Open(base, nil, nil); !errors.Is(err, segment.ErrCorrupt) {
		t.Fatal(err)
	}
	if _, err = segment.Rebuild(ctx, base, nil); err != nil {
		t.Fatal(err)
	}
	if s, err = segment.Open(base, nil, nil); err != nil {
		t.Fatal(err)
	}
	check(t, s, tab)
	s.Close()
	for range 2 { // the second time nothing is there
		if err := segment.Remove(nil, base); err != nil {
			t.Error(err)
		}
	}
}

func TestParquetNames(t *testing.T) {
	fs := vfs.NewMem()
	tab := &table{cols: []row.Column{
		{ID: 1, Name: "a", Type: row.Of(row.Int4)}, {ID: 2, Name: "A", Type: row.Of(row.Numeric)},
		{ID: 3, Name: "a_2", Type: row.Of(row.Bool)}, {ID: 4, Name: "__engram_rowid", Type: row.Of(row.Bool)},
	}}
	write(t, fs, "a", tab)
	s, err := segment.Open("a", nil, &segment.OpenOptions{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seen := map[string]bool{s.RowIDColumn(): true}
	for _, c := range tab.cols {
		name, ok := s.ParquetColumn(c.ID)
		if !ok || seen[strings.ToLower(name)] {
			t.Errorf("column %d is called %q", c.ID, name)
		}
		seen[strings.ToLower(name)] = true
	}
	if name, ok := s.ParquetColumn(1); name != "a" || !ok {
		t.Errorf("column 1 is called %q", name)
	}
	if _, ok := s.ParquetColumn(9); ok {
		t.Error("a column that was never written has a name")
	}
	if name, n, ok := s.ParquetExact(2); name != "__engram_exact_2" || n != 0 || !ok {
		t.Error(name, n, ok)
	}
	if _, _, ok := s.ParquetExact(1); ok {
		t.Error("an integer has an exact companion")
	}
}
