// Package mapped answers one question: how are the bytes of a file used where they lie?
package mapped

import "os"

// Map maps the first n bytes of f, n above 0, to be read until Unmap; the descriptor may be closed before. An error says
// that the system cannot, and that the file must be read instead. A file that is cut short while it is mapped ends the process at
// the next look at what is gone: files are replaced, never changed.
func Map(f *os.File, n int64) ([]byte, error) { return mapFile(f, n) }

// Unmap gives back what Map returned.
func Unmap(b []byte) error { return unmapFile(b) }
