package types

import "engram/db"

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

// Named is a value of oid's kin (regclass, regtype, regproc ...) with the name that it resolves to.
type Named struct {
	OID  uint32
	Name string
}

// Record is a composite value that knows its fields' types. A record may also be a plain []any, whose types are then
// taken from the Go forms.
type Record struct {
	Types  []Type
	Values []any
}

// wrongForm is the error for a value whose Go type does not belong to its SQL type: a fault of the caller.
func wrongForm(t Type, v any) error {
	return Errorf(CodeInternalError, "value of Go type %T cannot be sent as %s", v, t)
}
