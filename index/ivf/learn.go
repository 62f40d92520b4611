package ivf

import (
	"math"
	"slices"
	"sync"

	"engram/accel"
	"engram/index"
)

// learner finds out how far searches must look: it asks sampled rows for their nearest rows while all rows go by.
type learner struct {
	dim     int
	ords    []uint32 // of the queries
	queries []float32
	packed  *accel.Packed
	mu      sync.Mutex
	tops    [][]index.TopK // of each goroutine
}

const (
	// learners is how many rows are asked.
	learners = 128
	// learnedK is how many rows each is asked for.
	learnedK = 10
	// learnedShare is the share of those rows that lie in lists within reach. A search finds more: its k-th best seems farther than it is.
	learnedShare = 0.95
)

func newLearner(dim int, ords []uint32, rows []float32) *learner {
	n := min(learners, len(ords))
	l := &learner{dim: dim}
	for i := range n {
		at := i * len(ords) / n
		l.ords = append(l.ords, ords[at])
		l.queries = append(l.queries, rows[at*dim:(at+1)*dim]...)
	}
	l.packed = accel.PackNT(n, dim, l.queries)
	return l
}

// show compares rows from ord first on with every query. Of rows equally near those with the smallest ords are kept, so that it does not
// matter who is shown what.
func (l *learner) show(s *scratch, rows []float32, first uint32, labels []uint32) {
	n := len(l.ords)
	if s.tops == nil {
		s.tops = make([]index.TopK, n)
		for i := range s.tops {
			s.tops[i].Reset(learnedK)
		}
		l.mu.Lock()
		l.tops = append(l.tops, s.tops)
		l.mu.Unlock()
	}
	s.dots = grow(s.dots, len(labels)*n)
	dots := s.dots[:len(labels)*n]
	l.packed.MulNT(len(labels), rows, dots)
	for i, label := range labels {
		ord := first + uint32(i)
		sq := accel.SqNorm(rows[i*l.dim : (i+1)*l.dim])
		for j, dot := range dots[i*n : (i+1)*n] {
			if label != none && ord != l.ords[j] {
				s.tops[j].Push(ord, sq-2*dot)
			}
		}
	}
}

// reach is the number that walker.enough goes by.
func (l *learner) reach(centroids []float32, labels []uint32) float32 {
	dists := make([]float32, len(centroids)/l.dim)
	var all []float32
	for j := range l.ords {
		q := l.queries[j*l.dim : (j+1)*l.dim]
		var best index.TopK
		best.Reset(learnedK)
		for _, tops := range l.tops {
			for _, h := range tops[j].AppendTo(nil) {
				best.Push(h.Ord, h.Dist)
			}
		}
		accel.L2SqRows(q, centroids, dists)
		hits := best.AppendTo(nil)
		if len(hits) == 0 {
			continue
		}
		kth := math.Sqrt(max(0, float64(hits[len(hits)-1].Dist+accel.SqNorm(q))))
		least := slices.Min(dists)
		for _, h := range hits {
			// Rows at no distance are found wherever the search begins, or lie beyond what it could tell apart.
			if v := float32(float64(dists[labels[h.Ord]]-least) / kth); v-v == 0 {
				all = append(all, v)
			}
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(learnedShare*float64(len(all))))]
}
