package vecindex

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/accel"
	"engram/db/internal/segment"
	"engram/index"
)

func someRows(t testing.TB, n, dim int) *index.Rows {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]float32, n*dim)
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	rows, err := index.NewRows(dim, data)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

var owner = Owner{Column: 7, Parquet: 42}

func written(t testing.TB, fs vfs.FS, rows *index.Rows, s Spec) []byte {
	t.Helper()
	x, err := Build(context.Background(), rows, s, BuildOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(fs, "a.idx", x, s, rows.Dim(), owner); err != nil {
		t.Fatal(err)
	}
	data, _, err := segment.Map(fs, "a.idx")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What is written is opened again as what it was; every changed byte is noticed by Open or Verify.
func TestFile(t *testing.T) {
	rows := someRows(t, 1100, 8)
	for _, s := range []Spec{
		{Kind: index.KindHNSW, Metric: accel.L2, M: 8, EfConstruction: 40, Profile: index.Compact},
		{Kind: index.KindIVF, Metric: accel.Cosine},
	} {
		fs := vfs.NewMem()
		data := written(t, fs, rows, s)
		f, err := Open(fs, "a.idx", rows, s, owner)
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind != s.Kind || f.Profile != s.Profile || f.Len() != 1100 || f.Size != int64(len(data)) || f.Verify() != nil {
			t.Errorf("%+v: opened as %s, %s, %d rows, %d bytes, %v", s, f.Kind, f.Profile, f.Len(), f.Size, f.Verify())
		}
		if hits, err := f.Nearest(rows.Row(5), 1, nil); err != nil || len(hits) != 1 || hits[0].Ord != 5 {
			t.Errorf("%v: row 5 finds %v, %v", s.Kind, hits, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		r := rand.New(rand.NewPCG(3, 4))
		for i := range 400 {
			at := i
			if i >= 100 {
				at = r.IntN(len(data))
			}
			bad := aligned(data)
			bad[at%len(data)] ^= 1 << r.IntN(8)
			x, h, err := open(bad, rows, s, owner)
			if err == nil {
				err = (&File{Index: x, data: bad[headerSize:], sum: h.body}).Verify()
			}
			if !errors.Is(err, index.ErrFile) {
				t.Fatalf("%v: byte %d of %d changed: %v", s.Kind, at, len(data), err)
			}
		}
		for cut := 0; cut < len(data); cut += 1 + len(data)/50 {
			if _, _, err := open(aligned(data)[:cut:cut], rows, s, owner); !errors.Is(err, index.ErrFile) {
				t.Errorf("%v: cut at %d: %v", s.Kind, cut, err)
			}
		}
	}
}

// aligned copies bytes to where a mapped file might begin.
func aligned(b []byte) []byte {
	fs := vfs.NewMem()
	f, err := fs.Create("x", vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(b)
	}
	if err != nil {
		panic(err)
	}
	f.Close()
	data, _, err := segment.Map(fs, "x")
	if err != nil {
		panic(err)
	}
	return data
}

func TestOtherOwner(t *testing.T) {
	fs, rows, any := vfs.NewMem(), someRows(t, 50, 8), Spec{Metric: accel.L2}
	written(t, fs, rows, Spec{Kind: index.KindIVF, Metric: accel.L2})
	for name, open := range map[string]func() (*File, error){
		"another segment": func() (*File, error) { return Open(fs, "a.idx", rows, any, Owner{7, 43}) },
		"another column":  func() (*File, error) { return Open(fs, "a.idx", rows, any, Owner{8, 42}) },
		"another metric":  func() (*File, error) { return Open(fs, "a.idx", rows, Spec{Metric: accel.Cosine}, owner) },
		"other rows":      func() (*File, error) { return Open(fs, "a.idx", someRows(t, 49, 8), any, owner) },
	} {
		if _, err := open(); !errors.Is(err, index.ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Build(context.Background(), rows, Spec{Kind: index.KindFlat}, BuildOptions{}); !errors.Is(err, ErrKind) {
		t.Errorf("flat: %v", err)
	}
}

// Any bytes open or are refused, and what opens can be searched.
func FuzzOpen(f *testing.F) {
	rows := someRows(f, 1100, 8)
	var seeds [][]byte
	for _, s := range []Spec{{Kind: index.KindHNSW, Metric: accel.L2, M: 4, EfConstruction: 20}, {Kind: index.KindIVF, Metric: accel.L2}} {
		seeds = append(seeds, bytes.Clone(written(f, vfs.NewMem(), rows, s)))
	}
	f.Add(uint16(0), []byte{}, false)
	f.Add(uint16(16), []byte{0, 2}, true)
	f.Add(uint16(300), []byte{255, 255, 255, 255}, false)
	f.Fuzz(func(t *testing.T, at uint16, patch []byte, second bool) {
		seed := seeds[0]
		if second {
			seed = seeds[1]
		}
		data := aligned(seed)
		copy(data[min(int(at), len(data)):], patch)
		if len(data) >= headerSize { // so that the patch gets beyond the header's checksum
			if h, err := parseHeader(seed); err == nil && at >= headerSize {
				copy(data, h.bytes())
			}
		}
		x, h, err := open(data, rows, Spec{Metric: accel.L2}, owner)
		if err != nil {
			if !errors.Is(err, index.ErrFile) {
				t.Fatal(err)
			}
			return
		}
		_ = (&File{Index: x, data: data[headerSize:], sum: h.body}).Verify()
		if hits, err := x.Nearest(rows.Row(3), 5, nil); err != nil || len(hits) != 5 {
			t.Fatalf("%d hits, %v", len(hits), err)
		}
	})
}
