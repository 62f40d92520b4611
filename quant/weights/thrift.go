package weights

import (
	"encoding/binary"
	"fmt"
)

// Parquet's metadata is Thrift in its compact protocol
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md). The Parquet library parses it in
// full; this file only walks it, so that no length in it can make the library take more memory than the bytes justify.

// The wire types of the compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// maxThriftDepth bounds nesting; Parquet's own structures nest 8 deep.
const maxThriftDepth = 24

// thriftReader walks compact-protocol bytes. The first thing that does not fit sets err, after which all reads give 0.
type thriftReader struct {
	buf []byte
	pos int
	err error
}

func (t *thriftReader) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf("%w: metadata at byte %d: %s", ErrCorrupt, t.pos, fmt.Sprintf(format, args...))
	}
}

func (t *thriftReader) byte() byte {
	if t.err != nil || t.pos >= len(t.buf) {
		t.fail("ends early")
		return 0
	}
	t.pos++
	return t.buf[t.pos-1]
}

func (t *thriftReader) skipBytes(n uint64) {
	if t.err != nil || n > uint64(len(t.buf)-t.pos) {
		t.fail("ends early")
		return
	}
	t.pos += int(n)
}

func (t *thriftReader) uvarint() uint64 {
	if t.err != nil {
		return 0
	}
	v, n := binary.Uvarint(t.buf[t.pos:])
	if n <= 0 {
		t.fail("bad integer")
		return 0
	}
	t.pos += n
	return v
}

// varint reads a zigzag integer.
func (t *thriftReader) varint() int64 {
	v := t.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// list reads the head of a list or set. Every element takes a byte at least, so a count beyond the bytes left is a lie.
func (t *thriftReader) list() (elem byte, n int) {
	head := t.byte()
	count := uint64(head >> 4)
	if count == 15 {
		count = t.uvarint()
	}
	if count > uint64(len(t.buf)-t.pos) {
		t.fail("list of %d elements in %d bytes", count, len(t.buf)-t.pos)
		return 0, 0
	}
	return head & 15, int(count)
}

// fields walks a struct and hands each field to visit, which consumes the value and returns true, or leaves it and
// returns false to have it skipped.
func (t *thriftReader) fields(depth int, visit func(id int16, typ byte) bool) {
	if depth > maxThriftDepth {
		t.fail("nested too deep")
		return
	}
	var id int16
	for t.err == nil {
		head := t.byte()
		if head == 0 || t.err != nil {
			return
		}
		if delta := head >> 4; delta != 0 {
			id += int16(delta)
		} else {
			id = int16(t.varint())
		}
		typ := head & 15
		if visit == nil || !visit(id, typ) {
			t.skip(typ, depth, true)
		}
	}
}

// skip passes over one value. A boolean has its value in the field's head, and takes a byte only inside a list.
func (t *thriftReader) skip(typ byte, depth int, field bool) {
	if depth > maxThriftDepth {
		t.fail("nested too deep")
		return
	}
	switch typ {
	case thriftTrue, thriftFalse:
		if !field {
			t.byte()
		}
	case thriftByte:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.uvarint()
	case thriftDouble:
		t.skipBytes(8)
	case thriftBinary:
		t.skipBytes(t.uvarint())
	case thriftList, thriftSet:
		elem, n := t.list()
		for ; n > 0 && t.err == nil; n-- {
			t.skip(elem, depth+1, false)
		}
	case thriftMap:
		t.skipMap(depth)
	case thriftStruct:
		t.fields(depth+1, nil)
	default:
		t.fail("unknown type %d", typ)
	}
}

func (t *thriftReader) skipMap(depth int) {
	n := t.uvarint()
	if n == 0 {
		return
	}
	if n > uint64(len(t.buf)-t.pos) {
		t.fail("map of %d entries in %d bytes", n, len(t.buf)-t.pos)
		return
	}
	kv := t.byte()
	for ; n > 0 && t.err == nil; n-- {
		t.skip(kv>>4, depth+1, false)
		t.skip(kv&15, depth+1, false)
	}
}

// maxSchemaElements bounds the columns of a file; a weight file has about 14.
const maxSchemaElements = 1024

// checkFooter walks a FileMetaData structure and returns an error where it does not hold together. The schema is a tree
// flattened into a list; its length is bounded because the library builds the tree by recursion.
func checkFooter(footer []byte) error {
	t := &thriftReader{buf: footer}
	t.fields(0, func(id int16, typ byte) bool {
		if id != 2 || typ != thriftList {
			return false
		}
		elem, n := t.list()
		if n > maxSchemaElements {
			t.fail("schema of %d elements, at most %d", n, maxSchemaElements)
		}
		for ; n > 0 && t.err == nil; n-- {
			t.skip(elem, 1, false)
		}
		return true
	})
	return t.err
}
