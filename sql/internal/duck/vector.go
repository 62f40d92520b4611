package duck

import (
	"math"
	"unsafe"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// Vector reads one column of a chunk in place. Rows count from 0. It is valid as long as the chunk it belongs to: until
// the next Result.Next or Close, or until Exec returns. A Vector may be read from several goroutines.
//
// The typed readers do not check for NULL (the value is then arbitrary, but safe to read for fixed-width types; String,
// Bytes, Floats and Elems of a NULL are empty), and they panic when the type does not fit the reader.
type Vector struct {
	typ  *Type
	data unsafe.Pointer
	mask *uint64  // validity bits, nil when no row is NULL
	rows int      // physical rows
	sel  []uint32 // logical row -> physical row, nil when they are the same
	kids []Vector // LIST, ARRAY, MAP: the elements; STRUCT: the fields; UNION: the tag, then the members
}

// attach points v at DuckDB's vector h of n rows.
func (v *Vector) attach(h mapping.Vector, t *Type, n int) {
	v.typ, v.rows, v.sel = t, n, nil
	v.mask = (*uint64)(mapping.VectorGetValidity(h))
	v.data = nil
	if t.width() != 0 {
		v.data = mapping.VectorGetData(h)
	}
	switch t.ID {
	case ListID, MapID:
		v.growKids(1)
		v.kids[0].attach(mapping.ListVectorGetChild(h), t.Elem, int(mapping.ListVectorGetSize(h)))
	case ArrayID:
		v.growKids(1)
		v.kids[0].attach(mapping.ArrayVectorGetChild(h), t.Elem, n*t.Size)
	case StructID:
		v.growKids(len(t.Fields))
		for i := range t.Fields {
			v.kids[i].attach(mapping.StructVectorGetChild(h, mapping.IdxT(i)), &t.Fields[i].Type, n)
		}
	case UnionID:
		v.growKids(len(t.Fields) + 1)
		v.kids[0].attach(mapping.StructVectorGetChild(h, 0), &UTinyInt, n)
		for i := range t.Fields {
			v.kids[i+1].attach(mapping.StructVectorGetChild(h, mapping.IdxT(i+1)), &t.Fields[i].Type, n)
		}
	}
}

func (v *Vector) growKids(n int) {
	if len(v.kids) != n {
		v.kids = make([]Vector, n)
	}
}

// Type is the column's type.
func (v *Vector) Type() Type { return *v.typ }

func (v *Vector) row(i int) int {
	if v.sel != nil {
		return int(v.sel[i])
	}
	if uint(i) >= uint(v.rows) {
		panic("duck: row outside the vector")
	}
	return i
}

func (v *Vector) nullAt(r int) bool {
	return v.mask != nil && *(*uint64)(unsafe.Add(unsafe.Pointer(v.mask), r>>6<<3))>>(r&63)&1 == 0
}

// IsNull reports whether row i is NULL.
func (v *Vector) IsNull(i int) bool { return v.nullAt(v.row(i)) || v.typ.ID == SQLNullID }

func at[T any](p unsafe.Pointer, r int) T {
	var t T
	return *(*T)(unsafe.Add(p, r*int(unsafe.Sizeof(t))))
}

func (v *Vector) misread(as string) {
	panic("duck: a column of type " + v.typ.String() + " was read as " + as)
}

// Bool reads a BOOLEAN.
func (v *Vector) Bool(i int) bool {
	if v.typ.ID != BooleanID {
		v.misread("a boolean")
	}
	return at[uint8](v.data, v.row(i)) != 0
}

// Int64 reads any integer of up to 64 bits and the stored number of DATE (days), TIME and TIMESTAMP types (in the
// type's own unit) and ENUM (the label's position). A UBIGINT above 2^63-1 comes out negative; see Uint64.
func (v *Vector) Int64(i int) int64 { return v.intAt(v.row(i)) }

// Uint64 reads any integer of up to 64 bits as unsigned: exact for the unsigned types.
func (v *Vector) Uint64(i int) uint64 { return uint64(v.intAt(v.row(i))) }

func (v *Vector) intAt(r int) int64 {
	switch v.typ.ID {
	case BigIntID, UBigIntID, TimestampID, TimestampTZID, TimestampSID, TimestampMSID, TimestampNSID, TimeID, TimeNSID,
		TimeTZID:
		return at[int64](v.data, r)
	case IntegerID, DateID:
		return int64(at[int32](v.data, r))
	case UIntegerID:
		return int64(at[uint32](v.data, r))
	case SmallIntID:
		return int64(at[int16](v.data, r))
	case USmallIntID:
		return int64(at[uint16](v.data, r))
	case TinyIntID:
		return int64(at[int8](v.data, r))
	case UTinyIntID:
		return int64(at[uint8](v.data, r))
	case EnumID:
		switch enumBytes(len(v.typ.Labels)) {
		case 1:
			return int64(at[uint8](v.data, r))
		case 2:
			return int64(at[uint16](v.data, r))
		}
		return int64(at[uint32](v.data, r))
	}
	v.misread("an integer")
	return 0
}

// Int64s gives the stored numbers of a BIGINT, UBIGINT, TIMESTAMP or TIME column as a slice without a copy. ok is false
// when the type is another, or when rows were left out for NULLs, and Int64 must be used.
func (v *Vector) Int64s() (all []int64, ok bool) {
	if v.sel != nil || v.typ.width() != 8 || v.typ.ID == DoubleID || v.typ.ID == DecimalID {
		return nil, false
	}
	return unsafe.Slice((*int64)(v.data), v.rows), true
}

// Float32 reads a FLOAT.
func (v *Vector) Float32(i int) float32 {
	if v.typ.ID != FloatID {
		v.misread("a float")
	}
	return at[float32](v.data, v.row(i))
}

// Float64 reads a FLOAT or a DOUBLE.
func (v *Vector) Float64(i int) float64 {
	switch v.typ.ID {
	case DoubleID:
		return at[float64](v.data, v.row(i))
	case FloatID:
		return float64(at[float32](v.data, v.row(i)))
	}
	v.misread("a double")
	return math.NaN()
}

// inlineBytes is how long a string may be to stand inside DuckDB's 16-byte string header.
const inlineBytes = 12

// bytesAt views the string header at physical row r.
func (v *Vector) bytesAt(r int) []byte {
	p := unsafe.Add(v.data, r*16)
	n := *(*uint32)(p)
	if n == 0 {
		return nil
	}
	if n <= inlineBytes {
		return unsafe.Slice((*byte)(unsafe.Add(p, 4)), n)
	}
	return unsafe.Slice(*(**byte)(unsafe.Add(p, 8)), n)
}

// Bytes views the bytes of a VARCHAR (JSON too), BLOB, BIT, BIGNUM or GEOMETRY without a copy, valid as long as the
// vector. They must not be changed.
func (v *Vector) Bytes(i int) []byte {
	switch v.typ.ID {
	case VarcharID, BlobID, BitID, BigNumID, GeometryID:
	default:
		v.misread("bytes")
	}
	r := v.row(i)
	if v.nullAt(r) {
		return nil
	}
	return v.bytesAt(r)
}

// String copies the text of a VARCHAR, BLOB or ENUM.
func (v *Vector) String(i int) string {
	if v.typ.ID == EnumID {
		return v.label(v.row(i))
	}
	return string(v.Bytes(i))
}

func (v *Vector) label(r int) string {
	if n := v.intAt(r); !v.nullAt(r) && n >= 0 && n < int64(len(v.typ.Labels)) {
		return v.typ.Labels[n]
	}
	return ""
}

// span is where the elements of physical row r lie in the child.
func (v *Vector) span(r int) (from, n int) {
	switch v.typ.ID {
	case ListID, MapID:
		e := at[[2]uint64](v.data, r)
		from, n = int(e[0]), int(e[1])
	case ArrayID:
		from, n = r*v.typ.Size, v.typ.Size
	default:
		v.misread("a list")
	}
	if v.nullAt(r) {
		return 0, 0
	}
	if from < 0 || n < 0 || from > v.kids[0].rows-n {
		panic("duck: a list reaches beyond its elements")
	}
	return from, n
}

// Elems gives the elements of a LIST, ARRAY or MAP at row i: the rows from..from+n of child. The elements of a MAP are
// STRUCT(key, value).
func (v *Vector) Elems(i int) (child *Vector, from, n int) {
	from, n = v.span(v.row(i))
	return &v.kids[0], from, n
}

// Floats views the elements of a FLOAT[] or FLOAT[n] at row i without a copy, valid as long as the vector; they must not
// be changed. A NULL element reads as an arbitrary number: HasNullElem tells.
func (v *Vector) Floats(i int) []float32 {
	if v.typ.Elem == nil || v.typ.Elem.ID != FloatID {
		v.misread("floats")
	}
	from, n := v.span(v.row(i))
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Add(v.kids[0].data, from*4)), n)
}

// HasNullElem reports whether the list at row i has a NULL element.
func (v *Vector) HasNullElem(i int) bool {
	from, n := v.span(v.row(i))
	child := &v.kids[0]
	if child.mask == nil {
		return false
	}
	for r := from; r < from+n; r++ {
		if child.nullAt(r) {
			return true
		}
	}
	return false
}

// Field gives the j-th field of a STRUCT, or member of a UNION, as a vector with the same rows. It is not for use by
// several goroutines on a vector with left-out rows.
func (v *Vector) Field(j int) *Vector {
	switch v.typ.ID {
	case StructID:
	case UnionID:
		j++
	default:
		v.misread("a struct")
	}
	kid := &v.kids[j]
	if v.sel != nil {
		kid.sel = v.sel
	}
	return kid
}
