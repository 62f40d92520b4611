package weights

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
)

// MigrateOptions set how a file is migrated. The zero value is the default.
type MigrateOptions struct {
	// MaxTensorBytes bounds the memory of one layer as for Options.
	MaxTensorBytes int64
	// Logger is told the schema version that was found, and what was written. Default: slog.Default.
	Logger *slog.Logger
	// Progress is told after every layer how many numbers of how many are written. Default none.
	Progress func(layer string, done, total int64)
}

// describesColumns are the keys under which other writers keep their own account of the columns, which would be wrong of
// the columns that are written here.
var describesColumns = []string{"ARROW:schema", "pandas", "org.apache.spark.sql.parquet.row.metadata"}

// Migrate writes the weight file at src once more, at dst, as schema version 1 or 2.
//
// Plain layers keep their bytes, and codes stay codes in V2: nothing is lost on the way to V2, and a file that has no codes
// goes to V2 and back to the same bytes. V1 holds no codes, so on the way to V1 they become the float32 numbers that they
// stand for, and what the quantizer noted of them goes. To the version that src has already, the file is laid out anew, a
// mapped row group a layer, whoever wrote it.
//
// One layer at a time is in memory. The file is at dst whole, or not at all; dst may be src. The error wraps ErrUnsupported
// where version is neither, the error of ctx where that is done, or what is wrong with src.
func Migrate(ctx context.Context, src, dst string, version int, o *MigrateOptions) error {
	var opt MigrateOptions
	if o != nil {
		opt = *o
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if version != 1 && version != 2 {
		return fmt.Errorf("%w: schema version %d", ErrUnsupported, version)
	}
	f, err := Open(src, &Options{MaxTensorBytes: opt.MaxTensorBytes, Logger: opt.Logger})
	if err != nil {
		return err
	}
	defer f.Close()
	metadata := f.Metadata()
	maps.DeleteFunc(metadata, func(k, _ string) bool {
		for _, d := range describesColumns {
			if k == d {
				return true
			}
		}
		return false
	})
	w, err := create(dst, version, &WriterOptions{Metadata: metadata})
	if err != nil {
		return err
	}
	defer w.Abort()
	var done, total int64
	for i := range f.layers {
		total += int64(f.layers[i].Params)
	}
	for i := range f.layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		l := &f.layers[i]
		if err := w.migrate(f, l); err != nil {
			return err
		}
		if done += int64(l.Params); opt.Progress != nil {
			opt.Progress(l.Name, done, total)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	opt.Logger.Debug("weight file migrated", "from", src, "schema", f.Version(), "to", dst, "new_schema", version, "layers", len(f.layers))
	return nil
}

// migrate writes a layer of f.
func (w *Writer) migrate(f *File, l *Layer) error {
	switch {
	case !l.quantized():
		t, _, err := f.Tensor(l.Name)
		if err != nil {
			return err
		}
		return w.Add(t)
	case w.version == 2:
		q, _, err := f.Quantized(l.Name)
		if err != nil {
			return err
		}
		return w.AddQuantized(l.Name, l.Shape, l.DType, q, l.Note)
	}
	v, _, err := f.Float32(l.Name)
	if err != nil {
		return err
	}
	return w.Add(&Tensor{Name: l.Name, Shape: l.Shape, DType: Float32, Data: Float32Bytes(v)})
}
