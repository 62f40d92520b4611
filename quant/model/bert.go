package model

import (
	"fmt"

	"engram/quant/model/layer"
)

// bert is an encoder of the family of BERT (Devlin et al. 2018, arXiv 1810.04805): embeddings of tokens, positions and
// kinds of text, layers of attention and a feed-forward net, each added to what came in and normalised after, and the mean
// over the tokens or the first of them.
//
// Texts are not padded to one length, so there is no mask: attention looks at the tokens of its own text and no others.
type bert struct {
	cfg       Config
	embed     *layer.Embedding
	position  *layer.Embedding
	kind      []float32 // the embedding of the first kind of text; nil where a model has none
	norm      layerNorm
	layers    []bertLayer
	activate  func([]float32)
	maxTokens int
}

type bertLayer struct {
	qkv, attnOut, up, down *layer.Linear
	norm1, norm2           layerNorm // after attention, after the feed-forward net
}

// activations of a feed-forward net by their names in a manifest.
var activations = map[string]func([]float32){"gelu": layer.GELU, "gelu-tanh": layer.GELUTanh, "relu": layer.ReLU}

// Poolings: how the vectors of the tokens become the one of the text.
const (
	poolMean = "mean"
	poolCLS  = "cls"
)

func bertRules(m *Manifest) []rule {
	c := m.Config
	_, known := activations[c.Activation]
	return append(textRules(m),
		rule{!known, fmt.Sprintf("activation %.40q is not known; known are \"gelu\", \"gelu-tanh\" and \"relu\"", c.Activation)},
		rule{c.Pooling != poolMean && c.Pooling != poolCLS, fmt.Sprintf("pooling %.40q is not known; known are \"mean\" and \"cls\"", c.Pooling)},
		rule{c.FirstPosition < 0 || c.FirstPosition > 1<<16, "config.first_position is out of range"},
		rule{!(c.NormEpsilon > 0 && c.NormEpsilon < 1), "config.norm_epsilon is out of range"},
		rule{len(c.TextPrefix) > maxPrefixBytes || len(c.QueryPrefix) > maxPrefixBytes, "a prefix is too long"})
}

// maxPrefixBytes bounds what is put in front of every text.
const maxPrefixBytes = 4096

// newBERT finds the layers of a model. They last as long as p.
func newBERT(p *layer.Params, m *Manifest) (*bert, error) {
	t := &tensors{p: p}
	b := &bert{cfg: m.Config, activate: activations[m.Config.Activation], maxTokens: m.MaxTokens}
	if b.embed, t.err = p.Embedding("embeddings", -1, m.Dim); t.err == nil {
		b.position, t.err = p.Embedding("position", -1, m.Dim)
	}
	if t.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, t.err)
	}
	if last := m.Config.FirstPosition + m.MaxTokens; last > b.position.Rows {
		return nil, fmt.Errorf("%w: %d tokens from position %d on, and a table of %d positions", ErrManifest, m.MaxTokens, m.Config.FirstPosition, b.position.Rows)
	}
	if p.Has("token_types.weight") {
		b.kind = t.get("token_types.weight", -1, m.Dim)
		b.kind = b.kind[:min(len(b.kind), m.Dim)]
	}
	if m.Dim%m.Config.Heads != 0 {
		return nil, fmt.Errorf("%w: %d heads do not divide a width of %d", ErrManifest, m.Config.Heads, m.Dim)
	}
	b.norm = t.layerNorm("embeddings_norm", m.Dim)
	for i := 0; i < m.Config.Layers && t.err == nil; i++ {
		name := fmt.Sprintf("layers.%d.", i)
		l := bertLayer{qkv: t.linear(name+"attention.qkv", 3*m.Dim, m.Dim), attnOut: t.linear(name+"attention.output", m.Dim, m.Dim)}
		l.norm1 = t.layerNorm(name+"attention_norm", m.Dim)
		l.up = t.linear(name+"ffn.up", -1, m.Dim)
		l.down = t.linear(name+"ffn.down", m.Dim, l.up.Out)
		l.norm2 = t.layerNorm(name+"ffn_norm", m.Dim)
		b.layers = append(b.layers, l)
	}
	if t.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, t.err)
	}
	return b, nil
}

func (b *bert) vocabulary() int { return b.embed.Rows }

// run computes the vectors of texts, see textNet. A text without tokens, which no tokenizer of BERT gives, has a vector of
// zeros.
func (b *bert) run(s *scratch, ids []int32, ends []int, out []float32) {
	n, w := len(ids), b.embed.Dim
	x, h := layer.Grow(&s.x, n*w), layer.Grow(&s.h, n*w)
	b.embed.Gather(x, ids, &s.Scratch)
	places := layer.Grow(&s.places, n)
	from := 0
	for _, end := range ends {
		for t := from; t < end; t++ {
			places[t] = int32(b.cfg.FirstPosition + t - from)
		}
		from = end
	}
	b.position.Gather(h, places, &s.Scratch)
	for t := range n {
		row, place := x[t*w:(t+1)*w], h[t*w:(t+1)*w]
		if b.kind != nil {
			layer.Add(row, b.kind) // published code adds the kind before the position
		}
		layer.Add(row, place)
	}
	layer.LayerNorm(x, x, n, b.norm.scale, b.norm.bias, b.cfg.LayerNormEpsilon)
	for i := range b.layers {
		b.layers[i].run(s, x, ends, n, b)
	}
	b.pool(x, ends, out)
}

// pool makes one vector of each text, of length one.
func (b *bert) pool(x []float32, ends []int, out []float32) {
	w := b.embed.Dim
	from := 0
	for k, end := range ends {
		v := out[k*w : (k+1)*w]
		clear(v)
		last := end
		if b.cfg.Pooling == poolCLS {
			last = min(from+1, end)
		}
		for t := from; t < last; t++ {
			layer.Add(v, x[t*w:(t+1)*w])
		}
		for i := range v {
			v[i] /= float32(max(last-from, 1))
		}
		layer.Unit(v, b.cfg.NormEpsilon)
		from = end
	}
}

// run passes n tokens through the layer, in place.
func (l *bertLayer) run(s *scratch, x []float32, ends []int, n int, b *bert) {
	w := l.qkv.In
	h, sum := layer.Grow(&s.h, n*w), layer.Grow(&s.sum, n*w)
	qkv := layer.Grow(&s.qkv, n*3*w)
	l.qkv.Apply(qkv, x, n, &s.Scratch)
	from := 0
	for _, end := range ends {
		if q := qkv[from*3*w : end*3*w]; end > from {
			layer.Attend(h[from*w:end*w], q, q[w:], q[2*w:], end-from, b.cfg.Heads, w/b.cfg.Heads, 3*w, &s.Scratch)
		}
		from = end
	}
	l.attnOut.Apply(sum, h, n, &s.Scratch)
	layer.Add(x, sum)
	layer.LayerNorm(x, x, n, l.norm1.scale, l.norm1.bias, b.cfg.LayerNormEpsilon)
	up := layer.Grow(&s.up, n*l.up.Out)
	l.up.Apply(up, x, n, &s.Scratch)
	b.activate(up)
	l.down.Apply(sum, up, n, &s.Scratch)
	layer.Add(x, sum)
	layer.LayerNorm(x, x, n, l.norm2.scale, l.norm2.bias, b.cfg.LayerNormEpsilon)
}
