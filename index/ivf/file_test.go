package ivf_test

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
	"engram/index/indextest"
	"engram/index/ivf"
)

const (
	fileDim  = 70 // codes of more than a line
	fileRows = 1200
)

func fileIndex(t testing.TB) (*ivf.Index, *index.Rows, []float32) {
	data := indextest.Rows(7, fileRows, fileDim)
	rows := mustRows(t, fileDim, data)
	return mustBuild(t, rows, ivf.Config{Metric: accel.Cosine}), rows, data
}

func TestFileGivesTheSameAnswers(t *testing.T) {
	x, rows, data := fileIndex(t)
	file := written(t, x)
	y, err := ivf.Open(file, rows)
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
	const head = 64 + 12*24 + 4
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1200 {
		at := i
		if i >= head {
			at = r.IntN(len(file))
		}
		file[at] ^= 1 << (i % 8)
		y, err := ivf.Open(file, rows)
		switch {
		case err != nil && !errors.Is(err, index.ErrFile):
			t.Errorf("byte %d: %v", at, err)
		case err == nil && at < head:
			t.Errorf("byte %d of the head is not looked at", at)
		case err == nil:
			use(t, y, data)
			if sum := y.Verify(); !errors.Is(sum, index.ErrFile) && !padding(file, at) {
				t.Errorf("byte %d: Verify says %v", at, sum)
			}
		}
		file[at] ^= 1 << (i % 8)
	}
	for _, n := range []int{0, 1, 63, head - 1, head, len(file) / 2, len(file) - 1} {
		if _, err := ivf.Open(aligned(file[:n]), rows); !errors.Is(err, index.ErrFile) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := ivf.Open(aligned(append([]byte{0}, file...))[1:], rows); !errors.Is(err, index.ErrFile) {
		t.Errorf("not aligned: %v", err)
	}
}

// padding reports whether a byte lies in none of the sections.
func padding(file []byte, at int) bool {
	for i := range 12 {
		from := binary.LittleEndian.Uint64(file[64+24*i:])
		if n := binary.LittleEndian.Uint64(file[64+24*i+8:]); uint64(at) >= from && uint64(at) < from+n {
			return false
		}
	}
	return true
}

// use searches in every way; it is enough that nothing breaks.
func use(t testing.TB, x *ivf.Index, data []float32) {
	half := slices.Repeat([]uint64{0x5555555555555555}, fileRows/64+1)
	for _, o := range []*index.SearchOptions{nil, {Bits: half, Probes: 30}, {Probes: 2}, {Keep: func(ord uint32) bool { return ord%3 > 0 }}} {
		for _, h := range must(x.Nearest(data[:fileDim], 10, o)) {
			if int(h.Ord) >= fileRows {
				t.Fatalf("row %d of %d", h.Ord, fileRows)
			}
		}
	}
	_ = x.Verify()
}

func TestFileOfOtherRows(t *testing.T) {
	x, _, data := fileIndex(t)
	file := written(t, x)
	for _, rows := range []*index.Rows{
		mustRows(t, fileDim, data[fileDim:]), mustRows(t, fileDim/2, data), mustRows(t, fileDim),
	} {
		if _, err := ivf.Open(file, rows); !errors.Is(err, index.ErrFile) {
			t.Errorf("%d rows of %d: %v", rows.Len(), rows.Dim(), err)
		}
	}
}

// TestVerifyReadsLists damages lists under checksums that hold.
func TestVerifyReadsLists(t *testing.T) {
	x, rows, data := fileIndex(t)
	section := func(file []byte, i int) []byte {
		from, n := binary.LittleEndian.Uint64(file[64+24*i:]), binary.LittleEndian.Uint64(file[64+24*i+8:])
		return file[from : from+n]
	}
	for name, damage := range map[string]func(file []byte){
		"a row beyond":       func(f []byte) { binary.LittleEndian.PutUint32(section(f, 11), fileRows) },
		"a row twice":        func(f []byte) { copy(section(f, 11), section(f, 11)[4:8]) },
		"a list beyond":      func(f []byte) { binary.LittleEndian.PutUint32(section(f, 7), 1<<30) },
		"centroids of noise": func(f []byte) { copy(section(f, 7), section(f, 1)) },
	} {
		file := written(t, x)
		damage(file)
		seal(file)
		y, err := ivf.Open(file, rows)
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
	const head = 64 + 12*24
	if len(file) < head+4 {
		return
	}
	for i := range 12 {
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
		y, err := ivf.Open(b, rows)
		if err != nil {
			if !errors.Is(err, index.ErrFile) {
				t.Fatal(err)
			}
			return
		}
		use(t, y, data)
	})
}
