package index_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"engram/index"

	"pgregory.net/rapid"
)

// dists draws numbers that tie often, and everything a float32 can be.
var dists = rapid.OneOf(
	rapid.SampledFrom([]float32{0, float32(math.Copysign(0, -1)), 1, -1, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32, math.SmallestNonzeroFloat32}),
	rapid.Map(rapid.IntRange(-3, 3), func(i int) float32 { return float32(i) / 2 }),
	rapid.Map(rapid.Uint32(), math.Float32frombits),
)

// same compares hits by order and by the bits of dist, but for the zeros and the kinds of NaN.
func same(a, b []index.Hit) bool {
	return slices.EqualFunc(a, b, func(x, y index.Hit) bool { return index.Compare(x, y) == 0 })
}

func TestTopK(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ds := rapid.SliceOfN(dists, 0, 60).Draw(t, "dists")
		k := rapid.IntRange(-1, 70).Draw(t, "k")
		hits := make([]index.Hit, len(ds))
		for i, d := range ds {
			hits[i] = index.Hit{Ord: uint32(i), Dist: d}
		}
		want := slices.Clone(hits)
		slices.SortFunc(want, index.Compare)
		want = want[:max(0, min(k, len(want)))]
		order := rapid.Permutation(hits).Draw(t, "order")

		one := index.NewTopK(k)
		ords, shuffled := make([]uint32, len(order)), make([]float32, len(order))
		for i, h := range order {
			one.Push(h.Ord, h.Dist)
			ords[i], shuffled[i] = h.Ord, h.Dist
			if n := one.Len(); n != min(i+1, max(0, k)) || one.Full() != (n >= k) {
				t.Fatalf("%d kept of %d, k %d, full %v", n, i+1, k, one.Full())
			}
		}
		if k > 0 && len(want) == k && index.CompareDist(one.Bound(), want[k-1].Dist) != 0 {
			t.Fatalf("bound %v, farthest %v", one.Bound(), want[k-1])
		}
		if got := one.AppendTo(nil); !same(got, want) {
			t.Fatalf("Push keeps %v, want %v", got, want)
		}
		one.PushAll(ords, shuffled)
		if got := one.AppendTo(nil); !same(got, want) {
			t.Fatalf("PushAll keeps %v, want %v", got, want)
		}
		one.PushRange(0, ds)
		before := index.Hit{Ord: 9, Dist: 9}
		if got := one.AppendTo([]index.Hit{before}); got[0] != before || !same(got[1:], want) {
			t.Fatalf("PushRange keeps %v, want %v", got, want)
		}
		if one.Len() != 0 || one.Bound() == one.Bound() {
			t.Fatal("AppendTo does not empty the TopK")
		}
	})
	var zero index.TopK
	zero.Push(1, 1)
	if zero.Len() != 0 {
		t.Error("the zero TopK keeps something")
	}
}

func TestMerge(t *testing.T) {
	type rowHit struct {
		ID   uint64
		Dist float32
		List int
	}
	compare := func(a, b rowHit) int {
		return cmp.Or(index.CompareDist(a.Dist, b.Dist), cmp.Compare(a.ID, b.ID))
	}
	rapid.Check(t, func(t *rapid.T) {
		var lists [][]rowHit
		var all []rowHit
		for i := range rapid.IntRange(0, 20).Draw(t, "lists") {
			var l []rowHit
			for _, d := range rapid.SliceOfN(dists, 0, 10).Draw(t, "list") {
				l = append(l, rowHit{rapid.Uint64Range(0, 5).Draw(t, "id"), d, i})
			}
			slices.SortStableFunc(l, compare)
			lists = append(lists, l)
			all = append(all, l...)
		}
		slices.SortStableFunc(all, compare)
		k := rapid.IntRange(-1, 30).Draw(t, "k")
		want := all[:max(0, min(k, len(all)))]
		got := index.Merge(nil, k, compare, lists...)
		if !slices.EqualFunc(got, want, func(a, b rowHit) bool { return compare(a, b) == 0 && a.List == b.List }) {
			t.Fatalf("merged %v, want %v", got, want)
		}
	})
}

func TestCompare(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	order := []index.Hit{{3, -inf}, {0, -1}, {1, 0}, {2, float32(math.Copysign(0, -1))}, {0, 1}, {5, inf}, {0, nan}, {1, nan}}
	for i, a := range order {
		for j, b := range order {
			if got := index.Compare(a, b); got != cmp.Compare(i, j) {
				t.Errorf("Compare(%v, %v) = %d", a, b, got)
			}
		}
	}
}
