package layer

import "fmt"

// Linear is a dense layer: y = x W^T + b, with W of Out rows of In numbers. It may be used by many goroutines at once.
type Linear struct {
	Out, In int

	w    *tensor
	bias []float32 // nil: none
}

// Linear returns the dense layer of the tensors name+".weight", out rows of in numbers, and name+".bias" where the file
// has one. -1 for out or in takes any size. The weight is read at the first Apply, not here; a tensor that is missing or
// has another shape is an error here that names file and tensor.
func (p *Params) Linear(name string, out, in int) (*Linear, error) {
	w, err := p.tensor(name+".weight", false, out, in)
	if err != nil {
		return nil, err
	}
	l := &Linear{Out: w.rows, In: w.cols, w: w}
	if p.Has(name + ".bias") {
		if l.bias, err = p.Float32(name+".bias", l.Out); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Name is the name of the weight's tensor.
func (l *Linear) Name() string { return l.w.name }

// Apply computes rows rows of Out numbers into dst from as many rows of In numbers in x. dst and x must not overlap. What
// a row gives does not depend on the other rows, to the last bit.
//
// Where the weight cannot be read dst is zeros, and s.Err says why.
func (l *Linear) Apply(dst, x []float32, rows int, s *Scratch) {
	dst, x = dst[:rows*l.Out], x[:rows*l.In]
	if f := l.w.p.observer.Load(); f != nil {
		(*f)(l.w.name, x, rows)
	}
	if err := l.w.use(func(m matrix) { m.(multiplier).mulNT(dst, x, rows, s) }); err != nil {
		clear(dst)
		s.fail(err)
		return
	}
	l.addTo(dst, rows, l.bias)
	if by := l.w.shift.Load(); by != nil {
		l.addTo(dst, rows, *by)
	}
}

// addTo adds by to every row of dst; nil is nothing.
func (l *Linear) addTo(dst []float32, rows int, by []float32) {
	if by == nil {
		return
	}
	for t := range rows {
		Add(dst[t*l.Out:(t+1)*l.Out], by)
	}
}

// Embedding is a table of vectors, one a row. It may be used by many goroutines at once.
type Embedding struct {
	Rows, Dim int

	w *tensor
}

// Embedding returns the table of the tensor name+".weight", rows rows of dim numbers; -1 takes any size. Codes stay codes:
// a row is dequantized when it is asked for. What is missing or has another shape is an error as for Linear.
func (p *Params) Embedding(name string, rows, dim int) (*Embedding, error) {
	w, err := p.tensor(name+".weight", true, rows, dim)
	if err != nil {
		return nil, err
	}
	return &Embedding{Rows: w.rows, Dim: w.cols, w: w}, nil
}

// Gather writes the rows ids to dst, one after the other. Where an id is not below Rows, or the table cannot be read, dst
// is zeros and s.Err says why.
func (e *Embedding) Gather(dst []float32, ids []int32, s *Scratch) {
	dst = dst[:len(ids)*e.Dim]
	for _, id := range ids {
		if id < 0 || int(id) >= e.Rows {
			clear(dst)
			s.fail(fmt.Errorf("layer: no row %d in %q of %d rows", id, e.w.name, e.Rows))
			return
		}
	}
	err := e.w.use(func(m matrix) {
		for i, id := range ids {
			m.(table).row(dst[i*e.Dim:(i+1)*e.Dim], int(id))
		}
	})
	if err != nil {
		clear(dst)
		s.fail(err)
	}
}
