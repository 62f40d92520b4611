package indextest

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"engram/accel"
	"engram/index"
)

// Built is an index over rows and a way to make scorers of queries over the same rows.
type Built struct {
	Index index.Index
	Query func(v []float32) index.Scorer
}

// Options says what the index under test promises beyond the interface.
type Options struct {
	// Exact says that results equal those of a scan of all rows, ties and NaN included.
	Exact bool
	// Recall is the least share of the true k nearest to find, on average, for an index that is not
	// exact. 0 means 0.9.
	Recall float64
	// Metric is what to build with. 0 means accel.L2.
	Metric accel.Metric
}

// Run tests the index that build makes of rows, which lie one after the other, dim numbers each.
func Run(t *testing.T, o Options, build func(t *testing.T, metric accel.Metric, dim int, rows []float32) Built) {
	if o.Metric == 0 {
		o.Metric = accel.L2
	}
	if o.Recall == 0 {
		o.Recall = 0.9
	}
	make := func(t *testing.T, dim int, rows []float32) *suite {
		return &suite{t: t, o: o, dim: dim, rows: rows, built: build(t, o.Metric, dim, rows)}
	}
	t.Run("empty", func(t *testing.T) {
		s := make(t, 4, nil)
		s.search([]float32{1, 2, 3, 4}, 10, nil)
	})
	t.Run("one row", func(t *testing.T) {
		s := make(t, 3, []float32{1, 2, 3})
		s.search([]float32{3, 2, 1}, 10, nil)
	})
	t.Run("recall", func(t *testing.T) { make(t, 24, Rows(1, 3000, 24)).recall() })
	t.Run("filters", func(t *testing.T) { make(t, 16, Rows(2, 1500, 16)).filters() })
	t.Run("all alike", func(t *testing.T) {
		rows := slices.Repeat([]float32{1, 2, 3, 4, 5}, 700)
		make(t, 5, rows).search([]float32{5, 4, 3, 2, 1}, 20, nil)
	})
	t.Run("not numbers", func(t *testing.T) { make(t, 8, withNaN(Rows(3, 400, 8), 8)).notNumbers() })
	t.Run("options", func(t *testing.T) { make(t, 12, Rows(4, 900, 12)).options() })
	t.Run("concurrent", func(t *testing.T) { make(t, 12, Rows(5, 900, 12)).concurrent() })
}

// Rows makes n rows of dim numbers in soft clusters, which is what embeddings look like. The same seed
// gives the same rows.
func Rows(seed uint64, n, dim int) []float32 {
	r := rand.New(rand.NewPCG(seed, 17))
	centres := make([]float32, 20*dim)
	for i := range centres {
		centres[i] = float32(r.NormFloat64())
	}
	rows := make([]float32, n*dim)
	for i := 0; i < n; i++ {
		c := r.IntN(20) * dim
		for j := 0; j < dim; j++ {
			rows[i*dim+j] = centres[c+j] + 0.5*float32(r.NormFloat64())
		}
	}
	return rows
}

func withNaN(rows []float32, dim int) []float32 {
	for i := 0; i < len(rows); i += 5 * dim {
		rows[i+dim/2] = float32(math.NaN())
	}
	return rows
}

// suite is one index under test with the rows it was built of.
type suite struct {
	t     *testing.T
	o     Options
	dim   int
	rows  []float32
	built Built
}

func (s *suite) len() int { return len(s.rows) / s.dim }

// queries are points near stored rows, and one far from all.
func (s *suite) queries(n int) [][]float32 {
	r := rand.New(rand.NewPCG(99, uint64(n)))
	var qs [][]float32
	for i := 0; i < n; i++ {
		at := r.IntN(s.len()) * s.dim
		q := slices.Clone(s.rows[at : at+s.dim])
		for j := range q {
			q[j] += 0.3 * float32(r.NormFloat64())
		}
		qs = append(qs, q)
	}
	for j := range qs[0] {
		qs[0][j] = 50
	}
	return qs
}

// allowed reports whether the filter of o lets a row through.
func allowed(o *index.SearchOptions, ord int) bool {
	if o == nil {
		return true
	}
	if o.Bits != nil && (ord/64 >= len(o.Bits) || o.Bits[ord/64]>>(ord%64)&1 == 0) {
		return false
	}
	return o.Keep == nil || o.Keep(uint32(ord))
}

// truth is what an exact search returns: every row scored by the pair, sorted.
func (s *suite) truth(v []float32, k int, o *index.SearchOptions) []index.Hit {
	dist := s.o.Metric.Distance()
	var all []index.Hit
	for i := 0; i < s.len(); i++ {
		if allowed(o, i) {
			all = append(all, index.Hit{Ord: uint32(i), Dist: dist(v, s.rows[i*s.dim:(i+1)*s.dim])})
		}
	}
	slices.SortFunc(all, index.Compare)
	return all[:max(0, min(k, len(all)))]
}

// search searches and checks what holds for any index; it returns the hits and the true ones.
func (s *suite) search(v []float32, k int, o *index.SearchOptions) (got, want []index.Hit) {
	s.t.Helper()
	want = s.truth(v, k, o)
	got = s.built.Index.Search(s.built.Query(v), k, o)
	if n := s.built.Index.Len(); n != s.len() {
		s.t.Errorf("Len is %d, rows are %d", n, s.len())
	}
	if len(got) != len(want) {
		s.t.Fatalf("%d hits where %d rows pass (k %d)", len(got), len(want), k)
	}
	if !slices.IsSortedFunc(got, index.Compare) {
		s.t.Errorf("hits are not in order: %v", got)
	}
	seen := map[uint32]bool{}
	for i, h := range got {
		switch {
		case int(h.Ord) >= s.len():
			s.t.Fatalf("hit of row %d of %d", h.Ord, s.len())
		case seen[h.Ord]:
			s.t.Errorf("row %d came twice", h.Ord)
		case !allowed(o, int(h.Ord)):
			s.t.Errorf("row %d does not pass the filter", h.Ord)
		}
		seen[h.Ord] = true
		if s.o.Exact && (h.Ord != want[i].Ord || index.CompareDist(h.Dist, want[i].Dist) != 0) {
			s.t.Fatalf("hit %d is %v, exactly %v", i, h, want[i])
		}
	}
	return got, want
}

// overlap is the share of want that got has.
func overlap(got, want []index.Hit) float64 {
	if len(want) == 0 {
		return 1
	}
	in := map[uint32]bool{}
	for _, h := range want {
		in[h.Ord] = true
	}
	n := 0
	for _, h := range got {
		if in[h.Ord] {
			n++
		}
	}
	return float64(n) / float64(len(want))
}

func (s *suite) recall() {
	for _, k := range []int{1, 10, 100} {
		sum, qs := 0.0, s.queries(40)
		for _, q := range qs {
			sum += overlap(s.search(q, k, &index.SearchOptions{EfSearch: 2 * k}))
		}
		if r := sum / float64(len(qs)); r < s.o.Recall && !s.o.Exact {
			s.t.Errorf("recall@%d is %.3f, promised %.3f", k, r, s.o.Recall)
		}
	}
	q := s.queries(1)[0]
	for _, k := range []int{-1, 0, s.len() - 1, s.len(), s.len() + 5, math.MaxInt} {
		s.search(q, k, nil)
	}
}

// filters takes filters from all rows to none, as bits, as a function and as both.
func (s *suite) filters() {
	r := rand.New(rand.NewPCG(7, 7))
	for _, share := range []float64{1, 0.95, 0.5, 0.1, 0.01, 0.002, 0} {
		bits := make([]uint64, (s.len()+63)/64)
		for i := 0; i < s.len(); i++ {
			if r.Float64() < share {
				bits[i/64] |= 1 << (i % 64)
			}
		}
		keep := func(ord uint32) bool { return bits[ord/64]>>(ord%64)&1 == 1 }
		third := func(ord uint32) bool { return ord%3 == 0 }
		for _, q := range s.queries(5) {
			s.search(q, 10, &index.SearchOptions{Bits: bits})
			s.search(q, 10, &index.SearchOptions{Keep: keep})
			s.search(q, 10, &index.SearchOptions{Bits: bits, Keep: third})
			s.search(q, 10, &index.SearchOptions{Bits: bits[:len(bits)/2]})
			s.search(q, s.len(), &index.SearchOptions{Bits: bits})
		}
	}
	q := s.queries(1)[0]
	s.search(q, 10, &index.SearchOptions{Bits: []uint64{}})
	ones := slices.Repeat([]uint64{math.MaxUint64}, s.len()/64+3) // bits beyond the rows mean nothing
	s.search(q, 10, &index.SearchOptions{Bits: ones})
	s.search(q, 10, &index.SearchOptions{Bits: ones, Keep: func(ord uint32) bool { return ord >= 300 && ord < 700 }})
}

// notNumbers: rows at a dist that is NaN come last, and only when nothing else is left.
func (s *suite) notNumbers() {
	for _, q := range s.queries(10) {
		for k := 1; k <= s.len(); k += 37 {
			s.search(q, k, nil)
		}
	}
	q := slices.Repeat([]float32{float32(math.NaN())}, s.dim)
	s.search(q, 7, nil)
}

// options checks the counts, the caller's memory and the early end.
func (s *suite) options() {
	q := s.queries(2)[1]
	var one, three index.Stats
	s.search(q, 5, &index.SearchOptions{Stats: &one})
	for i := 0; i < 3; i++ {
		s.search(q, 5, &index.SearchOptions{Stats: &three})
	}
	if one.Searches != 1 || one.Scored < 5 || one.Scored > int64(s.len()) {
		s.t.Errorf("one search counts %+v", one)
	}
	one3 := one
	one3.Add(one)
	one3.Add(one)
	if three != one3 {
		s.t.Errorf("three searches count %+v, one %+v", three, one)
	}
	dst := make([]index.Hit, 0, 5)
	got, _ := s.search(q, 5, &index.SearchOptions{Dst: dst})
	if &got[0] != &dst[:1][0] {
		s.t.Error("Dst is not used")
	}
	if got, _ := s.search(q, 9, &index.SearchOptions{Dst: dst}); len(got) != 9 {
		s.t.Error("a short Dst cuts the result")
	}
	closed := make(chan struct{})
	close(closed)
	if hits := s.built.Index.Search(s.built.Query(q), 5, &index.SearchOptions{Done: closed}); len(hits) > 5 {
		s.t.Errorf("%d hits from a search that was called off", len(hits))
	}
}

// concurrent: searches beside each other give what they give alone.
func (s *suite) concurrent() {
	qs := s.queries(8)
	want := make([][]index.Hit, len(qs))
	for i, q := range qs {
		want[i], _ = s.search(q, 10, nil)
	}
	var wg sync.WaitGroup
	for w := 0; w < 4; w++ {
		wg.Go(func() {
			for round := 0; round < 5; round++ {
				for i, q := range qs {
					if got := s.built.Index.Search(s.built.Query(q), 10, nil); !slices.Equal(got, want[i]) {
						s.t.Errorf("query %d beside others: %v, alone %v", i, got, want[i])
					}
				}
			}
		})
	}
	wg.Wait()
}
