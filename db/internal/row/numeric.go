package row

import (
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// PostgreSQL's bounds of numeric: digits before and after the decimal point.
const (
	maxIntDigits  = 131072
	maxFracDigits = 16383
	maxCoeffBytes = (maxIntDigits + maxFracDigits) * 4 / 9 // log2(10)/8 = 0.4152 bytes a digit
)

const (
	decimalNegative = 1
	decimalInfinite = 2
	decimalNaN      = 4
)

// PrecisionScale returns the parts of a numeric's modifier; ok is false when the type is unconstrained.
func (t Type) PrecisionScale() (precision, scale int, ok bool) {
	if t.Mod < 0 {
		return 0, 0, false
	}
	return int(t.Mod >> 16), int(int16(t.Mod)), true
}

// appendDecimal writes a flag byte, the exponent and the coefficient, highest byte first.
func appendDecimal(dst []byte, t Type, d *apd.Decimal) ([]byte, error) {
	switch d.Form {
	case apd.NaN, apd.NaNSignaling:
		return append(dst, decimalNaN), nil
	case apd.Infinite:
		if d.Negative {
			return append(dst, decimalInfinite|decimalNegative), nil
		}
		return append(dst, decimalInfinite), nil
	}
	digits := int64(d.NumDigits())
	if int64(d.Exponent) < -maxFracDigits || digits+int64(d.Exponent) > maxIntDigits {
		return dst, &RangeError{Type: t}
	}
	flags := byte(0)
	if d.Negative {
		flags = decimalNegative
	}
	dst = append(dst, flags)
	dst = binary.AppendVarint(dst, int64(d.Exponent))
	return append(dst, d.Coeff.Bytes()...), nil
}

func decodeDecimal(p []byte) (any, error) {
	r := reader{b: p}
	f, err := r.take(1)
	if err != nil {
		return nil, err
	}
	d := &apd.Decimal{Negative: f[0]&decimalNegative != 0}
	switch f[0] &^ decimalNegative {
	case decimalNaN:
		d.Form = apd.NaN
	case decimalInfinite:
		d.Form = apd.Infinite
	case 0:
		e, err := r.varint()
		if err != nil {
			return nil, err
		}
		if e < -maxFracDigits || e > maxIntDigits || len(r.b) > maxCoeffBytes {
			return nil, corrupt("numeric out of range")
		}
		d.Exponent = int32(e)
		d.Coeff.SetBytes(r.b)
		return d, nil
	default:
		return nil, corrupt("numeric flags %#x", f[0])
	}
	if len(r.b) != 0 {
		return nil, corrupt("%d bytes after a numeric", len(r.b))
	}
	return d, nil
}

// normalDecimal brings a decimal into the form PostgreSQL keeps: no negative zero, no positive exponent, within the bounds.
// The result shares nothing with d.
func normalDecimal(t Type, d *apd.Decimal) (*apd.Decimal, error) {
	n := new(apd.Decimal)
	switch d.Form {
	case apd.NaN, apd.NaNSignaling:
		n.Form = apd.NaN
		return n, nil
	case apd.Infinite:
		if t.Mod >= 0 {
			return nil, &RangeError{Type: t}
		}
		n.Form, n.Negative = apd.Infinite, d.Negative
		return n, nil
	}
	if d.Coeff.Sign() == 0 {
		n.Exponent = min(d.Exponent, 0)
		if n.Exponent < -maxFracDigits {
			n.Exponent = -maxFracDigits
		}
		return roundToType(t, n)
	}
	if int64(d.NumDigits())+int64(d.Exponent) > maxIntDigits {
		return nil, &RangeError{Type: t}
	}
	n.Set(d)
	if n.Exponent > 0 {
		n.Coeff.Mul(&n.Coeff, powerOfTen(int64(n.Exponent)))
		n.Exponent = 0
	}
	if n.Exponent < -maxFracDigits {
		roundScale(n, maxFracDigits)
	}
	return roundToType(t, n)
}

// roundToType applies numeric(precision, scale).
func roundToType(t Type, d *apd.Decimal) (*apd.Decimal, error) {
	precision, scale, ok := t.PrecisionScale()
	if !ok {
		return d, nil
	}
	roundScale(d, scale)
	if d.Coeff.Sign() != 0 && int(d.NumDigits())+int(d.Exponent) > precision-scale {
		return nil, &RangeError{Type: t}
	}
	return d, nil
}

// roundScale sets the number of digits after the point, rounding half away from zero. A negative scale rounds before the point
// and leaves none after it.
func roundScale(d *apd.Decimal, scale int) {
	drop := -int64(d.Exponent) - int64(scale)
	switch {
	case drop > int64(d.NumDigits()): // everything goes, and less than half
		d.Coeff.SetInt64(0)
	case drop > 0:
		var rest apd.BigInt
		ten := powerOfTen(drop)
		d.Coeff.QuoRem(&d.Coeff, ten, &rest)
		rest.Add(&rest, &rest)
		if rest.Cmp(ten) >= 0 {
			d.Coeff.Add(&d.Coeff, apd.NewBigInt(1))
		}
	case drop < 0:
		d.Coeff.Mul(&d.Coeff, powerOfTen(-drop))
	}
	d.Exponent = int32(-scale)
	if scale < 0 {
		d.Coeff.Mul(&d.Coeff, powerOfTen(int64(-scale)))
		d.Exponent = 0
	}
	if d.Coeff.Sign() == 0 {
		d.Negative = false
	}
}

// parseDecimal reads a number as numeric_in does.
func parseDecimal(t Type, s string) (*apd.Decimal, error) {
	bad := &ValueError{Type: t, Code: "22P02", Reason: "invalid input syntax for type numeric: " + strconv.Quote(s)}
	text := strings.ToLower(strings.TrimSpace(s))
	negative := strings.HasPrefix(text, "-")
	if negative || strings.HasPrefix(text, "+") {
		text = text[1:]
	}
	d := &apd.Decimal{Negative: negative}
	switch text {
	case "nan":
		d.Form = apd.NaN
		return normalDecimal(t, d)
	case "infinity", "inf":
		d.Form = apd.Infinite
		return normalDecimal(t, d)
	}
	mantissa, exponent, hasExponent := strings.Cut(text, "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return nil, bad
	}
	e := int64(0)
	if hasExponent {
		var err error
		if e, err = strconv.ParseInt(exponent, 10, 32); errors.Is(err, strconv.ErrRange) {
			return nil, &RangeError{Type: t}
		} else if err != nil {
			return nil, bad
		}
	}
	e -= int64(len(fraction))
	digits := strings.TrimLeft(whole+fraction, "0")
	if int64(len(digits))+e > maxIntDigits || len(digits) > 2*(maxIntDigits+maxFracDigits) {
		return nil, &RangeError{Type: t}
	}
	if digits != "" {
		d.Coeff.SetString(digits, 10)
	}
	d.Exponent = int32(max(e, math.MinInt32))
	return normalDecimal(t, d)
}

func powerOfTen(n int64) *apd.BigInt {
	return new(apd.BigInt).Exp(apd.NewBigInt(10), apd.NewBigInt(n), nil)
}

func decimalOf(n *big.Int) *apd.Decimal {
	d := new(apd.Decimal)
	d.Coeff.SetMathBigInt(n)
	d.Negative = d.Coeff.Sign() < 0
	d.Coeff.Abs(&d.Coeff)
	return d
}
