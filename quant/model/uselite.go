package model

import (
	"fmt"
	"math"

	"engram/accel"
	"engram/quant/weights"
)

// useLite is the Universal Sentence Encoder Lite: its tensors and the steps from token ids to a vector.
type useLite struct {
	cfg      Config
	vocab    int       // rows of the embedding table
	embed    []float32 // vocab x width of layer 0
	position []float32 // maxTokens x width of layer 0: sine then cosine of position times inverse timescale
	layers   []transformerLayer
	pool     linear // after the mean, before tanh
}

// transformerLayer is one layer: attention and a feed-forward net, each behind a layer norm and each added to what came
// in. Where attention widens the vector, residual widens what came in likewise; its out is 0 where it does not.
type transformerLayer struct {
	norm1, norm2                     layerNorm
	qkv, attnOut, up, down, residual linear
}

// layerNorm scales a vector to mean 0 and variance 1, then by scale and bias.
type layerNorm struct{ scale, bias []float32 }

// tensors reads tensors of a weight file and keeps the first error.
type tensors struct {
	f   *weights.File
	err error
}

// get reads a tensor; -1 in shape stands for any size.
func (t *tensors) get(name string, shape ...int) []float32 {
	if t.err != nil {
		return nil
	}
	l, ok := t.f.Layer(name)
	if ok && len(l.Shape) == len(shape) {
		for i, d := range shape {
			if d == -1 {
				shape[i] = l.Shape[i]
			}
		}
	}
	v, _, err := t.f.Float32(name, shape...)
	t.err = err
	return v
}

// dims gives the shape of a two-dimensional tensor, zeros and an error where it is none.
func (t *tensors) dims(name string) (rows, cols int) {
	l, ok := t.f.Layer(name)
	switch {
	case t.err != nil:
	case !ok:
		t.err = fmt.Errorf("%w: %q in %s", weights.ErrNoLayer, name, t.f.Path())
	case len(l.Shape) != 2 || l.Shape[0] < 1 || l.Shape[1] < 1:
		t.err = fmt.Errorf("%w: layer %q is %v, not a matrix", weights.ErrShape, name, l.Shape)
	default:
		return l.Shape[0], l.Shape[1]
	}
	return 0, 0
}

// linear reads name.weight, which must take in numbers and, where out is not -1, give out, and name.bias.
func (t *tensors) linear(name string, in, out int) linear {
	rows, cols := t.dims(name + ".weight")
	if t.err == nil && (cols != in || (out != -1 && rows != out)) {
		t.err = fmt.Errorf("%w: layer %q is [%d %d], the model needs [%d %d]", weights.ErrShape, name+".weight", rows, cols, out, in)
	}
	return linear{w: t.get(name+".weight", rows, cols), b: t.get(name+".bias", rows), in: in, out: rows}
}

func (t *tensors) layerNorm(name string, width int) layerNorm {
	return layerNorm{scale: t.get(name+".scale", width), bias: t.get(name+".bias", width)}
}

// newUseLite reads the tensors of a model. They stay in the mapped file where they can, so f must outlive the result.
func newUseLite(f *weights.File, m *Manifest) (*useLite, error) {
	t := &tensors{f: f}
	u := &useLite{cfg: m.Config}
	var width int
	u.vocab, width = t.dims("embeddings.weight")
	u.embed = t.get("embeddings.weight", u.vocab, width)
	rates := t.get("position.inverse_timescales", -1)
	if t.err == nil && len(rates)*2 != width {
		t.err = fmt.Errorf("%w: %d timescales for a width of %d", weights.ErrShape, len(rates), width)
	}
	for i := 0; i < m.Config.Layers && t.err == nil; i++ {
		p := fmt.Sprintf("layers.%d.", i)
		l := transformerLayer{norm1: t.layerNorm(p+"attention_norm", width)}
		l.qkv = t.linear(p+"attention.qkv", width, 3*width)
		l.attnOut = t.linear(p+"attention.output", width, -1)
		if t.err == nil && width%m.Config.Heads != 0 {
			t.err = fmt.Errorf("%w: %d heads do not divide a width of %d", ErrManifest, m.Config.Heads, width)
		}
		if wide := l.attnOut.out; wide != width {
			l.residual = t.linear(p+"residual", width, wide)
			width = wide
		}
		l.norm2 = t.layerNorm(p+"ffn_norm", width)
		l.up = t.linear(p+"ffn.up", width, -1)
		l.down = t.linear(p+"ffn.down", l.up.out, width)
		u.layers = append(u.layers, l)
	}
	u.pool = t.linear("pooler", width, m.Dim)
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

// apply normalises the n rows of x into y.
func (l *layerNorm) apply(y, x []float32, n int, epsilon float64) {
	w := len(l.scale)
	for t := range n {
		in, out := x[t*w:(t+1)*w], y[t*w:(t+1)*w]
		var sum float64
		for _, v := range in {
			sum += float64(v)
		}
		mean := sum / float64(w)
		var square float64
		for _, v := range in {
			d := float64(v) - mean
			square += d * d
		}
		inv := 1 / math.Sqrt(square/float64(w)+epsilon)
		for i, v := range in {
			out[i] = float32((float64(v)-mean)*inv)*l.scale[i] + l.bias[i]
		}
	}
}

// run computes the vectors of texts given as token ids. ids holds all texts one after the other, ends where each ends;
// no text has more than maxTokens. The vectors, one of dim numbers a text, go to out.
//
// A text without tokens gets what the published graph gives it among others: the mean of nothing is 0, so its vector is
// the normalised tanh of the last layer's bias.
func (u *useLite) run(s *scratch, ids []int32, ends []int, out []float32) {
	n := len(ids)
	width := u.layers[0].qkv.in
	x := s.get(&s.x, n*width)
	from := 0
	for _, end := range ends {
		for t := from; t < end; t++ {
			e, p, row := u.embed[int(ids[t])*width:], u.position[(t-from)*width:], x[t*width:(t+1)*width]
			for i := range row {
				row[i] = e[i] + (e[i] + p[i]) // the graph adds the embedding to the embedding with its position
			}
		}
		from = end
	}
	for i := range u.layers {
		x = u.layers[i].run(s, x, ends, n, u.cfg)
	}
	width = u.pool.in
	mean := s.get(&s.mean, len(ends)*width)
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
	u.pool.apply(out, mean, len(ends))
	for k := range ends {
		unit(out[k*u.pool.out:(k+1)*u.pool.out], u.cfg.NormEpsilon)
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
	in, wide := l.qkv.in, l.attnOut.out
	h := s.get(&s.h, n*max(in, wide))
	l.norm1.apply(h[:n*in], x, n, cfg.LayerNormEpsilon)
	qkv := s.get(&s.qkv, n*3*in)
	l.qkv.apply(qkv, h[:n*in], n)
	mixed := h[:n*in]
	from := 0
	for _, end := range ends {
		attend(s, mixed[from*in:end*in], qkv[from*3*in:end*3*in], end-from, in, cfg.Heads)
		from = end
	}
	sum := s.get(&s.sum, n*wide)
	l.attnOut.apply(sum, mixed, n)
	if l.residual.out != 0 {
		wider := s.get(&s.wide, n*wide)
		l.residual.apply(wider, x, n)
		x = wider
	}
	add(sum, x)
	l.norm2.apply(h[:n*wide], sum, n, cfg.LayerNormEpsilon)
	up := s.get(&s.up, n*l.up.out)
	l.up.apply(up, h[:n*wide], n)
	for i, v := range up {
		if v < 0 {
			up[i] = 0
		}
	}
	y := s.get(&s.y, n*wide)
	l.down.apply(y, up, n)
	add(y, sum)
	s.x, s.y = s.y, s.x // so that the next layer, whose y this is, writes elsewhere
	return y
}

func add(dst, src []float32) {
	for i, v := range src[:len(dst)] {
		dst[i] += v
	}
}

// attend mixes the n tokens of one text: softmax(q k^T / sqrt(d)) v for every head of d numbers. qkv has a row a token,
// its queries, keys and values one after the other.
func attend(s *scratch, out, qkv []float32, n, width, heads int) {
	d := width / heads
	scale := float32(1 / math.Sqrt(float64(d)))
	keys, q, scores := s.get(&s.keys, n*d), s.get(&s.query, d), s.get(&s.scores, n)
	clear(out)
	for h := range heads {
		for t := range n {
			copy(keys[t*d:(t+1)*d], qkv[t*3*width+width+h*d:])
		}
		for t := range n {
			for i := range q {
				q[i] = qkv[t*3*width+h*d+i] * scale
			}
			accel.DotRows(q, keys, scores)
			softmax(scores)
			row := out[t*width+h*d : t*width+(h+1)*d]
			for k, p := range scores {
				v := qkv[k*3*width+2*width+h*d:]
				for i := range row {
					row[i] += p * v[i]
				}
			}
		}
	}
}

// softmax turns scores into weights that add up to one.
func softmax(v []float32) {
	top := float32(math.Inf(-1))
	for _, x := range v {
		top = max(top, x)
	}
	var sum float64
	for i, x := range v {
		e := math.Exp(float64(x - top))
		v[i] = float32(e)
		sum += e
	}
	inv := float32(1 / sum)
	for i := range v {
		v[i] *= inv
	}
}

// scratch is the working memory of one run, kept for the next.
type scratch struct {
	x, y, h, qkv, sum, wide, up, mean, keys, query, scores, out []float32
}

// get returns n numbers of a buffer, which grows as needed. They are not cleared.
func (s *scratch) get(b *[]float32, n int) []float32 {
	if cap(*b) < n {
		*b = make([]float32, n+n/4)
	}
	return (*b)[:n]
}
