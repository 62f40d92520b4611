package types

import (
	"encoding/json"
	"fmt"

	"engram/db"

	"github.com/cockroachdb/apd/v3"
)

// MaxDimensions is the most elements that a vector or halfvec may have.
const MaxDimensions = 16000

// MaxArrayElements bounds an array, so that a few bytes of input cannot ask for much memory.
const MaxArrayElements = 16 << 20

// Interval is a PostgreSQL interval: the three parts are independent and may differ in sign.
type Interval = db.Interval

// TimeTZ is a time of day with a zone.
type TimeTZ struct {
	Micros int64 // since midnight, 0 to 24 hours inclusive
	Offset int32 // seconds east of UTC
}

// wrongForm is the error for a value whose Go type does not belong to its SQL type: a fault of the caller.
func wrongForm(t Type, v any) error {
	return Errorf(CodeInternalError, "value of Go type %T cannot be sent as %s", v, t)
}

// AppendText appends the text form of a value. v must not be nil but for void. st may be nil.
// The error has code XX000 when v's Go form does not belong to t.
func AppendText(dst []byte, t Type, v any, st *Style) ([]byte, error) {
	switch x := v.(type) {
	case string:
		return append(dst, x...), nil
	case json.RawMessage:
		return append(dst, x...), nil
	case bool:
		if x {
			return append(dst, 't'), nil
		}
		return append(dst, 'f'), nil
	}
	return nil, wrongForm(t, v)
}

var _ = fmt.Sprint
var _ apd.Decimal

// AppendBinary appends the binary form of a value, without its length. v must not be nil but for void.
func AppendBinary(dst []byte, t Type, v any) ([]byte, error) { return nil, Errorf(CodeFeatureNotSupported, "no codec for type %s", t) }

// ParseText reads the text form of a value, as the type's input function does: t.Mod is applied. st may be nil.
// Errors are *Error with PostgreSQL's code and words.
func ParseText(t Type, s string, st *Style) (any, error) { return nil, Errorf(CodeFeatureNotSupported, "no codec for type %s", t) }

// ParseBinary reads the binary form of a value; the result does not share memory with b.
// Errors are *Error, with code 22P03 or 08P01 for malformed bytes.
func ParseBinary(t Type, b []byte) (any, error) { return nil, Errorf(CodeFeatureNotSupported, "no codec for type %s", t) }
