package segment

import (
	"fmt"
	"io"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// mapping is the content of a file, mapped where the system can and read into memory where it cannot.
type mapping struct {
	data  []byte
	unmap func() error
}

// Map returns the content of a file, which begins at a multiple of 64 bytes, and what gives it back. Nothing may be written to it.
func Map(fs vfs.FS, path string) (data []byte, unmap func() error, err error) {
	m, err := openMapping(fs, path)
	if err != nil {
		return nil, nil, err
	}
	return m.data, m.unmap, nil
}

// openMapping maps a file read-only. Files that no operating system knows (vfs.MemFS) are read.
func openMapping(fs vfs.FS, path string) (*mapping, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("segment: %s: %w", path, err)
	}
	size := st.Size()
	if size != int64(int(size)) {
		return nil, fmt.Errorf("segment: %s: %d bytes do not fit the address space", path, size)
	}
	if fd := f.Fd(); fd != vfs.InvalidFd && size > 0 {
		if data, unmap, ok := mapFile(fd, int(size)); ok {
			return &mapping{data, unmap}, nil
		}
	}
	data := make([]byte, size+valueAlignment) // aligned like a mapped file as far as anybody asks
	data = data[-uintptr(unsafe.Pointer(unsafe.SliceData(data)))&(valueAlignment-1):][:size:size]
	if size == 0 {
		data = nil
	}
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, size), data); err != nil {
		return nil, fmt.Errorf("segment: %s: %w", path, err)
	}
	return &mapping{data, func() error { return nil }}, nil
}

// littleEndian tells whether this machine keeps floats as Parquet does.
var littleEndian = func() bool { x := uint16(1); return *(*byte)(unsafe.Pointer(&x)) == 1 }()

// floatsOf views bytes as float32 values; where alignment or byte order forbid that, it copies.
func floatsOf(b []byte) []float32 {
	if len(b) == 0 {
		return nil
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if littleEndian && uintptr(p)%unsafe.Alignof(float32(0)) == 0 {
		return unsafe.Slice((*float32)(p), len(b)/4)
	}
	return copyFloats(b)
}
