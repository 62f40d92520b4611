package db

import (
	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/db/internal/segment"
)

// vectorScan is vectors that lie back to back, some of which count.
type vectorScan struct {
	dim  int
	data []float32
	n    int
	// pick appends to dst which of the vectors from to to may be returned.
	pick func(dst []uint32, from, to int) []uint32
	// listed, when not nil, is which n vectors count, by their places in data; pick is not asked.
	listed []uint32
	id     func(i uint32) RowID
}

func (x *search) allows(id RowID) bool { return x.q.Filter == nil || x.q.Filter.Contains(uint64(id)) }

// addBase adds the vectors of a snapshot, but for rows that a batch has changed.
func (x *search) addBase(s *Snapshot, ts *tableState, tb *tableBatch) error {
	if x.q.Filter != nil && x.q.Filter.IsEmpty() {
		return nil
	}
	x.d = s.d
	var own map[RowID]rowWrite
	if tb != nil {
		own = tb.rows
	}
	if a := ts.arenas[x.column]; a != nil {
		for _, c := range a.view() {
			x.addChunk(c, s.commit, own)
		}
	}
	for _, g := range ts.segments {
		dead, err := s.deadWith(g, own)
		if err == nil {
			err = x.addSegment(g, dead)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *search) addChunk(c chunkView, commit uint64, own map[RowID]rowWrite) {
	x.scans = append(x.scans, vectorScan{
		dim: c.dim, data: c.data, n: c.n,
		pick: func(dst []uint32, from, to int) []uint32 {
			for i := from; i < to; i++ {
				if !c.visible(i, commit) || !x.allows(c.ids[i]) {
					continue
				}
				if _, changed := own[c.ids[i]]; !changed {
					dst = append(dst, uint32(i))
				}
			}
			return dst
		},
		id: func(i uint32) RowID { return c.ids[i] },
	})
	x.head = len(x.scans)
}

// addOwn adds the vectors a batch has written.
func (x *search) addOwn(tb *tableBatch) error {
	byDim := map[int]*chunk{}
	for id, w := range tb.rows {
		if w.enc == nil || !x.allows(id) {
			continue
		}
		v, err := tb.table.vectorOf(id, w.enc, x.q.Column)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		c := byDim[len(v)]
		if c == nil {
			c = &chunk{dim: len(v)}
			byDim[len(v)] = c
		}
		c.data, c.ids = append(c.data, v...), append(c.ids, id)
	}
	for _, c := range byDim {
		x.scans = append([]vectorScan{{dim: c.dim, data: c.data, n: len(c.ids), pick: pickAll,
			id: func(i uint32) RowID { return c.ids[i] }}}, x.scans...)
		x.head++
	}
	return nil
}

func pickAll(dst []uint32, from, to int) []uint32 {
	for i := from; i < to; i++ {
		dst = append(dst, uint32(i))
	}
	return dst
}

// addSegment adds the vectors of a segment: by its index where there is one that fits.
func (x *search) addSegment(g *segmentRef, dead *roaring.Bitmap) error {
	v, ok := g.seg.Vectors(x.column)
	if !ok || v.Count == 0 {
		return nil
	}
	x.stats.Segments++
	match := uint64(v.Count)
	if f := x.q.Filter; f != nil {
		if match = inRange(f, uint64(g.min), uint64(g.max)); match == 0 {
			return nil
		}
	}
	if x.index != nil && v.Dim == len(x.q.Near) && match > pickedRows {
		if ix := g.useIndex(x.index.ID); ix != nil {
			return x.addProbe(g, ix, dead)
		}
	}
	counts := func(ord uint32) bool { return dead == nil || !dead.Contains(ord) }
	id := func(ord uint32) RowID { return RowID(g.seg.RowID(ord)) }
	if x.q.Filter != nil && match < uint64(v.Count/8) {
		x.addPicked(g, v, counts)
		return nil
	}
	if v.Dim == 0 {
		for i := range v.Count {
			if ord := v.Ord(i); counts(ord) && x.allows(id(ord)) {
				x.addOne(v.Nth(i), id(ord))
			}
		}
		return nil
	}
	for _, r := range v.Runs {
		x.addRun(v, r, counts, id)
	}
	return nil
}

// inRange is how many members of a set are between first and last, both included.
func inRange(f *roaring64.Bitmap, first, last uint64) uint64 {
	n := f.Rank(last)
	if first > 0 {
		n -= f.Rank(first - 1)
	}
	return n
}

// addRun adds the vectors of one row group.
func (x *search) addRun(v *segment.VectorColumn, r segment.VectorRun, counts func(uint32) bool, id func(uint32) RowID) {
	ord := func(i uint32) uint32 { return r.FirstOrd + i }
	if v.Present != nil {
		ords := make([]uint32, 0, r.Count)
		it := v.Present.Iterator()
		it.AdvanceIfNeeded(r.FirstOrd)
		for len(ords) < r.Count && it.HasNext() {
			ords = append(ords, it.Next())
		}
		ord = func(i uint32) uint32 { return ords[i] }
	}
	x.scans = append(x.scans, vectorScan{
		dim: v.Dim, data: r.Data, n: r.Count,
		pick: func(dst []uint32, from, to int) []uint32 {
			for i := from; i < to; i++ {
				if o := ord(uint32(i)); counts(o) && (x.q.Filter == nil || x.allows(id(o))) {
					dst = append(dst, uint32(i))
				}
			}
			return dst
		},
		id: func(i uint32) RowID { return id(ord(i)) },
	})
}

// addPicked adds the vectors of the few rows that a filter allows.
func (x *search) addPicked(g *segmentRef, v *segment.VectorColumn, counts func(uint32) bool) {
	it := x.q.Filter.Iterator()
	it.AdvanceIfNeeded(uint64(g.min))
	run, at := 0, []uint32(nil)
	flush := func() {
		if len(at) > 0 {
			first := v.Runs[run].First
			x.scans = append(x.scans, vectorScan{dim: v.Dim, data: v.Runs[run].Data, n: len(at), listed: at,
				id: func(i uint32) RowID { return RowID(g.seg.RowID(v.Ord(first + int(i)))) }})
		}
		at = nil
	}
	for it.HasNext() {
		row := it.Next()
		if row > uint64(g.max) {
			break
		}
		ord, ok := g.seg.Ord(row)
		if !ok || !counts(ord) {
			continue
		}
		i, ok := v.Index(ord)
		if !ok {
			continue
		}
		if v.Dim == 0 {
			x.addOne(v.Nth(i), RowID(row))
			continue
		}
		if i >= v.Runs[run].First+v.Runs[run].Count {
			flush()
			for i >= v.Runs[run].First+v.Runs[run].Count {
				run++
			}
		}
		at = append(at, uint32(i-v.Runs[run].First))
	}
	flush()
}

func (x *search) addOne(vec []float32, id RowID) {
	x.scans = append(x.scans, vectorScan{dim: len(vec), data: vec, n: 1, pick: pickAll, id: func(uint32) RowID { return id }})
}
