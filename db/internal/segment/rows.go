package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/klauspost/compress/zstd"

	"engram/db/internal/row"
)

// The row sidecar, base.rows: see docs/format.md. Blocks of encoded rows, a checksummed index, a trailer of fixed length.
const (
	formatVersion = 1
	rowsMagic     = "ENGRROWS"
	trailerSize   = 8 + 8 + 8 + 4 + 4 + 8 // index offset, its stored and its plain length, version, CRC-32C, magic
	blockTarget   = 16 << 10              // plain bytes in a block of rows that are not larger themselves
	maxBlock      = 1<<31 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var compressor = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	if err != nil {
		panic(err) // the options are constants
	}
	return e
})

var decompressor = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBlock), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err)
	}
	return d
})

// blockIndex is one block's entry in the index.
type blockIndex struct {
	offset   int64
	stored   uint32 // bytes in the file
	plain    uint32 // bytes decompressed
	firstOrd uint32
	rows     uint32
	crc      uint32 // CRC-32C of the stored bytes
}

// vectorIndex is what the sidecar knows of a vector column.
type vectorIndex struct {
	col     uint32 // column ID
	dim     int    // 0 = lengths differ
	present *roaring.Bitmap
	lens    []int32 // lengths of the present vectors, only when dim is 0
	offsets []int64 // per row group: where its values start in the Parquet file
	counts  []int64 // per row group: vectors
	floats  []int64 // per row group: values
}

// index is everything in the sidecar but the rows.
type index struct {
	footer    Footer
	footerSum uint64 // XXH64 of the Parquet footer and tail
	footerLen int64
	groups    []uint32 // rows per row group
	inexact   map[uint32]int
	blocks    []blockIndex
	ids       []uint64
	vectors   []*vectorIndex
}

// rowsWriter writes the sidecar row by row.
type rowsWriter struct {
	out    *file
	layout *layout
	ix     index
	block  []byte
	starts []uint32
	buf    []byte
	scalar []any
}

func newRowsWriter(out *file, l *layout) (*rowsWriter, error) {
	w := &rowsWriter{out: out, layout: l, scalar: make([]any, len(l.scalar))}
	w.ix.inexact = map[uint32]int{}
	for _, c := range l.cols {
		if isVector(c.Type) {
			w.ix.vectors = append(w.ix.vectors, &vectorIndex{col: c.ID, present: roaring.New()})
		}
	}
	_, err := out.Write([]byte(rowsMagic))
	return w, err
}

// add takes one row.
func (w *rowsWriter) add(id uint64, values []any) error {
	ord := len(w.ix.ids)
	if ord > 0 && id <= w.ix.ids[ord-1] {
		return fmt.Errorf("segment: RowID %d follows %d", id, w.ix.ids[ord-1])
	}
	if ord == math.MaxUint32 {
		return fmt.Errorf("segment: more than %d rows", uint32(math.MaxUint32))
	}
	for i, p := range w.layout.place {
		w.scalar[i] = values[p]
	}
	b, err := row.Append(w.buf[:0], w.layout.scalar, w.scalar)
	if err != nil {
		return err
	}
	w.buf = b
	if len(b) > maxBlock/2 {
		return fmt.Errorf("segment: a row of %d bytes", len(b))
	}
	if len(w.block) > 0 && len(w.block)+len(b) > blockTarget {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.starts = append(w.starts, uint32(len(w.block)))
	w.block = append(w.block, b...)
	v := 0
	for i, c := range w.layout.cols {
		if !isVector(c.Type) {
			continue
		}
		if x, ok := values[i].([]float32); ok {
			w.ix.vectors[v].add(uint32(ord), len(x))
		}
		v++
	}
	w.ix.ids = append(w.ix.ids, id)
	return nil
}

// add notes a vector and its length.
func (v *vectorIndex) add(ord uint32, n int) {
	count := int(v.present.GetCardinality())
	v.present.Add(ord)
	switch {
	case count == 0:
		v.dim = n
	case v.lens == nil && n != v.dim:
		v.lens = make([]int32, count, 2*count+1)
		for i := range v.lens {
			v.lens[i] = int32(v.dim)
		}
		v.dim = 0
	}
	if v.lens != nil {
		v.lens = append(v.lens, int32(n))
	}
}

// flush compresses and writes the gathered block: the rows, where each starts, and how many they are.
func (w *rowsWriter) flush() error {
	if len(w.starts) == 0 {
		return nil
	}
	n := len(w.starts)
	for _, s := range w.starts {
		w.block = binary.LittleEndian.AppendUint32(w.block, s)
	}
	w.block = binary.LittleEndian.AppendUint32(w.block, uint32(n))
	stored := compressor().EncodeAll(w.block, nil)
	w.ix.blocks = append(w.ix.blocks, blockIndex{
		offset: w.out.n, stored: uint32(len(stored)), plain: uint32(len(w.block)),
		firstOrd: uint32(len(w.ix.ids) - n), rows: uint32(n), crc: crc32.Checksum(stored, castagnoli),
	})
	w.block, w.starts = w.block[:0], w.starts[:0]
	_, err := w.out.Write(stored)
	return err
}

// finish writes the last block, the index and the trailer.
func (w *rowsWriter) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	plain := w.ix.append(nil)
	stored := compressor().EncodeAll(plain, nil)
	trailer := binary.LittleEndian.AppendUint64(nil, uint64(w.out.n))
	trailer = binary.LittleEndian.AppendUint64(trailer, uint64(len(stored)))
	trailer = binary.LittleEndian.AppendUint64(trailer, uint64(len(plain)))
	trailer = binary.LittleEndian.AppendUint32(trailer, formatVersion)
	crc := crc32.Update(crc32.Checksum(stored, castagnoli), castagnoli, trailer)
	trailer = binary.LittleEndian.AppendUint32(trailer, crc)
	if _, err := w.out.Write(stored); err != nil {
		return err
	}
	_, err := w.out.Write(append(trailer, rowsMagic...))
	return err
}

// append writes the index in order of its fields, integers as varints.
func (ix *index) append(b []byte) []byte {
	u := func(x uint64) { b = binary.AppendUvarint(b, x) }
	schema := schemaText(ix.footer.Columns)
	u(uint64(len(schema)))
	b = append(b, schema...)
	u(uint64(ix.footer.ParquetBytes))
	b = binary.LittleEndian.AppendUint64(b, ix.footer.ParquetSum)
	u(uint64(ix.footerLen))
	b = binary.LittleEndian.AppendUint64(b, ix.footerSum)
	u(uint64(len(ix.groups)))
	for _, n := range ix.groups {
		u(uint64(n))
	}
	u(uint64(len(ix.ids)))
	last := uint64(0)
	for _, id := range ix.ids {
		u(id - last)
		last = id
	}
	u(uint64(len(ix.blocks)))
	for _, k := range ix.blocks {
		u(uint64(k.stored))
		u(uint64(k.plain))
		u(uint64(k.rows))
		b = binary.LittleEndian.AppendUint32(b, k.crc)
	}
	for _, c := range ix.footer.Columns { // one number per numeric column, in order
		if c.Type.Kind == row.Numeric {
			u(uint64(ix.inexact[c.ID]))
		}
	}
	for _, v := range ix.vectors {
		u(uint64(v.dim))
		present, err := v.present.ToBytes()
		if err != nil {
			panic(err) // a write to memory
		}
		u(uint64(len(present)))
		b = append(b, present...)
		u(uint64(len(v.lens)))
		for _, n := range v.lens {
			u(uint64(n))
		}
		for g := range ix.groups {
			u(uint64(v.offsets[g]))
			u(uint64(v.counts[g]))
			u(uint64(v.floats[g]))
		}
	}
	return b
}
