package duck

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"unsafe"

	"github.com/cockroachdb/apd/v3"
)

// SetValue sets row i from the Go form that Vector.Value documents, nil for NULL. It also takes every Go integer type,
// *big.Int for integers, float64 for FLOAT, integers for DECIMAL, and []float32, []float64, []int64 or []string for
// lists. Decimals are rounded half up to the column's scale. UNION, BIGNUM, GEOMETRY and VARIANT cannot be written.
func (w *Writer) SetValue(i int, v any) { w.valueAt(w.row(i), v) }

func (w *Writer) valueAt(r int, v any) {
	if v == nil {
		w.nullAt(r)
		return
	}
	switch w.typ.ID {
	case ListID, ArrayID, MapID, StructID:
		w.nestedAt(r, v)
	case TinyIntID, SmallIntID, IntegerID, BigIntID, UTinyIntID, USmallIntID, UIntegerID, UBigIntID, HugeIntID,
		UHugeIntID, DateID, TimeID, TimestampID, TimestampTZID:
		w.wholeAt(r, v)
	case FloatID:
		if f, ok := asFloat(v); ok {
			put(w.data, r, float32(f))
		} else {
			w.misfit(v)
		}
	case DoubleID:
		if f, ok := asFloat(v); ok {
			put(w.data, r, f)
		} else {
			w.misfit(v)
		}
	default:
		w.otherAt(r, v)
	}
}

// otherAt sets the types that have exactly one Go form.
func (w *Writer) otherAt(r int, v any) {
	one := Writer{typ: w.typ, h: w.h, data: w.data, rows: w.rows, first: w.first} // rows here are physical
	switch x := v.(type) {
	case bool:
		one.SetBool(r, x)
	case string:
		if w.typ.ID == BitID {
			w.bitsAt(r, x)
			return
		}
		one.SetString(r, x)
	case []byte:
		one.SetBytes(r, x)
	case [16]byte:
		if w.typ.ID != UUIDID {
			w.misfit(v)
			return
		}
		put(w.data, r, [2]uint64{binary.BigEndian.Uint64(x[8:]), binary.BigEndian.Uint64(x[:8]) ^ uuidFlip})
	case IntervalValue:
		if w.typ.ID != IntervalID {
			w.misfit(v)
			return
		}
		put(w.data, r, x)
	case TimeTZValue:
		if w.typ.ID != TimeTZID {
			w.misfit(v)
			return
		}
		put(w.data, r, timeTZBits(x))
	default:
		w.numberAt(r, v)
	}
}

// numberAt sets decimals and the timestamps in other units than microseconds.
func (w *Writer) numberAt(r int, v any) {
	switch w.typ.ID {
	case DecimalID:
		w.decimalAt(r, v)
	case TimestampSID, TimestampMSID, TimestampNSID, TimeNSID:
		us, ok := asInt64(v)
		if !ok {
			w.misfit(v)
			return
		}
		t, ok := unscaleMoment(us, w.typ.ID)
		if !ok {
			w.fail("%d microseconds are out of range for type %s", us, w.typ)
			return
		}
		put(w.data, r, t)
	default:
		w.misfit(v)
	}
}

// unscaleMoment turns microseconds into the unit of the type; infinities stay.
func unscaleMoment(us int64, id TypeID) (int64, bool) {
	if us == TimestampInfinity || us == TimestampNegativeInfinity {
		return us, true
	}
	switch id {
	case TimestampSID:
		return floorDiv(us, 1_000_000), true
	case TimestampMSID:
		return floorDiv(us, 1000), true
	}
	return us * 1000, us <= math.MaxInt64/1000 && us >= math.MinInt64/1000
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (w *Writer) wholeAt(r int, v any) {
	if n, ok := asInt64(v); ok && w.typ.ID != UHugeIntID {
		w.intAt(r, n)
		return
	}
	n, ok := asBig(v)
	if !ok {
		w.misfit(v)
		return
	}
	lower, upper, fits := split128(n, w.typ.ID)
	if !fits {
		w.fail("%s is out of range for type %s", n, w.typ)
		return
	}
	if w.typ.ID == UBigIntID {
		put(w.data, r, lower)
		return
	}
	put(w.data, r, [2]uint64{lower, upper})
}

// split128 gives the two halves of n for UBIGINT, HUGEINT or UHUGEINT; other types hold no number that is not an int64.
func split128(n *big.Int, id TypeID) (lower, upper uint64, fits bool) {
	switch id {
	case UBigIntID:
		fits = n.Sign() >= 0 && n.BitLen() <= 64
	case UHugeIntID:
		fits = n.Sign() >= 0 && n.BitLen() <= 128
	case HugeIntID:
		fits = n.BitLen() <= 127
	}
	if !fits {
		return 0, 0, false
	}
	m := n
	if n.Sign() < 0 {
		m = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), 128))
	}
	var b [16]byte
	m.FillBytes(b[:])
	return binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[:8]), true
}

func (w *Writer) decimalAt(r int, v any) {
	d, ok := asDecimal(v)
	if !ok {
		w.misfit(v)
		return
	}
	c, err := decimalCoeff(d, w.typ.Width, w.typ.Scale)
	if err != nil {
		w.fail("%v", err)
		return
	}
	switch decimalBytes(w.typ.Width) {
	case 2:
		put(w.data, r, int16(c.Int64()))
	case 4:
		put(w.data, r, int32(c.Int64()))
	case 8:
		put(w.data, r, c.Int64())
	default:
		lower, upper, _ := split128(c, HugeIntID)
		put(w.data, r, [2]uint64{lower, upper})
	}
}

// decimalCoeff rounds d half up to scale digits after the point and gives the digits as one integer.
func decimalCoeff(d *apd.Decimal, width, scale uint8) (*big.Int, error) {
	if d.Form != apd.Finite {
		return nil, fmt.Errorf("%s has no form as DECIMAL(%d,%d)", d, width, scale)
	}
	ctx := apd.Context{Precision: 60, MaxExponent: 100000, MinExponent: -100000, Rounding: apd.RoundHalfUp}
	var q apd.Decimal
	if cond, err := ctx.Quantize(&q, d, -int32(scale)); err != nil || cond.InvalidOperation() || q.NumDigits() > int64(width) {
		return nil, fmt.Errorf("%s is out of range for DECIMAL(%d,%d)", d, width, scale)
	}
	c := q.Coeff.MathBigInt()
	if q.Negative {
		c.Neg(c)
	}
	return c, nil
}

func (w *Writer) bitsAt(r int, s string) {
	b, err := bitBytes(s)
	if err != nil {
		w.fail("%v", err)
		return
	}
	w.bytesAt(r, b)
}

// bitBytes writes a string of 0 and 1 as DuckDB's BIT.
func bitBytes(s string) ([]byte, error) {
	if s == "" {
		return nil, fmt.Errorf("an empty bit string has no form in DuckDB")
	}
	pad := (8 - len(s)%8) % 8
	b := make([]byte, 1+(len(s)+7)/8)
	b[0] = byte(pad)
	for k := 0; k < pad; k++ {
		b[1] |= 0x80 >> k
	}
	for k := 0; k < len(s); k++ {
		switch s[k] {
		case '1':
			b[1+(pad+k)/8] |= 0x80 >> ((pad + k) % 8)
		case '0':
		default:
			return nil, fmt.Errorf("%q is not a bit string", s)
		}
	}
	return b, nil
}

func (w *Writer) nestedAt(r int, v any) {
	switch x := v.(type) {
	case []float32:
		if w.typ.Elem != nil && w.typ.ID != MapID && w.typ.Elem.ID == FloatID {
			if child, base, ok := w.open(r, len(x)); ok && len(x) > 0 {
				copy(unsafe.Slice((*float32)(unsafe.Add(child.data, base*4)), len(x)), x)
			}
			return
		}
		setElems(w, r, x)
	case []any:
		if w.typ.ID == StructID {
			w.structAt(r, x)
			return
		}
		setElems(w, r, x)
	case []float64:
		setElems(w, r, x)
	case []int64:
		setElems(w, r, x)
	case []string:
		setElems(w, r, x)
	case [][2]any:
		if w.typ.ID != MapID {
			w.misfit(v)
			return
		}
		child, base, ok := w.open(r, len(x))
		for k := 0; ok && k < len(x); k++ {
			child.kids[0].valueAt(base+k, x[k][0])
			child.kids[1].valueAt(base+k, x[k][1])
		}
	default:
		w.misfit(v)
	}
}

func setElems[T any](w *Writer, r int, x []T) {
	if w.typ.ID != ListID && w.typ.ID != ArrayID {
		w.misfit(x)
		return
	}
	child, base, ok := w.open(r, len(x))
	for k := 0; ok && k < len(x); k++ {
		child.valueAt(base+k, any(x[k]))
	}
}

func (w *Writer) structAt(r int, fields []any) {
	if len(fields) != len(w.kids) {
		w.fail("%d fields do not fit %s", len(fields), w.typ)
		return
	}
	for k := range fields {
		w.kids[k].valueAt(r, fields[k])
	}
}

func asInt64(v any) (int64, bool) {
	switch x := v.(type) {
	case int64:
		return x, true
	case int:
		return int64(x), true
	case int32:
		return int64(x), true
	case int16:
		return int64(x), true
	case int8:
		return int64(x), true
	case uint8:
		return int64(x), true
	case uint16:
		return int64(x), true
	case uint32:
		return int64(x), true
	case uint64:
		return int64(x), x <= math.MaxInt64
	case uint:
		return int64(x), uint64(x) <= math.MaxInt64
	case *big.Int:
		return x.Int64(), x.IsInt64()
	}
	return 0, false
}

func asBig(v any) (*big.Int, bool) {
	switch x := v.(type) {
	case *big.Int:
		return x, x != nil
	case uint64:
		return new(big.Int).SetUint64(x), true
	case uint:
		return new(big.Int).SetUint64(uint64(x)), true
	}
	n, ok := asInt64(v)
	return big.NewInt(n), ok
}

func asFloat(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case float32:
		return float64(x), true
	}
	n, ok := asInt64(v)
	return float64(n), ok
}

func asDecimal(v any) (*apd.Decimal, bool) {
	if d, ok := v.(*apd.Decimal); ok {
		return d, d != nil
	}
	n, ok := asBig(v)
	if !ok {
		return nil, false
	}
	d := new(apd.Decimal)
	d.Coeff.SetMathBigInt(new(big.Int).Abs(n))
	d.Negative = n.Sign() < 0
	return d, true
}
