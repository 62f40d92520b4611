package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"engram/quant/weights/exchange"
)

// The files of a Hugging Face folder that are looked at, and what they are called there.
const (
	hfConfig    = "config.json"
	hfTokenizer = "tokenizer.json"
	hfVocab     = "vocab.txt"
)

// hfModel is config.json: what a network is.
type hfModel struct {
	Type          string `json:"model_type"`
	Hidden        int    `json:"hidden_size"`
	Layers        int    `json:"num_hidden_layers"`
	Heads         int    `json:"num_attention_heads"`
	Inner         int    `json:"intermediate_size"`
	Vocab         int    `json:"vocab_size"`
	Places        int    `json:"max_position_embeddings"`
	Activation    string `json:"hidden_act"`
	Padding       *int   `json:"pad_token_id"`
	Quantization  any    `json:"quantization_config"`
	PositionsType string `json:"position_embedding_type"` // bert

	NormEpsilon float64 `json:"layer_norm_eps"` // bert
	Kinds       int     `json:"type_vocab_size"`
	Decoder     bool    `json:"is_decoder"`

	RMSEpsilon    float64         `json:"rms_norm_eps"` // llama
	KVHeads       int             `json:"num_key_value_heads"`
	HeadDim       *int            `json:"head_dim"`
	Theta         float64         `json:"rope_theta"`
	Scaling       json.RawMessage `json:"rope_scaling"`
	Parameters    *hfRope         `json:"rope_parameters"` // where newer files have the two above
	Tied          *bool           `json:"tie_word_embeddings"`
	AttentionBias bool            `json:"attention_bias"`
	MLPBias       bool            `json:"mlp_bias"`
	End           json.RawMessage `json:"eos_token_id"`
}

type hfRope struct {
	Type  string  `json:"rope_type"`
	Theta float64 `json:"rope_theta"`
}

// hfFolder is a folder that is being imported.
type hfFolder struct {
	path  string
	model hfModel
	opt   *ImportOptions
	used  []string // files that matter, for the hash
}

// readJSON reads a file of the folder into v; optional says that it may be missing.
func (f *hfFolder) readJSON(name string, v any, optional bool) error {
	path := filepath.Join(f.path, filepath.FromSlash(name))
	b, err := readBounded(path, maxManifestBytes)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSource, path, err)
	}
	f.used = append(f.used, path)
	return nil
}

// sound refuses sizes that no model has, before anything is multiplied.
func (m *hfModel) sound() error {
	for name, v := range map[string]int{"hidden_size": m.Hidden, "num_hidden_layers": m.Layers, "num_attention_heads": m.Heads,
		"intermediate_size": m.Inner, "vocab_size": m.Vocab, "max_position_embeddings": m.Places} {
		if v < 1 || v > 1<<24 {
			return fmt.Errorf("%w: %s says %s is %d", ErrSource, hfConfig, name, v)
		}
	}
	if m.Quantization != nil {
		return fmt.Errorf("%w: the weights are quantized in a way that %s describes and this program does not read", ErrSource, hfConfig)
	}
	return nil
}

// writeHuggingFace writes the files of a model in a Hugging Face folder into dir.
func writeHuggingFace(ctx context.Context, src, dir string, opt *ImportOptions) error {
	f := &hfFolder{path: src, opt: opt}
	if err := f.readJSON(hfConfig, &f.model, false); err != nil {
		return err
	}
	m := &Manifest{Name: opt.Name, Dim: f.model.Hidden, Source: Source{File: filepath.Base(src)}}
	var describe func(*Manifest) error
	var convert func(*conversion, *Manifest)
	switch f.model.Type {
	case "bert", "roberta", "xlm-roberta", "camembert":
		describe, convert = f.describeBERT, f.convertBERT
	case "llama":
		describe, convert = f.describeLlama, f.convertLlama
	default:
		return fmt.Errorf("%w: %s says model_type is %.40q; known are bert, roberta, xlm-roberta, camembert and llama", ErrSource, hfConfig, f.model.Type)
	}
	if err := f.model.sound(); err != nil {
		return err
	}
	if err := f.tokenizer(m, dir); err != nil {
		return err
	}
	if err := describe(m); err != nil {
		return err
	}
	m.Format, m.Weights.File = manifestFormat, WeightsFile
	if err := m.check(); err != nil { // before anything is multiplied
		return fmt.Errorf("%w: %s: %w", ErrSource, hfConfig, err)
	}
	from, err := exchange.Open(src, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	defer from.Close()
	conv, err := newConversion(ctx, from, filepath.Join(dir, WeightsFile), m.Architecture, opt)
	if err != nil {
		return err
	}
	convert(conv, m)
	if err := conv.close(); err != nil {
		return err
	}
	if m.Source.SHA256, err = filesSHA256(f.used); err != nil {
		return err
	}
	return m.finish(dir)
}

// tokenizer copies the tokenizer.json of the folder, or the vocab.txt of a BERT.
func (f *hfFolder) tokenizer(m *Manifest, dir string) error {
	if path := filepath.Join(f.path, hfTokenizer); isFile(path) {
		m.Tokenizer.Kind = "tokenizer.json"
		f.used = append(f.used, path)
		return m.keepTokenizer(path, dir, hfTokenizer)
	}
	path := filepath.Join(f.path, hfVocab)
	if f.model.Type != "bert" || !isFile(path) {
		return fmt.Errorf("%w: %s has no %s, nor the %s of a BERT", ErrSource, f.path, hfTokenizer, hfVocab)
	}
	settings := struct {
		Lower bool `json:"do_lower_case"`
	}{Lower: true}
	if err := f.readJSON("tokenizer_config.json", &settings, true); err != nil {
		return err
	}
	m.Tokenizer.Kind, m.Tokenizer.KeepCase = "wordpiece", !settings.Lower
	f.used = append(f.used, path)
	return m.keepTokenizer(path, dir, hfVocab)
}

func (f *hfFolder) describeBERT(m *Manifest) error {
	c := &f.model
	m.Architecture = BERT
	m.Config = Config{Layers: c.Layers, Heads: c.Heads, LayerNormEpsilon: c.NormEpsilon, NormEpsilon: 1e-24}
	switch c.Activation {
	case "gelu", "relu":
		m.Config.Activation = c.Activation
	case "gelu_new", "gelu_pytorch_tanh", "gelu_fast":
		m.Config.Activation = "gelu-tanh"
	default:
		return fmt.Errorf("%w: hidden_act %.40q is not known", ErrSource, c.Activation)
	}
	if c.PositionsType != "" && c.PositionsType != "absolute" {
		return fmt.Errorf("%w: position_embedding_type %.40q is not known; known is \"absolute\"", ErrSource, c.PositionsType)
	}
	if c.Decoder {
		return fmt.Errorf("%w: the model is a decoder, not an encoder", ErrSource)
	}
	if c.Type != "bert" { // positions begin after that of the padding
		m.Config.FirstPosition = 2
		if c.Padding != nil {
			m.Config.FirstPosition = *c.Padding + 1
		}
	}
	if m.Config.FirstPosition < 0 || m.Config.FirstPosition >= c.Places {
		return fmt.Errorf("%w: pad_token_id leaves no position of %d", ErrSource, c.Places)
	}
	if err := f.sentence(m); err != nil {
		return err
	}
	return f.pooling(m)
}

// sentence reads what sentence-transformers says beside the network: how long a text may be, and what is put before it.
func (f *hfFolder) sentence(m *Manifest) error {
	var limits struct {
		MaxTokens int `json:"max_seq_length"`
	}
	if err := f.readJSON("sentence_bert_config.json", &limits, true); err != nil {
		return err
	}
	m.MaxTokens = f.model.Places - m.Config.FirstPosition
	if limits.MaxTokens > 0 {
		m.MaxTokens = min(m.MaxTokens, limits.MaxTokens)
	}
	var prompts struct {
		Prompts map[string]string `json:"prompts"`
	}
	if err := f.readJSON("config_sentence_transformers.json", &prompts, true); err != nil {
		return err
	}
	m.Config.QueryPrefix, m.Config.TextPrefix = prompts.Prompts["query"], prompts.Prompts["document"]
	if m.Config.TextPrefix == "" {
		m.Config.TextPrefix = prompts.Prompts["passage"]
	}
	if f.opt.QueryPrefix != nil {
		m.Config.QueryPrefix = *f.opt.QueryPrefix
	}
	if f.opt.TextPrefix != nil {
		m.Config.TextPrefix = *f.opt.TextPrefix
	}
	return nil
}

// pooling finds out how the vectors of tokens become one, and refuses what else comes after the network.
func (f *hfFolder) pooling(m *Manifest) error {
	var modules []struct {
		Type string `json:"type"`
	}
	if err := f.readJSON("modules.json", &modules, true); err != nil {
		return err
	}
	for _, x := range modules {
		switch name := x.Type[strings.LastIndexByte(x.Type, '.')+1:]; name {
		case "Transformer", "Pooling", "Normalize":
		default:
			return fmt.Errorf("%w: modules.json has a module %.60q, which is not known", ErrSource, x.Type)
		}
	}
	if f.opt.Pooling != "" {
		m.Config.Pooling = f.opt.Pooling
		return nil
	}
	const file = "1_Pooling/config.json"
	if !isFile(filepath.Join(f.path, filepath.FromSlash(file))) {
		return fmt.Errorf("%w: %s has no %s; say how vectors of tokens become one, \"mean\" or \"cls\"", ErrSource, f.path, file)
	}
	var all map[string]any
	if err := f.readJSON(file, &all, false); err != nil {
		return err
	}
	for name, on := range all {
		if yes, ok := on.(bool); !ok || !yes || !strings.HasPrefix(name, "pooling_mode_") {
			continue
		}
		pool := map[string]string{"pooling_mode_cls_token": poolCLS, "pooling_mode_mean_tokens": poolMean}[name]
		if pool == "" || m.Config.Pooling != "" {
			return fmt.Errorf("%w: %s has %s; known are the mean and the first token, one of them", ErrSource, file, name)
		}
		m.Config.Pooling = pool
	}
	if m.Config.Pooling == "" {
		return fmt.Errorf("%w: %s names no way", ErrSource, file)
	}
	return nil
}

// convertBERT writes the tensors of an encoder. Some files have a prefix before all names, and old ones call the scale and
// bias of a norm gamma and beta.
func (f *hfFolder) convertBERT(c *conversion, m *Manifest) {
	p := f.model
	w := m.Dim
	const first = "embeddings.word_embeddings.weight"
	prefix := strings.TrimSuffix(c.first(first, "bert."+first, "roberta."+first, "model."+first), first)
	norm := func(to, from string) {
		c.copy(to+".scale", c.first(prefix+from+".weight", prefix+from+".gamma"), w)
		c.copy(to+".bias", c.first(prefix+from+".bias", prefix+from+".beta"), w)
	}
	dense := func(to, from string, out, in int) {
		c.copy(to+".weight", prefix+from+".weight", out, in)
		c.copy(to+".bias", prefix+from+".bias", out)
	}
	c.copy("embeddings.weight", prefix+first, p.Vocab, w)
	c.copy("position.weight", prefix+"embeddings.position_embeddings.weight", p.Places, w)
	if p.Kinds > 0 {
		c.copy("token_types.weight", prefix+"embeddings.token_type_embeddings.weight", p.Kinds, w)
	}
	norm("embeddings_norm", "embeddings.LayerNorm")
	for i := range p.Layers {
		to, from := fmt.Sprintf("layers.%d.", i), fmt.Sprintf("encoder.layer.%d.", i)
		var weight, bias []string
		for _, part := range []string{"query", "key", "value"} {
			weight = append(weight, prefix+from+"attention.self."+part+".weight")
			bias = append(bias, prefix+from+"attention.self."+part+".bias")
		}
		c.stack(to+"attention.qkv.weight", weight, []int{w, w, w}, w)
		c.stack(to+"attention.qkv.bias", bias, []int{w, w, w}, 0)
		dense(to+"attention.output", from+"attention.output.dense", w, w)
		norm(to+"attention_norm", from+"attention.output.LayerNorm")
		dense(to+"ffn.up", from+"intermediate.dense", p.Inner, w)
		dense(to+"ffn.down", from+"output.dense", w, p.Inner)
		norm(to+"ffn_norm", from+"output.LayerNorm")
	}
}

func (f *hfFolder) describeLlama(m *Manifest) error {
	c := &f.model
	m.Architecture, m.MaxTokens = Llama, c.Places
	theta, scaling := c.Theta, string(c.Scaling)
	if p := c.Parameters; p != nil {
		theta = p.Theta
		if p.Type != "" && p.Type != "default" {
			scaling = p.Type
		}
	}
	if theta == 0 {
		theta = llama2CTheta
	}
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	switch {
	case scaling != "" && scaling != "null":
		return fmt.Errorf("%w: rope_scaling %.80s is not known", ErrSource, scaling)
	case c.AttentionBias || c.MLPBias:
		return fmt.Errorf("%w: biases of attention or of the feed-forward net are not known in a Llama", ErrSource)
	case c.Activation != "silu":
		return fmt.Errorf("%w: hidden_act %.40q is not known in a Llama; known is \"silu\"", ErrSource, c.Activation)
	case c.HeadDim != nil && *c.HeadDim*c.Heads != c.Hidden:
		return fmt.Errorf("%w: %d heads of %d make no width of %d", ErrSource, c.Heads, *c.HeadDim, c.Hidden)
	}
	m.Config = Config{Layers: c.Layers, Heads: c.Heads, KVHeads: c.KVHeads, LayerNormEpsilon: c.RMSEpsilon, RopeTheta: theta}
	if len(c.End) > 0 && string(c.End) != "null" {
		var one int32
		if json.Unmarshal(c.End, &one) == nil {
			m.Config.EndTokens = []int32{one}
		} else if err := json.Unmarshal(c.End, &m.Config.EndTokens); err != nil {
			return fmt.Errorf("%w: eos_token_id: %w", ErrSource, err)
		}
	}
	return nil
}

func (f *hfFolder) convertLlama(c *conversion, m *Manifest) {
	const layer = "model.layers.%d."
	n := llamaNames{
		embeddings: "model.embed_tokens.weight", norm: "model.norm.weight", classifier: "lm_head.weight",
		attentionNorm: layer + "input_layernorm.weight", q: layer + "self_attn.q_proj.weight", k: layer + "self_attn.k_proj.weight",
		v: layer + "self_attn.v_proj.weight", o: layer + "self_attn.o_proj.weight", ffnNorm: layer + "post_attention_layernorm.weight",
		gate: layer + "mlp.gate_proj.weight", up: layer + "mlp.up_proj.weight", down: layer + "mlp.down_proj.weight",
	}
	_, has := c.shapes[n.classifier]
	shared := !has || f.model.Tied != nil && *f.model.Tied
	if !has && f.model.Tied != nil && !*f.model.Tied {
		c.fail(fmt.Errorf("%w: the tensor %q is missing", ErrSource, n.classifier))
	}
	c.llama(m, &n, f.model.Vocab, f.model.Inner, shared, true)
}
