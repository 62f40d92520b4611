package duck

import (
	"fmt"
	"strconv"
	"strings"
)

// TypeID names a family of DuckDB types. The numbers are those of DuckDB's C interface.
type TypeID uint8

// The type families.
const (
	InvalidID     TypeID = 0 // not known (a column or parameter that DuckDB could not resolve)
	BooleanID     TypeID = 1
	TinyIntID     TypeID = 2
	SmallIntID    TypeID = 3
	IntegerID     TypeID = 4
	BigIntID      TypeID = 5
	UTinyIntID    TypeID = 6
	USmallIntID   TypeID = 7
	UIntegerID    TypeID = 8
	UBigIntID     TypeID = 9
	FloatID       TypeID = 10
	DoubleID      TypeID = 11
	TimestampID   TypeID = 12
	DateID        TypeID = 13
	TimeID        TypeID = 14
	IntervalID    TypeID = 15
	HugeIntID     TypeID = 16
	VarcharID     TypeID = 17
	BlobID        TypeID = 18
	DecimalID     TypeID = 19
	TimestampSID  TypeID = 20
	TimestampMSID TypeID = 21
	TimestampNSID TypeID = 22
	EnumID        TypeID = 23
	ListID        TypeID = 24
	StructID      TypeID = 25
	MapID         TypeID = 26
	UUIDID        TypeID = 27
	UnionID       TypeID = 28
	BitID         TypeID = 29
	TimeTZID      TypeID = 30
	TimestampTZID TypeID = 31
	UHugeIntID    TypeID = 32
	ArrayID       TypeID = 33
	AnyID         TypeID = 34
	BigNumID      TypeID = 35
	SQLNullID     TypeID = 36
	TimeNSID      TypeID = 39
	GeometryID    TypeID = 40
	VariantID     TypeID = 41
)

var typeNames = map[TypeID]string{
	InvalidID: "UNKNOWN", BooleanID: "BOOLEAN", TinyIntID: "TINYINT", SmallIntID: "SMALLINT", IntegerID: "INTEGER",
	BigIntID: "BIGINT", UTinyIntID: "UTINYINT", USmallIntID: "USMALLINT", UIntegerID: "UINTEGER", UBigIntID: "UBIGINT",
	FloatID: "FLOAT", DoubleID: "DOUBLE", TimestampID: "TIMESTAMP", DateID: "DATE", TimeID: "TIME",
	IntervalID: "INTERVAL", HugeIntID: "HUGEINT", VarcharID: "VARCHAR", BlobID: "BLOB", DecimalID: "DECIMAL",
	TimestampSID: "TIMESTAMP_S", TimestampMSID: "TIMESTAMP_MS", TimestampNSID: "TIMESTAMP_NS", EnumID: "ENUM",
	ListID: "LIST", StructID: "STRUCT", MapID: "MAP", UUIDID: "UUID", UnionID: "UNION", BitID: "BIT",
	TimeTZID: "TIME WITH TIME ZONE", TimestampTZID: "TIMESTAMP WITH TIME ZONE", UHugeIntID: "UHUGEINT",
	ArrayID: "ARRAY", AnyID: "ANY", BigNumID: "BIGNUM", SQLNullID: "\"NULL\"", TimeNSID: "TIME_NS",
	GeometryID: "GEOMETRY", VariantID: "VARIANT",
}

// Field is a named member of a STRUCT or UNION.
type Field struct {
	Name string
	Type Type
}

// Type is a DuckDB logical type. The zero value means "not known".
type Type struct {
	ID     TypeID
	Width  uint8    // DECIMAL: digits in all, 1..38
	Scale  uint8    // DECIMAL: digits after the point, 0..Width
	Elem   *Type    // LIST, ARRAY: the element; MAP: a STRUCT(key, value)
	Fields []Field  // STRUCT: its fields; UNION: its members
	Size   int      // ARRAY: its length
	Labels []string // ENUM: its labels in order
	Alias  string   // a name over the type that DuckDB prints instead, e.g. "JSON" over VARCHAR
}

// The types without arguments. They are not to be changed.
var (
	Boolean     = Type{ID: BooleanID}
	TinyInt     = Type{ID: TinyIntID}
	SmallInt    = Type{ID: SmallIntID}
	Integer     = Type{ID: IntegerID}
	BigInt      = Type{ID: BigIntID}
	HugeInt     = Type{ID: HugeIntID}
	UTinyInt    = Type{ID: UTinyIntID}
	USmallInt   = Type{ID: USmallIntID}
	UInteger    = Type{ID: UIntegerID}
	UBigInt     = Type{ID: UBigIntID}
	UHugeInt    = Type{ID: UHugeIntID}
	Float       = Type{ID: FloatID}
	Double      = Type{ID: DoubleID}
	Varchar     = Type{ID: VarcharID}
	Blob        = Type{ID: BlobID}
	Bit         = Type{ID: BitID}
	UUID        = Type{ID: UUIDID}
	Date        = Type{ID: DateID}
	Time        = Type{ID: TimeID}
	Timestamp   = Type{ID: TimestampID}
	TimestampTZ = Type{ID: TimestampTZID}
	Interval    = Type{ID: IntervalID}
	JSON        = Type{ID: VarcharID, Alias: "JSON"}
	Any         = Type{ID: AnyID}
	SQLNull     = Type{ID: SQLNullID}
)

// Decimal is DECIMAL(width, scale).
func Decimal(width, scale uint8) Type { return Type{ID: DecimalID, Width: width, Scale: scale} }

// List is elem[].
func List(elem Type) Type { return Type{ID: ListID, Elem: &elem} }

// Array is elem[size].
func Array(elem Type, size int) Type { return Type{ID: ArrayID, Elem: &elem, Size: size} }

// Struct is STRUCT(fields...).
func Struct(fields ...Field) Type { return Type{ID: StructID, Fields: fields} }

// Map is MAP(key, value).
func Map(key, value Type) Type {
	entry := Struct(Field{"key", key}, Field{"value", value})
	return Type{ID: MapID, Elem: &entry}
}

// Enum is ENUM(labels...).
func Enum(labels ...string) Type { return Type{ID: EnumID, Labels: labels} }

// Known reports whether DuckDB resolved the type, at every depth.
func (t Type) Known() bool { return !t.has(func(u *Type) bool { return u.ID == InvalidID }) }

// has reports whether f holds for t or any type inside it.
func (t *Type) has(f func(*Type) bool) bool {
	if f(t) {
		return true
	}
	if t.Elem != nil && t.Elem.has(f) {
		return true
	}
	for i := range t.Fields {
		if t.Fields[i].Type.has(f) {
			return true
		}
	}
	return false
}

// Equal reports whether two types are the same, field names and aliases included.
func (t Type) Equal(u Type) bool {
	if t.ID != u.ID || t.Width != u.Width || t.Scale != u.Scale || t.Size != u.Size || t.Alias != u.Alias ||
		len(t.Fields) != len(u.Fields) || len(t.Labels) != len(u.Labels) || (t.Elem == nil) != (u.Elem == nil) {
		return false
	}
	if t.Elem != nil && !t.Elem.Equal(*u.Elem) {
		return false
	}
	for i := range t.Fields {
		if t.Fields[i].Name != u.Fields[i].Name || !t.Fields[i].Type.Equal(u.Fields[i].Type) {
			return false
		}
	}
	for i := range t.Labels {
		if t.Labels[i] != u.Labels[i] {
			return false
		}
	}
	return true
}

// String spells the type as DuckDB SQL does, so that it can stand after "::".
func (t Type) String() string {
	if t.Alias != "" {
		return t.Alias
	}
	switch t.ID {
	case DecimalID:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Width, t.Scale)
	case ListID:
		return t.Elem.String() + "[]"
	case ArrayID:
		return t.Elem.String() + "[" + strconv.Itoa(t.Size) + "]"
	case StructID, UnionID:
		return typeNames[t.ID] + spellFields(t.Fields)
	case MapID:
		return "MAP(" + t.Elem.Fields[0].Type.String() + ", " + t.Elem.Fields[1].Type.String() + ")"
	case EnumID:
		quoted := make([]string, len(t.Labels))
		for i, l := range t.Labels {
			quoted[i] = QuoteLiteral(l)
		}
		return "ENUM(" + strings.Join(quoted, ", ") + ")"
	}
	if s, ok := typeNames[t.ID]; ok {
		return s
	}
	return fmt.Sprintf("TYPE(%d)", t.ID)
}

func spellFields(fields []Field) string {
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = QuoteIdentifier(f.Name) + " " + f.Type.String()
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// QuoteLiteral writes s as an SQL string literal.
func QuoteLiteral(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// QuoteIdentifier writes s as an SQL identifier, quoted unless it is a plain lower-case word.
func QuoteIdentifier(s string) string {
	plain := s != ""
	for i := 0; i < len(s) && plain; i++ {
		c := s[i]
		plain = c == '_' || c >= 'a' && c <= 'z' || i > 0 && c >= '0' && c <= '9'
	}
	if plain && !reserved[s] {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// reserved holds the words DuckDB's grammar refuses as a bare column name.
var reserved = wordSet(`all analyse analyze and any array as asc asymmetric both case cast check collate column
constraint create default deferrable desc describe distinct do else end except false fetch for foreign from group
having in initially intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer
pivot_wider placing primary qualify references returning select show some summarize symmetric table then to trailing
true union unique unpivot using variadic when where window with`)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}
