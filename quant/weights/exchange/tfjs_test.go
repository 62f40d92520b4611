package exchange_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"engram/quant/weights"
	"engram/quant/weights/exchange"
)

// tfjsModel writes model.json with its shards cut at odd places.
func tfjsModel(change func(doc map[string]any)) (doc []byte, shards map[string][]byte) {
	w := func(name, dtype string, shape []int, quantization any) map[string]any {
		m := map[string]any{"name": name, "dtype": dtype, "shape": shape}
		if quantization != nil {
			m["quantization"] = quantization
		}
		return m
	}
	list := func(key string, v ...string) any { return map[string]any{"list": map[string]any{key: v}} }
	d := map[string]any{
		"weightsManifest": []any{map[string]any{"paths": []string{"dir/a.bin", "b.bin"}, "weights": []any{
			w("kernel", "float32", []int{2, 1}, nil), w("n", "int32", []int{}, nil), w("flag", "bool", []int{1}, nil),
			w("u8", "float32", []int{3}, map[string]any{"dtype": "uint8", "scale": 0.5, "min": -1}),
			w("u16", "float32", []int{1}, map[string]any{"dtype": "uint16", "scale": 0.25, "min": 10}),
			w("half", "float32", []int{1}, map[string]any{"dtype": "float16"}),
			w("rounded", "int32", []int{2}, map[string]any{"dtype": "uint8", "scale": 0.7, "min": 0})}}},
		"modelTopology": map[string]any{"node": []any{
			map[string]any{"name": "out", "op": "Softmax", "input": []string{"conv:0"}},
			map[string]any{"name": "kernel", "op": "Const"},
			map[string]any{"name": "x", "op": "Placeholder", "attr": map[string]any{"dtype": map[string]any{"type": "DT_FLOAT"},
				"shape": map[string]any{"shape": map[string]any{"dim": []any{map[string]any{"size": "-1"}, map[string]any{"size": "3"}}}}}},
			map[string]any{"name": "conv", "op": "Conv2D", "input": []string{"x", "kernel"},
				"attr": map[string]any{"padding": map[string]any{"s": "U0FNRQ=="},
					"strides": list("i", "1", "2"), "words": list("s", "YQ==", "Yg=="), "b": map[string]any{"b": true}, "n": map[string]any{"i": "7"},
					"f": map[string]any{"f": 0.5}, "fs": map[string]any{"list": map[string]any{"f": []float64{1.5}}},
					"value": map[string]any{"tensor": map[string]any{}}}}}},
	}
	if change != nil {
		change(d)
	}
	doc, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	data := cat(f32(1, -2.5), i32(-7), []byte{1}, []byte{0, 1, 255}, []byte{4, 1}, []byte{0, 0xc1}, []byte{1, 200})
	return doc, map[string][]byte{"a.bin": data[:5:5], "b.bin": data[5:]}
}

func TestTFJS(t *testing.T) {
	doc, shards := tfjsModel(nil)
	m, err := exchange.ReadTFJS(doc, shards, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]float32{"kernel": {1, -2.5}, "u8": {-1, -0.5, 126.5}, "u16": {75}, "half": {-2.5}} {
		if got := values(t, m, name); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string][]byte{"n": i32(-7), "flag": {1}, "rounded": i32(1, 140)} {
		if x, err := m.Read(name); err != nil || !bytes.Equal(x.Data, want) {
			t.Errorf("%s is %v, err %v, want %v", name, x, err, want)
		}
	}
	g := m.Graph()
	if !slices.Equal(g.Inputs, []string{"x"}) || !slices.Equal(g.Outputs, []string{"out"}) || len(g.Nodes) != 2 ||
		g.Nodes[1].Op != "Softmax" {
		t.Fatalf("%+v", g)
	}
	n := g.Nodes[0]
	if n.Op != "Conv2D" || n.Text("padding", "") != "SAME" || !slices.Equal(n.Ints("strides"), []int{1, 2}) || n.Int("b", 0) != 1 ||
		n.Int("n", 0) != 7 ||
		n.Float("f", 0) != 0.5 || n.Float("fs", 0) != 1.5 || !slices.Equal(n.Settings["words"].Texts, []string{"a", "b"}) {
		t.Errorf("%+v", n)
	}
	if v, ok := g.Value("x"); !ok || !slices.Equal(v.Shape, []int{-1, 3}) || v.Type != "DT_FLOAT" {
		t.Errorf("%+v", v)
	}
	files := map[string][]byte{"model.json": doc}
	for k, v := range shards {
		files[k] = v
	}
	s, err := exchange.Open(folder(t, files), nil)
	if err != nil || s.Format() != exchange.FormatTFJS || values(t, s, "kernel")[1] != -2.5 {
		t.Errorf("opened: %v", err)
	}
	doc, shards = tfjsModel(func(d map[string]any) {
		d["signature"] = map[string]any{"outputs": map[string]any{"y": map[string]any{"name": "conv:0"}}}
	})
	if m, err = exchange.ReadTFJS(doc, shards, nil); err != nil {
		t.Fatal(err)
	}
	if g := m.Graph(); !slices.Equal(g.Outputs, []string{"conv:0"}) {
		t.Errorf("outputs by signature: %+v", g)
	}
}

func TestTFJSRefuses(t *testing.T) {
	manifest := func(d map[string]any) []any {
		return d["weightsManifest"].([]any)[0].(map[string]any)["weights"].([]any)
	}
	nodes := func(d map[string]any) []any { return d["modelTopology"].(map[string]any)["node"].([]any) }
	for what, c := range map[string]struct {
		change func(map[string]any)
		want   error
	}{
		"no manifest": {func(d map[string]any) { delete(d, "weightsManifest") }, weights.ErrFormat},
		"a missing shard": {func(d map[string]any) { d["weightsManifest"].([]any)[0].(map[string]any)["paths"] = []string{"c.bin"} },
			weights.ErrCorrupt},
		"bytes left over":  {func(d map[string]any) { manifest(d)[0].(map[string]any)["shape"] = []int{1} }, weights.ErrCorrupt},
		"bytes missing":    {func(d map[string]any) { manifest(d)[0].(map[string]any)["shape"] = []int{200} }, weights.ErrCorrupt},
		"a negative shape": {func(d map[string]any) { manifest(d)[0].(map[string]any)["shape"] = []int{-1} }, weights.ErrCorrupt},
		"a name twice":     {func(d map[string]any) { manifest(d)[0].(map[string]any)["name"] = "n" }, weights.ErrCorrupt},
		"text":             {func(d map[string]any) { manifest(d)[0].(map[string]any)["dtype"] = "string" }, weights.ErrUnsupported},
		"codes of 4 bits": {func(d map[string]any) {
			manifest(d)[0].(map[string]any)["quantization"] = map[string]any{"dtype": "uint4"}
		}, weights.ErrUnsupported},
		"quantized truth": {func(d map[string]any) {
			manifest(d)[2].(map[string]any)["quantization"] = map[string]any{"dtype": "uint8"}
		}, weights.ErrUnsupported},
		"a constant of air": {func(d map[string]any) { nodes(d)[1].(map[string]any)["name"] = "air" }, weights.ErrCorrupt},
		"a node twice":      {func(d map[string]any) { nodes(d)[0].(map[string]any)["name"] = "conv" }, weights.ErrCorrupt},
		"an input of air":   {func(d map[string]any) { nodes(d)[0].(map[string]any)["input"] = []string{"air"} }, weights.ErrCorrupt},
		"a circle":          {func(d map[string]any) { nodes(d)[3].(map[string]any)["input"] = []string{"out"} }, weights.ErrUnsupported},
		"no base64": {func(d map[string]any) {
			nodes(d)[0].(map[string]any)["attr"] = map[string]any{"a": map[string]any{"s": "?"}}
		}, weights.ErrCorrupt},
		"no number": {func(d map[string]any) {
			nodes(d)[0].(map[string]any)["attr"] = map[string]any{"a": map[string]any{"i": "1e99"}}
		}, weights.ErrCorrupt},
		"no attribute": {func(d map[string]any) { nodes(d)[0].(map[string]any)["attr"] = map[string]any{"a": 5} }, weights.ErrCorrupt},
	} {
		doc, shards := tfjsModel(c.change)
		_, err := exchange.ReadTFJS(doc, shards, nil)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", what, err, c.want)
		}
	}
	if _, err := exchange.ReadTFJS([]byte("{"), nil, nil); !errors.Is(err, weights.ErrFormat) {
		t.Errorf("no JSON: %v", err)
	}
	doc, _ := tfjsModel(nil)
	if _, err := exchange.Open(folder(t, map[string][]byte{"model.json": doc}), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no shards: %v", err)
	}
	doc = []byte(strings.ReplaceAll(string(doc), "b.bin", ".."))
	if _, err := exchange.Open(folder(t, map[string][]byte{"model.json": doc, "a.bin": {1}}), nil); !errors.Is(err, weights.ErrCorrupt) {
		t.Errorf("a shard elsewhere: %v", err)
	}
}

func readTFJS(b []byte) (exchange.Source, error) {
	_, shards := tfjsModel(nil)
	return exchange.ReadTFJS(b, shards, &exchange.Options{MaxTensorBytes: 1 << 20})
}

func FuzzTFJS(f *testing.F) {
	doc, _ := tfjsModel(nil)
	f.Add(doc)
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b, readTFJS) })
}

// TestTFJSOfOthers reads a MobileNet as TensorFlow.js publishes it.
func TestTFJSOfOthers(t *testing.T) {
	foreignModel(t, "model.json")
	s, err := exchange.Open(filepath.Join(os.Getenv("ENGRAM_FOREIGN_MODELS"), "model.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	params, floats := 0, 0
	for _, x := range s.Tensors() {
		if _, err := s.Read(x.Name); err != nil {
			t.Error(err)
		}
		if params += x.Params; x.DType == weights.Float32 {
			floats += x.Params
		}
	}
	g := s.(*exchange.TFJS).Graph()
	if floats != 467595 || params != 467597 || !slices.Equal(g.Inputs, []string{"images"}) || len(g.Nodes) < 30 {
		t.Errorf("%d numbers, %d of them float32", params, floats)
	}
}
