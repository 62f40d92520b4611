package db

import "engram/db/internal/row"

// Type is a column type: a kind with its modifier (length, precision, dimension).
type Type = row.Type

// Kind names a column type without its modifier; the Go form of its values stands beside each constant.
type Kind = row.Kind

// Interval is a PostgreSQL interval: the three parts are independent and may differ in sign.
type Interval = row.Interval

// The kinds. NULL is nil for every kind.
const (
	Bool         = row.Bool        // bool
	Int2         = row.Int2        // int64
	Int4         = row.Int4        // int64
	Int8         = row.Int8        // int64
	Float4       = row.Float4      // float32
	Float8       = row.Float8      // float64
	Numeric      = row.Numeric     // *apd.Decimal
	Text         = row.Text        // string
	Varchar      = row.Varchar     // string
	Char         = row.Char        // string, padded with blanks
	Bytea        = row.Bytea       // []byte
	UUID         = row.UUID        // [16]byte
	Date         = row.Date        // int32, days since 1970-01-01
	Time         = row.Time        // int64, microseconds since midnight
	Timestamp    = row.Timestamp   // int64, microseconds since 1970-01-01
	Timestamptz  = row.Timestamptz // int64, microseconds since 1970-01-01 UTC
	IntervalKind = row.IntervalK   // Interval
	JSON         = row.JSON        // string, as given
	JSONB        = row.JSONB       // string, normalised
	Vector       = row.Vector      // []float32
	Halfvec      = row.Halfvec     // []float32, each element exact in half precision
	Bit          = row.Bit         // string of '0' and '1'
	Varbit       = row.Varbit      // string of '0' and '1'
	Array        = row.Array       // []any of the element's form
)

// TypeOf returns the type of a kind without a modifier.
func TypeOf(k Kind) Type { return row.Of(k) }

// VectorOf returns the type vector(dim); dim 0 leaves the dimension free.
func VectorOf(dim int) Type {
	if dim <= 0 {
		return row.Of(Vector)
	}
	return Type{Kind: Vector, Mod: int32(dim)}
}

// TableID names a table for as long as it lives; it survives renames and is never reused.
type TableID uint32

// RowID names a row within its table. It is given at insert, survives updates, seals and compactions, and is never
// reused. It is not the primary key.
type RowID uint64

// Row holds the values of a row in column order, each in the Go form of its column's kind.
type Row []any

// Fields holds values by column name; a column that is not named gets its default.
type Fields map[string]any

type defaultMark struct{}

// Default stands in a Row for "no value given": the next identity value, else the column's default, else NULL.
var Default any = defaultMark{}

// IsDefault reports whether v is Default.
func IsDefault(v any) bool { _, ok := v.(defaultMark); return ok }
