package model_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"engram/quant/model"
)

// The sizes of the tiny BERT, those of testdata/bert_torch.py.
const (
	bertWidth, bertHeads, bertInner, bertLayers, bertVocab, bertPlaces = 12, 3, 20, 2, 29, 18
)

// numbers is the formula of testdata/bert_torch.py.
func numbers(name string, scale, shift float64, n int) []float32 {
	seed := 0
	for i, b := range []byte(name) {
		seed += (i + 1) * int(b)
	}
	out := make([]float32, n)
	for i := range out {
		x := math.Sin(float64(seed)*0.1+float64(i)*12.9898) * 43758.5453
		out[i] = float32((x-math.Floor(x)-0.5)*2*scale + shift)
	}
	return out
}

// folder is a Hugging Face folder that a test makes.
type folder struct {
	files   map[string]string // but the weights
	tensors map[string]tensor
}

type tensor struct {
	shape []int
	data  []float32
}

// write puts the folder on disk.
func (f *folder) write(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "folder")
	for name, text := range f.files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), safetensors(tb, f.tensors), 0o644); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// safetensors writes tensors of float32 as the format of that name has it.
func safetensors(tb testing.TB, tensors map[string]tensor) []byte {
	tb.Helper()
	head := map[string]any{}
	var data []byte
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		from := len(data)
		for _, x := range tensors[name].data {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
		}
		head[name] = map[string]any{"dtype": "F32", "shape": tensors[name].shape, "data_offsets": []int{from, len(data)}}
	}
	b, err := json.Marshal(head)
	if err != nil {
		tb.Fatal(err)
	}
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(b))), b, data)
}

// bertVocabulary names piece i of the tiny vocabulary w<i>, so that a text spells its ids.
func bertVocabulary() []string {
	out := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]"}
	for i := len(out); i < bertVocab; i++ {
		out = append(out, fmt.Sprintf("w%d", i))
	}
	return out
}

// bertFolder is a tiny BERT as its authors would publish it. prefix is put before the names of its tensors.
func bertFolder(kind, activation, pooling, prefix string, kinds bool) *folder {
	f := &folder{files: map[string]string{}, tensors: map[string]tensor{}}
	put := func(name string, data []float32, shape ...int) { f.tensors[prefix+name] = tensor{shape, data} }
	w := bertWidth
	put("embeddings.word_embeddings.weight", numbers("embeddings.weight", 0.5, 0, bertVocab*w), bertVocab, w)
	put("embeddings.position_embeddings.weight", numbers("position.weight", 0.5, 0, bertPlaces*w), bertPlaces, w)
	if kinds {
		put("embeddings.token_type_embeddings.weight", numbers("token_types.weight", 0.5, 0, 2*w), 2, w)
	}
	norm := func(to, from string) {
		put(to+".weight", numbers(from+".scale", 0.3, 1, w), w)
		put(to+".bias", numbers(from+".bias", 0.1, 0, w), w)
	}
	dense := func(to, from string, out, in int) {
		put(to+".weight", numbers(from+".weight", 0.5, 0, out*in), out, in)
		put(to+".bias", numbers(from+".bias", 0.1, 0, out), out)
	}
	norm("embeddings.LayerNorm", "embeddings_norm")
	for i := range bertLayers {
		to, from := fmt.Sprintf("encoder.layer.%d.", i), fmt.Sprintf("layers.%d.", i)
		weight, bias := numbers(from+"attention.qkv.weight", 0.5, 0, 3*w*w), numbers(from+"attention.qkv.bias", 0.1, 0, 3*w)
		for k, part := range []string{"query", "key", "value"} {
			put(to+"attention.self."+part+".weight", weight[k*w*w:(k+1)*w*w], w, w)
			put(to+"attention.self."+part+".bias", bias[k*w:(k+1)*w], w)
		}
		dense(to+"attention.output.dense", from+"attention.output", w, w)
		norm(to+"attention.output.LayerNorm", from+"attention_norm")
		dense(to+"intermediate.dense", from+"ffn.up", bertInner, w)
		dense(to+"output.dense", from+"ffn.down", w, bertInner)
		norm(to+"output.LayerNorm", from+"ffn_norm")
	}
	typeKinds := 0
	if kinds {
		typeKinds = 2
	}
	f.files["config.json"] = fmt.Sprintf(`{"model_type": %q, "hidden_size": %d, "num_hidden_layers": %d, "num_attention_heads": %d, "intermediate_size": %d,
		"vocab_size": %d, "max_position_embeddings": %d, "type_vocab_size": %d, "hidden_act": %q, "layer_norm_eps": 1e-12, "pad_token_id": 1}`,
		kind, w, bertLayers, bertHeads, bertInner, bertVocab, bertPlaces, typeKinds, activation)
	f.files["1_Pooling/config.json"] = fmt.Sprintf(`{"word_embedding_dimension": %d, "pooling_mode_cls_token": %v, "pooling_mode_mean_tokens": %v,
		"pooling_mode_max_tokens": false}`, w, pooling == "cls", pooling == "mean")
	f.files["modules.json"] = `[{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Pooling"},
		{"type": "sentence_transformers.models.Normalize"}]`
	if kind == "bert" {
		f.files["vocab.txt"] = strings.Join(bertVocabulary(), "\n") + "\n"
		return f
	}
	ids := map[string]int{}
	for i, p := range bertVocabulary() {
		ids[p] = i
	}
	vocab, _ := json.Marshal(ids)
	f.files["tokenizer.json"] = fmt.Sprintf(`{"pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": {"type": "RobertaProcessing", "cls": ["[CLS]", 2],
		"sep": ["[SEP]", 3]}, "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": %s}}`, vocab)
	return f
}

func importFolder(tb testing.TB, f *folder, o *model.ImportOptions) (string, error) {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "imported")
	return dir, model.Import(tb.Context(), f.write(tb), dir, o)
}

// spell writes ids as a text of the tiny vocabulary, without the special tokens at its ends.
func spell(ids []int32) string {
	var words []string
	for _, id := range ids[1 : len(ids)-1] {
		words = append(words, fmt.Sprintf("w%d", id))
	}
	return strings.Join(words, " ")
}

// TestBERTAgainstTorch imports tiny encoders and compares their vectors with those that PyTorch computes, see
// testdata/bert_torch.py.
func TestBERTAgainstTorch(t *testing.T) {
	var golden []struct {
		Activation    string    `json:"activation"`
		Pooling       string    `json:"pooling"`
		FirstPosition int       `json:"first_position"`
		Kinds         bool      `json:"kinds"`
		IDs           []int32   `json:"ids"`
		Vector        []float32 `json:"vector"`
	}
	b, err := os.ReadFile("testdata/bert.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &golden); err != nil || len(golden) == 0 {
		t.Fatalf("%d cases, %v", len(golden), err)
	}
	encoders := map[string]*model.Encoder{}
	for _, g := range golden {
		key := fmt.Sprint(g.Activation, g.Pooling)
		e, ok := encoders[key]
		if !ok {
			kind, act, prefix := "bert", g.Activation, ""
			if g.FirstPosition != 0 {
				kind, prefix = "roberta", "roberta."
			}
			if act == "gelu-tanh" {
				act = "gelu_new"
			}
			dir, err := importFolder(t, bertFolder(kind, act, g.Pooling, prefix, g.Kinds), nil)
			if err != nil {
				t.Fatal(err)
			}
			if e, err = model.Open(dir, nil); err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			encoders[key] = e
		}
		text := spell(g.IDs)
		if ids := e.Tokens(text); !slices.Equal(ids, g.IDs) {
			t.Fatalf("%q is %v, want %v", text, ids, g.IDs)
		}
		v, err := e.Encode(t.Context(), []string{text})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, key+" "+text, v[0], g.Vector, 1e-5)
	}
}

// TestBERTBatches checks that neighbours change no bit, that a long text is cut and keeps its special tokens, and that
// prefixes are put in front.
func TestBERTBatches(t *testing.T) {
	query, text := "w9 ", "w8 "
	dir, err := importFolder(t, bertFolder("bert", "gelu", "mean", "bert.", true), &model.ImportOptions{QueryPrefix: &query, TextPrefix: &text})
	if err != nil {
		t.Fatal(err)
	}
	e, err := model.Open(dir, &model.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	some := []string{"", "w4", "w5 w6 w7", "unknown w4", strings.Repeat("w10 ", 100), strings.Repeat("w10 ", 15) + "w11"}
	got, err := e.Encode(t.Context(), slices.Repeat(some, 40))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		alone, err := e.Encode(t.Context(), some[i%len(some):i%len(some)+1])
		if err != nil || !slices.Equal(alone[0], v) {
			t.Fatalf("text %d differs in a batch, err %v", i, err)
		}
	}
	long := e.Tokens(some[4])
	if len(long) != bertPlaces || long[0] != 2 || long[bertPlaces-1] != 3 || long[1] != 8 {
		t.Errorf("a long text is %v", long)
	}
	asQuery, err := e.EncodeQueries(t.Context(), []string{"w4"})
	if err != nil || slices.Equal(asQuery[0], got[1]) {
		t.Errorf("a query has the vector of a text, err %v", err)
	}
	if m := e.Manifest(); m.Config.TextPrefix != text || m.Config.QueryPrefix != query || m.MaxTokens != bertPlaces || m.Source.SHA256 == "" {
		t.Errorf("%+v", m)
	}
	// The registry gives it under its name, as SQL asks for it.
	r := model.NewRegistry([]string{filepath.Dir(dir)}, nil)
	defer r.Close()
	if e, err := r.Encoder("imported"); err != nil || e.Dim() != bertWidth {
		t.Errorf("registry: %v", err)
	}
}

// TestFolderSettings checks what is read from the files beside the network.
func TestFolderSettings(t *testing.T) {
	f := bertFolder("bert", "relu", "mean", "", true)
	f.files["sentence_bert_config.json"] = `{"max_seq_length": 7}`
	f.files["config_sentence_transformers.json"] = `{"prompts": {"query": "w5 ", "passage": "w6 "}}`
	f.files["tokenizer_config.json"] = `{"do_lower_case": false}`
	dir, err := importFolder(t, f, &model.ImportOptions{Pooling: "cls"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.MaxTokens != 7 || m.Config.QueryPrefix != "w5 " || m.Config.TextPrefix != "w6 " || m.Config.Pooling != "cls" || !m.Tokenizer.KeepCase {
		t.Errorf("%+v", m)
	}
	if err := model.Verify(t.Context(), dir); err != nil {
		t.Error(err)
	}
}

// TestFoldersRefused checks that what is missing or not known is named.
func TestFoldersRefused(t *testing.T) {
	edit := func(file, from, to string) func(*folder) {
		return func(f *folder) {
			if !strings.Contains(f.files[file], from) {
				t.Fatalf("%s has no %q", file, from)
			}
			f.files[file] = strings.Replace(f.files[file], from, to, 1)
		}
	}
	remove := func(file string) func(*folder) { return func(f *folder) { delete(f.files, file) } }
	for _, c := range []struct {
		name, says string
		spoil      func(*folder)
	}{
		{"another network", "mpnet", edit("config.json", `"bert"`, `"mpnet"`)},
		{"no JSON", "config.json", edit("config.json", `{`, `[`)},
		{"activation", "swish", edit("config.json", `"gelu"`, `"swish"`)},
		{"no layers", "num_hidden_layers", edit("config.json", `"num_hidden_layers": 2`, `"num_hidden_layers": 0`)},
		{"heads", "heads", edit("config.json", `"num_attention_heads": 3`, `"num_attention_heads": 5`)},
		{"relative positions", "relative_key", edit("config.json", `{`, `{"position_embedding_type": "relative_key", `)},
		{"decoder", "decoder", edit("config.json", `{`, `{"is_decoder": true, `)},
		{"quantized", "quantized", edit("config.json", `{`, `{"quantization_config": {"bits": 4}, `)},
		{"sizes", "embeddings.word_embeddings.weight", edit("config.json", `"vocab_size": 29`, `"vocab_size": 30`)},
		{"no tokenizer", "vocab.txt", remove("vocab.txt")},
		{"a bad tokenizer", "vocab.txt", edit("vocab.txt", "[UNK]", "[NONE]")},
		{"no pooling", "1_Pooling", remove("1_Pooling/config.json")},
		{"max pooling", "pooling_mode_max_tokens", edit("1_Pooling/config.json", `"pooling_mode_max_tokens": false`, `"pooling_mode_max_tokens": true`)},
		{"pooled by nothing", "1_Pooling", edit("1_Pooling/config.json", "true", "false")},
		{"a dense module", "Dense", edit("modules.json", "Normalize", "Dense")},
		{"padding", "pad_token_id", func(f *folder) {
			*f = *bertFolder("roberta", "gelu", "mean", "", true)
			f.files["config.json"] = strings.Replace(f.files["config.json"], `"pad_token_id": 1`, `"pad_token_id": 99`, 1)
		}},
		{"a missing tensor", "encoder.layer.1.output.dense.bias", func(f *folder) { delete(f.tensors, "encoder.layer.1.output.dense.bias") }},
		{"rank", "encoder.layer.1.output.dense.bias", func(f *folder) {
			f.tensors["encoder.layer.1.output.dense.bias"] = tensor{[]int{bertWidth, 1}, make([]float32, bertWidth)}
		}},
		{"not finite", "finite", func(f *folder) { f.tensors["embeddings.LayerNorm.weight"].data[3] = float32(math.NaN()) }},
	} {
		f := bertFolder("bert", "gelu", "mean", "", true)
		c.spoil(f)
		dir, err := importFolder(t, f, nil)
		if !errors.Is(err, model.ErrSource) && !errors.Is(err, model.ErrManifest) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want it to name %s", c.name, err, c.says)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: something is left at the destination", c.name)
		}
	}
	f := bertFolder("bert", "gelu", "mean", "", true)
	src := f.write(t)
	if err := os.Remove(filepath.Join(src, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
	if err := model.Import(t.Context(), src, filepath.Join(t.TempDir(), "m"), nil); !errors.Is(err, model.ErrSource) || !strings.Contains(err.Error(), "safetensors") {
		t.Errorf("no weights: %v", err)
	}
	if err := model.Import(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "m"), nil); !errors.Is(err, model.ErrSource) || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("an empty folder: %v", err)
	}
}

// FuzzFolder reads damaged descriptions of a network: an error or a model that works.
func FuzzFolder(f *testing.F) {
	good := bertFolder("bert", "gelu", "mean", "", true)
	f.Add(good.files["config.json"], good.files["1_Pooling/config.json"], good.files["modules.json"])
	f.Fuzz(func(t *testing.T, config, pooling, modules string) {
		spoiled := *good
		spoiled.files = maps.Clone(good.files)
		spoiled.files["config.json"], spoiled.files["1_Pooling/config.json"], spoiled.files["modules.json"] = config, pooling, modules
		if _, err := importFolder(t, &spoiled, nil); err != nil && !errors.Is(err, model.ErrSource) && !errors.Is(err, model.ErrManifest) {
			t.Error(err)
		}
	})
}
