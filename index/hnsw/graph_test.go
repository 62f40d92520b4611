package hnsw_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"engram/accel"
	"engram/index"
	"engram/index/hnsw"
	"engram/index/indextest"
)

var metrics = []accel.Metric{accel.L2, accel.InnerProduct, accel.Cosine}

// truth is the k nearest rows that pass bits.
func truth(t testing.TB, m accel.Metric, dim int, rows, v []float32, k int, o *index.SearchOptions) []index.Hit {
	t.Helper()
	f, err := index.NewFlat(m, dim, rows, nil)
	if err != nil {
		t.Fatal(err)
	}
	hits, err := f.Nearest(v, k, o)
	if err != nil {
		t.Fatal(err)
	}
	return hits
}

func overlap(got, want []index.Hit) float64 {
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
	return float64(n) / float64(max(1, len(want)))
}

// near makes n queries, each a stored row and a half of another one.
func near(rows []float32, dim, n int) [][]float32 {
	r := rand.New(rand.NewPCG(8, 9))
	qs := make([][]float32, n)
	for i := range qs {
		a, b := r.IntN(len(rows)/dim)*dim, r.IntN(len(rows)/dim)*dim
		q := slices.Clone(rows[a : a+dim])
		for j := range q {
			q[j] += 0.2 * rows[b+j]
		}
		qs[i] = q
	}
	return qs
}

// TestRecall holds every metric, profile and way of filtering to the exact answers; the rows fit no power of two.
func TestRecall(t *testing.T) {
	const n, dim, k = 4000, 83, 10
	data := indextest.Rows(21, n, dim)
	rows := mustRows(t, dim, inRuns(dim, data)...)
	r := rand.New(rand.NewPCG(1, 1))
	for _, m := range metrics {
		for _, profile := range []index.Profile{index.Fast, index.Compact} {
			x := mustBuild(t, rows, hnsw.Config{Metric: m, Profile: profile, EfConstruction: 100})
			for _, share := range []float64{1, 0.9, 0.5, 0.1, 0.01, 0.001} {
				bits := make([]uint64, (n+63)/64)
				for i := range n {
					if r.Float64() < share {
						bits[i/64] |= 1 << (i % 64)
					}
				}
				var stats index.Stats
				options := map[string]*index.SearchOptions{
					"bits": {Bits: bits, Stats: &stats, EfSearch: 100},
					"keep": {Keep: func(ord uint32) bool { return bits[ord/64]>>(ord%64)&1 == 1 }, EfSearch: 100},
				}
				for name, o := range options {
					sum, qs := 0.0, near(data, dim, 20)
					for _, q := range qs {
						got, err := x.Nearest(q, k, o)
						if err != nil {
							t.Fatal(err)
						}
						want := truth(t, m, dim, data, q, k, o)
						if len(got) != len(want) {
							t.Fatalf("%v, share %v by %s: %d hits of %d", m, share, name, len(got), len(want))
						}
						for _, h := range got {
							if d := m.Dist(q, data[int(h.Ord)*dim:(int(h.Ord)+1)*dim]); h.Dist != d {
								t.Fatalf("%v: row %d at %v, exactly %v", m, h.Ord, h.Dist, d)
							}
						}
						sum += overlap(got, want)
					}
					if recall := sum / float64(len(qs)); recall < 0.95 {
						t.Errorf("%v, profile %d, share %v by %s: recall %.3f (%v)", m, profile, share, name, recall, stats.Regime)
					}
				}
			}
		}
	}
}

// TestRegimes makes filters of a graph large enough for each way of searching, random and all on one side.
func TestRegimes(t *testing.T) {
	const n, dim, k = 30_000, 16, 10
	data := indextest.Rows(31, n, dim)
	x := mustBuild(t, mustRows(t, dim, data), hnsw.Config{Metric: accel.L2, EfConstruction: 40, M: 12})
	x.SetScanBytes(t, 1)
	r := rand.New(rand.NewPCG(2, 2))
	side := make([]float32, n)
	for i := range side {
		side[i] = data[i*dim]
	}
	cut := func(share float64) float32 {
		s := slices.Clone(side)
		slices.Sort(s)
		return s[int(float64(n)*(1-share))]
	}
	for _, c := range []struct {
		share  float64
		regime index.Regime
	}{{0.9, index.Inside}, {0.4, index.Widened}, {0.08, index.Widened}, {0.002, index.Exact}} {
		random, onSide := make([]uint64, (n+63)/64), make([]uint64, (n+63)/64)
		far := cut(c.share)
		for i := range n {
			if r.Float64() < c.share {
				random[i/64] |= 1 << (i % 64)
			}
			if side[i] > far {
				onSide[i/64] |= 1 << (i % 64)
			}
		}
		for name, bits := range map[string][]uint64{"random": random, "one side": onSide} {
			var stats index.Stats
			o := &index.SearchOptions{Bits: bits, Stats: &stats, EfSearch: 100}
			sum, qs := 0.0, near(data, dim, 40)
			for _, q := range qs {
				got, _ := x.Nearest(q, k, o)
				if stats.Regime != c.regime && (name == "random" || c.regime != index.Inside || stats.Regime != index.Widened) {
					t.Fatalf("share %v, %s: %v, want %v", c.share, name, stats.Regime, c.regime)
				}
				sum += overlap(got, truth(t, accel.L2, dim, data, q, k, o))
			}
			least := 0.95
			if name == "one side" && c.regime == index.Widened {
				least = 0.85 // what passes lies in small groups far from the query and from each other
			}
			if recall := sum / float64(len(qs)); recall < least {
				t.Errorf("share %v, %s, %v: recall %.3f", c.share, name, c.regime, recall)
			}
			if stats.Scored == 0 || c.regime != index.Inside && stats.Filtered == 0 {
				t.Errorf("share %v, %s: counted %+v", c.share, name, stats)
			}
		}
	}
}

// TestOddRows: duplicates, zeros, rows that are no numbers and rows beyond all numbers, in graphs and with every k.
func TestOddRows(t *testing.T) {
	const n, dim = 2500, 12
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	base := indextest.Rows(41, n, dim)
	fill := func(f func(i int, row []float32)) []float32 {
		data := slices.Clone(base)
		for i := range n {
			f(i, data[i*dim:(i+1)*dim])
		}
		return data
	}
	cases := map[string][]float32{
		"all alike":  fill(func(i int, row []float32) { copy(row, base[:dim]) }),
		"ten points": fill(func(i int, row []float32) { copy(row, base[i%10*dim:]) }),
		"zeros":      fill(func(i int, row []float32) { clear(row) }),
		"half zeros": fill(func(i int, row []float32) {
			if i%2 == 0 {
				clear(row)
			}
		}),
		"no numbers": fill(func(i int, row []float32) { row[i%dim] = nan }),
		"some are no numbers": fill(func(i int, row []float32) {
			if i%3 == 0 {
				row[5] = nan
			}
		}),
		"some are beyond": fill(func(i int, row []float32) {
			switch i % 50 {
			case 0:
				row[3] = inf
			case 1:
				row[3] = -inf
			}
		}),
		"huge": fill(func(i int, row []float32) {
			for j := range row {
				row[j] *= 1e18
			}
		}),
		"tiny": fill(func(i int, row []float32) {
			for j := range row {
				row[j] *= 1e-30
			}
		}),
	}
	half := slices.Repeat([]uint64{0x5555555555555555}, n/64+1)
	for name, data := range cases {
		rows := mustRows(t, dim, data)
		for _, m := range metrics {
			x := mustBuild(t, rows, hnsw.Config{Metric: m, EfConstruction: 40, M: 8})
			for _, q := range append(near(base, dim, 3), make([]float32, dim), slices.Repeat([]float32{nan}, dim), slices.Repeat([]float32{1e30}, dim)) {
				for _, k := range []int{1, 10, 300, 1100, n, n + 7} {
					for _, o := range []*index.SearchOptions{nil, {Bits: half}} {
						got, err := x.Nearest(q, k, o)
						if err != nil {
							t.Fatal(err)
						}
						want := truth(t, m, dim, data, q, k, o)
						if len(got) != len(want) || !slices.IsSortedFunc(got, index.Compare) {
							t.Fatalf("%s, %v, k %d: %d hits of %d, in order: %v", name, m, k, len(got), len(want), slices.IsSortedFunc(got, index.Compare))
						}
						// The nearest row is found, whatever the others are.
						if index.CompareDist(got[0].Dist, want[0].Dist) != 0 && m != accel.InnerProduct && k >= 10 {
							t.Errorf("%s, %v, k %d: nearest at %v, exactly %v", name, m, k, got[0], want[0])
						}
						numbers := func(hits []index.Hit) (c int) {
							for _, h := range hits {
								if h.Dist == h.Dist {
									c++
								}
							}
							return c
						}
						if g, w := numbers(got), numbers(want); g != w {
							t.Errorf("%s, %v, k %d: %d dists are numbers, of %d", name, m, k, g, w)
						}
					}
				}
			}
		}
	}
}

func TestSizes(t *testing.T) {
	const dim = 6
	data := indextest.Rows(51, 1100, dim)
	for _, n := range []int{0, 1, 2, 3, 63, 64, 65, 999, 1000, 1001, 1100} {
		rows := mustRows(t, dim, data[:n*dim])
		x := reopened(t, mustBuild(t, rows, hnsw.Config{Metric: accel.L2, M: 4, EfConstruction: 20}), rows)
		if x.Len() != n || x.Metric() != accel.L2 || x.Verify() != nil || !strings.Contains(x.Describe(), fmt.Sprint(n)) {
			t.Errorf("%d rows: an index of %d, %v, %q", n, x.Len(), x.Metric(), x.Describe())
		}
		for _, k := range []int{-1, 0, 1, 10, 2000} {
			got, err := x.Nearest(data[:dim], k, nil)
			if err != nil || len(got) != max(0, min(k, n)) || len(got) > 0 && got[0].Ord != 0 {
				t.Errorf("%d rows, k %d: %d hits, %v", n, k, len(got), err)
			}
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	data := indextest.Rows(61, 4000, 40)
	rows := mustRows(t, 40, data)
	for _, m := range []accel.Metric{0, accel.L1, accel.Hamming, accel.Jaccard, 99} {
		if _, err := hnsw.Build(context.Background(), rows, hnsw.Config{Metric: m}); !errors.Is(err, accel.ErrMetric) {
			t.Errorf("%v: %v", m, err)
		}
	}
	if _, err := hnsw.Build(context.Background(), rows, hnsw.Config{Metric: accel.L2, Memory: 100_000}); !errors.Is(err, index.ErrMemory) {
		t.Errorf("a build beyond its memory: %v", err)
	}
	x := mustBuild(t, mustRows(t, 40, data[:40]), hnsw.Config{Metric: accel.L2})
	if _, err := x.Nearest(data[:39], 1, nil); !errors.Is(err, index.ErrDimension) {
		t.Errorf("a short query: %v", err)
	}
}

// TestBuildEnds cancels builds at different moments and waits for their goroutines to be gone.
func TestBuildEnds(t *testing.T) {
	rows := mustRows(t, 32, indextest.Rows(71, 20_000, 32))
	before := runtime.NumGoroutine()
	for _, after := range []int64{0, 1, 5000} {
		ctx, cancel := context.WithCancel(context.Background())
		if after == 0 {
			cancel()
		}
		_, err := hnsw.Build(ctx, rows, hnsw.Config{Metric: accel.L2, Threads: 3, Progress: func(done, _ int64) {
			if done >= after {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a build cancelled after %d rows: %v", after, err)
		}
		cancel()
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines are left of %d", runtime.NumGoroutine(), before)
}

func TestProgressGrowsToTheEnd(t *testing.T) {
	const n = 5000
	last := int64(0)
	mustBuild(t, mustRows(t, 8, indextest.Rows(81, n, 8)), hnsw.Config{Metric: accel.Cosine, M: 6, EfConstruction: 30, Progress: func(done, total int64) {
		if done <= last || total != n {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
	}})
	if last != n {
		t.Errorf("the last progress is %d of %d", last, n)
	}
}

// TestKeepIsAskedOnce counts how often Keep is asked for a row, in every way of searching.
func TestKeepIsAskedOnce(t *testing.T) {
	const n, dim = 8000, 16
	data := indextest.Rows(91, n, dim)
	x := mustBuild(t, mustRows(t, dim, data), hnsw.Config{Metric: accel.L2, M: 8, EfConstruction: 40})
	x.SetScanBytes(t, 1)
	for _, every := range []uint32{1, 2, 7, 100, 4000} {
		for _, refuse := range []bool{false, true} {
			times := make([]int, n)
			hits, _ := x.Nearest(data[:dim], 20, &index.SearchOptions{Keep: func(ord uint32) bool {
				times[ord]++
				return (ord%every == 0) != refuse
			}})
			if most := slices.Max(times); most > 1 {
				t.Errorf("every %d, refused %v: a row was asked for %d times", every, refuse, most)
			}
			passing := (n + int(every) - 1) / int(every)
			if refuse {
				passing = n - passing
			}
			if len(hits) != min(20, passing) {
				t.Errorf("every %d, refused %v: %d hits of %d", every, refuse, len(hits), min(20, passing))
			}
		}
	}
}

func TestNearestAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("sync.Pool allocates under the race detector")
	}
	const n, dim = 5000, 90
	data := indextest.Rows(101, n, dim)
	for _, m := range metrics {
		x := mustBuild(t, mustRows(t, dim, data), hnsw.Config{Metric: m, M: 8, EfConstruction: 40})
		half, few := slices.Repeat([]uint64{0x5555555555555555}, n/64+1), make([]uint64, n/64+1)
		few[3] = 0xff0
		var stats index.Stats
		dst := make([]index.Hit, 0, 10)
		for _, o := range []*index.SearchOptions{{Dst: dst, Stats: &stats}, {Dst: dst, Bits: half}, {Dst: dst, Bits: few}, {Dst: dst, Keep: func(ord uint32) bool { return ord%3 != 0 }}} {
			if a := testing.AllocsPerRun(100, func() { _, _ = x.Nearest(data[:dim], 10, o) }); a > 0 {
				t.Errorf("%v: %v allocations a search", m, a)
			}
		}
	}
}

// TestDoneEndsAWalk: what was found until then is returned.
func TestDoneEndsAWalk(t *testing.T) {
	const n, dim = 5000, 16
	data := indextest.Rows(111, n, dim)
	x := mustBuild(t, mustRows(t, dim, data), hnsw.Config{Metric: accel.L2, M: 8, EfConstruction: 40})
	done := make(chan struct{})
	close(done)
	half := slices.Repeat([]uint64{0x5555555555555555}, n/64+1)
	for _, o := range []index.SearchOptions{{}, {Bits: half}, {Bits: half[:20]}, {EfSearch: n}} {
		var stats index.Stats
		o.Done, o.Stats = done, &stats
		hits, err := x.Nearest(data[:dim], 10, &o)
		if err != nil || len(hits) > 10 || stats.Scored > 2000 {
			t.Errorf("%d hits, %d rows scored after the end, %v", len(hits), stats.Scored, err)
		}
	}
}

// TestBytes holds the profiles to their promise where the rows are many: the directions and entries of few weigh more.
func TestBytes(t *testing.T) {
	const n = 10_000
	for _, c := range []struct {
		dim     int
		profile index.Profile
		most    int
	}{{16, index.Fast, 464}, {16, index.Compact, 208}, {100, index.Compact, 250}, {130, index.Compact, 265}} {
		rows := mustRows(t, c.dim, indextest.Rows(121, n, c.dim))
		x := mustBuild(t, rows, hnsw.Config{Metric: accel.L2, Profile: c.profile, EfConstruction: 8})
		if have := float64(x.Bytes()) / n; have > float64(c.most) {
			t.Errorf("dim %d, profile %d: %.0f bytes a vector, promised %d", c.dim, c.profile, have, c.most)
		}
	}
}
