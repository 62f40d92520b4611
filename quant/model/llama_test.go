package model_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"engram/quant"
	"engram/quant/model"
)

// The sizes of the tiny Llama.
const (
	llamaWidth, llamaHeads, llamaKV, llamaInner, llamaLayers, llamaVocab, llamaPlaces = 24, 6, 2, 20, 2, 640, 32
	llamaDim                                                                          = llamaWidth / llamaHeads
)

// llamaTensors are the tensors of a tiny Llama as Hugging Face has them.
func llamaTensors() map[string]tensor {
	out := map[string]tensor{}
	put := func(name string, scale, shift float64, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		out[name] = tensor{shape, numbers(name, scale, shift, n)}
	}
	w := llamaWidth
	put("model.embed_tokens.weight", 0.8, 0, llamaVocab, w)
	put("model.norm.weight", 0.3, 1, w)
	put("lm_head.weight", 0.6, 0, llamaVocab, w)
	for i := range llamaLayers {
		p := fmt.Sprintf("model.layers.%d.", i)
		put(p+"input_layernorm.weight", 0.3, 1, w)
		put(p+"post_attention_layernorm.weight", 0.3, 1, w)
		put(p+"self_attn.q_proj.weight", 0.5, 0, w, w)
		put(p+"self_attn.k_proj.weight", 0.5, 0, llamaKV*llamaDim, w)
		put(p+"self_attn.v_proj.weight", 0.5, 0, llamaKV*llamaDim, w)
		put(p+"self_attn.o_proj.weight", 0.5, 0, w, w)
		put(p+"mlp.gate_proj.weight", 0.5, 0, llamaInner, w)
		put(p+"mlp.up_proj.weight", 0.5, 0, llamaInner, w)
		put(p+"mlp.down_proj.weight", 0.5, 0, w, llamaInner)
	}
	return out
}

func llamaFolder(tb testing.TB) *folder {
	tb.Helper()
	b, err := os.ReadFile("token/testdata/tokenizers.json")
	if err != nil {
		tb.Fatal(err)
	}
	var all map[string]struct {
		Tokenizer json.RawMessage `json:"tokenizer"`
	}
	if err := json.Unmarshal(b, &all); err != nil {
		tb.Fatal(err)
	}
	return &folder{tensors: llamaTensors(), files: map[string]string{
		"tokenizer.json": string(all["llama2"].Tokenizer),
		"config.json": fmt.Sprintf(`{"model_type": "llama", "hidden_size": %d, "num_hidden_layers": %d, "num_attention_heads": %d, "num_key_value_heads": %d,
			"intermediate_size": %d, "vocab_size": %d, "max_position_embeddings": %d, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
			"tie_word_embeddings": false, "eos_token_id": [2, 3]}`, llamaWidth, llamaLayers, llamaHeads, llamaKV, llamaInner, llamaVocab, llamaPlaces),
	}}
}

// llamaOracle computes, in float64 and in the plainest way, the scores after every token of a text, with the tensors of
// Hugging Face: positions turn numbers that lie half a head apart.
func llamaOracle(t map[string]tensor, ids []int32) [][]float64 {
	mul := func(name string, x []float64) []float64 {
		w := t[name]
		y := make([]float64, w.shape[0])
		for i := range y {
			for j, v := range x {
				y[i] += float64(w.data[i*len(x)+j]) * v
			}
		}
		return y
	}
	norm := func(name string, x []float64) []float64 {
		square := 0.0
		for _, v := range x {
			square += v * v / float64(len(x))
		}
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = v / math.Sqrt(square+1e-5) * float64(t[name].data[i])
		}
		return y
	}
	turn := func(x []float64, position int) {
		for at := 0; at < len(x); at += llamaDim {
			for i := range llamaDim / 2 {
				s, c := math.Sincos(float64(position) * math.Pow(10000, -2*float64(i)/llamaDim))
				a, b := x[at+i], x[at+i+llamaDim/2]
				x[at+i], x[at+i+llamaDim/2] = a*c-b*s, b*c+a*s
			}
		}
	}
	x := make([][]float64, len(ids))
	for i, id := range ids {
		for _, v := range t["model.embed_tokens.weight"].data[int(id)*llamaWidth : (int(id)+1)*llamaWidth] {
			x[i] = append(x[i], float64(v))
		}
	}
	for l := range llamaLayers {
		p := fmt.Sprintf("model.layers.%d.", l)
		keys, values := make([][]float64, len(ids)), make([][]float64, len(ids))
		for i := range x {
			h := norm(p+"input_layernorm.weight", x[i])
			q := mul(p+"self_attn.q_proj.weight", h)
			keys[i], values[i] = mul(p+"self_attn.k_proj.weight", h), mul(p+"self_attn.v_proj.weight", h)
			turn(q, i)
			turn(keys[i], i)
			mixed := make([]float64, llamaWidth)
			for head := range llamaHeads {
				kv := head / (llamaHeads / llamaKV) * llamaDim
				e, total := make([]float64, i+1), 0.0
				for k := range e {
					for d := range llamaDim {
						e[k] += q[head*llamaDim+d] * keys[k][kv+d]
					}
					e[k] = math.Exp(e[k] / math.Sqrt(llamaDim))
					total += e[k]
				}
				for k := range e {
					for d := range llamaDim {
						mixed[head*llamaDim+d] += e[k] / total * values[k][kv+d]
					}
				}
			}
			x[i] = sum(x[i], mul(p+"self_attn.o_proj.weight", mixed))
			h = norm(p+"post_attention_layernorm.weight", x[i])
			gate, up := mul(p+"mlp.gate_proj.weight", h), mul(p+"mlp.up_proj.weight", h)
			for j, g := range gate {
				gate[j] = g / (1 + math.Exp(-g)) * up[j]
			}
			x[i] = sum(x[i], mul(p+"mlp.down_proj.weight", gate))
		}
	}
	out := make([][]float64, len(ids))
	for i := range x {
		out[i] = mul("lm_head.weight", norm("model.norm.weight", x[i]))
	}
	return out
}

// oracleLoss sums -ln p of the tokens from the one at first on, read in one window.
func oracleLoss(t map[string]tensor, ids []int32, first int) (loss float64) {
	scores := llamaOracle(t, ids[:len(ids)-1])
	for i := first - 1; i < len(ids)-1; i++ {
		total := 0.0
		for _, v := range scores[i] {
			total += math.Exp(v)
		}
		loss += math.Log(total) - scores[i][ids[i+1]]
	}
	return loss
}

func openLlama(tb testing.TB, o *model.Options) *model.LanguageModel {
	tb.Helper()
	dir, err := importFolder(tb, llamaFolder(tb), nil)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := model.OpenLanguageModel(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })
	return m
}

func TestLlamaAgainstOracle(t *testing.T) {
	m, tensors := openLlama(t, nil), llamaTensors()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Int32Range(0, llamaVocab-1)
		ids := rapid.SliceOfN(id, 2, 70).Draw(t, "ids")
		window := rapid.IntRange(1, llamaPlaces).Draw(t, "window")
		want := 0.0
		for from, done := 0, 0; done < len(ids)-1; from = done - window/2 {
			end := min(from+window, len(ids)-1)
			want += oracleLoss(tensors, ids[from:end+1], done-from+1)
			done = end
		}
		p, err := m.PerplexityTokens(context.Background(), [][]int32{ids, {1}}, &model.PerplexityOptions{Window: window})
		if err != nil || p.Tokens != len(ids)-1 || math.Abs(p.Loss-want/float64(p.Tokens)) > 1e-4 || math.Abs(math.Log(p.Perplexity)-p.Loss) > 1e-12 {
			t.Fatalf("%+v, err %v, want a loss of %v", p, err, want/float64(len(ids)-1))
		}
	})
}

// TestLlamaGenerates compares greedy generation, which keeps keys and values, with the oracle, which reads everything again.
func TestLlamaGenerates(t *testing.T) {
	m, tensors := openLlama(t, nil), llamaTensors()
	const prompt = "the memory"
	ids := m.Tokenizer().Encode(prompt, 100)
	begin := len(ids)
	for range 9 {
		scores := llamaOracle(tensors, ids)
		last := scores[len(scores)-1]
		best := slices.Index(last, slices.Max(last))
		if best == 2 || best == 3 {
			break
		}
		ids = append(ids, int32(best))
	}
	want := strings.TrimPrefix(m.Tokenizer().Decode(ids), m.Tokenizer().Decode(ids[:begin]))
	for _, o := range []*model.GenerateOptions{{MaxTokens: 9}, {MaxTokens: 9, Temperature: 1e-4, Seed: 3}, {MaxTokens: 9, Temperature: 2, TopK: 1}} {
		got, err := m.Generate(t.Context(), prompt, o)
		if err != nil || got != want || got == "" {
			t.Errorf("%+v: %q, err %v, want %q", o, got, err, want)
		}
	}
	drawn := map[string]bool{}
	for seed := range uint64(5) {
		a, err := m.Generate(t.Context(), prompt, &model.GenerateOptions{Temperature: 3, Seed: seed, TopK: 200})
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := m.Generate(t.Context(), prompt, &model.GenerateOptions{Temperature: 3, Seed: seed, TopK: 200}); a != b {
			t.Errorf("one seed gives %q and %q", a, b)
		}
		drawn[a] = true
	}
	if len(drawn) < 4 {
		t.Errorf("five seeds give %d texts", len(drawn))
	}
	if _, err := m.Generate(t.Context(), strings.Repeat("long ", 40), nil); err == nil {
		t.Error("a prompt that fills the window goes on")
	}
}

// llama2cFile writes the tiny Llama as llama2.c has it: positions turn neighbours there.
func llama2cFile(t map[string]tensor, shared bool) []byte {
	head := []int32{llamaWidth, llamaInner, llamaLayers, llamaHeads, llamaKV, llamaVocab, llamaPlaces}
	if !shared {
		head[5] = -head[5]
	}
	var b []byte
	for _, v := range head {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	put := func(v []float32) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
	}
	layers := func(name string, turned bool) {
		for i := range llamaLayers {
			x := t[fmt.Sprintf("model.layers.%d.%s.weight", i, name)]
			if !turned {
				put(x.data)
				continue
			}
			for row := range x.shape[0] {
				head, at := row/llamaDim, row%llamaDim
				from := head*llamaDim + at/2 + at%2*(llamaDim/2)
				put(x.data[from*llamaWidth : (from+1)*llamaWidth])
			}
		}
	}
	put(t["model.embed_tokens.weight"].data)
	layers("input_layernorm", false)
	layers("self_attn.q_proj", true)
	layers("self_attn.k_proj", true)
	layers("self_attn.v_proj", false)
	layers("self_attn.o_proj", false)
	layers("post_attention_layernorm", false)
	layers("mlp.gate_proj", false)
	layers("mlp.down_proj", false)
	layers("mlp.up_proj", false)
	put(t["model.norm.weight"].data)
	put(make([]float32, llamaPlaces*llamaDim))
	if !shared {
		put(t["lm_head.weight"].data)
	}
	return b
}

// llama2cTokenizer writes a tokenizer.bin of bytes and some letters.
func llama2cTokenizer() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 8)
	put := func(text string) {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(-1))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	for _, s := range []string{"<unk>", "<s>", "</s>"} {
		put(s)
	}
	for c := range 256 {
		put(fmt.Sprintf("<0x%02X>", c))
	}
	for _, s := range []string{" ", "a", "b", " a"} {
		put(s)
	}
	return b
}

func writeFile(tb testing.TB, path string, b []byte) string {
	tb.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		tb.Fatal(err)
	}
	return path
}

// TestLlama2CIsTheSame checks that one model comes in the same from both of its forms.
func TestLlama2CIsTheSame(t *testing.T) {
	hf := openLlama(t, nil)
	for _, shared := range []bool{false, true} {
		dir := t.TempDir()
		tensors := llamaTensors()
		src := writeFile(t, filepath.Join(dir, "tiny.bin"), llama2cFile(tensors, shared))
		dest := filepath.Join(dir, "models", "tiny")
		if err := model.Import(t.Context(), src, dest, nil); !errors.Is(err, model.ErrSource) || !strings.Contains(err.Error(), "tok640.bin") {
			t.Fatalf("no tokenizer: %v", err)
		}
		vocabulary := writeFile(t, filepath.Join(dir, "any.bin"), llama2cTokenizer())
		o := &model.ImportOptions{Tokenizer: vocabulary}
		if !shared {
			writeFile(t, filepath.Join(dir, "tok640.bin"), llama2cTokenizer())
			o = nil
		}
		if err := model.Import(t.Context(), src, dest, o); err != nil {
			t.Fatal(err)
		}
		m, err := model.OpenLanguageModel(dest, &model.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		texts := [][]int32{{1, 5, 600, 7, 7, 9, 31, 200}, {1, 2}, {}}
		got, err := m.PerplexityTokens(t.Context(), texts, nil)
		if err != nil {
			t.Fatal(err)
		}
		if shared {
			tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
			want := oracleLoss(tensors, texts[0], 1) + oracleLoss(tensors, texts[1], 1)
			if math.Abs(got.Loss-want/8) > 1e-4 {
				t.Errorf("a shared classifier: %+v, want a loss of %v", got, want/8)
			}
			continue
		}
		want, err := hf.PerplexityTokens(t.Context(), texts, nil)
		if err != nil || math.Abs(got.Loss-want.Loss) > 1e-6 || got.Tokens != 8 {
			t.Errorf("llama2.c %+v, Hugging Face %+v, err %v", got, want, err)
		}
	}
}

func TestLlamaErrors(t *testing.T) {
	m := openLlama(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Perplexity(ctx, []string{"a memory"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := m.PerplexityTokens(ctx, [][]int32{{1, 2, 3}}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := m.Generate(ctx, "a memory", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := m.Perplexity(t.Context(), nil, nil); !errors.Is(err, model.ErrNoTokens) {
		t.Errorf("no texts: %v", err)
	}
	if _, err := m.PerplexityTokens(t.Context(), [][]int32{{1, llamaVocab}}, nil); err == nil {
		t.Error("a token beyond the vocabulary is read")
	}
	told := 0
	if _, err := m.Perplexity(t.Context(), []string{"a", "b", "c"}, &model.PerplexityOptions{Progress: func(done, total int) {
		if told++; done != told || total != 3 {
			t.Errorf("%d of %d", done, total)
		}
	}}); err != nil || told != 3 {
		t.Errorf("told %d times, err %v", told, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Generate(t.Context(), "a", nil); !errors.Is(err, model.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if m.Name() != "imported" || m.Manifest().Architecture != model.Llama || !slices.Equal(m.Manifest().Config.EndTokens, []int32{2, 3}) {
		t.Errorf("%+v", m.Manifest())
	}
	// Each kind of model says what it is when it is asked for the other.
	dir, err := importFolder(t, llamaFolder(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := model.Open(dir, nil); !errors.Is(err, model.ErrManifest) || !strings.Contains(err.Error(), "llama") {
		t.Errorf("vectors of a language model: %v", err)
	}
	if _, err := model.OpenLanguageModel(tinyModel(t), nil); !errors.Is(err, model.ErrManifest) || !strings.Contains(err.Error(), "use-lite") {
		t.Errorf("an encoder as a language model: %v", err)
	}
	for _, c := range []struct{ from, to, says string }{
		{`"silu"`, `"relu"`, "relu"},
		{`{`, `{"rope_scaling": {"type": "linear", "factor": 2}, `, "linear"},
		{`{`, `{"rope_parameters": {"rope_type": "yarn", "rope_theta": 500}, `, "yarn"},
		{`{`, `{"attention_bias": true, `, "bias"},
		{`{`, `{"head_dim": 5, `, "5"},
		{`[2, 3]`, `"x"`, "eos_token_id"},
		{`"num_key_value_heads": 2`, `"num_key_value_heads": 4`, "kv_heads"},
		{`"rms_norm_eps": 1e-5`, `"rms_norm_eps": 0`, "epsilon"},
		{`"vocab_size": 640`, `"vocab_size": 641`, "embed_tokens"},
	} {
		f := llamaFolder(t)
		f.files["config.json"] = strings.Replace(f.files["config.json"], c.from, c.to, 1)
		if _, err := importFolder(t, f, nil); !errors.Is(err, model.ErrSource) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.to, err)
		}
	}
	f := llamaFolder(t)
	delete(f.tensors, "lm_head.weight")
	if _, err := importFolder(t, f, nil); !errors.Is(err, model.ErrSource) || !strings.Contains(err.Error(), "lm_head") {
		t.Errorf("no classifier: %v", err)
	}
	f.files["config.json"] = strings.Replace(f.files["config.json"], `"tie_word_embeddings": false`, `"tie_word_embeddings": true`, 1)
	if _, err := importFolder(t, f, nil); err != nil {
		t.Errorf("tied: %v", err)
	}
	path := writeFile(t, filepath.Join(t.TempDir(), "none.bin"), []byte("not a model at all, whatever its name says"))
	if err := model.Import(t.Context(), path, filepath.Join(t.TempDir(), "m"), nil); !errors.Is(err, model.ErrSource) {
		t.Errorf("not a model: %v", err)
	}
}

// storiesSHA256 begins the SHA-256 of the file that figures are published for. Another file of that name and size goes about,
// with other numbers in it.
const storiesSHA256 = "b0a507e7ad0f6266"

// stories opens the real model of 260,000 weights, or skips where it is not there.
func stories(tb testing.TB) *model.LanguageModel {
	tb.Helper()
	b := shared(tb, "data/models/stories260K.bin")
	if sum := fmt.Sprintf("%x", sha256.Sum256(b)); !strings.HasPrefix(sum, storiesSHA256) {
		tb.Skipf("skipped, stories260K.bin is not the model that figures are known for: its SHA-256 begins with %.16s, not %s", sum, storiesSHA256)
	}
	dir := filepath.Join(tb.TempDir(), "stories")
	src := writeFile(tb, filepath.Join(tb.TempDir(), "stories260K.bin"), b)
	writeFile(tb, filepath.Join(filepath.Dir(src), "tok512.bin"), shared(tb, "data/models/tok512.bin"))
	if err := model.Import(tb.Context(), src, dir, nil); err != nil {
		tb.Fatal(err)
	}
	m, err := model.OpenLanguageModel(dir, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })
	return m
}

// storyTexts are the texts that the perplexity of the real model is known for.
func storyTexts(tb testing.TB) []string {
	var out []string
	for _, s := range strings.Split(string(shared(tb, "data/text/tinystories_sample.txt")), "<|endoftext|>") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// TestStories reproduces the published perplexity and the published continuation.
func TestStories(t *testing.T) {
	m := stories(t)
	p, err := m.Perplexity(t.Context(), storyTexts(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", p)
	if math.Abs(p.Perplexity-3.548) > 0.01 {
		t.Errorf("perplexity %v over %d tokens, want 3.548", p.Perplexity, p.Tokens)
	}
	text, err := m.Generate(t.Context(), "", &model.GenerateOptions{MaxTokens: 255})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%q", text)
	if !strings.Contains(text, "She wanted to play with it, but it was too high.\nLily's mom said, ") {
		t.Errorf("generated %q", text)
	}
}

// TestStoriesQuantized says what rounding all matrices does to the perplexity of the real model.
func TestStoriesQuantized(t *testing.T) {
	m := stories(t)
	texts := storyTexts(t)
	plain, err := m.Perplexity(t.Context(), texts, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		scheme quant.Scheme
		worst  float64 // how much greater the perplexity may be; 0 is only told
	}{
		{"int8 per channel", quant.Scheme{Bits: 8, Symmetric: true, Granularity: quant.PerChannel}, 0.005},
		{"int4 groups of 32", quant.Scheme{Bits: 4, Granularity: quant.PerGroup, GroupSize: 32, LeastSquares: true}, 0},
		{"int4 groups of 16", quant.Scheme{Bits: 4, Granularity: quant.PerGroup, GroupSize: 16, LeastSquares: true}, 0},
		{"int3 groups of 16", quant.Scheme{Bits: 3, Granularity: quant.PerGroup, GroupSize: 16, LeastSquares: true}, 0},
		{"int2 groups of 16", quant.Scheme{Bits: 2, Granularity: quant.PerGroup, GroupSize: 16, LeastSquares: true}, 0},
	} {
		for _, l := range m.Params().File().Layers() {
			if len(l.Shape) != 2 {
				continue
			}
			w, _, err := m.Params().File().Float32(l.Name)
			if err != nil {
				t.Fatal(err)
			}
			q, err := quant.QuantizeMatrix(c.scheme, l.Shape[0], l.Shape[1], w)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Params().Replace(l.Name, q); err != nil {
				t.Fatal(err)
			}
		}
		p, err := m.Perplexity(t.Context(), texts, nil)
		if err != nil {
			t.Fatal(err)
		}
		worse := p.Perplexity/plain.Perplexity - 1
		t.Logf("%-18s perplexity %.4f, %+.2f %%", c.name, p.Perplexity, 100*worse)
		if c.worst > 0 && worse > c.worst {
			t.Errorf("%s: perplexity %v, %v without codes", c.name, p.Perplexity, plain.Perplexity)
		}
	}
}
