//go:build !linux

package hnsw

// adviseHuge asks for huge pages, which other systems give or do not give by themselves.
func adviseHuge([]byte) {}
