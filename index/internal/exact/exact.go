package exact

import (
	"engram/accel"
	"engram/index"
)

// Best is the nearest of the rows that were compared, by their exact dists.
type Best struct {
	Top   index.TopK
	dists []float32
}

// Show compares the rows ords with q.
func (r *Best) Show(rows *index.Rows, q *accel.Query, ords []uint32) {
	if rows.Runs() == 1 {
		_, run := rows.Run(0)
		if cap(r.dists) < len(ords) {
			r.dists = make([]float32, len(ords))
		}
		q.Gather(run, nil, ords, r.dists[:len(ords)])
		r.Top.PushAll(ords, r.dists[:len(ords)])
		return
	}
	for i, ord := range ords {
		if i+1 < len(ords) {
			accel.PrefetchFloats(rows.Row(ords[i+1]))
		}
		r.Top.Push(ord, q.Dist(rows.Row(ord)))
	}
}
