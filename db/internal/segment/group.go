package segment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/apd/v3"

	"engram/db/internal/row"
)

// parquetMagic begins and ends a Parquet file.
const parquetMagic = "PAR1"

// levelBatch is how many levels go to the Parquet writer at once.
const levelBatch = 1 << 16

// readBatch is the same for reading back.
const readBatch = 1 << 12

// group gathers the rows of one row group, column by column.
type group struct {
	layout  *layout
	leaves  []*leaf
	vectors []vectorBuffer // by field; used where role is roleVector
	rows    int
	bytes   int64
	written int // row groups written so far
	unsound []chunkAt
	inexact []int // by field: rows whose DECIMAL is NULL though the value is not; grows over the whole segment
}

// chunkAt names a column chunk whose statistics must go: Parquet's leave NaN out, and SQL's order puts it above the maximum, so
// that a reader would skip rows it should find.
type chunkAt struct{ group, leaf int }

type vectorBuffer struct {
	lens   []int32 // per row; 0 = NULL
	values []float32
}

func newGroup(l *layout) *group {
	return &group{layout: l, leaves: l.newLeaves(), vectors: make([]vectorBuffer, len(l.fields)), inexact: make([]int, len(l.fields))}
}

// add takes one row; the values have the forms of their types.
func (g *group) add(id uint64, values []any) error {
	for i := range g.layout.fields {
		f := &g.layout.fields[i]
		var v any
		if f.role == roleRowID {
			v = int64(id)
		} else {
			v = values[f.col]
		}
		if f.role == roleVector {
			if err := g.addVector(i, v); err != nil {
				return err
			}
			continue
		}
		g.bytes += sizeOf(v)
		g.put(i, f, v)
	}
	g.rows++
	return nil
}

func (g *group) addVector(i int, v any) error {
	c, b := g.layout.cols[g.layout.fields[i].col], &g.vectors[i]
	if v == nil {
		b.lens = append(b.lens, 0)
		return nil
	}
	x, ok := v.([]float32)
	switch {
	case !ok:
		return fmt.Errorf("segment: column %q: a Go value of type %T is no vector", c.Name, v)
	case len(x) == 0 || len(x) > row.MaxVectorDim:
		return fmt.Errorf("segment: column %q: a vector of %d dimensions", c.Name, len(x))
	case c.Type.Dim() != 0 && len(x) != c.Type.Dim():
		return fmt.Errorf("segment: column %q: %w", c.Name, &row.DimensionError{Want: c.Type.Dim(), Got: len(x)})
	}
	b.lens = append(b.lens, int32(len(x)))
	b.values = append(b.values, x...)
	g.bytes += 4 * int64(len(x))
	return nil
}

// put adds a scalar or list value with its levels.
func (g *group) put(i int, f *field, v any) {
	ls := f.leavesOf(g.leaves)
	each := func(def, rep int16, v any) {
		for _, l := range ls {
			l.addLevel(def, rep)
			if v != nil {
				l.form.put(l, v)
			}
		}
	}
	top := f.maxDef()
	switch {
	case f.role == roleRowID:
		each(0, 0, v)
	case v == nil:
		each(0, 0, nil)
	case f.role == roleDecimal:
		if n, ok := unscaled(v.(*apd.Decimal), f.precision, f.scale); ok {
			each(top, 0, n)
		} else {
			each(0, 0, nil)
			g.inexact[i]++
		}
	case f.role == roleExact:
		d, number := v.(*apd.Decimal), &g.layout.fields[i-1]
		if _, ok := unscaled(d, number.precision, number.scale); ok && int(d.Exponent) == -number.scale {
			each(0, 0, nil)
		} else {
			each(top, 0, v)
		}
	case f.list:
		g.putList(each, v.([]any))
	default:
		each(top, 0, v)
	}
}

func (g *group) putList(each func(def, rep int16, v any), items []any) {
	if len(items) == 0 {
		each(defEmptyList, 0, nil)
	}
	for j, e := range items {
		rep := int16(min(j, 1))
		if e == nil {
			each(defNullItem, rep, nil)
		} else {
			each(defNullItem+1, rep, e)
		}
	}
}

func (g *group) reset() {
	for _, l := range g.leaves {
		l.reset()
	}
	for i := range g.vectors {
		g.vectors[i].lens, g.vectors[i].values = g.vectors[i].lens[:0], g.vectors[i].values[:0]
	}
	g.rows, g.bytes = 0, 0
}

// writerProperties sets the layout that design and docs/format.md promise.
func writerProperties(l *layout) *parquet.WriterProperties {
	opts := []parquet.WriterProperty{
		parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithCreatedBy("engram segment version 1"),
		parquet.WithDataPageVersion(parquet.DataPageV2),
		parquet.WithDataPageSize(math.MaxInt32), // one page per column and row group
		parquet.WithBatchSize(levelBatch),
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithStats(true),
		parquet.WithDictionaryDefault(true),
	}
	for i := range l.fields {
		f := &l.fields[i]
		plain := func() {
			opts = append(opts, parquet.WithDictionaryFor(f.path(), false), parquet.WithStatsFor(f.path(), false))
		}
		switch {
		case f.role == roleVector:
			plain()
			opts = append(opts, parquet.WithCompressionFor(f.path(), compress.Codecs.Uncompressed),
				parquet.WithEncodingFor(f.path(), parquet.Encodings.Plain))
		case f.role == roleRowID:
			opts = append(opts, parquet.WithDictionaryFor(f.path(), false), parquet.WithEncodingFor(f.path(), parquet.Encodings.DeltaBinaryPacked))
		case l.cols[f.col].Type.Kind == row.Bytea:
			plain() // pictures and sounds: smallest and largest mean nothing
		}
	}
	return parquet.NewWriterProperties(opts...)
}

// writeGroup writes the gathered rows as one row group.
func (g *group) writeGroup(w *pqfile.Writer, s *sink) error {
	rg, err := w.AppendRowGroupChecked()
	if err != nil {
		return err
	}
	for i := range g.layout.fields {
		f := &g.layout.fields[i]
		if f.role == roleVector {
			if err := g.vectors[i].write(rg, s); err != nil {
				return err
			}
			continue
		}
		for j, l := range f.leavesOf(g.leaves) {
			if l.nan {
				g.unsound = append(g.unsound, chunkAt{g.written, f.leaf + j})
			}
			cw, err := rg.NextColumn()
			if err != nil {
				return err
			}
			if err := l.write(cw); err != nil {
				return err
			}
			if err := cw.Close(); err != nil {
				return err
			}
		}
	}
	g.written++
	return rg.Close()
}

func (l *leaf) write(cw pqfile.ColumnChunkWriter) error {
	var err error
	switch w := cw.(type) {
	case *pqfile.BooleanColumnChunkWriter:
		_, err = w.WriteBatch(l.bools, l.defs, l.reps)
	case *pqfile.Int32ColumnChunkWriter:
		_, err = w.WriteBatch(l.ints, l.defs, l.reps)
	case *pqfile.Int64ColumnChunkWriter:
		_, err = w.WriteBatch(l.longs, l.defs, l.reps)
	case *pqfile.Float32ColumnChunkWriter:
		_, err = w.WriteBatch(l.floats, l.defs, l.reps)
	case *pqfile.Float64ColumnChunkWriter:
		_, err = w.WriteBatch(l.doubles, l.defs, l.reps)
	case *pqfile.ByteArrayColumnChunkWriter:
		_, err = w.WriteBatch(l.bytes, l.defs, l.reps)
	case *pqfile.FixedLenByteArrayColumnChunkWriter:
		_, err = w.WriteBatch(l.fixed, l.defs, l.reps)
	default:
		err = fmt.Errorf("segment: no writer for %T", cw)
	}
	return err
}

// write writes a vector column. Levels are made a batch at a time: held for a whole row group they would outweigh the values.
func (b *vectorBuffer) write(rg pqfile.SerialRowGroupWriter, s *sink) error {
	cw, err := rg.NextColumn()
	if err != nil {
		return err
	}
	w, ok := cw.(*pqfile.Float32ColumnChunkWriter)
	if !ok {
		return fmt.Errorf("segment: no writer for %T", cw)
	}
	defs, reps := make([]int16, 0, levelBatch), make([]int16, 0, levelBatch)
	first, values := 0, 0
	flush := func() error {
		_, err := w.WriteBatch(b.values[first:values], defs, reps)
		defs, reps, first = defs[:0], reps[:0], values
		return err
	}
	for _, n := range b.lens {
		if len(defs) > 0 && len(defs)+int(n) > levelBatch {
			if err := flush(); err != nil {
				return err
			}
		}
		if n == 0 {
			defs, reps = append(defs, 0), append(reps, 0)
			continue
		}
		for j := range n {
			defs, reps = append(defs, 2), append(reps, int16(min(j, 1)))
		}
		values += int(n)
	}
	if err := flush(); err != nil {
		return err
	}
	s.alignNext(4 * int64(len(b.values)))
	if err := cw.Close(); err != nil {
		return err
	}
	if s.waiting != 0 {
		return fmt.Errorf("segment: the Parquet writer made no page of a vector column")
	}
	return nil
}

// writeFooter writes the Parquet footer with the file's true offsets and closes the Parquet writer. The footer names the sum of
// the pages, and the 8 bytes before it, which no reader looks at, are the sum of the footer: so the file checks itself even when
// its sidecar is lost.
func writeFooter(w *pqfile.Writer, s *sink, g *group, ix *index) (*metadata.FileMetaData, error) {
	if err := w.AppendKeyValueMetadata(metaPages, pagesText(s.out.n, s.out.sum.Sum64())); err != nil {
		return nil, err
	}
	md, err := w.FileMetadata()
	if err != nil {
		return nil, err
	}
	relocate(md, s)
	for _, c := range g.unsound {
		md.RowGroups[c.group].Columns[c.leaf].MetaData.Statistics = nil
	}
	var footer bytes.Buffer
	n, err := md.WriteTo(&footer, nil)
	if err != nil {
		return nil, err
	}
	footer.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
	footer.WriteString(parquetMagic)
	ix.footerLen, ix.footerSum = int64(footer.Len()), xxhash.Sum64(footer.Bytes())
	if _, err := s.out.Write(binary.LittleEndian.AppendUint64(nil, ix.footerSum)); err != nil {
		return nil, err
	}
	if _, err := s.out.Write(footer.Bytes()); err != nil {
		return nil, err
	}
	s.closed = true
	return md, w.Close()
}

// relocate replaces the Parquet writer's offsets by the file's. The deprecated offset of a copy of the chunk's metadata is
// zero, as the format asks of writers now.
func relocate(md *metadata.FileMetaData, s *sink) {
	for _, rg := range md.RowGroups {
		if rg.FileOffset != nil {
			*rg.FileOffset = s.physical(*rg.FileOffset)
		}
		for _, c := range rg.Columns {
			c.FileOffset = 0
			c.MetaData.DataPageOffset = s.physical(c.MetaData.DataPageOffset)
			if c.MetaData.DictionaryPageOffset != nil {
				*c.MetaData.DictionaryPageOffset = s.physical(*c.MetaData.DictionaryPageOffset)
			}
		}
	}
}

func pagesText(n int64, sum uint64) string { return fmt.Sprintf("%d xxh64:%016x", n, sum) }
