package model_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"engram/quant/model"
)

// The sizes of the tiny model. Nothing divides anything that it need not.
const (
	tinyWidth = 12 // of layer 0
	tinyWide  = 20 // of layer 1
	tinyInner = 28 // of the feed-forward nets
	tinyDim   = 10
	tinyHeads = 4
	tinyLimit = 16 // tokens
)

// golden is token/testdata/unigram.json: what the tokenizer that use-lite was published with answers, for a small vocabulary and
// for the real one.
type golden struct {
	Vocab   json.RawMessage `json:"vocab"`
	Cases   []goldenText    `json:"cases"`
	UseLite []goldenText    `json:"use_lite"`
}

type goldenText struct {
	Text string  `json:"text"`
	IDs  []int32 `json:"ids"`
}

func readGolden(tb testing.TB) golden {
	tb.Helper()
	b, err := os.ReadFile("token/testdata/unigram.json")
	if err != nil {
		tb.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		tb.Fatal(err)
	}
	return g
}

// tinyPackage is a package like the one that use-lite is published in, with random numbers and small sizes.
type tinyPackage struct {
	weights []tinyWeight
	nodes   []map[string]any
	shards  int
	vocab   []byte
}

type tinyWeight struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
	DType string `json:"dtype"`
	data  []byte
}

const (
	encodeScope = "module_apply_default/Encoder_en/KonaTransformer/Encode/"
	stackScope  = encodeScope + "TransformerStack/"
	partScope   = "module/Encoder_en/KonaTransformer/Encode/"
)

func newTiny(tb testing.TB) *tinyPackage {
	p := &tinyPackage{shards: 3, vocab: readGolden(tb).Vocab}
	r := rand.New(rand.NewPCG(1, 2))
	tensor := func(name string, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64()) * 0.4
		}
		p.floats(name, v, shape...)
	}
	p.floats(stackScope+"Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1", []float32{1, 0.5, 0.25, 0.1, 0.01, 0.001}, 1, tinyWidth/2)
	p.int(stackScope+"Layer_1/TransformerLayer/MultiheadAttention/split_heads/split_last_dimension/Reshape/shape/2", tinyHeads)
	p.int("module_apply_default/Encoder_en/KonaTransformer/ClipToMaxLength/Less/y", tinyLimit)
	p.floats(stackScope+"Layer_1/TransformerLayer/FFN/layer_prepostprocess/layer_norm/Cast/x", []float32{1e-6})
	p.floats("module_apply_default/Encoder_en/hidden_layers/l2_normalize/Maximum/y", []float32{1e-12})
	tensor("module/Embeddings_en", 42, tinyWidth)
	for i, w := range []int{tinyWidth, tinyWide} {
		s := fmt.Sprintf("Layer_%d/TransformerLayer/", i)
		p.floats(stackScope+s+"MultiheadAttention/mul/y", []float32{float32(1 / math.Sqrt(float64(w/tinyHeads)))})
		p.int(stackScope+s+"MultiheadAttention/split_heads/split_last_dimension/Reshape/shape/3", w/tinyHeads)
		tensor(encodeScope+s+"layer_prepostprocess/layer_norm/layer_norm_scale/ConcatPartitions/concat", w)
		tensor(encodeScope+s+"layer_prepostprocess/layer_norm/layer_norm_bias/ConcatPartitions/concat", w)
		tensor(partScope+s+"MultiheadAttention/qkv_transform_single/kernel/part_0", 1, 1, w, 3*w)
		tensor(encodeScope+s+"MultiheadAttention/qkv_transform_single/bias/ConcatPartitions/concat", 3*w)
		tensor(partScope+s+"MultiheadAttention/output_transform_single/kernel/part_0", 1, 1, w, tinyWide)
		tensor(encodeScope+s+"MultiheadAttention/output_transform_single/bias/ConcatPartitions/concat", tinyWide)
		if i == 0 {
			tensor(encodeScope+s+"dense/kernel/ConcatPartitions/concat", w, tinyWide)
			tensor(encodeScope+s+"dense/bias/ConcatPartitions/concat", tinyWide)
		}
		tensor(encodeScope+s+"FFN/layer_prepostprocess/layer_norm/layer_norm_scale/ConcatPartitions/concat", tinyWide)
		tensor(encodeScope+s+"FFN/layer_prepostprocess/layer_norm/layer_norm_bias/ConcatPartitions/concat", tinyWide)
		tensor(stackScope+s+"FFN/conv1/Tensordot/Reshape_1", tinyWide, tinyInner)
		tensor(encodeScope+s+"FFN/conv1/bias/ConcatPartitions/concat", tinyInner)
		tensor(stackScope+s+"FFN/conv2/Tensordot/Reshape_1", tinyInner, tinyWide)
		tensor(encodeScope+s+"FFN/conv2/bias/ConcatPartitions/concat", tinyWide)
	}
	tensor("module/Encoder_en/hidden_layers/tanh_layer_0/weights", tinyWide, tinyDim)
	tensor("module/Encoder_en/hidden_layers/tanh_layer_0/bias", tinyDim)
	var more []map[string]any
	for _, n := range [][]string{
		{stackScope + "Layer_0/add", "Add", encodeScope + "Scatter/ScatterNd", stackScope + "Layer_0/AddTimingSignal/Scatter/ScatterNd"},
		{stackScope + "Layer_0/AddTimingSignal/TimingSignal/concat", "ConcatV2", "x/Sin", "x/Cos"},
		{stackScope + "Layer_0/TransformerLayer/layer_postprocess/add", "Add", "x/Squeeze_1", "x/AdjustResidualInput/Scatter/ScatterNd"},
		{stackScope + "Layer_0/TransformerLayer/FFN/conv1/Relu", "Relu"},
		{stackScope + "Layer_1/TransformerLayer/layer_postprocess/add", "Add", "x/Squeeze_1", "x/Layer_0/TransformerLayer/FFN/layer_postprocess/add"},
		{stackScope + "Layer_1/TransformerLayer/FFN/conv1/Relu", "Relu"},
		{"module_apply_default/Encoder_en/KonaTransformer/div", "RealDiv"},
		{"module_apply_default/Encoder_en/hidden_layers/tanh_layer_0/Tanh", "Tanh"},
	} {
		p.nodes = append(p.nodes, map[string]any{"name": n[0], "op": n[1], "input": n[2:]})
		for _, in := range n[2:] { // what the nodes between would give
			more = append(more, map[string]any{"name": in, "op": "Placeholder"})
		}
	}
	seen := map[any]bool{}
	for _, n := range more {
		if !seen[n["name"]] {
			p.nodes = append(p.nodes, n)
		}
		seen[n["name"]] = true
	}
	return p
}

func (p *tinyPackage) floats(name string, v []float32, shape ...int) {
	w := tinyWeight{Name: name, Shape: append([]int{}, shape...), DType: "float32"}
	for _, x := range v {
		w.data = binary.LittleEndian.AppendUint32(w.data, math.Float32bits(x))
	}
	p.weights = append(p.weights, w)
}

func (p *tinyPackage) int(name string, v int) {
	p.weights = append(p.weights, tinyWeight{Name: name, Shape: []int{}, DType: "int32", data: binary.LittleEndian.AppendUint32(nil, uint32(int32(v)))})
}

// weight finds a weight to be spoiled.
func (p *tinyPackage) weight(tb testing.TB, name string) *tinyWeight {
	tb.Helper()
	for i := range p.weights {
		if p.weights[i].Name == name {
			return &p.weights[i]
		}
	}
	tb.Fatalf("no weight %s", name)
	return nil
}

// files lays the package out as it comes from the registry.
func (p *tinyPackage) files(tb testing.TB) map[string][]byte {
	tb.Helper()
	var all []byte
	for _, w := range p.weights {
		all = append(all, w.data...)
	}
	out := map[string][]byte{
		"package/package.json":    []byte(`{"name": "tiny", "version": "1.2.3", "license": "MIT"}`),
		"package/dist/vocab.json": p.vocab,
		"package/README.md":       []byte("not wanted"),
	}
	var paths []string
	size := (len(all) + p.shards - 1) / p.shards
	for i := range p.shards {
		name := fmt.Sprintf("group1-shard%dof%d", i+1, p.shards)
		paths = append(paths, name)
		out["package/dist/"+name] = all[min(i*size, len(all)):min((i+1)*size, len(all))]
	}
	doc, err := json.Marshal(map[string]any{
		"modelTopology":   map[string]any{"node": p.nodes},
		"weightsManifest": []any{map[string]any{"paths": paths, "weights": p.weights}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	out["package/dist/model.json"] = doc
	return out
}

// tgz writes files to an archive and returns its path.
func tgz(tb testing.TB, files map[string][]byte, more ...tar.Header) string {
	tb.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	tw := tar.NewWriter(gz)
	for _, h := range more {
		if err := tw.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}); err != nil {
			tb.Fatal(err)
		}
		if _, err := tw.Write(files[name]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "tiny-1.2.3.tgz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		tb.Fatal(err)
	}
	return path
}

// tinyModel imports the tiny package and returns the model's directory.
func tinyModel(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "models", "tiny")
	if err := model.Import(tb.Context(), tgz(tb, newTiny(tb).files(tb)), dir, nil); err != nil {
		tb.Fatal(err)
	}
	return dir
}

func openTiny(tb testing.TB, o *model.Options) *model.Encoder {
	tb.Helper()
	e, err := model.Open(tinyModel(tb), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.Close() })
	return e
}
