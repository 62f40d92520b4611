package model

import (
	"fmt"
	"math"

	"engram/quant/model/layer"
	"engram/quant/weights"
)

// useLite is the Universal Sentence Encoder Lite: its layers and the steps from token ids to a vector.
type useLite struct {
	cfg      Config
	embed    *layer.Embedding // vocabulary by width of layer 0
	position []float32        // maxTokens x width of layer 0: sine then cosine of position times inverse timescale
	layers   []transformerLayer
	pool     *layer.Linear // after the mean, before tanh
}

// transformerLayer is one layer: attention and a feed-forward net, each behind a layer norm and each added to what came
// in. Where attention widens the vector, residual widens what came in likewise; it is nil where it does not.
type transformerLayer struct {
	norm1, norm2                     layerNorm
	qkv, attnOut, up, down, residual *layer.Linear
}

// layerNorm is the scale and bias of a layer norm.
type layerNorm struct{ scale, bias []float32 }

// tensors finds the layers of a network and keeps the first error.
type tensors struct {
	p   *layer.Params
	err error
}

// get reads a small tensor; -1 in shape stands for any size.
func (t *tensors) get(name string, shape ...int) (v []float32) {
	if t.err == nil {
		v, t.err = t.p.Float32(name, shape...)
	}
	return v
}

// linear finds a dense layer that takes in numbers and, where out is not -1, gives out. After an error it is empty.
func (t *tensors) linear(name string, out, in int) *layer.Linear {
	if t.err == nil {
		var l *layer.Linear
		if l, t.err = t.p.Linear(name, out, in); t.err == nil {
			return l
		}
	}
	return &layer.Linear{}
}

func (t *tensors) layerNorm(name string, width int) layerNorm {
	return layerNorm{scale: t.get(name+".scale", width), bias: t.get(name+".bias", width)}
}

// newUseLite finds the layers of a model. They last as long as p.
func newUseLite(p *layer.Params, m *Manifest) (*useLite, error) {
	t := &tensors{p: p}
	u := &useLite{cfg: m.Config}
	if u.embed, t.err = p.Embedding("embeddings", -1, -1); t.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, t.err)
	}
	width := u.embed.Dim
	rates := t.get("position.inverse_timescales", -1)
	if t.err == nil && len(rates)*2 != width {
		t.err = fmt.Errorf("%w: %d timescales for a width of %d", weights.ErrShape, len(rates), width)
	}
	for i := 0; i < m.Config.Layers && t.err == nil; i++ {
		name := fmt.Sprintf("layers.%d.", i)
		l := transformerLayer{norm1: t.layerNorm(name+"attention_norm", width)}
		l.qkv = t.linear(name+"attention.qkv", 3*width, width)
		l.attnOut = t.linear(name+"attention.output", -1, width)
		if t.err == nil && width%m.Config.Heads != 0 {
			t.err = fmt.Errorf("%w: %d heads do not divide a width of %d", ErrManifest, m.Config.Heads, width)
		}
		if wide := l.attnOut.Out; wide != width {
			l.residual = t.linear(name+"residual", wide, width)
			width = wide
		}
		l.norm2 = t.layerNorm(name+"ffn_norm", width)
		l.up = t.linear(name+"ffn.up", -1, width)
		l.down = t.linear(name+"ffn.down", width, l.up.Out)
		u.layers = append(u.layers, l)
	}
	u.pool = t.linear("pooler", m.Dim, width)
	if t.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, t.err)
	}
	u.position = positions(rates, m.MaxTokens)
	return u, nil
}

// positions tabulates the timing signal of the transformer (Vaswani et al. 2017, section 3.5): the sines of all rates,
// then the cosines, a row a position.
func positions(rates []float32, n int) []float32 {
	w := len(rates)
	out := make([]float32, n*2*w)
	for p := range n {
		row := out[p*2*w:]
		for i, r := range rates {
			s, c := math.Sincos(float64(float32(p) * r)) // the angle is rounded to float32 as the published graph does
			row[i], row[w+i] = float32(s), float32(c)
		}
	}
	return out
}

func (u *useLite) vocabulary() int { return u.embed.Rows }

// run computes the vectors of texts, see textNet.
//
// A text without tokens gets what the published graph gives it among others: the mean of nothing is 0, so its vector is
// the normalised tanh of the last layer's bias.
func (u *useLite) run(s *scratch, ids []int32, ends []int, out []float32) {
	n := len(ids)
	width := u.embed.Dim
	x := layer.Grow(&s.x, n*width)
	u.embed.Gather(x, ids, &s.Scratch)
	from := 0
	for _, end := range ends {
		for t := from; t < end; t++ {
			p, row := u.position[(t-from)*width:], x[t*width:(t+1)*width]
			for i, e := range row {
				row[i] = e + (e + p[i]) // the graph adds the embedding to the embedding with its position
			}
		}
		from = end
	}
	for i := range u.layers {
		x = u.layers[i].run(s, x, ends, n, u.cfg)
	}
	width = u.pool.In
	mean := layer.Grow(&s.mean, len(ends)*width)
	clear(mean)
	from = 0
	for k, end := range ends {
		row := mean[k*width : (k+1)*width]
		for t := from; t < end; t++ {
			for i, v := range x[t*width : (t+1)*width] {
				row[i] += v
			}
		}
		scale := float32(max(end-from, 1))
		for i := range row {
			row[i] /= scale
		}
		from = end
	}
	u.pool.Apply(out, mean, len(ends), &s.Scratch)
	for k := range ends {
		unit(out[k*u.pool.Out:(k+1)*u.pool.Out], u.cfg.NormEpsilon)
	}
}

// unit takes the tanh of v and brings it to length one.
func unit(v []float32, epsilon float64) {
	var square float64
	for i, x := range v {
		h := math.Tanh(float64(x))
		v[i] = float32(h)
		square += h * h
	}
	inv := 1 / math.Sqrt(max(square, epsilon))
	for i, x := range v {
		v[i] = float32(float64(x) * inv)
	}
}

// run passes n tokens through the layer. The result lies in the scratch and may be x's own memory.
func (l *transformerLayer) run(s *scratch, x []float32, ends []int, n int, cfg Config) []float32 {
	in, wide := l.qkv.In, l.attnOut.Out
	h := layer.Grow(&s.h, n*max(in, wide))
	layer.LayerNorm(h, x, n, l.norm1.scale, l.norm1.bias, cfg.LayerNormEpsilon)
	qkv := layer.Grow(&s.qkv, n*3*in)
	l.qkv.Apply(qkv, h, n, &s.Scratch)
	from := 0
	for _, end := range ends {
		q := qkv[from*3*in : end*3*in]
		if end > from {
			layer.Attend(h[from*in:end*in], q, q[in:], q[2*in:], end-from, cfg.Heads, in/cfg.Heads, 3*in, &s.Scratch)
		}
		from = end
	}
	sum := layer.Grow(&s.sum, n*wide)
	l.attnOut.Apply(sum, h, n, &s.Scratch)
	if l.residual != nil {
		wider := layer.Grow(&s.wide, n*wide)
		l.residual.Apply(wider, x, n, &s.Scratch)
		x = wider
	}
	layer.Add(sum, x)
	layer.LayerNorm(h, sum, n, l.norm2.scale, l.norm2.bias, cfg.LayerNormEpsilon)
	up := layer.Grow(&s.up, n*l.up.Out)
	l.up.Apply(up, h, n, &s.Scratch)
	layer.ReLU(up)
	y := layer.Grow(&s.y, n*wide)
	l.down.Apply(y, up, n, &s.Scratch)
	layer.Add(y, sum)
	s.x, s.y = s.y, s.x // so that the next layer, whose y this is, writes elsewhere
	return y
}

// scratch is the working memory of one run, kept for the next.
type scratch struct {
	layer.Scratch
	x, y, h, qkv, sum, wide, up, mean, out []float32
	places                                 []int32 // of the tokens in their texts
}
