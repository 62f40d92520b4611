package index_test

import (
	"fmt"
	"slices"
	"testing"

	"engram/accel"
	"engram/index"
	"engram/index/indextest"
)

// BenchmarkFlat scans 40,000 rows of 768; bytes per second count the rows that pass the filter.
func BenchmarkFlat(b *testing.B) {
	const n, dim = 40_000, 768
	rows := indextest.Rows(1, n, dim)
	sq := make([]float32, n)
	accel.SqNorms(dim, rows, sq)
	filters := map[string][]uint64{
		"all": nil, "half": slices.Repeat([]uint64{0x5555555555555555}, n/64), "1of64": slices.Repeat([]uint64{1}, n/64),
	}
	for _, m := range []accel.Metric{accel.L2, accel.InnerProduct, accel.Cosine} {
		f := mustFlat(b, m, dim, rows, sq)
		for name, bits := range filters {
			for _, k := range []int{10, 1000} {
				b.Run(fmt.Sprintf("%v/%s/k=%d", m, name, k), func(b *testing.B) {
					var st index.Stats
					o := &index.SearchOptions{Bits: bits, Dst: make([]index.Hit, 0, k), Stats: &st}
					b.ReportAllocs()
					for b.Loop() {
						_, _ = f.Nearest(rows[:dim], k, o)
					}
					b.SetBytes(st.Scored / int64(b.N) * dim * 4)
				})
			}
		}
	}
}
