package segment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"engram/db/internal/row"
)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// readIndex reads and checks the trailer and index of a sidecar.
func readIndex(r io.ReaderAt, size int64) (*index, error) {
	if size < int64(len(rowsMagic)+trailerSize) {
		return nil, corrupt("%d bytes are too few", size)
	}
	var head [len(rowsMagic)]byte
	var t [trailerSize]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, err
	}
	if _, err := r.ReadAt(t[:], size-trailerSize); err != nil {
		return nil, err
	}
	if string(head[:]) != rowsMagic || string(t[32:]) != rowsMagic {
		return nil, corrupt("no row sidecar")
	}
	offset, stored := binary.LittleEndian.Uint64(t[:]), binary.LittleEndian.Uint64(t[8:])
	plain, version := binary.LittleEndian.Uint64(t[16:]), binary.LittleEndian.Uint32(t[24:])
	if version != formatVersion {
		return nil, corrupt("format version %d, this program reads %d", version, formatVersion)
	}
	end := uint64(size - trailerSize)
	if offset < uint64(len(rowsMagic)) || offset > end || stored != end-offset || plain > maxBlock {
		return nil, corrupt("the index does not fit the file")
	}
	b := make([]byte, stored)
	if _, err := r.ReadAt(b, int64(offset)); err != nil {
		return nil, err
	}
	if crc := crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, t[:28]); crc != binary.LittleEndian.Uint32(t[28:]) {
		return nil, corrupt("checksum of the index")
	}
	b, err := decompressor().DecodeAll(b, make([]byte, 0, plain))
	if err != nil || uint64(len(b)) != plain {
		return nil, corrupt("the index cannot be decompressed: %v", err)
	}
	p := &indexParser{b: b}
	ix := p.parse(int64(offset))
	return ix, p.err
}

// indexParser reads the fields that index.append wrote. After an error it yields zeros.
type indexParser struct {
	b   []byte
	err error
}

func (p *indexParser) fail(what string) {
	if p.err == nil {
		p.err = corrupt("index: %s", what)
	}
	p.b = nil
}

func (p *indexParser) uvarint() uint64 {
	x, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.fail("cut off")
		return 0
	}
	p.b = p.b[n:]
	return x
}

// count reads a number of things that take at least one byte each, or are otherwise below limit.
func (p *indexParser) count(limit int) int {
	x := p.uvarint()
	if x > uint64(limit) {
		p.fail("count out of range")
		return 0
	}
	return int(x)
}

func (p *indexParser) take(n int) []byte {
	if n > len(p.b) {
		p.fail("cut off")
		return make([]byte, min(n, 8))
	}
	t := p.b[:n]
	p.b = p.b[n:]
	return t
}

func (p *indexParser) parse(indexOffset int64) *index {
	ix := &index{inexact: map[uint32]int{}}
	text := string(p.take(p.count(len(p.b))))
	if p.err != nil {
		return nil
	}
	if ix.footer.Columns, p.err = parseSchema(text); p.err != nil {
		return nil
	}
	ix.footer.ParquetBytes = int64(p.uvarint())
	ix.footer.ParquetSum = binary.LittleEndian.Uint64(p.take(8))
	ix.footerLen = int64(p.uvarint())
	ix.footerSum = binary.LittleEndian.Uint64(p.take(8))
	if ix.footerLen < 12 || ix.footerLen > ix.footer.ParquetBytes-4 {
		p.fail("length of the Parquet footer")
	}
	ix.groups = make([]uint32, p.count(len(p.b)))
	total := 0
	for i := range ix.groups {
		ix.groups[i] = uint32(p.count(math.MaxInt32))
		total += int(ix.groups[i])
	}
	p.ids(ix, total)
	p.blocks(ix, indexOffset)
	for _, c := range ix.footer.Columns {
		if c.Type.Kind == row.Numeric {
			ix.inexact[c.ID] = p.count(total)
		}
	}
	for _, c := range ix.footer.Columns {
		if isVector(c.Type) {
			ix.vectors = append(ix.vectors, p.vector(ix, c))
		}
	}
	if len(p.b) != 0 {
		p.fail("bytes after the end")
	}
	return ix
}

func (p *indexParser) ids(ix *index, total int) {
	n := p.count(len(p.b))
	if n != total {
		p.fail("rows of the groups and RowIDs differ")
		return
	}
	ix.ids = make([]uint64, n)
	last := uint64(0)
	for i := range ix.ids {
		d := p.uvarint()
		if (d == 0 && i > 0) || d > math.MaxInt64-last {
			p.fail("RowIDs do not ascend")
			return
		}
		last += d
		ix.ids[i] = last
	}
	ix.footer.Rows = n
	if n > 0 {
		ix.footer.MinID, ix.footer.MaxID = ix.ids[0], ix.ids[n-1]
	}
}

func (p *indexParser) blocks(ix *index, end int64) {
	ix.blocks = make([]blockIndex, p.count(len(p.b)))
	offset, ord := int64(len(rowsMagic)), 0
	for i := range ix.blocks {
		k := &ix.blocks[i]
		k.offset, k.firstOrd = offset, uint32(ord)
		k.stored, k.plain = uint32(p.count(maxBlock)), uint32(p.count(maxBlock))
		k.rows = uint32(p.count(ix.footer.Rows - ord))
		k.crc = binary.LittleEndian.Uint32(p.take(4))
		offset += int64(k.stored)
		ord += int(k.rows)
		if k.rows == 0 || uint64(k.plain) < 4*uint64(k.rows)+4 {
			p.fail("empty block")
			return
		}
	}
	if offset != end || ord != ix.footer.Rows {
		p.fail("the blocks do not fill the file")
	}
}

func (p *indexParser) vector(ix *index, c row.Column) *vectorIndex {
	v := &vectorIndex{col: c.ID, dim: p.count(row.MaxVectorDim), present: roaring.New()}
	if _, err := v.present.ReadFrom(bytes.NewReader(p.take(p.count(len(p.b))))); err != nil {
		p.fail("presence bitmap")
		return v
	}
	count := int(v.present.GetCardinality())
	if count > 0 && int(v.present.Maximum()) >= ix.footer.Rows {
		p.fail("presence bitmap beyond the last row")
		return v
	}
	n := p.count(len(p.b))
	if n != 0 && (n != count || v.dim != 0) || n == 0 && v.dim == 0 && count != 0 {
		p.fail("vector lengths")
		return v
	}
	if n > 0 {
		v.lens = make([]int32, n)
		for i := range v.lens {
			v.lens[i] = int32(p.count(row.MaxVectorDim))
		}
	}
	v.layOut(ix.groups)
	for g := range ix.groups {
		v.offsets[g] = int64(p.uvarint())
		counts, floats := int64(p.uvarint()), int64(p.uvarint())
		if counts != v.counts[g] || floats != v.floats[g] || v.offsets[g] < 0 || v.offsets[g] > ix.footer.ParquetBytes-4*floats {
			p.fail("vectors of a row group")
			return v
		}
	}
	return v
}

// layOut counts vectors and values of each row group.
func (v *vectorIndex) layOut(groups []uint32) {
	v.offsets, v.counts, v.floats = make([]int64, len(groups)), make([]int64, len(groups)), make([]int64, len(groups))
	ord, at := uint64(0), 0
	for g, rows := range groups {
		n := int64(v.present.CardinalityInRange(ord, ord+uint64(rows)))
		v.counts[g] = n
		if v.lens == nil {
			v.floats[g] = n * int64(v.dim)
		} else {
			for _, l := range v.lens[at : at+int(n)] {
				v.floats[g] += int64(l)
			}
			at += int(n)
		}
		ord += uint64(rows)
	}
}

// locateVectors finds where the values of each vector column lie, from the Parquet metadata: at the end of their chunk.
func locateVectors(l *layout, ix *index, md *metadata.FileMetaData) error {
	i := 0
	for _, f := range l.fields {
		if f.role != roleVector {
			continue
		}
		v := ix.vectors[i]
		i++
		v.layOut(ix.groups)
		for g := range ix.groups {
			chunk, err := md.RowGroup(g).ColumnChunk(f.leaf)
			if err != nil {
				return corrupt("row group %d: %v", g, err)
			}
			stats := chunk.EncodingStats()
			onePage := len(stats) == 1 && stats[0].Encoding == parquet.Encodings.Plain && !chunk.HasDictionaryPage()
			start, size := chunk.DataPageOffset(), chunk.TotalCompressedSize()
			if !onePage || chunk.Compression() != compress.Codecs.Uncompressed || start < 4 || size < 4*v.floats[g] ||
				start+size > ix.footer.ParquetBytes || chunk.NumValues() != v.floats[g]+int64(ix.groups[g])-v.counts[g] {
				return corrupt("column %q: the vectors of row group %d are not in one plain page", f.name, g)
			}
			v.offsets[g] = start + size - 4*v.floats[g]
		}
	}
	return nil
}
