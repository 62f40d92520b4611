package segment

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math"
	"testing"
	"unsafe"

	"github.com/apache/arrow-go/v18/parquet"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/db/internal/row"
)

type rowsOf struct {
	rows [][]any
	next int
}

func (r *rowsOf) Next() (uint64, []any, error) {
	if r.next == len(r.rows) {
		return 0, nil, io.EOF
	}
	r.next++
	return uint64(r.next), r.rows[r.next-1], nil
}

// The values of every row group start at a multiple of 64 bytes, and another Parquet reader finds the same values there.
func TestVectorLayout(t *testing.T) {
	fs := vfs.NewMem()
	cols := []row.Column{{ID: 1, Name: "t", Type: row.Of(row.Text)}, {ID: 2, Name: "v", Type: row.Of(row.Vector)}, {ID: 3, Name: "h", Type: row.Of(row.Halfvec)}}
	src := &rowsOf{}
	for i := range 100 {
		v := make([]float32, 5+i/90) // the last rows are longer
		for j := range v {
			v[j] = float32(i*10 + j)
		}
		r := []any{"text"[:i%5], v, []float32{float32(i)}}
		if i%9 == 2 {
			r[1] = nil
		}
		src.rows = append(src.rows, r)
	}
	if _, err := Write(context.Background(), "a", cols, src, &WriteOptions{FS: fs, RowGroupRows: 17}); err != nil {
		t.Fatal(err)
	}
	s, err := Open("a", nil, &OpenOptions{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pq, err := pqfile.NewParquetReader(bytes.NewReader(s.parquet.data))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range s.ix.vectors {
		for g, offset := range v.offsets {
			if offset%valueAlignment != 0 {
				t.Errorf("row group %d: values at offset %d", g, offset)
			}
			cr, err := pq.RowGroup(g).Column(2 + i)
			if err != nil {
				t.Fatal(err)
			}
			values := make([]float32, v.floats[g])
			levels := v.floats[g] + int64(s.ix.groups[g]) - v.counts[g]
			_, n, err := cr.(*pqfile.Float32ColumnChunkReader).ReadBatch(levels, values, make([]int16, levels), make([]int16, levels))
			run := s.vectors[i].Runs[g].Data
			if err != nil || n != len(run) {
				t.Fatalf("%d values, %v, want %d", n, err, len(run))
			}
			for k := range run {
				if run[k] != values[k] {
					t.Fatalf("row group %d: %v and %v", g, run[k], values[k])
				}
			}
			if uintptr(unsafe.Pointer(&s.parquet.data[offset])) != uintptr(unsafe.Pointer(unsafe.SliceData(run))) {
				t.Error("the run is a copy")
			}
		}
	}
	md := pq.MetaData().RowGroup(0)
	id, _ := md.ColumnChunk(0)
	if st, err := id.Statistics(); err != nil || !st.HasMinMax() {
		t.Error("RowIDs have no statistics")
	}
	vec, _ := md.ColumnChunk(2)
	if set, _ := vec.StatsSet(); set || vec.HasDictionaryPage() || vec.Encodings()[0] != parquet.Encodings.Plain {
		t.Error("vectors have statistics or a dictionary")
	}
}

// A maximum that leaves NaN out would hide it from "x > 2", which is true for NaN in SQL.
func TestNoStatisticsBesideNaN(t *testing.T) {
	fs := vfs.NewMem()
	cols := []row.Column{{ID: 1, Name: "a", Type: row.Of(row.Float4)}, {ID: 2, Name: "b", Type: row.Of(row.Float8)}}
	src := &rowsOf{rows: [][]any{{float32(1), 2.0}, {float32(math.NaN()), 1.0}, {float32(3), math.NaN()}}}
	if _, err := Write(context.Background(), "a", cols, src, &WriteOptions{FS: fs, RowGroupRows: 1}); err != nil {
		t.Fatal(err)
	}
	m, err := openMapping(fs, "a.parquet")
	if err != nil {
		t.Fatal(err)
	}
	pq, err := pqfile.NewParquetReader(bytes.NewReader(m.data))
	if err != nil {
		t.Fatal(err)
	}
	for g, want := range [][2]bool{{true, true}, {false, true}, {true, false}} {
		for i := range want {
			chunk, _ := pq.MetaData().RowGroup(g).ColumnChunk(1 + i)
			if set, _ := chunk.StatsSet(); set != want[i] {
				t.Errorf("row group %d, column %d: statistics %v", g, i, set)
			}
		}
	}
}

func TestUnalignedFloatsAreCopied(t *testing.T) {
	b := make([]byte, 13)
	for at := range 5 {
		binary.LittleEndian.PutUint32(b[at:], math.Float32bits(1.5))
		binary.LittleEndian.PutUint32(b[at+4:], math.Float32bits(-2))
		if f := floatsOf(b[at : at+8]); len(f) != 2 || f[0] != 1.5 || f[1] != -2 {
			t.Errorf("at %d: %v", at, f)
		}
	}
}

func TestCacheBudget(t *testing.T) {
	const limit = 64 << 10
	c := NewCache(limit)
	for i := range 1000 {
		c.put(cacheKey{1, uint32(i)}, &block{raw: make([]byte, 500)})
		if c.Used() > limit {
			t.Fatalf("%d bytes", c.Used())
		}
	}
	if c.get(cacheKey{1, 999}) == nil || c.get(cacheKey{1, 0}) != nil {
		t.Error("the newest block should be there and the oldest not")
	}
	if c.put(cacheKey{1, 5000}, &block{raw: make([]byte, limit)}); c.get(cacheKey{1, 5000}) != nil {
		t.Error("a block above the budget was kept")
	}
	if c.forget(1); c.Used() != 0 {
		t.Error("blocks of a closed segment are still held")
	}
}

// Damaged indexes whose checksum is right: everything in them is checked all the same.
func FuzzIndex(f *testing.F) {
	fs := vfs.NewMem()
	cols := []row.Column{{ID: 1, Name: "n", Type: row.Of(row.Numeric)}, {ID: 2, Name: "v", Type: row.Of(row.Vector)}}
	src := &rowsOf{rows: [][]any{{nil, []float32{1, 2}}, {nil, nil}, {nil, []float32{3}}}}
	if _, err := Write(context.Background(), "a", cols, src, &WriteOptions{FS: fs, RowGroupRows: 2}); err != nil {
		f.Fatal(err)
	}
	s, err := Open("a", nil, &OpenOptions{FS: fs})
	if err != nil {
		f.Fatal(err)
	}
	defer s.Close()
	ix, err := readIndex(s.rows, s.size)
	if err != nil {
		f.Fatal(err)
	}
	last := ix.blocks[len(ix.blocks)-1]
	end := last.offset + int64(last.stored)
	good := ix.append(nil)
	f.Add(good)
	for i := range good { // runs with the ordinary tests, too
		b := bytes.Clone(good)
		b[i]++
		f.Add(b)
		f.Add(good[:i])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &indexParser{b: b}
		ix := p.parse(end)
		if p.err != nil || ix.footer.ParquetBytes > 1<<20 {
			return
		}
		for _, v := range ix.vectors {
			newVectorColumn(v, ix.groups, ix.footer.Rows, make([]byte, ix.footer.ParquetBytes))
		}
	})
}
