package row

import "fmt"

// Kind names a column type without its modifiers. The numbers are stored on disk and never change.
type Kind uint8

// The kinds, with the Go form of their values. NULL is nil for every kind.
const (
	Bool        Kind = 1  // bool
	Int2        Kind = 2  // int64
	Int4        Kind = 3  // int64
	Int8        Kind = 4  // int64
	Float4      Kind = 5  // float32
	Float8      Kind = 6  // float64
	Numeric     Kind = 7  // *apd.Decimal; Mod is (precision<<16 | scale), or -1 when unconstrained
	Text        Kind = 8  // string, valid UTF-8 without NUL
	Varchar     Kind = 9  // string; Mod is the length in characters, or -1
	Char        Kind = 10 // string padded with blanks to Mod characters
	Bytea       Kind = 11 // []byte
	UUID        Kind = 12 // [16]byte
	Date        Kind = 13 // int32, days since 1970-01-01; infinities are math.MaxInt32 and -math.MaxInt32
	Time        Kind = 14 // int64, microseconds since midnight
	Timestamp   Kind = 15 // int64, microseconds since 1970-01-01; infinities are math.MaxInt64 and -math.MaxInt64
	Timestamptz Kind = 16 // int64, microseconds since 1970-01-01 UTC; infinities as above
	IntervalK   Kind = 17 // Interval
	JSON        Kind = 18 // string, as given
	JSONB       Kind = 19 // string, normalised as PostgreSQL prints jsonb
	Vector      Kind = 20 // []float32; Mod is the dimension (1..16000), or -1
	Halfvec     Kind = 21 // []float32 whose elements are exact in IEEE half precision; Mod as Vector
	Bit         Kind = 22 // string of '0' and '1'; Mod is the length in bits
	Varbit      Kind = 23 // string of '0' and '1'; Mod is the longest length in bits, or -1
	Array       Kind = 24 // []any of Elem's form, one dimension; Elem names the element kind, Mod is the element's
)

// Type is a column type: a kind with its modifier.
type Type struct {
	Kind Kind
	Elem Kind  // element kind when Kind is Array, else 0
	Mod  int32 // see the kinds; -1 when there is none
}

// Of returns the type of a kind without modifiers.
func Of(k Kind) Type { return Type{Kind: k, Mod: -1} }

// Dim returns the declared dimension of a vector type, or 0 when it is free.
func (t Type) Dim() int {
	if (t.Kind == Vector || t.Kind == Halfvec) && t.Mod > 0 {
		return int(t.Mod)
	}
	return 0
}

// Interval is a PostgreSQL interval: the three parts are independent and may differ in sign.
type Interval struct {
	Months, Days int32
	Micros       int64
}

// Column is one column of a table as rows know it.
type Column struct {
	ID   uint32 // never reused within its table
	Name string
	Type Type
}

var kindNames = map[Kind]string{
	Bool: "boolean", Int2: "smallint", Int4: "integer", Int8: "bigint", Float4: "real", Float8: "double precision",
	Numeric: "numeric", Text: "text", Varchar: "character varying", Char: "character", Bytea: "bytea", UUID: "uuid",
	Date: "date", Time: "time without time zone", Timestamp: "timestamp without time zone",
	Timestamptz: "timestamp with time zone", IntervalK: "interval", JSON: "json", JSONB: "jsonb", Vector: "vector",
	Halfvec: "halfvec", Bit: "bit", Varbit: "bit varying",
}

// String spells the type as PostgreSQL's format_type does.
func (t Type) String() string {
	if t.Kind == Array {
		return Type{Kind: t.Elem, Mod: t.Mod}.String() + "[]"
	}
	name := kindNames[t.Kind]
	switch {
	case t.Mod < 0:
		return name
	case t.Kind == Numeric:
		return fmt.Sprintf("numeric(%d,%d)", t.Mod>>16, int16(t.Mod))
	default:
		return fmt.Sprintf("%s(%d)", name, t.Mod)
	}
}
