package segment

import (
	"fmt"
	"math/big"
	"unsafe"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/cockroachdb/apd/v3"

	"engram/db/internal/row"
)

// leafForm is one primitive Parquet column below a field: its type and how a value gets in and out. An interval has three.
type leafForm struct {
	name    string // inside a struct; "" for the only leaf
	phys    parquet.Type
	length  int // of FIXED_LEN_BYTE_ARRAY
	logical schema.LogicalType
	put     func(l *leaf, v any)
}

// form is how values of one type stand in Parquet.
type form struct {
	leaves []leafForm
	get    func(ls []*leaf) (any, error) // takes the next value off every leaf
}

func single(phys parquet.Type, length int, logical schema.LogicalType, put func(l *leaf, v any), get func(l *leaf) (any, error)) form {
	return form{
		leaves: []leafForm{{phys: phys, length: length, logical: logical, put: put}},
		get:    func(ls []*leaf) (any, error) { return get(ls[0]) },
	}
}

var micros = schema.TimeUnitMicros

// formOf gives the Parquet form of a scalar type or array element. Numeric is here the exact text; decimalForm is its number.
func formOf(t row.Type) (form, error) {
	switch t.Kind {
	case row.Bool:
		return single(parquet.Types.Boolean, 0, nil,
			func(l *leaf, v any) { l.bools = append(l.bools, v.(bool)) },
			func(l *leaf) (any, error) { return l.bools[l.next()], nil }), nil
	case row.Int2:
		return intForm(schema.NewIntLogicalType(16, true)), nil
	case row.Int4:
		return intForm(nil), nil
	case row.Int8:
		return longForm(nil), nil
	case row.Time:
		return longForm(schema.NewTimeLogicalType(false, micros)), nil
	case row.Timestamp, row.Timestamptz:
		return longForm(schema.NewTimestampLogicalType(t.Kind == row.Timestamptz, micros)), nil
	case row.Date:
		return single(parquet.Types.Int32, 0, schema.DateLogicalType{},
			func(l *leaf, v any) { l.ints = append(l.ints, v.(int32)) },
			func(l *leaf) (any, error) { return l.ints[l.next()], nil }), nil
	case row.Float4:
		return single(parquet.Types.Float, 0, nil,
			func(l *leaf, v any) {
				l.floats = append(l.floats, v.(float32))
				l.nan = l.nan || v.(float32) != v.(float32)
			},
			func(l *leaf) (any, error) { return l.floats[l.next()], nil }), nil
	case row.Float8:
		return single(parquet.Types.Double, 0, nil,
			func(l *leaf, v any) {
				l.doubles = append(l.doubles, v.(float64))
				l.nan = l.nan || v.(float64) != v.(float64)
			},
			func(l *leaf) (any, error) { return l.doubles[l.next()], nil }), nil
	case row.Text, row.Varchar, row.Char, row.Bit, row.Varbit:
		return textForm(schema.StringLogicalType{}), nil
	case row.JSON, row.JSONB:
		return textForm(schema.JSONLogicalType{}), nil
	case row.Numeric:
		return single(parquet.Types.ByteArray, 0, schema.StringLogicalType{},
			func(l *leaf, v any) { l.text(v.(*apd.Decimal).Text('f')) },
			func(l *leaf) (any, error) { return row.Coerce(row.Of(row.Numeric), string(l.bytes[l.next()])) }), nil
	case row.Bytea:
		return single(parquet.Types.ByteArray, 0, nil,
			func(l *leaf, v any) { l.bytes = append(l.bytes, append([]byte{}, v.([]byte)...)) },
			func(l *leaf) (any, error) { return append([]byte{}, l.bytes[l.next()]...), nil }), nil
	case row.UUID:
		return single(parquet.Types.FixedLenByteArray, 16, schema.UUIDLogicalType{},
			func(l *leaf, v any) { x := v.([16]byte); l.fixed = append(l.fixed, x[:]) },
			func(l *leaf) (any, error) { return [16]byte(l.fixed[l.next()]), nil }), nil
	case row.IntervalK:
		return intervalForm(), nil
	}
	return form{}, fmt.Errorf("segment: no Parquet form for %s", t)
}

func intForm(logical schema.LogicalType) form {
	return single(parquet.Types.Int32, 0, logical,
		func(l *leaf, v any) { l.ints = append(l.ints, int32(v.(int64))) },
		func(l *leaf) (any, error) { return int64(l.ints[l.next()]), nil })
}

func longForm(logical schema.LogicalType) form {
	return single(parquet.Types.Int64, 0, logical,
		func(l *leaf, v any) { l.longs = append(l.longs, v.(int64)) },
		func(l *leaf) (any, error) { return l.longs[l.next()], nil })
}

func textForm(logical schema.LogicalType) form {
	return single(parquet.Types.ByteArray, 0, logical,
		func(l *leaf, v any) { l.text(v.(string)) },
		func(l *leaf) (any, error) { return string(l.bytes[l.next()]), nil })
}

// intervalForm is a struct: Parquet's own INTERVAL has milliseconds and no sign.
func intervalForm() form {
	return form{
		leaves: []leafForm{
			{name: "months", phys: parquet.Types.Int32, put: func(l *leaf, v any) { l.ints = append(l.ints, v.(row.Interval).Months) }},
			{name: "days", phys: parquet.Types.Int32, put: func(l *leaf, v any) { l.ints = append(l.ints, v.(row.Interval).Days) }},
			{name: "micros", phys: parquet.Types.Int64, put: func(l *leaf, v any) { l.longs = append(l.longs, v.(row.Interval).Micros) }},
		},
		get: func(ls []*leaf) (any, error) {
			return row.Interval{Months: ls[0].ints[ls[0].next()], Days: ls[1].ints[ls[1].next()], Micros: ls[2].longs[ls[2].next()]}, nil
		},
	}
}

// The DECIMAL of a numeric column that has no precision of its own or one above what readers take.
const (
	maxPrecision = 38
	freeScale    = 10
)

// decimalType gives precision and scale of a numeric column's DECIMAL.
func decimalType(t row.Type) (precision, scale int) {
	precision, scale, ok := t.PrecisionScale()
	if ok && scale < 0 { // numeric(5,-2): whole hundreds
		precision, scale = precision-scale, 0
	}
	precision = max(precision, scale)
	if !ok || precision > maxPrecision {
		return maxPrecision, freeScale
	}
	return precision, scale
}

// unscaled gives d*10^scale when that is a whole number of at most precision digits.
func unscaled(d *apd.Decimal, precision, scale int) (*big.Int, bool) {
	if d.Form != apd.Finite {
		return nil, false
	}
	n := d.Coeff.MathBigInt()
	move := int64(scale) + int64(d.Exponent)
	if n.Sign() == 0 {
		return n, true
	}
	if move > maxPrecision || move < -int64(d.NumDigits()) {
		return nil, false
	}
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(max(move, -move)), nil)
	if move >= 0 {
		n = new(big.Int).Mul(n, ten)
	} else {
		var rest big.Int
		if n, _ = new(big.Int).QuoRem(n, ten, &rest); rest.Sign() != 0 {
			return nil, false
		}
	}
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	if n.Cmp(limit) >= 0 {
		return nil, false
	}
	if d.Negative {
		n = new(big.Int).Neg(n)
	}
	return n, true
}

// decimalForm is the number of a numeric column: 4, 8 or 16 bytes as the precision needs. put takes a *big.Int.
func decimalForm(precision, scale int) form {
	logical := schema.NewDecimalLogicalType(int32(precision), int32(scale))
	decimal := func(n *big.Int) (any, error) {
		d := &apd.Decimal{Exponent: int32(-scale), Negative: n.Sign() < 0}
		d.Coeff.SetMathBigInt(n)
		d.Coeff.Abs(&d.Coeff)
		return d, nil
	}
	switch {
	case precision <= 9:
		return single(parquet.Types.Int32, 0, logical,
			func(l *leaf, v any) { l.ints = append(l.ints, int32(v.(*big.Int).Int64())) },
			func(l *leaf) (any, error) { return decimal(big.NewInt(int64(l.ints[l.next()]))) })
	case precision <= 18:
		return single(parquet.Types.Int64, 0, logical,
			func(l *leaf, v any) { l.longs = append(l.longs, v.(*big.Int).Int64()) },
			func(l *leaf) (any, error) { return decimal(big.NewInt(l.longs[l.next()])) })
	}
	modulus := new(big.Int).Lsh(big.NewInt(1), 128)
	return single(parquet.Types.FixedLenByteArray, 16, logical,
		func(l *leaf, v any) {
			n := v.(*big.Int)
			if n.Sign() < 0 {
				n = new(big.Int).Add(n, modulus)
			}
			l.fixed = append(l.fixed, n.FillBytes(make([]byte, 16)))
		},
		func(l *leaf) (any, error) {
			n := new(big.Int).SetBytes(l.fixed[l.next()])
			if n.Bit(127) == 1 {
				n.Sub(n, modulus)
			}
			return decimal(n)
		})
}

// leaf holds the values and levels of one primitive column of one row group: filled and written, or read and drained.
type leaf struct {
	form    *leafForm
	maxDef  int16
	list    bool
	defs    []int16
	reps    []int16 // only when list
	bools   []bool
	ints    []int32
	longs   []int64
	floats  []float32
	doubles []float64
	bytes   []parquet.ByteArray
	fixed   []parquet.FixedLenByteArray
	at      int  // draining: next value
	level   int  // draining: next level
	nan     bool // filling: a value is NaN
}

func (l *leaf) next() int { l.at++; return l.at - 1 }

// text keeps a string without a copy: strings do not change.
func (l *leaf) text(s string) {
	l.bytes = append(l.bytes, unsafe.Slice(unsafe.StringData(s), len(s)))
}

func (l *leaf) addLevel(def, rep int16) {
	if l.maxDef > 0 {
		l.defs = append(l.defs, def)
	}
	if l.list {
		l.reps = append(l.reps, rep)
	}
}

func (l *leaf) reset() {
	l.defs, l.reps, l.bools, l.ints, l.longs = l.defs[:0], l.reps[:0], l.bools[:0], l.ints[:0], l.longs[:0]
	l.floats, l.doubles = l.floats[:0], l.doubles[:0]
	clear(l.bytes)
	clear(l.fixed)
	l.bytes, l.fixed, l.at, l.level, l.nan = l.bytes[:0], l.fixed[:0], 0, 0, false
}

// sizeOf estimates the bytes a value takes in memory while its row group is gathered.
func sizeOf(v any) int64 {
	switch x := v.(type) {
	case string:
		return int64(len(x)) + 24
	case []byte:
		return int64(len(x)) + 24
	case []float32:
		return 4 * int64(len(x))
	case *apd.Decimal:
		return 64
	case []any:
		n := int64(16)
		for _, e := range x {
			n += sizeOf(e)
		}
		return n
	}
	return 16
}

// The levels of Parquet's list form: a null list, an empty one, a null element, an element.
const (
	defNullList  = 0
	defEmptyList = 1
	defNullItem  = 2
)
