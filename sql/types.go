package sql

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"engram/db"
	"engram/sql/internal/duck"
	"engram/sql/types"
)

// duckTypes are the DuckDB types that carry each PostgreSQL type. A type that is not named travels as VARCHAR: texts, JSON
// (whose text is ours to normalise), bits as digits 0 and 1.
var duckTypes = map[uint32]duck.Type{
	types.BoolOID: duck.Boolean, types.Int2OID: duck.SmallInt, types.Int4OID: duck.Integer, types.Int8OID: duck.BigInt,
	types.OidOID: duck.BigInt, types.XidOID: duck.BigInt, types.CidOID: duck.BigInt, types.RegclassOID: duck.BigInt,
	types.RegtypeOID: duck.BigInt, types.RegprocOID: duck.BigInt, types.RegprocedureOID: duck.BigInt,
	types.RegoperOID: duck.BigInt, types.RegoperatorOID: duck.BigInt, types.RegnamespaceOID: duck.BigInt,
	types.RegroleOID: duck.BigInt, types.RegcollationOID: duck.BigInt, types.RegconfigOID: duck.BigInt,
	types.RegdictionaryOID: duck.BigInt, types.Xid8OID: duck.BigInt,
	types.Float4OID: duck.Float, types.Float8OID: duck.Double, types.ByteaOID: duck.Blob, types.UUIDOID: duck.UUID,
	types.DateOID: duck.Date, types.TimeOID: duck.Time, types.TimetzOID: {ID: duck.TimeTZID},
	types.TimestampOID: duck.Timestamp, types.TimestamptzOID: duck.TimestampTZ, types.IntervalOID: duck.Interval,
	types.VectorOID: duck.List(duck.Float), types.HalfvecOID: duck.List(duck.Float),
	types.Int2VectorOID: duck.List(duck.SmallInt), types.OidVectorOID: duck.List(duck.BigInt),
}

// maxDecimal is how many digits DuckDB's decimals have; freeScale is how many of them stand behind the point of a
// numeric without a declared scale: as many as PostgreSQL gives to quotients of usual size.
const (
	maxDecimal = 38
	freeScale  = 16
)

// duckType is the DuckDB type that carries a PostgreSQL type.
func duckType(t types.Type) duck.Type {
	if t.OID == types.NumericOID {
		return decimalType(t.Mod)
	}
	if d, ok := duckTypes[t.OID]; ok {
		return d
	}
	if elem, ok := types.ElemOf(t); ok && t.IsArray() {
		return duck.List(duckType(elem))
	}
	return duck.Varchar
}

func decimalType(mod int32) duck.Type {
	if mod >= 4 {
		if p, s := types.NumericPrecision(mod); p <= maxDecimal && s >= 0 && s <= p {
			return duck.Decimal(uint8(p), uint8(s))
		}
	}
	return duck.Decimal(maxDecimal, freeScale)
}

// pgTypes are the PostgreSQL types of DuckDB's results when the analyser does not know better.
var pgTypes = map[duck.TypeID]uint32{
	duck.BooleanID: types.BoolOID, duck.TinyIntID: types.Int2OID, duck.UTinyIntID: types.Int2OID, duck.SmallIntID: types.Int2OID,
	duck.USmallIntID: types.Int4OID, duck.IntegerID: types.Int4OID, duck.UIntegerID: types.Int8OID, duck.BigIntID: types.Int8OID,
	duck.UBigIntID: types.NumericOID, duck.HugeIntID: types.NumericOID, duck.UHugeIntID: types.NumericOID,
	duck.BigNumID: types.NumericOID, duck.FloatID: types.Float4OID, duck.DoubleID: types.Float8OID,
	duck.VarcharID: types.TextOID, duck.EnumID: types.TextOID, duck.SQLNullID: types.TextOID, duck.BlobID: types.ByteaOID,
	duck.UUIDID: types.UUIDOID, duck.DateID: types.DateOID, duck.TimeID: types.TimeOID, duck.TimeNSID: types.TimeOID,
	duck.TimeTZID: types.TimetzOID, duck.TimestampID: types.TimestampOID, duck.TimestampSID: types.TimestampOID,
	duck.TimestampMSID: types.TimestampOID, duck.TimestampNSID: types.TimestampOID, duck.TimestampTZID: types.TimestamptzOID,
	duck.IntervalID: types.IntervalOID, duck.BitID: types.VarbitOID, duck.StructID: types.RecordOID,
	duck.MapID: types.JSONOID, duck.UnionID: types.TextOID,
}

// pgType is the PostgreSQL type of a DuckDB type.
func pgType(t duck.Type) types.Type {
	switch t.ID {
	case duck.DecimalID:
		return types.Of(types.NumericOID)
	case duck.ListID, duck.ArrayID:
		if t.Elem.ID == duck.FloatID { // lists of FLOAT are vectors everywhere in this database
			return types.Of(types.VectorOID)
		}
		if a, ok := types.ArrayOf(pgType(*t.Elem)); ok {
			return a
		}
		return types.Of(types.JSONOID)
	}
	if t.Alias == "JSON" {
		return types.Of(types.JSONOID)
	}
	if oid, ok := pgTypes[t.ID]; ok {
		return types.Of(oid)
	}
	return types.Of(types.TextOID)
}

// toDuck brings a value of a PostgreSQL type into a form that DuckDB's binding takes for duckType(t).
func toDuck(v any, t types.Type) any {
	switch x := v.(type) {
	case nil:
		return nil
	case db.Interval:
		return duck.IntervalValue{Months: x.Months, Days: x.Days, Micros: x.Micros}
	case types.TimeTZ:
		return duck.TimeTZValue{Micros: x.Micros, Offset: x.Offset}
	case []any:
		elem, ok := types.ElemOf(t)
		if !ok {
			return v
		}
		out := make([]any, len(x))
		for i := range x {
			out[i] = toDuck(x[i], elem)
		}
		return out
	}
	return v
}

// fromDuck brings a value as DuckDB gives it into the form of a PostgreSQL type. from is the value's DuckDB type.
func fromDuck(v any, from *duck.Type, to types.Type) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch to.OID {
	case types.Int2OID, types.Int4OID, types.Int8OID, types.OidOID, types.XidOID, types.RegclassOID, types.RegtypeOID,
		types.RegprocOID, types.RegnamespaceOID, types.RegroleOID, types.CidOID:
		return toInteger(v, to)
	case types.NumericOID:
		return toNumeric(v, to)
	case types.Float8OID:
		f, err := toFloat(v)
		return f, err
	case types.Float4OID:
		f, err := toFloat(v)
		if x, ok := v.(float32); ok {
			return x, nil
		}
		return float32(f), err
	case types.JSONOID, types.JSONBOID:
		if s, ok := v.(string); ok {
			return s, nil
		}
		return toJSON(v, from)
	case types.VectorOID, types.HalfvecOID:
		return toVector(v)
	}
	switch x := v.(type) {
	case duck.IntervalValue:
		return db.Interval{Months: x.Months, Days: x.Days, Micros: x.Micros}, nil
	case duck.TimeTZValue:
		return types.TimeTZ{Micros: x.Micros, Offset: x.Offset}, nil
	}
	return fromDuckOther(v, from, to)
}

func fromDuckOther(v any, from *duck.Type, to types.Type) (any, error) {
	if elem, ok := types.ElemOf(to); ok {
		return toArray(v, from, elem)
	}
	if to.OID == types.RecordOID {
		if fields, ok := v.([]any); ok {
			return toRecord(fields, from)
		}
	}
	switch v.(type) {
	case string, []byte, bool, [16]byte:
		if !isTextual(to.OID) {
			return v, nil
		}
		if s, ok := v.(string); ok {
			return s, nil
		}
	case int64, int32:
		if !isTextual(to.OID) {
			return v, nil
		}
	}
	if isTextual(to.OID) { // another type where text is expected: as a cast to text spells it
		own := pgType(*from)
		if isTextual(own.OID) {
			return v, nil
		}
		w, err := fromDuck(v, from, own)
		if err != nil {
			return nil, err
		}
		b, err := types.AppendText(nil, own, w, nil)
		return string(b), err
	}
	return v, nil
}

func isTextual(oid uint32) bool {
	switch oid {
	case types.TextOID, types.VarcharOID, types.BpcharOID, types.NameOID, types.UnknownOID, types.QCharOID, 0:
		return true
	}
	return false
}

func toInteger(v any, to types.Type) (any, error) {
	var n int64
	switch x := v.(type) {
	case int64:
		n = x
	case int32:
		n = int64(x)
	case bool:
		if x {
			n = 1
		}
	case uint64:
		if x > math.MaxInt64 {
			return nil, outOfRange(to)
		}
		n = int64(x)
	case *big.Int:
		if !x.IsInt64() {
			return nil, outOfRange(to)
		}
		n = x.Int64()
	case float64:
		r := math.RoundToEven(x)
		if !(r >= math.MinInt64 && r < math.MaxInt64) {
			return nil, outOfRange(to)
		}
		n = int64(r)
	case *apd.Decimal:
		i, err := roundDecimal(x)
		if err != nil {
			return nil, outOfRange(to)
		}
		n = i
	case string: // regclass and its kin may come resolved
		return x, nil
	default:
		return nil, types.Errorf(types.CodeDatatypeMismatch, "a result cannot be read as %s", to)
	}
	if to.OID == types.Int4OID && (n < math.MinInt32 || n > math.MaxInt32) || to.OID == types.Int2OID && (n < math.MinInt16 || n > math.MaxInt16) {
		return nil, outOfRange(to)
	}
	return n, nil
}

func outOfRange(t types.Type) *Error {
	return types.Errorf(types.CodeNumericValueOutOfRange, "%s out of range", types.Of(t.OID))
}

func roundDecimal(d *apd.Decimal) (int64, error) {
	var r apd.Decimal
	c := apd.BaseContext.WithPrecision(60)
	c.Rounding = apd.RoundHalfUp
	if _, err := c.Quantize(&r, d, 0); err != nil {
		return 0, err
	}
	return r.Int64()
}

func toNumeric(v any, to types.Type) (any, error) {
	var d *apd.Decimal
	switch x := v.(type) {
	case *apd.Decimal:
		d = x
	case int64:
		d = apd.New(x, 0)
	case *big.Int:
		d = new(apd.Decimal)
		d.Negative = x.Sign() < 0
		d.Coeff.SetMathBigInt(new(big.Int).Abs(x))
	case uint64:
		d = new(apd.Decimal)
		d.Coeff.SetMathBigInt(new(big.Int).SetUint64(x))
	case float64:
		return numericOfText(strconv.FormatFloat(x, 'g', 15, 64))
	case float32:
		return numericOfText(strconv.FormatFloat(float64(x), 'g', 6, 32))
	case string:
		return numericOfText(x)
	default:
		return nil, types.Errorf(types.CodeDatatypeMismatch, "a result cannot be read as numeric")
	}
	return d, nil
}

func numericOfText(s string) (any, error) {
	v, err := types.ParseText(types.Of(types.NumericOID), s, nil)
	return v, err
}

func toFloat(v any) (float64, error) {
	switch x := v.(type) {
	case float64:
		return x, nil
	case float32:
		return float64(x), nil
	case int64:
		return float64(x), nil
	case uint64:
		return float64(x), nil
	case *big.Int:
		f, _ := new(big.Float).SetInt(x).Float64()
		return f, nil
	case *apd.Decimal:
		return strconv.ParseFloat(x.Text('E'), 64)
	}
	return 0, types.Errorf(types.CodeDatatypeMismatch, "a result cannot be read as double precision")
}

func toVector(v any) (any, error) {
	switch x := v.(type) {
	case []float32:
		return x, nil
	case []any:
		out := make([]float32, len(x))
		for i := range x {
			f, err := toFloat(x[i])
			if err != nil {
				return nil, types.Errorf(types.CodeNullValueNotAllowed, "array must not contain nulls")
			}
			out[i] = float32(f)
		}
		return out, nil
	case string:
		return types.ParseText(types.Of(types.VectorOID), x, nil)
	}
	return nil, types.Errorf(types.CodeDatatypeMismatch, "a result cannot be read as vector")
}

func toArray(v any, from *duck.Type, elem types.Type) (any, error) {
	elemFrom := &duck.Varchar
	if from.Elem != nil {
		elemFrom = from.Elem
	}
	switch x := v.(type) {
	case []float32:
		out := make([]any, len(x))
		for i := range x {
			w, err := fromDuck(x[i], elemFrom, elem)
			if err != nil {
				return nil, err
			}
			out[i] = w
		}
		return out, nil
	case []any:
		out := make([]any, len(x))
		for i := range x {
			w, err := fromDuck(x[i], elemFrom, elem)
			if err != nil {
				return nil, err
			}
			out[i] = w
		}
		return out, nil
	case string:
		arr, ok := types.ArrayOf(elem)
		if !ok {
			return v, nil
		}
		return types.ParseText(arr, x, nil)
	}
	return v, nil
}

func toRecord(fields []any, from *duck.Type) (any, error) {
	out := make([]any, len(fields))
	for i := range fields {
		if i >= len(from.Fields) {
			break
		}
		w, err := fromDuck(fields[i], &from.Fields[i].Type, pgType(from.Fields[i].Type))
		if err != nil {
			return nil, err
		}
		out[i] = w
	}
	return out, nil
}

// toJSON spells a nested value of DuckDB as JSON.
func toJSON(v any, from *duck.Type) (any, error) {
	var b strings.Builder
	if err := appendJSON(&b, v, from); err != nil {
		return nil, err
	}
	return b.String(), nil
}

func appendJSON(b *strings.Builder, v any, from *duck.Type) error {
	switch x := v.(type) {
	case nil:
		b.WriteString("null")
		return nil
	case [][2]any:
		return appendJSONMap(b, x, from)
	case []any:
		return appendJSONList(b, x, from)
	case string:
		if from.Alias == "JSON" {
			b.WriteString(x)
			return nil
		}
	case []float32, bool, int64, uint64:
		text, err := json.Marshal(x)
		b.Write(text)
		return err
	case *apd.Decimal:
		b.WriteString(x.Text('f'))
		return nil
	case *big.Int:
		b.WriteString(x.String())
		return nil
	case float64, float32:
		if text, err := json.Marshal(x); err == nil {
			b.Write(text)
			return nil
		}
	}
	own := pgType(*from)
	w, err := fromDuck(v, from, own)
	if err != nil {
		return err
	}
	text, err := types.AppendText(nil, own, w, nil)
	if err != nil {
		return err
	}
	quoted, err := json.Marshal(string(text))
	b.Write(quoted)
	return err
}

func appendJSONMap(b *strings.Builder, entries [][2]any, from *duck.Type) error {
	b.WriteByte('{')
	for i, e := range entries {
		if i > 0 {
			b.WriteString(", ")
		}
		var key strings.Builder
		if err := appendJSON(&key, e[0], &from.Elem.Fields[0].Type); err != nil {
			return err
		}
		if k := key.String(); strings.HasPrefix(k, `"`) {
			b.WriteString(k)
		} else {
			b.WriteString(strconv.Quote(k))
		}
		b.WriteString(": ")
		if err := appendJSON(b, e[1], &from.Elem.Fields[1].Type); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func appendJSONList(b *strings.Builder, items []any, from *duck.Type) error {
	object := from.ID == duck.StructID
	b.WriteByte(map[bool]byte{true: '{', false: '['}[object])
	for i, item := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		of := &duck.Varchar
		if object && i < len(from.Fields) {
			name, err := json.Marshal(from.Fields[i].Name)
			if err != nil {
				return err
			}
			b.Write(name)
			b.WriteString(": ")
			of = &from.Fields[i].Type
		} else if from.Elem != nil {
			of = from.Elem
		}
		if err := appendJSON(b, item, of); err != nil {
			return err
		}
	}
	b.WriteByte(map[bool]byte{true: '}', false: ']'}[object])
	return nil
}
