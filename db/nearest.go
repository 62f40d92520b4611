package db

import (
	"container/heap"
	"slices"
)

// nearest keeps the k nearest hits it is shown, ties by RowID. (index.TopK does the same for ords, whose order is not that of
// RowIDs in the head.)
type nearest struct {
	k    int
	hits farthestFirst
}

// wants reports whether a hit at a dist may belong to the k nearest. NaN is farther than any number.
func (n *nearest) wants(dist float32) bool {
	if len(n.hits) < n.k {
		return true
	}
	return !(dist > n.hits[0].Dist)
}

func (n *nearest) push(h Hit) {
	if len(n.hits) < n.k {
		heap.Push(&n.hits, h)
		return
	}
	if compareHits(h, n.hits[0]) < 0 {
		n.hits[0] = h
		heap.Fix(&n.hits, 0)
	}
}

// sorted returns the hits, nearest first.
func (n *nearest) sorted() []Hit {
	slices.SortFunc(n.hits, compareHits)
	return n.hits
}

// farthestFirst is a heap with the farthest hit on top.
type farthestFirst []Hit

func (f farthestFirst) Len() int           { return len(f) }
func (f farthestFirst) Less(i, j int) bool { return compareHits(f[i], f[j]) > 0 }
func (f farthestFirst) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *farthestFirst) Push(x any)        { *f = append(*f, x.(Hit)) }
func (f *farthestFirst) Pop() any {
	old := *f
	h := old[len(old)-1]
	*f = old[:len(old)-1]
	return h
}
