package ivf

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"engram/accel"
	"engram/index"
	"engram/index/internal/space"
)

// means finds centroids of vectors that lie one after the other: k-means on the parts of a coarser k-means, then on all of them. The
// same seed gives the same centroids whatever the number of threads: each row is assigned by itself, each centroid adds up its rows in
// their order.
type means struct {
	dim     int
	rows    []float32
	threads int
	seed    uint64
}

const (
	// coarseRounds and fineRounds are how often centroids move, among parts and among all rows.
	coarseRounds, fineRounds = 6, 2
	// share is how many rows are assigned at a time.
	share = 96
)

func (m *means) len() int { return len(m.rows) / m.dim }

// find returns k centroids, one after the other; there are at least k rows.
func (m *means) find(ctx context.Context, k int) ([]float32, error) {
	parts := 1
	for parts*parts < k {
		parts++
	}
	coarse, labels, err := m.plain(ctx, parts, coarseRounds)
	if err != nil {
		return nil, err
	}
	members := group(labels, parts)
	var all []float32
	for p, k := range apportion(members, k) {
		part := *m
		part.seed += uint64(p) + 1
		part.rows = make([]float32, 0, len(members[p])*m.dim)
		for _, r := range members[p] {
			part.rows = append(part.rows, m.rows[int(r)*m.dim:(int(r)+1)*m.dim]...)
		}
		switch {
		case k == 0:
			continue
		case k == 1:
			all = append(all, coarse[p*m.dim:(p+1)*m.dim]...)
			continue
		}
		some, _, err := part.plain(ctx, k, coarseRounds)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	_, err = m.improve(ctx, all, fineRounds)
	return all, err
}

// apportion shares k centroids among parts by their rows; a part has no more centroids than rows.
func apportion(members [][]uint32, k int) []int {
	n := 0
	for _, p := range members {
		n += len(p)
	}
	shares := make([]int, len(members))
	left := k
	for i, p := range members {
		shares[i] = min(len(p), len(p)*k/n)
		left -= shares[i]
	}
	order := make([]int, len(members))
	for i := range order {
		order[i] = i
	}
	// What is left goes to the parts with most rows a centroid.
	for ; left > 0; left-- {
		slices.SortStableFunc(order, func(a, b int) int {
			return len(members[b])*(shares[a]+1) - len(members[a])*(shares[b]+1)
		})
		for _, i := range order {
			if shares[i] < len(members[i]) {
				shares[i]++
				break
			}
		}
	}
	return shares
}

// plain is k-means from rows chosen at random; it returns the centroids and the centroid of each row.
func (m *means) plain(ctx context.Context, k, rounds int) ([]float32, []uint32, error) {
	r := rand.New(rand.NewPCG(m.seed, 3))
	c := make([]float32, 0, k*m.dim)
	for _, i := range r.Perm(m.len())[:k] {
		c = append(c, m.rows[i*m.dim:(i+1)*m.dim]...)
	}
	labels, err := m.improve(ctx, c, rounds)
	return c, labels, err
}

// improve moves the centroids c and returns the centroid of each row.
func (m *means) improve(ctx context.Context, c []float32, rounds int) ([]uint32, error) {
	k := len(c) / m.dim
	labels := make([]uint32, m.len())
	for round := 0; ; round++ {
		a := newAssigner(m.dim, c)
		err := parallel(ctx, m.threads, m.len(), share, func(s *scratch, from, to int) {
			a.assign(s, m.rows[from*m.dim:to*m.dim], labels[from:to])
		})
		if err != nil || round == rounds {
			return labels, err
		}
		members := group(labels, k)
		err = parallel(ctx, m.threads, k, 1, func(_ *scratch, from, to int) {
			for l := from; l < to; l++ {
				m.mean(c[l*m.dim:(l+1)*m.dim], members[l])
			}
		})
		if err != nil {
			return nil, err
		}
		m.refill(c, members)
	}
}

// mean makes dst the mean of rows; of none it stays what it was.
func (m *means) mean(dst []float32, rows []uint32) {
	if len(rows) == 0 {
		return
	}
	clear(dst)
	for _, r := range rows {
		for i, x := range m.rows[int(r)*m.dim : (int(r)+1)*m.dim] {
			dst[i] += x
		}
	}
	inv := 1 / float32(len(rows))
	for i := range dst {
		dst[i] *= inv
	}
}

// refill gives centroids without rows a row of the centroid that has most: half way there, so that both get some.
func (m *means) refill(c []float32, members [][]uint32) {
	for l, rows := range members {
		if len(rows) > 0 {
			continue
		}
		most := 0
		for i, r := range members {
			if len(r) > len(members[most]) {
				most = i
			}
		}
		from := members[most]
		if len(from) < 2 {
			return
		}
		row := m.rows[int(from[len(from)/2])*m.dim:][:m.dim]
		for i, x := range c[most*m.dim : (most+1)*m.dim] {
			c[l*m.dim+i] = (x + row[i]) / 2
		}
		members[most], members[l] = from[:len(from)/2], from[len(from)/2:]
	}
}

// group lists for each of k labels the places that have it, in order.
func group(labels []uint32, k int) [][]uint32 {
	sizes := make([]int, k)
	for _, l := range labels {
		sizes[l]++
	}
	all := make([]uint32, 0, len(labels))
	groups := make([][]uint32, k)
	for i, n := range sizes {
		groups[i] = all[len(all) : len(all) : len(all)+n]
		all = all[:len(all)+n]
	}
	for i, l := range labels {
		groups[l] = append(groups[l], uint32(i))
	}
	return groups
}

// assigner finds the nearest centroids of rows.
type assigner struct {
	packed *accel.Packed
	norms  []float32
}

func newAssigner(dim int, centroids []float32) *assigner {
	k := len(centroids) / dim
	a := &assigner{packed: accel.PackNT(k, dim, centroids), norms: make([]float32, k)}
	accel.SqNorms(dim, centroids, a.norms)
	return a
}

// scratch is the memory of one goroutine.
type scratch struct {
	dots   []float32
	scores [share]float32
	block  []float32
	space  *space.Space
	tops   []index.TopK // of a learner's queries
}

// grow returns b with n elements, whatever they are.
func grow(b []float32, n int) []float32 {
	if cap(b) < n {
		return make([]float32, n)
	}
	return b[:n]
}

// assign writes the number of the centroid that each of up to share rows is nearest to.
func (a *assigner) assign(s *scratch, rows []float32, labels []uint32) {
	s.dots = grow(s.dots, len(labels)*len(a.norms))
	a.packed.Nearest(len(labels), rows, a.norms, s.dots, labels, s.scores[:len(labels)])
}

// parallel calls work for parts of 0 to n, from several goroutines, each with its own scratch, until ctx ends.
func parallel(ctx context.Context, threads, n, part int, work func(s *scratch, from, to int)) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(threads, (n+part-1)/part) {
		wg.Go(func() {
			var s scratch
			for ctx.Err() == nil {
				from := int(next.Add(int64(part))) - part
				if from >= n {
					return
				}
				work(&s, from, min(from+part, n))
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}
