package weights_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"engram/quant/weights"
)

// ours gives the bytes of a small file that Create wrote.
func ours(tb testing.TB) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "w.parquet")
	err := weights.WriteFile(path, []*weights.Tensor{
		{Name: "a", Shape: []int{2, 2}, DType: weights.Float32, Data: f32(1, 2, 3, 4)},
		{Name: "b", Shape: []int{}, DType: weights.Int8, Data: []byte{5}},
	}, &weights.WriterOptions{Metadata: map[string]string{"k": "v"}})
	if err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// known says whether an error is one that callers can tell apart.
func known(err error) bool {
	for _, e := range []error{weights.ErrCorrupt, weights.ErrFormat, weights.ErrUnsupported, weights.ErrTooLarge} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// use opens a file and reads all of it, and returns the first error.
func use(path string, o *weights.Options) error {
	f, err := weights.Open(path, o)
	if err != nil {
		return err
	}
	defer f.Close()
	return readAll(f)
}

func readAll(f *weights.File) error {
	f.Metadata()
	if err := f.Verify(); err != nil {
		return err
	}
	for _, l := range f.Layers() {
		if v, _, err := f.Float32(l.Name, l.Shape...); err != nil {
			return err
		} else if len(v) != l.Params {
			return errors.New("wrong number of values")
		}
	}
	return nil
}

// TestEveryByteOfATensorIsChecked flips each bit of the numbers of a file: none may pass.
func TestEveryByteOfATensorIsChecked(t *testing.T) {
	good := ours(t)
	at := bytes.Index(good, f32(1, 2, 3, 4))
	if at < 0 || at%64 != 0 {
		t.Fatalf("the tensor lies at %d", at)
	}
	for bit := range 16 * 8 {
		bad := bytes.Clone(good)
		bad[at+bit/8] ^= 1 << (bit % 8)
		err := use(put(t, bad), nil)
		if !errors.Is(err, weights.ErrCorrupt) || !strings.Contains(err.Error(), `"a"`) {
			t.Fatalf("bit %d: err %v", bit, err)
		}
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.parquet")
	for _, good := range [][]byte{ours(t), foreign{v2: true}.bytes(t, []row{v1row("x", []int32{3}, 1, 2, 3)})} {
		for n := range good {
			if err := os.WriteFile(path, good[:n], 0o644); err != nil {
				t.Fatal(err)
			}
			if err := use(path, nil); !known(err) {
				t.Fatalf("%d bytes of %d: err %v", n, len(good), err)
			}
		}
	}
}

func TestLayersThatDoNotHoldTogether(t *testing.T) {
	ok := v1row("x", []int32{2}, 1, 2)
	for _, c := range []struct {
		name   string
		change func(*row)
		want   error
	}{
		{"short data", func(r *row) { r.data = r.data[:7] }, weights.ErrCorrupt},
		{"long data", func(r *row) { r.data = append(r.data, 0) }, weights.ErrCorrupt},
		{"no data", func(r *row) { r.data = nil }, weights.ErrCorrupt},
		{"half the elements", func(r *row) { r.data = r.data[:4] }, weights.ErrCorrupt},
		{"wrong num_params", func(r *row) { r.n = 3 }, weights.ErrCorrupt},
		{"negative dimension", func(r *row) { r.shape = []int32{-2} }, weights.ErrCorrupt},
		{"unknown dtype", func(r *row) { r.dtype = "torch.qint8" }, weights.ErrUnsupported},
		{"no name", func(r *row) { r.name = "" }, weights.ErrCorrupt},
		{"long name", func(r *row) { r.name = strings.Repeat("n", 5000) }, weights.ErrCorrupt},
		{"huge shape", func(r *row) { r.shape, r.n = []int32{1 << 30, 1 << 30, 1 << 30}, 0 }, weights.ErrTooLarge},
		{"many dimensions", func(r *row) { r.shape = make([]int32, 20) }, weights.ErrCorrupt},
		{"17 dimensions", func(r *row) { r.shape = make([]int32, 17) }, weights.ErrCorrupt},
	} {
		for _, groups := range []int{0, 1} {
			r := ok
			c.change(&r)
			err := use(foreign{groups: groups}.file(t, r), nil)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: err %v, want %v", c.name, err, c.want)
			}
		}
	}
	if err := use(foreign{}.file(t, ok, ok), nil); !errors.Is(err, weights.ErrCorrupt) {
		t.Errorf("one name twice: %v", err)
	}
}

func TestLimitOfTensorBytes(t *testing.T) {
	path := foreign{}.file(t, v1row("x", []int32{1000}, make([]float32, 1000)...))
	if err := use(path, &weights.Options{MaxTensorBytes: 4000}); err != nil {
		t.Error(err)
	}
	if err := use(path, &weights.Options{MaxTensorBytes: 3999}); !errors.Is(err, weights.ErrTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
}

func TestWrongLayerOrShape(t *testing.T) {
	f := open(t, foreign{}.file(t, v1row("x", []int32{2}, 1, 2)), nil)
	if _, _, err := f.Float32("y"); !errors.Is(err, weights.ErrNoLayer) || !strings.Contains(err.Error(), f.Path()) {
		t.Errorf("missing: %v", err)
	}
	if _, _, err := f.Tensor("y"); !errors.Is(err, weights.ErrNoLayer) {
		t.Errorf("missing: %v", err)
	}
	if _, _, err := f.Float32("x", 2, 1); !errors.Is(err, weights.ErrShape) {
		t.Errorf("shape: %v", err)
	}
	if _, ok := f.Layer("y"); ok {
		t.Error("a layer that is not there")
	}
}

func TestNotAWeightFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := weights.Open(filepath.Join(dir, "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := weights.Open(dir, nil); !errors.Is(err, weights.ErrFormat) {
		t.Errorf("a folder: %v", err)
	}
	footer := func(n uint32, mark string) []byte {
		return append(binary.LittleEndian.AppendUint32([]byte("PAR1........"), n), mark...)
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"empty":                {nil, weights.ErrFormat},
		"text":                 {[]byte("this is no Parquet file at all"), weights.ErrFormat},
		"encrypted":            {footer(4, "PARE"), weights.ErrUnsupported},
		"footer beyond file":   {footer(100, "PAR1"), weights.ErrCorrupt},
		"footer beyond limits": {footer(1<<31, "PAR1"), weights.ErrTooLarge},
		"footer of dots":       {footer(8, "PAR1"), weights.ErrCorrupt},
	} {
		if err := use(put(t, c.b), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWrongColumns opens Parquet files whose columns are not those of weights.
func TestWrongColumns(t *testing.T) {
	opt, rep := parquet.Repetitions.Optional, parquet.Repetitions.Repeated
	good := func() (fields schema.FieldList) {
		root := foreign{v2: true}.schema(t)
		for i := range root.NumFields() {
			fields = append(fields, root.Field(i))
		}
		return fields
	}
	for name, change := range map[string]func(schema.FieldList) schema.FieldList{
		"no column data":     func(f schema.FieldList) schema.FieldList { return append(f[:3:3], f[4:]...) },
		"V2 without scales":  func(f schema.FieldList) schema.FieldList { return append(f[:6:6], f[7:]...) },
		"data of type int64": func(f schema.FieldList) schema.FieldList { f[3] = schema.NewInt64Node("data", opt, -1); return f },
		"data in a list":     func(f schema.FieldList) schema.FieldList { f[3] = schema.NewByteArrayNode("data", rep, -1); return f },
		"shape not a list":   func(f schema.FieldList) schema.FieldList { f[1] = schema.NewInt32Node("shape", opt, -1); return f },
		"shape of two leaves": func(f schema.FieldList) schema.FieldList {
			g, err := schema.NewGroupNode("shape", opt, schema.FieldList{schema.NewInt32Node("a", rep, -1), schema.NewInt32Node("b", rep, -1)}, -1)
			if err != nil {
				t.Fatal(err)
			}
			f[1] = g
			return f
		},
	} {
		root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, change(good()), -1)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := file.NewParquetWriter(&out, root).Close(); err != nil {
			t.Fatal(err)
		}
		if err := use(put(t, out.Bytes()), nil); !errors.Is(err, weights.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	more := append(good()[:5:5], schema.NewInt64Node("somebody_elses", opt, -1))
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, more, -1)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := file.NewParquetWriter(&out, root).Close(); err != nil {
		t.Fatal(err)
	}
	if err := use(put(t, out.Bytes()), nil); err != nil {
		t.Errorf("a further column: %v", err)
	}
}

// FuzzOpen reads damaged files: an error or numbers, never a panic, and never more memory than limits allow.
func FuzzOpen(f *testing.F) {
	f.Add(ours(f))
	rows := []row{v1row("x", []int32{2, 2}, 1, 2, 3, 4), v1row("scalar", nil, 1)}
	for _, how := range layouts(true) {
		f.Add(how.bytes(f, rows))
	}
	f.Add(foreign{props: []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Gzip)}}.bytes(f, rows))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := weights.OpenBytes(b, &weights.Options{MaxTensorBytes: 1 << 20})
		if err == nil {
			err = readAll(file)
			file.Close()
		}
		if err != nil && !known(err) {
			t.Errorf("unexpected error: %v", err)
		}
	})
}

// TestEveryByteFlipped changes every byte of small files in several ways. Reading must end in one of our errors or in
// numbers; and of our own file, whose tensors have checksums, a tensor that still has its name has its numbers.
func TestEveryByteFlipped(t *testing.T) {
	rows := []row{v1row("x", []int32{2, 2}, 1, 2, 3, 4), v1row("scalar", nil, 1)}
	files := map[string][]byte{"ours": ours(t)}
	for _, name := range []string{"zstd, page v2", "plain, page v2", "dictionary, one a group"} {
		files[name] = layouts(true)[name].bytes(t, rows)
	}
	want := map[string][]byte{"a": f32(1, 2, 3, 4), "b": {5}}
	opt := &weights.Options{MaxTensorBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler)}
	for name, good := range files {
		for i := range good {
			for _, x := range []byte{0xff, 0x01, 0x40} {
				if x != 0xff && name != "ours" {
					continue // the others are here for what they make the reader do
				}
				bad := bytes.Clone(good)
				bad[i] ^= x
				f, err := weights.OpenBytes(bad, opt)
				if err == nil {
					err = readAll(f)
				}
				if err != nil && !known(err) {
					t.Fatalf("%s: byte %d ^ %x: %v", name, i, x, err)
				}
				if err != nil || name != "ours" {
					continue
				}
				for _, l := range f.Layers() {
					if got, _, err := f.Tensor(l.Name); want[l.Name] != nil && (err != nil || !bytes.Equal(got.Data, want[l.Name])) {
						t.Fatalf("byte %d ^ %x: layer %q has other numbers, err %v", i, x, l.Name, err)
					}
				}
			}
		}
	}
}

// TestNullsInPlaceOfNumbers reads a row whose num_params, quant_axis and group_size are null.
func TestNullsInPlaceOfNumbers(t *testing.T) {
	r := v1row("x", []int32{2}, 1, 2)
	r.quant, r.scales, r.zeros, r.data, r.nulls = "int8", f32(2), f32(0), []byte{3, 4}, true
	f := open(t, foreign{v2: true}.file(t, r), nil)
	l, _ := f.Layer("x")
	v, _, err := f.Float32("x")
	if err != nil || l.Axis != -1 || l.GroupSize != 0 || !slices.Equal(v, []float32{6, 8}) {
		t.Errorf("%+v: %v, err %v", l, v, err)
	}
}
