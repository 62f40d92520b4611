package gptq

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"engram/accel"
)

// The errors of this package, found with errors.Is.
var (
	// ErrInputs says that the inputs seen are not finite, or are all 0, or that there were none.
	ErrInputs = errors.New("gptq: no usable inputs")
	// ErrNotPositiveDefinite says that no damping within bounds makes the Hessian positive definite.
	ErrNotPositiveDefinite = errors.New("gptq: Hessian is not positive definite")
	// ErrShape says that weights and Hessian do not fit each other.
	ErrShape = errors.New("gptq: wrong shape")
)

// Rows of inputs are multiplied with each other in float32, a chunk at a time, and chunks are added in float64, so that the
// error of the sums does not grow with the number of rows.
const (
	chunkRows = 512
	syrkCols  = 192 // columns of the product that one thread works on
)

// Hessian gathers the second moments of a layer's inputs: the sums over all rows x of x_i*x_j and of x_i. It takes
// Bytes(n) of memory. It is not safe for concurrent use.
type Hessian struct {
	n       int
	rows    int64
	sum     []float64 // n x n, the lower triangle
	first   []float64 // the sums of x_i
	held    []float32 // rows that wait for a chunk to be full
	threads int

	// With AddPair, of the inputs y that belong to the x:
	cross     []float64 // n x n, the sums of x_i*y_j; nil: there are none
	firstPair []float64
	heldPair  []float32
}

// NewHessian makes the Hessian of a layer of n inputs, with nothing in it. threads is how many goroutines work on it; 0
// means GOMAXPROCS.
func NewHessian(n, threads int) *Hessian {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Hessian{n: n, sum: make([]float64, n*n), first: make([]float64, n), threads: threads}
}

// Bytes is about how much memory the Hessian of n inputs takes until it is used up by Quantize, which needs about twice as
// much again while it works.
func Bytes(n int) int64 { return 8*int64(n)*int64(n) + 8*int64(n)*chunkRows }

// Size is the number of inputs.
func (h *Hessian) Size() int { return h.n }

// Rows is how many rows of inputs were added.
func (h *Hessian) Rows() int64 { return h.rows }

// Add takes rows of n inputs each, one after the other. Nothing of x is kept. It panics if x does not hold whole rows.
func (h *Hessian) Add(x []float32) {
	if h.n == 0 || len(x)%h.n != 0 {
		panic(fmt.Sprintf("gptq: %d inputs are no rows of %d", len(x), h.n))
	}
	h.rows += int64(len(x) / h.n)
	for len(x) > 0 {
		take := min(len(x), chunkRows*h.n-len(h.held))
		h.held = append(h.held, x[:take]...)
		if x = x[take:]; len(h.held) == chunkRows*h.n {
			h.flush()
		}
	}
}

// AddPair is Add for inputs x that stand in for others, y, as those of a layer do behind layers that are rounded already:
// row k of x is what row k of y has become. See Target. Every row must come with its pair, or none.
func (h *Hessian) AddPair(x, y []float32) {
	if len(x) != len(y) || (h.cross == nil && h.rows > 0) {
		panic(fmt.Sprintf("gptq: %d inputs beside %d", len(x), len(y)))
	}
	if h.cross == nil {
		h.cross, h.firstPair = make([]float64, h.n*h.n), make([]float64, h.n)
	}
	for len(x) > 0 {
		take := min(len(x), chunkRows*h.n-len(h.held))
		h.heldPair = append(h.heldPair, y[:take]...)
		h.Add(x[:take])
		x, y = x[take:], y[take:]
	}
}

// transposed turns rows of n numbers and adds them up in sums.
func transposed(x []float32, n int, sums []float64) []float32 {
	rows := len(x) / n
	out := make([]float32, len(x))
	for r := range rows {
		for i, v := range x[r*n : (r+1)*n] {
			out[i*rows+r] = v
			sums[i] += float64(v)
		}
	}
	return out
}

// flush adds the rows held to the sums.
func (h *Hessian) flush() {
	n, rows := h.n, len(h.held)/h.n
	if rows == 0 {
		return
	}
	turned := transposed(h.held, n, h.first)
	var pair []float32
	if h.cross != nil {
		pair = transposed(h.heldPair, n, h.firstPair)
	}
	h.held, h.heldPair = h.held[:0], h.heldPair[:0]
	// A thread takes the columns from j on and all rows below, which makes the lower triangle and a little more.
	var next atomic.Int64
	work := func() {
		var right accel.Packed
		out := make([]float32, n*syrkCols)
		for {
			j := int(next.Add(1)-1) * syrkCols
			if j >= n {
				return
			}
			cols := min(syrkCols, n-j)
			right.Reset(cols, rows, turned[j*rows:(j+cols)*rows])
			c := out[:(n-j)*cols]
			right.MulNT(n-j, turned[j*rows:], c)
			for i := j; i < n; i++ {
				to := h.sum[i*n+j : i*n+j+min(cols, i-j+1)]
				for k, v := range c[(i-j)*cols : (i-j)*cols+len(to)] {
					to[k] += float64(v)
				}
			}
			if pair == nil {
				continue
			}
			right.Reset(cols, rows, pair[j*rows:(j+cols)*rows])
			c = out[:n*cols]
			right.MulNT(n, turned, c)
			for i := range n {
				to := h.cross[i*n+j : i*n+j+cols]
				for k, v := range c[i*cols : (i+1)*cols] {
					to[k] += float64(v)
				}
			}
		}
	}
	inParallel(min(h.threads, (n+syrkCols-1)/syrkCols), work)
}

// inParallel runs work in that many goroutines, at least in this one, and waits for all.
func inParallel(threads int, work func()) {
	var wg sync.WaitGroup
	for range threads - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// Mean writes the mean of the inputs to dst, n numbers; of no rows it is 0.
func (h *Hessian) Mean(dst []float32) {
	h.flush()
	for i, v := range h.first {
		dst[i] = float32(v / float64(max(h.rows, 1)))
	}
}

// Matrix writes the n x n mean of x_i*x_j to dst, both triangles. centered takes the product of the means off, which is
// what counts where the layer's bias makes up for the mean error. Inputs that were not finite, all 0, or none give
// ErrInputs.
func (h *Hessian) Matrix(dst []float64, centered bool) error {
	h.flush()
	n, count := h.n, float64(h.rows)
	if h.rows == 0 {
		return fmt.Errorf("%w: none were seen", ErrInputs)
	}
	var trace, raw float64
	for i := range n {
		raw += h.sum[i*n+i] / count
		for j := range i + 1 {
			v := h.sum[i*n+j] / count
			if centered {
				v -= h.first[i] / count * (h.first[j] / count)
			}
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("%w: they are not finite", ErrInputs)
			}
			dst[i*n+j], dst[j*n+i] = v, v
		}
		// Rounding may leave a constant input a variance below 0.
		dst[i*n+i] = max(dst[i*n+i], 0)
		trace += dst[i*n+i]
	}
	if trace <= 1e-10*raw { // what is left is rounding
		return fmt.Errorf("%w: they are all alike", ErrInputs)
	}
	return nil
}
