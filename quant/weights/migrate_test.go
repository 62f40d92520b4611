package weights_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"pgregory.net/rapid"

	"engram/quant"
	"engram/quant/weights"
)

// TestMigrateThereAndBack takes plain layers of every type from V1 to V2 and back: the same file to the byte.
func TestMigrateThereAndBack(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	v1, v2, back := filepath.Join(dir, "v1"), filepath.Join(dir, "v2"), filepath.Join(dir, "back")
	rapid.Check(t, func(t *rapid.T) {
		want := tensors(t)
		kv := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "metadata")
		if err := errors.Join(weights.WriteFile(v1, want, &weights.WriterOptions{Metadata: kv}),
			weights.Migrate(ctx, v1, v2, 2, nil), weights.Migrate(ctx, v2, back, 1, nil)); err != nil {
			t.Fatal(err)
		}
		f, err := weights.Open(v2, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if f.Version() != 2 || f.Verify() != nil {
			t.Fatalf("version %d, %v", f.Version(), f.Verify())
		}
		for _, w := range want {
			got, _, err := f.Tensor(w.Name)
			l, _ := f.Layer(w.Name)
			if err != nil || l.DType != w.DType || !slices.Equal(l.Shape, w.Shape) || !bytes.Equal(got.Data, w.Data) {
				t.Fatalf("%+v in V2 is %+v, err %v, want %+v", l, got, err, w)
			}
		}
		a, err1 := os.ReadFile(v1)
		b, err2 := os.ReadFile(back)
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a, b) {
			t.Fatalf("%d bytes became %d, or others; err %v", len(a), len(b), err)
		}
	})
}

// TestMigrateCodes takes a V2 file to V2, where codes and notes stay, and to V1, where codes become what they stand for.
func TestMigrateCodes(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.Float32Range(-10, 10), 12, 12).Draw(t, "v")
		q, err := quant.QuantizeMatrix(schemes(t), 3, 4, v)
		if err != nil {
			t.Fatal(err)
		}
		note := weights.Note{Method: "gptq", Fallback: "why", WeightError: 0.5, OutputError: 0.25}
		w, err := weights.CreateV2(src, nil)
		if err != nil {
			t.Fatal(err)
		}
		half := &weights.Tensor{Name: "half", Shape: []int{1}, DType: weights.Float16, Data: []byte{0, 0x3c}}
		if err := errors.Join(w.AddQuantized("x", []int{3, 2, 2}, weights.Float32, q, note), w.Add(half), w.Close()); err != nil {
			t.Fatal(err)
		}
		want := make([]float32, 12)
		q.Dequantize(want)
		for version := 1; version <= 2; version++ {
			if err := weights.Migrate(ctx, src, dst, version, nil); err != nil {
				t.Fatal(err)
			}
			f, err := weights.Open(dst, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, _, err := f.Float32("x", 3, 2, 2)
			if err != nil || !slices.Equal(got, want) || f.Version() != version {
				t.Fatalf("V%d: %v, err %v, want %v", f.Version(), got, err, want)
			}
			if h, _, err := f.Tensor("half"); err != nil || h.DType != weights.Float16 || !bytes.Equal(h.Data, half.Data) {
				t.Fatalf("half: %+v, %v", h, err)
			}
			l, _ := f.Layer("x")
			again, _, err := f.Quantized("x")
			if version == 1 && !errors.Is(err, weights.ErrUnsupported) || version == 2 && (err != nil || l.Note != note ||
				!bytes.Equal(again.Codes, q.Codes)) {
				t.Fatalf("V%d: %+v, %v", version, l, err)
			}
		}
	})
}

// TestMigrateFilesOfOthers lays a packed file out anew: mapped, and without the other writer's account of its columns.
func TestMigrateFilesOfOthers(t *testing.T) {
	how := foreign{v2: true, props: []parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Zstd)}}
	a, b := v1row("a", []int32{2}, 1, 2), v1row("b", []int32{1}, 3)
	a.quant, b.quant = "fp32", "fp32"
	src := how.file(t, a, b)
	dst := filepath.Join(t.TempDir(), "dst")
	var told []string
	o := &weights.MigrateOptions{Progress: func(layer string, done, total int64) { told = append(told, layer) }}
	if err := weights.Migrate(context.Background(), src, dst, 2, o); err != nil || !slices.Equal(told, []string{"a", "b"}) {
		t.Fatalf("told of %q, err %v", told, err)
	}
	f := open(t, dst, nil)
	if v, mapped, err := f.Float32("a"); err != nil || !mapped || !slices.Equal(v, []float32{1, 2}) {
		t.Errorf("%v, mapped %v, %v", v, mapped, err)
	}
	named := filepath.Join(t.TempDir(), "named")
	if err := weights.WriteFile(named, nil, &weights.WriterOptions{Metadata: map[string]string{"ARROW:schema": "x", "pandas": "y",
		"mine": "z"}}); err != nil {
		t.Fatal(err)
	}
	if err := weights.Migrate(context.Background(), named, named, 2, nil); err != nil { // in its own place
		t.Fatal(err)
	}
	if m := open(t, named, nil).Metadata(); len(m) != 1 || m["mine"] != "z" {
		t.Errorf("metadata %v", m)
	}
}

func TestMigrateFails(t *testing.T) {
	dir := t.TempDir()
	src, dst := foreign{}.file(t, v1row("a", []int32{1}, 1)), filepath.Join(dir, "dst")
	if err := weights.Migrate(context.Background(), src, dst, 3, nil); !errors.Is(err, weights.ErrUnsupported) {
		t.Errorf("version 3: %v", err)
	}
	if err := weights.Migrate(context.Background(), dst, dst, 2, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := weights.Migrate(context.Background(), src, filepath.Join(dir, "none", "dst"), 2, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := weights.Migrate(cancelled, src, dst, 2, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	short := v1row("a", []int32{2}, 1, 2)
	short.data = short.data[:4]
	if err := weights.Migrate(context.Background(), foreign{}.file(t, v1row("b", []int32{1}, 1), short), dst, 2, nil); !errors.Is(err,
		weights.ErrCorrupt) {
		t.Errorf("damaged: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("failures left %v behind", left)
	}
}

// TestSchemasAreTheOriginals compares the columns that are written with those of the first program that wrote such files,
// names, order and types, with ours after them.
func TestSchemasAreTheOriginals(t *testing.T) {
	v1 := []string{"layer_name BYTE_ARRAY String", "shape.list.element INT32 None", "dtype BYTE_ARRAY String", "data BYTE_ARRAY None",
		"num_params INT64 None"}
	v2 := append(slices.Clone(v1), "quant_type BYTE_ARRAY String", "scales BYTE_ARRAY None", "zero_points BYTE_ARRAY None",
		"quant_axis INT32 None", "group_size INT32 None")
	for version, want := range map[int][]string{1: v1, 2: v2} {
		path := filepath.Join(t.TempDir(), "w")
		w, err := weights.CreateV2(path, nil)
		if version == 1 {
			w, err = weights.Create(path, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := file.OpenParquetFile(path, false)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var got []string
		for i := range r.MetaData().Schema.NumColumns() {
			c := r.MetaData().Schema.Column(i)
			got = append(got, c.Path()+" "+c.PhysicalType().String()+" "+c.LogicalType().String())
			if c.MaxDefinitionLevel() == 0 {
				t.Errorf("%s is not nullable", c.Path())
			}
		}
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("V%d has %q, want %q", version, got, want)
		}
	}
}

// TestGoldenCodes compares the bytes of codes in a file with bytes written by hand.
func TestGoldenCodes(t *testing.T) {
	one := []float32{1}
	for _, c := range []struct {
		name  string
		bits  int
		codes []int8
		want  []byte
	}{
		// Least significant first, code + 2: 2 3 1 0 is 10 | 11<<2 | 01<<4 | 00<<6; then 3 and padding.
		{"int2", 2, []int8{0, 1, -1, -2, 1}, []byte{0x1e, 0x03}},
		// Code + 8, the low half first: 8 9, 0 15, 7.
		{"int4", 4, []int8{0, 1, -8, 7, -1}, []byte{0x98, 0xf0, 0x07}},
		// Code + 4 in three bits, eight in three bytes: 4 5 0 7 3 4 5 6 is 110 101 100 011 111 000 101 100 from the end.
		{"int3", 3, []int8{0, 1, -4, 3, -1, 0, 1, 2}, []byte{0x2c, 0x3e, 0xd6}},
		{"int8", 8, []int8{0, 1, -128, 127}, []byte{0, 1, 0x80, 0x7f}},
	} {
		path := filepath.Join(t.TempDir(), "w")
		w, err := weights.CreateV2(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q := &quant.Quantized{Rows: len(c.codes), Cols: 1, Scheme: quant.Scheme{Bits: c.bits, Symmetric: true, Granularity: quant.PerTensor},
			Codes: quant.Pack(nil, c.bits, c.codes), Scales: one}
		if err := errors.Join(w.AddQuantized("x", []int{len(c.codes)}, weights.Float32, q, weights.Note{}), w.Close()); err != nil {
			t.Fatal(err)
		}
		f := open(t, path, nil)
		got, mapped, err := f.Tensor("x")
		l, _ := f.Layer("x")
		if err != nil || !mapped || !bytes.Equal(got.Data, c.want) || string(l.Quant) != c.name || l.Axis != -1 || l.GroupSize != 0 {
			t.Errorf("%s: % x, want % x; %+v, mapped %v, err %v", c.name, got.Data, c.want, l, mapped, err)
		}
		v, _, err := f.Float32("x")
		for i, code := range c.codes {
			if err != nil || v[i] != float32(code) {
				t.Errorf("%s: %v, err %v, want %v", c.name, v, err, c.codes)
				break
			}
		}
		raw, err := os.ReadFile(path)
		if at := bytes.Index(raw, c.want); err != nil || at < 0 || at%64 != 0 && len(c.want) > 3 {
			t.Errorf("%s: the bytes lie at %d of the file", c.name, at)
		}
	}
}

// TestScalesDoNotBloat writes codes of 2 bits in groups of 32: the two float32 columns of coarse scales are packed to a
// fraction of their 64 bits a group, while the codes stay where they can be mapped.
func TestScalesDoNotBloat(t *testing.T) {
	const rows, cols = 512, 768
	v := make([]float32, rows*cols)
	x := uint64(1)
	for i := range v { // something like a bell curve
		for range 4 {
			x = x*6364136223846793005 + 1442695040888963407
			v[i] += float32(int32(x>>32)) / (1 << 33)
		}
	}
	q, err := quant.QuantizeMatrix(quant.Scheme{Bits: 2, Granularity: quant.PerGroup, GroupSize: 32, Coarse: true}, rows, cols, v)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "w")
	w, err := weights.CreateV2(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.AddQuantized("x", []int{rows, cols}, weights.Float32, q, weights.Note{}), w.Close()); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	groups := rows * cols / 32
	if bits := float64(8*(st.Size()-rows*cols/4)) / float64(groups); bits > 12 {
		t.Errorf("scales and zero points take %.1f bits a group", bits)
	} else {
		t.Logf("scales and zero points take %.1f bits a group", bits)
	}
	if _, mapped, err := open(t, path, nil).Quantized("x"); err != nil || !mapped {
		t.Errorf("mapped %v, %v", mapped, err)
	}
}
