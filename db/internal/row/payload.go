package row

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
)

// hasBytesForm tells whether v is the Go form of a kind that wireBytes carries.
func hasBytesForm(k Kind, v any) bool {
	ok := false
	switch k {
	case Numeric:
		var d *apd.Decimal
		d, ok = v.(*apd.Decimal)
		ok = ok && d != nil
	case Text, Varchar, Char, JSON, JSONB, Bit, Varbit:
		_, ok = v.(string)
	case Bytea:
		_, ok = v.([]byte)
	case IntervalK:
		_, ok = v.(Interval)
	case Vector, Halfvec:
		_, ok = v.([]float32)
	case Array:
		_, ok = v.([]any)
	}
	return ok
}

// appendBytes appends length and content of a value that wireBytes carries.
func appendBytes(dst []byte, t Type, v any) ([]byte, error) {
	switch x := v.(type) {
	case string:
		if t.Kind == Bit || t.Kind == Varbit {
			return appendBits(dst, t, x)
		}
		dst = binary.AppendUvarint(dst, uint64(len(x)))
		return append(dst, x...), nil
	case []byte:
		dst = binary.AppendUvarint(dst, uint64(len(x)))
		return append(dst, x...), nil
	case []float32:
		return appendVector(dst, t, x)
	}
	var scratch [64]byte
	content, err := scratch[:0], error(nil)
	switch x := v.(type) {
	case Interval:
		content = binary.AppendVarint(content, int64(x.Months))
		content = binary.AppendVarint(content, int64(x.Days))
		content = binary.AppendVarint(content, x.Micros)
	case *apd.Decimal:
		content, err = appendDecimal(content, t, x)
	case []any:
		content, err = appendArray(content, t, x)
	}
	if err != nil {
		return dst, err
	}
	dst = binary.AppendUvarint(dst, uint64(len(content)))
	return append(dst, content...), nil
}

// decodeBytes is the inverse of appendBytes without the length.
func decodeBytes(t Type, p []byte) (any, error) {
	switch t.Kind {
	case Text, Varchar, Char, JSON, JSONB:
		if !utf8.Valid(p) {
			return nil, corrupt("text is not UTF-8")
		}
		return string(p), nil
	case Bytea:
		return append(make([]byte, 0, len(p)), p...), nil
	case Numeric:
		return decodeDecimal(p)
	case IntervalK:
		return decodeInterval(p)
	case Vector, Halfvec:
		return decodeVector(t, p)
	case Bit, Varbit:
		return decodeBits(p)
	case Array:
		return decodeArray(t, p)
	}
	return nil, corrupt("unknown kind %d", t.Kind)
}

func decodeInterval(p []byte) (any, error) {
	r := reader{b: p}
	var part [3]int64
	for i := range part {
		var err error
		if part[i], err = r.varint(); err != nil {
			return nil, err
		}
	}
	if len(r.b) != 0 || part[0] != int64(int32(part[0])) || part[1] != int64(int32(part[1])) {
		return nil, corrupt("interval out of range")
	}
	return Interval{Months: int32(part[0]), Days: int32(part[1]), Micros: part[2]}, nil
}

// appendVector writes 4 bytes an element, 2 for halfvec.
func appendVector(dst []byte, t Type, x []float32) ([]byte, error) {
	if len(x) == 0 || len(x) > MaxVectorDim {
		return dst, dimensionCount(t, len(x))
	}
	if want := t.Dim(); want != 0 && len(x) != want {
		return dst, &DimensionError{Want: want, Got: len(x)}
	}
	if t.Kind == Vector {
		dst = binary.AppendUvarint(dst, 4*uint64(len(x)))
		for _, f := range x {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(f))
		}
		return dst, nil
	}
	dst = binary.AppendUvarint(dst, 2*uint64(len(x)))
	for _, f := range x {
		h := toHalf(f)
		if fromHalf(h) != f && f == f {
			return dst, &ValueError{Type: t, Code: "22000", Reason: "an element is not exact in half precision"}
		}
		dst = binary.LittleEndian.AppendUint16(dst, h)
	}
	return dst, nil
}

func decodeVector(t Type, p []byte) (any, error) {
	size := 4
	if t.Kind == Halfvec {
		size = 2
	}
	n := len(p) / size
	if len(p)%size != 0 || n == 0 || n > MaxVectorDim {
		return nil, corrupt("%d bytes of vector", len(p))
	}
	v := make([]float32, n)
	for i := range v {
		if size == 2 {
			v[i] = fromHalf(binary.LittleEndian.Uint16(p[2*i:]))
		} else {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(p[4*i:]))
		}
	}
	return v, nil
}

// appendBits packs a string of '0' and '1', first bit highest, after the number of unused bits in the last byte.
func appendBits(dst []byte, t Type, x string) ([]byte, error) {
	n := (len(x) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(n)+1)
	dst = append(dst, byte(n*8-len(x)))
	at := len(dst)
	dst = append(dst, make([]byte, n)...)
	for i := 0; i < len(x); i++ {
		switch x[i] {
		case '1':
			dst[at+i/8] |= 0x80 >> (i % 8)
		case '0':
		default:
			return dst, badBit(t, x[i:])
		}
	}
	return dst, nil
}

func decodeBits(p []byte) (any, error) {
	if len(p) == 0 || p[0] > 7 || (len(p) == 1 && p[0] != 0) {
		return nil, corrupt("bit string without its length")
	}
	bits := make([]byte, (len(p)-1)*8-int(p[0]))
	for i := range bits {
		bits[i] = '0' + p[1+i/8]>>(7-i%8)&1
	}
	return string(bits), nil
}

// appendArray writes the number of elements and then tag and payload of each, as fields with an ID difference of 0.
func appendArray(dst []byte, t Type, x []any) ([]byte, error) {
	elem := Type{Kind: t.Elem, Mod: t.Mod}
	dst = binary.AppendUvarint(dst, uint64(len(x)))
	for _, v := range x {
		wire, err := wireOf(elem, v)
		if err != nil {
			return dst, err
		}
		dst = append(dst, byte(wire))
		if dst, err = appendPayload(dst, elem, v); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func decodeArray(t Type, p []byte) (any, error) {
	if t.Elem == Array {
		return nil, corrupt("array of arrays")
	}
	r := reader{b: p}
	n, err := r.uvarint()
	if err != nil {
		return nil, err
	}
	if n > uint64(len(r.b)) { // each element has a tag
		return nil, corrupt("%d elements in %d bytes", n, len(r.b))
	}
	elem := Type{Kind: t.Elem, Mod: t.Mod}
	a := make([]any, n)
	for i := range a {
		tag, payload, err := r.field()
		if err != nil {
			return nil, err
		}
		if tag > 7 {
			return nil, corrupt("tag %d of an array element", tag)
		}
		if a[i], err = decodeValue(elem, tag, payload); err != nil {
			return nil, err
		}
	}
	if len(r.b) != 0 {
		return nil, corrupt("%d bytes after an array", len(r.b))
	}
	return a, nil
}

// toHalf rounds to IEEE half precision, to nearest and ties to even; too large becomes infinity.
func toHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign, exp, man := uint16(b>>16&0x8000), int(b>>23&0xff)-127+15, b&0x7fffff
	switch {
	case b>>23&0xff == 0xff:
		h := sign | 0x7c00 | uint16(man>>13)
		if man != 0 {
			h |= 0x200 // a NaN stays one, quiet
		}
		return h
	case exp >= 31:
		return sign | 0x7c00
	case exp <= 0: // subnormal in half
		if exp < -10 {
			return sign
		}
		return sign | uint16(roundShift(man|0x800000, uint(14-exp)))
	}
	return sign + uint16(roundShift(uint32(exp)<<23|man, 13)) // a carry moves into the exponent, as it should
}

// roundShift is x >> n rounded to nearest, ties to even.
func roundShift(x uint32, n uint) uint32 {
	q, rest, half := x>>n, x&(1<<n-1), uint32(1)<<(n-1)
	if rest > half || (rest == half && q&1 == 1) {
		q++
	}
	return q
}

func fromHalf(h uint16) float32 {
	sign, exp, man := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	case 0:
		f := float32(man) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}
