//go:build !unix

package annbench

import (
	"os"
	"unsafe"
)

// mapFloats reads a file of float32.
func mapFloats(path string) ([]float32, error) {
	b, err := mapFile(path)
	if err != nil || len(b) < 4 {
		return nil, err
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4), nil
}

// mapFile reads a file into memory that starts at a multiple of 64.
func mapFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	v := make([]byte, len(b)+64)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(v))) & 63)
	return v[skip : skip+copy(v[skip:], b)], nil
}
