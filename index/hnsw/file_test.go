package hnsw_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"engram/accel"
	"engram/index"
	"engram/index/hnsw"
	"engram/index/indextest"
)

const (
	fileDim  = 70 // codes of more than a line
	fileRows = 1200
)

func fileIndex(t testing.TB) (*hnsw.Index, *index.Rows, []float32) {
	data := indextest.Rows(7, fileRows, fileDim)
	rows := mustRows(t, fileDim, data)
	return mustBuild(t, rows, hnsw.Config{Metric: accel.Cosine, M: 6, EfConstruction: 30}), rows, data
}

func TestFileGivesTheSameAnswers(t *testing.T) {
	x, rows, data := fileIndex(t)
	file := written(t, x)
	if err := hnsw.VerifyFile(file); err != nil {
		t.Fatal(err)
	}
	y, err := hnsw.Open(file, rows)
	if err != nil {
		t.Fatal(err)
	}
	if err := y.Verify(); err != nil {
		t.Fatal(err)
	}
	if y.Describe() != x.Describe() || y.Metric() != x.Metric() || y.Len() != x.Len() {
		t.Errorf("%q came back as %q", x.Describe(), y.Describe())
	}
	for _, q := range near(data, fileDim, 20) {
		a, _ := x.Nearest(q, 10, nil)
		b, _ := y.Nearest(q, 10, nil)
		if !slices.Equal(a, b) {
			t.Fatalf("%v, opened %v", a, b)
		}
	}
	if !bytes.Equal(written(t, y), file) {
		t.Error("an opened index is written differently")
	}
}

// TestDamageIsFound changes each byte of the head and many of the rest.
func TestDamageIsFound(t *testing.T) {
	x, rows, data := fileIndex(t)
	file := written(t, x)
	const head = 64 + 4*24 + 4
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1200 {
		at := i
		if i >= head {
			at = r.IntN(len(file))
		}
		file[at] ^= 1 << (i % 8)
		y, err := hnsw.Open(file, rows)
		switch {
		case err != nil && !errors.Is(err, index.ErrFile):
			t.Errorf("byte %d: %v", at, err)
		case err == nil && at < head:
			t.Errorf("byte %d of the head is not looked at", at)
		case err == nil:
			use(t, y, data)
			if sum := hnsw.VerifyFile(file); !errors.Is(sum, index.ErrFile) && !padding(file, at) {
				t.Errorf("byte %d: its checksum says %v", at, sum)
			}
		}
		file[at] ^= 1 << (i % 8)
	}
	for _, n := range []int{0, 1, 63, head - 1, head, len(file) / 2, len(file) - 1} {
		if _, err := hnsw.Open(aligned(file[:n]), rows); !errors.Is(err, index.ErrFile) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := hnsw.Open(aligned(append([]byte{0}, file...))[1:], rows); !errors.Is(err, index.ErrFile) {
		t.Errorf("not aligned: %v", err)
	}
}

// padding reports whether a byte lies in none of the sections.
func padding(file []byte, at int) bool {
	for i := range 4 {
		from := binary.LittleEndian.Uint64(file[64+24*i:])
		if n := binary.LittleEndian.Uint64(file[64+24*i+8:]); uint64(at) >= from && uint64(at) < from+n {
			return false
		}
	}
	return true
}

// use searches in every way; it is enough that nothing breaks.
func use(t testing.TB, x *hnsw.Index, data []float32) {
	half := slices.Repeat([]uint64{0x5555555555555555}, fileRows/64+1)
	for _, o := range []*index.SearchOptions{nil, {Bits: half, EfSearch: 30}, {EfSearch: 200}} {
		for _, h := range must(x.Nearest(data[:fileDim], 10, o)) {
			if int(h.Ord) >= fileRows {
				t.Fatalf("row %d of %d", h.Ord, fileRows)
			}
		}
	}
	_ = x.Verify()
}

func must(hits []index.Hit, err error) []index.Hit {
	if err != nil {
		panic(err)
	}
	return hits
}

func TestFileOfOtherRows(t *testing.T) {
	x, _, data := fileIndex(t)
	file := written(t, x)
	for _, rows := range []*index.Rows{
		mustRows(t, fileDim, data[fileDim:]), mustRows(t, fileDim/2, data), mustRows(t, fileDim),
	} {
		if _, err := hnsw.Open(file, rows); !errors.Is(err, index.ErrFile) {
			t.Errorf("%d rows of %d: %v", rows.Len(), rows.Dim(), err)
		}
	}
}

// TestVerifyFollowsLinks damages links under a checksum that holds.
func TestVerifyFollowsLinks(t *testing.T) {
	x, rows, data := fileIndex(t)
	links := func(file []byte) []byte {
		from, n := binary.LittleEndian.Uint64(file[64+24*2:]), binary.LittleEndian.Uint64(file[64+24*2+8:])
		return file[from : from+n]
	}
	for name, damage := range map[string]func(links []byte){
		"a count too large":   func(l []byte) { binary.LittleEndian.PutUint32(l, 1<<30) },
		"a link beyond":       func(l []byte) { binary.LittleEndian.PutUint32(l[4:], fileRows) },
		"nothing leads there": func(l []byte) { clear(l) },
	} {
		file := written(t, x)
		damage(links(file))
		seal(file)
		if err := hnsw.VerifyFile(file); err != nil {
			t.Fatal(err)
		}
		y, err := hnsw.Open(file, rows)
		if err != nil {
			t.Fatal(err)
		}
		if err := y.Verify(); !errors.Is(err, index.ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
		use(t, y, data)
	}
}

// seal makes all checksums of a file hold.
func seal(file []byte) {
	table := crc32.MakeTable(crc32.Castagnoli)
	const head = 64 + 4*24
	if len(file) < head+4 {
		return
	}
	for i := range 4 {
		at := file[64+24*i:]
		from, n := binary.LittleEndian.Uint64(at), binary.LittleEndian.Uint64(at[8:])
		if from <= uint64(len(file)) && n <= uint64(len(file))-from {
			binary.LittleEndian.PutUint64(at[16:], uint64(crc32.Checksum(file[from:from+n], table)))
		}
	}
	binary.LittleEndian.PutUint32(file[head:], crc32.Checksum(file[:head], table))
}

type broken struct{ left int }

func (b *broken) Write(p []byte) (int, error) {
	if len(p) > b.left {
		n := b.left
		b.left = 0
		return n, io.ErrShortWrite
	}
	b.left -= len(p)
	return len(p), nil
}

func TestWriteToStops(t *testing.T) {
	x, _, _ := fileIndex(t)
	size := len(written(t, x))
	for _, n := range []int{0, 10, 200, size / 2, size - 1} {
		if got, err := x.WriteTo(&broken{n}); !errors.Is(err, io.ErrShortWrite) || got != int64(n) {
			t.Errorf("a disk of %d bytes: %d written, %v", n, got, err)
		}
	}
}

// FuzzOpen opens files with changed bytes whose checksums hold, and searches what opens.
func FuzzOpen(f *testing.F) {
	x, rows, data := fileIndex(f)
	file := written(f, x)
	f.Add(uint32(8), []byte{2})
	f.Add(uint32(24), []byte{255, 255, 255})
	f.Add(uint32(64), []byte{0, 0, 0, 0, 0, 0, 0, 0, 255})
	f.Add(uint32(200), []byte{1, 0, 0})
	f.Add(uint32(len(file)/3), bytes.Repeat([]byte{255}, 4000))
	f.Add(uint32(len(file)*3/4), bytes.Repeat([]byte{255, 0, 192, 127}, 1000))
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		b := aligned(file)
		copy(b[min(int(at), len(b)):], change)
		seal(b)
		y, err := hnsw.Open(b, rows)
		if err != nil {
			if !errors.Is(err, index.ErrFile) {
				t.Fatal(err)
			}
			return
		}
		use(t, y, data)
	})
}
