package model

import (
	"context"
	"fmt"
	"path/filepath"

	"engram/quant/weights/exchange"
)

// What llama2.c has in its program and not in its files.
const (
	llama2CEpsilon = 1e-5
	llama2CTheta   = 10000
)

// llama2CEnds are the tokens that end a text: the end, and the beginning of the next.
var llama2CEnds = []int32{1, 2}

// writeLlama2C writes the files of a model of llama2.c into dir.
func writeLlama2C(ctx context.Context, src, dir string, opt *ImportOptions) error {
	from, err := exchange.Open(src, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	defer from.Close()
	l, ok := from.(*exchange.LLaMA2C)
	if !ok {
		return fmt.Errorf("%w: %s is written as %s, not as llama2.c", ErrSource, src, from.Format())
	}
	c := l.Config()
	m := &Manifest{Name: opt.Name, Architecture: Llama, Dim: c.Dim, MaxTokens: c.Context, Source: Source{File: filepath.Base(src)}}
	m.Config = Config{Layers: c.Layers, Heads: c.Heads, KVHeads: c.KVHeads, LayerNormEpsilon: llama2CEpsilon, RopeTheta: llama2CTheta, EndTokens: llama2CEnds}
	m.Tokenizer.Kind = "llama2.c"
	vocabulary := opt.Tokenizer
	if vocabulary == "" {
		beside := []string{"tokenizer.bin", fmt.Sprintf("tok%d.bin", c.Vocab)}
		for _, name := range beside {
			if path := filepath.Join(filepath.Dir(src), name); vocabulary == "" && isFile(path) {
				vocabulary = path
			}
		}
		if vocabulary == "" {
			return fmt.Errorf("%w: no tokenizer: neither %s nor %s lies beside %s", ErrSource, beside[0], beside[1], src)
		}
	}
	if err := m.keepTokenizer(vocabulary, dir, "tokenizer.bin"); err != nil {
		return err
	}
	if m.Source.SHA256, err = filesSHA256([]string{src}); err != nil {
		return err
	}
	conv, err := newConversion(ctx, from, filepath.Join(dir, WeightsFile), Llama, opt)
	if err != nil {
		return err
	}
	n := llamaNames{
		embeddings: "tok_embeddings.weight", norm: "norm.weight", classifier: "output.weight",
		attentionNorm: "layers.%d.attention_norm.weight", q: "layers.%d.attention.wq.weight", k: "layers.%d.attention.wk.weight",
		v: "layers.%d.attention.wv.weight", o: "layers.%d.attention.wo.weight", ffnNorm: "layers.%d.ffn_norm.weight",
		gate: "layers.%d.feed_forward.w1.weight", up: "layers.%d.feed_forward.w3.weight", down: "layers.%d.feed_forward.w2.weight",
	}
	conv.llama(m, &n, c.Vocab, c.Hidden, c.SharedClassifier, false)
	if err := conv.close(); err != nil {
		return err
	}
	return m.finish(dir)
}

// llamaNames are the names of a Llama's tensors; %d stands for the layer.
type llamaNames struct {
	embeddings, norm, classifier                       string
	attentionNorm, q, k, v, o, ffnNorm, gate, up, down string
}

// llama writes the tensors of a Llama. halves says that the two numbers which a position turns lie half a head apart, as
// Hugging Face has it; here they are neighbours, as in the paper.
func (c *conversion) llama(m *Manifest, n *llamaNames, vocab, hidden int, shared, halves bool) {
	w, dim := m.Dim, m.Dim/m.Config.Heads
	kv := m.Config.KVHeads * dim
	c.copy("embeddings.weight", n.embeddings, vocab, w)
	turned := func(name string, rows int) []float32 {
		v := c.read(name, rows, w)
		if halves && c.err == nil {
			v = neighbours(v, rows/dim, dim, w)
		}
		return v
	}
	for i := range m.Config.Layers {
		to := fmt.Sprintf("layers.%d.", i)
		name := func(pattern string) string { return fmt.Sprintf(pattern, i) }
		c.copy(to+"attention_norm.scale", name(n.attentionNorm), w)
		qkv := append(turned(name(n.q), w), turned(name(n.k), kv)...)
		c.write(to+"attention.qkv.weight", append(qkv, c.read(name(n.v), kv, w)...), w+2*kv, w)
		c.copy(to+"attention.output.weight", name(n.o), w, w)
		c.copy(to+"ffn_norm.scale", name(n.ffnNorm), w)
		c.copy(to+"ffn.gate.weight", name(n.gate), hidden, w)
		c.copy(to+"ffn.up.weight", name(n.up), hidden, w)
		c.copy(to+"ffn.down.weight", name(n.down), w, hidden)
	}
	c.copy("norm.scale", n.norm, w)
	if !shared {
		c.copy("classifier.weight", n.classifier, vocab, w)
	}
}

// neighbours moves the rows of queries or keys so that rows i and i+dim/2 of a head come to 2i and 2i+1.
func neighbours(v []float32, heads, dim, cols int) []float32 {
	out := make([]float32, len(v))
	for h := range heads {
		for i := range dim / 2 {
			from, to := (h*dim+i)*cols, (h*dim+2*i)*cols
			copy(out[to:to+cols], v[from:])
			copy(out[to+cols:to+2*cols], v[from+dim/2*cols:])
		}
	}
	return out
}
