package db

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/index"
)

// pickedRows is how many rows of a segment a filter may allow for them to be compared one by one without asking the index: so few
// that this is faster than to tell the index about them.
const pickedRows = 256

// probe is a search of a segment's index.
type probe struct {
	g     *segmentRef
	ix    *segmentIndex
	bits  []uint64   // vectors that may be returned; nil for all
	own   *bitBuffer // holds bits, when they belong to this search
	stats index.Stats
}

// bitBuffer is bits of vectors, kept between searches.
type bitBuffer struct{ rows, vectors []uint64 }

var bitBuffers = sync.Pool{New: func() any { return new(bitBuffer) }}

func words(b *[]uint64, n int) []uint64 {
	if cap(*b) < n {
		*b = make([]uint64, n)
	}
	return (*b)[:n]
}

// addProbe adds the search of an index, which it releases in the end.
func (x *search) addProbe(g *segmentRef, ix *segmentIndex, dead *roaring.Bitmap) error {
	x.probes = append(x.probes, probe{g: g, ix: ix})
	p := &x.probes[len(x.probes)-1]
	newest := dead != nil && g.dead.Load().bits == dead
	p.bits = ix.alivePicks(dead, newest)
	if x.q.Filter == nil {
		return nil
	}
	f, err := x.filterIn(g)
	if err != nil {
		return err
	}
	v := ix.column
	p.own = bitBuffers.Get().(*bitBuffer)
	picked := words(&p.own.rows, (v.Rows+63)/64)
	g.seg.PickBits(f.words, f.first, picked)
	if v.Present != nil {
		dense := words(&p.own.vectors, (v.Count+63)/64)
		v.DenseBits(picked, dense)
		picked = dense
	}
	for i, w := range p.bits {
		picked[i] &= w
	}
	p.bits = picked
	return nil
}

// release gives back what the probes hold.
func (x *search) release() {
	for i := range x.probes {
		p := &x.probes[i]
		if p.own != nil {
			bitBuffers.Put(p.own)
		}
		if err := p.ix.release(); err != nil {
			x.d.log.Warn("closing a vector index", "segment", p.g.base, "error", err)
		}
	}
	x.filter.release()
}

// searchScratch is the memory of a probe, kept between searches.
type searchScratch struct {
	o    index.SearchOptions
	hits []index.Hit
}

var searchScratches = sync.Pool{New: func() any { return new(searchScratch) }}

// width is Query.Ef, or what many hits take to be found as surely as a few.
func (x *search) width() int {
	const few, most = 32, 512
	if x.q.Ef > 0 || x.q.K <= few {
		return x.q.Ef
	}
	return x.q.K + min(x.q.K, most)
}

// probe searches an index and names the rows.
func (x *search) probe(p *probe) ([]Hit, error) {
	s := searchScratches.Get().(*searchScratch)
	defer func() {
		s.o = index.SearchOptions{}
		searchScratches.Put(s)
	}()
	s.o = index.SearchOptions{EfSearch: x.width(), Probes: x.q.Probes, Bits: p.bits, Done: x.ctx.Done(), Dst: s.hits[:0], Stats: &p.stats}
	found, err := p.ix.file.Nearest(x.q.Near, x.q.K, &s.o)
	if err != nil {
		return nil, err
	}
	if err := x.ctx.Err(); err != nil {
		return nil, err
	}
	if len(found) < x.q.K && len(found) < p.passing() {
		found = x.compareAll(p)
	}
	if cap(found) > cap(s.hits) && cap(found) <= 1<<14 {
		s.hits = found[:0]
	}
	hits := make([]Hit, len(found))
	for i, h := range found {
		hits[i] = Hit{ID: RowID(p.g.seg.RowID(p.ix.column.Ord(int(h.Ord)))), Dist: h.Dist}
	}
	return hits, nil
}

// passing is how many vectors the probe may return.
func (p *probe) passing() int {
	if p.bits == nil {
		return p.ix.column.Count
	}
	n := 0
	for _, w := range p.bits {
		n += bits.OnesCount64(w)
	}
	return n
}

// compareAll is for an index that returns fewer rows than there are: what was asked for is always returned.
func (x *search) compareAll(p *probe) []index.Hit {
	v := p.ix.column
	top := index.NewTopK(min(x.q.K, v.Count))
	for i := range v.Count {
		if p.bits == nil || p.bits[i/64]>>(i%64)&1 != 0 {
			top.Push(uint32(i), x.query.Dist(v.Nth(i)))
			p.stats.Scored++
		}
	}
	return top.AppendTo(nil)
}

// add adds what an index counted.
func (s *SearchStats) add(o *index.Stats) {
	s.Scored += int(o.Scored)
	s.Reranked += int(o.Reranked)
	s.Filtered += int(o.Filtered)
	s.Regime = o.Regime.String()
}

// denseFilter is a set of RowIDs as plain bits: bit i stands for RowID first+i.
type denseFilter struct {
	first uint64
	words []uint64
	lo    uint64 // RowIDs from lo to hi have been filled in
	hi    uint64
}

var denseFilters = sync.Pool{New: func() any { return new(denseFilter) }}

func (f *denseFilter) release() {
	if f != nil && cap(f.words) <= 1<<20 {
		denseFilters.Put(f)
	}
}

// filterIn returns the filter as plain bits over the RowIDs of a segment. What has been made for another segment of the search
// serves when it covers this one.
func (x *search) filterIn(g *segmentRef) (*denseFilter, error) {
	lo, hi := uint64(g.min), uint64(g.max)
	if x.filter == nil {
		x.filter = denseFilters.Get().(*denseFilter)
		x.filter.lo, x.filter.hi = 1, 0
	}
	f := x.filter
	if lo >= f.lo && hi <= f.hi {
		return f, nil
	}
	return f, f.fill(x.q.Filter, lo, hi)
}

// fill makes the plain bits of the members from lo to hi. Container by container: for a million rows that is some tens of
// microseconds where walking the members takes a millisecond.
func (f *denseFilter) fill(set *roaring64.Bitmap, lo, hi uint64) error {
	part := set
	if set.Minimum() < lo || set.Maximum() > hi {
		part = roaring64.New()
		part.AddRange(lo, hi+1)
		part.And(set)
	}
	f.lo, f.hi, f.first = lo, hi, lo&^0xffff
	f.words = words(&f.words, int((hi-f.first)/64+1))
	clear(f.words)
	var buf bytes.Buffer
	buf.Grow(int(part.GetSerializedSizeInBytes()))
	if _, err := part.WriteTo(&buf); err != nil {
		return err
	}
	b := buf.Bytes()
	n := binary.LittleEndian.Uint64(b) // the 64-bit format: a count, then each upper half and its 32-bit bitmap
	b = b[8:]
	for range n {
		high := uint64(binary.LittleEndian.Uint32(b)) << 32
		low := roaring.New()
		size, err := low.FromBuffer(b[4:])
		if err != nil {
			return err
		}
		b = b[4+size:]
		// Offsets are whole containers, so that these move and their members do not.
		if high >= f.first {
			low.WriteDenseTo(f.words[(high-f.first)/64:])
		} else {
			roaring.AddOffset64(low, -int64(f.first-high)).WriteDenseTo(f.words)
		}
	}
	return nil
}
