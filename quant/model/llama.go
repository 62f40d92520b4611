package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"

	"engram/quant/model/layer"
	"engram/quant/model/token"
)

// LanguageModel says how likely a text is, token by token, and goes on with one. It has the architecture of Llama 2
// (Touvron et al. 2023, arXiv 2307.09288): RMS norm before each part of a layer, positions that turn queries and keys, heads
// of queries that share keys and values, a gated feed-forward net. Its methods may be called concurrently.
type LanguageModel struct {
	opened
	net     *llama
	threads int
	states  sync.Pool // of *llamaState

	mu     sync.RWMutex // held for reading while the weights are used
	closed bool
}

// llama is the layers of the network.
type llama struct {
	cfg      Config
	width    int
	dim      int // of a head
	embed    *layer.Embedding
	layers   []llamaLayer
	norm     []float32
	classify *layer.Linear // embed itself where the model has no other
	rope     *layer.Rope
}

type llamaLayer struct {
	norm1, norm2                    []float32 // before attention, before the feed-forward net
	qkv, attnOut, gate, up, ffnDown *layer.Linear
}

func llamaRules(m *Manifest) []rule {
	c := m.Config
	return append(textRules(m),
		rule{c.KVHeads < 1 || c.Heads%max(c.KVHeads, 1) != 0, "config.kv_heads must divide config.heads"},
		rule{c.Heads < 1 || m.Dim%max(c.Heads, 1) != 0 || m.Dim/max(c.Heads, 1)%2 != 0, "config.heads must divide dim into an even number"},
		rule{!(c.RopeTheta >= 1 && c.RopeTheta <= 1e12), "config.rope_theta is out of range"},
		rule{int64(m.MaxTokens)*int64(m.Dim) > 1<<30, "max_tokens is out of range for this dim"},
		rule{len(c.EndTokens) > 64, "config.end_tokens are too many"})
}

func newLlama(p *layer.Params, m *Manifest) (*llama, error) {
	t := &tensors{p: p}
	c := m.Config
	l := &llama{cfg: c, width: m.Dim, dim: m.Dim / c.Heads}
	if l.embed, t.err = p.Embedding("embeddings", -1, m.Dim); t.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, t.err)
	}
	for i := 0; i < c.Layers && t.err == nil; i++ {
		name := fmt.Sprintf("layers.%d.", i)
		x := llamaLayer{norm1: t.get(name+"attention_norm.scale", m.Dim), norm2: t.get(name+"ffn_norm.scale", m.Dim)}
		x.qkv = t.linear(name+"attention.qkv", (c.Heads+2*c.KVHeads)*l.dim, m.Dim)
		x.attnOut = t.linear(name+"attention.output", m.Dim, m.Dim)
		x.gate = t.linear(name+"ffn.gate", -1, m.Dim)
		x.up = t.linear(name+"ffn.up", x.gate.Out, m.Dim)
		x.ffnDown = t.linear(name+"ffn.down", m.Dim, x.gate.Out)
		l.layers = append(l.layers, x)
	}
	l.norm = t.get("norm.scale", m.Dim)
	last := "embeddings"
	if p.Has("classifier.weight") {
		last = "classifier"
	}
	l.classify = t.linear(last, l.embed.Rows, m.Dim)
	if t.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, t.err)
	}
	l.rope = layer.NewRope(m.MaxTokens, l.dim, c.RopeTheta)
	return l, nil
}

// llamaState is the working memory of one text: what was read of it so far.
type llamaState struct {
	layer.Scratch
	caches                                  []*layer.Cache // of each layer
	x, h, qkv, mixed, gate, up, sum, logits []float32
}

func (l *llama) newState() *llamaState {
	s := &llamaState{}
	for range l.layers {
		s.caches = append(s.caches, layer.NewCache(l.cfg.KVHeads, l.dim))
	}
	return s
}

// read passes tokens from position first on through the layers and returns what the last of them makes of each, a row a
// token. It lasts until the next call.
func (l *llama) read(s *llamaState, ids []int32, first int) []float32 {
	n, w := len(ids), l.width
	x, h := layer.Grow(&s.x, n*w), layer.Grow(&s.h, n*w)
	l.embed.Gather(x, ids, &s.Scratch)
	stride := (l.cfg.Heads + 2*l.cfg.KVHeads) * l.dim
	q, kv := l.cfg.Heads*l.dim, l.cfg.KVHeads*l.dim
	for i := range l.layers {
		y := &l.layers[i]
		layer.RMSNorm(h, x, n, y.norm1, l.cfg.LayerNormEpsilon)
		qkv := layer.Grow(&s.qkv, n*stride)
		y.qkv.Apply(qkv, h, n, &s.Scratch)
		for t := range n {
			row := qkv[t*stride : (t+1)*stride]
			l.rope.Turn(row[:q+kv], first+t)
			s.caches[i].Put(first+t, row[q:q+kv], row[q+kv:])
		}
		mixed, sum := layer.Grow(&s.mixed, n*w), layer.Grow(&s.sum, n*w)
		s.caches[i].Attend(mixed, qkv, first, n, l.cfg.Heads, stride, &s.Scratch)
		y.attnOut.Apply(sum, mixed, n, &s.Scratch)
		layer.Add(x, sum)
		layer.RMSNorm(h, x, n, y.norm2, l.cfg.LayerNormEpsilon)
		gate, up := layer.Grow(&s.gate, n*y.gate.Out), layer.Grow(&s.up, n*y.gate.Out)
		y.gate.Apply(gate, h, n, &s.Scratch)
		y.up.Apply(up, h, n, &s.Scratch)
		layer.SwiGLU(gate, up)
		y.ffnDown.Apply(sum, gate, n, &s.Scratch)
		layer.Add(x, sum)
	}
	layer.RMSNorm(x, x, n, l.norm, l.cfg.LayerNormEpsilon)
	return x
}

// scores gives, for n rows that read returned, the score of every token to come next.
func (l *llama) scores(s *llamaState, x []float32, n int) []float32 {
	out := layer.Grow(&s.logits, n*l.classify.Out)
	l.classify.Apply(out, x, n, &s.Scratch)
	return out
}

// OpenLanguageModel opens the language model in a directory. As with [Open], layers are read when they are first used.
func OpenLanguageModel(dir string, o *Options) (*LanguageModel, error) {
	var opt Options
	if o != nil {
		opt = *o
	}
	if opt.Threads <= 0 {
		opt.Threads = runtime.GOMAXPROCS(0)
	}
	files, err := openDir(dir, &opt)
	if err != nil {
		return nil, err
	}
	m := &LanguageModel{opened: files, threads: opt.Threads}
	switch {
	case files.manifest.Architecture != Llama:
		err = fmt.Errorf("%w: a model of architecture %q is no language model", ErrManifest, files.manifest.Architecture)
	default:
		if m.net, err = newLlama(files.params, files.manifest); err == nil {
			err = m.fits(m.net.embed.Rows)
		}
	}
	if err != nil {
		files.params.Close()
		return nil, fmt.Errorf("model %q in %s: %w", files.manifest.Name, dir, err)
	}
	m.states.New = func() any { return m.net.newState() }
	return m, nil
}

// Name is the name that the model was installed under.
func (m *LanguageModel) Name() string { return m.manifest.Name }

// Manifest describes the model.
func (m *LanguageModel) Manifest() Manifest { return *m.manifest }

// Params are the parameters that the model runs on, for calibration. They belong to the model.
func (m *LanguageModel) Params() *layer.Params { return m.params }

// Tokenizer is the tokenizer of the model.
func (m *LanguageModel) Tokenizer() token.Tokenizer { return m.tokens }

// use runs do while the model is open.
func (m *LanguageModel) use(do func() error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return fmt.Errorf("%w: %q", ErrClosed, m.manifest.Name)
	}
	if err := do(); err != nil {
		return fmt.Errorf("model %q: %w", m.manifest.Name, err)
	}
	return nil
}

// Close waits for the calls under way and closes the weight file. Closing twice is fine.
func (m *LanguageModel) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	return m.params.Close()
}

// ErrNoTokens says that texts have no token that could be predicted.
var ErrNoTokens = errors.New("model: no tokens to predict")

// PerplexityOptions set how texts are read. The zero value is the default.
type PerplexityOptions struct {
	// Window is how many tokens the model sees at once, at most the model's max_tokens, which is the default. A text that
	// is longer is read in windows that overlap by half, so that every token but those at the beginning is predicted
	// from half a window at least.
	Window int
	// Progress is told, after each text, how many of how many are done. Calls do not overlap. Default none.
	Progress func(done, total int)
}

// Perplexity is how well a model predicts texts.
type Perplexity struct {
	Tokens     int     // that were predicted: all but the first of each text
	Loss       float64 // mean of -ln p of a token
	Perplexity float64 // e to the Loss; 1 is certainty
}

// Perplexity reads texts, each by itself with the special tokens that the tokenizer puts round it, and says how well the
// model predicts their tokens. The result does not depend on the number of threads. Texts without a token to predict give
// ErrNoTokens.
func (m *LanguageModel) Perplexity(ctx context.Context, texts []string, o *PerplexityOptions) (Perplexity, error) {
	ids := make([][]int32, len(texts))
	for i, t := range texts {
		if ctx.Err() != nil {
			return Perplexity{}, ctx.Err()
		}
		ids[i] = m.tokens.Encode(t, math.MaxInt)
	}
	return m.PerplexityTokens(ctx, ids, o)
}

// PerplexityTokens is Perplexity for texts given as token ids.
func (m *LanguageModel) PerplexityTokens(ctx context.Context, texts [][]int32, o *PerplexityOptions) (Perplexity, error) {
	var opt PerplexityOptions
	if o != nil {
		opt = *o
	}
	if opt.Window <= 0 || opt.Window > m.manifest.MaxTokens {
		opt.Window = m.manifest.MaxTokens
	}
	for _, text := range texts {
		for _, id := range text {
			if id < 0 || int(id) >= m.net.classify.Out {
				return Perplexity{}, fmt.Errorf("model %q: token %d of a vocabulary of %d", m.manifest.Name, id, m.net.classify.Out)
			}
		}
	}
	var p Perplexity
	losses := make([]float64, len(texts))
	err := m.use(func() error { return m.losses(ctx, texts, losses, &opt) })
	if err != nil {
		return Perplexity{}, err
	}
	for i, l := range losses {
		p.Loss += l
		p.Tokens += max(len(texts[i])-1, 0)
	}
	if p.Tokens == 0 {
		return Perplexity{}, fmt.Errorf("%w in %d texts", ErrNoTokens, len(texts))
	}
	p.Loss /= float64(p.Tokens)
	p.Perplexity = math.Exp(p.Loss)
	return p, nil
}

// losses writes the loss of each text, threads of them at the same time.
func (m *LanguageModel) losses(ctx context.Context, texts [][]int32, losses []float64, opt *PerplexityOptions) error {
	var mu sync.Mutex
	var failed error
	next, done := 0, 0
	var wg sync.WaitGroup
	for range max(min(m.threads, len(texts)), 1) {
		wg.Go(func() {
			s := m.states.Get().(*llamaState)
			defer m.states.Put(s)
			for {
				mu.Lock()
				i := next
				next++
				stop := i >= len(texts) || failed != nil
				mu.Unlock()
				if stop {
					return
				}
				loss, err := m.net.loss(ctx, s, texts[i], opt.Window)
				mu.Lock()
				losses[i] = loss
				done++
				if err != nil && failed == nil {
					failed = err
				}
				if opt.Progress != nil && failed == nil {
					opt.Progress(done, len(texts))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

// readTokens is how many tokens go through the layers together.
const readTokens = 64

// loss sums -ln p over the tokens of a text but the first. Row i of what is read predicts token i+1.
func (l *llama) loss(ctx context.Context, s *llamaState, ids []int32, window int) (float64, error) {
	sum := 0.0
	for from, done := 0, 0; done < len(ids)-1; from = done - window/2 {
		end := min(from+window, len(ids)-1)
		for at := from; at < end; at += readTokens {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			to := min(at+readTokens, end)
			x := l.read(s, ids[at:to], at-from)
			if first := max(at, done); first < to { // an earlier window has predicted from the rows before
				scores := l.scores(s, x[(first-at)*l.width:], to-first)
				for t := first; t < to; t++ {
					sum += surprise(scores[(t-first)*l.classify.Out:(t-first+1)*l.classify.Out], ids[t+1])
				}
			}
			if err := s.Err(); err != nil {
				return 0, err
			}
		}
		done = end
	}
	return sum, nil
}

// surprise is -ln of the probability that scores give to a token.
func surprise(scores []float32, id int32) float64 {
	top := scores[0]
	for _, v := range scores {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range scores {
		sum += math.Exp(float64(v - top))
	}
	return math.Log(sum) - float64(scores[id]-top)
}

// GenerateOptions set how a text is gone on with. The zero value takes the likeliest token each time.
type GenerateOptions struct {
	MaxTokens   int     // how many tokens at most; default, and at most, what the model's max_tokens leaves
	Temperature float64 // scores are divided by it before a token is drawn by its probability; 0 takes the likeliest
	TopK        int     // a token is drawn among so many of the likeliest; 0 means among all
	Seed        uint64  // of the draws: equal seeds give equal texts
}

// Generate goes on with a text and returns what comes after it, until an end token, MaxTokens, or as many tokens as the
// model can see. A prompt that fills max_tokens is an error.
func (m *LanguageModel) Generate(ctx context.Context, prompt string, o *GenerateOptions) (string, error) {
	var opt GenerateOptions
	if o != nil {
		opt = *o
	}
	ids := m.tokens.Encode(prompt, math.MaxInt)
	if len(ids) == 0 || len(ids) >= m.manifest.MaxTokens {
		return "", fmt.Errorf("model %q: a prompt of %d tokens, of 1 to %d", m.manifest.Name, len(ids), m.manifest.MaxTokens-1)
	}
	begin := len(ids)
	if room := m.manifest.MaxTokens - begin; opt.MaxTokens <= 0 || opt.MaxTokens > room {
		opt.MaxTokens = room
	}
	err := m.use(func() error {
		s := m.states.Get().(*llamaState)
		defer m.states.Put(s)
		var err error
		ids, err = m.net.generate(ctx, s, ids, &opt)
		return err
	})
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(m.tokens.Decode(ids), m.tokens.Decode(ids[:begin])), nil
}

// generate appends tokens to ids.
func (l *llama) generate(ctx context.Context, s *llamaState, ids []int32, opt *GenerateOptions) ([]int32, error) {
	random := rand.New(rand.NewPCG(opt.Seed, 0))
	read := 0
	for range opt.MaxTokens {
		var x []float32
		for read < len(ids) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			n := min(readTokens, len(ids)-read)
			x = l.read(s, ids[read:read+n], read)
			x = x[(n-1)*l.width:]
			read += n
		}
		scores := l.scores(s, x, 1)
		if err := s.Err(); err != nil {
			return nil, err
		}
		id := choose(scores, opt, random)
		for _, end := range l.cfg.EndTokens {
			if id == end {
				return ids, nil
			}
		}
		ids = append(ids, id)
	}
	return ids, nil
}
