package types

import (
	"encoding/binary"
	"math/big"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// PostgreSQL's limits on numeric: digits before and behind the decimal point.
const (
	maxIntegerDigits = 131072
	maxScale         = 16383
)

// Signs of numeric's binary form.
const (
	signPositive = 0x0000
	signNegative = 0x4000
	signNaN      = 0xC000
	signInf      = 0xD000
	signNegInf   = 0xF000
)

func numericOverflow() *Error {
	return Errorf(CodeNumericValueOutOfRange, "value overflows numeric format")
}

// checkSize refuses a number whose digits could not be written out within PostgreSQL's limits.
func checkSize(d *apd.Decimal) error {
	if -int64(d.Exponent) > maxScale {
		return numericOverflow()
	}
	if d.Coeff.Sign() != 0 && d.NumDigits()+int64(d.Exponent) > maxIntegerDigits {
		return numericOverflow()
	}
	return nil
}

func appendNumericText(dst []byte, d *apd.Decimal) ([]byte, error) {
	switch d.Form {
	case apd.NaN, apd.NaNSignaling:
		return append(dst, "NaN"...), nil
	case apd.Infinite:
		if d.Negative {
			dst = append(dst, '-')
		}
		return append(dst, "Infinity"...), nil
	}
	if err := checkSize(d); err != nil {
		return nil, err
	}
	if d.Negative && d.Coeff.Sign() != 0 {
		dst = append(dst, '-')
	}
	var scratch [40]byte
	digits := d.Coeff.Append(scratch[:0], 10)
	switch {
	case d.Exponent == 0:
		return append(dst, digits...), nil
	case d.Exponent > 0:
		dst = append(dst, digits...)
		if d.Coeff.Sign() == 0 {
			return dst, nil
		}
		return appendZeros(dst, int(d.Exponent)), nil
	}
	scale := int(-d.Exponent)
	if n := len(digits) - scale; n > 0 {
		dst = append(dst, digits[:n]...)
		dst = append(dst, '.')
		return append(dst, digits[n:]...), nil
	}
	dst = appendZeros(append(dst, '0', '.'), scale-len(digits))
	return append(dst, digits...), nil
}

func appendZeros(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, '0')
	}
	return dst
}

// parseNumeric reads a number as numeric_in does and applies the modifier.
func parseNumeric(t Type, s string) (any, error) {
	body := trimSpace(s)
	if d, ok := numericWord(body); ok {
		return fitNumeric(t, d)
	}
	negative, digits, scale, ok := scanDecimal(body)
	if !ok {
		return nil, syntaxError("numeric", s)
	}
	d, err := makeNumeric(negative, digits, scale)
	if err != nil {
		return nil, err
	}
	return fitNumeric(t, d)
}

func numericWord(s string) (*apd.Decimal, bool) {
	switch strings.ToLower(s) {
	case "nan":
		return &apd.Decimal{Form: apd.NaN}, true
	case "inf", "+inf", "infinity", "+infinity":
		return &apd.Decimal{Form: apd.Infinite}, true
	case "-inf", "-infinity":
		return &apd.Decimal{Form: apd.Infinite, Negative: true}, true
	}
	return nil, false
}

// scanDecimal takes a decimal literal apart: its digits without the point, and how many stand behind the point once
// the exponent is applied (negative when zeros must follow).
func scanDecimal(s string) (negative bool, digits string, scale int64, ok bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative, s = s[0] == '-', s[1:]
	}
	exponent := int64(0)
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e := s[i+1:]
		if strings.Trim(strings.TrimLeft(e, "+-"), "0123456789") != "" {
			return false, "", 0, false
		}
		n, err := strconv.ParseInt(e, 10, 64)
		if err != nil && !isRange(err) {
			return false, "", 0, false
		}
		exponent, s = min(max(n, -1<<40), 1<<40), s[:i]
	}
	whole, frac, _ := strings.Cut(s, ".")
	digits = whole + frac
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return false, "", 0, false
	}
	return negative, digits, int64(len(frac)) - exponent, true
}

func isRange(err error) bool {
	ne, ok := err.(*strconv.NumError)
	return ok && ne.Err == strconv.ErrRange
}

func makeNumeric(negative bool, digits string, scale int64) (*apd.Decimal, error) {
	digits = strings.TrimLeft(digits, "0")
	if scale > maxScale || digits != "" && int64(len(digits))-scale > maxIntegerDigits {
		return nil, numericOverflow()
	}
	if scale < 0 {
		if digits != "" {
			digits += strings.Repeat("0", int(-scale))
		}
		scale = 0
	}
	d := &apd.Decimal{Exponent: int32(-scale)}
	if digits == "" {
		return d, nil
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		d.Coeff.SetInt64(n)
	} else if _, ok := d.Coeff.SetString(digits, 10); !ok {
		return nil, syntaxError("numeric", digits)
	}
	d.Negative = negative
	return d, nil
}

// fitNumeric applies a modifier: it rounds half away from zero to the scale and checks the precision.
func fitNumeric(t Type, d *apd.Decimal) (any, error) {
	if t.Mod < 4 || d.Form == apd.NaN {
		return d, nil
	}
	precision, scale := NumericPrecision(t.Mod)
	overflow := Errorf(CodeNumericValueOutOfRange, "numeric field overflow")
	if d.Form == apd.Infinite {
		return nil, overflow.WithDetail("A field with precision %d, scale %d cannot hold an infinite value.", precision, scale)
	}
	roundScale(d, scale)
	if d.Coeff.Sign() != 0 && d.NumDigits()+int64(d.Exponent) > int64(precision-scale) {
		bound := "1"
		if precision != scale {
			bound = "10^" + strconv.Itoa(int(precision-scale))
		}
		return nil, overflow.WithDetail("A field with precision %d, scale %d must round to an absolute value less than %s.",
			precision, scale, bound)
	}
	return d, nil
}

// roundScale gives d exactly max(scale, 0) digits behind the point, rounding half away from zero at scale.
func roundScale(d *apd.Decimal, scale int32) {
	have := -d.Exponent
	coeff := d.Coeff.MathBigInt()
	if have > scale {
		unit := pow10(have - scale)
		half := new(big.Int).Rsh(unit, 1)
		coeff = new(big.Int).Quo(new(big.Int).Add(coeff, half), unit)
		have = scale
	}
	if want := max(scale, 0); have < want {
		coeff = new(big.Int).Mul(coeff, pow10(want-have))
		have = want
	}
	d.Coeff.SetMathBigInt(coeff)
	d.Exponent = -have
	if coeff.Sign() == 0 {
		d.Negative = false
	}
}

func pow10(n int32) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// appendNumericBinary writes groups of four decimal digits aligned at the decimal point.
func appendNumericBinary(dst []byte, d *apd.Decimal) ([]byte, error) {
	special := func(sign uint16) []byte {
		dst = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(dst, 0), sign)
		if sign == signNaN {
			return append(dst, 0, 0)
		}
		return append(dst, 0, 0x20) // what PostgreSQL sends as an infinity's scale; readers ignore it
	}
	switch {
	case d.Form == apd.NaN || d.Form == apd.NaNSignaling:
		return special(signNaN), nil
	case d.Form == apd.Infinite && d.Negative:
		return special(signNegInf), nil
	case d.Form == apd.Infinite:
		return special(signInf), nil
	}
	if err := checkSize(d); err != nil {
		return nil, err
	}
	var scratch [64]byte
	digits := d.Coeff.Append(scratch[:0], 10)
	if d.Coeff.Sign() == 0 {
		digits = digits[:0]
	} else if d.Exponent > 0 {
		digits = appendZeros(digits, int(d.Exponent))
	}
	scale := max(int(-d.Exponent), 0)
	whole := len(digits) - scale // may be negative: zeros between the point and the first digit
	weight := floorDiv(whole+3, 4) - 1
	lead := (weight+1)*4 - whole // zeros that complete the first group
	groups := make([]uint16, (lead+len(digits)+3)/4)
	for i, c := range digits {
		p := lead + i
		groups[p/4] += uint16(c-'0') * [4]uint16{1000, 100, 10, 1}[p%4]
	}
	for len(groups) > 0 && groups[0] == 0 {
		groups, weight = groups[1:], weight-1
	}
	for len(groups) > 0 && groups[len(groups)-1] == 0 {
		groups = groups[:len(groups)-1]
	}
	sign := uint16(signPositive)
	if d.Negative {
		sign = signNegative
	}
	if len(groups) == 0 {
		weight, sign = 0, signPositive
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(groups)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(int16(weight)))
	dst = binary.BigEndian.AppendUint16(dst, sign)
	dst = binary.BigEndian.AppendUint16(dst, uint16(scale))
	for _, g := range groups {
		dst = binary.BigEndian.AppendUint16(dst, g)
	}
	return dst, nil
}

func floorDiv(a, b int) int {
	if q := a / b; a%b != 0 && a < 0 {
		return q - 1
	} else {
		return q
	}
}

func parseNumericBinary(t Type, b []byte) (any, error) {
	if len(b) < 8 {
		return nil, badLength(b, 8)
	}
	count := int(binary.BigEndian.Uint16(b))
	weight := int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	scale := int(binary.BigEndian.Uint16(b[6:]))
	if len(b) != 8+2*count {
		return nil, badLength(b, 8+2*count)
	}
	switch sign {
	case signPositive, signNegative:
	case signNaN:
		return fitNumeric(t, &apd.Decimal{Form: apd.NaN})
	case signInf, signNegInf:
		return fitNumeric(t, &apd.Decimal{Form: apd.Infinite, Negative: sign == signNegInf})
	default:
		return nil, Errorf(CodeInvalidBinaryRepresentation, "invalid sign in external \"numeric\" value")
	}
	if scale > maxScale {
		return nil, Errorf(CodeInvalidBinaryRepresentation, "invalid scale in external \"numeric\" value")
	}
	digits := make([]byte, 0, 4*count)
	for p := 8; p < len(b); p += 2 {
		g := binary.BigEndian.Uint16(b[p:])
		if g > 9999 {
			return nil, Errorf(CodeInvalidBinaryRepresentation, "invalid digit in external \"numeric\" value")
		}
		digits = append(digits, byte('0'+g/1000), byte('0'+g/100%10), byte('0'+g/10%10), byte('0'+g%10))
	}
	// The groups reach 4*(count-1-weight) digits behind the point; cut or fill to the scale.
	have := 4 * (count - 1 - weight)
	if count == 0 {
		have = 0
	}
	if cut := have - scale; cut > 0 {
		digits = digits[:max(len(digits)-cut, 0)]
		have = scale
	}
	if have >= 0 && have < scale && len(digits) > 0 {
		digits = appendZeros(digits, scale-have)
	} else if have < 0 && len(digits) > 0 {
		digits = appendZeros(digits, -have+scale)
	}
	d, err := makeNumeric(sign == signNegative, string(digits), int64(scale))
	if err != nil {
		return nil, err
	}
	return fitNumeric(t, d)
}
