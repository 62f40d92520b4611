package db

import (
	"github.com/RoaringBitmap/roaring/v2"
)

// publishLocked makes memory show what Pebble now holds.
func (w *commit) publishLocked(at uint64, dead map[*segmentRef]*roaring.Bitmap) {
	d := w.d
	w.publishCatalogLocked(at)
	for g, bits := range dead {
		if old := g.dead.Load().bits; old != nil {
			bits.Or(old)
		}
		g.dead.Store(&deadRows{bits: bits, commit: at})
	}
	oldest, reader := d.oldestLocked(), d.oldestBatchLocked(w.b.snap)
	w.remember = reader < at
	for id, tb := range w.b.tables {
		if tb.table == nil {
			continue
		}
		now := d.cat.tables[id]
		if tb.delta != 0 || len(tb.rows) > 0 {
			now.mem.addRows(tb.delta, at, oldest)
			now.mem.lastWrite = at
		}
		w.publishRowsLocked(now, tb, at)
	}
	for _, v := range w.vecs {
		d.cat.tables[v.table].arenas[v.column].put(v.row, v.vector, at)
	}
	for id := range w.b.tables {
		if now := d.cat.tables[id]; now != nil {
			for _, a := range now.arenas {
				d.sweepLocked(a, oldest)
			}
		}
	}
	if w.remember {
		for key := range w.b.settings {
			d.recent.addSetting(key, at)
		}
	}
	d.recent.trim(reader)
}

// publishRowsLocked ends older versions of the rows in the arenas and remembers who wrote what.
func (w *commit) publishRowsLocked(now *tableState, tb *tableBatch, at uint64) {
	d, id := w.d, now.t.ID
	for row, rw := range tb.rows {
		now.mem.headBytes += int64(len(rw.enc))
		if id == MemoriesID {
			if rw.pending {
				d.pending.Add(uint64(row))
			} else if rw.settled {
				d.pending.Remove(uint64(row))
			}
		}
		if now.mem.written != nil {
			now.mem.written[row] = struct{}{}
		}
		if rw.fresh {
			continue
		}
		if w.remember {
			d.recent.addRow(rowKey{id, row}, at)
		}
		for _, a := range now.arenas {
			a.kill(at, row)
		}
	}
}

// publishCatalogLocked makes and publishes a new catalog when the batch changed descriptors.
func (w *commit) publishCatalogLocked(at uint64) {
	d := w.d
	changed := len(w.b.schemas) > 0
	for _, tb := range w.b.tables {
		changed = changed || tb.altered || tb.table == nil
	}
	if changed || len(w.b.settings) > 0 {
		d.definedAt.Store(at)
	}
	if !changed {
		return
	}
	cat := d.cat.clone()
	for name, made := range w.b.schemas {
		if made {
			cat.schemas[name] = true
		} else {
			delete(cat.schemas, name)
		}
	}
	for id, tb := range w.b.tables {
		if tb.altered || tb.table == nil {
			cat.drop(id) // names first: two tables of the batch may swap theirs
		}
	}
	for id, tb := range w.b.tables {
		now := d.cat.tables[id]
		switch {
		case tb.table == nil:
			d.counters.forget(id)
		case !tb.altered:
		case now == nil || tb.truncated:
			cat.put(&tableState{t: tb.table, arenas: arenasFor(tb.table, nil), mem: &tableMem{}})
		default:
			cat.put(&tableState{t: tb.table, segments: now.segments, arenas: arenasFor(tb.table, now.arenas), mem: now.mem})
		}
		if id == MemoriesID && tb.truncated {
			d.pending.Clear()
		}
	}
	d.setCatalogLocked(cat)
}
