//go:build !unix

package annbench

import (
	"os"
	"unsafe"
)

// mapFloats reads a file of float32.
func mapFloats(path string) ([]float32, error) {
	b, err := os.ReadFile(path)
	if err != nil || len(b) < 4 {
		return nil, err
	}
	v := make([]float32, len(b)/4)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v)), b)
	return v, nil
}
