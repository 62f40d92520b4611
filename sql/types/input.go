package types

import (
	"encoding/binary"
	"math"
	"strings"
)

// ParseText reads the text form of a value, as the type's input function does: t.Mod is applied. st may be nil.
// Errors are *Error with PostgreSQL's code and words.
func ParseText(t Type, s string, st *Style) (any, error) {
	st = st.orDefault()
	switch t.OID {
	case TextOID, VarcharOID, BpcharOID, NameOID, QCharOID, UnknownOID, CstringOID:
		return parseString(t, s)
	case BoolOID:
		return parseBool(s)
	case Float4OID, Float8OID:
		return parseFloat(t, s)
	case NumericOID:
		return parseNumeric(t, s)
	case ByteaOID:
		return parseBytea(s)
	case UUIDOID:
		return parseUUID(s)
	case DateOID, TimeOID, TimetzOID, TimestampOID, TimestamptzOID:
		return parseMoment(t, s, st)
	case IntervalOID:
		return parseInterval(t, s, st)
	case JSONOID:
		return s, checkJSON(s)
	case JSONBOID:
		return NormalizeJSON(s)
	case VectorOID, HalfvecOID:
		return parseVector(t, s)
	case BitOID, VarbitOID:
		return parseBits(t, s)
	case Int2VectorOID, OidVectorOID:
		return parseNumberList(t, s)
	case VoidOID:
		return nil, nil
	case RecordOID, AnyArrayOID, SparsevecOID:
		return nil, Errorf(CodeFeatureNotSupported, "input of type %s is not supported", t)
	}
	if integerSize(t.OID) != 0 {
		return parseInteger(t, s)
	}
	if t.IsArray() {
		return parseArray(t, s, st)
	}
	return parseString(t, s)
}

// ParseBinary reads the binary form of a value; the result does not share memory with b.
// Errors are *Error, with code 22P03 or 08P01 for malformed bytes.
func ParseBinary(t Type, b []byte) (any, error) {
	if size := integerSize(t.OID); size != 0 {
		return parseIntegerBinary(t, b, size)
	}
	switch t.OID {
	case BoolOID:
		if len(b) == 1 {
			return b[0] != 0, nil
		}
	case Float4OID:
		if len(b) == 4 {
			return math.Float32frombits(binary.BigEndian.Uint32(b)), nil
		}
	case Float8OID:
		if len(b) == 8 {
			return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
		}
	case NumericOID:
		return parseNumericBinary(t, b)
	case ByteaOID:
		return append([]byte{}, b...), nil
	case UUIDOID:
		if len(b) == 16 {
			return [16]byte(b), nil
		}
	case DateOID, TimeOID, TimetzOID, TimestampOID, TimestamptzOID, IntervalOID:
		return parseMomentBinary(t, b)
	case VectorOID, HalfvecOID:
		return parseVectorBinary(t, b)
	case VoidOID:
		return nil, nil
	case BitOID, VarbitOID:
		return parseBitsBinary(t, b)
	case TidOID, PgLsnOID, InetOID, CidrOID:
		return parseSystemBinary(t, b)
	case AclitemOID, MoneyOID, TsvectorOID, TsqueryOID, PgSnapshotOID, AnyArrayOID, RecordOID, SparsevecOID:
		return nil, Errorf(CodeUndefinedFunction, "no binary input function available for type %s", t)
	default:
		if _, ok := ElemOf(t); ok {
			return parseArrayBinary(t, b)
		}
		return parseStringBinary(t, b)
	}
	return nil, badLength(b, map[bool]int{true: len(b) + 1, false: 0}[len(b) < fixedSize(t)])
}

func fixedSize(t Type) int { return max(int(t.Len()), 0) }

// badLength is the error for a value with too few or too many bytes.
func badLength(b []byte, want int) error {
	if len(b) < want {
		return Errorf(CodeProtocolViolation, "insufficient data left in message")
	}
	return Errorf(CodeInvalidBinaryRepresentation, "incorrect binary data format")
}

// parseStringBinary reads the types whose binary form is their text, perhaps behind a version byte.
func parseStringBinary(t Type, b []byte) (any, error) {
	switch t.OID {
	case JSONBOID, JSONPathOID:
		if len(b) == 0 {
			return nil, badLength(b, 1)
		}
		if b[0] != 1 {
			return nil, Errorf(CodeInternalError, "unsupported %s version number %d", t, b[0])
		}
		b = b[1:]
	case QCharOID:
		if len(b) != 1 {
			return nil, badLength(b, 1)
		}
		if b[0] == 0 {
			return "", nil
		}
	}
	s := string(b)
	if err := CheckUTF8(s); err != nil {
		return nil, err
	}
	switch t.OID {
	case JSONOID:
		return s, checkJSON(s)
	case JSONBOID:
		return NormalizeJSON(s)
	}
	return parseString(t, s)
}

func syntaxError(typ, s string) *Error {
	return Errorf(CodeInvalidTextRepresentation, "invalid input syntax for type %s: \"%s\"", typ, s)
}

// trimSpace cuts what C's isspace calls space in the C locale.
func trimSpace(s string) string { return strings.Trim(s, " \t\n\v\f\r") }
