package hnsw

import (
	"fmt"
	"io"
	"math"

	"engram/accel"
	"engram/index"
	"engram/index/internal/sections"
	"engram/index/internal/space"
	"engram/quant"
)

// An index file has the parameters of the codes, the entries, the links and the codes as its sections. docs/format-index.md describes it byte by
// byte.
const (
	sectionParams = iota
	sectionEntries
	sectionLinks
	sectionCodes
	sectionCount
)

var format = sections.Format{Name: "EngHNSW\n", Version: 1, Sections: sectionCount}

// head is what the header of a file says.
type head struct {
	metric  accel.Metric
	n       uint32
	dim     uint32
	degree  uint32
	efBuild uint32
	graph   bool
}

// WriteTo writes the index as Open reads it.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	parts := make([][]byte, sectionCount)
	n := sections.Numbers{uint32(x.metric), uint32(x.n), uint32(x.rows.Dim()), uint32(x.degree), uint32(x.efBuild)}
	if x.lean != nil {
		n[5] = 1
		parts[sectionParams], parts[sectionEntries] = x.lean.AppendParams(nil), sections.Bytes(x.entries)
		parts[sectionLinks], parts[sectionCodes] = sections.Bytes(x.links), x.codes
	}
	return format.Write(w, n, parts)
}

// Open makes an index of the file data, which it keeps and never changes: a mapped file must stay mapped. It takes no longer for a
// large index than for a small one: the header and the small sections are checked, what lies in the large ones is not trusted and
// checked when it is used; Verify reads all. The error is index.ErrFile, also when the file belongs to other rows as far as their number and
// dimension tell.
func Open(data []byte, rows *index.Rows) (*Index, error) {
	h, parts, err := readHead(data)
	if err != nil {
		return nil, err
	}
	if int(h.n) != rows.Len() || int(h.dim) != rows.Dim() {
		return nil, fmt.Errorf("%w: it is of %d rows of %d, not of %d of %d", index.ErrFile, h.n, h.dim, rows.Len(), rows.Dim())
	}
	x := &Index{metric: h.metric, rows: rows, n: int(h.n), degree: int(h.degree), efBuild: int(h.efBuild)}
	if !h.graph {
		return x, nil
	}
	for _, s := range []int{sectionParams, sectionEntries} {
		if err := parts[s].Check(); err != nil {
			return nil, err
		}
	}
	if x.lean, err = quant.OpenLean(parts[sectionParams].Data); err != nil {
		return nil, fmt.Errorf("%w: %w", index.ErrFile, err)
	}
	if x.lean.Dim() != space.Dim(h.metric, rows.Dim()) {
		return nil, fmt.Errorf("%w: codes of %d coordinates", index.ErrFile, x.lean.Dim())
	}
	x.size = x.lean.CodeSize()
	x.codes = parts[sectionCodes].Data
	var ok [2]bool
	x.entries, ok[0] = sections.Of[uint32](parts[sectionEntries].Data)
	x.links, ok[1] = sections.Of[uint32](parts[sectionLinks].Data)
	if !ok[0] || !ok[1] || len(x.codes) != x.n*x.size || len(x.links) != x.n*(x.degree+1) || len(x.entries) > x.n {
		return nil, fmt.Errorf("%w: sections of wrong sizes", index.ErrFile)
	}
	for _, e := range x.entries {
		if int(e) >= x.n {
			return nil, fmt.Errorf("%w: an entry beyond the rows", index.ErrFile)
		}
	}
	x.copyEntries()
	return x, nil
}

// readHead reads what is small of a file.
func readHead(data []byte) (h head, parts []sections.Part, err error) {
	n, parts, err := format.Read(data)
	if err != nil {
		return h, nil, err
	}
	h = head{metric: accel.Metric(n[0]), n: n[1], dim: n[2], degree: n[3], efBuild: n[4], graph: n[5] == 1}
	switch {
	case h.metric != accel.L2 && h.metric != accel.InnerProduct && h.metric != accel.Cosine, h.n > math.MaxInt32, h.degree > 1<<10:
		return h, nil, fmt.Errorf("%w: a number of the header is out of range", index.ErrFile)
	}
	return h, parts, nil
}

// Verify reads the whole index and checks that every link leads to a row and every row can be reached. The error is index.ErrFile.
func (x *Index) Verify() error {
	if x.lean == nil {
		return nil
	}
	for ord := range uint32(x.n) {
		at := int(ord) * (x.degree + 1)
		if int(x.links[at]) > x.degree {
			return fmt.Errorf("%w: row %d has %d links", index.ErrFile, ord, x.links[at])
		}
		for _, v := range x.linksOf(ord) {
			if int(v) >= x.n {
				return fmt.Errorf("%w: row %d has a link to row %d of %d", index.ErrFile, ord, v, x.n)
			}
		}
	}
	if lost := x.unreached(); lost >= 0 {
		return fmt.Errorf("%w: row %d cannot be reached", index.ErrFile, lost)
	}
	return nil
}

// VerifyFile checks every checksum of the file data. The error is index.ErrFile.
func VerifyFile(data []byte) error {
	if _, _, err := readHead(data); err != nil {
		return err
	}
	return format.Verify(data)
}
