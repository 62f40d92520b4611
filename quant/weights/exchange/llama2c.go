package exchange

import (
	"fmt"

	"engram/quant/weights"
)

// LLaMA2C is a model of karpathy/llama2.c in its first form: seven numbers, then float32 after float32 in a fixed order.
//
// The tensors have the names that Meta's checkpoints give them: "tok_embeddings.weight", "layers.N.attention_norm.weight",
// "layers.N.attention.wq.weight" (wk, wv, wo), "layers.N.ffn_norm.weight", "layers.N.feed_forward.w1.weight" (w2, w3),
// "norm.weight", "freqs_cos", "freqs_sin", and "output.weight" where the classifier is not the embedding. Queries and keys
// lie as rotary embeddings of neighbouring pairs want them. The tokenizer, a file of its own, is read by package token.
type LLaMA2C struct {
	parts
	config LLaMA2Config
}

// LLaMA2Config is the head of a llama2.c file.
type LLaMA2Config struct {
	Dim, Hidden, Layers, Heads, KVHeads, Vocab, Context int
	SharedClassifier                                    bool // the embedding is also the last layer
}

const llama2Head = 7 * 4

// llama2Config reads the head, or ok is false where it is none that a model could have.
func llama2Config(b []byte) (c LLaMA2Config, ok bool) {
	if len(b) < llama2Head {
		return c, false
	}
	v := make([]int, 7)
	for i := range v {
		v[i] = int(int32(le.Uint32(b[4*i:])))
	}
	c = LLaMA2Config{Dim: v[0], Hidden: v[1], Layers: v[2], Heads: v[3], KVHeads: v[4], Vocab: v[5], Context: v[6], SharedClassifier: v[5] > 0}
	if c.Vocab < 0 {
		c.Vocab = -c.Vocab
	}
	for _, x := range []int{c.Dim, c.Hidden, c.Layers, c.Heads, c.KVHeads, c.Vocab, c.Context} {
		if x < 1 || x > 1<<24 {
			return c, false
		}
	}
	return c, c.Layers <= 1024 && c.Heads <= c.Dim && c.Dim%c.Heads == 0 && c.KVHeads <= c.Heads && c.Heads%c.KVHeads == 0
}

// llama2Tensor is a tensor in the order of the file. Those of a layer lie together over all layers.
type llama2Tensor struct {
	name  string // with %d: one of each layer
	shape []int
}

func (c *LLaMA2Config) tensors() []llama2Tensor {
	kv, half := c.Dim/c.Heads*c.KVHeads, c.Dim/c.Heads/2
	list := []llama2Tensor{
		{"tok_embeddings.weight", []int{c.Vocab, c.Dim}},
		{"layers.%d.attention_norm.weight", []int{c.Dim}},
		{"layers.%d.attention.wq.weight", []int{c.Dim, c.Dim}},
		{"layers.%d.attention.wk.weight", []int{kv, c.Dim}},
		{"layers.%d.attention.wv.weight", []int{kv, c.Dim}},
		{"layers.%d.attention.wo.weight", []int{c.Dim, c.Dim}},
		{"layers.%d.ffn_norm.weight", []int{c.Dim}},
		{"layers.%d.feed_forward.w1.weight", []int{c.Hidden, c.Dim}},
		{"layers.%d.feed_forward.w2.weight", []int{c.Dim, c.Hidden}},
		{"layers.%d.feed_forward.w3.weight", []int{c.Hidden, c.Dim}},
		{"norm.weight", []int{c.Dim}},
		{"freqs_cos", []int{c.Context, half}},
		{"freqs_sin", []int{c.Context, half}},
	}
	if !c.SharedClassifier {
		list = append(list, llama2Tensor{"output.weight", []int{c.Vocab, c.Dim}})
	}
	return list
}

// perLayer says whether every layer has one of these.
func (t *llama2Tensor) perLayer() bool { return len(t.name) > 7 && t.name[:7] == "layers." }

// isLLaMA2C says whether a file of size bytes that begins with b has just the numbers that its head asks for. The format
// has no mark, so this is the mark.
func isLLaMA2C(b []byte, size int64) bool {
	c, ok := llama2Config(b)
	if !ok {
		return false
	}
	total := float64(llama2Head) // a float64 cannot overflow, and is exact where it matters
	for _, t := range c.tensors() {
		n := 4.0
		for _, d := range t.shape {
			n *= float64(d)
		}
		if t.perLayer() {
			n *= float64(c.Layers)
		}
		total += n
	}
	return total == float64(size)
}

// ReadLLaMA2C reads a model that lies in memory. b must not change while the result is used; of big tensors it is all
// there is.
func ReadLLaMA2C(b []byte, o *Options) (*LLaMA2C, error) {
	if !isLLaMA2C(b, int64(len(b))) {
		return nil, fmt.Errorf("%w: no model of llama2.c: %d bytes are not what the first seven numbers ask for", weights.ErrFormat, len(b))
	}
	c, _ := llama2Config(b)
	m := &LLaMA2C{parts: parts{format: FormatLLaMA2C}, config: c}
	rest := b[llama2Head:]
	put := func(name string, shape []int) error {
		n, err := count(shape, o.limit()/4)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		data := rest[: 4*n : 4*n]
		rest = rest[4*n:]
		return m.add(part{Info: Info{Name: name, Shape: shape, Type: "float32", DType: weights.Float32}, data: data}, o.limit())
	}
	for _, t := range c.tensors() {
		if !t.perLayer() {
			if err := put(t.name, t.shape); err != nil {
				return nil, err
			}
			continue
		}
		for i := range c.Layers {
			if err := put(fmt.Sprintf(t.name, i), t.shape); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

// Config is the head of the file.
func (m *LLaMA2C) Config() LLaMA2Config { return m.config }
