package hnsw

import "testing"

// SetScanBytes makes filtered searches walk where they would scan codes.
func (x *Index) SetScanBytes(t testing.TB, n int) {
	t.Helper()
	x.scan = n
}
