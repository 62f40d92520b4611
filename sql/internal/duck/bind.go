package duck

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	mapping "github.com/duckdb/duckdb-go-bindings"

	"github.com/cockroachdb/apd/v3"
)

// makeValue builds DuckDB's value of type t from v in one of the forms Writer.SetValue takes. The unknown type takes the
// type that fits v. The caller destroys the value.
func makeValue(v any, t *Type) (mapping.Value, error) {
	if v == nil || t.ID == SQLNullID {
		return mapping.CreateNullValue(), nil
	}
	if t.ID == InvalidID || t.ID == AnyID {
		guess, err := typeOf(v)
		if err != nil {
			return mapping.Value{}, err
		}
		t = &guess
	}
	misfit := fmt.Errorf("duck: a value of Go type %T does not fit a parameter of type %s", v, t)
	switch t.ID {
	case BooleanID:
		if b, ok := v.(bool); ok {
			return mapping.CreateBool(b), nil
		}
	case VarcharID, EnumID:
		if s, ok := v.(string); ok {
			if !utf8.ValidString(s) {
				return mapping.Value{}, fmt.Errorf("duck: a string is not valid UTF-8")
			}
			return mapping.CreateVarcharLength(s, mapping.IdxT(len(s))), nil
		}
	case BlobID:
		if b, ok := v.([]byte); ok {
			return mapping.CreateBlob(b), nil
		}
		if f, ok := v.([]float32); ok {
			return mapping.CreateBlob(floatBytes(f)), nil
		}
	case FloatID, DoubleID:
		if f, ok := asFloat(v); ok && t.ID == FloatID {
			return mapping.CreateFloat(float32(f)), nil
		} else if ok {
			return mapping.CreateDouble(f), nil
		}
	case DecimalID:
		if d, ok := asDecimal(v); ok {
			return decimalParam(d, t)
		}
	case ListID, ArrayID, StructID, MapID:
		return nestedValue(v, t)
	case UUIDID, IntervalID, TimeTZID, BitID:
		return oddValue(v, t)
	default:
		if n, ok := asInt64(v); ok {
			return wholeValue(n, t)
		}
		if n, ok := asBig(v); ok {
			lower, upper, fits := split128(n, t.ID)
			switch {
			case !fits:
				return mapping.Value{}, fmt.Errorf("duck: %s is out of range for type %s", n, t)
			case t.ID == UBigIntID:
				return mapping.CreateUInt64(lower), nil
			case t.ID == UHugeIntID:
				return mapping.CreateUHugeInt(mapping.NewUHugeInt(lower, upper)), nil
			}
			return mapping.CreateHugeInt(mapping.NewHugeInt(lower, int64(upper))), nil
		}
	}
	return mapping.Value{}, misfit
}

// wholeValue makes integers, dates and times.
func wholeValue(n int64, t *Type) (mapping.Value, error) {
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	switch t.ID {
	case TinyIntID:
		low, high = math.MinInt8, math.MaxInt8
	case SmallIntID:
		low, high = math.MinInt16, math.MaxInt16
	case IntegerID, DateID:
		low, high = math.MinInt32, math.MaxInt32
	case UTinyIntID:
		low, high = 0, math.MaxUint8
	case USmallIntID:
		low, high = 0, math.MaxUint16
	case UIntegerID:
		low, high = 0, math.MaxUint32
	case UBigIntID, UHugeIntID:
		low = 0
	}
	if n < low || n > high {
		return mapping.Value{}, fmt.Errorf("duck: %d is out of range for type %s", n, t)
	}
	switch t.ID {
	case TinyIntID:
		return mapping.CreateInt8(int8(n)), nil
	case SmallIntID:
		return mapping.CreateInt16(int16(n)), nil
	case IntegerID:
		return mapping.CreateInt32(int32(n)), nil
	case BigIntID:
		return mapping.CreateInt64(n), nil
	case UTinyIntID:
		return mapping.CreateUInt8(uint8(n)), nil
	case USmallIntID:
		return mapping.CreateUInt16(uint16(n)), nil
	case UIntegerID:
		return mapping.CreateUInt32(uint32(n)), nil
	case UBigIntID:
		return mapping.CreateUInt64(uint64(n)), nil
	case HugeIntID:
		return mapping.CreateHugeInt(mapping.NewHugeInt(uint64(n), n>>63)), nil
	case UHugeIntID:
		return mapping.CreateUHugeInt(mapping.NewUHugeInt(uint64(n), 0)), nil
	}
	return momentValue(n, t)
}

func momentValue(n int64, t *Type) (mapping.Value, error) {
	unit, ok := n, true
	if t.ID == TimestampSID || t.ID == TimestampMSID || t.ID == TimestampNSID || t.ID == TimeNSID {
		unit, ok = unscaleMoment(n, t.ID)
	}
	if !ok {
		return mapping.Value{}, fmt.Errorf("duck: %d microseconds are out of range for type %s", n, t)
	}
	switch t.ID {
	case DateID:
		return mapping.CreateDate(mapping.NewDate(int32(n))), nil
	case TimeID:
		return mapping.CreateTime(mapping.NewTime(n)), nil
	case TimeNSID:
		return mapping.CreateTimeNS(mapping.NewTimeNS(unit)), nil
	case TimestampID:
		return mapping.CreateTimestamp(mapping.NewTimestamp(n)), nil
	case TimestampTZID:
		return mapping.CreateTimestampTZ(mapping.NewTimestamp(n)), nil
	case TimestampSID:
		return mapping.CreateTimestampS(mapping.NewTimestampS(unit)), nil
	case TimestampMSID:
		return mapping.CreateTimestampMS(mapping.NewTimestampMS(unit)), nil
	case TimestampNSID:
		return mapping.CreateTimestampNS(mapping.NewTimestampNS(unit)), nil
	}
	return mapping.Value{}, fmt.Errorf("duck: a parameter of type %s cannot be bound", t)
}

func decimalParam(d *apd.Decimal, t *Type) (mapping.Value, error) {
	width, scale := t.Width, t.Scale
	if width == 0 { // DECIMAL without arguments: as many digits as the value has
		width, scale = 38, uint8(min(38, max(0, -int64(d.Exponent))))
	}
	c, err := decimalCoeff(d, width, scale)
	if err != nil {
		return mapping.Value{}, fmt.Errorf("duck: %w", err)
	}
	lower, upper, _ := split128(c, HugeIntID)
	return mapping.CreateDecimal(mapping.NewDecimal(width, scale, mapping.NewHugeInt(lower, int64(upper)))), nil
}

func oddValue(v any, t *Type) (mapping.Value, error) {
	switch x := v.(type) {
	case [16]byte:
		if t.ID == UUIDID {
			return mapping.CreateUUID(mapping.NewUHugeInt(binary.BigEndian.Uint64(x[8:]), binary.BigEndian.Uint64(x[:8]))), nil
		}
	case IntervalValue:
		if t.ID == IntervalID {
			return mapping.CreateInterval(mapping.NewInterval(x.Months, x.Days, x.Micros)), nil
		}
	case TimeTZValue:
		if t.ID == TimeTZID {
			return mapping.CreateTimeTZValue(mapping.NewTimeTZ(timeTZBits(x))), nil
		}
	case string:
		if t.ID == BitID {
			b, err := bitBytes(x)
			if err != nil {
				return mapping.Value{}, fmt.Errorf("duck: %w", err)
			}
			bit := mapping.NewBit(b)
			defer mapping.DestroyBit(&bit)
			return mapping.CreateBit(bit), nil
		}
	}
	return mapping.Value{}, fmt.Errorf("duck: a value of Go type %T does not fit a parameter of type %s", v, t)
}

// maxParamElems bounds one list parameter; each element is an object of DuckDB's while it is bound.
const maxParamElems = 1 << 20

func nestedValue(v any, t *Type) (mapping.Value, error) {
	switch x := v.(type) {
	case []float32:
		return listValue(x, t)
	case []float64:
		return listValue(x, t)
	case []int64:
		return listValue(x, t)
	case []string:
		return listValue(x, t)
	case []any:
		if t.ID == StructID {
			return structValue(x, t)
		}
		return listValue(x, t)
	case [][2]any:
		if t.ID == MapID {
			return mapValue(x, t)
		}
	}
	return mapping.Value{}, fmt.Errorf("duck: a value of Go type %T does not fit a parameter of type %s", v, t)
}

func destroyValues(vs []mapping.Value) {
	for i := range vs {
		mapping.DestroyValue(&vs[i])
	}
}

func listValue[T any](x []T, t *Type) (mapping.Value, error) {
	if t.ID != ListID && t.ID != ArrayID || len(x) > maxParamElems || t.ID == ArrayID && len(x) != t.Size {
		return mapping.Value{}, fmt.Errorf("duck: a list of %d elements does not fit a parameter of type %s", len(x), t)
	}
	elem := *t.Elem
	if elem.ID == DecimalID && elem.Width == 0 {
		elem.Width, elem.Scale = 38, 10
	}
	values := make([]mapping.Value, 0, len(x))
	defer func() { destroyValues(values) }()
	for i := range x {
		e, err := makeValue(any(x[i]), &elem)
		if err != nil {
			return mapping.Value{}, err
		}
		values = append(values, e)
	}
	lt, err := elem.logical()
	if err != nil {
		return mapping.Value{}, err
	}
	defer mapping.DestroyLogicalType(&lt)
	var list mapping.Value
	if t.ID == ArrayID {
		list = mapping.CreateArrayValue(lt, values)
	} else {
		list = mapping.CreateListValue(lt, values)
	}
	return made(list, t)
}

func structValue(x []any, t *Type) (mapping.Value, error) {
	if len(x) != len(t.Fields) {
		return mapping.Value{}, fmt.Errorf("duck: %d fields do not fit a parameter of type %s", len(x), t)
	}
	values := make([]mapping.Value, 0, len(x))
	defer func() { destroyValues(values) }()
	for i := range x {
		e, err := makeValue(x[i], &t.Fields[i].Type)
		if err != nil {
			return mapping.Value{}, err
		}
		values = append(values, e)
	}
	lt, err := t.logical()
	if err != nil {
		return mapping.Value{}, err
	}
	defer mapping.DestroyLogicalType(&lt)
	return made(mapping.CreateStructValue(lt, values), t)
}

func mapValue(x [][2]any, t *Type) (mapping.Value, error) {
	if len(x) > maxParamElems {
		return mapping.Value{}, fmt.Errorf("duck: a map of %d entries is too long for a parameter", len(x))
	}
	keys, values := make([]mapping.Value, 0, len(x)), make([]mapping.Value, 0, len(x))
	defer func() { destroyValues(keys); destroyValues(values) }()
	for i := range x {
		k, err := makeValue(x[i][0], &t.Elem.Fields[0].Type)
		if err != nil {
			return mapping.Value{}, err
		}
		keys = append(keys, k)
		v, err := makeValue(x[i][1], &t.Elem.Fields[1].Type)
		if err != nil {
			return mapping.Value{}, err
		}
		values = append(values, v)
	}
	lt, err := t.logical()
	if err != nil {
		return mapping.Value{}, err
	}
	defer mapping.DestroyLogicalType(&lt)
	return made(mapping.CreateMapValue(lt, keys, values), t)
}

func made(v mapping.Value, t *Type) (mapping.Value, error) {
	if v.Ptr == nil {
		return v, fmt.Errorf("duck: DuckDB refuses the value for a parameter of type %s", t)
	}
	return v, nil
}

// typeOf is the type a Go value takes when nothing else is known.
func typeOf(v any) (Type, error) {
	switch x := v.(type) {
	case bool:
		return Boolean, nil
	case string:
		return Varchar, nil
	case []byte:
		return Blob, nil
	case float32:
		return Float, nil
	case float64:
		return Double, nil
	case [16]byte:
		return UUID, nil
	case IntervalValue:
		return Interval, nil
	case TimeTZValue:
		return Type{ID: TimeTZID}, nil
	case *apd.Decimal:
		return Type{ID: DecimalID}, nil
	case []float32:
		return List(Float), nil
	case []float64:
		return List(Double), nil
	case []int64:
		return List(BigInt), nil
	case []string:
		return List(Varchar), nil
	case []any:
		for _, e := range x {
			if e != nil {
				elem, err := typeOf(e)
				return List(elem), err
			}
		}
		return List(SQLNull), nil
	}
	if _, ok := asInt64(v); ok {
		return BigInt, nil
	}
	if _, ok := asBig(v); ok {
		return HugeInt, nil
	}
	return Type{}, fmt.Errorf("duck: a Go value of type %T cannot be bound", v)
}
