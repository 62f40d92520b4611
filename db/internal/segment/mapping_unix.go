//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package segment

import "golang.org/x/sys/unix"

// mapFile maps size bytes of an open file.
func mapFile(fd uintptr, size int) (data []byte, unmap func() error, ok bool) {
	data, err := unix.Mmap(int(fd), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, false
	}
	return data, func() error { return unix.Munmap(data) }, true
}
