package ivf

import (
	"errors"
	"fmt"
	"io"
	"math"

	"engram/accel"
	"engram/index"
	"engram/index/internal/sections"
	"engram/index/internal/space"
	"engram/quant"
)

// An index file has as its sections the parameters of the codes, the centroids, the rows without a code, where each list begins, and for
// the centroids and for the rows the codes, their numbers, the records and the ords. docs/format-index.md describes it byte by byte.
const (
	sectionParams    = 0
	sectionCentroids = 1
	sectionOdd       = 2
	sectionStarts    = 3
	sectionRoot      = 4 // and the next of codedSections
	sectionLists     = sectionRoot + codedSections
	sectionCount     = sectionLists + codedSections

	codedSections = 4
)

var format = sections.Format{Name: "EngIVF\n\n", Version: 1, Sections: sectionCount}

// WriteTo writes the index as Open reads it.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	n := sections.Numbers{uint32(x.metric), uint32(x.n), uint32(x.rows.Dim()), uint32(x.Lists()), math.Float32bits(x.reach), math.Float32bits(x.longest)}
	data := make([][]byte, format.Sections)
	if x.codes != nil {
		data[sectionParams], data[sectionCentroids] = x.codes.AppendParams(nil), sections.Bytes(x.centroids)
		data[sectionOdd], data[sectionStarts] = sections.Bytes(x.odd), sections.Bytes(x.lists.starts)
		x.root.sections(data[sectionRoot:])
		x.lists.sections(data[sectionLists:])
	}
	return format.Write(w, n, data)
}

func (c *coded) sections(dst [][]byte) {
	dst[0], dst[1], dst[2], dst[3] = c.codes, sections.Bytes(c.factors), c.records, sections.Bytes(c.ords)
}

// Open makes an index of the file data, which it keeps and never changes: a mapped file must stay mapped. It takes no longer for a
// large index than for a small one: the header and the small sections are checked, what lies in the large ones is not trusted and
// checked when it is used; Verify reads all. The error is index.ErrFile, also when the file belongs to other rows as far as their number
// and dimension tell.
func Open(data []byte, rows *index.Rows) (*Index, error) {
	n, all, err := format.Read(data)
	if err != nil {
		return nil, err
	}
	x := &Index{metric: accel.Metric(n[0]), rows: rows, n: int(n[1]), reach: math.Float32frombits(n[4]), longest: math.Float32frombits(n[5]), parts: all}
	if err := checkMetric(x.metric); err != nil {
		return nil, errors.Join(index.ErrFile, err)
	}
	if n[1] > math.MaxInt32 || int(n[1]) != rows.Len() || int(n[2]) != rows.Dim() {
		return nil, fmt.Errorf("%w: it is of %d rows of %d, not of %d of %d", index.ErrFile, n[1], n[2], rows.Len(), rows.Dim())
	}
	lists := int(n[3])
	if lists == 0 {
		return x, nil
	}
	for _, s := range []int{sectionParams, sectionOdd, sectionStarts} {
		if err := all[s].Check(); err != nil {
			return nil, err
		}
	}
	if x.codes, err = quant.OpenRaBitQ(all[sectionParams].Data); err != nil {
		return nil, fmt.Errorf("%w: %w", index.ErrFile, err)
	}
	if x.codes.Dim() != space.Dim(x.metric, rows.Dim()) {
		return nil, fmt.Errorf("%w: codes of %d dimensions", index.ErrFile, x.codes.Dim())
	}
	starts, ok := sections.Of[uint32](all[sectionStarts].Data)
	var ok2, ok3 bool
	x.odd, ok2 = sections.Of[uint32](all[sectionOdd].Data)
	x.centroids, ok3 = sections.Of[float32](all[sectionCentroids].Data)
	if !ok || !ok2 || !ok3 || len(starts) != lists+1 || len(x.centroids) != lists*x.codes.Dim() || len(x.odd) > x.n {
		return nil, fmt.Errorf("%w: sections of wrong sizes", index.ErrFile)
	}
	for _, ord := range x.odd {
		if int(ord) >= x.n {
			return nil, fmt.Errorf("%w: row %d of %d", index.ErrFile, ord, x.n)
		}
	}
	if err := x.root.open(x.codes, []uint32{0, uint32(lists)}, lists, all[sectionRoot:]); err != nil {
		return nil, err
	}
	if err := x.lists.open(x.codes, starts, x.n, all[sectionLists:]); err != nil {
		return nil, err
	}
	if coded, _ := x.lists.total(); coded+len(x.odd) != x.n {
		return nil, fmt.Errorf("%w: %d rows in lists and %d outside, of %d", index.ErrFile, coded, len(x.odd), x.n)
	}
	return x, nil
}

// open lays c over the sections in from; ords are below limit.
func (c *coded) open(codes *quant.RaBitQ, starts []uint32, limit int, from []sections.Part) error {
	for i := range starts {
		if i == 0 && starts[0] != 0 || i > 0 && starts[i] < starts[i-1] || int(starts[i]) > limit {
			return fmt.Errorf("%w: lists that do not follow each other", index.ErrFile)
		}
	}
	*c = coded{starts: starts, limit: uint32(limit), codes: from[0].Data, records: from[2].Data}
	c.count32()
	var ok, ok2 bool
	c.factors, ok = sections.Of[float32](from[1].Data)
	c.ords, ok2 = sections.Of[uint32](from[3].Data)
	rows, blocks := c.total()
	if !ok || !ok2 || len(c.codes) != blocks*codes.BlockSize() || len(c.factors) != blocks*accel.ScanFactors ||
		len(c.records) != rows*codes.RecordSize() || len(c.ords) != rows {
		return fmt.Errorf("%w: codes of wrong sizes", index.ErrFile)
	}
	return nil
}

// Verify reads all of the index, compares the checksums of the file it was opened from, and checks that every row is in one
// place. The error is index.ErrFile.
func (x *Index) Verify() error {
	for _, p := range x.parts {
		if err := p.Check(); err != nil {
			return err
		}
	}
	if x.codes == nil {
		return nil
	}
	if err := eachOnce(x.Lists(), x.root.ords); err != nil {
		return err
	}
	return eachOnce(x.n, x.lists.ords, x.odd)
}

// eachOnce checks that ords holds every number below n once.
func eachOnce(n int, ords ...[]uint32) error {
	seen := make([]uint64, (n+63)/64)
	left := n
	for _, some := range ords {
		for _, ord := range some {
			if int(ord) >= n || seen[ord/64]>>(ord%64)&1 == 1 {
				return fmt.Errorf("%w: row %d of %d is out of place", index.ErrFile, ord, n)
			}
			seen[ord/64] |= 1 << (ord % 64)
			left--
		}
	}
	if left != 0 {
		return fmt.Errorf("%w: %d rows are missing", index.ErrFile, left)
	}
	return nil
}
