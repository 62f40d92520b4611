package duck

import (
	"encoding/binary"
	"math"
	"math/big"
	"unsafe"

	"github.com/cockroachdb/apd/v3"
)

// IntervalValue is the Go form of an INTERVAL; its three parts are kept apart as in SQL.
type IntervalValue struct {
	Months, Days int32
	Micros       int64
}

// TimeTZValue is the Go form of a TIME WITH TIME ZONE.
type TimeTZValue struct {
	Micros int64 // local time of day
	Offset int32 // seconds east of UTC
}

// DuckDB keeps infinite dates and timestamps as these numbers, and so do we.
const (
	DateInfinity              int32 = math.MaxInt32
	DateNegativeInfinity      int32 = -math.MaxInt32
	TimestampInfinity         int64 = math.MaxInt64
	TimestampNegativeInfinity int64 = -math.MaxInt64
)

// Value copies row i into its Go form; nil for NULL:
//
//	BOOLEAN bool; TINYINT..BIGINT and UTINYINT..UINTEGER int64; UBIGINT uint64; HUGEINT, UHUGEINT, BIGNUM *big.Int;
//	FLOAT float32; DOUBLE float64; DECIMAL *apd.Decimal with the column's scale as exponent;
//	VARCHAR, JSON, ENUM string; BLOB []byte; BIT string of 0 and 1; UUID [16]byte;
//	DATE int32 days since 1970-01-01; TIME int64 microseconds of the day; TIME WITH TIME ZONE TimeTZValue;
//	TIMESTAMP (every unit, with or without zone) int64 microseconds since 1970-01-01 UTC, rounded down;
//	INTERVAL IntervalValue; LIST, ARRAY []any, but []float32 over FLOAT without NULL elements;
//	STRUCT []any in field order; MAP [][2]any; UNION the member's value.
//
// Infinite dates and timestamps come out as the constants above.
func (v *Vector) Value(i int) any { return v.valueAt(v.row(i)) }

func (v *Vector) valueAt(r int) any {
	if v.nullAt(r) {
		return nil
	}
	switch v.typ.ID {
	case BooleanID:
		return at[uint8](v.data, r) != 0
	case TinyIntID, SmallIntID, IntegerID, BigIntID, UTinyIntID, USmallIntID, UIntegerID, TimeID:
		return v.intAt(r)
	case UBigIntID:
		return at[uint64](v.data, r)
	case HugeIntID:
		return hugeInt(at[uint64](v.data, r*2), at[int64](v.data, r*2+1))
	case UHugeIntID:
		return uhugeInt(at[uint64](v.data, r*2), at[uint64](v.data, r*2+1))
	case FloatID:
		return at[float32](v.data, r)
	case DoubleID:
		return at[float64](v.data, r)
	case DecimalID:
		return v.decimalAt(r)
	case VarcharID:
		return string(v.bytesAt(r))
	case BlobID, GeometryID:
		return append([]byte{}, v.bytesAt(r)...)
	case BitID:
		return bitString(v.bytesAt(r))
	case BigNumID:
		return bigNum(v.bytesAt(r))
	case EnumID:
		return v.label(r)
	case UUIDID:
		return uuidBytes(at[uint64](v.data, r*2), at[uint64](v.data, r*2+1))
	}
	return v.momentOrNested(r)
}

func (v *Vector) momentOrNested(r int) any {
	switch v.typ.ID {
	case DateID:
		return at[int32](v.data, r)
	case TimeNSID:
		return at[int64](v.data, r) / 1000
	case TimeTZID:
		return timeTZ(at[uint64](v.data, r))
	case TimestampID, TimestampTZID:
		return at[int64](v.data, r)
	case TimestampSID:
		return scaleMoment(at[int64](v.data, r), 1_000_000)
	case TimestampMSID:
		return scaleMoment(at[int64](v.data, r), 1000)
	case TimestampNSID:
		return floorMoment(at[int64](v.data, r))
	case IntervalID:
		return at[IntervalValue](v.data, r)
	case ListID, ArrayID:
		return v.listAt(r)
	case MapID:
		from, n := v.span(r)
		entries := make([][2]any, n)
		for k := range entries {
			entries[k] = [2]any{v.kids[0].kids[0].valueAt(from + k), v.kids[0].kids[1].valueAt(from + k)}
		}
		return entries
	case StructID:
		fields := make([]any, len(v.kids))
		for j := range v.kids {
			fields[j] = v.kids[j].valueAt(r)
		}
		return fields
	case UnionID:
		if tag := int(v.kids[0].intAt(r)) + 1; tag < len(v.kids) {
			return v.kids[tag].valueAt(r)
		}
	}
	return nil
}

func (v *Vector) listAt(r int) any {
	from, n := v.span(r)
	child := &v.kids[0]
	if v.typ.Elem.ID == FloatID && !v.hasNullIn(from, n) {
		out := make([]float32, n)
		if n > 0 {
			copy(out, unsafe.Slice((*float32)(unsafe.Add(child.data, from*4)), n))
		}
		return out
	}
	elems := make([]any, n)
	for k := range elems {
		elems[k] = child.valueAt(from + k)
	}
	return elems
}

func (v *Vector) hasNullIn(from, n int) bool {
	child := &v.kids[0]
	for r := from; child.mask != nil && r < from+n; r++ {
		if child.nullAt(r) {
			return true
		}
	}
	return false
}

func (v *Vector) decimalAt(r int) *apd.Decimal {
	d := &apd.Decimal{Exponent: -int32(v.typ.Scale)}
	var c int64
	switch decimalBytes(v.typ.Width) {
	case 2:
		c = int64(at[int16](v.data, r))
	case 4:
		c = int64(at[int32](v.data, r))
	case 8:
		c = at[int64](v.data, r)
	default:
		n := hugeInt(at[uint64](v.data, r*2), at[int64](v.data, r*2+1))
		d.Negative = n.Sign() < 0
		d.Coeff.SetMathBigInt(n.Abs(n))
		return d
	}
	d.Negative = c < 0
	d.Coeff.SetInt64(c)
	d.Coeff.Abs(&d.Coeff)
	return d
}

func hugeInt(lower uint64, upper int64) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(upper), 64)
	return n.Add(n, new(big.Int).SetUint64(lower))
}

func uhugeInt(lower, upper uint64) *big.Int {
	n := new(big.Int).Lsh(new(big.Int).SetUint64(upper), 64)
	return n.Add(n, new(big.Int).SetUint64(lower))
}

// DuckDB stores a UUID as a signed 128-bit integer with the top bit flipped, so that it sorts like the text.
const uuidFlip = 1 << 63

func uuidBytes(lower, upper uint64) (u [16]byte) {
	binary.BigEndian.PutUint64(u[:8], upper^uuidFlip)
	binary.BigEndian.PutUint64(u[8:], lower)
	return u
}

// bitString reads DuckDB's BIT: the number of padding bits, then the bits, the padding first.
func bitString(b []byte) string {
	if len(b) < 2 || b[0] > 7 {
		return ""
	}
	bits := make([]byte, 0, len(b)*8)
	for k := int(b[0]); k < (len(b)-1)*8; k++ {
		bits = append(bits, '0'+b[1+k/8]>>(7-k%8)&1)
	}
	return string(bits)
}

// bigNum reads DuckDB's BIGNUM: three bytes of header whose top bit says "not negative", then the magnitude, most
// significant byte first; every bit is inverted in a negative number.
func bigNum(b []byte) *big.Int {
	if len(b) < 4 {
		return new(big.Int)
	}
	negative := b[0]&0x80 == 0
	magnitude := append([]byte{}, b[3:]...)
	if negative {
		for i := range magnitude {
			magnitude[i] = ^magnitude[i]
		}
	}
	n := new(big.Int).SetBytes(magnitude)
	if negative {
		n.Neg(n)
	}
	return n
}

// timeTZ reads DuckDB's packed form: microseconds above 24 bits of (maximum offset - offset).
func timeTZ(bits uint64) TimeTZValue {
	const maxOffset = 16*3600 - 1
	return TimeTZValue{Micros: int64(bits >> 24), Offset: maxOffset - int32(bits&0xffffff)}
}

func timeTZBits(t TimeTZValue) uint64 {
	const maxOffset = 16*3600 - 1
	return uint64(t.Micros)<<24 | uint64(maxOffset-t.Offset)&0xffffff
}

// scaleMoment turns a moment in coarser units into microseconds. One beyond the range of TIMESTAMP, which DuckDB cannot
// show as a TIMESTAMP either, becomes infinite.
func scaleMoment(t, unit int64) int64 {
	switch {
	case t == TimestampInfinity || t > math.MaxInt64/unit:
		return TimestampInfinity
	case t == TimestampNegativeInfinity || t < -math.MaxInt64/unit:
		return TimestampNegativeInfinity
	}
	return t * unit
}

func floorMoment(ns int64) int64 {
	if ns == TimestampInfinity || ns == TimestampNegativeInfinity {
		return ns
	}
	us := ns / 1000
	if ns%1000 < 0 {
		us--
	}
	return us
}
