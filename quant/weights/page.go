package weights

import (
	"fmt"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// pageHead is what is needed of a Parquet PageHeader.
type pageHead struct {
	kind         int64 // 0 data page, 1 index, 2 dictionary, 3 data page v2
	uncompressed int64
	compressed   int64
	values       int64
	encoding     int64
	levels       int64 // data page v2: bytes of levels, which are never compressed
	size         int   // bytes of the header itself
}

// Parquet's numbers for page kinds and encodings.
const (
	pageData       = 0
	pageDictionary = 2
	pageDataV2     = 3
	encodingPlain  = 0
)

// pageHeadWindow is how many bytes are looked at to find the end of a page header. Statistics make headers long; 64 KiB
// is more than writers keep of them.
const pageHeadWindow = 64 << 10

// maxExpansion bounds what a compressed page may claim to grow to, per byte that is there. Zstd reaches about 43,000 to
// one on a run of equal bytes; nothing else comes near.
const maxExpansion = 1 << 16

// readPageHead parses the page header at the start of b.
func readPageHead(b []byte) (pageHead, error) {
	t := &thriftReader{buf: b}
	h := pageHead{kind: -1, uncompressed: -1, compressed: -1}
	ints := func(dst map[int16]*int64) func(int16, byte) bool {
		return func(id int16, typ byte) bool {
			p, ok := dst[id]
			if !ok || typ != thriftI32 {
				return false
			}
			*p = t.varint()
			return true
		}
	}
	var defBytes, repBytes int64
	top := ints(map[int16]*int64{1: &h.kind, 2: &h.uncompressed, 3: &h.compressed})
	t.fields(0, func(id int16, typ byte) bool {
		if typ != thriftStruct {
			return top(id, typ)
		}
		switch id {
		case 5, 7: // DataPageHeader, DictionaryPageHeader
			t.fields(1, ints(map[int16]*int64{1: &h.values, 2: &h.encoding}))
		case 8: // DataPageHeaderV2
			t.fields(1, ints(map[int16]*int64{1: &h.values, 4: &h.encoding, 5: &defBytes, 6: &repBytes}))
		default:
			return false
		}
		return true
	})
	h.levels, h.size = defBytes+repBytes, t.pos
	if t.err != nil {
		return h, t.err
	}
	if h.kind < 0 || h.uncompressed < 0 || h.compressed < 0 || h.values < 0 || defBytes < 0 || repBytes < 0 {
		return h, fmt.Errorf("%w: page header lacks its sizes", ErrCorrupt)
	}
	return h, nil
}

// chunk is the place of a column chunk in the file.
type chunk struct {
	off, size int64
	nullable  bool // the column has definition levels
	meta      *metadata.ColumnChunkMetaData
}

// chunkOf locates a column chunk and checks that it lies inside the file.
func chunkOf(m *metadata.ColumnChunkMetaData, nullable bool, fileSize int64) (chunk, error) {
	off := m.DataPageOffset()
	if d := m.DictionaryPageOffset(); m.HasDictionaryPage() && d > 0 && d < off {
		off = d
	}
	c := chunk{off: off, size: m.TotalCompressedSize(), nullable: nullable, meta: m}
	if c.off < 4 || c.size < 0 || c.size > fileSize-c.off {
		return c, fmt.Errorf("%w: column %s at %d+%d lies outside a file of %d bytes", ErrCorrupt, m.PathInSchema(), c.off, c.size, fileSize)
	}
	return c, nil
}

// checkPages walks the page headers of a chunk. It fails where a page leaves the chunk, claims more values than the
// chunk has, or claims to expand beyond reason or beyond limit bytes.
func checkPages(src source, c chunk, limit int64) error {
	packed := c.meta.Compression() != compress.Codecs.Uncompressed
	var values int64
	for pos := int64(0); pos < c.size; {
		window, err := src.slice(c.off+pos, min(c.size-pos, pageHeadWindow))
		if err != nil {
			return err
		}
		h, err := readPageHead(window)
		if err != nil {
			return err
		}
		pos += int64(h.size)
		switch {
		case h.compressed > c.size-pos:
			return fmt.Errorf("%w: page of %d bytes in a chunk with %d left", ErrCorrupt, h.compressed, c.size-pos)
		case !packed && h.uncompressed != h.compressed:
			return fmt.Errorf("%w: uncompressed page claims %d bytes and %d", ErrCorrupt, h.uncompressed, h.compressed)
		case packed && h.uncompressed > (h.compressed+1)*maxExpansion:
			return fmt.Errorf("%w: page of %d bytes claims to expand to %d", ErrCorrupt, h.compressed, h.uncompressed)
		case h.uncompressed > limit:
			return fmt.Errorf("%w: page of %d bytes, at most %d", ErrTooLarge, h.uncompressed, limit)
		case h.levels > h.uncompressed:
			return fmt.Errorf("%w: page with more levels than bytes", ErrCorrupt)
		case h.kind == pageDictionary && h.values > h.uncompressed:
			return fmt.Errorf("%w: dictionary of %d values in %d bytes", ErrCorrupt, h.values, h.uncompressed)
		}
		if h.kind == pageData || h.kind == pageDataV2 {
			values += h.values
		}
		pos += h.compressed
	}
	if values != c.meta.NumValues() {
		return fmt.Errorf("%w: pages hold %d values, the chunk says %d", ErrCorrupt, values, c.meta.NumValues())
	}
	return nil
}

// plainValue finds the bytes of a binary chunk that holds one value, plain and uncompressed in one page. It returns
// the place of the value in the file, or ok false where the chunk is laid out in another way and must be decoded.
//
// A page is its levels, then for a plain binary value a length of four bytes, then the value; so the value ends where
// the chunk ends, and the length in front of it must agree with what the levels leave.
func plainValue(src source, c chunk) (off, n int64, ok bool, err error) {
	m := c.meta
	if m.Compression() != compress.Codecs.Uncompressed || m.HasDictionaryPage() || m.NumValues() != 1 || m.Type() != parquet.Types.ByteArray {
		return 0, 0, false, nil
	}
	head, err := src.slice(c.off, min(c.size, pageHeadWindow))
	if err != nil {
		return 0, 0, false, err
	}
	h, err := readPageHead(head)
	if err != nil {
		return 0, 0, false, err
	}
	body := c.size - int64(h.size)
	if h.encoding != encodingPlain || h.compressed != body || h.uncompressed != body || (h.kind != pageData && h.kind != pageDataV2) {
		return 0, 0, false, nil
	}
	levels := h.levels
	if h.kind == pageData {
		// Version 1 keeps the length of the definition levels in front of them; a nullable column has one such run.
		if levels, ok = levelBytesV1(src, c.off+int64(h.size), body, c.nullable); !ok {
			return 0, 0, false, nil
		}
	}
	if body < levels+4 {
		return 0, 0, false, nil
	}
	prefix, err := src.slice(c.off+int64(h.size)+levels, 4)
	if err != nil {
		return 0, 0, false, err
	}
	n = int64(le32(prefix))
	if n != body-levels-4 {
		return 0, 0, false, nil // a null, or trailing bytes: let the decoder judge
	}
	return c.off + c.size - n, n, true, nil
}

// levelBytesV1 is the number of bytes before the values in a version 1 page of a column that is not repeated.
func levelBytesV1(src source, off, body int64, nullable bool) (int64, bool) {
	if !nullable {
		return 0, true
	}
	if body < 4 {
		return 0, false
	}
	b, err := src.slice(off, 4)
	if err != nil {
		return 0, false
	}
	return 4 + int64(le32(b)), true
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
