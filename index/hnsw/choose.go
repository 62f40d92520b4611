package hnsw

import (
	"slices"

	"engram/accel"
	"engram/quant"
)

// chooser selects links: of rows near a row it keeps those that are nearer to it than to a row already kept, the rule
// of HNSW (arXiv 1603.09320, algorithm 4) with Vamana's slack (DiskANN, NeurIPS 2019).
type chooser struct {
	keys  []uint64 // candidates, nearest first
	ids   []uint32
	dists []float32 // of candidate to row
	to    []float32 // of kept to left
	kept  []uint32
	query accel.CodeQuery
	lean  quant.LeanScratch
}

// slack is by how much a squared dist between candidates must be below that to the row for one to stand for the other.
const slack = 1.15

// choose returns up to most of the candidates in c.keys, whose dists lack offset; the result lasts until the next call.
func (c *chooser) choose(x *Index, offset float32, most int) []uint32 {
	c.ids, c.dists, c.kept = c.ids[:0], c.dists[:0], c.kept[:0]
	for _, k := range c.keys {
		c.ids = append(c.ids, keyOrd(k))
		c.dists = append(c.dists, keyDist(k)+offset)
	}
	if cap(c.to) < len(c.ids) {
		c.to = make([]float32, 2*len(c.ids))
	}
	for len(c.ids) > 0 && len(c.kept) < most {
		near := c.ids[0]
		c.kept = append(c.kept, near)
		if len(c.ids) == 1 || len(c.kept) == most {
			break
		}
		record := x.record(near)
		x.lean.RowQuery(record, &c.query, &c.lean)
		own := x.lean.RowOffset(record)
		to := c.to[:len(c.ids)]
		c.query.Gather(x.codes, c.ids, to)
		// Of rows with the same code one is linked to: many alike must not keep each other's links from leading elsewhere.
		self := to[0]
		j := 0
		for i, d := range to {
			if d != self && (d+own)*slack >= c.dists[i] {
				c.ids[j], c.dists[j] = c.ids[i], c.dists[i]
				j++
			}
		}
		c.ids, c.dists = c.ids[:j], c.dists[:j]
	}
	return c.kept
}

// rank fills c.keys with rows in the order of their dist to a row.
func (c *chooser) rank(x *Index, record []byte, rows []uint32) (offset float32) {
	x.lean.RowQuery(record, &c.query, &c.lean)
	if cap(c.to) < len(rows) {
		c.to = make([]float32, 2*len(rows))
	}
	to := c.to[:len(rows)]
	c.query.Gather(x.codes, rows, to)
	c.keys = c.keys[:0]
	for i, d := range to {
		c.keys = append(c.keys, key(d, rows[i]))
	}
	slices.Sort(c.keys)
	return x.lean.RowOffset(record)
}
