package hnsw

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"unsafe"

	"engram/accel"
	"engram/index"
	"engram/quant"
)

// An index file is a header of fixed size, a table of sections with their places and checksums, and the sections, each at
// a multiple of 64 bytes: the parameters of the codes, the entries, the links, the codes. Numbers are little-endian. docs/format-index.md
// describes it byte by byte.
const (
	fileMagic   = "EngHNSW\n"
	fileVersion = 1
	headerSize  = 64
	sectionSize = 24
	alignment   = 64
)

type sectionName int

const (
	sectionParams sectionName = iota
	sectionEntries
	sectionLinks
	sectionCodes
	sections
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is the header of a file.
type head struct {
	metric  accel.Metric
	n       uint32
	dim     uint32
	degree  uint32
	efBuild uint32
	graph   bool
}

// WriteTo writes the index as Open reads it.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	var parts [sections][]byte
	h := head{metric: x.metric, n: uint32(x.n), dim: uint32(x.rows.Dim()), degree: uint32(x.degree), efBuild: uint32(x.efBuild), graph: x.lean != nil}
	if h.graph {
		parts = [sections][]byte{x.lean.AppendParams(nil), bytesOf(x.entries), bytesOf(x.links), x.codes}
	}
	c := &counter{w: w}
	c.write(appendHead(nil, h, parts))
	for _, p := range parts {
		c.pad()
		c.write(p)
	}
	return c.n, c.err
}

// counter writes and counts until something goes wrong.
type counter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counter) write(b []byte) {
	if c.err == nil {
		var n int
		n, c.err = c.w.Write(b)
		c.n += int64(n)
	}
}

func (c *counter) pad() {
	var zeros [alignment]byte
	c.write(zeros[:-c.n&(alignment-1)])
}

func appendHead(dst []byte, h head, parts [sections][]byte) []byte {
	dst = append(dst, fileMagic...)
	graph := uint32(0)
	if h.graph {
		graph = 1
	}
	for _, v := range []uint32{fileVersion, uint32(h.metric), h.n, h.dim, h.degree, h.efBuild, graph} {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	dst = append(dst, make([]byte, headerSize-len(dst))...)
	at := (len(dst) + int(sections)*sectionSize + 4 + alignment - 1) &^ (alignment - 1)
	for _, p := range parts {
		at = (at + alignment - 1) &^ (alignment - 1)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(at))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(p)))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(crc32.Checksum(p, castagnoli)))
		at += len(p)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

// Open makes an index of the file data, which it keeps and never changes: a mapped file must stay mapped. It takes no longer for a
// large index than for a small one: the header and the small sections are checked, what lies in the large ones is not trusted and
// checked when it is used; Verify reads all. The error is index.ErrFile, also when the file belongs to other rows as far as their number and
// dimension tell.
func Open(data []byte, rows *index.Rows) (*Index, error) {
	h, parts, err := readHead(data)
	if err != nil {
		return nil, err
	}
	if int(h.n) != rows.Len() || int(h.dim) != rows.Dim() {
		return nil, fmt.Errorf("%w: it is of %d rows of %d, not of %d of %d", index.ErrFile, h.n, h.dim, rows.Len(), rows.Dim())
	}
	x := &Index{metric: h.metric, rows: rows, n: int(h.n), flat: exact{h.metric, rows}, degree: int(h.degree), efBuild: int(h.efBuild)}
	if !h.graph {
		return x, nil
	}
	for _, s := range []sectionName{sectionParams, sectionEntries} {
		if err := parts[s].check(); err != nil {
			return nil, err
		}
	}
	if x.lean, err = quant.OpenLean(parts[sectionParams].data); err != nil {
		return nil, fmt.Errorf("%w: %w", index.ErrFile, err)
	}
	if x.lean.Dim() != newDim(h.metric, rows.Dim()) {
		return nil, fmt.Errorf("%w: codes of %d coordinates", index.ErrFile, x.lean.Dim())
	}
	x.size = x.lean.CodeSize()
	x.codes = parts[sectionCodes].data
	var ok [2]bool
	x.entries, ok[0] = wordsOf(parts[sectionEntries].data)
	x.links, ok[1] = wordsOf(parts[sectionLinks].data)
	if !ok[0] || !ok[1] || len(x.codes) != x.n*x.size || len(x.links) != x.n*(x.degree+1) || len(x.entries) > x.n {
		return nil, fmt.Errorf("%w: sections of wrong sizes", index.ErrFile)
	}
	for _, e := range x.entries {
		if int(e) >= x.n {
			return nil, fmt.Errorf("%w: an entry beyond the rows", index.ErrFile)
		}
	}
	x.copyEntries()
	return x, nil
}

// part is a section of a file.
type part struct {
	data []byte
	sum  uint32
}

func (p part) check() error {
	if crc32.Checksum(p.data, castagnoli) != p.sum {
		return fmt.Errorf("%w: a checksum does not hold", index.ErrFile)
	}
	return nil
}

func readHead(data []byte) (h head, parts [sections]part, err error) {
	const size = headerSize + int(sections)*sectionSize
	if len(data) < size+4 || string(data[:len(fileMagic)]) != fileMagic {
		return h, parts, fmt.Errorf("%w: no header", index.ErrFile)
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%alignment != 0 {
		return h, parts, fmt.Errorf("%w: it must start at a multiple of %d", index.ErrFile, alignment)
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(data[len(fileMagic)+4*i:]) }
	if v := word(0); v != fileVersion {
		return h, parts, fmt.Errorf("%w: version %d, this program reads %d", index.ErrFile, v, fileVersion)
	}
	if crc32.Checksum(data[:size], castagnoli) != binary.LittleEndian.Uint32(data[size:]) {
		return h, parts, fmt.Errorf("%w: the checksum of its header does not hold", index.ErrFile)
	}
	h = head{metric: accel.Metric(word(1)), n: word(2), dim: word(3), degree: word(4), efBuild: word(5), graph: word(6) == 1}
	switch {
	case h.metric != accel.L2 && h.metric != accel.InnerProduct && h.metric != accel.Cosine, h.n > math.MaxInt32, h.degree > 1<<10:
		return h, parts, fmt.Errorf("%w: a number of the header is out of range", index.ErrFile)
	}
	for i := range parts {
		at := data[headerSize+i*sectionSize:]
		from, length, sum := binary.LittleEndian.Uint64(at), binary.LittleEndian.Uint64(at[8:]), binary.LittleEndian.Uint64(at[16:])
		if from > uint64(len(data)) || length > uint64(len(data))-from || from%alignment != 0 && length > 0 {
			return h, parts, fmt.Errorf("%w: it is cut short", index.ErrFile)
		}
		parts[i] = part{data[from : from+length : from+length], uint32(sum)}
	}
	return h, parts, nil
}

// Verify reads the whole index and checks that every link leads to a row and every row can be reached. The error is index.ErrFile.
func (x *Index) Verify() error {
	if x.lean == nil {
		return nil
	}
	for ord := range uint32(x.n) {
		at := int(ord) * (x.degree + 1)
		if int(x.links[at]) > x.degree {
			return fmt.Errorf("%w: row %d has %d links", index.ErrFile, ord, x.links[at])
		}
		for _, v := range x.linksOf(ord) {
			if int(v) >= x.n {
				return fmt.Errorf("%w: row %d has a link to row %d of %d", index.ErrFile, ord, v, x.n)
			}
		}
	}
	if lost := x.unreached(); lost >= 0 {
		return fmt.Errorf("%w: row %d cannot be reached", index.ErrFile, lost)
	}
	return nil
}

// VerifyFile checks every checksum of the file data. The error is index.ErrFile.
func VerifyFile(data []byte) error {
	_, parts, err := readHead(data)
	for i := 0; err == nil && i < len(parts); i++ {
		err = parts[i].check()
	}
	return err
}

func bytesOf(v []uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// wordsOf is b as numbers, not copied; b is aligned.
func wordsOf(b []byte) ([]uint32, bool) {
	if len(b)%4 != 0 {
		return nil, false
	}
	if len(b) == 0 {
		return nil, true
	}
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4), true
}
