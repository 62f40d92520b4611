package sections

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"unsafe"

	"engram/index"
)

const (
	// Alignment is what every section starts at a multiple of.
	Alignment = 64

	headerSize = 64
	entrySize  = 24
	nameSize   = 8
)

// Numbers are what the header of a file says beside its name and version.
type Numbers [(headerSize - nameSize - 4) / 4]uint32

// Format is a kind of file: Name has 8 bytes.
type Format struct {
	Name     string
	Version  uint32
	Sections int
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Write writes a file and returns how many bytes that were.
func (f Format) Write(w io.Writer, n Numbers, parts [][]byte) (int64, error) {
	c := &counter{w: w}
	c.write(f.head(n, parts))
	for _, p := range parts {
		c.pad()
		c.write(p)
	}
	return c.n, c.err
}

func (f Format) head(n Numbers, parts [][]byte) []byte {
	dst := append([]byte(nil), f.Name...)
	dst = binary.LittleEndian.AppendUint32(dst, f.Version)
	for _, v := range n {
		dst = binary.LittleEndian.AppendUint32(dst, v)
	}
	at := roundUp(len(dst) + len(parts)*entrySize + 4)
	for _, p := range parts {
		at = roundUp(at)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(at))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(len(p)))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(crc32.Checksum(p, castagnoli)))
		at += len(p)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

func roundUp(n int) int { return (n + Alignment - 1) &^ (Alignment - 1) }

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
	var zeros [Alignment]byte
	c.write(zeros[:-c.n&(Alignment-1)])
}

// Part is a section of a file that was read. Data is part of the file's bytes; its checksum was not compared yet.
type Part struct {
	Data []byte
	sum  uint32
}

// Check compares the checksum. The error is index.ErrFile.
func (p Part) Check() error {
	if crc32.Checksum(p.Data, castagnoli) != p.sum {
		return fmt.Errorf("%w: a checksum does not hold", index.ErrFile)
	}
	return nil
}

// Read reads the header and the table of a file, and no more. data must start at a multiple of Alignment, as a mapped file does. The
// error is index.ErrFile.
func (f Format) Read(data []byte) (n Numbers, parts []Part, err error) {
	size := headerSize + f.Sections*entrySize
	if len(data) < size+4 || string(data[:nameSize]) != f.Name {
		return n, nil, fmt.Errorf("%w: no header", index.ErrFile)
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%Alignment != 0 {
		return n, nil, fmt.Errorf("%w: it must start at a multiple of %d", index.ErrFile, Alignment)
	}
	if v := binary.LittleEndian.Uint32(data[nameSize:]); v != f.Version {
		return n, nil, fmt.Errorf("%w: version %d, this program reads %d", index.ErrFile, v, f.Version)
	}
	if crc32.Checksum(data[:size], castagnoli) != binary.LittleEndian.Uint32(data[size:]) {
		return n, nil, fmt.Errorf("%w: the checksum of its header does not hold", index.ErrFile)
	}
	for i := range n {
		n[i] = binary.LittleEndian.Uint32(data[nameSize+4+4*i:])
	}
	parts = make([]Part, f.Sections)
	for i := range parts {
		at := data[headerSize+i*entrySize:]
		from, length, sum := binary.LittleEndian.Uint64(at), binary.LittleEndian.Uint64(at[8:]), binary.LittleEndian.Uint64(at[16:])
		if from > uint64(len(data)) || length > uint64(len(data))-from || from%Alignment != 0 && length > 0 {
			return n, nil, fmt.Errorf("%w: it is cut short", index.ErrFile)
		}
		parts[i] = Part{data[from : from+length : from+length], uint32(sum)}
	}
	return n, parts, nil
}

// Verify compares every checksum of a file. The error is index.ErrFile.
func (f Format) Verify(data []byte) error {
	_, parts, err := f.Read(data)
	for i := 0; err == nil && i < len(parts); i++ {
		err = parts[i].Check()
	}
	return err
}

// number is what sections hold beside bytes.
type number interface{ uint32 | float32 }

// Bytes is v as the bytes of a section, not copied.
func Bytes[T number](v []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// Of is the data of a section as numbers, not copied; false if it is not whole numbers.
func Of[T number](b []byte) ([]T, bool) {
	if len(b)%4 != 0 {
		return nil, false
	}
	if len(b) == 0 {
		return nil, true
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4), true
}
