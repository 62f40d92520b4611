package gptq

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"engram/accel"
)

// Target gives the weights that a layer should have behind layers that are rounded already. Its inputs x are then not the y
// that the weights w, rows rows of Size numbers, were made for; what w does with y is approached best from x by
//
//	w + share * w D^T with (H + damp * mean diagonal * I) D = X^T (Y - X) / N
//
// for a share of 1, which is the regression of w y on x; less of it is more cautious where the rows are few. Both moments
// are about the means, which the layer's bias takes care of, where centered says so. It needs pairs, see AddPair.
func (h *Hessian) Target(rows int, w []float32, centered bool, damp, share float64) ([]float32, error) {
	n := h.n
	if len(w) != rows*n || h.cross == nil {
		return nil, fmt.Errorf("%w: %d weights for %d outputs of %d inputs in pairs", ErrShape, len(w), rows, n)
	}
	a := make([]float64, n*n)
	if err := h.Matrix(a, centered); err != nil {
		return nil, err
	}
	count := float64(h.rows)
	moved := make([]float64, n*n)
	var trace float64
	for i := range n {
		trace += a[i*n+i]
		for j := range n {
			v := h.cross[i*n+j] / count
			if centered {
				v -= h.first[i] / count * (h.firstPair[j] / count)
			}
			moved[i*n+j] = v - a[i*n+j]
		}
	}
	for i := range n {
		a[i*n+i] += damp * trace / float64(n)
	}
	var chol mat.Cholesky
	if !chol.Factorize(mat.NewSymDense(n, a)) {
		return nil, ErrNotPositiveDefinite
	}
	var d mat.Dense
	if err := chol.SolveTo(&d, mat.NewDense(n, n, moved)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotPositiveDefinite, err)
	}
	out := make([]float32, len(w))
	accel.GemmNT(rows, n, n, w, narrowed(d.RawMatrix().Data), out)
	for i, v := range w {
		out[i] = v + float32(share)*out[i]
	}
	return out, nil
}

// PairMean writes the mean of the inputs y of AddPair to dst, n numbers.
func (h *Hessian) PairMean(dst []float32) {
	h.flush()
	for i, v := range h.firstPair {
		dst[i] = float32(v / float64(max(h.rows, 1)))
	}
}
