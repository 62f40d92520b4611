package hnsw

import (
	"engram/accel"
	"engram/index"
)

// exact compares rows one by one: what a search falls back to.
type exact struct {
	metric accel.Metric
	rows   *index.Rows
}

// rerank is rows to be compared exactly.
type rerank struct {
	top   index.TopK
	dists []float32
}

// show compares the rows ords with q and shows them to r.
func (e *exact) show(q *accel.Query, ords []uint32, r *rerank) {
	if e.rows.Runs() == 1 {
		_, run := e.rows.Run(0)
		if cap(r.dists) < len(ords) {
			r.dists = make([]float32, len(ords))
		}
		q.Gather(run, nil, ords, r.dists[:len(ords)])
		r.top.PushAll(ords, r.dists[:len(ords)])
		return
	}
	for i, ord := range ords {
		if i+1 < len(ords) {
			accel.PrefetchFloats(e.rows.Row(ords[i+1]))
		}
		r.top.Push(ord, q.Dist(e.rows.Row(ord)))
	}
}
