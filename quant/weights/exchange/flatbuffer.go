package exchange

import (
	"encoding/binary"
	"fmt"
	"math"

	"engram/quant/weights"
)

// A FlatBuffer (https://flatbuffers.dev/internals/) is tables that point at each other: at a table's place lies the
// distance back to its vtable, and that has, two bytes each, its own size, the table's, and for every field where in the
// table it lies, 0 for a field left at its default.

// flatBuffer reads one within bounds. The first thing that does not fit sets err, after which all reads give nothing.
type flatBuffer struct {
	b []byte
	// budget is how many elements of vectors and bytes of text may still be copied. Offsets may all point at one long
	// vector, so the length of the file alone does not bound what it unfolds to.
	budget int
	err    error
}

func newFlatBuffer(b []byte) *flatBuffer { return &flatBuffer{b: b, budget: 4*len(b) + 1024} }

func (f *flatBuffer) fail(at int, format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: flatbuffer at byte %d: %s", weights.ErrCorrupt, at, fmt.Sprintf(format, args...))
	}
}

// has says whether n bytes lie at a place, and fails where they do not.
func (f *flatBuffer) has(at, n int) bool {
	if f.err != nil {
		return false
	}
	if at < 0 || n < 0 || n > len(f.b) || at > len(f.b)-n {
		f.fail(at, "%d bytes needed of %d", n, len(f.b))
		return false
	}
	return true
}

// spend takes n from the budget.
func (f *flatBuffer) spend(at, n int) bool {
	if f.budget -= n; f.budget < 0 {
		f.fail(at, "unfolds to far more than the file")
	}
	return f.err == nil
}

func (f *flatBuffer) u32(at int) int {
	if !f.has(at, 4) {
		return 0
	}
	v := binary.LittleEndian.Uint32(f.b[at:])
	if v > math.MaxInt32 {
		f.fail(at, "offset or length of %d", v)
		return 0
	}
	return int(v)
}

func (f *flatBuffer) u16(at int) int {
	if !f.has(at, 2) {
		return 0
	}
	return int(binary.LittleEndian.Uint16(f.b[at:]))
}

// flatTable is a table of a flatBuffer. The zero value is a table that is not there: all its fields are absent.
type flatTable struct {
	f      *flatBuffer
	at     int
	vtable int
	fields int // in the vtable
	size   int // of the table
}

// root is the table that the buffer begins with.
func (f *flatBuffer) root() flatTable { return f.table(f.u32(0)) }

// table reads the head of the table at a place.
func (f *flatBuffer) table(at int) flatTable {
	if !f.has(at, 4) {
		return flatTable{}
	}
	t := flatTable{f: f, at: at, vtable: at - int(int32(binary.LittleEndian.Uint32(f.b[at:])))}
	size := f.u16(t.vtable)
	t.size = f.u16(t.vtable + 2)
	if f.err == nil && (size < 4 || size%2 != 0 || t.size < 4 || !f.has(t.vtable, size) || !f.has(at, t.size)) {
		f.fail(at, "table of %d bytes with a vtable of %d", t.size, size)
	}
	if f.err != nil {
		return flatTable{}
	}
	t.fields = (size - 4) / 2
	return t
}

// field is the place of a field of n bytes, or ok is false where the table leaves it at its default.
func (t flatTable) field(id, n int) (at int, ok bool) {
	if t.f == nil || t.f.err != nil || id >= t.fields {
		return 0, false
	}
	off := t.f.u16(t.vtable + 4 + 2*id)
	if off == 0 || t.f.err != nil {
		return 0, false
	}
	if off+n > t.size {
		t.f.fail(t.at, "field %d lies outside its table", id)
		return 0, false
	}
	return t.at + off, true
}

// follow is where the offset in a field points.
func (t flatTable) follow(id int) (at int, ok bool) {
	at, ok = t.field(id, 4)
	if !ok {
		return 0, false
	}
	at += t.f.u32(at)
	return at, t.f.err == nil
}

func (t flatTable) present() bool { return t.f != nil }

func (t flatTable) uint8(id int, absent uint8) uint8 {
	if at, ok := t.field(id, 1); ok {
		return t.f.b[at]
	}
	return absent
}

func (t flatTable) int32(id int, absent int32) int32 {
	if at, ok := t.field(id, 4); ok {
		return int32(binary.LittleEndian.Uint32(t.f.b[at:]))
	}
	return absent
}

func (t flatTable) float32(id int, absent float32) float32 {
	if at, ok := t.field(id, 4); ok {
		return math.Float32frombits(binary.LittleEndian.Uint32(t.f.b[at:]))
	}
	return absent
}

// uint64 is a field of eight bytes.
func (t flatTable) uint64(id int) uint64 {
	if at, ok := t.field(id, 8); ok {
		return binary.LittleEndian.Uint64(t.f.b[at:])
	}
	return 0
}

// table is the table that a field points at.
func (t flatTable) table(id int) flatTable {
	if at, ok := t.follow(id); ok {
		return t.f.table(at)
	}
	return flatTable{}
}

// vector is the place of the elements of a vector and their number.
func (t flatTable) vector(id, size int) (at, n int) {
	at, ok := t.follow(id)
	if !ok {
		return 0, 0
	}
	n = t.f.u32(at)
	if n > len(t.f.b)/size || !t.f.has(at+4, n*size) {
		t.f.fail(at, "vector of %d elements", n)
		return 0, 0
	}
	return at + 4, n
}

// bytes is a vector of bytes as it lies in the buffer.
func (t flatTable) bytes(id int) []byte {
	at, n := t.vector(id, 1)
	if n == 0 {
		return nil
	}
	return t.f.b[at : at+n : at+n]
}

func (t flatTable) text(id int) string {
	b := t.bytes(id)
	if len(b) == 0 || !t.f.spend(t.at, len(b)) {
		return ""
	}
	return string(b)
}

func (t flatTable) int32s(id int) []int32 {
	at, n := t.vector(id, 4)
	if n == 0 || !t.f.spend(at, n) {
		return nil
	}
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(binary.LittleEndian.Uint32(t.f.b[at+4*i:]))
	}
	return out
}

func (t flatTable) float32s(id int) []float32 {
	var out []float32
	for _, v := range t.int32s(id) {
		out = append(out, math.Float32frombits(uint32(v)))
	}
	return out
}

func (t flatTable) int64s(id int) []int64 {
	at, n := t.vector(id, 8)
	if n == 0 || !t.f.spend(at, n) {
		return nil
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(t.f.b[at+8*i:]))
	}
	return out
}

// tables is a vector of tables.
func (t flatTable) tables(id int) []flatTable {
	at, n := t.vector(id, 4)
	if n == 0 || !t.f.spend(at, n) {
		return nil
	}
	out := make([]flatTable, n)
	for i := range out {
		if out[i] = t.f.table(at + 4*i + t.f.u32(at+4*i)); t.f.err != nil {
			return nil
		}
	}
	return out
}
