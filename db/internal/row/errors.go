package row

import (
	"fmt"
	"strconv"
)

// DimensionError reports a vector whose length does not fit its column. SQLSTATE 22000.
type DimensionError struct {
	Want, Got int // elements
}

func (e *DimensionError) Error() string {
	return fmt.Sprintf("expected %d dimensions, not %d", e.Want, e.Got)
}

// RangeError reports a value outside the range of its type. SQLSTATE 22003 (22008 for date and time kinds).
type RangeError struct {
	Type  Type
	Value string // the value as text; may be empty
}

func (e *RangeError) Error() string {
	switch {
	case e.Type.Kind == Numeric && e.Type.Mod >= 0:
		return "numeric field overflow"
	case e.Type.Kind == Numeric:
		return "value overflows numeric format"
	case e.Value == "":
		return e.Type.String() + " out of range"
	}
	return fmt.Sprintf("value %s is out of range for type %s", strconv.Quote(e.Value), e.Type)
}

// LengthError reports a value too long for its column. SQLSTATE 22001 (22026 for bit(n) of another length).
type LengthError struct {
	Type Type
	Got  int // characters or bits
}

func (e *LengthError) Error() string {
	switch e.Type.Kind {
	case Bit:
		return fmt.Sprintf("bit string length %d does not match type %s", e.Got, e.Type)
	case Varbit:
		return fmt.Sprintf("bit string too long for type %s", e.Type)
	}
	return fmt.Sprintf("value too long for type %s", e.Type)
}

// TypeError reports a Go value that has no reading in the column's type. SQLSTATE 42804.
type TypeError struct {
	Type Type
	Got  string // Go type of the value
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("a Go value of type %s cannot be stored as %s", e.Got, e.Type)
}

// ValueError reports a value of the right Go type that its column's type does not allow: malformed JSON, a NUL in text, NaN in a
// vector. SQLSTATE is in Code.
type ValueError struct {
	Type   Type
	Code   string // SQLSTATE: 22P02 syntax, 22021 encoding, 22000 data, 22P05 untranslatable
	Reason string
}

func (e *ValueError) Error() string { return e.Reason }
