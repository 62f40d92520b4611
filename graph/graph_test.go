package graph

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// list is a Source of edges in a map; the edges of broken fail after the first.
type list struct {
	edges  map[uint64][]Edge
	broken uint64
	reads  func()
}

var errDisk = errors.New("disk on fire")

func (l list) Edges(from uint64) iter.Seq2[Edge, error] {
	return func(yield func(Edge, error) bool) {
		if l.reads != nil {
			l.reads()
		}
		for _, e := range l.edges[from] {
			if !yield(e, nil) {
				return
			}
		}
		if l.broken != 0 && from == l.broken {
			yield(Edge{}, errDisk)
		}
	}
}

func (l list) add(src, dst uint64, w float32) {
	l.edges[src] = append(l.edges[src], Edge{Src: src, Dst: dst, Kind: "k", Weight: w, Time: int64(len(l.edges))})
}

func links(edges ...[3]float64) list {
	l := list{edges: map[uint64][]Edge{}}
	for _, e := range edges {
		l.add(uint64(e[0]), uint64(e[1]), float32(e[2]))
	}
	return l
}

// drawGraph draws a small graph with parallel edges, loops, dead ends and edges without weight.
func drawGraph(t *rapid.T) list {
	n := rapid.Uint64Range(1, 6).Draw(t, "nodes")
	l := links()
	for range rapid.IntRange(0, 10).Draw(t, "edges") {
		src, dst := rapid.Uint64Range(1, n).Draw(t, "src"), rapid.Uint64Range(1, n).Draw(t, "dst")
		w := rapid.SampledFrom([]float32{0.25, 0.5, 0.5, 0.75, 1, 3, 0, -1, float32(math.NaN()), float32(math.Inf(1))}).Draw(t, "weight")
		l.add(src, dst, w)
	}
	return l
}

func drawSeeds(t *rapid.T) []Seed {
	var seeds []Seed
	for range rapid.IntRange(0, 3).Draw(t, "seeds") {
		w := rapid.SampledFrom([]float64{1, 0.5, 2, 0, -1}).Draw(t, "seed weight")
		seeds = append(seeds, Seed{rapid.Uint64Range(1, 7).Draw(t, "seed"), w})
	}
	return seeds
}

func usable(e Edge) bool { return e.Weight > 0 && !math.IsInf(float64(e.Weight), 0) }

// everyWay scores by trying every way there is.
func everyWay(l list, seeds []Seed, o WalkOptions) map[uint64]Node {
	got := map[uint64]Node{}
	var from func(id uint64, worth float64, hop int)
	from = func(id uint64, worth float64, hop int) {
		if hop > 0 {
			n, met := got[id]
			if !met || hop < n.Hops {
				n.Hops = hop
			}
			n.ID = id
			if o.Sum {
				n.Score += worth
			} else {
				n.Score = max(n.Score, worth)
			}
			got[id] = n
		}
		if hop == o.Hops {
			return
		}
		for _, e := range l.edges[id] {
			if usable(e) {
				from(e.Dst, worth*o.Decay*min(1, float64(e.Weight)), hop+1)
			}
		}
	}
	for _, s := range seeds {
		if s.Weight > 0 {
			from(s.ID, s.Weight, 0)
		}
	}
	return got
}

func sortedNodes(t *rapid.T, ns []Node) {
	if !slices.IsSortedFunc(ns, func(a, b Node) int {
		if a.Score > b.Score || a.Score == b.Score && a.ID < b.ID {
			return -1
		}
		return 1
	}) {
		t.Fatalf("nodes are not in order: %v", ns)
	}
}

func TestWalkAgainstEveryWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, seeds := drawGraph(t), drawSeeds(t)
		o := WalkOptions{
			Hops:  rapid.IntRange(1, 4).Draw(t, "hops"),
			Decay: rapid.SampledFrom([]float64{0.5, 1, 0.1}).Draw(t, "decay"),
			Sum:   rapid.Bool().Draw(t, "sum"),
		}
		src := Source(l)
		if rapid.Bool().Draw(t, "compact") {
			a, err := Compact(t.Context(), l, rangeOf(1, 7))
			if err != nil {
				t.Fatal(err)
			}
			src = a
		}
		res, err := Walk(t.Context(), src, seeds, &o)
		if err != nil {
			t.Fatal(err)
		}
		want := everyWay(l, seeds, o)
		if len(res.Nodes) != len(want) || res.Truncated {
			t.Fatalf("%d nodes, want %d: %v", len(res.Nodes), len(want), res)
		}
		for _, n := range res.Nodes {
			w := want[n.ID]
			if math.Abs(n.Score-w.Score) > 1e-12*w.Score || n.Hops != w.Hops {
				t.Fatalf("node %v, want %v", n, w)
			}
		}
		sortedNodes(t, res.Nodes)
		again, err := Walk(t.Context(), src, seeds, &o)
		if err != nil || !reflect.DeepEqual(res, again) {
			t.Fatalf("a second walk gives %v, %v, the first %v", again, err, res)
		}
	})
}

// rangeOf yields from to last.
func rangeOf(from, last uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for ; from <= last && yield(from); from++ {
		}
	}
}

// stationary iterates the walk of PageRank on the whole graph until nothing moves.
func stationary(l list, seeds []Seed, restart float64) map[uint64]float64 {
	total := 0.0
	for _, s := range seeds {
		total += max(0, s.Weight)
	}
	rank := map[uint64]float64{}
	if total == 0 {
		return rank
	}
	home := map[uint64]float64{}
	for _, s := range seeds {
		home[s.ID] += max(0, s.Weight) / total
	}
	rank = home
	for range 400 {
		next := map[uint64]float64{}
		for id, x := range rank {
			out := 0.0
			for _, e := range l.edges[id] {
				if usable(e) {
					out += float64(e.Weight)
				}
			}
			for _, e := range l.edges[id] {
				if usable(e) {
					next[e.Dst] += (1 - restart) * x * float64(e.Weight) / out
				}
			}
			back := restart * x
			if out == 0 {
				back = x
			}
			for id, h := range home {
				next[id] += back * h
			}
		}
		rank = next
	}
	return rank
}

func TestPageRankAgainstIteration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, seeds := drawGraph(t), drawSeeds(t)
		o := RankOptions{
			Restart: rapid.SampledFrom([]float64{0.15, 0.5, 0.1}).Draw(t, "restart"),
			Epsilon: rapid.SampledFrom([]float64{1e-10, 1e-3, 0.1}).Draw(t, "epsilon"),
			Limits:  Limits{MaxNodes: rapid.SampledFrom([]int{0, 3}).Draw(t, "nodes")},
		}
		res, err := PageRank(t.Context(), l, seeds, &o)
		if err != nil {
			t.Fatal(err)
		}
		want, got := stationary(l, seeds, o.Restart), map[uint64]float64{}
		if !res.Truncated && res.Residual > 10*o.Epsilon {
			t.Fatalf("residual %v, epsilon %v", res.Residual, o.Epsilon)
		}
		sum := res.Residual
		for _, n := range res.Nodes {
			got[n.ID] = n.Score
			sum += n.Score
			if n.Hops < 0 || n.Hops > 6 {
				t.Fatalf("hops of %v", n)
			}
		}
		if len(want) > 0 && math.Abs(sum-1) > 1e-9 {
			t.Fatalf("ranks and residual add up to %v", sum)
		}
		for id, w := range want {
			if got[id] > w+1e-9 || got[id] < w-res.Residual-1e-9 {
				t.Fatalf("node %d ranks %v, exactly %v, residual %v", id, got[id], w, res.Residual)
			}
		}
		if len(want) == 0 && len(got) > 0 {
			t.Fatalf("ranks without seeds: %v", got)
		}
		sortedNodes(t, res.Nodes)
		again, err := PageRank(t.Context(), l, seeds, &o)
		if err != nil || !reflect.DeepEqual(res, again) {
			t.Fatalf("a second ranking gives %v, %v, the first %v", again, err, res)
		}
	})
}

func TestPageRankHops(t *testing.T) {
	l := links([3]float64{1, 2, 1}, [3]float64{2, 3, 9}, [3]float64{1, 4, 1}, [3]float64{4, 3, 1}, [3]float64{3, 5, 1})
	res, err := PageRank(t.Context(), l, []Seed{{1, 1}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[uint64]int{1: 0, 2: 1, 4: 1, 3: 2, 5: 3}
	for _, n := range res.Nodes {
		if want[n.ID] != n.Hops {
			t.Errorf("node %d is %d hops away, want %d", n.ID, n.Hops, want[n.ID])
		}
	}
	if len(res.Nodes) != len(want) || res.Nodes[0].ID != 1 {
		t.Errorf("ranking %v", res.Nodes)
	}
}

func TestCompact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawGraph(t)
		for id, es := range l.edges {
			for i := range es {
				es[i].Kind = rapid.SampledFrom([]string{"", "temporal", "semantic"}).Draw(t, "kind")
				es[i].Time = rapid.Int64().Draw(t, "time")
			}
			l.edges[id] = es
		}
		given := rapid.SliceOf(rapid.Uint64Range(1, 8)).Draw(t, "given")
		a, err := Compact(t.Context(), l, slices.Values(given))
		if err != nil {
			t.Fatal(err)
		}
		nodes, edges := map[uint64]bool{}, 0
		for id := range uint64(10) {
			var want []Edge
			if slices.Contains(given, id) {
				want = l.edges[id]
				nodes[id] = true
			}
			var got []Edge
			for e, err := range a.Edges(id) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e)
				nodes[e.Dst] = true
			}
			same := func(x, y Edge) bool {
				wx, wy := math.Float32bits(x.Weight), math.Float32bits(y.Weight)
				x.Weight, y.Weight = 0, 0
				return x == y && wx == wy
			}
			if !slices.EqualFunc(got, want, same) || a.Degree(id) != len(want) {
				t.Fatalf("edges of %d are %v, want %v", id, got, want)
			}
			edges += len(want)
			for range a.Edges(id) { // a reader may stop early
				break
			}
		}
		if a.NodeCount() != len(nodes) || a.EdgeCount() != edges || a.SizeBytes() < int64(18*edges+8*len(nodes)) {
			t.Fatalf("%d nodes and %d edges in %d bytes, want %d and %d", a.NodeCount(), a.EdgeCount(), a.SizeBytes(), len(nodes), edges)
		}
		for id := range a.Nodes() {
			if !nodes[id] {
				t.Fatalf("node %d came from nowhere", id)
			}
		}
	})
}

func TestCompactKinds(t *testing.T) {
	l := links()
	for i := range uint64(math.MaxUint16 + 2) {
		l.edges[1] = append(l.edges[1], Edge{Src: 1, Dst: i, Kind: fmt.Sprint(i), Weight: 1})
	}
	if _, err := Compact(t.Context(), l, rangeOf(1, 1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("65,537 kinds: %v", err)
	}
	l.edges[1] = l.edges[1][1:]
	a, err := Compact(t.Context(), l, rangeOf(1, 1))
	if err != nil || a.EdgeCount() != math.MaxUint16+1 {
		t.Errorf("65,536 kinds: %v", err)
	}
}

func TestLimits(t *testing.T) {
	l := links()
	for i := range uint64(1000) {
		l.add(1, 2+(i*7)%1000, 0.25+float32((i*7)%1000)/2000)
	}
	heaviestDst := func(n int) []uint64 {
		var want []uint64
		for i := range n {
			want = append(want, uint64(1001-i))
		}
		return want
	}
	ids := func(r *Result) (got []uint64) {
		for _, n := range r.Nodes {
			got = append(got, n.ID)
		}
		return got
	}
	for _, sum := range []bool{false, true} {
		res, err := Walk(t.Context(), l, []Seed{{1, 1}}, &WalkOptions{Sum: sum, Limits: Limits{MaxDegree: 5}})
		if err != nil || !res.Truncated || !slices.Equal(ids(res), heaviestDst(5)) || res.Edges != 1000 || res.Expanded != 6 {
			t.Errorf("degree 5: %+v, %v", res, err)
		}
		res, err = Walk(t.Context(), l, []Seed{{1, 1}}, &WalkOptions{Sum: sum, Limits: Limits{MaxNodes: 4}})
		if err != nil || !res.Truncated || !slices.Equal(ids(res), heaviestDst(3)) {
			t.Errorf("4 nodes: %+v, %v", res, err)
		}
		res, err = Walk(t.Context(), l, []Seed{{1, 1}}, &WalkOptions{Sum: sum, Limits: Limits{MaxDegree: 1000}})
		if err != nil || res.Truncated || len(res.Nodes) != 1000 {
			t.Errorf("all: %d nodes, %v, %v", len(res.Nodes), res.Truncated, err)
		}
		odd := func(e Edge) bool { return e.Dst%2 == 1 }
		res, err = Walk(t.Context(), l, []Seed{{1, 1}}, &WalkOptions{Sum: sum, Limits: Limits{MaxDegree: 1000, Keep: odd}})
		if err != nil || len(res.Nodes) != 500 || res.Nodes[0].ID != 1001 {
			t.Errorf("odd: %d nodes, %v", len(res.Nodes), err)
		}
	}
	res, err := PageRank(t.Context(), l, []Seed{{1, 1}}, &RankOptions{Limits: Limits{MaxDegree: 5}})
	if err != nil || !res.Truncated || !slices.Equal(ids(res)[1:], heaviestDst(5)) {
		t.Errorf("rank, degree 5: %+v, %v", res, err)
	}
	// Short circuits stay in bounds however strong the edges are.
	ring := links([3]float64{1, 2, 1}, [3]float64{2, 1, 1})
	res, err = Walk(t.Context(), ring, []Seed{{1, 1}}, &WalkOptions{Hops: MaxHops, Decay: 1, Sum: true})
	if err != nil || res.Nodes[0].Score != 32 || res.Nodes[1].Score != 32 {
		t.Errorf("ring: %+v, %v", res, err)
	}
}

func TestRefuses(t *testing.T) {
	l, seed := links([3]float64{1, 2, 1}, [3]float64{2, 3, 1}), []Seed{{1, 1}}
	walk := func(seeds []Seed, o WalkOptions) {
		t.Helper()
		if _, err := Walk(t.Context(), l, seeds, &o); !errors.Is(err, ErrOption) {
			t.Errorf("Walk with %+v: %v", o, err)
		}
	}
	rank := func(seeds []Seed, o RankOptions) {
		t.Helper()
		if _, err := PageRank(t.Context(), l, seeds, &o); !errors.Is(err, ErrOption) {
			t.Errorf("PageRank with %+v: %v", o, err)
		}
	}
	nan := math.NaN()
	walk(seed, WalkOptions{Hops: -1})
	walk(seed, WalkOptions{Hops: MaxHops + 1})
	walk(seed, WalkOptions{Decay: 1.1})
	walk(seed, WalkOptions{Decay: nan})
	walk(seed, WalkOptions{Limits: Limits{MaxNodes: -1}})
	walk([]Seed{{1, nan}}, WalkOptions{})
	walk([]Seed{{1, 1}, {2, 1}}, WalkOptions{Limits: Limits{MaxNodes: 1}})
	rank(seed, RankOptions{Restart: 1})
	rank(seed, RankOptions{Restart: nan})
	rank(seed, RankOptions{Epsilon: -1})
	rank(seed, RankOptions{Limits: Limits{MaxDegree: -1}})
	rank([]Seed{{1, math.Inf(1)}}, RankOptions{})
}

func TestSourceFails(t *testing.T) {
	l := links([3]float64{1, 2, 1}, [3]float64{2, 3, 1})
	l.broken = 2
	seed := []Seed{{1, 1}}
	if _, err := Walk(t.Context(), l, seed, nil); !errors.Is(err, errDisk) {
		t.Errorf("Walk: %v", err)
	}
	if _, err := PageRank(t.Context(), l, seed, nil); !errors.Is(err, errDisk) {
		t.Errorf("PageRank: %v", err)
	}
	if _, err := Compact(t.Context(), l, rangeOf(1, 3)); !errors.Is(err, errDisk) {
		t.Errorf("Compact: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	for _, after := range []int{1, 3} {
		ctx, cancel := context.WithCancel(t.Context())
		l, reads := links(), 0
		for i := range uint64(100) {
			l.add(i, i+1, 1)
		}
		l.reads = func() {
			if reads++; reads == after {
				cancel()
			}
		}
		f := func(name string, call func() error) {
			t.Helper()
			if err := call(); !errors.Is(err, context.Canceled) || reads > after {
				t.Errorf("%s: %v after %d reads", name, err, reads)
			}
		}
		f("Walk", func() error { _, err := Walk(ctx, l, []Seed{{0, 1}}, &WalkOptions{Hops: 50}); return err })
		f("PageRank", func() error { _, err := PageRank(ctx, l, []Seed{{0, 1}}, nil); return err })
		f("Compact", func() error { _, err := Compact(ctx, l, rangeOf(0, 99)); return err })
	}
	// A hub so large that reading it is worth ending, and a ring that is read once and pushed for long.
	ctx, cancel := context.WithCancel(t.Context())
	hub := links()
	for i := range uint64(1000) {
		hub.add(1, i, 1)
	}
	seen := 0
	_, err := Walk(ctx, hub, []Seed{{1, 1}}, &WalkOptions{Limits: Limits{MaxDegree: 8, Keep: func(Edge) bool {
		if seen++; seen == 10 {
			cancel()
		}
		return true
	}}})
	if !errors.Is(err, context.Canceled) || seen > 100 {
		t.Errorf("hub: %v after %d edges", err, seen)
	}
	ctx, cancel = context.WithCancel(t.Context())
	ring := links([3]float64{1, 2, 1}, [3]float64{2, 1, 1})
	ring.reads = cancel // cancelled at the first read, noticed at the second
	if _, err := PageRank(ctx, ring, []Seed{{1, 1}, {2, 1}}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ring: %v", err)
	}
}

func ExampleWalk() {
	a, _ := Compact(context.Background(), links(
		[3]float64{1, 2, 0.9}, // the first memory is close to the second
		[3]float64{2, 3, 0.8}, // which leads to the third
		[3]float64{1, 4, 0.3},
	), slices.Values([]uint64{1, 2}))
	res, _ := Walk(context.Background(), a, []Seed{{ID: 1, Weight: 1}}, nil)
	for _, n := range res.Nodes {
		fmt.Printf("%d: %.2f in %d hops\n", n.ID, n.Score, n.Hops)
	}
	// Output:
	// 2: 0.45 in 1 hops
	// 3: 0.18 in 2 hops
	// 4: 0.15 in 1 hops
}

func BenchmarkAdjacency(b *testing.B) {
	l := links()
	const n, degree = 20_000, 16
	for i := range uint64(n) {
		for j := range uint64(degree) {
			l.add(i, (i*31+j*j*977+1)%n, 0.2+float32(j)/32)
		}
	}
	a, err := Compact(b.Context(), l, rangeOf(0, n-1))
	if err != nil {
		b.Fatal(err)
	}
	seeds := []Seed{{1, 1}, {500, 0.8}, {9000, 0.7}}
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			_, _ = Walk(b.Context(), a, seeds, nil)
		}
	})
	b.Run("walk-sum-3", func(b *testing.B) {
		for b.Loop() {
			_, _ = Walk(b.Context(), a, seeds, &WalkOptions{Hops: 3, Sum: true})
		}
	})
	b.Run("pagerank", func(b *testing.B) {
		for b.Loop() {
			_, _ = PageRank(b.Context(), a, seeds, &RankOptions{Epsilon: 1e-4})
		}
	})
}
