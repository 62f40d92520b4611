package duck

import (
	"fmt"
	"math"
	"unicode/utf8"
	"unsafe"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// Writer fills one column: the result of a scalar function, a column of a Relation, or a child of either. Rows count from
// 0 and each is to be set once; rows that are not set hold arbitrary values. A value that does not fit the column's type
// is remembered as the writer's first error and fails the statement after the callback returns (see Err). A Writer belongs
// to one callback call and to one goroutine at a time.
type Writer struct {
	typ   *Type
	h     mapping.Vector
	data  unsafe.Pointer
	rows  int      // physical rows there is room for
	mask  *uint64  // nil until a row is set NULL
	sel   []uint32 // logical row -> physical row
	kids  []Writer
	size  int    // LIST, MAP: elements written
	room  int    // LIST, MAP: elements reserved
	first *error // shared by a column's writers
}

// maxListBytes bounds the elements of one chunk's list column, so that a callback cannot make DuckDB fail an allocation.
const maxListBytes = 4 << 30

// attach points w at DuckDB's vector with room for rows; err collects the first error of the whole column.
func (w *Writer) attach(h mapping.Vector, t *Type, rows int, err *error) {
	w.typ, w.h, w.first, w.rows, w.mask, w.sel, w.data = t, h, err, rows, nil, nil, nil
	if t.width() != 0 {
		w.data = mapping.VectorGetData(h)
	}
	switch t.ID {
	case ListID, MapID:
		w.growKids(1)
		w.size, w.room = int(mapping.ListVectorGetSize(h)), 0
		w.kids[0].attach(mapping.ListVectorGetChild(h), t.Elem, 0, err)
	case ArrayID:
		w.growKids(1)
		w.kids[0].attach(mapping.ArrayVectorGetChild(h), t.Elem, rows*t.Size, err)
	case StructID:
		w.growKids(len(t.Fields))
		for i := range t.Fields {
			w.kids[i].attach(mapping.StructVectorGetChild(h, mapping.IdxT(i)), &t.Fields[i].Type, rows, err)
		}
	case UnionID:
		w.growKids(len(t.Fields) + 1)
		w.kids[0].attach(mapping.StructVectorGetChild(h, 0), &UTinyInt, rows, err)
		for i := range t.Fields {
			w.kids[i+1].attach(mapping.StructVectorGetChild(h, mapping.IdxT(i+1)), &t.Fields[i].Type, rows, err)
		}
	}
}

func (w *Writer) growKids(n int) {
	if len(w.kids) != n {
		w.kids = make([]Writer, n)
	}
}

// Type is the column's type.
func (w *Writer) Type() Type { return *w.typ }

// Err is the first error of the column's writers, nil when all values fitted.
func (w *Writer) Err() error { return *w.first }

func (w *Writer) fail(format string, args ...any) {
	if *w.first == nil {
		*w.first = fmt.Errorf("duck: "+format, args...)
	}
}

func (w *Writer) misfit(v any) {
	w.fail("a value of Go type %T does not fit a column of type %s", v, w.typ)
}

func (w *Writer) row(i int) int {
	if w.sel != nil {
		return int(w.sel[i])
	}
	if uint(i) >= uint(w.rows) {
		panic("duck: row outside the column that is written")
	}
	return i
}

func put[T any](p unsafe.Pointer, r int, v T) { *(*T)(unsafe.Add(p, r*int(unsafe.Sizeof(v)))) = v }

// SetNull makes row i NULL.
func (w *Writer) SetNull(i int) { w.nullAt(w.row(i)) }

func (w *Writer) nullAt(r int) {
	if w.mask == nil {
		mapping.VectorEnsureValidityWritable(w.h)
		w.mask = (*uint64)(mapping.VectorGetValidity(w.h))
	}
	word := (*uint64)(unsafe.Add(unsafe.Pointer(w.mask), r>>6<<3))
	*word &^= 1 << (r & 63)
	switch w.typ.ID {
	case ListID, MapID:
		put(w.data, r, [2]uint64{})
	case StructID, UnionID: // DuckDB reads the fields without looking at the struct's own NULL bit
		for k := range w.kids {
			w.kids[k].nullAt(r)
		}
	case ArrayID:
		for k := r * w.typ.Size; k < (r+1)*w.typ.Size; k++ {
			w.kids[0].nullAt(k)
		}
	case VarcharID, BlobID, BitID, BigNumID, GeometryID:
		put(w.data, r, [2]uint64{})
	}
}

// SetBool sets row i of a BOOLEAN.
func (w *Writer) SetBool(i int, v bool) {
	if w.typ.ID != BooleanID {
		w.misfit(v)
		return
	}
	var b uint8
	if v {
		b = 1
	}
	put(w.data, w.row(i), b)
}

// SetInt64 sets row i of an integer column of any width, or of DATE (days), TIME, TIMESTAMP (the type's own unit).
func (w *Writer) SetInt64(i int, v int64) { w.intAt(w.row(i), v) }

func (w *Writer) intAt(r int, v int64) {
	ok := true
	switch w.typ.ID {
	case BigIntID, TimestampID, TimestampTZID, TimestampSID, TimestampMSID, TimestampNSID, TimeID, TimeNSID:
		put(w.data, r, v)
	case UBigIntID:
		ok = v >= 0
		put(w.data, r, v)
	case IntegerID, DateID:
		ok = v == int64(int32(v))
		put(w.data, r, int32(v))
	case UIntegerID:
		ok = v == int64(uint32(v))
		put(w.data, r, uint32(v))
	case SmallIntID:
		ok = v == int64(int16(v))
		put(w.data, r, int16(v))
	case USmallIntID:
		ok = v == int64(uint16(v))
		put(w.data, r, uint16(v))
	case TinyIntID:
		ok = v == int64(int8(v))
		put(w.data, r, int8(v))
	case UTinyIntID:
		ok = v == int64(uint8(v))
		put(w.data, r, uint8(v))
	case HugeIntID:
		put(w.data, r, [2]int64{v, v >> 63})
	default:
		w.misfit(v)
		return
	}
	if !ok {
		w.fail("%d is out of range for type %s", v, w.typ)
	}
}

// SetUint64 sets row i of a UBIGINT, or of another integer column when the value fits.
func (w *Writer) SetUint64(i int, v uint64) {
	switch {
	case w.typ.ID == UBigIntID:
		put(w.data, w.row(i), v)
	case v > math.MaxInt64:
		w.fail("%d is out of range for type %s", v, w.typ)
	default:
		w.SetInt64(i, int64(v))
	}
}

// SetFloat64 sets row i of a DOUBLE, or of a FLOAT after rounding.
func (w *Writer) SetFloat64(i int, v float64) {
	switch w.typ.ID {
	case DoubleID:
		put(w.data, w.row(i), v)
	case FloatID:
		put(w.data, w.row(i), float32(v))
	default:
		w.misfit(v)
	}
}

// SetString sets row i of a VARCHAR (valid UTF-8 only), BLOB or ENUM (one of its labels).
func (w *Writer) SetString(i int, s string) {
	switch w.typ.ID {
	case VarcharID:
		if !utf8.ValidString(s) {
			w.fail("a string is not valid UTF-8")
			return
		}
	case BlobID:
	case EnumID:
		w.labelAt(w.row(i), s)
		return
	default:
		w.misfit(s)
		return
	}
	w.bytesAt(w.row(i), unsafe.Slice(unsafe.StringData(s), len(s)))
}

// SetBytes sets row i of a BLOB, or of a VARCHAR (valid UTF-8 only). The bytes are copied.
func (w *Writer) SetBytes(i int, b []byte) {
	if w.typ.ID == VarcharID && !utf8.Valid(b) {
		w.fail("a string is not valid UTF-8")
		return
	}
	if w.typ.ID != VarcharID && w.typ.ID != BlobID {
		w.misfit(b)
		return
	}
	w.bytesAt(w.row(i), b)
}

// bytesAt stores b behind the string header of physical row r. Short strings live inside the header; longer ones are
// copied by DuckDB into the vector's heap.
func (w *Writer) bytesAt(r int, b []byte) {
	if len(b) > inlineBytes {
		if len(b) > math.MaxInt32 {
			w.fail("a value of %d bytes is too long for DuckDB", len(b))
			return
		}
		mapping.UnsafeVectorAssignStringElementLen(w.h, mapping.IdxT(r), b)
		return
	}
	var header [16]byte
	*(*uint32)(unsafe.Pointer(&header)) = uint32(len(b))
	copy(header[4:], b)
	put(w.data, r, header)
}

func (w *Writer) labelAt(r int, s string) {
	for n, l := range w.typ.Labels {
		if l != s {
			continue
		}
		switch enumBytes(len(w.typ.Labels)) {
		case 1:
			put(w.data, r, uint8(n))
		case 2:
			put(w.data, r, uint16(n))
		default:
			put(w.data, r, uint32(n))
		}
		return
	}
	w.fail("%q is not a label of %s", s, w.typ)
}

// SetFloats sets row i of a FLOAT[] or FLOAT[n]; the numbers are copied.
func (w *Writer) SetFloats(i int, v []float32) {
	if w.typ.Elem == nil || w.typ.Elem.ID != FloatID || w.typ.ID == MapID {
		w.misfit(v)
		return
	}
	child, base, ok := w.open(w.row(i), len(v))
	if ok && len(v) > 0 {
		copy(unsafe.Slice((*float32)(unsafe.Add(child.data, base*4)), len(v)), v)
	}
}

// SetList makes row i of a LIST, ARRAY or MAP a list of n elements and gives the child to write them to, at rows
// base..base+n. n is the array's size for an ARRAY. The child is valid until the next list is set. When the list does
// not fit, the error is kept and n is 0.
func (w *Writer) SetList(i, n int) (child *Writer, base, fits int) {
	switch w.typ.ID {
	case ListID, MapID, ArrayID:
	default:
		w.misfit([]any(nil))
		return w, 0, 0
	}
	child, base, ok := w.open(w.row(i), n)
	if !ok {
		n = 0
	}
	return child, base, n
}

// open reserves n elements for the list at physical row r.
func (w *Writer) open(r, n int) (child *Writer, base int, ok bool) {
	child = &w.kids[0]
	if n < 0 {
		w.fail("a list of %d elements", n)
		return child, 0, false
	}
	if w.typ.ID == ArrayID {
		if n != w.typ.Size {
			w.fail("a list of %d elements does not fit %s", n, w.typ)
			return child, 0, false
		}
		return child, r * n, true
	}
	base = w.size
	if n > w.room-w.size && !w.reserve(w.size+n) {
		return child, 0, false
	}
	w.size += n
	put(w.data, r, [2]uint64{uint64(base), uint64(n)})
	return child, base, true
}

// reserve makes room for n elements and looks the child's memory up again, for it may have moved.
func (w *Writer) reserve(n int) bool {
	most := maxListBytes / max(w.typ.Elem.width(), 1)
	room := max(n, min(2*w.room, most/2))
	if n > most {
		w.fail("the lists of one chunk exceed %d bytes", int64(maxListBytes))
		return false
	}
	if mapping.ListVectorReserve(w.h, mapping.IdxT(room)) != mapping.StateSuccess {
		w.fail("DuckDB refused to reserve %d list elements", room)
		return false
	}
	w.room = room
	w.kids[0].refresh(mapping.ListVectorGetChild(w.h), room)
	return true
}

// refresh follows DuckDB's vector after its memory moved.
func (w *Writer) refresh(h mapping.Vector, rows int) {
	w.h, w.rows, w.mask = h, rows, nil
	if w.typ.width() != 0 {
		w.data = mapping.VectorGetData(h)
	}
	switch w.typ.ID {
	case ArrayID:
		w.kids[0].refresh(mapping.ArrayVectorGetChild(h), rows*w.typ.Size)
	case StructID, UnionID:
		for k := range w.kids {
			w.kids[k].refresh(mapping.StructVectorGetChild(h, mapping.IdxT(k)), rows)
		}
	}
}

// Field gives the writer of a STRUCT's j-th field; the rows are the same.
func (w *Writer) Field(j int) *Writer {
	if w.typ.ID != StructID {
		w.fail("a column of type %s has no fields", w.typ)
		return w
	}
	w.kids[j].sel = w.sel
	return &w.kids[j]
}

// finish tells DuckDB how many elements its lists hold.
func (w *Writer) finish() error {
	if *w.first != nil {
		return *w.first
	}
	if w.typ.ID == ListID || w.typ.ID == MapID {
		mapping.ListVectorSetSize(w.h, mapping.IdxT(w.size))
	}
	for k := range w.kids {
		if err := w.kids[k].finish(); err != nil {
			return err
		}
	}
	return nil
}
