package graph

import (
	"context"
	"fmt"
)

// RankOptions says how to rank. Nil means all defaults.
type RankOptions struct {
	// Restart is how likely the walk returns to the seeds at each step, above 0 and below 1. 0 means 0.15.
	Restart float64
	// Epsilon is the rank too small to be passed on, above 0 and below 1. 0 means 1e-5. Work grows as
	// 1/(Restart*Epsilon) at worst.
	Epsilon float64
	Limits
}

func (o *RankOptions) check() (RankOptions, error) {
	var r RankOptions
	if o != nil {
		r = *o
	}
	if r.Restart == 0 {
		r.Restart = 0.15
	}
	if r.Epsilon == 0 {
		r.Epsilon = 1e-5
	}
	if !(r.Restart > 0 && r.Restart < 1) {
		return r, fmt.Errorf("%w: restart %v is not in (0, 1)", ErrOption, r.Restart)
	}
	if !(r.Epsilon > 0 && r.Epsilon < 1) {
		return r, fmt.Errorf("%w: epsilon %v is not in (0, 1)", ErrOption, r.Epsilon)
	}
	var err error
	r.Limits, err = r.Limits.check()
	return r, err
}

// PageRank ranks nodes by personalised PageRank: how likely a random walk is to be there, that at each
// step returns to a seed (chosen by weight) with probability o.Restart, or else follows an edge chosen by
// weight; from a node without edges it returns to a seed. Ranks add up to 1 over all nodes.
//
// It pushes rank forward from the seeds and reads only the nodes rank comes to (Andersen, Chung and Lang,
// Local graph partitioning using PageRank vectors, FOCS 2006). Scores are never too high, and too low by
// no more than Result.Residual, which counts what was too small to push and what MaxNodes kept out; what
// MaxDegree and Keep leave out is as if it were not in the graph. Errors are ErrOption, the context's and the Source's.
func PageRank(ctx context.Context, src Source, seeds []Seed, o *RankOptions) (*Result, error) {
	opts, err := o.check()
	if err != nil {
		return nil, err
	}
	if seeds, err = checkSeeds(seeds, opts.Limits); err != nil {
		return nil, err
	}
	p := &push{opts: opts, nodes: newNodes(opts.MaxNodes), res: new(Result)}
	p.in = reader{ctx: ctx, src: src, limits: opts.Limits, res: p.res}
	total := 0.0
	for _, s := range seeds {
		total += s.Weight
	}
	for _, s := range seeds {
		i, _ := p.nodes.number(s.ID) // there is room: seeds are no more than MaxNodes
		p.meet(i)
		p.seeds = append(p.seeds, share{i, s.Weight / total})
		p.give(i, s.Weight/total)
	}
	for done := 0; len(p.queue) > 0; done++ {
		if done%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		i := p.queue[0]
		p.queue = p.queue[1:]
		if err := p.push(i); err != nil {
			return nil, err
		}
	}
	p.measure()
	for i, s := range p.state {
		p.res.Residual += s.waiting
		if s.rank > 0 {
			p.res.Nodes = append(p.res.Nodes, Node{p.nodes.ids[i], s.rank, s.hops})
		}
	}
	p.res.Residual += p.lost
	return p.res.sorted(), nil
}

// share is a part of what a node passes on.
type share struct {
	node int // its number, -1 for a node there was no room for
	part float64
}

// push is the state of a PageRank.
type push struct {
	opts  RankOptions
	in    reader
	nodes *nodes
	res   *Result
	seeds []share
	state []place // by node number
	queue []int   // nodes with more waiting than epsilon
	lost  float64 // what went to nodes there was no room for
}

// place is a node: what has settled there, what waits to be passed on, and to whom.
type place struct {
	rank, waiting float64
	hops          int
	queued, read  bool
	shares        []share // empty once read: nobody to pass on to
}

// meet makes sure that node i has a place.
func (p *push) meet(i int) {
	if i == len(p.state) {
		p.state = append(p.state, place{hops: -1})
	}
}

// measure counts the hops from the seeds along the edges that were read.
func (p *push) measure() {
	var front []int
	reach := func(i, hops int) {
		if i >= 0 && p.state[i].hops < 0 {
			p.state[i].hops = hops
			front = append(front, i)
		}
	}
	for _, s := range p.seeds {
		reach(s.node, 0)
	}
	for ; len(front) > 0; front = front[1:] {
		for _, to := range p.state[front[0]].shares {
			reach(to.node, p.state[front[0]].hops+1)
		}
	}
}

// give lets x wait at node i.
func (p *push) give(i int, x float64) {
	if i < 0 {
		p.lost += x
		return
	}
	s := &p.state[i]
	s.waiting += x
	if s.waiting > p.opts.Epsilon && !s.queued {
		s.queued = true
		p.queue = append(p.queue, i)
	}
}

// push settles the restart share of what waits at node i and passes on the rest.
func (p *push) push(i int) error {
	if !p.state[i].read {
		if err := p.read(i); err != nil {
			return err
		}
	}
	s := &p.state[i]
	x := s.waiting
	s.waiting, s.queued = 0, false
	s.rank += p.opts.Restart * x
	x *= 1 - p.opts.Restart
	shares := s.shares
	if len(shares) == 0 {
		shares = p.seeds
	}
	for _, to := range shares {
		p.give(to.node, x*to.part)
	}
	return nil
}

// read turns the edges of node i into shares.
func (p *push) read(i int) error {
	edges, err := p.in.out(p.nodes.ids[i])
	if err != nil {
		return err
	}
	total := 0.0
	for _, e := range edges {
		total += float64(e.Weight)
	}
	shares := make([]share, 0, len(edges))
	for _, e := range edges {
		j, ok := p.nodes.number(e.Dst)
		if ok {
			p.meet(j)
		} else {
			j, p.res.Truncated = -1, true
		}
		shares = append(shares, share{j, float64(e.Weight) / total})
	}
	p.state[i].shares, p.state[i].read = shares, true
	return nil
}
