package types

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
)

// integerSize is the number of bytes of an integer type, or of one of oid's kin; 0 for other types.
func integerSize(oid uint32) int {
	switch oid {
	case Int2OID:
		return 2
	case Int4OID:
		return 4
	case Int8OID, Xid8OID:
		return 8
	}
	if isOidKin(oid) {
		return 4
	}
	return 0
}

// isOidKin reports whether a type is oid or one that is stored as an oid: unsigned, four bytes.
func isOidKin(oid uint32) bool {
	switch oid {
	case OidOID, XidOID, CidOID, RegprocOID, RegprocedureOID, RegoperOID, RegoperatorOID, RegclassOID, RegtypeOID,
		RegconfigOID, RegdictionaryOID, RegnamespaceOID, RegroleOID, RegcollationOID:
		return true
	}
	return false
}

func appendIntegerBinary(dst []byte, t Type, v any, size int) ([]byte, error) {
	n, ok := asInt(v)
	if !ok {
		switch x := v.(type) {
		case Named:
			n = int64(x.OID)
		case string: // a name that was not looked up: only its numeric form has a binary one
			u, err := strconv.ParseUint(x, 10, 32)
			if !isOidKin(t.OID) || (err != nil && x != "-") {
				return nil, wrongForm(t, v)
			}
			n = int64(u)
		default:
			return nil, wrongForm(t, v)
		}
	}
	switch {
	case size == 2 && n == int64(int16(n)):
		return binary.BigEndian.AppendUint16(dst, uint16(n)), nil
	case size == 4 && n >= math.MinInt32 && (n <= math.MaxInt32 || n <= math.MaxUint32 && isOidKin(t.OID)):
		return binary.BigEndian.AppendUint32(dst, uint32(n)), nil
	case size == 8:
		return binary.BigEndian.AppendUint64(dst, uint64(n)), nil
	}
	return nil, Errorf(CodeNumericValueOutOfRange, "value \"%d\" is out of range for type %s", n, t)
}

func parseIntegerBinary(t Type, b []byte, size int) (any, error) {
	if len(b) != size {
		return nil, badLength(b, size)
	}
	switch size {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(b))), nil
	case 4:
		if isOidKin(t.OID) {
			return int64(binary.BigEndian.Uint32(b)), nil
		}
		return int64(int32(binary.BigEndian.Uint32(b))), nil
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

func parseInteger(t Type, s string) (any, error) {
	body := trimSpace(s)
	digits := strings.TrimPrefix(body, "-")
	if len(digits) == len(body) {
		digits = strings.TrimPrefix(body, "+")
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		if body == "-" && isOidKin(t.OID) && t.OID != OidOID && t.OID != XidOID && t.OID != CidOID {
			return int64(0), nil
		}
		if isOidKin(t.OID) && t.OID != OidOID && t.OID != XidOID && t.OID != CidOID && body != "" {
			return s, CheckUTF8(s) // a name: who knows the catalog resolves it
		}
		return nil, syntaxError(t.String(), s)
	}
	n, err := strconv.ParseInt(body, 10, 64)
	bits := integerSize(t.OID) * 8
	low, high := int64(-1)<<(bits-1), int64(1)<<(bits-1)-1
	if isOidKin(t.OID) {
		high = math.MaxUint32
	}
	if err != nil || n < low || n > high {
		return nil, Errorf(CodeNumericValueOutOfRange, "value \"%s\" is out of range for type %s", s, t)
	}
	if n < 0 && isOidKin(t.OID) {
		n = int64(uint32(n))
	}
	return n, nil
}

// parseNumberList reads int2vector and oidvector: numbers with blanks between.
func parseNumberList(t Type, s string) (any, error) {
	elem, _ := ElemOf(t)
	list := []any{}
	for part := range strings.FieldsSeq(s) {
		v, err := parseInteger(elem, part)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

func appendNumberList(dst []byte, t Type, list []any) ([]byte, error) {
	for i, v := range list {
		n, ok := asInt(v)
		if !ok {
			return nil, wrongForm(t, v)
		}
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = strconv.AppendInt(dst, n, 10)
	}
	return dst, nil
}

// parseBool takes any unambiguous prefix of true, false, yes, no, on and off, and 1 and 0.
func parseBool(s string) (any, error) {
	word := strings.ToLower(trimSpace(s))
	switch {
	case word == "" || word == "o":
	case word == "1" || word == "on" || strings.HasPrefix("true", word) || strings.HasPrefix("yes", word):
		return true, nil
	case word == "0" || strings.HasPrefix("false", word) || strings.HasPrefix("no", word) || strings.HasPrefix("off", word):
		return false, nil
	}
	return nil, syntaxError("boolean", s)
}
