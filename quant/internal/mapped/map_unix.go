//go:build unix

package mapped

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps n bytes of f to be read.
func mapFile(f *os.File, n int64) ([]byte, error) {
	if int64(int(n)) != n {
		return nil, errors.New("mapped: file too large to map")
	}
	return unix.Mmap(int(f.Fd()), 0, int(n), unix.PROT_READ, unix.MAP_SHARED)
}

// forgetPages ignores a failure: it is advice, and nothing depends on it.
func forgetPages(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }

func unmapFile(b []byte) error { return unix.Munmap(b) }
