package weights

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"engram/quant/internal/mapped"
)

// source gives the bytes of a weight file.
type source interface {
	io.ReaderAt
	// slice returns n bytes at off. Of a mapped file it is the map itself, valid until close; else it is a copy.
	slice(off, n int64) ([]byte, error)
	size() int64
	// mapped says whether slice returns the map.
	mapped() bool
	close() error
}

// openSource opens a file, mapped where the system can and noMap is false.
func openSource(path string, noMap bool) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("weights: %w", err)
	}
	if !st.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrFormat, path)
	}
	if noMap || st.Size() == 0 {
		return &fileSource{f: f, n: st.Size()}, nil
	}
	b, err := mapped.Map(f, st.Size())
	if err != nil { // no map here: read instead
		return &fileSource{f: f, n: st.Size()}, nil
	}
	f.Close() // the map outlives the descriptor
	return &mapSource{bytesSource{b}}, nil
}

// fileSource reads a file that is not mapped.
type fileSource struct {
	f *os.File
	n int64
}

func (s *fileSource) ReadAt(p []byte, off int64) (int, error) { return s.f.ReadAt(p, off) }
func (s *fileSource) size() int64                             { return s.n }
func (s *fileSource) mapped() bool                            { return false }
func (s *fileSource) close() error                            { return s.f.Close() }

func (s *fileSource) slice(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || n > s.n-off {
		return nil, fmt.Errorf("%w: %d bytes at %d of a file of %d", ErrCorrupt, n, off, s.n)
	}
	b := make([]byte, n)
	if _, err := s.f.ReadAt(b, off); err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	return b, nil
}

// bytesSource is a file that lies in memory.
type bytesSource struct{ b []byte }

func (s bytesSource) size() int64  { return int64(len(s.b)) }
func (s bytesSource) mapped() bool { return true }
func (s bytesSource) close() error { return nil }

func (s bytesSource) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(s.b).ReadAt(p, off)
}

func (s bytesSource) slice(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || n > int64(len(s.b))-off {
		return nil, fmt.Errorf("%w: %d bytes at %d of a file of %d", ErrCorrupt, n, off, len(s.b))
	}
	return s.b[off : off+n : off+n], nil
}

// mapSource is a mapped file.
type mapSource struct{ bytesSource }

func (s *mapSource) close() error {
	b := s.b
	s.b = nil
	return mapped.Unmap(b)
}
