package gptq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"

	"engram/accel"
	"engram/quant"
)

// Options set how codes are chosen. The zero value is the default.
type Options struct {
	// Damp is the share of the mean diagonal that is added to the diagonal of the Hessian at first; default 0.01. It is
	// raised as long as the matrix is not positive definite, to 0.1 at most.
	Damp float64
	// Rounds is how often codes and grids are improved after GPTQ, each by coordinate descent; default 3, below 0 never.
	Rounds int
	// Shift says that the caller adds Result.Shift to the layer's bias, so that the mean of the errors does not count.
	Shift   bool
	Threads int // goroutines at work; 0 means GOMAXPROCS
}

// Result is the codes of a layer and what they cost. Errors are those of the layer's outputs over the inputs that the
// Hessian has seen, |x w - x w'| / |x w|.
type Result struct {
	Q         *quant.Quantized
	Error     float64   // with these codes, and with Shift added if Options.Shift says so
	Nearest   float64   // with the nearest codes of grids of least squares, for comparison; never below Error
	Damp      float64   // the share of the mean diagonal that was added
	Kept      int       // rows whose nearest codes were better
	ShiftedBy []float32 // with Options.Shift what to add to each output, else nil
}

// tileRows is how many rows of the weights are rounded together.
const tileRows = 64

// Quantize chooses codes for the rows x h.Size() weights w, which lie row by row and are not changed. Groups of the scheme
// must divide a row. Weights that are not finite, and a scheme that quant refuses, give quant.ErrParams;
// ErrInputs and ErrNotPositiveDefinite say that the Hessian is of no use. When ctx is done its error is returned.
func Quantize(ctx context.Context, s quant.Scheme, rows int, w []float32, h *Hessian, o *Options) (*Result, error) {
	var opt Options
	if o != nil {
		opt = *o
	}
	if opt.Damp <= 0 {
		opt.Damp = 0.01
	}
	if opt.Rounds == 0 {
		opt.Rounds = 3
	}
	if opt.Threads <= 0 {
		opt.Threads = runtime.GOMAXPROCS(0)
	}
	n := h.n
	if err := s.Check(); err != nil {
		return nil, err
	}
	if rows < 1 || n < 1 || len(w) != rows*n {
		return nil, fmt.Errorf("%w: %d weights for %d outputs of %d inputs", ErrShape, len(w), rows, n)
	}
	group := n
	if s.Granularity == quant.PerGroup {
		if group = s.GroupSize; n%group != 0 {
			return nil, fmt.Errorf("%w: groups of %d do not divide %d inputs", ErrShape, group, n)
		}
	}
	matrix := make([]float64, n*n)
	if err := h.Matrix(matrix, opt.Shift); err != nil {
		return nil, err
	}
	energy := secondMoment(h)
	mean := make([]float32, n)
	h.Mean(mean)
	p, err := newProblem(matrix, n, group, opt.Damp)
	if err != nil {
		return nil, err
	}
	return p.solve(ctx, s, rows, w, energy, mean, &opt)
}

// secondMoment is the mean of x_i*x_j as it was seen, whether it is used centred or not: outputs are measured by it.
func secondMoment(h *Hessian) *accel.Packed {
	n := h.n
	m := make([]float32, n*n)
	for i := range n {
		for j := range i + 1 {
			v := float32(h.sum[i*n+j] / float64(max(h.rows, 1)))
			m[i*n+j], m[j*n+i] = v, v
		}
	}
	return accel.PackNT(n, n, m)
}

// solve rounds all rows.
func (p *problem) solve(ctx context.Context, s quant.Scheme, rows int, w []float32, energy *accel.Packed, mean []float32, opt *Options) (*Result, error) {
	n := p.n
	for i, v := range w {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("%w: weight %d is %v", quant.ErrParams, i, v)
		}
	}
	a := &answer{
		s: s, p: p, w: w, rows: rows, rounds: max(opt.Rounds, 0), raw: accel.PackNT(n, n, p.raw), energy: energy, diagonal: p.diagonal(),
		codes: make([]int8, rows*n), grids: make([]quant.Grid, s.Scales(rows, n)), sums: make([]rowSums, rows),
	}
	if s.Granularity == quant.PerTensor {
		a.grids[0] = s.Fit(w, nil)
	}
	var next atomic.Int64
	tiles := (rows + tileRows - 1) / tileRows
	errs := make([]error, tiles)
	inParallel(min(opt.Threads, tiles), func() {
		t := newTile(a)
		for ctx.Err() == nil {
			k := int(next.Add(1) - 1)
			if k >= tiles {
				return
			}
			errs[k] = t.run(k*tileRows, min((k+1)*tileRows, rows))
		}
	})
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r := &Result{Q: a.packed(), Damp: p.damp}
	var total rowSums
	for _, v := range a.sums {
		total.loss, total.nearest, total.energy = total.loss+v.loss, total.nearest+v.nearest, total.energy+v.energy
		if v.kept {
			r.Kept++
		}
	}
	if total.energy > 0 {
		r.Error, r.Nearest = math.Sqrt(total.loss/total.energy), math.Sqrt(total.nearest/total.energy)
	}
	if opt.Shift {
		r.ShiftedBy = Shift(r.Q, w, mean, mean)
	}
	return r, nil
}

// Shift is the mean of what the outputs lose when inputs of mean x meet the codes q instead of inputs of mean y the weights
// w: what to add to the bias.
func Shift(q *quant.Quantized, w, x, y []float32) []float32 {
	out := make([]float32, q.Rows)
	row := make([]float32, q.Cols)
	for r := range out {
		q.DequantizeRow(row, r)
		var sum float64
		for j := range row {
			sum += float64(y[j])*float64(w[r*q.Cols+j]) - float64(x[j])*float64(row[j])
		}
		out[r] = float32(sum)
	}
	return out
}

// diagonal is the mean square of each input.
func (p *problem) diagonal() []float32 {
	d := make([]float32, p.n)
	for i := range d {
		d[i] = p.h[i*p.n+i]
	}
	return d
}

// answer gathers what the tiles find. Each row is written by one tile.
type answer struct {
	s        quant.Scheme
	p        *problem
	w        []float32
	rows     int
	rounds   int
	raw      *accel.Packed // the Hessian as it was seen
	energy   *accel.Packed // the same, not centred
	diagonal []float32     // the mean square of each input

	codes []int8
	grids []quant.Grid // one per tensor, or one a row, or one a group
	sums  []rowSums
}

// rowSums is what one row costs: the squared errors of its output with the codes chosen and with the nearest ones, and the
// square of its output.
type rowSums struct {
	loss, nearest, energy float64
	kept                  bool // the nearest codes were kept
}

// packed makes the matrix of the codes found.
func (a *answer) packed() *quant.Quantized {
	q := &quant.Quantized{Rows: a.rows, Cols: a.p.n, Scheme: a.s, Scales: make([]float32, len(a.grids))}
	if !a.s.Symmetric {
		q.Zeros = make([]float32, len(a.grids))
	}
	for i, g := range a.grids {
		q.Scales[i] = g.Scale
		if q.Zeros != nil {
			q.Zeros[i] = g.Zero
		}
	}
	q.Codes = quant.Pack(make([]byte, 0, quant.PackedBytes(a.s.Bits, len(a.codes))), a.s.Bits, a.codes)
	return q
}
