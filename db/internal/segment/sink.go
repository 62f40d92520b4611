package segment

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// valueAlignment is where the vector values of a row group start: a multiple of a cache line and of the widest SIMD register.
const valueAlignment = 64

// diskCategory labels our writes for a vfs.FS that accounts by category.
const diskCategory = vfs.WriteCategoryUnspecified

// file is a buffered, hashed, sequential writer under a temporary name.
type file struct {
	fs   vfs.FS
	path string // final name
	f    vfs.File
	w    *bufio.Writer
	sum  *xxhash.Digest
	n    int64 // bytes written
}

const temporarySuffix = ".tmp"

func createFile(fs vfs.FS, path string) (*file, error) {
	f, err := fs.Create(path+temporarySuffix, diskCategory)
	if err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	return &file{fs: fs, path: path, f: f, w: bufio.NewWriterSize(f, 1<<16), sum: xxhash.New()}, nil
}

func (f *file) Write(p []byte) (int, error) {
	f.sum.Write(p) // before the file system, which may scribble on p
	n, err := f.w.Write(p)
	f.n += int64(n)
	return n, err
}

// seal makes the bytes durable under the temporary name.
func (f *file) seal() error {
	err := f.w.Flush()
	if err == nil {
		err = f.f.Sync()
	}
	err = errors.Join(err, f.f.Close())
	f.f = nil
	return err
}

// publish gives the file its final name.
func (f *file) publish() error { return f.fs.Rename(f.path+temporarySuffix, f.path) }

// abandon removes what has been written.
func (f *file) abandon() {
	if f.f != nil {
		f.f.Close()
		f.f = nil
	}
	f.fs.Remove(f.path + temporarySuffix)
}

// syncDir makes renames and removals in path's directory durable.
func syncDir(fs vfs.FS, path string) error {
	dir := fs.PathDir(path)
	if dir == "" {
		dir = "."
	}
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// sink stands between the Parquet writer and the file and moves pages so that vector values are aligned. The Parquet writer
// counts its own bytes; where padding went in, its offsets and the file's differ, and physical translates. Padding between
// pages is legal in Parquet: readers go by the offsets of the footer.
type sink struct {
	out     *file
	logical int64 // bytes taken from the Parquet writer
	shifts  []shift
	waiting int    // aligning: 2 the page header comes next, 1 the page's data comes next, 0 off
	values  int64  // aligning: bytes of values at the end of the data
	header  []byte // aligning: the page header, held back
	closed  bool   // drop everything: the Parquet writer's own footer is not wanted
}

// shift says that from a logical offset on the file is delta bytes longer.
type shift struct{ logical, delta int64 }

// alignNext arranges for the next page's last n bytes, its values, to start at a multiple of valueAlignment. The Parquet writer
// passes the page header in one Write and the page in the next.
func (s *sink) alignNext(n int64) { s.waiting, s.values = 2, n }

func (s *sink) Write(p []byte) (int, error) {
	at := s.logical
	s.logical += int64(len(p))
	switch {
	case s.closed:
		return len(p), nil
	case s.waiting == 2:
		s.header = append(s.header[:0], p...)
		s.waiting = 1
		return len(p), nil
	case s.waiting == 1:
		if err := s.writeAligned(at-int64(len(s.header)), p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return s.out.Write(p)
}

func (s *sink) writeAligned(start int64, data []byte) error {
	s.waiting = 0
	levels := int64(len(data)) - s.values
	if levels < 0 {
		return fmt.Errorf("segment: a page of %d bytes for %d bytes of values", len(data), s.values)
	}
	var zeros [valueAlignment]byte
	pad := -(s.out.n + int64(len(s.header)) + levels) & (valueAlignment - 1)
	if _, err := s.out.Write(zeros[:pad]); err != nil {
		return err
	}
	s.shifts = append(s.shifts, shift{start, s.out.n - start})
	if _, err := s.out.Write(s.header); err != nil {
		return err
	}
	_, err := s.out.Write(data)
	return err
}

// physical translates an offset of the Parquet writer into one of the file.
func (s *sink) physical(logical int64) int64 {
	for i := len(s.shifts) - 1; i >= 0; i-- {
		if s.shifts[i].logical <= logical {
			return logical + s.shifts[i].delta
		}
	}
	return logical
}
