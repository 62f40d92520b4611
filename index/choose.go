package index

// Kind is a kind of index. The numbers are written to disk and never change.
type Kind uint8

const (
	KindAuto Kind = 0 // Choose decides
	KindFlat Kind = 1
	KindHNSW Kind = 2
	KindIVF  Kind = 3
)

// String is the name of k in SQL.
func (k Kind) String() string {
	switch k {
	case KindFlat:
		return "flat"
	case KindHNSW:
		return "hnsw"
	case KindIVF:
		return "ivf"
	}
	return "auto"
}

const (
	// indexRows and indexNumbers are from where on an index is worth it: fewer rows it compares exactly itself, and fewer numbers are
	// compared in about a tenth of a millisecond.
	indexRows, indexNumbers = 1000, 1 << 20
	// listRows is how many rows a graph takes minutes to build for, where lists take seconds.
	listRows = 500_000
)

// Choose is the kind of index that suits n vectors of dim elements, by what was measured: see docs/decisions/0004-index-choice.md.
func Choose(n, dim int) Kind {
	switch {
	case n < indexRows || n*dim < indexNumbers:
		return KindFlat
	case n < listRows:
		return KindHNSW
	}
	return KindIVF
}
