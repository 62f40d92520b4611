package vecindex

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/accel"
	"engram/index"
	"engram/index/indextest"
)

const testDim = 24

var testOwner = Owner{Column: 7, Parquet: 0x1234567890abcdef}

func testRows(t *testing.T, n int) (*index.Rows, []float32) {
	t.Helper()
	data := indextest.Rows(3, n, testDim)
	half := n / 2 * testDim
	rows, err := index.NewRows(testDim, data[:half], data[half:])
	if err != nil {
		t.Fatal(err)
	}
	return rows, data
}

func build(t *testing.T, rows *index.Rows, s Spec) Index {
	t.Helper()
	x, err := Build(context.Background(), rows, s, BuildOptions{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestRoundTrip: an index of either kind that went through a file, mapped or not, gives the answers it gave before.
func TestRoundTrip(t *testing.T) {
	for _, kind := range []index.Kind{index.KindHNSW, index.KindIVF} {
		for _, n := range []int{0, 20, 3000} {
			rows, data := testRows(t, n)
			s := Spec{Kind: kind, Metric: accel.Cosine, M: 8, EfConstruction: 40}
			x := build(t, rows, s)
			for name, fs := range map[string]vfs.FS{"memory": vfs.NewMem(), "disk": vfs.Default} {
				path := fs.PathJoin(t.TempDir(), "1.idx")
				if err := fs.MkdirAll(fs.PathDir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := Write(fs, path, x, s, testDim, testOwner); err != nil {
					t.Fatal(err)
				}
				for _, want := range []index.Kind{kind, index.KindAuto} {
					f, err := Open(fs, path, rows, Spec{Kind: want, Metric: accel.Cosine}, testOwner)
					if err != nil {
						t.Fatalf("%v of %d rows on %s: %v", kind, n, name, err)
					}
					if err := f.Verify(); err != nil || f.Kind != kind || f.Describe() != x.Describe() || f.Len() != n {
						t.Errorf("%v of %d rows came back as %v %q, %v", kind, n, f.Kind, f.Describe(), err)
					}
					for i := 0; i < n; i += max(1, n/20) {
						q := data[i*testDim : (i+1)*testDim]
						a, err := x.Nearest(q, 5, nil)
						b, err2 := f.Nearest(q, 5, nil)
						if err != nil || err2 != nil || !slices.Equal(a, b) || a[0].Ord != uint32(i) {
							t.Fatalf("%v: %v before, %v after (%v, %v)", kind, a, b, err, err2)
						}
					}
					if err := f.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
}

// TestOpenRefuses what is not the index that is asked for.
func TestOpenRefuses(t *testing.T) {
	fs := vfs.NewMem()
	rows, _ := testRows(t, 1500)
	fewer, _ := testRows(t, 1400)
	s := Spec{Kind: index.KindIVF, Metric: accel.L2}
	if err := Write(fs, "x", build(t, rows, s), s, testDim, testOwner); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rows  *index.Rows
		want  Spec
		owner Owner
	}{
		"other rows":    {fewer, s, testOwner},
		"other kind":    {rows, Spec{Kind: index.KindHNSW, Metric: accel.L2}, testOwner},
		"other metric":  {rows, Spec{Kind: index.KindIVF, Metric: accel.Cosine}, testOwner},
		"other column":  {rows, s, Owner{Column: 8, Parquet: testOwner.Parquet}},
		"other segment": {rows, s, Owner{Column: 7, Parquet: 1}},
	} {
		if f, err := Open(fs, "x", c.rows, c.want, c.owner); !errors.Is(err, index.ErrFile) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	if _, err := Open(fs, "y", rows, s, testOwner); err == nil {
		t.Error("a file that is not there is opened")
	}
	if _, err := Build(context.Background(), rows, Spec{Kind: index.KindFlat, Metric: accel.L2}, BuildOptions{}); !errors.Is(err, ErrKind) {
		t.Errorf("a flat index is built: %v", err)
	}
}

// TestDamage changes every byte of the header and cuts the file: what opens can be searched, the rest is index.ErrFile.
func TestDamage(t *testing.T) {
	rows, data := testRows(t, 1200)
	for _, kind := range []index.Kind{index.KindHNSW, index.KindIVF} {
		s := Spec{Kind: kind, Metric: accel.L2, M: 6, EfConstruction: 20}
		path := filepath.Join(t.TempDir(), "x")
		if err := Write(vfs.Default, path, build(t, rows, s), s, testDim, testOwner); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range headerSize + 64 {
			bad := slices.Clone(whole)
			bad[i] ^= 1 << (i % 8)
			try(t, path, bad, rows, s, data, i)
		}
		for _, n := range []int{0, 1, headerSize - 1, headerSize, headerSize + 40, len(whole) / 2, len(whole) - 1} {
			try(t, path, whole[:n], rows, s, data, -1)
		}
	}
}

// try opens a damaged file; at is the byte changed, -1 if it was cut.
func try(t *testing.T, path string, bad []byte, rows *index.Rows, s Spec, data []float32, at int) {
	t.Helper()
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(vfs.Default, path, rows, s, testOwner)
	if err == nil {
		t.Errorf("byte %d of %v is not looked at", at, s.Kind)
		_, _ = f.Nearest(data[:testDim], 3, nil)
		f.Close()
	} else if !errors.Is(err, index.ErrFile) {
		t.Errorf("byte %d: %v", at, err)
	}
}

// TestWriteLeavesNothing behind when the disk refuses.
func TestWriteLeavesNothing(t *testing.T) {
	rows, _ := testRows(t, 30)
	s := Spec{Kind: index.KindIVF, Metric: accel.L2}
	fs := vfs.NewMem()
	if err := Write(fs, "missing/x", build(t, rows, s), s, testDim, testOwner); err == nil {
		t.Error("written into a folder that is not there")
	}
	if names, _ := fs.List(""); len(names) > 0 {
		t.Errorf("%v is left", names)
	}
}
