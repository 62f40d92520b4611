package exchange

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"engram/quant/weights"
)

// Format is who wrote a file.
type Format string

// The formats that are read.
const (
	FormatParquet     Format = "parquet" // package weights, V1 and V2
	FormatSafetensors Format = "safetensors"
	FormatTFJS        Format = "tfjs"
	FormatONNX        Format = "onnx"
	FormatGGUF        Format = "gguf"
	FormatLLaMA2C     Format = "llama2.c"
	FormatTFLite      Format = "tflite"
)

// Info describes one tensor of a source.
type Info struct {
	Name   string // unique in the source
	Shape  []int  // row by row, the outermost dimension first, whatever the format's own order; empty for a scalar
	Type   string // the format's own word for the type, such as "BF16", "Q8_0" or "UINT8"
	DType  weights.DType
	Params int // the product of Shape
}

// Source is the numbers of a model that others wrote. Its methods may be called concurrently.
type Source interface {
	// Format says who wrote it.
	Format() Format
	// Tensors describes all tensors in the order of the file. DType is what Read will give: the type in the file, or
	// Float32 where the file holds codes. The caller must not change what it points to.
	Tensors() []Info
	// Read returns one tensor, which is the caller's. The error wraps weights.ErrNoLayer, ErrClosed, or what was wrong
	// with the file.
	Read(name string) (*weights.Tensor, error)
	// Close gives the file back. Closing twice is fine.
	Close() error
}

// Options set how a source is opened. The zero value is the default.
type Options struct {
	// MaxTensorBytes bounds the memory that one tensor may take. Default weights.DefaultMaxTensorBytes.
	MaxTensorBytes int64
}

func (o *Options) limit() int64 {
	if o == nil || o.MaxTensorBytes <= 0 {
		return weights.DefaultMaxTensorBytes
	}
	return o.MaxTensorBytes
}

// Limits on what describes a file, as opposed to its tensors.
const (
	maxTensors   = math.MaxInt16 // as many as a weight file can hold
	maxDims      = 16
	maxNameBytes = 4096
)

// part is a tensor of a source: what it is, its bytes as they lie in the file, and how they are read.
type part struct {
	Info
	data []byte
	// decode turns the bytes into elements of Info.DType. nil: they are those already.
	decode func(data []byte, n int) ([]byte, error)
}

// parts is a Source whose tensors lie in memory or in mapped files.
type parts struct {
	format Format
	infos  []Info
	list   []part
	byName map[string]int

	mu     sync.RWMutex // held for reading while bytes of the file are used
	closed bool
	free   []func() error
}

// add appends a tensor after checking what every format must get right: a unique name, dimensions within limits.
func (p *parts) add(x part, limit int64) error {
	if p.byName == nil {
		p.byName = map[string]int{}
	}
	if x.Name == "" || len(x.Name) > maxNameBytes {
		return fmt.Errorf("%w: tensor name %.80q is empty or too long", weights.ErrCorrupt, x.Name)
	}
	if _, twice := p.byName[x.Name]; twice {
		return fmt.Errorf("%w: tensor %q twice", weights.ErrCorrupt, x.Name)
	}
	if len(p.list) >= maxTensors {
		return fmt.Errorf("%w: more than %d tensors", weights.ErrTooLarge, maxTensors)
	}
	n, err := count(x.Shape, limit/int64(max(x.DType.Size(), 1)))
	if err != nil {
		return fmt.Errorf("tensor %q: %w", x.Name, err)
	}
	x.Params = n
	p.byName[x.Name] = len(p.list)
	p.list = append(p.list, x)
	p.infos = append(p.infos, x.Info)
	return nil
}

// count multiplies dimensions, of which there may be maxDims, none negative, with a product of at most most.
func count(shape []int, most int64) (int, error) {
	if len(shape) > maxDims {
		return 0, fmt.Errorf("%w: %d dimensions, at most %d", weights.ErrCorrupt, len(shape), maxDims)
	}
	n := int64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("%w: negative dimension in shape %v", weights.ErrCorrupt, shape)
		}
	}
	if slices.Contains(shape, 0) {
		return 0, nil
	}
	for _, d := range shape {
		if n > most/int64(d) {
			return 0, fmt.Errorf("%w: shape %v has more than %d values", weights.ErrTooLarge, shape, most)
		}
		n *= int64(d)
	}
	return int(n), nil
}

// Format implements Source.
func (p *parts) Format() Format { return p.format }

// Tensors implements Source.
func (p *parts) Tensors() []Info { return slices.Clone(p.infos) }

// Read implements Source.
func (p *parts) Read(name string) (*weights.Tensor, error) {
	i, ok := p.byName[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q", weights.ErrNoLayer, name)
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return nil, weights.ErrClosed
	}
	x := &p.list[i]
	t := &weights.Tensor{Name: x.Name, Shape: slices.Clone(x.Shape), DType: x.DType}
	if x.DType.Size() == 0 {
		return nil, fmt.Errorf("%w: tensor %q of type %s", weights.ErrUnsupported, name, x.Type)
	}
	if x.decode == nil {
		t.Data = slices.Clone(x.data)
	} else {
		var err error
		if t.Data, err = x.decode(x.data, x.Params); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
	}
	if want := x.Params * x.DType.Size(); len(t.Data) != want {
		return nil, fmt.Errorf("%w: tensor %q has %d bytes, its shape %v of %s needs %d", weights.ErrCorrupt, name, len(t.Data), x.Shape,
			x.Type, want)
	}
	return t, nil
}

// Close implements Source.
func (p *parts) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	var err error
	for _, f := range p.free {
		if e := f(); err == nil {
			err = e
		}
	}
	p.list = nil
	return err
}
