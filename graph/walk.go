package graph

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// MaxHops is the most edges a Walk may take in a row.
const MaxHops = 64

// WalkOptions says how to walk. Nil means all defaults.
type WalkOptions struct {
	// Hops is how many edges to follow in a row, up to MaxHops. 0 means 2.
	Hops int
	// Decay is what every edge takes from the association, above 0 and up to 1. 0 means 0.5.
	Decay float64
	// Sum adds up all ways to a node; otherwise the best one counts.
	Sum bool
	Limits
}

func (o *WalkOptions) check() (WalkOptions, error) {
	var w WalkOptions
	if o != nil {
		w = *o
	}
	if w.Hops == 0 {
		w.Hops = 2
	}
	if w.Decay == 0 {
		w.Decay = 0.5
	}
	if w.Hops < 0 || w.Hops > MaxHops {
		return w, fmt.Errorf("%w: %d hops, allowed are 1 to %d", ErrOption, w.Hops, MaxHops)
	}
	if !(w.Decay > 0 && w.Decay <= 1) {
		return w, fmt.Errorf("%w: decay %v is not in (0, 1]", ErrOption, w.Decay)
	}
	var err error
	w.Limits, err = w.Limits.check()
	return w, err
}

// Walk scores the nodes within o.Hops edges of the seeds. A way from a seed along edges e1 ... eh is
// worth
//
//	seed weight * (decay * w(e1)) * ... * (decay * w(eh)), w(e) = min(1, weight of e)
//
// and a node scores the best way to it of one edge or more, or the sum of all of them with o.Sum. Ways
// may visit nodes again. A seed is in the result only if a way leads to it, from itself or another seed. A
// seed given twice counts with the greater weight, or with both if o.Sum.
//
// Nodes are expanded hop by hop, strongest first, so what MaxNodes cuts off is what the weakest of the
// last hop lead to. Errors are ErrOption, the context's and the Source's.
func Walk(ctx context.Context, src Source, seeds []Seed, o *WalkOptions) (*Result, error) {
	opts, err := o.check()
	if err != nil {
		return nil, err
	}
	if seeds, err = checkSeeds(seeds, opts.Limits); err != nil {
		return nil, err
	}
	w := &walk{
		opts: opts, nodes: newNodes(opts.MaxNodes), res: new(Result),
	}
	w.in = reader{ctx: ctx, src: src, limits: opts.Limits, res: w.res}
	var front []step
	for _, s := range seeds {
		front = w.arrive(front, s.ID, s.Weight, 0)
	}
	for hop := 1; hop <= opts.Hops && len(front) > 0; hop++ {
		if front, err = w.hop(w.strongest(front), hop); err != nil {
			return nil, err
		}
	}
	for i, score := range w.got {
		if score > 0 {
			w.res.Nodes = append(w.res.Nodes, Node{w.nodes.ids[i], score, w.hops[i]})
		}
	}
	return w.res.sorted(), nil
}

// walk is the state of a Walk; slices are by node number.
type walk struct {
	opts  WalkOptions
	in    reader
	nodes *nodes
	res   *Result
	got   []float64 // score so far
	best  []float64 // best way yet, seeds' own weight included
	hops  []int     // first hop that reached it
	mark  []int     // hop whose coming front it is in
	next  []int     // its place there
}

// step is a node to go on from and what the ways that end there, at this hop, are worth.
type step struct {
	node  int
	worth float64
}

// arrive ends a way of hop edges at node id and puts the node in the front if it is worth going on from.
//
// For the best way that is if it beats every way found before: a way that does not is neither shorter nor
// worth more, so nothing beyond is lost.
func (w *walk) arrive(front []step, id uint64, worth float64, hop int) []step {
	i, ok := w.nodes.number(id)
	if !ok {
		w.res.Truncated = true
		return front
	}
	if i == len(w.got) {
		w.got, w.best, w.hops = append(w.got, 0), append(w.best, 0), append(w.hops, 0)
		w.next, w.mark = append(w.next, 0), append(w.mark, -1)
	}
	if hop > 0 {
		if w.got[i] == 0 {
			w.hops[i] = hop
		}
		if w.opts.Sum {
			w.got[i] += worth
		} else {
			w.got[i] = max(w.got[i], worth)
		}
	}
	if !w.opts.Sum && worth <= w.best[i] {
		return front
	}
	w.best[i] = worth
	if w.mark[i] != hop {
		w.mark[i], w.next[i] = hop, len(front)
		return append(front, step{i, worth})
	}
	s := &front[w.next[i]]
	if w.opts.Sum {
		s.worth += worth
	} else {
		s.worth = worth
	}
	return front
}

// strongest sorts the front.
func (w *walk) strongest(front []step) []step {
	slices.SortFunc(front, func(a, b step) int {
		return cmp.Or(cmp.Compare(b.worth, a.worth), cmp.Compare(w.nodes.ids[a.node], w.nodes.ids[b.node]))
	})
	return front
}

// hop follows the edges of every node of the front.
func (w *walk) hop(front []step, hop int) ([]step, error) {
	var next []step
	for _, s := range front {
		edges, err := w.in.out(w.nodes.ids[s.node])
		if err != nil {
			return nil, err
		}
		for _, e := range edges {
			worth := s.worth * w.opts.Decay * min(1, float64(e.Weight))
			if worth > 0 { // not underflown
				next = w.arrive(next, e.Dst, worth, hop)
			}
		}
	}
	return next, nil
}
