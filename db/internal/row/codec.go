package row

import "errors"

// ErrCorrupt is wrapped by Decode's errors.
var ErrCorrupt = errors.New("row: corrupt encoding")

var errUnfinished = errors.New("row: not implemented yet")

// Append appends the encoding of a row to dst and returns the longer slice. values are in the order of cols, each in its kind's
// Go form or nil; a value of another form is an error.
func Append(dst []byte, cols []Column, values []any) ([]byte, error) { return dst, errUnfinished }

// Decode reads the columns at positions want of cols: dst[i] receives the value of cols[want[i]], nil for NULL. A column that the
// row does not carry (it was added later) leaves dst[i] untouched. A nil want means all columns. The values do not alias b.
// Decode checks everything before use and never panics; its errors wrap ErrCorrupt.
func Decode(b []byte, cols []Column, want []int, dst []any) error { return errUnfinished }

// Coerce brings a Go value into the form of a type and checks its range. nil stays nil. The result never aliases v.
func Coerce(t Type, v any) (any, error) { return nil, errUnfinished }

// Equal tells whether two values of a type are the same as SQL's IS NOT DISTINCT FROM sees it.
func Equal(t Type, a, b any) bool { return Compare(t, a, b) == 0 }

// Compare orders two values of a type as PostgreSQL does with the C collation; NULL is largest.
func Compare(t Type, a, b any) int { return 0 }

// AppendKey appends an encoding of v whose bytewise order is the value order and which ends itself, so keys of several columns are
// the concatenation of theirs. NULL sorts last. Values that SQL calls equal (1.0 and 1.00) have the same key.
func AppendKey(dst []byte, t Type, v any) ([]byte, error) { return dst, errUnfinished }

// NormalizeJSONB returns JSON text as PostgreSQL prints it for jsonb.
func NormalizeJSONB(text string) (string, error) { return "", errUnfinished }
