package layer

import (
	"fmt"
	"sync"
	"sync/atomic"

	"engram/accel"
	"engram/quant"
	"engram/quant/weights"
)

// tensor is a two-dimensional tensor of the file in one of the forms that it is used in. Its numbers come to memory when
// they are first asked for and go when the budget wants so; a goroutine that uses them keeps what it has got.
type tensor struct {
	p          *Params
	name       string
	byRow      bool // gathered by row, not multiplied
	rows, cols int

	used   atomic.Int64 // the clock of the last use
	mu     sync.Mutex   // held while the tensor is read or given up
	loaded atomic.Pointer[loaded]
	shift  atomic.Pointer[[]float32] // added to the outputs, see Params.Shift
}

// loaded is a tensor in memory.
type loaded struct {
	matrix
	size  int64
	pages []byte // of the mapped file
}

// matrix is a tensor in one of the ways that numbers are stored in.
type matrix interface {
	bytes() int64 // the memory that it takes
}

// multiplier is a matrix to be multiplied with.
type multiplier interface {
	matrix
	// mulNT writes to dst, rows rows, the products of the rows of x with the rows of the matrix.
	mulNT(dst, x []float32, rows int, s *Scratch)
}

// table is a matrix to be gathered from.
type table interface {
	matrix
	// row writes row r to dst.
	row(dst []float32, r int)
}

// tensor finds or makes the tensor of that name. -1 in shape takes any size.
func (p *Params) tensor(name string, byRow bool, rows, cols int) (*tensor, error) {
	shape, err := p.shape(name, []int{rows, cols})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k := key{name, byRow}
	t, ok := p.tensors[k]
	if !ok {
		t = &tensor{p: p, name: name, byRow: byRow, rows: shape[0], cols: shape[1]}
		p.tensors[k] = t
	}
	return t, nil
}

// use calls do with the tensor in memory, reading it if need be. The file stays open until do returns.
func (t *tensor) use(do func(matrix)) error {
	t.p.using.RLock()
	defer t.p.using.RUnlock()
	if t.p.closed {
		return fmt.Errorf("%w: %s", ErrClosed, t.p.file.Path())
	}
	t.used.Store(t.p.clock.Add(1))
	m := t.loaded.Load()
	if m == nil {
		var err error
		if m, err = t.load(); err != nil {
			return err
		}
		t.p.trim(t)
	}
	do(m.matrix)
	return nil
}

func (t *tensor) load() (*loaded, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.loaded.Load(); m != nil {
		return m, nil
	}
	m, pages, err := t.read()
	if err != nil {
		return nil, err
	}
	l := &loaded{matrix: m, size: m.bytes(), pages: pages}
	t.p.resident.Add(l.size)
	t.loaded.Store(l)
	return l, nil
}

// read makes the matrix of the tensor from the file or from what replaces it. pages are the bytes of the mapped file that
// the matrix keeps; what it has copied from the file need not stay in memory twice.
func (t *tensor) read() (m matrix, pages []byte, err error) {
	t.p.mu.Lock()
	q := t.p.replaced[t.name]
	t.p.mu.Unlock()
	if q != nil {
		return t.ofCodes(q), nil, nil
	}
	f := t.p.file
	l, _ := f.Layer(t.name)
	switch {
	case l.Quant.Bits() != 0:
		q, mapped, err := f.Quantized(t.name, t.rows, t.cols)
		if err != nil {
			return nil, nil, err
		}
		if m = t.ofCodes(q); mapped {
			pages = q.Codes
		}
		if p, ok := m.(*packedCodes); ok && !p.w.KeepsCodes() {
			f.Forget(pages)
			pages = nil
		}
		return m, pages, nil
	case l.Quant == weights.QuantFP16, l.Quant == weights.QuantNone && l.DType == weights.Float16:
		h, mapped, err := f.Tensor(t.name)
		if err != nil {
			return nil, nil, err
		}
		if mapped {
			pages = h.Data
		}
		return &halves{h.Data, t.rows, t.cols}, pages, nil
	}
	v, mapped, err := f.Float32(t.name, t.rows, t.cols)
	if err != nil {
		return nil, nil, err
	}
	if mapped {
		pages = weights.Float32Bytes(v)
	}
	if t.byRow {
		return &floats{v, t.cols}, pages, nil
	}
	m = &packedFloats{accel.PackNT(t.rows, t.cols, v)}
	f.Forget(pages)
	return m, nil, nil
}

// ofCodes is the matrix of codes in the form that t is used in.
func (t *tensor) ofCodes(q *quant.Quantized) matrix {
	if !t.byRow {
		if m, ok := packCodes(q); ok {
			return m
		}
	}
	return &codes{q}
}

// drop gives up the memory of the tensor.
func (t *tensor) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.loaded.Swap(nil); l != nil {
		t.p.resident.Add(-l.size)
		t.p.file.Forget(l.pages)
	}
}
