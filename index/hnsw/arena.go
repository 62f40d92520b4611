package hnsw

import (
	"unsafe"

	"engram/accel"
)

// arena allocates n bytes that start at a cache line.
func arena(n int) []byte {
	b := make([]byte, n+accel.CodeLine)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (accel.CodeLine - 1))
	return b[skip : skip+n : skip+n]
}
