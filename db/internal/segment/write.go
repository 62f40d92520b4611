package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/db/internal/row"
)

// Source yields rows in ascending RowID order. Next returns io.EOF after the last row. The values are in schema order and
// may be reused by the source after the following call of Next.
type Source interface {
	Next() (id uint64, values []any, err error)
}

// WriteOptions tune Write. Nil means all defaults.
type WriteOptions struct {
	FS            vfs.FS         // file system; default vfs.Default
	RowGroupRows  int            // most rows in one row group; default 65536
	RowGroupBytes int64          // a row group ends when its values in memory reach this; default 64 MiB, at most 1 GiB
	Progress      func(rows int) // called with the number of rows taken so far, once per row group; default none
}

const (
	defaultGroupRows  = 65536
	defaultGroupBytes = 64 << 20
	maxGroupBytes     = 1 << 30
	maxGroupRows      = 1 << 24
	checkEvery        = 256 // rows between looks at the context
)

// Footer says what a segment holds; Write returns it and Open reads it.
type Footer struct {
	Columns      []row.Column // the columns as written
	Rows         int          // number of rows
	MinID, MaxID uint64       // first and last RowID; both 0 when empty
	ParquetBytes int64        // length of the Parquet file
	ParquetSum   uint64       // XXH64 of the whole Parquet file
}

func parquetPath(base string) string { return base + ".parquet" }
func rowsPath(base string) string    { return base + ".rows" }

// TemporarySuffix ends the names of files that are being written. A database sweeps what a crash left of them.
const TemporarySuffix = temporarySuffix

// Write writes base.parquet and base.rows. Both appear under their names only when complete and synced, base.parquet last: a
// base.rows alone is no segment. On error or cancel nothing is left. The RowIDs must ascend and stay below 1<<63. The values are in
// schema order, in the Go forms of their types. Memory: about four times RowGroupBytes.
func Write(ctx context.Context, base string, cols []row.Column, src Source, o *WriteOptions) (*Footer, error) {
	opts := WriteOptions{}
	if o != nil {
		opts = *o
	}
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	if opts.RowGroupRows <= 0 {
		opts.RowGroupRows = defaultGroupRows
	}
	if opts.RowGroupBytes <= 0 {
		opts.RowGroupBytes = defaultGroupBytes
	}
	if opts.RowGroupRows > maxGroupRows || opts.RowGroupBytes > maxGroupBytes {
		return nil, fmt.Errorf("segment: a row group has at most %d rows and %d bytes", maxGroupRows, int64(maxGroupBytes))
	}
	l, err := newLayout(append([]row.Column{}, cols...))
	if err != nil {
		return nil, err
	}
	w := &writer{opts: opts, base: base, layout: l, group: newGroup(l)}
	ft, err := w.run(ctx, src)
	if err != nil {
		w.abandon()
		return nil, err
	}
	return ft, nil
}

// writer is one run of Write.
type writer struct {
	opts    WriteOptions
	base    string
	layout  *layout
	group   *group
	parquet *file
	sidecar *file
	sink    *sink
	pq      *pqfile.Writer
	rows    *rowsWriter
}

func (w *writer) run(ctx context.Context, src Source) (*Footer, error) {
	if err := w.create(); err != nil {
		return nil, err
	}
	if err := w.take(ctx, src); err != nil {
		return nil, err
	}
	ix := &w.rows.ix
	md, err := writeFooter(w.pq, w.sink, w.group, ix)
	if err != nil {
		return nil, fmt.Errorf("segment: %s: %w", w.parquet.path, err)
	}
	if err := w.parquet.seal(); err != nil {
		return nil, fmt.Errorf("segment: %s: %w", w.parquet.path, err)
	}
	ix.footer = Footer{Columns: w.layout.cols, Rows: len(ix.ids), ParquetBytes: w.parquet.n, ParquetSum: w.parquet.sum.Sum64()}
	if n := len(ix.ids); n > 0 {
		ix.footer.MinID, ix.footer.MaxID = ix.ids[0], ix.ids[n-1]
	}
	if err := locateVectors(w.layout, ix, md); err != nil {
		return nil, err
	}
	for i, f := range w.layout.fields {
		if f.role == roleDecimal {
			ix.inexact[w.layout.cols[f.col].ID] = w.group.inexact[i]
		}
	}
	if err := w.rows.finish(); err != nil {
		return nil, fmt.Errorf("segment: %s: %w", w.sidecar.path, err)
	}
	if err := w.sidecar.seal(); err != nil {
		return nil, fmt.Errorf("segment: %s: %w", w.sidecar.path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &ix.footer, w.publish()
}

func (w *writer) create() (err error) {
	if w.parquet, err = createFile(w.opts.FS, parquetPath(w.base)); err != nil {
		return err
	}
	if w.sidecar, err = createFile(w.opts.FS, rowsPath(w.base)); err != nil {
		return err
	}
	w.sink = &sink{out: w.parquet}
	sc, err := w.layout.schema()
	if err != nil {
		return err
	}
	meta := metadata.NewKeyValueMetadata()
	if err := meta.Append(metaSchema, schemaText(w.layout.cols)); err != nil {
		return err
	}
	w.pq, err = pqfile.NewParquetWriterWithError(w.sink, sc, pqfile.WithWriterProps(writerProperties(w.layout)), pqfile.WithWriteMetadata(meta))
	if err != nil {
		return fmt.Errorf("segment: %s: %w", w.parquet.path, err)
	}
	w.rows, err = newRowsWriter(w.sidecar, w.layout)
	return err
}

// take reads the source to its end.
func (w *writer) take(ctx context.Context, src Source) error {
	for n := 0; ; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		id, values, err := src.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(values) != len(w.layout.cols) {
			return fmt.Errorf("segment: row %d has %d values for %d columns", id, len(values), len(w.layout.cols))
		}
		if id > math.MaxInt64 {
			return fmt.Errorf("segment: RowID %d is above %d", id, int64(math.MaxInt64))
		}
		if err := w.rows.add(id, values); err != nil { // checks the values' forms
			return fmt.Errorf("segment: row %d: %w", id, err)
		}
		if err := w.group.add(id, values); err != nil {
			return fmt.Errorf("segment: row %d: %w", id, err)
		}
		if w.group.rows >= w.opts.RowGroupRows || w.group.bytes >= w.opts.RowGroupBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return w.flush()
}

func (w *writer) flush() error {
	if w.group.rows == 0 {
		return nil
	}
	if err := w.group.writeGroup(w.pq, w.sink); err != nil {
		return fmt.Errorf("segment: %s: %w", w.parquet.path, err)
	}
	w.rows.ix.groups = append(w.rows.ix.groups, uint32(w.group.rows))
	w.group.reset()
	if w.opts.Progress != nil {
		w.opts.Progress(len(w.rows.ix.ids))
	}
	return nil
}

// publish gives both files their names. The Parquet file comes last: it is the one that makes a segment.
func (w *writer) publish() error {
	fs := w.opts.FS
	err := w.sidecar.publish()
	if err == nil {
		err = w.parquet.publish()
	}
	if err == nil {
		err = syncDir(fs, w.base)
	}
	if err != nil {
		fs.Remove(parquetPath(w.base))
		fs.Remove(rowsPath(w.base))
		return fmt.Errorf("segment: %s: %w", w.base, err)
	}
	return nil
}

func (w *writer) abandon() {
	for _, f := range []*file{w.parquet, w.sidecar} {
		if f != nil {
			f.abandon()
		}
	}
}

// Remove deletes a segment's files and what an interrupted Write left of them. Files that are not there are no error. The
// Parquet file goes first: what a crash leaves is no segment.
func Remove(fs vfs.FS, base string) error {
	if fs == nil {
		fs = vfs.Default
	}
	var errs []error
	for _, p := range []string{parquetPath(base), rowsPath(base)} {
		for _, path := range []string{p, p + temporarySuffix} {
			if err := fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, fmt.Errorf("segment: %w", err))
			}
		}
	}
	if err := syncDir(fs, base); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, fmt.Errorf("segment: %w", err))
	}
	return errors.Join(errs...)
}
