package accel

import "math"

// Nearest finds for each of the m rows of a the row of B that is nearest by L2: place[i] is its number and score[i] its squared
// distance less the squared norm of row i. norms holds the squared norms of the rows of B, dots is memory for m*Rows numbers. Of rows
// equally near the first is taken; where no score is less than infinity the place is 0. Places are the same however a is cut into
// calls.
func (p *Packed) Nearest(m int, a, norms, dots []float32, place []uint32, score []float32) {
	same(len(norms), p.n)
	dots = dots[:m*p.n]
	p.MulNT(m, a, dots)
	for i := range m {
		place[i], score[i] = current.nearest(norms, dots[i*p.n:(i+1)*p.n])
	}
}

func nearestGo(norms, dots []float32) (place uint32, score float32) {
	score = float32(math.Inf(1))
	for j, c := range dots {
		if v := norms[j] - (c + c); v < score {
			place, score = uint32(j), v
		}
	}
	return place, score
}
