package types

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

func appendBytea(dst, b []byte, escape bool) []byte {
	if !escape {
		return hex.AppendEncode(append(dst, '\\', 'x'), b)
	}
	for _, c := range b {
		switch {
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func parseBytea(s string) (any, error) {
	if strings.HasPrefix(s, `\x`) {
		return parseHex(s[2:])
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		switch {
		case i+1 < len(s) && s[i+1] == '\\':
			out = append(out, '\\')
			i++
		case i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '3' && isOctal(s[i+2]) && isOctal(s[i+3]):
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
		default:
			return nil, Errorf(CodeInvalidTextRepresentation, "invalid input syntax for type bytea")
		}
	}
	return out, nil
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// parseHex reads pairs of hexadecimal digits; blanks may stand between pairs.
func parseHex(s string) (any, error) {
	out := make([]byte, 0, len(s)/2)
	for i := 0; i < len(s); {
		if strings.IndexByte(" \n\t\r", s[i]) >= 0 {
			i++
			continue
		}
		high, ok := hexDigit(s[i])
		if !ok {
			return nil, badHex(s[i:])
		}
		if i++; i >= len(s) {
			return nil, Errorf(CodeInvalidParameterValue, "invalid hexadecimal data: odd number of digits")
		}
		low, ok := hexDigit(s[i])
		if !ok {
			return nil, badHex(s[i:])
		}
		i++
		out = append(out, high<<4|low)
	}
	return out, nil
}

func badHex(rest string) error {
	return Errorf(CodeInvalidParameterValue, "invalid hexadecimal digit: \"%s\"", rest[:min(leadLength(rest[0]), len(rest))])
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func appendUUID(dst []byte, u [16]byte) []byte {
	for i, part := range [][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}

// parseUUID reads 32 digits, with a hyphen allowed after any group of four, perhaps in braces.
func parseUUID(s string) (any, error) {
	var u [16]byte
	body := s
	if strings.HasPrefix(body, "{") {
		if !strings.HasSuffix(body, "}") {
			return nil, syntaxError("uuid", s)
		}
		body = body[1 : len(body)-1]
	}
	for i := range u {
		if len(body) < 2 {
			return nil, syntaxError("uuid", s)
		}
		high, ok1 := hexDigit(body[0])
		low, ok2 := hexDigit(body[1])
		if !ok1 || !ok2 {
			return nil, syntaxError("uuid", s)
		}
		u[i], body = high<<4|low, body[2:]
		if i%2 == 1 && i < 15 && strings.HasPrefix(body, "-") {
			body = body[1:]
		}
	}
	if body != "" {
		return nil, syntaxError("uuid", s)
	}
	return u, nil
}

// parseBits reads the text of bit and varbit: digits, or b and digits, or x and hexadecimal digits.
func parseBits(t Type, s string) (any, error) {
	digits := s
	var out []byte
	if s != "" && (s[0] == 'x' || s[0] == 'X') {
		digits = s[1:]
		for i := range len(digits) {
			n, ok := hexDigit(digits[i])
			if !ok {
				return nil, badDigit(digits[i:], "hexadecimal")
			}
			for bit := byte(8); bit != 0; bit >>= 1 {
				out = append(out, map[bool]byte{true: '1', false: '0'}[n&bit != 0])
			}
		}
		return fitBits(t, string(out))
	}
	if s != "" && (s[0] == 'b' || s[0] == 'B') {
		digits = s[1:]
	}
	for i := range len(digits) {
		if digits[i] != '0' && digits[i] != '1' {
			return nil, badDigit(digits[i:], "binary")
		}
	}
	return fitBits(t, digits)
}

func badDigit(rest, kind string) error {
	return Errorf(CodeInvalidTextRepresentation, "\"%s\" is not a valid %s digit", rest[:min(leadLength(rest[0]), len(rest))], kind)
}

func fitBits(t Type, digits string) (any, error) {
	switch {
	case t.Mod <= 0:
	case t.OID == BitOID && len(digits) != int(t.Mod):
		return nil, Errorf(CodeStringDataLengthMismatch, "bit string length %d does not match type bit(%d)", len(digits), t.Mod)
	case t.OID == VarbitOID && len(digits) > int(t.Mod):
		return nil, Errorf(CodeStringDataRightTruncation, "bit string too long for type bit varying(%d)", t.Mod)
	}
	return digits, nil
}

func appendBitsBinary(dst []byte, t Type, digits string) ([]byte, error) {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(digits)))
	for i := 0; i < len(digits); i += 8 {
		var octet byte
		for j, c := range []byte(digits[i:min(i+8, len(digits))]) {
			if c != '0' && c != '1' {
				return nil, wrongForm(t, digits)
			}
			octet |= (c - '0') << (7 - j)
		}
		dst = append(dst, octet)
	}
	return dst, nil
}

func parseBitsBinary(t Type, b []byte) (any, error) {
	if len(b) < 4 {
		return nil, badLength(b, 4)
	}
	n := binary.BigEndian.Uint32(b)
	if n > 1<<31-8 {
		return nil, Errorf(CodeInvalidBinaryRepresentation, "invalid length in external bit string")
	}
	if want := 4 + (int(n)+7)/8; len(b) != want {
		return nil, badLength(b, want)
	}
	digits := make([]byte, n)
	for i := range digits {
		digits[i] = '0' + b[4+i/8]>>(7-i%8)&1
	}
	return fitBits(t, string(digits))
}

// appendSystemBinary writes the types of system columns that are texts here: tid "(block,offset)", pg_lsn "0/16B3748",
// inet and cidr.
func appendSystemBinary(dst []byte, t Type, s string) ([]byte, error) {
	switch t.OID {
	case TidOID:
		block, offset, ok := splitNumbers(strings.TrimSuffix(strings.TrimPrefix(s, "("), ")"), ",", 10, 16)
		if !ok {
			return nil, syntaxError("tid", s)
		}
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(dst, block), uint16(offset)), nil
	case PgLsnOID:
		high, low, ok := splitNumbers(s, "/", 16, 32)
		if !ok {
			return nil, syntaxError("pg_lsn", s)
		}
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, high), low), nil
	}
	prefix, err := parseNetwork(s)
	if err != nil {
		return nil, syntaxError(t.String(), s)
	}
	family := byte(2) // PGSQL_AF_INET; the other is one more
	if prefix.Addr().Is6() {
		family = 3
	}
	addr := prefix.Addr().AsSlice()
	dst = append(dst, family, byte(prefix.Bits()), map[bool]byte{true: 1, false: 0}[t.OID == CidrOID], byte(len(addr)))
	return append(dst, addr...), nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func splitNumbers(s, sep string, base, bits int) (a, b uint32, ok bool) {
	left, right, found := strings.Cut(s, sep)
	x, err1 := strconv.ParseUint(left, base, 32)
	y, err2 := strconv.ParseUint(right, base, bits)
	return uint32(x), uint32(y), found && err1 == nil && err2 == nil
}

func parseSystemBinary(t Type, b []byte) (any, error) {
	switch t.OID {
	case TidOID:
		if len(b) != 6 {
			return nil, badLength(b, 6)
		}
		return "(" + strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)), 10) + "," +
			strconv.Itoa(int(binary.BigEndian.Uint16(b[4:]))) + ")", nil
	case PgLsnOID:
		if len(b) != 8 {
			return nil, badLength(b, 8)
		}
		hexa := func(b []byte) string {
			return strings.ToUpper(strconv.FormatUint(uint64(binary.BigEndian.Uint32(b)), 16))
		}
		return hexa(b) + "/" + hexa(b[4:]), nil
	}
	if len(b) < 4 || len(b) != 4+int(b[3]) {
		return nil, badLength(b, 4)
	}
	addr, ok := netip.AddrFromSlice(b[4:])
	if !ok || int(b[1]) > addr.BitLen() {
		return nil, Errorf(CodeInvalidBinaryRepresentation, "invalid bits in external \"%s\" value", t)
	}
	if int(b[1]) == addr.BitLen() && t.OID == InetOID {
		return addr.String(), nil
	}
	return netip.PrefixFrom(addr, int(b[1])).String(), nil
}
