package graph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
)

// ErrOption says that an option or a seed is out of its range.
var ErrOption = errors.New("graph: bad option")

// Edge is an association from one node to another.
type Edge struct {
	Src, Dst uint64
	Kind     string  // temporal, semantic, or the user's own
	Weight   float32 // strength, above 0; 1 is as strong as can be
	Time     int64   // when it was made, in microseconds since the Unix epoch
}

// Source gives the edges that leave a node.
type Source interface {
	// Edges yields the edges whose Src is from, each once; a node it does not know has none. After an
	// error, which comes with an Edge to be ignored, it yields nothing more.
	Edges(from uint64) iter.Seq2[Edge, error]
}

// Seed is a node that a walk starts from.
type Seed struct {
	ID uint64
	// Weight is how much the seed counts. Seeds of weight 0 or less are left out.
	Weight float64
}

// Limits bound what is read of a graph. They are part of the options of every walk.
type Limits struct {
	// MaxNodes is how many nodes may be scored, seeds included. 0 means 10,000.
	MaxNodes int
	// MaxDegree is how many edges of a node are followed, the heaviest first. 0 means 256.
	MaxDegree int
	// Keep, if not nil, is asked for every edge; only edges it answers true are followed.
	Keep func(Edge) bool
}

// Node is a node with its score.
type Node struct {
	ID    uint64
	Score float64
	Hops  int // fewest edges from a seed by which it was reached
}

// Result is what a walk found.
type Result struct {
	// Nodes are the nodes reached, best first, ties in order of ID.
	Nodes []Node
	// Truncated says that MaxNodes or MaxDegree left something out.
	Truncated bool
	// Expanded is how many nodes' edges were read, Edges how many edges those were.
	Expanded, Edges int
	// Residual bounds the error of PageRank: a node's true rank is its score or up to Residual more.
	// Walk leaves it 0.
	Residual float64
}

// sorted orders the nodes as Result promises.
func (r *Result) sorted() *Result {
	slices.SortFunc(r.Nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
	return r
}

func (l Limits) check() (Limits, error) {
	if l.MaxNodes < 0 || l.MaxDegree < 0 {
		return l, fmt.Errorf("%w: negative limit", ErrOption)
	}
	if l.MaxNodes == 0 {
		l.MaxNodes = 10_000
	}
	if l.MaxDegree == 0 {
		l.MaxDegree = 256
	}
	return l, nil
}

// reader reads a Source within limits and counts.
type reader struct {
	ctx    context.Context
	src    Source
	limits Limits
	res    *Result
	edges  []Edge
}

// out returns the edges of node id that are to be followed, valid until the next call. Edges whose
// weight is not a number above 0 associate nothing and are passed over.
func (r *reader) out(id uint64) ([]Edge, error) {
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	r.res.Expanded++
	r.edges = r.edges[:0]
	most, cut := r.limits.MaxDegree, false
	for e, err := range r.src.Edges(id) {
		if err != nil {
			return nil, fmt.Errorf("graph: edges of %d: %w", id, err)
		}
		r.res.Edges++
		if !(e.Weight > 0) || math.IsInf(float64(e.Weight), 0) || r.limits.Keep != nil && !r.limits.Keep(e) {
			continue
		}
		r.edges = append(r.edges, e)
		if len(r.edges) >= 2*most+16 { // a hub: keep the memory in bounds too
			r.edges, cut = heaviest(r.edges, most), true
			if err := r.ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	if len(r.edges) > most {
		r.edges, cut = heaviest(r.edges, most), true
	}
	r.res.Truncated = r.res.Truncated || cut
	return r.edges, nil
}

// heaviest keeps the n heaviest edges, in an order of their own so that ties fall the same way each time.
func heaviest(edges []Edge, n int) []Edge {
	slices.SortStableFunc(edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Dst, b.Dst), cmp.Compare(a.Kind, b.Kind))
	})
	return edges[:n]
}

// nodes numbers the nodes of a walk in the order they were met.
type nodes struct {
	ids  []uint64
	at   map[uint64]int
	most int
}

func newNodes(most int) *nodes { return &nodes{at: map[uint64]int{}, most: most} }

// number is the number of id. It reports false if id is new and there is no room for it.
func (n *nodes) number(id uint64) (int, bool) {
	if i, ok := n.at[id]; ok {
		return i, true
	}
	if len(n.ids) >= n.most {
		return 0, false
	}
	i := len(n.ids)
	n.at[id] = i
	n.ids = append(n.ids, id)
	return i, true
}

// checkSeeds returns the seeds that count. More seeds than MaxNodes are an error rather than cut off.
func checkSeeds(seeds []Seed, l Limits) ([]Seed, error) {
	var ok []Seed
	for _, s := range seeds {
		if math.IsNaN(s.Weight) || math.IsInf(s.Weight, 0) {
			return nil, fmt.Errorf("%w: seed %d weighs %v", ErrOption, s.ID, s.Weight)
		}
		if s.Weight > 0 {
			ok = append(ok, s)
		}
	}
	if len(ok) > l.MaxNodes {
		return nil, fmt.Errorf("%w: %d seeds, MaxNodes is %d", ErrOption, len(ok), l.MaxNodes)
	}
	return ok, nil
}
