package graph

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
)

// ErrTooLarge says that a graph has more nodes, kinds or edges than an Adjacency can number.
var ErrTooLarge = errors.New("graph: too large")

// Adjacency is a graph in a few flat arrays: the edges of a node lie side by side, 18 bytes each. It is
// immutable, a Source, and safe for concurrent use.
type Adjacency struct {
	ids     []uint64 // of all nodes, ascending
	start   []int    // edges of node i are start[i] to start[i+1]
	dst     []uint32 // number of the node an edge leads to
	kind    []uint16 // number of its kind
	weight  []float32
	time    []int64
	kinds   []string
	kindsAt map[string]uint16
}

// Compact copies the edges of the given nodes out of src. Nodes that those edges lead to are nodes too,
// without edges unless given themselves. Nodes may be given in any order and more than once; the edges of
// a node keep the order of src. Errors are ErrTooLarge, the context's and the Source's.
func Compact(ctx context.Context, src Source, nodes iter.Seq[uint64]) (*Adjacency, error) {
	from := slices.Collect(nodes)
	slices.Sort(from)
	from = slices.Compact(from)
	a := &Adjacency{kindsAt: map[string]uint16{}}
	var ends []uint64   // Dst of every edge
	var degrees []int32 // of every node given
	for _, id := range from {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		before := len(ends)
		for e, err := range src.Edges(id) {
			if err != nil {
				return nil, fmt.Errorf("graph: edges of %d: %w", id, err)
			}
			k, err := a.number(e.Kind)
			if err != nil {
				return nil, err
			}
			ends = append(ends, e.Dst)
			a.kind, a.weight, a.time = append(a.kind, k), append(a.weight, e.Weight), append(a.time, e.Time)
		}
		if len(ends)-before > math.MaxInt32 {
			return nil, fmt.Errorf("%w: %d edges at node %d", ErrTooLarge, len(ends)-before, id)
		}
		degrees = append(degrees, int32(len(ends)-before))
	}
	a.ids = slices.Concat(from, ends)
	slices.Sort(a.ids)
	a.ids = slices.Clip(slices.Compact(a.ids))
	if len(a.ids) > math.MaxUint32 {
		return nil, fmt.Errorf("%w: %d nodes", ErrTooLarge, len(a.ids))
	}
	a.link(from, degrees, ends)
	return a, nil
}

// number is the number of a kind.
func (a *Adjacency) number(kind string) (uint16, error) {
	if k, ok := a.kindsAt[kind]; ok {
		return k, nil
	}
	if len(a.kinds) > math.MaxUint16 {
		return 0, fmt.Errorf("%w: more than %d kinds", ErrTooLarge, math.MaxUint16+1)
	}
	k := uint16(len(a.kinds))
	a.kinds, a.kindsAt[kind] = append(a.kinds, kind), k
	return k, nil
}

// link fills in where each node's edges are and where they lead.
func (a *Adjacency) link(from []uint64, degrees []int32, ends []uint64) {
	a.start = make([]int, 1, len(a.ids)+1)
	sum, given := 0, 0
	for _, id := range a.ids {
		if given < len(from) && from[given] == id {
			sum += int(degrees[given])
			given++
		}
		a.start = append(a.start, sum)
	}
	a.dst = make([]uint32, len(ends))
	for i, id := range ends {
		n, _ := slices.BinarySearch(a.ids, id)
		a.dst[i] = uint32(n)
	}
}

// Nodes yields all nodes, ascending.
func (a *Adjacency) Nodes() iter.Seq[uint64] { return slices.Values(a.ids) }

// NodeCount is how many nodes there are, EdgeCount how many edges.
func (a *Adjacency) NodeCount() int { return len(a.ids) }

// EdgeCount is how many edges there are.
func (a *Adjacency) EdgeCount() int { return len(a.dst) }

// SizeBytes is about how much memory the Adjacency takes.
func (a *Adjacency) SizeBytes() int64 {
	n := int64(8*cap(a.ids) + 8*cap(a.start) + 4*cap(a.dst) + 2*cap(a.kind) + 4*cap(a.weight) + 8*cap(a.time))
	for _, k := range a.kinds {
		n += int64(len(k)) + 64
	}
	return n
}

// Degree is how many edges leave a node.
func (a *Adjacency) Degree(id uint64) int {
	n, ok := slices.BinarySearch(a.ids, id)
	if !ok {
		return 0
	}
	return a.start[n+1] - a.start[n]
}

// Edges yields the edges of a node in the order they were copied. It never yields an error.
func (a *Adjacency) Edges(from uint64) iter.Seq2[Edge, error] {
	return func(yield func(Edge, error) bool) {
		n, ok := slices.BinarySearch(a.ids, from)
		if !ok {
			return
		}
		for i := a.start[n]; i < a.start[n+1]; i++ {
			e := Edge{Src: from, Dst: a.ids[a.dst[i]], Kind: a.kinds[a.kind[i]], Weight: a.weight[i], Time: a.time[i]}
			if !yield(e, nil) {
				return
			}
		}
	}
}
