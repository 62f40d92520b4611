package hnsw

import (
	"math/bits"

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

// scan compares every row that may be returned.
func (e *exact) scan(q *accel.Query, o *index.SearchOptions, w *walker) {
	const block = 256
	if cap(w.ids) < block {
		w.ids, w.dists = make([]uint32, block), make([]float32, block)
	}
	ids := w.ids[:0]
	flush := func() {
		e.show(q, ids, &w.best)
		w.scored += int64(len(ids))
		ids = ids[:0]
	}
	n := e.rows.Len()
	for from := 0; from < n; from += 64 {
		word := ^uint64(0)
		if o.Bits != nil {
			word = 0
			if from/64 < len(o.Bits) {
				word = o.Bits[from/64]
			}
		}
		if n-from < 64 {
			word &= 1<<(n-from) - 1
		}
		for ; word != 0; word &= word - 1 {
			ord := uint32(from + bits.TrailingZeros64(word))
			if o.Keep != nil && !o.Keep(ord) {
				continue
			}
			if ids = append(ids, ord); len(ids) == block {
				flush()
				if o.Done != nil && stopped(o.Done) {
					return
				}
			}
		}
	}
	flush()
}
