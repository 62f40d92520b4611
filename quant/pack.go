package quant

// Codes lie in bytes so: 8 bits as they are; 4 bits two a byte, the low half first, as code + 8; 2 bits four a byte,
// least significant first, as code + 2; 3 bits eight in three bytes, read as one little-endian number of 24 bits with the
// first code least significant, as code + 4. What is left of the last byte is 0.

// PackedBytes is how many bytes n codes take.
func PackedBytes(bits, n int) int { return (n*bits + 7) / 8 }

// Pack appends the codes to dst in the given width and returns it. Codes outside of it lose their high bits.
func Pack(dst []byte, bits int, codes []int8) []byte {
	switch bits {
	case 8:
		at := len(dst)
		dst = append(dst, make([]byte, len(codes))...)
		for i, q := range codes {
			dst[at+i] = byte(q)
		}
		return dst
	case 2:
		for ; len(codes) >= 4; codes = codes[4:] {
			c := codes[:4]
			dst = append(dst, byte(c[0]+2)&3|byte(c[1]+2)&3<<2|byte(c[2]+2)&3<<4|byte(c[3]+2)&3<<6)
		}
	case 4:
		for ; len(codes) >= 2; codes = codes[2:] {
			dst = append(dst, byte(codes[0]+8)&15|byte(codes[1]+8)<<4)
		}
	}
	var word, filled uint
	half, mask := int8(1)<<(bits-1), uint(1)<<bits-1
	for _, q := range codes {
		word |= uint(uint8(q+half)) & mask << filled
		for filled += uint(bits); filled >= 8; filled -= 8 {
			dst = append(dst, byte(word))
			word >>= 8
		}
	}
	if filled > 0 {
		dst = append(dst, byte(word))
	}
	return dst
}

// Unpack writes codes from to from+len(dst) of packed into dst.
func Unpack(dst []int8, bits int, packed []byte, from int) {
	switch bits {
	case 8:
		for i, b := range packed[from : from+len(dst)] {
			dst[i] = int8(b)
		}
	case 4:
		for i := range dst {
			k := from + i
			dst[i] = int8(packed[k>>1]>>(k&1*4)&15) - 8
		}
	case 2:
		for i := range dst {
			k := from + i
			dst[i] = int8(packed[k>>2]>>(k&3*2)&3) - 2
		}
	default:
		for i := range dst {
			dst[i] = code3(packed, from+i)
		}
	}
}

// code3 is the k-th code of 3 bits, which may lie across two bytes.
func code3(packed []byte, k int) int8 {
	bit := k * 3
	word := uint(packed[bit>>3])
	if bit&7 > 5 {
		word |= uint(packed[bit>>3+1]) << 8
	}
	return int8(word>>(bit&7)&7) - 4
}
