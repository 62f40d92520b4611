package vecindex

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"engram/accel"
	"engram/index"
	"engram/index/hnsw"
	"engram/index/ivf"
)

// Index is an approximate index of the vectors of one column of one segment.
type Index interface {
	index.Searcher
	io.WriterTo
	Verify() error    // reads all of it; the error is index.ErrFile
	Bytes() int64     // beside the vectors
	Describe() string // one line for people
}

// Spec says what to build. Kind is hnsw or ivf.
type Spec struct {
	Kind              index.Kind
	Metric            accel.Metric
	M, EfConstruction int // of hnsw
	Lists             int // of ivf
	Profile           index.Profile
}

// BuildOptions say what a build may use.
type BuildOptions struct {
	Threads  int                     // 0 means GOMAXPROCS
	Memory   int64                   // bytes beside the rows, 0 means any; more is index.ErrMemory
	Progress func(done, total int64) // may be nil
}

// ErrKind says that no approximate index is of that kind.
var ErrKind = errors.New("vecindex: no approximate index of this kind")

// Build makes an index in memory. It ends with ctx.Err() when ctx does.
func Build(ctx context.Context, rows *index.Rows, s Spec, o BuildOptions) (Index, error) {
	const seed = 1 // the same rows give the same index
	switch s.Kind {
	case index.KindHNSW:
		return hnsw.Build(ctx, rows, hnsw.Config{Metric: s.Metric, M: s.M, EfConstruction: s.EfConstruction, Profile: s.Profile,
			Threads: o.Threads, Memory: o.Memory, Seed: seed, Progress: o.Progress})
	case index.KindIVF:
		return ivf.Build(ctx, rows, ivf.Config{Metric: s.Metric, Lists: s.Lists, Profile: s.Profile, Threads: o.Threads,
			Memory: o.Memory, Seed: seed, Progress: o.Progress})
	}
	return nil, fmt.Errorf("%w: %s", ErrKind, s.Kind)
}

func openKind(kind index.Kind, data []byte, rows *index.Rows) (Index, error) {
	switch kind {
	case index.KindHNSW:
		return hnsw.Open(data, rows)
	case index.KindIVF:
		return ivf.Open(data, rows)
	}
	return nil, fmt.Errorf("%w: %w: %s", index.ErrFile, ErrKind, kind)
}

// Owner says whose index a file is.
type Owner struct {
	Column  uint32 // column ID
	Parquet uint64 // XXH64 of the segment's Parquet file
}

// The header of a file, little endian.
const (
	magic         = "ENGRVIDX"
	formatVersion = 2
	headerSize    = 64

	atVersion = 8  // uint32
	atKind    = 12 // byte
	atMetric  = 13 // byte
	atProfile = 14 // byte, then one of zero
	atColumn  = 16 // uint32
	atDim     = 20 // uint32
	atVectors = 24 // uint64
	atParquet = 32 // uint64
	atLength  = 40 // uint64, bytes behind the header
	atBody    = 48 // uint64, XXH64 of these; then zeros
	atSum     = 60 // uint32, CRC-32C of the 60 bytes before
)

type header struct {
	kind    index.Kind
	metric  accel.Metric
	profile index.Profile
	owner   Owner
	dim     int
	vectors int
	length  int64
	body    uint64 // XXH64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (h *header) bytes() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[atVersion:], formatVersion)
	b[atKind], b[atMetric], b[atProfile] = byte(h.kind), byte(h.metric), byte(h.profile)
	binary.LittleEndian.PutUint32(b[atColumn:], h.owner.Column)
	binary.LittleEndian.PutUint32(b[atDim:], uint32(h.dim))
	binary.LittleEndian.PutUint64(b[atVectors:], uint64(h.vectors))
	binary.LittleEndian.PutUint64(b[atParquet:], h.owner.Parquet)
	binary.LittleEndian.PutUint64(b[atLength:], uint64(h.length))
	binary.LittleEndian.PutUint64(b[atBody:], h.body)
	binary.LittleEndian.PutUint32(b[atSum:], crc32.Checksum(b[:atSum], castagnoli))
	return b
}

// parseHeader reads the header of a whole file. The error is index.ErrFile.
func parseHeader(data []byte) (header, error) {
	var h header
	if len(data) < headerSize || string(data[:len(magic)]) != magic {
		return h, fmt.Errorf("%w: not the index of a segment", index.ErrFile)
	}
	if crc32.Checksum(data[:atSum], castagnoli) != binary.LittleEndian.Uint32(data[atSum:]) {
		return h, fmt.Errorf("%w: checksum of the header", index.ErrFile)
	}
	if v := binary.LittleEndian.Uint32(data[atVersion:]); v != formatVersion {
		return h, fmt.Errorf("%w: version %d, this program reads %d", index.ErrFile, v, formatVersion)
	}
	if n := binary.LittleEndian.Uint64(data[atLength:]); n != uint64(len(data)-headerSize) {
		return h, fmt.Errorf("%w: %d bytes behind the header, which says %d", index.ErrFile, len(data)-headerSize, n)
	}
	h.kind, h.metric, h.profile = index.Kind(data[atKind]), accel.Metric(data[atMetric]), index.Profile(data[atProfile])
	h.owner.Column = binary.LittleEndian.Uint32(data[atColumn:])
	h.owner.Parquet = binary.LittleEndian.Uint64(data[atParquet:])
	h.dim = int(binary.LittleEndian.Uint32(data[atDim:]))
	h.vectors = int(binary.LittleEndian.Uint64(data[atVectors:]))
	h.length = int64(len(data) - headerSize)
	h.body = binary.LittleEndian.Uint64(data[atBody:])
	return h, nil
}
