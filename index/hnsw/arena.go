package hnsw

import (
	"unsafe"

	"engram/accel"
)

// hugePage is what a large arena starts at a multiple of, so that the system can back it with pages of that size: a walk reads
// scattered lines, and looking up small pages takes longer than reading them.
const hugePage = 2 << 20

// arena allocates n bytes that start at a cache line, or at a huge page if there are several of those.
func arena(n int) []byte {
	align := accel.CodeLine
	if n >= 2*hugePage {
		align = hugePage
	}
	b := make([]byte, n+align)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & uintptr(align-1))
	b = b[skip : skip+n : skip+n]
	if align == hugePage {
		adviseHuge(b[:n&^(hugePage-1)])
	}
	return b
}

// words is arena for numbers.
func words(n int) []uint32 {
	b := arena(4 * n)
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), n)
}
