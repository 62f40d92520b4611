package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sort"
)

// block is one decompressed block of rows.
type block struct {
	raw  []byte
	rows []byte // the table of row starts, 4 bytes each
}

func (b *block) size() int64 { return int64(cap(b.raw)) + entryOverhead }

// row returns the encoding of the i-th row. openBlock has checked the table.
func (b *block) row(i int) []byte {
	start := binary.LittleEndian.Uint32(b.rows[4*i:])
	end := uint32(len(b.raw) - len(b.rows) - 4)
	if 4*(i+1) < len(b.rows) {
		end = binary.LittleEndian.Uint32(b.rows[4*(i+1):])
	}
	return b.raw[start:end]
}

// openBlock checks a decompressed block.
func openBlock(raw []byte, rows uint32) (*block, error) {
	n := len(raw) - 4
	if n < 0 || binary.LittleEndian.Uint32(raw[n:]) != rows || uint64(rows)*4 > uint64(n) {
		return nil, corrupt("row table of a block")
	}
	b := &block{raw: raw, rows: raw[n-4*int(rows) : n]}
	last := uint32(0)
	for i := range int(rows) {
		start := binary.LittleEndian.Uint32(b.rows[4*i:])
		if start < last || start > uint32(n-4*int(rows)) {
			return nil, corrupt("row table of a block")
		}
		last = start
	}
	return b, nil
}

// blockOf finds the block that holds a row.
func (ix *index) blockOf(ord uint32) int {
	return sort.Search(len(ix.blocks), func(i int) bool { return ix.blocks[i].firstOrd > ord }) - 1
}

// readBlock reads, checks and decompresses block i. scratch and into are reused when large enough.
func (s *Segment) readBlock(i int, scratch, into []byte) (b *block, stored []byte, err error) {
	k := &s.ix.blocks[i]
	if cap(scratch) < int(k.stored) {
		scratch = make([]byte, k.stored)
	}
	stored = scratch[:k.stored]
	fail := func(err error) (*block, []byte, error) {
		return nil, stored, fmt.Errorf("segment: %s: block %d: %w", rowsPath(s.base), i, err)
	}
	if _, err := s.rows.ReadAt(stored, k.offset); err != nil {
		return fail(err)
	}
	if crc32.Checksum(stored, castagnoli) != k.crc {
		return fail(corrupt("checksum"))
	}
	if cap(into) < int(k.plain) {
		into = make([]byte, 0, k.plain)
	}
	raw, err := decompressor().DecodeAll(stored, into[:0:k.plain])
	if err != nil || len(raw) != int(k.plain) {
		return fail(corrupt("cannot be decompressed: %v", err))
	}
	if b, err = openBlock(raw, k.rows); err != nil {
		return fail(err)
	}
	return b, stored, nil
}

// cachedBlock is readBlock through the cache.
func (s *Segment) cachedBlock(i int) (*block, error) {
	key := cacheKey{s.number, uint32(i)}
	if b := s.cache.get(key); b != nil {
		return b, nil
	}
	b, _, err := s.readBlock(i, nil, nil)
	if err == nil {
		s.cache.put(key, b)
	}
	return b, err
}
