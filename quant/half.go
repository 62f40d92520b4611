package quant

import (
	"encoding/binary"
	"fmt"
	"math"
)

// IEEE 754 binary16: a sign, five bits of exponent with bias 15, ten of fraction.

// MaxHalf is the largest finite half.
const MaxHalf = 65504

// ToHalf is the half nearest to f, ties to even. What is too large becomes infinite, from 65520 on; what
// is too small becomes zero of the same sign. NaN stays NaN and keeps its sign and as much of its payload as fits.
func ToHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN
		h := sign | 0x7c00 | uint16(b>>13)&0x3ff
		if h&0x3ff == 0 {
			h |= 0x200 // the payload was all in the lost bits
		}
		return h
	case b >= 0x477ff000: // 65520 and above, infinity
		return sign | 0x7c00
	case b >= 0x38800000: // 2^-14 and above: normal
		// Rebias the exponent and round on the 13 bits lost; a carry moves into the exponent, as it should.
		b -= (127 - 15) << 23
		return sign | uint16((b+0x0fff+b>>13&1)>>13)
	case b <= 0x33000000: // up to 2^-25, half the smallest: to even, zero
		return sign
	}
	// Subnormal: the fraction with its hidden bit, in units of 2^-24.
	shift := 126 - b>>23 // 14 to 24
	m := b&0x7fffff | 0x800000
	half := uint32(1)<<(shift-1) - 1 + m>>shift&1
	return sign | uint16((m+half)>>shift)
}

// FromHalf is the value of a half, exactly.
func FromHalf(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	e, m := uint32(h>>10&31), uint32(h&0x3ff)
	switch {
	case e == 31: // infinity, NaN
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	case e > 0:
		return math.Float32frombits(sign | (e+112)<<23 | m<<13)
	}
	x := float32(m) * 0x1p-24 // zero and subnormals
	return math.Float32frombits(sign | math.Float32bits(x))
}

// AppendHalf appends the halves nearest to v, two bytes each, little-endian.
func AppendHalf(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint16(dst, ToHalf(x))
	}
	return dst
}

// DecodeHalf writes to dst the halves in src, which has two bytes for each. The error is ErrCode.
func DecodeHalf(dst []float32, src []byte) error {
	if len(src) != 2*len(dst) {
		return fmt.Errorf("%w: %d bytes for %d halves", ErrCode, len(src), len(dst))
	}
	for i := range dst {
		dst[i] = FromHalf(binary.LittleEndian.Uint16(src[2*i:]))
	}
	return nil
}
