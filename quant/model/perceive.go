package model

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"engram/quant/model/layer"
	"engram/quant/model/media"
)

// mediaNet is the network of a model for pictures or sounds.
type mediaNet interface {
	// run decodes the bytes and computes the vector, not yet of length one, and, where scores is not nil, the scores of all
	// classes.
	run(ctx context.Context, s *mediaScratch, b []byte, l *media.Limits, feature, scores []float32) error
	// check computes both for a made-up input.
	check(ctx context.Context, s *mediaScratch, feature, scores []float32) error
	classes() int
}

// mediaNets makes the network of each architecture.
var mediaNets = map[string]func(p *layer.Params, m *Manifest) (mediaNet, error){
	MobileNetV1: newMobileNet, MobileNetV2: newMobileNet, YAMNet: newYAMNet, SpeechEmbedding: newSpeech,
}

// perceiver is what models of pictures and of sounds have in common.
type perceiver struct {
	manifest *Manifest
	net      mediaNet
	params   *layer.Params
	labels   []string
	threads  int
	limits   *media.Limits
	scratch  sync.Pool // of *mediaScratch

	mu     sync.RWMutex // held for reading while the weights are used
	closed bool
}

// openPerceiver opens the model in a directory, whose manifest has been read.
func openPerceiver(dir string, m *Manifest, o *Options) (*perceiver, error) {
	var opt Options
	if o != nil {
		opt = *o
	}
	if opt.Threads <= 0 {
		opt.Threads = runtime.GOMAXPROCS(0)
	}
	p, err := layer.Open(filepath.Join(dir, m.Weights.File), &layer.Options{Budget: opt.Budget, Logger: opt.Logger})
	if err != nil {
		return nil, fmt.Errorf("model %q: %w", m.Name, err)
	}
	e := &perceiver{manifest: m, params: p, threads: opt.Threads, limits: opt.Limits}
	e.scratch.New = func() any { return new(mediaScratch) }
	if e.net, err = mediaNets[m.Architecture](p, m); err == nil {
		e.labels, err = readLabels(dir, m, e.net.classes())
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("model %q in %s: %w", m.Name, dir, err)
	}
	return e, nil
}

// Name is the name that the model was installed under.
func (e *perceiver) Name() string { return e.manifest.Name }

// Dim is the number of elements of a vector.
func (e *perceiver) Dim() int { return e.manifest.Dim }

// Manifest describes the model.
func (e *perceiver) Manifest() Manifest { return *e.manifest }

// Params are the parameters that the model runs on, for calibration. They belong to the model.
func (e *perceiver) Params() *layer.Params { return e.params }

// encode gives a vector of length one for every input. The first input that has none, in order, makes the error.
func (e *perceiver) encode(ctx context.Context, what string, inputs [][]byte) ([][]float32, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return nil, fmt.Errorf("%w: %q", ErrClosed, e.manifest.Name)
	}
	out, errs := make([][]float32, len(inputs)), make([]error, len(inputs))
	var next atomic.Int64
	var failed atomic.Bool
	work := func() {
		s := e.scratch.Get().(*mediaScratch)
		defer e.scratch.Put(s)
		for ctx.Err() == nil && !failed.Load() {
			i := int(next.Add(1)) - 1
			if i >= len(inputs) {
				return
			}
			out[i] = make([]float32, e.manifest.Dim)
			if errs[i] = e.net.run(ctx, s, inputs[i], e.limits, out[i], nil); errs[i] != nil {
				failed.Store(true)
			}
			layer.Unit(out[i], unitEpsilon)
		}
	}
	var wg sync.WaitGroup
	for range min(e.threads, len(inputs)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("%s %d of %d: %w", what, i+1, len(inputs), err)
		}
	}
	return out, nil
}

// unitEpsilon is the least squared length that a vector is divided by: one of zeros stays so.
const unitEpsilon = 1e-12

// Class is one of the classes that a model was trained to tell apart.
type Class struct {
	ID    int     // its number in the model
	Label string  // its name, empty where the model came without names
	Score float32 // 0 to 1
}

// classify gives the k classes with the highest scores, the highest first.
func (e *perceiver) classify(ctx context.Context, b []byte, k int) ([]Class, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	n := e.net.classes()
	switch {
	case e.closed:
		return nil, fmt.Errorf("%w: %q", ErrClosed, e.manifest.Name)
	case n == 0:
		return nil, fmt.Errorf("%w: %q tells no classes apart", ErrKind, e.manifest.Name)
	}
	s := e.scratch.Get().(*mediaScratch)
	defer e.scratch.Put(s)
	scores := make([]float32, n)
	if err := e.net.run(ctx, s, b, e.limits, make([]float32, e.manifest.Dim), scores); err != nil {
		return nil, err
	}
	out := make([]Class, n)
	for i, v := range scores {
		out[i] = Class{ID: i, Score: v}
		if e.labels != nil {
			out[i].Label = e.labels[i]
		}
	}
	slices.SortStableFunc(out, func(a, b Class) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	return out[:max(min(k, n), 0)], nil
}

// verify reads every tensor and runs the model once.
func (e *perceiver) verify(ctx context.Context) error {
	if err := e.params.File().Verify(); err != nil {
		return err
	}
	return e.net.check(ctx, new(mediaScratch), make([]float32, e.manifest.Dim), make([]float32, e.net.classes()))
}

// Close waits for the calls under way and closes the weight file. Closing twice is fine.
func (e *perceiver) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	return e.params.Close()
}

// ImageEncoder turns pictures into vectors. Its methods may be called concurrently.
type ImageEncoder struct{ *perceiver }

// EncodeImages returns a vector of length one, of Dim elements, for every picture, in order. A picture is the bytes of a PNG,
// JPEG, GIF, BMP or WebP file; its middle square is looked at (see package media). The vectors are the caller's, and that of a
// picture does not depend, to the last bit, on the pictures beside it or on the number of threads.
//
// A picture that cannot be decoded is an error that says which and why (media.ErrFormat, ErrDecode, ErrTooLarge).
func (e *ImageEncoder) EncodeImages(ctx context.Context, pictures [][]byte) ([][]float32, error) {
	return e.encode(ctx, "picture", pictures)
}

// Classify returns the k classes that a picture most likely shows, the likeliest first. The scores of all classes add up to 1.
func (e *ImageEncoder) Classify(ctx context.Context, picture []byte, k int) ([]Class, error) {
	return e.classify(ctx, picture, k)
}

// AudioEncoder turns sounds into vectors. Its methods may be called concurrently.
type AudioEncoder struct{ *perceiver }

// EncodeAudio returns a vector of length one, of Dim elements, for every sound, in order. A sound is the bytes of a WAV or FLAC
// file of any rate and number of channels; all of it counts. The vectors are the caller's, and that of a sound does not depend,
// to the last bit, on the sounds beside it or on the number of threads.
//
// A sound that cannot be decoded is an error that says which and why (media.ErrFormat, ErrDecode, ErrTooLarge).
func (e *AudioEncoder) EncodeAudio(ctx context.Context, sounds [][]byte) ([][]float32, error) {
	return e.encode(ctx, "sound", sounds)
}

// Classify returns the k classes that are heard most in a sound, the highest score first. Every class has a score of its own
// from 0 to 1: several may be heard at once. ErrKind says that the model has no classes.
func (e *AudioEncoder) Classify(ctx context.Context, sound []byte, k int) ([]Class, error) {
	return e.classify(ctx, sound, k)
}

// OpenImages opens the model for pictures in a directory. ErrKind says that it is for something else.
func OpenImages(dir string, o *Options) (*ImageEncoder, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	return openImages(dir, m, o)
}

func openImages(dir string, m *Manifest, o *Options) (*ImageEncoder, error) {
	if err := m.of(KindImage); err != nil {
		return nil, err
	}
	e, err := openPerceiver(dir, m, o)
	if err != nil {
		return nil, err
	}
	return &ImageEncoder{e}, nil
}

// OpenAudio opens the model for sounds in a directory. ErrKind says that it is for something else.
func OpenAudio(dir string, o *Options) (*AudioEncoder, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	return openAudio(dir, m, o)
}

func openAudio(dir string, m *Manifest, o *Options) (*AudioEncoder, error) {
	if err := m.of(KindAudio); err != nil {
		return nil, err
	}
	e, err := openPerceiver(dir, m, o)
	if err != nil {
		return nil, err
	}
	return &AudioEncoder{e}, nil
}

// mediaRules are those of every model for pictures or sounds.
func mediaRules(m *Manifest) []rule {
	c, picture := m.Config, m.Kind() == KindImage
	return []rule{
		{m.Labels != nil && !plainName(m.Labels.File), "labels.file must be the name of a file beside model.json"},
		{picture && (c.ImageSize < 32 || c.ImageSize > 1024), "config.image_size is out of range"},
		{picture && !(c.PixelScale > 0 && c.PixelScale <= 1), "config.pixel_scale is out of range"},
		{picture && !(math.Abs(c.PixelOffset) <= 255), "config.pixel_offset is out of range"},
	}
}
