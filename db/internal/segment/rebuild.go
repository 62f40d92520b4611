package segment

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/parquet"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/apd/v3"
	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/db/internal/row"
)

// Rebuild writes base.rows anew from base.parquet, whose checksum over all pages it checks first. The segment may not be open.
func Rebuild(ctx context.Context, base string, o *OpenOptions) (*Footer, error) {
	opts := o.withDefaults()
	m, err := openMapping(opts.FS, parquetPath(base))
	if err != nil {
		return nil, err
	}
	err = rebuild(ctx, base, m.data, opts.FS)
	if err := errors.Join(err, m.unmap()); err != nil {
		return nil, err
	}
	s, err := Open(base, nil, &opts)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	ft := *s.Footer()
	return &ft, nil
}

func rebuild(ctx context.Context, base string, data []byte, fs vfs.FS) (err error) {
	r := &rebuilder{data: data, fs: fs, path: rowsPath(base)}
	if err := r.run(ctx); err != nil {
		if r.out != nil {
			r.out.abandon()
		}
		return fmt.Errorf("segment: %s: %w", parquetPath(base), err)
	}
	if err := errors.Join(r.out.publish(), syncDir(fs, base)); err != nil {
		return fmt.Errorf("segment: %s: %w", r.path, err)
	}
	return nil
}

// rebuilder reads a Parquet file back into rows.
type rebuilder struct {
	data   []byte
	fs     vfs.FS
	path   string
	pq     *pqfile.Reader
	layout *layout
	out    *file
	rows   *rowsWriter
	zeros  [row.MaxVectorDim]float32
}

// run turns the Parquet reader's panics about impossible bytes into errors.
func (r *rebuilder) run(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = corrupt("%v", p)
		}
	}()
	if err := r.open(); err != nil {
		return err
	}
	if r.out, err = createFile(r.fs, r.path); err != nil {
		return err
	}
	if r.rows, err = newRowsWriter(r.out, r.layout); err != nil {
		return err
	}
	for g := range r.pq.NumRowGroups() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := r.group(g); err != nil {
			return fmt.Errorf("row group %d: %w", g, err)
		}
	}
	if err := r.index(); err != nil {
		return err
	}
	if err := r.rows.finish(); err != nil {
		return err
	}
	return r.out.seal()
}

// open reads the Parquet footer and checks the sum over all pages.
func (r *rebuilder) open() (err error) {
	n := len(r.data)
	if n < 12 || string(r.data[:4]) != parquetMagic || string(r.data[n-4:]) != parquetMagic {
		return corrupt("no Parquet file, or cut short")
	}
	footer := int64(binary.LittleEndian.Uint32(r.data[n-8:])) + 8
	if footer > int64(n-4-8) {
		return corrupt("length of the footer")
	}
	body := r.data[:int64(n)-footer-8]
	if xxhash.Sum64(r.data[int64(n)-footer:]) != binary.LittleEndian.Uint64(r.data[len(body):]) {
		return corrupt("checksum of the footer")
	}
	r.pq, err = pqfile.NewParquetReader(bytes.NewReader(r.data))
	if err != nil {
		return corrupt("%v", err)
	}
	md := r.pq.MetaData()
	pages, text := md.KeyValueMetadata().FindValue(metaPages), md.KeyValueMetadata().FindValue(metaSchema)
	if pages == nil || text == nil {
		return corrupt("not written by this program")
	}
	if *pages != pagesText(int64(len(body)), xxhash.Sum64(body)) {
		return corrupt("checksum of the pages")
	}
	cols, err := parseSchema(*text)
	if err != nil {
		return err
	}
	if r.layout, err = newLayout(cols); err != nil {
		return corrupt("%v", err)
	}
	return r.checkSchema(md)
}

// checkSchema makes sure that the Parquet schema is the one these columns are given.
func (r *rebuilder) checkSchema(md *metadata.FileMetaData) error {
	want, err := r.layout.schema()
	if err != nil {
		return corrupt("%v", err)
	}
	if !md.Schema.Root().Equals(want) {
		return corrupt("its columns are not those its schema names")
	}
	return nil
}

// group reads one row group and passes its rows on.
func (r *rebuilder) group(g int) error {
	rg := r.pq.RowGroup(g)
	n := int(rg.NumRows())
	if n <= 0 || n > maxGroupRows {
		return corrupt("%d rows", n)
	}
	leaves := r.layout.newLeaves()
	lens := make([][]int32, len(r.layout.fields))
	for i := range r.layout.fields {
		f := &r.layout.fields[i]
		for j, l := range f.leavesOf(leaves) {
			cr, err := rg.Column(f.leaf + j)
			if err != nil {
				return corrupt("%v", err)
			}
			if f.role == roleVector {
				lens[i], err = vectorLengths(cr)
			} else {
				err = l.read(cr)
			}
			if err != nil {
				return fmt.Errorf("column %q: %w", f.name, err)
			}
		}
		if f.role == roleVector && len(lens[i]) != n {
			return corrupt("column %q has %d rows", f.name, len(lens[i]))
		}
	}
	values := make([]any, len(r.layout.cols))
	for k := range n {
		id, err := r.row(k, leaves, lens, values)
		if err != nil {
			return err
		}
		if err := r.rows.add(id, values); err != nil {
			return corrupt("%v", err)
		}
	}
	r.rows.ix.groups = append(r.rows.ix.groups, uint32(n))
	return nil
}

// row takes the next row off the leaves. The vectors only have the right length: the sidecar keeps nothing else of them.
func (r *rebuilder) row(k int, leaves []*leaf, lens [][]int32, values []any) (id uint64, err error) {
	for i := range r.layout.fields {
		f := &r.layout.fields[i]
		if f.role == roleVector {
			values[f.col] = nil
			if n := lens[i][k]; n > 0 {
				values[f.col] = r.zeros[:n]
			}
			continue
		}
		v, err := f.take(f.leavesOf(leaves))
		if err != nil {
			return 0, fmt.Errorf("column %q: %w", f.name, err)
		}
		switch f.role {
		case roleRowID:
			id = uint64(v.(int64))
		case roleExact:
			r.exact(f, v, values)
		default:
			values[f.col] = v
		}
	}
	return id, nil
}

// exact puts a numeric's exact text in the place of its DECIMAL and counts those that have no DECIMAL.
func (r *rebuilder) exact(f *field, v any, values []any) {
	if v == nil {
		return
	}
	if values[f.col] == nil {
		r.rows.ix.inexact[r.layout.cols[f.col].ID]++
	}
	values[f.col] = v.(*apd.Decimal)
}

// take takes the next value off the field's leaves.
func (f *field) take(ls []*leaf) (any, error) {
	top := f.maxDef()
	def := func() int16 {
		d := top
		if top > 0 {
			d = ls[0].defs[ls[0].level]
		}
		for _, l := range ls {
			l.level++
		}
		return d
	}
	if !f.list {
		if def() < top {
			return nil, nil
		}
		return f.form.get(ls)
	}
	items := []any{}
	for {
		switch def() {
		case defNullList:
			return nil, nil
		case defEmptyList:
			return items, nil
		case defNullItem:
			items = append(items, nil)
		default:
			v, err := f.form.get(ls)
			if err != nil {
				return nil, err
			}
			items = append(items, v)
		}
		if l := ls[0]; l.level >= len(l.reps) || l.reps[l.level] == 0 {
			return items, nil
		}
	}
}

// index completes the sidecar's index from the Parquet metadata.
func (r *rebuilder) index() error {
	ix, n := &r.rows.ix, len(r.data)
	ix.footer = Footer{Columns: r.layout.cols, Rows: len(ix.ids), ParquetBytes: int64(n), ParquetSum: xxhash.Sum64(r.data)}
	ix.footerLen = int64(binary.LittleEndian.Uint32(r.data[n-8:])) + 8
	ix.footerSum = xxhash.Sum64(r.data[int64(n)-ix.footerLen:])
	return locateVectors(r.layout, ix, r.pq.MetaData())
}

// readAll reads a whole column chunk in batches.
func readAll[T any](l *leaf, read func(n int64, values []T, defs, reps []int16) (int64, int, error), into *[]T) error {
	values, defs, reps := make([]T, readBatch), make([]int16, readBatch), make([]int16, readBatch)
	for {
		levels, n, err := read(readBatch, values, defs, reps)
		if err != nil {
			return corrupt("%v", err)
		}
		if levels == 0 {
			return nil
		}
		*into = append(*into, values[:n]...)
		if l.maxDef > 0 {
			l.defs = append(l.defs, defs[:levels]...)
		}
		if l.list {
			l.reps = append(l.reps, reps[:levels]...)
		}
	}
}

func (l *leaf) read(cr pqfile.ColumnChunkReader) error {
	switch r := cr.(type) {
	case *pqfile.BooleanColumnChunkReader:
		return readAll(l, r.ReadBatch, &l.bools)
	case *pqfile.Int32ColumnChunkReader:
		return readAll(l, r.ReadBatch, &l.ints)
	case *pqfile.Int64ColumnChunkReader:
		return readAll(l, r.ReadBatch, &l.longs)
	case *pqfile.Float32ColumnChunkReader:
		return readAll(l, r.ReadBatch, &l.floats)
	case *pqfile.Float64ColumnChunkReader:
		return readAll(l, r.ReadBatch, &l.doubles)
	case *pqfile.ByteArrayColumnChunkReader:
		return readAll(l, func(n int64, v []parquet.ByteArray, d, p []int16) (int64, int, error) {
			levels, got, err := r.ReadBatch(n, v, d, p)
			for i := range v[:got] {
				v[i] = bytes.Clone(v[i]) // the reader reuses its page
			}
			return levels, got, err
		}, &l.bytes)
	case *pqfile.FixedLenByteArrayColumnChunkReader:
		return readAll(l, func(n int64, v []parquet.FixedLenByteArray, d, p []int16) (int64, int, error) {
			levels, got, err := r.ReadBatch(n, v, d, p)
			for i := range v[:got] {
				v[i] = bytes.Clone(v[i])
			}
			return levels, got, err
		}, &l.fixed)
	}
	return corrupt("no reader for %T", cr)
}

// vectorLengths reads the levels of a vector column: the length of each row's vector, 0 for NULL.
func vectorLengths(cr pqfile.ColumnChunkReader) ([]int32, error) {
	r, ok := cr.(*pqfile.Float32ColumnChunkReader)
	if !ok {
		return nil, corrupt("no reader for %T", cr)
	}
	var lens []int32
	values, defs, reps := make([]float32, readBatch), make([]int16, readBatch), make([]int16, readBatch)
	for {
		levels, _, err := r.ReadBatch(readBatch, values, defs, reps)
		if err != nil {
			return nil, corrupt("%v", err)
		}
		if levels == 0 {
			return lens, nil
		}
		for i := range levels {
			switch {
			case reps[i] == 0:
				lens = append(lens, int32(defs[i]/2))
			case len(lens) == 0 || lens[len(lens)-1] >= row.MaxVectorDim:
				return nil, corrupt("repetition levels")
			default:
				lens[len(lens)-1]++
			}
		}
	}
}
