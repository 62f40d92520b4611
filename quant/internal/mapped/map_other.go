//go:build !unix

package mapped

import (
	"errors"
	"os"
)

// mapFile fails: the file is read in pieces instead.
func mapFile(*os.File, int64) ([]byte, error) {
	return nil, errors.New("mapped: no file maps on this system")
}

func forgetPages([]byte) {}

func unmapFile([]byte) error { return nil }
