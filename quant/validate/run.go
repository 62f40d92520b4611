package validate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"engram/quant/model"
	"engram/quant/model/layer"
)

// ErrModels says that two models cannot be compared: they are of different kinds or give vectors of different lengths.
var ErrModels = errors.New("validate: the models cannot be compared")

// ErrRejected says that a model did not pass. Its text says why.
var ErrRejected = errors.New("the model is rejected, nothing was installed")

// Accept judges models made from reference before they are installed: see quantize.Options.Accept. The report of one that passes is kept
// in its directory. done, if not nil, is shown every report, also that of one that is rejected, which is ErrRejected.
func Accept(ctx context.Context, reference string, o *Options, done func(*Report)) func(dir string) error {
	return func(dir string) error {
		r, err := Run(ctx, reference, dir, o)
		if err != nil {
			return err
		}
		if done != nil {
			done(r)
		}
		if !r.Passed {
			return fmt.Errorf("%w: %s", ErrRejected, r.Reason)
		}
		return r.Save(dir)
	}
}

// Defaults of the thresholds.
const (
	Cosine     = 0.95 // least mean cosine
	CosineInt8 = 0.99 // and of a model whose type is int8
	Rise       = 0.15 // greatest rise of the perplexity without a warning
)

// Options say what Run does. The zero value is the default.
type Options struct {
	// Texts are what the models are compared on: some hundreds of real ones, not those that calibrated the model. Default Texts.
	Texts []string
	// Cosine is the least mean cosine that passes; default CosineInt8 for int8, else Cosine.
	Cosine float64
	// Perplexity is the greatest rise without a warning, as a share; default Rise.
	Perplexity float64
	Threads    int // texts at work at the same time; 0 means GOMAXPROCS
	// Progress is told how many texts of how many are done, by one goroutine at a time. Default none.
	Progress func(done, total int)
}

// layerTexts is how many texts the layers are compared on.
const layerTexts = 32

// Run compares the model in one directory with the reference in another. A model that fails is no error: see Report.Passed.
// Errors are ErrModels, those of opening and running the models, and that of ctx.
func Run(ctx context.Context, reference, candidate string, o *Options) (*Report, error) {
	if o == nil {
		o = &Options{}
	}
	before, err := model.ReadManifest(reference)
	if err != nil {
		return nil, err
	}
	after, err := model.ReadManifest(candidate)
	if err != nil {
		return nil, err
	}
	if before.Architecture != after.Architecture {
		return nil, fmt.Errorf("%w: %s is a %s, %s a %s", ErrModels, before.Name, before.Architecture, after.Name, after.Architecture)
	}
	start := time.Now()
	r := &Report{Model: after.Name, Reference: before.Name, Kind: "encoder", Time: start.UTC().Truncate(time.Second), Texts: len(o.Texts)}
	if after.Quantization != nil {
		r.Type = after.Quantization.Type
	}
	texts := o.Texts
	if len(texts) == 0 {
		texts, r.BuiltIn = Texts(), true
		r.Texts = len(texts)
	}
	run := &run{Report: r, o: o, texts: texts}
	if after.Architecture == model.Llama {
		r.Kind = "language model"
		err = run.languageModels(ctx, reference, candidate)
	} else {
		err = run.encoders(ctx, reference, candidate)
	}
	if err != nil {
		return nil, err
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

type run struct {
	*Report
	o     *Options
	texts []string
}

func (r *run) options() *model.Options { return &model.Options{Threads: r.o.Threads} }

func (r *run) encoders(ctx context.Context, reference, candidate string) error {
	a, err := model.Open(reference, r.options())
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := model.Open(candidate, r.options())
	if err != nil {
		return err
	}
	defer b.Close()
	if a.Dim() != b.Dim() {
		return fmt.Errorf("%w: vectors of %d and of %d elements", ErrModels, a.Dim(), b.Dim())
	}
	var vectors [2][][]float32
	const block = 64
	for from := 0; from < len(r.texts); from += block {
		part := r.texts[from:min(from+block, len(r.texts))]
		for i, e := range []*model.Encoder{a, b} {
			v, err := e.Encode(ctx, part)
			if err != nil {
				return err
			}
			vectors[i] = append(vectors[i], v...)
		}
		if r.o.Progress != nil {
			r.o.Progress(from+len(part), len(r.texts))
		}
	}
	r.Likeness = compare(r.texts, vectors[0], vectors[1])
	r.judge()
	encode := func(e *model.Encoder) func(string) error {
		return func(text string) error { _, err := e.Encode(ctx, []string{text}); return err }
	}
	return r.layers(a.Params(), b.Params(), encode(a), encode(b))
}

// judge decides by the cosine.
func (r *run) judge() {
	l := r.Likeness
	l.Threshold = r.o.Cosine
	if l.Threshold == 0 {
		l.Threshold = Cosine
		if r.Type == "int8" {
			l.Threshold = CosineInt8
		}
	}
	r.Passed = l.Mean >= l.Threshold
	if !r.Passed {
		r.Reason = fmt.Sprintf("the mean cosine is %.4f, at least %.4f is asked for", l.Mean, l.Threshold)
	}
	if l.Min < 0.8*l.Threshold {
		r.Warnings = append(r.Warnings, fmt.Sprintf("a text has a cosine of %.4f: %q", l.Min, cut(l.Worst, 80)))
	}
}

func (r *run) languageModels(ctx context.Context, reference, candidate string) error {
	a, err := model.OpenLanguageModel(reference, r.options())
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := model.OpenLanguageModel(candidate, r.options())
	if err != nil {
		return err
	}
	defer b.Close()
	tell := func(first int) *model.PerplexityOptions {
		if r.o.Progress == nil {
			return nil
		}
		return &model.PerplexityOptions{Progress: func(done, total int) { r.o.Progress(first*total+done, 2*total) }}
	}
	before, err := a.Perplexity(ctx, r.texts, tell(0))
	if err != nil {
		return err
	}
	after, err := b.Perplexity(ctx, r.texts, tell(1))
	if err != nil {
		return err
	}
	p := &Prediction{Threshold: r.o.Perplexity, Tokens: after.Tokens, Perplexity: after.Perplexity, Before: before.Perplexity}
	if p.Threshold == 0 {
		p.Threshold = Rise
	}
	p.Rise = p.Perplexity/p.Before - 1
	r.Prediction = p
	// Without numbers there is no model; beyond that a perplexity warns.
	r.Passed = !math.IsNaN(p.Rise) && !math.IsInf(p.Rise, 0)
	if !r.Passed {
		r.Reason = "the perplexity is not a finite number"
		p.Rise, p.Perplexity = 0, 0 // JSON has no others
	} else if p.Rise > p.Threshold {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the perplexity rises by %.1f %%, more than %.1f %%", 100*p.Rise, 100*p.Threshold))
	}
	read := func(m *model.LanguageModel) func(string) error {
		return func(text string) error {
			_, err := m.Perplexity(ctx, []string{text}, nil)
			if errors.Is(err, model.ErrNoTokens) {
				return nil
			}
			return err
		}
	}
	return r.layers(a.Params(), b.Params(), read(a), read(b))
}

// layers compares what reaches each layer, a text at a time: the calls for one text come in one order.
func (r *run) layers(a, b *layer.Params, runA, runB func(text string) error) error {
	type sums struct{ difference, reference float64 }
	errs := map[string]*sums{}
	var names []string
	var inputs []input
	defer a.Observe(nil)
	defer b.Observe(nil)
	for _, text := range r.texts[:min(layerTexts, len(r.texts))] {
		inputs = inputs[:0]
		a.Observe(func(name string, x []float32, _ int) { inputs = append(inputs, input{name, slices.Clone(x)}) })
		if err := runA(text); err != nil {
			return err
		}
		next := 0
		b.Observe(func(name string, x []float32, _ int) {
			if next >= len(inputs) || inputs[next].name != name || len(inputs[next].x) != len(x) {
				next = len(inputs) // another network: what follows cannot be matched
				return
			}
			s := errs[name]
			if s == nil {
				s = new(sums)
				errs[name] = s
				names = append(names, name)
			}
			for i, y := range inputs[next].x {
				d := float64(y - x[i])
				s.difference += d * d
				s.reference += float64(y) * float64(y)
			}
			next++
		})
		if err := runB(text); err != nil {
			return err
		}
	}
	for _, name := range names {
		e := 0.0
		if s := errs[name]; s.difference > 0 {
			e = math.Sqrt(s.difference / max(s.reference, math.SmallestNonzeroFloat64))
		}
		if !(e <= math.MaxFloat64) {
			e = math.MaxFloat64 // JSON has no NaN
		}
		r.Layers = append(r.Layers, LayerError{name, e})
	}
	return nil
}

// input is what reached a layer.
type input struct {
	name string
	x    []float32
}
