//go:build unix

package quantize

import (
	"os"
	"syscall"
)

// lockFile keeps other runs from the journal until it is closed.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
