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

// Choose is the kind of index that suits n vectors of dim elements: docs/decisions/0004-index-choice.md has the measured
// crossover points.
func Choose(n, dim int) Kind {
	switch {
	case n*dim < 2<<20:
		return KindFlat
	case n < 1_000_000:
		return KindHNSW
	}
	return KindIVF
}
