package types

import (
	"encoding/binary"
	"encoding/json"
	"strconv"

	"github.com/cockroachdb/apd/v3"
)

// AppendText appends the text form of a value. v must not be nil but for void. st may be nil.
// The error has code XX000 when v's Go form does not belong to t, and 22003 for a numeric too large to be written.
func AppendText(dst []byte, t Type, v any, st *Style) ([]byte, error) {
	switch x := v.(type) {
	case string:
		if t.OID == TextOID || t.OID == VarcharOID || t.OID == BpcharOID {
			return append(dst, x...), nil
		}
	case int64:
		switch t.OID {
		case Int8OID, Int4OID, Int2OID:
			return strconv.AppendInt(dst, x, 10), nil
		}
	}
	st = st.orDefault()
	switch t.OID {
	case BoolOID:
		if b, ok := v.(bool); ok {
			return append(dst, map[bool]byte{true: 't', false: 'f'}[b]), nil
		}
	case Float4OID, Float8OID:
		if f, ok := asFloat(v); ok {
			return appendFloat(dst, f, t.OID == Float4OID, st), nil
		}
	case NumericOID:
		if d, ok := asDecimal(v); ok {
			return appendNumericText(dst, d)
		}
	case ByteaOID:
		if b, ok := v.([]byte); ok {
			return appendBytea(dst, b, st.ByteaEscape), nil
		}
	case UUIDOID:
		if u, ok := v.([16]byte); ok {
			return appendUUID(dst, u), nil
		}
	case DateOID, TimeOID, TimetzOID, TimestampOID, TimestamptzOID, IntervalOID:
		if out, ok := appendMoment(dst, t, v, st); ok {
			return out, nil
		}
	case VectorOID, HalfvecOID:
		if x, ok := v.([]float32); ok {
			return appendVectorText(dst, x), nil
		}
	case VoidOID:
		return dst, nil
	case RecordOID:
		return appendRecordText(dst, t, v, st)
	case Int2VectorOID, OidVectorOID:
		if list, ok := v.([]any); ok {
			return appendNumberList(dst, t, list)
		}
	default:
		if t.IsArray() {
			if list, ok := v.([]any); ok {
				return appendArrayText(dst, t, list, st)
			}
		}
	}
	return appendOtherText(dst, t, v)
}

// appendOtherText handles the integers, oid's kin and everything that is a string.
func appendOtherText(dst []byte, t Type, v any) ([]byte, error) {
	if integerSize(t.OID) != 0 {
		if n, ok := asInt(v); ok {
			return strconv.AppendInt(dst, n, 10), nil
		}
		if n, ok := v.(Named); ok {
			return append(dst, n.Name...), nil
		}
		if s, ok := v.(string); ok && isOidKin(t.OID) {
			return append(dst, s...), nil
		}
		return nil, wrongForm(t, v)
	}
	if !isStringForm(t) {
		return nil, wrongForm(t, v)
	}
	switch x := v.(type) {
	case string:
		return append(dst, x...), nil
	case []byte:
		return append(dst, x...), nil
	case json.RawMessage:
		return append(dst, x...), nil
	}
	return nil, wrongForm(t, v)
}

// AppendBinary appends the binary form of a value, without its length. v must not be nil but for void.
// The error has code XX000 when v's Go form does not belong to t, 42883 for a type without a binary form.
func AppendBinary(dst []byte, t Type, v any) ([]byte, error) {
	if size := integerSize(t.OID); size != 0 {
		return appendIntegerBinary(dst, t, v, size)
	}
	switch t.OID {
	case BoolOID:
		if b, ok := v.(bool); ok {
			return append(dst, map[bool]byte{true: 1, false: 0}[b]), nil
		}
	case Float4OID:
		if f, ok := asFloat(v); ok {
			return binary.BigEndian.AppendUint32(dst, float32Bits(f)), nil
		}
	case Float8OID:
		if f, ok := asFloat(v); ok {
			return binary.BigEndian.AppendUint64(dst, float64Bits(f)), nil
		}
	case NumericOID:
		if d, ok := asDecimal(v); ok {
			return appendNumericBinary(dst, d)
		}
	case ByteaOID:
		if b, ok := v.([]byte); ok {
			return append(dst, b...), nil
		}
	case UUIDOID:
		if u, ok := v.([16]byte); ok {
			return append(dst, u[:]...), nil
		}
	case DateOID, TimeOID, TimetzOID, TimestampOID, TimestamptzOID, IntervalOID:
		if out, ok := appendMomentBinary(dst, t, v); ok {
			return out, nil
		}
	case VectorOID, HalfvecOID:
		if x, ok := v.([]float32); ok {
			return appendVectorBinary(dst, t, x)
		}
	case VoidOID:
		return dst, nil
	case RecordOID:
		return appendRecordBinary(dst, t, v)
	default:
		if _, ok := ElemOf(t); ok {
			if list, ok := v.([]any); ok {
				return appendArrayBinary(dst, t, list)
			}
		}
	}
	return appendOtherBinary(dst, t, v)
}

// appendOtherBinary handles the types whose Go form is a string.
func appendOtherBinary(dst []byte, t Type, v any) ([]byte, error) {
	s, ok := asString(v)
	if !ok || !isStringForm(t) {
		return nil, wrongForm(t, v)
	}
	switch t.OID {
	case JSONBOID, JSONPathOID:
		dst = append(dst, 1)
	case BitOID, VarbitOID:
		return appendBitsBinary(dst, t, s)
	case QCharOID:
		if s == "" {
			return append(dst, 0), nil
		}
		return append(dst, s[0]), nil
	case TidOID, PgLsnOID, InetOID, CidrOID:
		return appendSystemBinary(dst, t, s)
	case AclitemOID, MoneyOID, TsvectorOID, TsqueryOID, PgSnapshotOID, AnyArrayOID:
		return nil, Errorf(CodeUndefinedFunction, "no binary output function available for type %s", t)
	}
	return append(dst, s...), nil
}

// isStringForm reports whether a type's values are strings here. An OID that is not known counts.
func isStringForm(t Type) bool {
	switch t.OID {
	case BoolOID, Float4OID, Float8OID, NumericOID, ByteaOID, UUIDOID, DateOID, TimeOID, TimetzOID, TimestampOID,
		TimestamptzOID, IntervalOID, VectorOID, HalfvecOID, VoidOID, RecordOID, Int2VectorOID, OidVectorOID:
		return false
	}
	return integerSize(t.OID) == 0 && !t.IsArray()
}

func asString(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case json.RawMessage:
		return string(x), true
	}
	return "", false
}

func asFloat(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case float32:
		return float64(x), true
	}
	n, ok := asInt(v)
	return float64(n), ok
}

func asDecimal(v any) (*apd.Decimal, bool) {
	switch x := v.(type) {
	case *apd.Decimal:
		return x, x != nil
	case apd.Decimal:
		return &x, true
	}
	n, ok := asInt(v)
	if !ok {
		return nil, false
	}
	return apd.New(n, 0), true
}

func asInt(v any) (int64, bool) {
	switch x := v.(type) {
	case int64:
		return x, true
	case int32:
		return int64(x), true
	case int:
		return int64(x), true
	case int16:
		return int64(x), true
	case uint32:
		return int64(x), true
	}
	return 0, false
}
