package hnsw

import "golang.org/x/sys/unix"

// adviseHuge asks for huge pages. That it is not granted is no error.
func adviseHuge(b []byte) { _ = unix.Madvise(b, unix.MADV_HUGEPAGE) }
