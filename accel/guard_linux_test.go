package accel

import (
	"math"
	"syscall"
	"testing"
	"unsafe"
)

// TestReadsStayInside puts every operand at the very end of a page whose successor may not be read: a
// kernel that loads one byte too many is killed by it.
func TestReadsStayInside(t *testing.T) {
	page := syscall.Getpagesize()
	last := func() []byte {
		m, err := syscall.Mmap(-1, 0, 2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			t.Skipf("cannot map memory: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Munmap(m) })
		if err := syscall.Mprotect(m[page:], syscall.PROT_NONE); err != nil {
			t.Skipf("cannot protect memory: %v", err)
		}
		return m[:page:page]
	}
	pa, pb := last(), last()
	for n := 1; n <= 300; n++ {
		rows := min(5, page/4/n)
		fa := unsafe.Slice((*float32)(unsafe.Pointer(&pa[page-4*n])), n)
		fb := unsafe.Slice((*float32)(unsafe.Pointer(&pb[page-4*n*rows])), n*rows)
		ia := unsafe.Slice((*int8)(unsafe.Pointer(&pa[page-n])), n)
		ib := unsafe.Slice((*int8)(unsafe.Pointer(&pb[page-n*rows])), n*rows)
		at := []uint32{0, uint32(rows - 1), uint32(rows - 1)}
		dst, dst8 := make([]float32, rows), make([]int32, rows)
		got, got8 := make([]float32, len(at)), make([]int32, len(at))
		for _, l := range levels(t) {
			atLevel(l, func() {
				for _, m := range []Metric{L2, InnerProduct, L1, Cosine} {
					q := NewQuery(m, fa)
					q.Dist(fb[n*(rows-1):])
					q.Rows(fb, nil, dst)
					q.Gather(fb, nil, at, got)
				}
				DotInt8(ia, ib[n*(rows-1):])
				DotInt8Rows(ia, ib, dst8)
				DotInt8Gather(ia, ib, at, got8)
				HammingDist(pa[page-n:], pb[page-n:])
				JaccardDist(pa[page-n:], pb[page-n:])
			})
		}
		if math.IsInf(float64(dst[0]), 0) {
			t.Fatal("impossible distance of zeros")
		}
	}
}
