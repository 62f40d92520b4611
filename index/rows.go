package index

import (
	"fmt"
	"math"
)

// Rows is float32 vectors of one dimension, numbered from 0, that lie in runs: back to back within a run, as in an arena
// or in the row groups of a mapped file. It keeps the runs and changes nothing; they must outlive it. Rows may be used
// by many goroutines at once.
type Rows struct {
	dim  int
	n    int
	runs [][]float32
	// step is how many rows each run but the last has; 0 if they differ, and then ends tells.
	step int
	ends []uint32 // rows before the end of each run
}

// NewRows lays Rows over runs of whole vectors of dim elements; empty runs are left out. The error is ErrDimension, or says
// that there are more rows than ords can number.
func NewRows(dim int, runs ...[]float32) (*Rows, error) {
	if dim < 1 {
		return nil, fmt.Errorf("%w: dimension %d", ErrDimension, dim)
	}
	r := &Rows{dim: dim}
	for _, run := range runs {
		if len(run)%dim != 0 {
			return nil, fmt.Errorf("%w: %d numbers are not rows of %d", ErrDimension, len(run), dim)
		}
		if len(run) == 0 {
			continue
		}
		r.n += len(run) / dim
		if r.n > math.MaxUint32 {
			return nil, fmt.Errorf("index: %d rows are more than ords can number", r.n)
		}
		r.runs = append(r.runs, run[:len(run):len(run)])
		r.ends = append(r.ends, uint32(r.n))
	}
	r.step = r.evenStep()
	return r, nil
}

func (r *Rows) evenStep() int {
	if len(r.runs) == 0 {
		return 1
	}
	step := len(r.runs[0]) / r.dim
	for i, run := range r.runs {
		if have := len(run) / r.dim; have > step || have < step && i < len(r.runs)-1 {
			return 0
		}
	}
	return step
}

// Len is how many rows there are.
func (r *Rows) Len() int { return r.n }

// Dim is how many elements a row has.
func (r *Rows) Dim() int { return r.dim }

// Runs is how many runs the rows lie in.
func (r *Rows) Runs() int { return len(r.runs) }

// Run is the vectors of run i, back to back, and the ord of the first.
func (r *Rows) Run(i int) (first uint32, data []float32) {
	if i > 0 {
		first = r.ends[i-1]
	}
	return first, r.runs[i]
}

// Row is the vector of row ord, as stored. It panics if there is no such row.
func (r *Rows) Row(ord uint32) []float32 {
	run, at := r.locate(ord)
	at *= r.dim
	return r.runs[run][at : at+r.dim : at+r.dim]
}

// locate finds the run of a row and its place there.
func (r *Rows) locate(ord uint32) (run, at int) {
	if r.step > 0 {
		return int(ord) / r.step, int(ord) % r.step
	}
	lo, hi := 0, len(r.ends)-1
	for lo < hi {
		mid := (lo + hi) / 2
		if r.ends[mid] <= ord {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo > 0 {
		ord -= r.ends[lo-1]
	}
	return lo, int(ord)
}
