//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package segment

// mapFile never maps here; the caller reads the file instead.
func mapFile(fd uintptr, size int) (data []byte, unmap func() error, ok bool) { return nil, nil, false }
