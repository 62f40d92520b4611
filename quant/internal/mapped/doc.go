// Package mapped answers one question: how are the bytes of a file used where they lie?
package mapped

import (
	"os"
	"unsafe"
)

// Map maps the first n bytes of f, n above 0, to be read until Unmap; the descriptor may be closed before. An error says
// that the system cannot, and that the file must be read instead. A file that is cut short while it is mapped ends the process at
// the next look at what is gone: files are replaced, never changed.
func Map(f *os.File, n int64) ([]byte, error) { return mapFile(f, n) }

// Unmap gives back what Map returned.
func Unmap(b []byte) error { return unmapFile(b) }

// Forget tells the system that part, a piece of what Map returned as whole, will not be read soon, so that its pages need
// not stay in memory; a later read brings them back from the file. It leaves alone what does not lie in whole.
func Forget(whole, part []byte) {
	if len(part) == 0 || len(whole) == 0 {
		return
	}
	base, at := uintptr(unsafe.Pointer(unsafe.SliceData(whole))), uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	if at < base || at+uintptr(len(part)) > base+uintptr(len(whole)) {
		return
	}
	// Only whole pages go: those at the ends hold bytes of others too.
	page := os.Getpagesize()
	from := (int(at-base) + page - 1) / page * page
	if to := (int(at-base) + len(part)) / page * page; to > from {
		forgetPages(whole[from:to])
	}
}
