//go:build unix

package annbench

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapFloats maps a file of float32 for the life of the process.
func mapFloats(path string) ([]float32, error) {
	b, err := mapFile(path)
	if err != nil || len(b) < 4 {
		return nil, err
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4), nil
}

// mapFile maps a file for the life of the process.
func mapFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := f.Stat()
	if err != nil || s.Size() == 0 {
		return nil, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(s.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, &os.PathError{Op: "mmap", Path: path, Err: err}
	}
	return b, nil
}
