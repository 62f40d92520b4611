package types

import (
	"bytes"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// appendFloat prints as float8out and float4out do: fixed notation for decimal exponents from -4 up to the number of
// digits that the type surely holds, otherwise an exponent of at least two digits.
func appendFloat(dst []byte, f float64, single bool, st *Style) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	size, digits := 64, 15
	if single {
		size, digits = 32, 6
	}
	if st.RoundFloats {
		digits = max(digits+st.ExtraFloatDigits, 1)
		return appendRounded(dst, f, digits)
	}
	if f == 0 {
		if math.Signbit(f) {
			dst = append(dst, '-')
		}
		return append(dst, '0')
	}
	special := mayDiffer(f, single)
	if abs := math.Abs(f); abs >= 1e-3 && abs < 1e5 && !special { // surely fixed: the usual case
		return strconv.AppendFloat(dst, f, 'f', -1, size)
	}
	var scratch [64]byte
	sci := strconv.AppendFloat(scratch[:0], f, 'e', -1, size)
	if special {
		sci = evenTie(offMidpoint(sci, f, size), f, size)
	}
	if e := exponentOf(sci); e < -4 || e >= digits {
		return append(dst, sci...)
	}
	return appendFixed(dst, sci)
}

// mayDiffer picks the numbers whose shortest text in Go may not be PostgreSQL's: large ones, because of midpoints to
// their neighbours, and those of few binary digits behind the point, whose exact decimal text is so short that it may
// end in a 5 just where it is rounded.
func mayDiffer(f float64, single bool) bool {
	limit := -26
	if single {
		limit = -14
	}
	if math.Abs(f) >= 1<<21 {
		return true
	}
	_, exp := math.Frexp(f)
	lowest := exp - 53 + bits.TrailingZeros64(math.Float64bits(f)&(1<<52-1)|1<<52)
	return lowest >= limit
}

// significand gives the digits of a number in scientific notation without sign and point.
func significand(sci []byte) []byte {
	text, _, _ := strings.Cut(strings.TrimPrefix(string(sci), "-"), "e")
	return []byte(strings.Replace(text, ".", "", 1))
}

// offMidpoint gives the shortest text that lies strictly between the midpoints to the neighbouring numbers, as
// PostgreSQL wants it; Go also takes a midpoint that rounds to f.
func offMidpoint(sci []byte, f float64, size int) []byte {
	if math.Abs(f) < 1<<21 {
		return sci
	}
	low, high := neighbours(f, size)
	if math.IsInf(high, 0) || math.IsInf(low, 0) {
		return sci
	}
	mid := func(g float64) *big.Float { return new(big.Float).SetPrec(200).Add(big.NewFloat(f), big.NewFloat(g)) }
	for n := len(significand(sci)); n < 18; n++ {
		exact, _, err := big.ParseFloat(string(sci), 10, 200, big.ToNearestEven)
		if err != nil {
			return sci
		}
		twice := new(big.Float).SetPrec(200).Mul(exact, big.NewFloat(2))
		if twice.Cmp(mid(low)) != 0 && twice.Cmp(mid(high)) != 0 {
			return sci
		}
		sci = strconv.AppendFloat(sci[:0], f, 'e', n, size)
	}
	return sci
}

// evenTie rounds to the even digit, as PostgreSQL does, where the exact text of f has one digit more than the
// shortest one and that digit is a 5.
func evenTie(sci []byte, f float64, size int) []byte {
	n := len(significand(sci))
	if n < 7 {
		return sci
	}
	var scratch [128]byte
	exact := significand(strconv.AppendFloat(scratch[:0], f, 'e', n+60, 64))
	if exact[n] != '5' || len(bytes.Trim(exact[n+1:], "0")) > 0 || (exact[n-1]-'0')%2 == 1 {
		return sci // no tie, or up is even, which is where Go went
	}
	e := sci[bytes.IndexByte(sci, 'e'):]
	out := make([]byte, 0, len(sci)+1)
	if f < 0 {
		out = append(out, '-')
	}
	out = append(append(out, exact[0], '.'), exact[1:n]...)
	out = append(trimZeros(out), e...)
	if back, err := strconv.ParseFloat(string(out), size); err != nil || back != f {
		return sci // below a power of two the gap is smaller, and the even digit lies beyond it
	}
	return out
}

// appendFixed rewrites scientific notation without an exponent.
func appendFixed(dst, sci []byte) []byte {
	if sci[0] == '-' {
		dst = append(dst, '-')
	}
	digits, e := significand(sci), exponentOf(sci)
	if e < 0 {
		dst = append(dst, '0', '.')
		return append(appendZeros(dst, -e-1), digits...)
	}
	if len(digits) <= e+1 {
		return appendZeros(append(dst, digits...), e+1-len(digits))
	}
	dst = append(append(dst, digits[:e+1]...), '.')
	return append(dst, digits[e+1:]...)
}

// neighbours are the numbers next to f of its size.
func neighbours(f float64, size int) (low, high float64) {
	if size == 32 {
		return float64(math.Nextafter32(float32(f), float32(math.Inf(-1)))), float64(math.Nextafter32(float32(f), float32(math.Inf(1))))
	}
	return math.Nextafter(f, math.Inf(-1)), math.Nextafter(f, math.Inf(1))
}

// appendRounded prints as C's %.*g.
func appendRounded(dst []byte, f float64, digits int) []byte {
	var scratch [48]byte
	sci := strconv.AppendFloat(scratch[:0], f, 'e', digits-1, 64)
	e := exponentOf(sci)
	if e >= -4 && e < digits {
		out := strconv.AppendFloat(dst, f, 'f', digits-1-e, 64)
		return append(dst, trimZeros(out[len(dst):])...)
	}
	i := strings.IndexByte(string(sci), 'e')
	tail := string(sci[i:])
	return append(append(dst, trimZeros(sci[:i])...), tail...)
}

// trimZeros cuts the zeros behind a decimal point, and the point when nothing is left behind it.
func trimZeros(b []byte) []byte {
	if !strings.Contains(string(b), ".") {
		return b
	}
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	if b[len(b)-1] == '.' {
		b = b[:len(b)-1]
	}
	return b
}

func exponentOf(sci []byte) int {
	i := len(sci) - 1
	for sci[i] != 'e' {
		i--
	}
	e, _ := strconv.Atoi(string(sci[i+1:]))
	return e
}

// scanFloat reads a number as C's strtod does, but for the words: it refuses what Go alone knows (underscores).
// overflow and underflow are those of the given size.
func scanFloat(s string, bits int) (f float64, overflow, underflow, ok bool) {
	if isPlainDecimal(s) {
		if f, err := strconv.ParseFloat(s, bits); err == nil && f != 0 {
			return f, false, false, true
		}
	}
	if s == "" || strings.ContainsRune(s, '_') {
		return 0, false, false, false
	}
	lower := strings.ToLower(s)
	word := strings.TrimLeft(lower, "+-")
	if len(lower)-len(word) > 1 {
		return 0, false, false, false
	}
	if strings.HasPrefix(word, "0x") && !strings.Contains(word, "p") {
		s += "p0" // C lets the exponent of a hexadecimal number go
	}
	f, err := strconv.ParseFloat(s, bits)
	if err != nil {
		if ne, isNum := err.(*strconv.NumError); isNum && ne.Err == strconv.ErrRange {
			return f, true, false, true
		}
		return 0, false, false, false
	}
	if f == 0 {
		mantissa, _, _ := strings.Cut(word, "e")
		if strings.HasPrefix(word, "0x") {
			mantissa, _, _ = strings.Cut(word[2:], "p")
		}
		underflow = strings.ContainsAny(mantissa, "123456789abcdf")
	}
	return f, false, underflow, true
}

// isPlainDecimal reports whether s holds nothing but the characters of a decimal number.
func isPlainDecimal(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != '-' && c != 'e' && c != '+' {
			return false
		}
	}
	return s != ""
}

func parseFloat(t Type, s string) (any, error) {
	bits := 64
	if t.OID == Float4OID {
		bits = 32
	}
	f, over, under, ok := scanFloat(trimSpace(s), bits)
	if !ok {
		return nil, syntaxError(t.String(), s)
	}
	if over || under {
		return nil, Errorf(CodeNumericValueOutOfRange, "\"%s\" is out of range for type %s", trimSpace(s), t)
	}
	if bits == 32 {
		return float32(f), nil
	}
	return f, nil
}

// float64Bits gives the bits with C's quiet NaN, which is not Go's.
func float64Bits(f float64) uint64 {
	if f != f {
		return 0x7ff8000000000000
	}
	return math.Float64bits(f)
}

func float32Bits(f float64) uint32 {
	if f != f {
		return 0x7fc00000
	}
	return math.Float32bits(float32(f))
}
