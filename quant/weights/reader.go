package weights

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/parquet/file"
)

// Limits on what describes a file, as opposed to its tensors.
const (
	maxFooterBytes = 64 << 20 // the Parquet footer
	maxIndexBytes  = 64 << 20 // one page of names, shapes or types
)

// DefaultMaxTensorBytes is the default of Options.MaxTensorBytes.
const DefaultMaxTensorBytes = 2 << 30

// Options set how a file is opened. The zero value is the default.
type Options struct {
	// MaxTensorBytes bounds the memory that one layer may take, as values of 4 bytes. Default DefaultMaxTensorBytes.
	MaxTensorBytes int64
	// NoMap reads the file in pieces instead of mapping it. Default false.
	NoMap bool
	// Logger is told the schema version that was found. Default: slog.Default.
	Logger *slog.Logger
}

// File is an open weight file. Its methods may be called concurrently.
type File struct {
	path   string
	limit  int64
	reader *file.Reader
	cols   columns
	layers []Layer
	rows   []rowRef // where each layer lies
	byName map[string]int

	mu     sync.RWMutex // held for reading while bytes of src are used
	src    source
	closed bool
}

// rowRef is the place of a layer: row of row group, and its checksum or -1.
type rowRef struct {
	group, row int
	crc        int64
}

// Open opens a weight file of either version. It reads the footer and the columns that describe the layers; the numbers
// are read when a layer is asked for.
//
// The file must not be changed while it is open. Writers replace it by renaming, which does not disturb readers.
func Open(path string, o *Options) (*File, error) {
	var opt Options
	if o != nil {
		opt = *o
	}
	src, err := openSource(path, opt.NoMap)
	if err != nil {
		return nil, err
	}
	f, err := newFile(path, src, opt)
	if err != nil {
		src.close()
		return nil, err
	}
	return f, nil
}

func newFile(path string, src source, opt Options) (*File, error) {
	f := &File{path: path, src: src, limit: opt.MaxTensorBytes, byName: map[string]int{}}
	if f.limit <= 0 {
		f.limit = DefaultMaxTensorBytes
	}
	if err := guard(f.readIndex); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	log := opt.Logger
	if log == nil {
		log = slog.Default()
	}
	log.Debug("weight file opened", "path", path, "schema", f.Version(), "layers", len(f.layers))
	return f, nil
}

// guard turns a panic of the Parquet library on bytes it did not expect into ErrCorrupt, and puts ErrCorrupt under
// the library's own errors.
func guard(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrCorrupt, r)
		}
	}()
	err = do()
	for _, known := range []error{nil, ErrCorrupt, ErrFormat, ErrNoLayer, ErrShape, ErrUnsupported, ErrTooLarge, ErrClosed} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// readIndex reads everything but the tensors.
func (f *File) readIndex() error {
	if err := f.checkTail(); err != nil {
		return err
	}
	r, err := file.NewParquetReader(io.NewSectionReader(f.src, 0, f.src.size()))
	if err != nil {
		return err
	}
	f.reader = r
	if f.cols, err = findColumns(r.MetaData().Schema); err != nil {
		return err
	}
	for i := range r.NumRowGroups() {
		if err := f.readGroup(i); err != nil {
			return fmt.Errorf("row group %d: %w", i, err)
		}
	}
	return nil
}

// checkTail checks the ends of the file and walks the footer.
func (f *File) checkTail() error {
	n := f.src.size()
	if n < 12 {
		return fmt.Errorf("%w: %d bytes", ErrFormat, n)
	}
	tail, err := f.src.slice(n-8, 8)
	if err != nil {
		return err
	}
	if string(tail[4:]) == "PARE" {
		return fmt.Errorf("%w: encrypted Parquet", ErrUnsupported)
	}
	if !bytes.Equal(tail[4:], []byte("PAR1")) {
		return fmt.Errorf("%w: no Parquet mark at the end", ErrFormat)
	}
	size := int64(le32(tail))
	if size > maxFooterBytes {
		return fmt.Errorf("%w: footer of %d bytes", ErrTooLarge, size)
	}
	if size > n-12 {
		return fmt.Errorf("%w: footer of %d bytes in a file of %d", ErrCorrupt, size, n)
	}
	footer, err := f.src.slice(n-8-size, size)
	if err != nil {
		return err
	}
	return checkFooter(footer)
}

// readGroup adds the layers of one row group to the index.
func (f *File) readGroup(i int) error {
	meta := f.reader.MetaData().RowGroup(i)
	rows := meta.NumRows()
	if rows < 0 || rows > maxLayers || len(f.layers)+int(rows) > maxLayers {
		return fmt.Errorf("%w: more than %d layers", ErrTooLarge, maxLayers)
	}
	if rows == 0 {
		return nil
	}
	g := &rowGroup{f: f, i: i, meta: meta, rows: int(rows)}
	layers, err := g.describe()
	if err != nil {
		return err
	}
	crcs := slices.Repeat([]int64{-1}, g.rows)
	if _, ok := f.cols[colChecksum]; ok {
		if crcs, err = g.int64s(colChecksum, -1); err != nil {
			return err
		}
	}
	for row, l := range layers {
		if _, twice := f.byName[l.Name]; twice || l.Name == "" {
			return fmt.Errorf("%w: layer name %q is empty or used twice", ErrCorrupt, l.Name)
		}
		f.byName[l.Name] = len(f.layers)
		f.layers = append(f.layers, l)
		f.rows = append(f.rows, rowRef{group: i, row: row, crc: crcs[row]})
	}
	return nil
}

// describe reads the columns that say what the layers of a row group are.
func (g *rowGroup) describe() ([]Layer, error) {
	names, err := g.texts(colName)
	if err != nil {
		return nil, err
	}
	shapes, err := g.shapes()
	if err != nil {
		return nil, err
	}
	dtypes, err := g.texts(colDType)
	if err != nil {
		return nil, err
	}
	counts, err := g.int64s(colParams, -1)
	if err != nil {
		return nil, err
	}
	layers := make([]Layer, g.rows)
	for i := range layers {
		l := Layer{Name: names[i], Shape: shapes[i], Axis: -1}
		if l.Params, err = params(l.Shape, g.f.limit/4); err == nil && counts[i] != -1 && counts[i] != int64(l.Params) {
			err = fmt.Errorf("%w: num_params is %d, the shape %v has %d", ErrCorrupt, counts[i], l.Shape, l.Params)
		}
		if err == nil {
			l.DType, err = ParseDType(dtypes[i])
		}
		if err != nil {
			return nil, fmt.Errorf("layer %q: %w", l.Name, err)
		}
		layers[i] = l
	}
	if _, v2 := g.f.cols[colQuant]; v2 {
		err = g.describeV2(layers)
	}
	return layers, err
}

// describeV2 adds what only V2 says.
func (g *rowGroup) describeV2(layers []Layer) error {
	err := g.binary(colQuant, maxIndexBytes, func(i int, v []byte) (bool, error) {
		switch q := QuantType(v); q {
		case QuantNone, QuantFP32, QuantFP16, QuantInt8, QuantInt4, QuantInt3, QuantInt2:
			layers[i].Quant = q
			return true, nil
		}
		return false, fmt.Errorf("%w: layer %q has quant_type %.40q", ErrUnsupported, layers[i].Name, v)
	})
	if err != nil {
		return err
	}
	axes, err := g.int32s(colAxis, -1)
	if err != nil {
		return err
	}
	groups, err := g.int32s(colGroup, 0)
	if err != nil {
		return err
	}
	for i := range layers {
		l := &layers[i]
		l.Axis, l.GroupSize = int(axes[i]), int(groups[i])
		if l.quantized() {
			if _, err := l.scaleCount(); err != nil {
				return fmt.Errorf("layer %q: %w", l.Name, err)
			}
		}
	}
	return g.describeNotes(layers)
}

// describeNotes adds what the columns of ours say, where the file has them as we write them.
func (g *rowGroup) describeNotes(layers []Layer) error {
	text := func(col string, put func(*Note, string)) error {
		if _, ok := g.f.cols[col]; !ok {
			return nil
		}
		return g.binary(col, maxIndexBytes, func(i int, v []byte) (bool, error) {
			put(&layers[i].Note, string(v[:min(len(v), maxCellBytes)]))
			return true, nil
		})
	}
	number := func(col string, put func(*Note, float64)) error {
		if _, ok := g.f.cols[col]; !ok {
			return nil
		}
		v, err := g.float64s(col)
		for i, x := range v {
			put(&layers[i].Note, x)
		}
		return err
	}
	return errors.Join(
		text(colMethod, func(n *Note, s string) { n.Method = s }),
		text(colFallback, func(n *Note, s string) { n.Fallback = s }),
		number(colWeightErr, func(n *Note, x float64) { n.WeightError = x }),
		number(colOutputErr, func(n *Note, x float64) { n.OutputError = x }))
}

// Path is the path that the file was opened by.
func (f *File) Path() string { return f.path }

// Version is 1 or 2; see the package comment.
func (f *File) Version() int {
	if _, ok := f.cols[colQuant]; ok {
		return 2
	}
	return 1
}

// Layers describes all layers in the order of the file. The caller must not change what the slices in them point to.
func (f *File) Layers() []Layer { return slices.Clone(f.layers) }

// Layer describes one layer, or ok is false where the file has none of that name.
func (f *File) Layer(name string) (l Layer, ok bool) {
	i, ok := f.byName[name]
	if !ok {
		return Layer{}, false
	}
	return f.layers[i], true
}

// Metadata returns the key-value pairs in the footer of the file. Of a key used twice the last value counts.
func (f *File) Metadata() map[string]string {
	kv := f.reader.MetaData().KeyValueMetadata()
	out := make(map[string]string, kv.Len())
	for i, k := range kv.Keys() {
		out[k] = kv.Values()[i]
	}
	return out
}

// Close waits for calls under way and unmaps the file. Slices that Float32 or Tensor returned with mapped true must not
// be used afterwards. Closing twice is fine.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	return f.src.close()
}
