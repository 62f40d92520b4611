package weights_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// row is one tensor as another program would write it. A nil scales is a null.
type row struct {
	name  string
	shape []int32
	dtype string
	data  []byte
	n     int64

	quant         string
	scales, zeros []byte
	axis, group   int32
	nulls         bool // num_params, axis and group are null; all rows of a file alike
}

// foreign says how another program would lay its file out.
type foreign struct {
	v2       bool
	groups   int  // rows a row group; 0 all in one
	required bool // columns are not nullable
	props    []parquet.WriterProperty
}

// schema gives the columns as Arrow's writers make them: all nullable, the shape a three-level list.
func (f foreign) schema(tb testing.TB) *schema.GroupNode {
	tb.Helper()
	opt := parquet.Repetitions.Optional
	if f.required {
		opt = parquet.Repetitions.Required
	}
	text := func(name string) schema.Node {
		return schema.MustPrimitive(schema.NewPrimitiveNodeLogical(name, opt, schema.StringLogicalType{}, parquet.Types.ByteArray, -1, -1))
	}
	item := "element"
	if f.required {
		item = "item"
	}
	shape, err := schema.ListOfWithName("shape", schema.NewInt32Node(item, opt, -1), opt, -1)
	if err != nil {
		tb.Fatal(err)
	}
	blob := func(name string) schema.Node { return schema.NewByteArrayNode(name, opt, -1) }
	fields := schema.FieldList{text("layer_name"), shape, text("dtype"), blob("data"), schema.NewInt64Node("num_params", opt, -1)}
	if f.v2 {
		fields = append(fields, text("quant_type"), blob("scales"), blob("zero_points"),
			schema.NewInt32Node("quant_axis", opt, -1), schema.NewInt32Node("group_size", opt, -1))
	}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
	if err != nil {
		tb.Fatal(err)
	}
	return root
}

// bytes writes rows with the library's own writer.
func (f foreign) bytes(tb testing.TB, rows []row) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := file.NewParquetWriter(&out, f.schema(tb), file.WithWriterProps(parquet.NewWriterProperties(f.props...)))
	step := f.groups
	if step == 0 {
		step = max(len(rows), 1)
	}
	for ; len(rows) > 0; rows = rows[min(step, len(rows)):] {
		rg := w.AppendRowGroup()
		f.group(tb, rg, rows[:min(step, len(rows))])
		if err := rg.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// group writes the columns of one row group.
func (f foreign) group(tb testing.TB, rg file.SerialRowGroupWriter, rows []row) {
	blobs := func(get func(row) []byte) {
		var vals []parquet.ByteArray
		var def []int16
		for _, r := range rows {
			v := get(r)
			if v == nil && f.required {
				v = []byte{}
			}
			if v != nil {
				vals, def = append(vals, v), append(def, 1)
			} else {
				def = append(def, 0)
			}
		}
		write(tb, rg, func(c file.ColumnChunkWriter) error {
			_, err := c.(*file.ByteArrayColumnChunkWriter).WriteBatch(vals, def, nil)
			return err
		})
	}
	ints := func(get func(row) int32) {
		var vals []int32
		for _, r := range rows {
			vals = append(vals, get(r))
		}
		write(tb, rg, func(c file.ColumnChunkWriter) error {
			_, err := c.(*file.Int32ColumnChunkWriter).WriteBatch(vals, present(rows), nil)
			return err
		})
	}
	blobs(func(r row) []byte { return []byte(r.name) })
	f.shapes(tb, rg, rows)
	blobs(func(r row) []byte { return []byte(r.dtype) })
	blobs(func(r row) []byte { return r.data })
	var counts []int64
	for _, r := range rows {
		counts = append(counts, r.n)
	}
	write(tb, rg, func(c file.ColumnChunkWriter) error {
		_, err := c.(*file.Int64ColumnChunkWriter).WriteBatch(counts, present(rows), nil)
		return err
	})
	if f.v2 {
		blobs(func(r row) []byte { return []byte(r.quant) })
		blobs(func(r row) []byte { return r.scales })
		blobs(func(r row) []byte { return r.zeros })
		ints(func(r row) int32 { return r.axis })
		ints(func(r row) int32 { return r.group })
	}
}

// present gives the definition levels of a flat column of numbers.
func present(rows []row) []int16 {
	level := int16(1)
	if rows[0].nulls {
		level = 0
	}
	return slices.Repeat([]int16{level}, len(rows))
}

// shapes writes the list column. Its levels are those of a nullable list of nullable numbers, or of required ones.
func (f foreign) shapes(tb testing.TB, rg file.SerialRowGroupWriter, rows []row) {
	value, empty := int16(3), int16(1)
	if f.required {
		value, empty = 1, 0
	}
	var vals []int32
	var def, rep []int16
	for _, r := range rows {
		if len(r.shape) == 0 {
			def, rep = append(def, empty), append(rep, 0)
		}
		for i, d := range r.shape {
			vals, def, rep = append(vals, d), append(def, value), append(rep, int16(min(i, 1)))
		}
	}
	write(tb, rg, func(c file.ColumnChunkWriter) error {
		_, err := c.(*file.Int32ColumnChunkWriter).WriteBatch(vals, def, rep)
		return err
	})
}

func write(tb testing.TB, rg file.SerialRowGroupWriter, do func(file.ColumnChunkWriter) error) {
	tb.Helper()
	c, err := rg.NextColumn()
	if err == nil {
		err = do(c)
	}
	if err == nil {
		err = c.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// file writes rows to a file and returns its path.
func (f foreign) file(tb testing.TB, rows ...row) string {
	tb.Helper()
	return put(tb, f.bytes(tb, rows))
}

func put(tb testing.TB, b []byte) string {
	tb.Helper()
	p := filepath.Join(tb.TempDir(), "weights.parquet")
	if err := os.WriteFile(p, b, 0o644); err != nil {
		tb.Fatal(err)
	}
	return p
}

// f32 gives the bytes of float32 values.
func f32(v ...float32) []byte {
	b := []byte{}
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// v1row is a float32 row of V1.
func v1row(name string, shape []int32, v ...float32) row {
	return row{name: name, shape: shape, dtype: "torch.float32", data: f32(v...), n: int64(len(v))}
}

// layouts are ways in which a V1 or V2 file can be laid out.
func layouts(v2 bool) map[string]foreign {
	return map[string]foreign{
		"the defaults":            {v2: v2},
		"zstd, one row group":     {v2: v2, props: []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Zstd)}},
		"zstd, three a group":     {v2: v2, groups: 3, props: []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(3)}},
		"snappy, small pages":     {v2: v2, props: []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDataPageSize(16)}},
		"plain, one a group":      {v2: v2, groups: 1, props: []parquet.WriterProperty{parquet.WithDictionaryDefault(false)}},
		"plain, page v2":          {v2: v2, groups: 1, props: []parquet.WriterProperty{parquet.WithDictionaryDefault(false), parquet.WithDataPageVersion(parquet.DataPageV2)}},
		"zstd, page v2":           {v2: v2, groups: 2, props: []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Zstd), parquet.WithDataPageVersion(parquet.DataPageV2)}},
		"dictionary, one a group": {v2: v2, groups: 1, props: []parquet.WriterProperty{parquet.WithDictionaryDefault(true)}},
		"required, in a group":    {v2: v2, required: true},
		"required, one a group":   {v2: v2, required: true, groups: 1, props: []parquet.WriterProperty{parquet.WithStats(false), parquet.WithDictionaryDefault(false)}},
	}
}
