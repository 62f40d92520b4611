package exchange_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"engram/quant/weights"
	"engram/quant/weights/exchange"
)

var le = binary.LittleEndian

// safetensors writes a file as its specification says: length, header, numbers.
func safetensors(header string, data ...byte) []byte {
	return cat(le.AppendUint64(nil, uint64(len(header))), []byte(header), data)
}

const goodHeader = `{"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[8,12]},"__metadata__":{"format":"pt"},
	"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"n":{"dtype":"I64","shape":[],"data_offsets":[12,20]},
	"f8":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[20,21]},"none":{"dtype":"U8","shape":[0,4],"data_offsets":[21,21]}}`

func goodSafetensors() []byte {
	return safetensors(goodHeader, cat(f32(1, -2.5), []byte{0x80, 0x3f, 0x20, 0xc0}, le.AppendUint64(nil, 7), []byte{9})...)
}

func TestSafetensors(t *testing.T) {
	s, err := exchange.ReadSafetensors(goodSafetensors(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range s.Tensors() {
		names = append(names, x.Name+" "+x.Type)
	}
	if want := []string{"a F32", "b BF16", "n I64", "f8 F8_E4M3", "none U8"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if s.Metadata()["format"] != "pt" || s.Config() != nil || s.Format() != exchange.FormatSafetensors {
		t.Error(s.Metadata())
	}
	if got := values(t, s, "a"); !slices.Equal(got, []float32{1, -2.5}) {
		t.Error(got)
	}
	b, err := s.Read("b")
	if err != nil || b.DType != weights.BFloat16 || !slices.Equal(b.Shape, []int{2, 1}) {
		t.Errorf("%+v, %v", b, err)
	}
	if v, err := b.Float32(); err != nil || !slices.Equal(v, []float32{1, -2.5}) {
		t.Error(v, err)
	}
	if _, err := s.Read("f8"); !errors.Is(err, weights.ErrUnsupported) {
		t.Errorf("eight bits: %v", err)
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"short":             {[]byte("1234567"), weights.ErrFormat},
		"header beyond":     {le.AppendUint64(nil, 100), weights.ErrFormat},
		"no JSON":           {safetensors("{nothing"), weights.ErrCorrupt},
		"no tensors":        {safetensors(`{"a":1}`), weights.ErrCorrupt},
		"metadata":          {safetensors(`{"__metadata__":1}`), weights.ErrCorrupt},
		"outside":           {safetensors(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 1, 2, 3), weights.ErrCorrupt},
		"backwards":         {safetensors(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, f32(1, 2)...), weights.ErrCorrupt},
		"one offset":        {safetensors(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}}`, f32(1, 2)...), weights.ErrCorrupt},
		"too few bytes":     {safetensors(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, f32(1, 2)...), weights.ErrCorrupt},
		"a type of its own": {safetensors(`{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}`, 1), weights.ErrUnsupported},
		"negative":          {safetensors(`{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, f32(1, 2)...), weights.ErrCorrupt},
		"huge": {safetensors(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}`, f32(1, 2)...),
			weights.ErrTooLarge},
	} {
		if _, err := exchange.ReadSafetensors(c.b, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", name, err, c.want)
		}
	}
}

func readSafetensors(b []byte) (exchange.Source, error) {
	return exchange.ReadSafetensors(b, &exchange.Options{MaxTensorBytes: 1 << 20})
}

// folder writes files and returns their folder.
func folder(tb testing.TB, files map[string][]byte) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func TestShardsOfSafetensors(t *testing.T) {
	one := func(name string, v float32) []byte {
		return safetensors(fmt.Sprintf(`{%q:{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, name), f32(v)...)
	}
	index := func(m string) []byte { return []byte(`{"metadata":{"total_size":8},"weight_map":` + m + `}`) }
	good := map[string][]byte{"config.json": []byte(`{"model_type":"bert"}`), "1.safetensors": one("a", 1), "2.safetensors": one("b", 2),
		"model.safetensors.index.json": index(`{"a":"1.safetensors","b":"2.safetensors"}`)}
	dir := folder(t, good)
	for _, path := range []string{dir, filepath.Join(dir, "model.safetensors.index.json")} {
		s, err := exchange.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := append(values(t, s, "a"), values(t, s, "b")...); !slices.Equal(got, []float32{1, 2}) {
			t.Error(got)
		}
		h := s.(*exchange.Safetensors)
		if path == dir && string(h.Config()) != `{"model_type":"bert"}` || h.Metadata()["total_size"] != "8" {
			t.Errorf("config %s, metadata %v", h.Config(), h.Metadata())
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
	for what, c := range map[string]struct {
		file string
		b    []byte
		want error
	}{
		"a tensor that no shard has": {"model.safetensors.index.json", index(`{"a":"1.safetensors","c":"2.safetensors"}`), weights.ErrCorrupt},
		"a shard elsewhere":          {"model.safetensors.index.json", index(`{"a":"../1.safetensors"}`), weights.ErrCorrupt},
		"a shard that is not there":  {"model.safetensors.index.json", index(`{"a":"3.safetensors"}`), os.ErrNotExist},
		"no index":                   {"model.safetensors.index.json", []byte(`{}`), weights.ErrFormat},
		"a damaged shard":            {"1.safetensors", []byte("short"), weights.ErrFormat},
	} {
		files := map[string][]byte{}
		for k, v := range good {
			files[k] = v
		}
		files[c.file] = c.b
		if _, err := exchange.Open(folder(t, files), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", what, err, c.want)
		}
	}
	s, err := exchange.Open(folder(t, map[string][]byte{"config.json": []byte(`{}`), "model.safetensors": one("a", 3)}), nil)
	if err != nil || values(t, s, "a")[0] != 3 {
		t.Errorf("one file: %v", err)
	}
}

// gguf builds files by hand from the specification.
func ggufText(s string) []byte { return cat(le.AppendUint64(nil, uint64(len(s))), []byte(s)) }
func ggufKey(key string, kind uint32, value ...byte) []byte {
	return cat(ggufText(key), le.AppendUint32(nil, kind), value)
}
func ggufTensor(name string, kind uint32, offset uint64, dims ...uint64) []byte {
	b := cat(ggufText(name), le.AppendUint32(nil, uint32(len(dims))))
	for _, d := range dims {
		b = le.AppendUint64(b, d)
	}
	return le.AppendUint64(le.AppendUint32(b, kind), offset)
}
func ggufHead(tensors, keys uint64) []byte {
	return le.AppendUint64(le.AppendUint64([]byte("GGUF\x03\x00\x00\x00"), tensors), keys)
}
func pad(b []byte, to int) []byte { return append(b, make([]byte, (to-len(b)%to)%to)...) }

// goodGGUF has every kind of metadata, a tensor of each type that is read, and one that is not.
func goodGGUF() []byte {
	q8 := append([]byte{0x00, 0x38}, make([]byte, 32)...) // a scale of 0.5
	q8[2], q8[33] = 0x80, 127
	q4 := append([]byte{0x00, 0xbc}, make([]byte, 16)...) // a scale of -1
	q4[2], q4[17] = 0xf0, 0x97
	long := func(v uint64) []byte { return le.AppendUint64(nil, v) }
	array := func(kind uint32, n uint64, data ...byte) []byte {
		return cat(le.AppendUint32(nil, kind), long(n), data)
	}
	keys := [][]byte{
		ggufKey("general.alignment", 4, 64, 0, 0, 0), ggufKey("u8", 0, 200), ggufKey("i8", 1, 200), ggufKey("u16", 2, 1, 2), ggufKey("i16", 3,
			255, 255),
		ggufKey("i32", 5, 254, 255, 255, 255), ggufKey("f32", 6, f32(1.5)...), ggufKey("yes", 7, 1), ggufKey("text", 8, ggufText("llama")...),
		ggufKey("tokens", 9, array(8, 2, cat(ggufText("a"), ggufText("bc"))...)...), ggufKey("scores", 9, array(6, 2, f32(1, -1)...)...),
		ggufKey("kinds", 9, array(5, 2, i32(3, 4)...)...), ggufKey("deep", 9, array(9, 1, array(0, 2, 5, 6)...)...),
		ggufKey("u64", 10, long(1<<40)...), ggufKey("i64", 11, long(^uint64(0))...), ggufKey("f64", 12, long(0x3fe0000000000000)...),
	}
	tensors := [][]byte{ggufTensor("plain", 0, 0, 2, 3), ggufTensor("half", 1, 64, 1), ggufTensor("q8", 8, 128, 32, 1), ggufTensor("q4", 2,
		192, 32),
		ggufTensor("bf", 30, 256, 1), ggufTensor("i8", 24, 320, 2), ggufTensor("k", 12, 384, 256)}
	b := cat(ggufHead(uint64(len(tensors)), uint64(len(keys))), slices.Concat(keys...), slices.Concat(tensors...))
	data := [][]byte{f32(1, 2, 3, 4, 5, 6), {0x00, 0x3e}, q8, q4, {0x80, 0x3f}, {1, 0xff}, make([]byte, 144)}
	b = pad(b, 64)
	for _, d := range data {
		b = append(b, pad(d, 64)...)
	}
	return b
}

func TestGGUF(t *testing.T) {
	g, err := exchange.ReadGGUF(goodGGUF(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range g.Tensors() {
		want := map[string]string{"plain": "F32 [3 2]", "half": "F16 [1]", "q8": "Q8_0 [1 32]", "q4": "Q4_0 [32]", "bf": "BF16 [1]",
			"i8": "I8 [2]", "k": "Q4_K [256]"}[x.Name]
		if got := fmt.Sprint(x.Type, " ", x.Shape); got != want {
			t.Errorf("%s is %s, want %s", x.Name, got, want)
		}
	}
	if got := values(t, g, "plain"); !slices.Equal(got, []float32{1, 2, 3, 4, 5, 6}) {
		t.Error(got)
	}
	q8 := make([]float32, 32)
	q8[0], q8[31] = -64, 63.5
	if got := values(t, g, "q8"); !slices.Equal(got, q8) {
		t.Error(got)
	}
	// Low halves first: the byte 0xf0 is the codes 0 (-8) at place 0 and 15 (7) at place 16; 0x97 is 7 (-1) at 15 and 9 (1) at 31.
	q4 := slices.Repeat([]float32{8}, 32)
	q4[0], q4[16], q4[15], q4[31] = 8, -7, 1, -1
	if got := values(t, g, "q4"); !slices.Equal(got, q4) {
		t.Error(got)
	}
	if _, err := g.Read("k"); !errors.Is(err, weights.ErrUnsupported) {
		t.Errorf("Q4_K: %v", err)
	}
	want := map[string]any{"general.alignment": uint32(64), "u8": uint8(200), "i8": int8(-56), "u16": uint16(513), "i16": int16(-1),
		"i32": int32(-2), "f32": float32(1.5),
		"yes": true, "text": "llama", "tokens": []string{"a", "bc"}, "scores": []float32{1, -1}, "kinds": []int32{3, 4},
		"deep": []any{[]any{uint8(5), uint8(6)}},
		"u64":  uint64(1 << 40), "i64": int64(-1), "f64": 0.5}
	for k, v := range want {
		if got := g.Metadata()[k]; fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", v, v) {
			t.Errorf("%s is %T %v, want %T %v", k, got, got, v, v)
		}
	}
}

func TestGGUFRefuses(t *testing.T) {
	deep := ggufKey("k", 9)
	for range 6 {
		deep = cat(deep, le.AppendUint32(nil, 9), le.AppendUint64(nil, 1))
	}
	for what, c := range map[string]struct {
		b    []byte
		want error
	}{
		"another mark":        {[]byte("GGML\x03\x00\x00\x00"), weights.ErrFormat},
		"version 1":           {[]byte("GGUF\x01\x00\x00\x00"), weights.ErrUnsupported},
		"big-endian":          {[]byte("GGUF\x00\x00\x00\x03"), weights.ErrUnsupported},
		"no tensors for it":   {ggufHead(1000, 0), weights.ErrCorrupt},
		"no keys for it":      {ggufHead(0, 1<<60), weights.ErrCorrupt},
		"text beyond":         {cat(ggufHead(0, 1), le.AppendUint64(nil, 1<<40), make([]byte, 20)), weights.ErrCorrupt},
		"a key twice":         {cat(ggufHead(0, 2), ggufKey("k", 0, 1), ggufKey("k", 0, 1)), weights.ErrCorrupt},
		"metadata of type 99": {cat(ggufHead(0, 1), ggufKey("k", 99, 1)), weights.ErrCorrupt},
		"nested too deep":     {cat(ggufHead(0, 1), deep), weights.ErrTooLarge},
		"alignment of 3":      {cat(ggufHead(0, 1), ggufKey("general.alignment", 4, 3, 0, 0, 0)), weights.ErrCorrupt},
		"alignment as text":   {cat(ggufHead(0, 1), ggufKey("general.alignment", 8, ggufText("3")...)), weights.ErrCorrupt},
		"17 dimensions":       {cat(ggufHead(1, 0), ggufTensor("x", 0, 0, make([]uint64, 17)...)), weights.ErrCorrupt},
		"an unknown type":     {cat(ggufHead(1, 0), ggufTensor("x", 99, 0, 1)), weights.ErrUnsupported},
		"outside":             {cat(ggufHead(1, 0), ggufTensor("x", 0, 64, 1), make([]byte, 64)), weights.ErrCorrupt},
		"half a block":        {cat(ggufHead(1, 0), ggufTensor("x", 8, 0, 16), make([]byte, 64)), weights.ErrCorrupt},
		"huge":                {cat(ggufHead(1, 0), ggufTensor("x", 0, 0, 1<<40, 1<<40), make([]byte, 64)), weights.ErrTooLarge},
	} {
		if _, err := exchange.ReadGGUF(c.b, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", what, err, c.want)
		}
	}
}

func readGGUF(b []byte) (exchange.Source, error) {
	return exchange.ReadGGUF(b, &exchange.Options{MaxTensorBytes: 1 << 20})
}

// llama2c writes a model whose numbers count up from 0.
func llama2c(vocab int32) []byte {
	const dim, hidden, layers, heads, kvHeads, context = 4, 6, 2, 2, 1, 3
	n := max(vocab, -vocab)
	numbers := n*dim + layers*(dim+dim*dim+2*2*dim+dim*dim+dim+3*dim*hidden) + dim + 2*context*1
	if vocab < 0 {
		numbers += n * dim
	}
	b := i32(dim, hidden, layers, heads, kvHeads, vocab, context)
	for i := range numbers {
		b = append(b, f32(float32(i))...)
	}
	return b
}

func TestLLaMA2C(t *testing.T) {
	for _, vocab := range []int32{5, -5} {
		m, err := exchange.ReadLLaMA2C(llama2c(vocab), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c := m.Config(); c != (exchange.LLaMA2Config{Dim: 4, Hidden: 6, Layers: 2, Heads: 2, KVHeads: 1, Vocab: 5, Context: 3,
			SharedClassifier: vocab > 0}) {
			t.Errorf("%+v", c)
		}
		// Where each begins, counted by hand: 20 embeddings, then norms of both layers, queries of both, keys of both, ...
		for name, first := range map[string]float32{"tok_embeddings.weight": 0, "layers.0.attention_norm.weight": 20,
			"layers.1.attention_norm.weight": 24,
			"layers.0.attention.wq.weight":   28, "layers.1.attention.wq.weight": 44, "layers.0.attention.wk.weight": 60,
			"layers.1.attention.wk.weight": 68,
			"layers.0.attention.wv.weight": 76, "layers.1.attention.wo.weight": 108, "layers.0.ffn_norm.weight": 124,
			"layers.0.feed_forward.w1.weight": 132,
			"layers.0.feed_forward.w2.weight": 180, "layers.1.feed_forward.w3.weight": 252, "norm.weight": 276, "freqs_cos": 280, "freqs_sin": 283} {
			if got := values(t, m, name)[0]; got != first {
				t.Errorf("%s begins with %v, want %v", name, got, first)
			}
		}
		if _, err := m.Read("output.weight"); (err == nil) != (vocab < 0) {
			t.Errorf("classifier: %v", err)
		}
	}
	x := llama2c(5)
	for what, b := range map[string][]byte{"nothing": nil, "one byte more": append(bytes.Clone(x), 0), "a head of zeros": make([]byte, 64),
		"heads that do not divide": append(i32(4, 6, 2, 3, 1, 5, 3), x[28:]...)} {
		if _, err := exchange.ReadLLaMA2C(b, nil); !errors.Is(err, weights.ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := exchange.ReadLLaMA2C(x, &exchange.Options{MaxTensorBytes: 70}); !errors.Is(err, weights.ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
}

func readLLaMA2C(b []byte) (exchange.Source, error) {
	return exchange.ReadLLaMA2C(b, &exchange.Options{MaxTensorBytes: 1 << 20})
}

// TestStories reads the model of 260 thousand numbers that was trained on TinyStories.
func TestStories(t *testing.T) {
	m, err := exchange.ReadLLaMA2C(foreignModel(t, "stories260K.bin"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := m.Config(); c != (exchange.LLaMA2Config{Dim: 64, Hidden: 172, Layers: 5, Heads: 8, KVHeads: 4, Vocab: 512, Context: 512,
		SharedClassifier: true}) {
		t.Errorf("%+v", c)
	}
	// The rotary tables are known: cos and sin of position over 10000^(2i/8).
	if cos, sin := values(t, m, "freqs_cos"), values(t, m, "freqs_sin"); cos[0] != 1 || sin[0] != 0 || cos[4] < 0.5403 ||
		cos[4] > 0.5404 || sin[4] < 0.8414 || sin[4] > 0.8415 {
		t.Errorf("cos %v, sin %v", cos[:5], sin[:5])
	}
}

func TestFormatsDamaged(t *testing.T) {
	doc, _ := tfjsModel(nil)
	damaged(t, goodSafetensors(), readSafetensors)
	damaged(t, goodGGUF(), readGGUF)
	damaged(t, llama2c(-5), readLLaMA2C)
	damaged(t, doc, readTFJS)
}

func FuzzSafetensors(f *testing.F) {
	f.Add(goodSafetensors())
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b, readSafetensors) })
}

func FuzzGGUF(f *testing.F) {
	f.Add(goodGGUF())
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b, readGGUF) })
}

func FuzzLLaMA2C(f *testing.F) {
	f.Add(llama2c(5))
	f.Add(llama2c(-5))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b, readLLaMA2C) })
}

// TestOpen opens a file of each format under a name that tells nothing.
func TestOpen(t *testing.T) {
	for want, b := range map[exchange.Format][]byte{exchange.FormatSafetensors: goodSafetensors(), exchange.FormatGGUF: goodGGUF(),
		exchange.FormatLLaMA2C: llama2c(5),
		exchange.FormatONNX:    onnxFile(t), exchange.FormatTFLite: tflite(t, nil)} {
		path := filepath.Join(folder(t, map[string][]byte{"x": b}), "x")
		s, err := exchange.Open(path, nil)
		if err != nil || s.Format() != want {
			t.Errorf("%s: %v", want, err)
			continue
		}
		if err := readAll(s); err != nil {
			t.Error(err)
		}
		if _, err := exchange.Open(path, &exchange.Options{MaxTensorBytes: 1}); !errors.Is(err, weights.ErrTooLarge) {
			t.Errorf("%s beyond the limit: %v", want, err)
		}
	}
	for what, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":      {nil, weights.ErrFormat},
		"text":         {[]byte("this is a text and no model"), weights.ErrFormat},
		"pickle":       {[]byte("\x80\x02}q\x00"), weights.ErrUnsupported},
		"a zip file":   {[]byte("PK\x03\x04rest"), weights.ErrUnsupported},
		"JSON":         {[]byte(`{"a":1}`), weights.ErrFormat},
		"no JSON":      {[]byte(`{"a":`), weights.ErrFormat},
		"ONNX refused": {pbBytes(25, nil), weights.ErrUnsupported},
		"Parquet":      {[]byte("PAR1 and nothing more"), weights.ErrFormat},
		"a TFLite cut": {[]byte("\xff\x00\x00\x00TFL3"), weights.ErrCorrupt},
	} {
		if _, err := exchange.Open(filepath.Join(folder(t, map[string][]byte{"x": c.b}), "x"), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", what, err, c.want)
		}
	}
	if _, err := exchange.Open(filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	if _, err := exchange.Open(t.TempDir(), nil); !errors.Is(err, weights.ErrFormat) {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := exchange.Open(folder(t, map[string][]byte{"pytorch_model.bin": nil}), nil); !errors.Is(err, weights.ErrUnsupported) {
		t.Errorf("a folder of PyTorch: %v", err)
	}
}
