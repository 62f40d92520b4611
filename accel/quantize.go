package accel

import "math"

// AbsMax is the greatest magnitude in v, 0 of nothing. Where an element is not finite, neither is the result.
func AbsMax(v []float32) float32 {
	if len(v) == 0 {
		return 0
	}
	return math.Float32frombits(current.absMax(v))
}

// QuantizeInt8 rounds every v[i] times inv to the nearest whole number, of two the even one, and cuts it to a signed
// byte. All products must be finite. Every level gives the same bytes.
//
// Working through the rows of a matrix, take AbsMax and QuantizeInt8 of one row after the other: the next row, if it
// lies behind this one, is fetched meanwhile.
func QuantizeInt8(dst []int8, v []float32, inv float32) {
	same(len(dst), len(v))
	if len(v) > 0 {
		current.quantizeInt8(dst, v, inv)
	}
}

// Scale multiplies every v[i] by by.
func Scale(v []float32, by float32) {
	for i := range v {
		v[i] *= by
	}
}

// DequantizeInt8 writes (codes[i] - zero) * scale, each step rounded to float32. Every level gives the same bits.
func DequantizeInt8(dst []float32, codes []int8, scale, zero float32) {
	same(len(dst), len(codes))
	if len(dst) > 0 {
		current.dequantizeInt8(dst, codes, scale, zero)
	}
}

// DequantizeGroups writes (code - zero) * scale for codes of 2, 3 or 4 bits that lie one after the other from the first
// bit of codes, least significant first, each as code + 2^(bits-1). group numbers, a multiple of 16, share a scale and a
// zero point, and len(dst) is a multiple of group. Every level gives the same bits.
func DequantizeGroups(dst []float32, bits int, codes []byte, scales, zeros []float32, group int) {
	n := len(dst) / group
	if bits < 2 || bits > 4 || group%16 != 0 || n*group != len(dst) || len(scales) < n || len(zeros) < n || len(codes) < len(dst)/8*bits {
		panic("accel: groups of codes do not fit")
	}
	if n > 0 {
		current.dequantizeGroups(dst, bits, codes, scales, zeros, group)
	}
}

// The functions below are the references.

func absMaxGo(v []float32) uint32 {
	var top uint32
	for _, x := range v {
		top = max(top, math.Float32bits(x)&^(1<<31))
	}
	return top
}

func quantizeInt8Go(dst []int8, v []float32, inv float32) {
	for i, x := range v {
		dst[i] = int8(max(min(math.RoundToEven(float64(x*inv)), 127), -128))
	}
}

func dequantizeInt8Go(dst []float32, codes []int8, scale, zero float32) {
	for i, q := range codes {
		dst[i] = (float32(q) - zero) * scale
	}
}

func dequantizeGroupsGo(dst []float32, bits int, codes []byte, scales, zeros []float32, group int) {
	var levels [16]float32
	for g := range len(dst) / group {
		for i := range 1 << bits {
			levels[i] = (float32(i-1<<(bits-1)) - zeros[g]) * scales[g]
		}
		// Eight codes are bits bytes, and a group begins with such.
		for at := g * group; at < (g+1)*group; at += 8 {
			var word uint32
			for i, b := range codes[at/8*bits : at/8*bits+bits] {
				word |= uint32(b) << (8 * i)
			}
			for i := range dst[at : at+8] {
				dst[at+i] = levels[word&(1<<bits-1)]
				word >>= bits
			}
		}
	}
}

// groupTables holds, for codes of 2, 3 and 4 bits, what dequantizeGroups needs: sixteen codes as numbers (bits of
// float32), the bytes that make up each lane, and how far the lane's code lies from its low end.
var groupTables = func() (t [5][48]uint32) {
	for bits := 2; bits <= 4; bits++ {
		for i := range 16 {
			t[bits][i] = math.Float32bits(float32(i&(1<<bits-1) - 1<<(bits-1)))
			// With 2 bits all sixteen codes lie in four bytes; else the upper eight lanes begin bits bytes later.
			first, shift := 0, i*2
			if bits > 2 {
				first, shift = i/8*bits, i%8*bits
			}
			for b := range 4 {
				from := uint32(first + b)
				if bits == 3 && b == 3 {
					from = 0x80 // the fourth byte of three is 0
				}
				t[bits][16+i] |= from << (8 * b)
			}
			t[bits][32+i] = uint32(shift)
		}
	}
	return t
}()
