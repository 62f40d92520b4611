package gptq

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"engram/accel"
)

// Damping adds a share of the mean diagonal to the diagonal. It starts at Options.Damp and is raised by dampStep until the
// matrix is positive definite, at most to dampMost.
const (
	dampStep = 0.0025
	dampMost = 0.1
)

// problem is a Hessian made ready for rounding.
type problem struct {
	n     int
	group int       // columns that share a grid, a divisor of n
	raw   []float32 // the Hessian as it was seen, n x n
	h     []float32 // the same, damped
	right *accel.Packed
	damp  float64

	order  []int     // the columns as they are rounded: groups together, those that matter most first
	u      []float32 // n x n, upper, in that order: the inverse of h is U^T U
	fees   []float32 // 1 / U_jj^2, what an error in a column costs once the columns behind it make up for it
	blocks []block
}

// newProblem orders, damps and factors the Hessian h, n x n, which it uses up.
func newProblem(h []float64, n, group int, damp float64) (*problem, error) {
	p := &problem{n: n, group: group, raw: narrowed(h)}
	var trace float64
	for i := range n {
		trace += h[i*n+i]
	}
	p.arrange(h)
	mean := trace / float64(n)
	for !p.factor(h, damp*mean) {
		if damp += dampStep; damp > dampMost {
			return nil, fmt.Errorf("%w with %.2g of its mean diagonal added", ErrNotPositiveDefinite, damp-dampStep)
		}
	}
	p.damp = damp
	p.h = slices.Clone(p.raw)
	for i := range n {
		p.h[i*n+i] += float32(damp * mean)
	}
	p.right = accel.PackNT(n, n, p.h) // symmetric, so its own transpose
	p.cut()
	return p, nil
}

func narrowed(a []float64) []float32 {
	out := make([]float32, len(a))
	for i, v := range a {
		out[i] = float32(v)
	}
	return out
}

// arrange puts the groups in the order of their greatest diagonal element and the columns of a group in the order of
// theirs. Columns alike keep their order.
func (p *problem) arrange(h []float64) {
	n, g := p.n, p.group
	diag := func(i int) float64 { return h[i*n+i] }
	p.order = make([]int, n)
	for i := range p.order {
		p.order[i] = i
	}
	most := make([]float64, n/g)
	first := make([]int, n/g)
	for k := range most {
		cols := p.order[k*g : (k+1)*g]
		slices.SortStableFunc(cols, func(a, b int) int { return cmp.Compare(diag(b), diag(a)) })
		most[k], first[k] = diag(cols[0]), k
	}
	slices.SortStableFunc(first, func(a, b int) int { return cmp.Compare(most[b], most[a]) })
	sorted := make([]int, 0, n)
	for _, k := range first {
		sorted = append(sorted, p.order[k*g:(k+1)*g]...)
	}
	p.order = sorted
}

// factor finds U for h in the order of rounding with add on its diagonal, or says that this is not positive definite.
//
// With the columns taken backwards, the Cholesky factor of h gives h = R R^T where R is upper in the order of rounding. The
// inverse of h is then (R^-1)^T R^-1, so U is the inverse of R: one factorisation, no inverse of a full matrix.
func (p *problem) factor(h []float64, add float64) bool {
	n := p.n
	back := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			v := h[p.order[n-1-i]*n+p.order[n-1-j]]
			if i == j {
				v += add
			}
			back.SetSym(i, j, v)
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(back) {
		return false
	}
	var upper, inverse mat.TriDense
	chol.UTo(&upper) // back = upper^T upper, so R is upper^T backwards, and R^-1 is (upper^-1)^T backwards
	if err := inverse.InverseTri(&upper); err != nil {
		return false
	}
	p.u, p.fees = make([]float32, n*n), make([]float32, n)
	for i := range n {
		for j := i; j < n; j++ {
			v := inverse.At(n-1-j, n-1-i)
			if math.IsNaN(v) || math.IsInf(v, 0) || (i == j && !(v > 0)) {
				return false
			}
			p.u[i*n+j] = float32(v)
		}
		d := inverse.At(n-1-i, n-1-i)
		if p.fees[i] = float32(1 / (d * d)); !(p.fees[i] > 0) || math.IsInf(float64(p.fees[i]), 0) {
			return false
		}
	}
	return true
}

// blockColumns is how many columns are rounded at most between two updates of the rest.
const blockColumns = 128

// block is columns from to to-1 in the order of rounding, and what is needed to carry their errors to those behind them.
type block struct {
	from, to int
	ahead    *accel.Packed // the rows of U in the block times the columns behind it, transposed
}

// cut divides the columns into blocks. A group lies in one block or begins with one, so that its weights are up to date when
// its grid is fitted.
func (p *problem) cut() {
	for from := 0; from < p.n; {
		to := from + blockColumns/p.group*p.group
		if p.group > blockColumns {
			to = min(from+blockColumns, (from/p.group+1)*p.group)
		}
		to = min(to, p.n)
		turned := make([]float32, (p.n-to)*(to-from))
		for i := from; i < to; i++ {
			for j := to; j < p.n; j++ {
				turned[(j-to)*(to-from)+i-from] = p.u[i*p.n+j]
			}
		}
		p.blocks = append(p.blocks, block{from: from, to: to, ahead: accel.PackNT(p.n-to, to-from, turned)})
		from = to
	}
}
