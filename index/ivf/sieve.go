package ivf

import (
	"cmp"
	"slices"

	"engram/index"
)

// candidate is a row, or a list, and the squared distance it is at least at.
type candidate struct {
	low float32
	id  uint32
}

func nearer(a, b candidate) int { return cmp.Or(cmp.Compare(a.low, b.low), cmp.Compare(a.id, b.id)) }

// sieve keeps what may be among the k nearest: candidates that are not farther than k others at the least.
type sieve struct {
	high index.TopK // squared distances that candidates are at most at
	pool []candidate
	room int // of pool, before it is gone through
}

// leastRoom is how many candidates a sieve has room for.
const leastRoom = 4096

func (s *sieve) reset(k int) {
	s.high.Reset(k)
	s.pool, s.room = s.pool[:0], leastRoom+4*k
}

// bound is the squared distance beyond which nothing is kept, NaN while fewer than k were shown.
func (s *sieve) bound() float32 { return s.high.Bound() }

// show keeps a candidate between low and high away if it may be among the nearest.
func (s *sieve) show(id uint32, low, high float32) {
	if low > s.high.Bound() {
		return
	}
	s.high.Push(id, high)
	s.pool = append(s.pool, candidate{low, id})
	if len(s.pool) > s.room {
		s.prune()
		s.room = leastRoom + 2*len(s.pool)
	}
}

func (s *sieve) prune() {
	bound := s.bound()
	s.pool = slices.DeleteFunc(s.pool, func(c candidate) bool { return c.low > bound })
}

// sorted is what is left, nearest first.
func (s *sieve) sorted() []candidate {
	s.prune()
	slices.SortFunc(s.pool, nearer)
	return s.pool
}
