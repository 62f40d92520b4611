package model

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"engram/quant/model/layer"
	"engram/quant/model/media"
	"engram/quant/model/token"
)

// Options set how a model is opened and run. The zero value is the default.
type Options struct {
	Threads int          // texts encoded at the same time by one call of Encode; 0 means GOMAXPROCS
	Budget  int64        // bytes of weights kept in memory, see layer.Options; 0 means all
	Logger  *slog.Logger // nil means slog.Default

	// Limits bound the pictures and sounds that are decoded; nil means those of package media.
	Limits *media.Limits
}

// Encoder turns texts into vectors. Its methods may be called concurrently.
type Encoder struct {
	opened
	net     textNet
	threads int
	scratch sync.Pool // of *scratch

	mu     sync.RWMutex // held for reading while the weights are used
	closed bool
}

// textNet is a network that makes vectors of texts.
type textNet interface {
	// run computes the vectors of texts given as token ids: ids holds all texts one after the other, ends where each ends.
	// No text has more than max_tokens. The vectors, of length one, go to out, dim numbers a text.
	run(s *scratch, ids []int32, ends []int, out []float32)
	vocabulary() int // ids are below it
}

// opened is what every model of text has.
type opened struct {
	manifest *Manifest
	tokens   token.Tokenizer
	params   *layer.Params
}

// openDir opens the files of a model directory.
func openDir(dir string, o *Options) (opened, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return opened{}, err
	}
	if err := m.of(KindText, KindLanguage); err != nil {
		return opened{}, err
	}
	tokens, err := openTokenizer(dir, m)
	if err != nil {
		return opened{}, err
	}
	p, err := layer.Open(filepath.Join(dir, m.Weights.File), &layer.Options{Budget: o.Budget, Logger: o.Logger})
	if err != nil {
		return opened{}, fmt.Errorf("model %q: %w", m.Name, err)
	}
	return opened{m, tokens, p}, nil
}

// fits compares the rows of a network's table with the ids that the tokenizer may give.
func (m *opened) fits(rows int) error {
	if n := m.tokens.Size(); rows < n {
		return fmt.Errorf("%w: %d embeddings for a vocabulary of %d", ErrManifest, rows, n)
	}
	return nil
}

// chunkTokens is about how many tokens go through the layers together: enough to use each block of weights many times
// while it is in the cache, few enough to keep the activations there too.
const chunkTokens = 256

// Open opens the model in a directory. It checks that the tensors are there and have the right shapes; the numbers of a
// layer are read, and its checksum compared, when it is first used. ErrKind says that the model is for pictures or sounds.
func Open(dir string, o *Options) (*Encoder, error) {
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
	e := &Encoder{opened: files, threads: opt.Threads}
	e.scratch.New = func() any { return new(scratch) }
	if e.net, err = newTextNet(files.params, files.manifest); err == nil {
		err = e.fits(e.net.vocabulary())
	}
	if err != nil {
		files.params.Close()
		return nil, fmt.Errorf("model %q in %s: %w", files.manifest.Name, dir, err)
	}
	return e, nil
}

func newTextNet(p *layer.Params, m *Manifest) (textNet, error) {
	switch m.Architecture {
	case UseLite:
		return newUseLite(p, m)
	case BERT:
		return newBERT(p, m)
	}
	return nil, fmt.Errorf("%w: a model of architecture %q makes no vectors of text", ErrManifest, m.Architecture)
}

// unigramKind is the kind of tokenizer that use-lite has.
const unigramKind = "unigram"

// tokenizers are the kinds of tokenizers known, by the file that describes them.
var tokenizers = map[string]func(b []byte, t *Tokenizer) (token.Tokenizer, error){
	unigramKind:      func(b []byte, t *Tokenizer) (token.Tokenizer, error) { return token.NewUnigram(b, t.Reserved) },
	"tokenizer.json": func(b []byte, _ *Tokenizer) (token.Tokenizer, error) { return token.ReadJSON(b) },
	"wordpiece": func(b []byte, t *Tokenizer) (token.Tokenizer, error) {
		return token.NewBERT(b, &token.BERTOptions{KeepCase: t.KeepCase})
	},
	"llama2.c": func(b []byte, _ *Tokenizer) (token.Tokenizer, error) { return token.ReadLlama2C(b) },
}

func openTokenizer(dir string, m *Manifest) (token.Tokenizer, error) {
	path := filepath.Join(dir, m.Tokenizer.File)
	b, err := readBounded(path, token.MaxBytes)
	if err != nil {
		return nil, err
	}
	if sum := bytesSHA256(b); m.Tokenizer.SHA256 != "" && sum != m.Tokenizer.SHA256 {
		return nil, fmt.Errorf("%w: %s has SHA-256 %s, %s says %s", ErrManifest, path, sum, ManifestFile, m.Tokenizer.SHA256)
	}
	t, err := tokenizers[m.Tokenizer.Kind](b, &m.Tokenizer)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrManifest, path, err)
	}
	return t, nil
}

// Verify checks a model directory to the last byte: the SHA-256 of its files, the checksum and shape of every tensor,
// and that the model runs.
func Verify(ctx context.Context, dir string) error {
	m, err := ReadManifest(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, m.Weights.File)
	sum, err := fileSHA256(path)
	if err != nil {
		return err
	}
	if sum != m.Weights.SHA256 {
		return fmt.Errorf("%w: %s has SHA-256 %s, %s says %s", ErrManifest, path, sum, ManifestFile, m.Weights.SHA256)
	}
	if mediaNets[m.Architecture] != nil {
		e, err := openPerceiver(dir, m, nil)
		if err != nil {
			return err
		}
		defer e.Close()
		return e.verify(ctx)
	}
	if m.Architecture == Llama {
		l, err := OpenLanguageModel(dir, nil)
		if err != nil {
			return err
		}
		defer l.Close()
		if err := l.params.File().Verify(); err != nil {
			return err
		}
		_, err = l.PerplexityTokens(ctx, [][]int32{{0, 0}}, nil)
		return err
	}
	e, err := Open(dir, nil)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.params.File().Verify(); err != nil {
		return err
	}
	_, err = e.Encode(ctx, []string{"", "model"})
	return err
}

// Name is the name that the model was installed under.
func (e *Encoder) Name() string { return e.manifest.Name }

// Dim is the number of elements of a vector.
func (e *Encoder) Dim() int { return e.manifest.Dim }

// Manifest describes the model.
func (e *Encoder) Manifest() Manifest { return *e.manifest }

// Tokens returns the ids that Encode would use for a text, special ones included.
func (e *Encoder) Tokens(text string) []int32 {
	return e.tokens.Encode(e.manifest.Config.TextPrefix+text, e.manifest.MaxTokens)
}

// Encode returns a vector of length one, of Dim elements, for every text, in order. The vectors are the caller's.
//
// Only the first MaxTokens tokens of a text count (128 for use-lite, as in the published graph). Bytes that are not
// UTF-8 count as unknown symbols. Empty text has a vector too, the same always. The vector of a text does not depend, to
// the last bit, on the texts beside it or on the number of threads.
//
// The context is looked at about every 256 tokens; after it is done Encode returns its error.
//
// Models that were trained with a prefix for texts that are stored and another for queries, such as e5, have both in their
// manifest: Encode puts text_prefix in front of every text, [Encoder.EncodeQueries] query_prefix.
func (e *Encoder) Encode(ctx context.Context, texts []string) ([][]float32, error) {
	return e.encode(ctx, e.manifest.Config.TextPrefix, texts)
}

// EncodeQueries is Encode for texts that others are searched by.
func (e *Encoder) EncodeQueries(ctx context.Context, texts []string) ([][]float32, error) {
	return e.encode(ctx, e.manifest.Config.QueryPrefix, texts)
}

func (e *Encoder) encode(ctx context.Context, prefix string, texts []string) ([][]float32, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return nil, fmt.Errorf("%w: %q", ErrClosed, e.manifest.Name)
	}
	out := make([][]float32, len(texts))
	chunks := e.cut(texts)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	work := func() {
		s := e.scratch.Get().(*scratch)
		defer e.scratch.Put(s)
		for ctx.Err() == nil && failed.Load() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(chunks)-1 {
				return
			}
			if err := e.encodeChunk(s, prefix, texts[chunks[i]:chunks[i+1]], out[chunks[i]:chunks[i+1]]); err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		}
	}
	var wg sync.WaitGroup
	for range min(e.threads, len(chunks)-1) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := failed.Load(); err != nil {
		return nil, fmt.Errorf("model %q: %w", e.manifest.Name, *err)
	}
	return out, nil
}

// cut divides texts into chunks of about chunkTokens tokens, guessed at four bytes a token, and returns where each begins
// and where the last ends.
func (e *Encoder) cut(texts []string) []int {
	cuts, guess := []int{0}, 0
	for i, t := range texts {
		n := min(len(t)/4+1, e.manifest.MaxTokens)
		if guess+n > chunkTokens && i > cuts[len(cuts)-1] {
			cuts, guess = append(cuts, i), 0
		}
		guess += n
	}
	if len(texts) > 0 {
		cuts = append(cuts, len(texts))
	}
	return cuts
}

func (e *Encoder) encodeChunk(s *scratch, prefix string, texts []string, out [][]float32) error {
	var ids []int32
	ends := make([]int, len(texts))
	for i, t := range texts {
		ids = append(ids, e.tokens.Encode(prefix+t, e.manifest.MaxTokens)...)
		ends[i] = len(ids)
	}
	dim := e.manifest.Dim
	flat := layer.Grow(&s.out, len(texts)*dim)
	e.net.run(s, ids, ends, flat)
	if err := s.Err(); err != nil {
		return err
	}
	for i := range texts {
		out[i] = append(make([]float32, 0, dim), flat[i*dim:(i+1)*dim]...)
	}
	return nil
}

// Close waits for the calls under way and closes the weight file. Closing twice is fine.
func (e *Encoder) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	return e.params.Close()
}
