package row

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// A key of one value is a marker byte and a body that no other body is a prefix of. Array and jsonb elements use the same
// markers, and keyEnd, the smallest, ends them.
const (
	keyEnd   = 0x00
	keyValue = 0x01
	keyNull  = 0x02 // NULL sorts last
)

// AppendKey appends an encoding of v whose bytewise order is the value order and which ends itself, so keys of several columns are
// the concatenation of theirs. NULL sorts last. Values that SQL calls equal (1.0 and 1.00, 0.0 and -0.0, char values that differ
// in trailing blanks, intervals of 30 days and of one month) have the same key. The order is PostgreSQL's with the C collation.
// json has no order: *TypeError. v must be in the Go form of t.
func AppendKey(dst []byte, t Type, v any) ([]byte, error) {
	wire, err := wireOf(t, v)
	if err != nil {
		return dst, err
	}
	if t.Kind == JSON || (t.Kind == Array && t.Elem == JSON) {
		return dst, typeError(t, v)
	}
	if wire == wireNull {
		return append(dst, keyNull), nil
	}
	dst = append(dst, keyValue)
	switch x := v.(type) {
	case bool:
		if x {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case int64:
		return appendKeyInt(dst, x), nil
	case int32:
		return binary.BigEndian.AppendUint32(dst, uint32(x)^1<<31), nil
	case float32:
		return appendKeyFloat4(dst, x), nil
	case float64:
		return appendKeyFloat8(dst, x), nil
	case [16]byte:
		return append(dst, x[:]...), nil
	case []byte:
		return appendKeyBytes(dst, x), nil
	case string:
		return appendKeyString(dst, t, x)
	case Interval:
		hi, lo := intervalSpan(x)
		return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, uint64(hi)^1<<63), lo), nil
	case *apd.Decimal:
		return appendKeyDecimal(dst, x), nil
	case []float32:
		for _, f := range x {
			dst = appendKeyFloat4(append(dst, keyValue), f)
		}
		return append(dst, keyEnd), nil
	case []any:
		for _, e := range x {
			if dst, err = AppendKey(dst, Type{Kind: t.Elem, Mod: t.Mod}, e); err != nil {
				return dst, err
			}
		}
		return append(dst, keyEnd), nil
	}
	return dst, typeError(t, v)
}

func appendKeyInt(dst []byte, x int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(x)^1<<63)
}

// appendKeyFloat4 flips the bits so that the order of the bytes is that of the numbers; -0 equals 0, NaN is largest.
func appendKeyFloat4(dst []byte, f float32) []byte {
	b := math.Float32bits(f + 0)
	switch {
	case f != f:
		b = math.MaxUint32
	case f == 0:
		b = 1 << 31
	case b>>31 == 1:
		b = ^b
	default:
		b |= 1 << 31
	}
	return binary.BigEndian.AppendUint32(dst, b)
}

func appendKeyFloat8(dst []byte, f float64) []byte {
	b := math.Float64bits(f)
	switch {
	case f != f:
		b = math.MaxUint64
	case f == 0:
		b = 1 << 63
	case b>>63 == 1:
		b = ^b
	default:
		b |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(dst, b)
}

// appendKeyBytes writes 00 as 00 FF and ends with 00 01, which is less than any byte that could follow.
func appendKeyBytes(dst, x []byte) []byte {
	for {
		i := bytes.IndexByte(x, 0)
		if i < 0 {
			return append(append(dst, x...), 0, 1)
		}
		dst = append(append(dst, x[:i]...), 0, 0xff)
		x = x[i+1:]
	}
}

func appendKeyString(dst []byte, t Type, s string) ([]byte, error) {
	switch t.Kind {
	case Char:
		s = strings.TrimRight(s, " ")
	case JSONB:
		v, err := parseJSON(s, true)
		if err != nil {
			return dst, err
		}
		if v.kind == 'a' && len(v.items) == 0 {
			return append(dst, keyEnd), nil // PostgreSQL puts the empty array at the top below everything
		}
		return v.appendKey(dst), nil
	}
	return appendKeyBytes(dst, []byte(s)), nil
}

// appendKey writes a rank (null < string < number < boolean < array < object) and the value; arrays and objects compare by
// their number of elements first.
func (v *jsonValue) appendKey(dst []byte) []byte {
	dst = append(dst, byte(1+strings.IndexByte("nsdbao", v.kind)))
	switch v.kind {
	case 's':
		return appendKeyBytes(dst, []byte(v.text))
	case 'd':
		return appendKeyDecimal(dst, v.number)
	case 'b':
		if v.truth {
			return append(dst, 1)
		}
		return append(dst, 0)
	case 'a':
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.items)))
		for i := range v.items {
			dst = v.items[i].appendKey(dst)
		}
	case 'o':
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.pairs)))
		for i := range v.pairs {
			dst = appendKeyBytes(dst, []byte(v.pairs[i].key))
			dst = v.pairs[i].value.appendKey(dst)
		}
	}
	return dst
}

// Classes of numeric in ascending order.
const (
	keyMinusInfinity = 0x10 * iota
	keyNegative
	keyZero
	keyPositive
	keyInfinity
	keyNaN
)

// appendKeyDecimal writes a class, the power of ten of the first digit, and the digits without trailing zeros, two a byte,
// plus one and ended by zero. Negative numbers have all of it inverted.
func appendKeyDecimal(dst []byte, d *apd.Decimal) []byte {
	switch {
	case d.Form == apd.Infinite && d.Negative:
		return append(dst, keyMinusInfinity)
	case d.Form == apd.Infinite:
		return append(dst, keyInfinity)
	case d.Form != apd.Finite:
		return append(dst, keyNaN)
	case d.Coeff.Sign() == 0:
		return append(dst, keyZero)
	}
	digits := d.Coeff.Append(nil, 10)
	power := int64(len(digits)) + int64(d.Exponent)
	digits = bytes.TrimRight(digits, "0")
	class := byte(keyPositive)
	if d.Negative {
		class = keyNegative
	}
	dst = append(dst, class)
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(power)^1<<31)
	for i := 0; i < len(digits); i += 2 {
		pair := (digits[i] - '0') * 10
		if i+1 < len(digits) {
			pair += digits[i+1] - '0'
		}
		dst = append(dst, pair+1)
	}
	dst = append(dst, 0)
	if d.Negative {
		for i := start; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}

// intervalSpan is the length of an interval in microseconds with months of 30 days, as PostgreSQL compares them: 128 bits.
func intervalSpan(x Interval) (hi int64, lo uint64) {
	days := int64(x.Months)*30 + int64(x.Days)
	negative := days < 0
	if negative {
		days = -days
	}
	h, l := bits.Mul64(uint64(days), day)
	if negative {
		var borrow uint64
		l, borrow = bits.Sub64(0, l, 0)
		h, _ = bits.Sub64(0, h, borrow)
	}
	l, carry := bits.Add64(l, uint64(x.Micros), 0)
	h, _ = bits.Add64(h, uint64(x.Micros>>63), carry)
	return int64(h), l
}

// Equal tells whether two values of a type are the same as SQL's IS NOT DISTINCT FROM sees it. json values are compared as text.
func Equal(t Type, a, b any) bool { return Compare(t, a, b) == 0 }

// Compare orders two values of a type as PostgreSQL does with the C collation; NULL is largest. Both must be in the Go form of t:
// Compare panics otherwise, for it can only be a programming error.
func Compare(t Type, a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(b2i(a == nil), b2i(b == nil))
	}
	switch t.Kind {
	case Int2, Int4, Int8, Time, Timestamp, Timestamptz:
		return cmp.Compare(a.(int64), b.(int64))
	case Date:
		return cmp.Compare(a.(int32), b.(int32))
	case Text, Varchar, Bit, Varbit, JSON:
		return strings.Compare(a.(string), b.(string))
	case Bytea:
		return bytes.Compare(a.([]byte), b.([]byte))
	}
	x, errA := AppendKey(nil, t, a)
	y, errB := AppendKey(nil, t, b)
	if errA != nil || errB != nil {
		panic(fmt.Sprintf("row: Compare of %T and %T as %s", a, b, t))
	}
	return bytes.Compare(x, y)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
