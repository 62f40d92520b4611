package layer

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"engram/quant"
	"engram/quant/weights"
)

// Options set how a weight file is opened and how much of it is kept. The zero value is the default.
type Options struct {
	// Budget is how many bytes of weights are kept in memory, by what Resident counts; 0 is no bound. Beyond it the
	// layers that were used longest ago are given up, and read again when they are next used. The layer in use counts
	// too but is never given up, so a budget smaller than the largest layer is exceeded by it.
	Budget int64
	Logger *slog.Logger // nil means slog.Default
}

// ErrClosed says that the parameters have been closed.
var ErrClosed = errors.New("layer: closed")

// Params are the parameters of a network: the tensors of one weight file, each read when it is first used. Methods may be
// called concurrently, and so may those of the layers that it hands out; only Close ends them all.
type Params struct {
	file   *weights.File
	budget int64
	log    *slog.Logger

	clock    atomic.Int64 // counts uses, to tell which was longest ago
	resident atomic.Int64
	observer atomic.Pointer[func(string, []float32, int)]

	using  sync.RWMutex // held for reading while the file's memory is used
	closed bool         // under using

	mu       sync.Mutex // guards the fields below
	tensors  map[key]*tensor
	replaced map[string]*quant.Quantized
}

// key is a tensor in one of the forms that it is used in.
type key struct {
	name string
	rows bool // gathered by row, not multiplied
}

// Open opens a weight file of either version. Only what describes the tensors is read.
func Open(path string, o *Options) (*Params, error) {
	var opt Options
	if o != nil {
		opt = *o
	}
	f, err := weights.Open(path, &weights.Options{Logger: opt.Logger})
	if err != nil {
		return nil, err
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	return &Params{file: f, budget: opt.Budget, log: opt.Logger, tensors: map[key]*tensor{}, replaced: map[string]*quant.Quantized{}}, nil
}

// File is the weight file behind the parameters, for its description and for Verify. It belongs to p.
func (p *Params) File() *weights.File { return p.file }

// Has says whether the file has a tensor of that name.
func (p *Params) Has(name string) bool {
	_, ok := p.file.Layer(name)
	return ok
}

// shape finds a tensor and compares its shape with what is needed, where -1 takes any size from 1 on.
func (p *Params) shape(name string, want []int) ([]int, error) {
	l, ok := p.file.Layer(name)
	if !ok {
		return nil, fmt.Errorf("%w: %q in %s", weights.ErrNoLayer, name, p.file.Path())
	}
	fits := len(l.Shape) == len(want)
	for i := 0; fits && i < len(want); i++ {
		fits = l.Shape[i] == want[i] || (want[i] == -1 && l.Shape[i] > 0)
	}
	if !fits {
		return nil, fmt.Errorf("%w: layer %q in %s is %v, the model needs %v", weights.ErrShape, name, p.file.Path(), l.Shape, want)
	}
	return l.Shape, nil
}

// Float32 returns the values of a small tensor, such as a norm or a bias, dequantized where the file has codes. -1 in
// shape takes any size. The slice must not be changed and lasts until Close.
func (p *Params) Float32(name string, shape ...int) ([]float32, error) {
	have, err := p.shape(name, shape)
	if err != nil {
		return nil, err
	}
	v, _, err := p.file.Float32(name, have...)
	return v, err
}

// Observe calls f with the inputs of every Linear before its product, for calibration: the tensor's name, such as
// "layers.0.ffn.up.weight", and rows rows of x. f must not keep or change x, and is called by as many goroutines at once
// as run the network. nil stops it; calls under way may still end after Observe has returned.
func (p *Params) Observe(f func(tensor string, x []float32, rows int)) {
	if f == nil {
		p.observer.Store(nil)
		return
	}
	p.observer.Store(&f)
}

// Replace makes the tensor of that name, such as "layers.0.ffn.up.weight", have the values of q from now on instead of the
// file's; nil gives the file's back. q must stay as it is and have the tensor's rows and columns (quant.ErrParams,
// weights.ErrShape).
func (p *Params) Replace(name string, q *quant.Quantized) error {
	l, ok := p.file.Layer(name)
	if !ok {
		return fmt.Errorf("%w: %q in %s", weights.ErrNoLayer, name, p.file.Path())
	}
	if q != nil {
		if err := q.Check(); err != nil {
			return fmt.Errorf("layer %q: %w", name, err)
		}
		if len(l.Shape) == 0 || q.Rows != l.Shape[0] || q.Rows*q.Cols != l.Params {
			return fmt.Errorf("%w: codes of %d by %d for layer %q of %v", weights.ErrShape, q.Rows, q.Cols, name, l.Shape)
		}
	}
	p.mu.Lock()
	if q == nil {
		delete(p.replaced, name)
	} else {
		p.replaced[name] = q
	}
	p.mu.Unlock()
	for _, t := range p.all() {
		if t.name == name {
			t.drop()
		}
	}
	return nil
}

// Resident is how many bytes of weights are in memory on behalf of layers: codes, scales, and numbers, whether on the
// heap or in pages of the mapped file that a layer in use reads.
func (p *Params) Resident() int64 { return p.resident.Load() }

// Unload gives up the memory of all layers. Those in use finish; each is read again when it is next used.
func (p *Params) Unload() {
	for _, t := range p.all() {
		t.drop()
	}
}

func (p *Params) all() []*tensor {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*tensor, 0, len(p.tensors))
	for _, t := range p.tensors {
		out = append(out, t)
	}
	return out
}

// Close waits for the layers in use, gives up all memory and closes the file. Layers used afterwards fail with ErrClosed.
// Closing twice is fine.
func (p *Params) Close() error {
	p.using.Lock()
	defer p.using.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.Unload()
	return p.file.Close()
}

// trim gives up the layers that were used longest ago until the budget is met. keep is not given up.
func (p *Params) trim(keep *tensor) {
	if p.budget <= 0 || p.resident.Load() <= p.budget {
		return
	}
	all := p.all()
	slices.SortFunc(all, func(a, b *tensor) int { return int(a.used.Load() - b.used.Load()) })
	for _, t := range all {
		if p.resident.Load() <= p.budget {
			return
		}
		if t != keep {
			t.drop()
		}
	}
}
