package hnsw

import (
	"engram/accel"
	"engram/index"
)

// scanRows compares every row that passes exactly.
func (x *Index) scanRows(w *walker, q *accel.Query, o *index.SearchOptions) {
	w.room(x.degree)
	w.filter.Rewind()
	for {
		m := w.filter.Fill(w.ids[:entryBlock])
		if m == 0 {
			return
		}
		w.best.Show(x.rows, q, w.ids[:m])
		w.scored += int64(m)
		if o.Done != nil && stopped(o.Done) {
			return
		}
	}
}
