package weights

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"engram/quant"
)

// dataAlign is the alignment of every tensor in the file, a cache line and the widest vector register.
const dataAlign = 64

// maxLayers bounds the tensors of a file: Parquet counts row groups in 16 bits.
const maxLayers = math.MaxInt16

// maxPlainBytes bounds one tensor: a Parquet page counts its bytes in 31 bits.
const maxPlainBytes = math.MaxInt32 - 1024

// Long columns of scales, those of small groups, are packed as small as zstd can; it takes a fifth off what its default
// leaves and a millisecond for 10,000 of them. Short ones are not worth its start.
const (
	manyScales = 8 << 10 // bytes
	bestZstd   = 19
)

// castagnoli is the polynomial of the checksums, which processors compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Tensor is a named array of numbers.
type Tensor struct {
	Name  string
	Shape []int
	DType DType
	Data  []byte // the elements, little-endian, in C order
}

// WriterOptions set what Create writes. The zero value is the default.
type WriterOptions struct {
	Metadata map[string]string // key-value pairs in the footer of the file; none by default
}

// Writer writes a weight file, a tensor at a time. It is not safe for concurrent use.
type Writer struct {
	version int
	path    string
	tmp     *os.File
	sink    *placedSink
	schema  *schema.Schema
	props   *parquet.WriterProperties
	meta    *metadata.FileMetaDataBuilder
	names   map[string]bool
	err     error // the first failure; nothing can be written after it
	done    bool
}

// Create begins a weight file of V1 at path. Nothing is there until Close: the bytes go to a temporary file beside it, which
// Close syncs and renames. Call Abort to give up; after Close it does nothing, so it can be deferred.
func Create(path string, o *WriterOptions) (*Writer, error) { return create(path, 1, o) }

// CreateV2 is Create for a file of V2, which can hold quantized layers beside plain ones.
func CreateV2(path string, o *WriterOptions) (*Writer, error) { return create(path, 2, o) }

func create(path string, version int, o *WriterOptions) (*Writer, error) {
	root, err := writtenSchema(version)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	kv := metadata.NewKeyValueMetadata()
	if o != nil {
		for _, k := range slices.Sorted(maps.Keys(o.Metadata)) {
			if err := kv.Append(k, o.Metadata[k]); err != nil {
				tmp.Close()
				os.Remove(tmp.Name())
				return nil, fmt.Errorf("weights: metadata %q: %w", k, err)
			}
		}
	}
	w := &Writer{
		version: version, path: path, tmp: tmp, sink: &placedSink{w: bufio.NewWriterSize(tmp, 1<<20)}, schema: schema.NewSchema(root),
		props: parquet.NewWriterProperties(parquet.WithDictionaryDefault(false), parquet.WithStats(false),
			parquet.WithCompression(compress.Codecs.Uncompressed),
			parquet.WithCompressionFor(colScales, compress.Codecs.Zstd), parquet.WithCompressionFor(colZeroPoints, compress.Codecs.Zstd), parquet.WithDataPageVersion(parquet.DataPageV1),
			parquet.WithDataPageSize(math.MaxInt32), parquet.WithCreatedBy("engram")),
		names: map[string]bool{},
	}
	w.meta = metadata.NewFileMetadataBuilder(w.schema, w.props, kv)
	_, w.err = w.sink.Write([]byte("PAR1"))
	return w, nil
}

// Add writes one tensor. Its bytes are not kept. Names must be unique and not empty, and the data as long as the shape
// and the type say.
func (w *Writer) Add(t *Tensor) error {
	if w.done {
		return fmt.Errorf("%w: %s", ErrClosed, w.path)
	}
	if w.err != nil {
		return w.err
	}
	n, err := w.check(t)
	if err != nil {
		return err // nothing was written; the file is still good
	}
	r := row{Tensor: *t, params: n, axis: -1}
	switch t.DType {
	case Float32:
		r.quant = QuantFP32
	case Float16:
		r.quant = QuantFP16
	}
	return w.put(&r)
}

// AddQuantized writes one layer as codes, V2 only. dtype is the type that its values had. The matrix must be that of the
// shape: all dimensions but the first make the columns. Nothing of q is kept.
func (w *Writer) AddQuantized(name string, shape []int, dtype DType, q *quant.Quantized, note Note) error {
	switch {
	case w.done:
		return fmt.Errorf("%w: %s", ErrClosed, w.path)
	case w.err != nil:
		return w.err
	case w.version != 2:
		return fmt.Errorf("%w: quantized layer %q in a file of V1", ErrUnsupported, name)
	}
	r := row{Tensor: Tensor{Name: name, Shape: shape, DType: dtype}, quant: QuantTypeOf(q.Scheme.Bits), note: note}
	n, err := w.describe(&r.Tensor, dtype.Size())
	if err != nil {
		return err
	}
	if err := q.Check(); err != nil {
		return fmt.Errorf("layer %q: %w", name, err)
	}
	l := Layer{Shape: shape, Params: n}
	if rows, cols := l.matrix(); rows != q.Rows || cols != q.Cols {
		return fmt.Errorf("%w: layer %q of shape %v is no matrix of %d x %d", ErrShape, name, shape, q.Rows, q.Cols)
	}
	if len(shape) == 0 && q.Scheme.Granularity == quant.PerChannel {
		return fmt.Errorf("%w: scalar %q per channel", ErrUnsupported, name)
	}
	r.params, r.Data = n, q.Codes[:quant.PackedBytes(q.Scheme.Bits, n)]
	r.scales, r.zeros = Float32Bytes(q.Scales), Float32Bytes(q.Zeros)
	if q.Zeros == nil { // the original has as many zero points as scales
		r.zeros = make([]byte, len(r.scales))
	}
	if q.Scheme.Granularity == quant.PerTensor {
		r.axis = -1
	}
	r.group = q.Scheme.GroupSize
	return w.put(&r)
}

// row is a layer as it is written.
type row struct {
	Tensor
	params        int
	quant         QuantType
	scales, zeros []byte
	axis, group   int
	note          Note
}

// put writes a row that has been checked.
func (w *Writer) put(r *row) error {
	if err := w.rowGroup(r); err != nil {
		w.err = fmt.Errorf("weights: writing %q to %s: %w", r.Name, w.path, err)
		return w.err
	}
	w.names[r.Name] = true
	return nil
}

// check validates a tensor and returns the number of its elements.
func (w *Writer) check(t *Tensor) (int, error) {
	n, err := w.describe(t, t.DType.Size())
	if err != nil {
		return 0, err
	}
	if size := t.DType.Size(); len(t.Data) != n*size {
		return 0, fmt.Errorf("%w: layer %q of shape %v and %v has %d bytes, not %d", ErrShape, t.Name, t.Shape, t.DType, len(t.Data), n*size)
	}
	return n, nil
}

// describe validates what says which tensor it is and returns the number of its elements.
func (w *Writer) describe(t *Tensor, size int) (int, error) {
	if t.Name == "" || w.names[t.Name] || len(t.Name) > maxCellBytes {
		return 0, fmt.Errorf("weights: layer name %.80q is empty, too long or used twice", t.Name)
	}
	if len(w.names) >= maxLayers {
		return 0, fmt.Errorf("%w: more than %d layers", ErrTooLarge, maxLayers)
	}
	if size == 0 {
		return 0, fmt.Errorf("%w: layer %q has %v", ErrUnsupported, t.Name, t.DType)
	}
	for _, d := range t.Shape {
		if d > math.MaxInt32 {
			return 0, fmt.Errorf("%w: layer %q has a dimension of %d", ErrTooLarge, t.Name, d)
		}
	}
	n, err := params(t.Shape, maxPlainBytes/int64(size))
	if err != nil {
		return 0, fmt.Errorf("layer %q: %w", t.Name, err)
	}
	return n, nil
}

// values gives what a row has in each column of the schema, nil for a null.
func (w *Writer) values(r *row) []any {
	crc := crc32.Checksum(r.Data, castagnoli)
	if r.quant.Bits() != 0 {
		crc = crc32.Update(crc32.Update(crc, castagnoli, r.scales), castagnoli, r.zeros)
	}
	out := []any{[]byte(r.Name), r.Shape, []byte(r.DType.String()), r.Data, int64(r.params)}
	if w.version == 1 {
		return append(out, int64(crc))
	}
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return []byte(s[:min(len(s), maxCellBytes)])
	}
	number := func(x float64) any {
		if x == 0 || math.IsNaN(x) {
			return nil
		}
		return x
	}
	return append(out, []byte(r.quant), notNil(r.scales), notNil(r.zeros), int32(r.axis), int32(r.group), int64(crc),
		text(r.note.Method), text(r.note.Fallback), number(r.note.WeightError), number(r.note.OutputError))
}

// notNil is b, or no bytes at all where it is nil, which would be a null.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// rowGroup writes the row group of one tensor.
func (w *Writer) rowGroup(r *row) error {
	ordinal := int16(len(w.names))
	rg := w.meta.AppendRowGroup()
	for _, value := range w.values(r) {
		col := rg.NextColumnChunk()
		if col.Descr().Name() == colData {
			if err := w.align(ordinal, r.Data); err != nil {
				return err
			}
		}
		if err := writeValue(w.sink, col, w.props, ordinal, value); err != nil {
			return err
		}
	}
	rg.SetNumRows(1)
	return rg.Finish(0, ordinal)
}

// align moves the sink forward so that the data chunk to come has its value on a multiple of dataAlign. The length of
// what a chunk has in front of its value does not depend on where it is written, so a trial run onto nothing tells it.
// The gap is zeros that no offset in the footer points to.
func (w *Writer) align(ordinal int16, data []byte) error {
	trial := metadata.NewColumnChunkMetaDataBuilder(w.props, w.schema.Column(w.schema.ColumnIndexByName(colData)))
	if err := writeValue(&placedSink{w: io.Discard}, trial, w.props, ordinal, data); err != nil {
		return err
	}
	lead := trial.TotalCompressedSize() - int64(len(data))
	_, err := w.sink.Write(make([]byte, -(w.sink.pos+lead)&(dataAlign-1)))
	return err
}

// placedSink counts the bytes written to it, as the Parquet library asks of a sink.
type placedSink struct {
	w   io.Writer
	pos int64
}

func (s *placedSink) Tell() int64 { return s.pos }

func (s *placedSink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.pos += int64(n)
	return n, err
}

// writeValue writes a column chunk of one row; a nil value is a null.
func writeValue(sink *placedSink, col *metadata.ColumnChunkMetaDataBuilder, props *parquet.WriterProperties, rg int16, value any) error {
	codec, level := props.CompressionFor(col.Descr().Path()), props.CompressionLevelFor(col.Descr().Path())
	if b, ok := value.([]byte); ok && len(b) >= manyScales {
		level = bestZstd
	}
	pager, err := file.NewPageWriter(sink, codec, level, col, rg, 0, memory.DefaultAllocator, false, nil, nil)
	if err != nil {
		return err
	}
	switch cw := file.NewColumnChunkWriter(col, pager, props).(type) {
	case *file.ByteArrayColumnChunkWriter:
		var vals []parquet.ByteArray
		if b, ok := value.([]byte); ok {
			vals = []parquet.ByteArray{b}
		}
		_, err = cw.WriteBatch(vals, []int16{int16(len(vals))}, nil)
		return closed(cw, err)
	case *file.Int64ColumnChunkWriter:
		_, err = cw.WriteBatch([]int64{value.(int64)}, []int16{1}, nil)
		return closed(cw, err)
	case *file.Float64ColumnChunkWriter:
		var vals []float64
		if x, ok := value.(float64); ok {
			vals = []float64{x}
		}
		_, err = cw.WriteBatch(vals, []int16{int16(len(vals))}, nil)
		return closed(cw, err)
	case *file.Int32ColumnChunkWriter:
		if x, ok := value.(int32); ok {
			_, err = cw.WriteBatch([]int32{x}, []int16{1}, nil)
			return closed(cw, err)
		}
		vals, def, rep := shapeLevels(value.([]int))
		_, err = cw.WriteBatch(vals, def, rep)
		return closed(cw, err)
	}
	return fmt.Errorf("%w: column %s", ErrUnsupported, col.Descr().Path())
}

// closed closes a column, keeping the first error.
func closed(c io.Closer, err error) error {
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	return err
}

// shapeLevels gives the values and the levels of a list column in which list and element are nullable: 3 is a value,
// 1 an empty list.
func shapeLevels(shape []int) (vals []int32, def, rep []int16) {
	if len(shape) == 0 {
		return nil, []int16{1}, []int16{0}
	}
	for i, d := range shape {
		vals, def, rep = append(vals, int32(d)), append(def, 3), append(rep, int16(min(i, 1)))
	}
	return vals, def, rep
}

// Close writes the footer, syncs the file and puts it in its place. The file is complete, or it is not there.
func (w *Writer) Close() error {
	if w.done {
		return w.err
	}
	if w.err == nil {
		w.err = w.finish()
	}
	w.done = true
	if w.err != nil {
		w.discard()
	}
	return w.err
}

func (w *Writer) finish() error {
	md, err := w.meta.Finish()
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	n, err := md.WriteTo(w.sink, nil)
	if err == nil {
		_, err = w.sink.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(n)), "PAR1"...))
	}
	if err == nil {
		err = w.sink.w.(*bufio.Writer).Flush()
	}
	if err == nil {
		err = w.tmp.Chmod(0o644)
	}
	if err == nil {
		err = w.tmp.Sync()
	}
	if err == nil {
		err = w.tmp.Close()
	}
	if err == nil {
		err = os.Rename(w.tmp.Name(), w.path)
	}
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	return syncDir(filepath.Dir(w.path))
}

// Abort gives the file up and removes what was written. After Close it does nothing.
func (w *Writer) Abort() {
	if !w.done {
		w.done = true
		w.discard()
	}
}

func (w *Writer) discard() {
	w.tmp.Close()
	os.Remove(w.tmp.Name())
}

// syncDir makes a rename in dir durable. Systems that cannot sync a directory are left to themselves.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	defer d.Close()
	_ = d.Sync()
	return nil
}

// WriteFile writes tensors to a V1 file at path, whole or not at all.
func WriteFile(path string, tensors []*Tensor, o *WriterOptions) error {
	w, err := Create(path, o)
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, t := range tensors {
		if err := w.Add(t); err != nil {
			return err
		}
	}
	return w.Close()
}
