package accel

import (
	"syscall"
	"testing"
	"unsafe"
)

// TestCodesStayInside puts codes and numbers at the very end of a page whose successor may not be read.
func TestCodesStayInside(t *testing.T) {
	page := syscall.Getpagesize()
	m, err := syscall.Mmap(-1, 0, 2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skipf("cannot map memory: %v", err)
	}
	defer syscall.Munmap(m)
	if err := syscall.Mprotect(m[page:], syscall.PROT_NONE); err != nil {
		t.Skipf("cannot protect memory: %v", err)
	}
	end := m[:page:page]
	dst, codes, scales := make([]float32, 1024), make([]int8, 1024), make([]float32, 64)
	for n := 1; n <= 300; n++ {
		v := unsafe.Slice((*float32)(unsafe.Pointer(&end[page-4*n])), n)
		q := unsafe.Slice((*int8)(unsafe.Pointer(&end[page-n])), n)
		for _, l := range levels(t) {
			atLevel(l, func() {
				AbsMax(v)
				QuantizeInt8(codes[:n], v, 1)
				DequantizeInt8(dst[:n], q, 1, 0)
				for bits := 2; bits <= 4 && n%16 == 0; bits++ {
					DequantizeGroups(dst[:n], bits, end[page-n/8*bits:], scales, scales, 16)
				}
			})
		}
	}
}
