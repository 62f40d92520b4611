package hnsw

import (
	"fmt"

	"engram/accel"
	"engram/index"
	"engram/quant"
)

// Index is a graph over the rows it was built for, which must outlive it. It may be used by many goroutines at once.
type Index struct {
	metric accel.Metric
	rows   *index.Rows
	n      int
	lean   *quant.Lean // nil: there are too few rows for a graph
	size   int         // bytes of a code record
	degree int         // most links of a row
	codes  []byte      // n*size
	links  []uint32    // n*(degree+1): how many, then the ords
	// entries are the rows a search starts from; theirs are copies of their records, back to back.
	entries []uint32
	theirs  []byte
	efBuild int
	scan    int // bytes of codes that are scanned rather than walked among, 0 for the rule; tests set it
}

// Len is how many rows the index covers.
func (x *Index) Len() int { return x.n }

// Metric is what the rows are compared by.
func (x *Index) Metric() accel.Metric { return x.metric }

// Bytes is the memory of the index beside the vectors.
func (x *Index) Bytes() int64 {
	if x.lean == nil {
		return 0
	}
	return int64(len(x.codes)) + 4*int64(len(x.links)) + 4*int64(len(x.entries)) + int64(len(x.theirs)) + int64(x.lean.Bytes())
}

// Describe says in a line what the index is.
func (x *Index) Describe() string {
	if x.lean == nil {
		return fmt.Sprintf("hnsw: %d rows, compared exactly", x.n)
	}
	return fmt.Sprintf("hnsw: %d rows, up to %d links, codes of %d bytes for %d of %d coordinates, %d entries, ef_construction %d",
		x.n, x.degree, x.size, x.lean.Kept(), x.lean.Dim(), len(x.entries), x.efBuild)
}

// linksOf is the links of a row.
func (x *Index) linksOf(ord uint32) []uint32 {
	at := int(ord) * (x.degree + 1)
	count := min(int(x.links[at]), x.degree) // a damaged file must not lead outside
	return x.links[at+1 : at+1+count]
}

func (x *Index) record(ord uint32) []byte {
	return x.codes[int(ord)*x.size : (int(ord)+1)*x.size]
}
