package index_test

import (
	"testing"

	"engram/index"
)

// TestChoose holds Choose to the table of docs/decisions/0004-index-choice.md.
func TestChoose(t *testing.T) {
	for _, c := range []struct {
		n, dim int
		want   index.Kind
	}{
		{0, 100, index.KindFlat}, {999, 4096, index.KindFlat}, {1000, 784, index.KindFlat}, {3000, 100, index.KindFlat},
		{3000, 384, index.KindHNSW}, {3000, 784, index.KindHNSW}, {10_000, 100, index.KindFlat}, {30_000, 100, index.KindHNSW}, {499_999, 768, index.KindHNSW},
		{500_000, 100, index.KindIVF}, {1_000_000, 768, index.KindIVF},
	} {
		if got := index.Choose(c.n, c.dim); got != c.want {
			t.Errorf("%d rows of %d: %v, want %v", c.n, c.dim, got, c.want)
		}
	}
}

func TestKindNames(t *testing.T) {
	for kind, name := range map[index.Kind]string{index.KindAuto: "auto", index.KindFlat: "flat", index.KindHNSW: "hnsw", index.KindIVF: "ivf"} {
		if kind.String() != name {
			t.Errorf("%d is called %q", kind, kind)
		}
	}
}
