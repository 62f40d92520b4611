package types

import (
	"encoding/binary"
	"math"
	"strings"
)

// appendVectorText prints pgvector's form. Its floats never heed extra_float_digits.
func appendVectorText(dst []byte, x []float32) []byte {
	dst = append(dst, '[')
	for i, f := range x {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendFloat(dst, float64(f), true, defaultStyle)
	}
	return append(dst, ']')
}

func vectorSyntax(t Type, s, detail string) *Error {
	e := syntaxError(t.name(), s)
	e.Detail = detail
	return e
}

// parseVector reads pgvector's text form. For halfvec each element is rounded to half precision.
func parseVector(t Type, s string) (any, error) {
	rest := trimSpace(s)
	if !strings.HasPrefix(rest, "[") {
		return nil, vectorSyntax(t, s, "Vector contents must start with \"[\".")
	}
	rest = strings.TrimLeft(rest[1:], " \t\n\v\f\r")
	if strings.HasPrefix(rest, "]") {
		return nil, Errorf(CodeDataException, "%s must have at least 1 dimension", t.name())
	}
	x := make([]float32, 0, min(strings.Count(rest, ",")+1, MaxDimensions))
	for {
		if len(x) == MaxDimensions {
			return nil, Errorf(CodeProgramLimitExceeded, "%s cannot have more than %d dimensions", t.name(), MaxDimensions)
		}
		end := strings.IndexAny(rest, ",]")
		if end < 0 {
			return nil, vectorSyntax(t, s, "")
		}
		f, err := parseElement(t, s, trimSpace(rest[:end]))
		if err != nil {
			return nil, err
		}
		x = append(x, f)
		closed := rest[end] == ']'
		rest = rest[end+1:]
		if closed {
			break
		}
	}
	if rest != "" {
		return nil, vectorSyntax(t, s, "Junk after closing right brace.")
	}
	return x, checkDimensions(t, len(x))
}

func parseElement(t Type, s, word string) (float32, error) {
	f, overflow, _, ok := scanFloat(word, 32)
	if !ok {
		return 0, vectorSyntax(t, s, "")
	}
	half := t.OID == HalfvecOID
	if half && !overflow && !math.IsInf(f, 0) {
		rounded := halfToFloat(floatToHalf(float32(f)))
		overflow = math.IsInf(float64(rounded), 0)
		f = float64(rounded)
	}
	if overflow {
		return 0, Errorf(CodeNumericValueOutOfRange, "\"%s\" is out of range for type %s", word, t.name())
	}
	return float32(f), checkElement(t, float32(f))
}

func checkElement(t Type, f float32) error {
	switch {
	case f != f:
		return Errorf(CodeDataException, "NaN not allowed in %s", t.name())
	case math.IsInf(float64(f), 0):
		return Errorf(CodeDataException, "infinite value not allowed in %s", t.name())
	}
	return nil
}

func checkDimensions(t Type, n int) error {
	switch {
	case n < 1:
		return Errorf(CodeDataException, "%s must have at least 1 dimension", t.name())
	case n > MaxDimensions:
		return Errorf(CodeProgramLimitExceeded, "%s cannot have more than %d dimensions", t.name(), MaxDimensions)
	case t.Mod > 0 && n != int(t.Mod):
		return Errorf(CodeDataException, "expected %d dimensions, not %d", t.Mod, n)
	}
	return nil
}

// appendVectorBinary writes the dimension, a reserved number and the elements, all big-endian.
func appendVectorBinary(dst []byte, t Type, x []float32) ([]byte, error) {
	if len(x) > MaxDimensions {
		return nil, checkDimensions(t, len(x))
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(x)))
	dst = append(dst, 0, 0)
	for _, f := range x {
		if t.OID == HalfvecOID {
			dst = binary.BigEndian.AppendUint16(dst, floatToHalf(f))
		} else {
			dst = binary.BigEndian.AppendUint32(dst, math.Float32bits(f))
		}
	}
	return dst, nil
}

func parseVectorBinary(t Type, b []byte) (any, error) {
	if len(b) < 4 {
		return nil, badLength(b, 4)
	}
	n := int(int16(binary.BigEndian.Uint16(b)))
	if err := checkDimensions(t, n); err != nil {
		return nil, err
	}
	if unused := int16(binary.BigEndian.Uint16(b[2:])); unused != 0 {
		return nil, Errorf(CodeDataException, "expected unused to be 0, not %d", unused)
	}
	size := 4
	if t.OID == HalfvecOID {
		size = 2
	}
	if len(b) != 4+n*size {
		return nil, badLength(b, 4+n*size)
	}
	x := make([]float32, n)
	b = b[4:]
	special := false
	for i := range x {
		if size == 2 {
			x[i] = halfToFloat(binary.BigEndian.Uint16(b[2*i:]))
		} else {
			x[i] = math.Float32frombits(binary.BigEndian.Uint32(b[4*i:]))
		}
		special = special || math.Float32bits(x[i])&0x7f800000 == 0x7f800000
	}
	if special {
		for _, f := range x {
			if err := checkElement(t, f); err != nil {
				return nil, err
			}
		}
	}
	return x, nil
}

// floatToHalf rounds to IEEE 754 half precision, ties to even; what is too large becomes infinite.
func floatToHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	exp := int(b>>23&0xff) - 127
	frac := b & 0x7fffff
	switch {
	case exp == 128 && frac != 0:
		return sign | 0x7e00
	case exp > 15:
		return sign | 0x7c00
	case exp < -25:
		return sign
	}
	shift, lead := uint(13), uint32(exp+15)<<10
	if exp < -14 { // subnormal: the leading one becomes explicit
		frac |= 0x800000
		shift, lead = uint(-exp-1), 0
	}
	half := lead + frac>>shift
	rest, tie := frac&(1<<shift-1), uint32(1)<<(shift-1)
	if rest > tie || rest == tie && half&1 == 1 {
		half++ // a carry out of the fraction rightly raises the exponent, at last to infinity
	}
	return sign | uint16(half)
}

func halfToFloat(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp, frac := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch {
	case exp == 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case exp == 0:
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(f))
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
