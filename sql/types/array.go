package types

import (
	"encoding/binary"
	"strings"
)

// appendArrayText prints a list in braces. A list inside the list becomes a further dimension.
func appendArrayText(dst []byte, t Type, list []any, st *Style) ([]byte, error) {
	elem, _ := ElemOf(t)
	dst = append(dst, '{')
	var err error
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v == nil {
			dst = append(dst, "NULL"...)
			continue
		}
		if inner, ok := v.([]any); ok && elem.OID != RecordOID && elem.OID != Int2VectorOID && elem.OID != OidVectorOID {
			dst, err = appendArrayText(dst, t, inner, st)
		} else {
			start := len(dst)
			dst, err = AppendText(dst, elem, v, st)
			if err == nil && needsQuotes(dst[start:]) {
				dst = quoteElement(dst, start)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// needsQuotes reports whether an element would be read differently without quotes.
func needsQuotes(b []byte) bool {
	if len(b) == 0 || len(b) == 4 && strings.EqualFold(string(b), "null") {
		return true
	}
	for _, c := range b {
		switch c {
		case '"', '\\', '{', '}', ',', ' ', '\t', '\n', '\v', '\f', '\r':
			return true
		}
	}
	return false
}

// quoteElement puts the bytes from start on in quotes, in place.
func quoteElement(dst []byte, start int) []byte {
	raw := string(dst[start:])
	dst = append(dst[:start], '"')
	for i := range len(raw) {
		if raw[i] == '"' || raw[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, raw[i])
	}
	return append(dst, '"')
}

func malformedArray(s, detail string) error {
	e := Errorf(CodeInvalidTextRepresentation, "malformed array literal: \"%s\"", s)
	e.Detail = detail
	return e
}

func multiDimensional() error {
	return Errorf(CodeFeatureNotSupported, "arrays of more than one dimension are not supported")
}

// arrayReader walks an array literal.
type arrayReader struct {
	whole, rest string
}

func (r *arrayReader) space() { r.rest = strings.TrimLeft(r.rest, " \t\n\v\f\r") }

// parseArray reads an array literal of one dimension whose lower bound is 1.
func parseArray(t Type, s string, st *Style) (any, error) {
	elem, _ := ElemOf(t)
	r := &arrayReader{whole: s, rest: s}
	count, err := r.bounds()
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(r.rest, "{") {
		if count >= 0 {
			return nil, malformedArray(s, "Missing \"]\" after array dimensions.")
		}
		return nil, malformedArray(s, "Array value must start with \"{\" or dimension information.")
	}
	r.rest = r.rest[1:]
	list := []any{}
	for r.space(); ; r.space() {
		if strings.HasPrefix(r.rest, "}") && len(list) == 0 {
			break
		}
		word, null, err := r.element()
		if err != nil {
			return nil, err
		}
		var v any
		if !null {
			if v, err = ParseText(elem, word, st); err != nil {
				return nil, err
			}
		}
		if len(list) == MaxArrayElements {
			return nil, Errorf(CodeProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", MaxArrayElements)
		}
		list = append(list, v)
		if strings.HasPrefix(r.rest, "}") {
			break
		}
		r.rest = r.rest[1:] // the comma: element saw it
	}
	r.rest = r.rest[1:]
	r.space()
	if r.rest != "" {
		return nil, malformedArray(s, "Junk after closing right brace.")
	}
	if count >= 0 && count != len(list) {
		return nil, malformedArray(s, "Specified array dimensions do not match array contents.")
	}
	return list, nil
}

// bounds reads "[1:3]=" and gives the number of elements it promises, -1 when it is absent.
func (r *arrayReader) bounds() (int, error) {
	r.space()
	if !strings.HasPrefix(r.rest, "[") {
		return -1, nil
	}
	inside, after, ok := strings.Cut(r.rest[1:], "]")
	after = strings.TrimLeft(after, " \t\n\v\f\r")
	if strings.HasPrefix(after, "[") {
		return 0, multiDimensional()
	}
	low, high, both := strings.Cut(inside, ":")
	if !both {
		low, high = "1", inside
	}
	from, err1 := parseInteger(Of(Int4OID), low)
	to, err2 := parseInteger(Of(Int4OID), high)
	if !ok || err1 != nil || err2 != nil || !strings.HasPrefix(after, "=") {
		return 0, malformedArray(r.whole, "\"[\" must introduce explicitly-specified array dimensions.")
	}
	if from.(int64) != 1 {
		return 0, Errorf(CodeFeatureNotSupported, "arrays whose lower bound is not 1 are not supported")
	}
	if to.(int64) < 1 {
		return 0, Errorf(CodeArraySubscriptError, "upper bound cannot be less than lower bound")
	}
	r.rest = after[1:]
	r.space()
	return int(to.(int64)), nil
}

// element reads one element, up to the comma or brace behind it.
func (r *arrayReader) element() (word string, null bool, err error) {
	switch {
	case r.rest == "":
		return "", false, malformedArray(r.whole, "Unexpected end of input.")
	case r.rest[0] == '{':
		return "", false, multiDimensional()
	case r.rest[0] == '"':
		if word, err = r.quoted(); err != nil {
			return "", false, err
		}
	default:
		bare, escaped, err := r.bare()
		if err != nil {
			return "", false, err
		}
		word, null = bare, !escaped && strings.EqualFold(bare, "null")
	}
	r.space()
	switch {
	case r.rest == "":
		return "", false, malformedArray(r.whole, "Unexpected end of input.")
	case r.rest[0] != ',' && r.rest[0] != '}':
		return "", false, malformedArray(r.whole, "Unexpected array element.")
	}
	return word, null, nil
}

func (r *arrayReader) quoted() (string, error) {
	var out strings.Builder
	for i := 1; i < len(r.rest); i++ {
		switch c := r.rest[i]; c {
		case '\\':
			if i++; i < len(r.rest) {
				out.WriteByte(r.rest[i])
			}
		case '"':
			r.rest = r.rest[i+1:]
			return out.String(), nil
		default:
			out.WriteByte(c)
		}
	}
	return "", malformedArray(r.whole, "Unexpected end of input.")
}

// bare reads an element without quotes. Blanks around it do not belong to it, unless escaped.
func (r *arrayReader) bare() (word string, escaped bool, err error) {
	var out []byte
	keep := 0 // how much of out is not trailing blanks
	for i := 0; i < len(r.rest); i++ {
		switch c := r.rest[i]; c {
		case '\\':
			if i++; i >= len(r.rest) {
				return "", false, malformedArray(r.whole, "Unexpected end of input.")
			}
			out, escaped = append(out, r.rest[i]), true
			keep = len(out)
		case '"':
			return "", false, malformedArray(r.whole, "Unexpected array element.")
		case '{':
			return "", false, malformedArray(r.whole, "Unexpected \""+string(c)+"\" character.")
		case ',', '}':
			if keep == 0 {
				return "", false, malformedArray(r.whole, "Unexpected \""+string(c)+"\" character.")
			}
			r.rest = r.rest[i:]
			return string(out[:keep]), escaped, nil
		case ' ', '\t', '\n', '\v', '\f', '\r':
			out = append(out, c)
		default:
			out = append(out, c)
			keep = len(out)
		}
	}
	return "", false, malformedArray(r.whole, "Unexpected end of input.")
}

// appendArrayBinary writes dimensions, a flag for NULLs, the element type, bounds and elements. Lists inside the list
// must all be of one length.
func appendArrayBinary(dst []byte, t Type, list []any) ([]byte, error) {
	elem, _ := ElemOf(t)
	var dims []int
	for level := list; len(level) > 0; {
		dims = append(dims, len(level))
		inner, ok := level[0].([]any)
		if !ok || elem.OID == RecordOID {
			break
		}
		level = inner
	}
	if len(dims) == 0 && !t.IsArray() { // int2vector and oidvector have one dimension always
		dims = append(dims, 0)
	}
	flat, nulls, err := flatten(nil, t, list, dims)
	if err != nil {
		return nil, err
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(dims)))
	dst = binary.BigEndian.AppendUint32(dst, map[bool]uint32{true: 1, false: 0}[nulls])
	dst = binary.BigEndian.AppendUint32(dst, elem.OID)
	low := uint32(1)
	if t.OID == Int2VectorOID || t.OID == OidVectorOID {
		low = 0
	}
	for _, n := range dims {
		dst = binary.BigEndian.AppendUint32(dst, uint32(n))
		dst = binary.BigEndian.AppendUint32(dst, low)
	}
	for _, v := range flat {
		if dst, err = appendField(dst, elem, v); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// appendField writes a value behind its length, -1 for NULL.
func appendField(dst []byte, t Type, v any) ([]byte, error) {
	if v == nil {
		return append(dst, 0xff, 0xff, 0xff, 0xff), nil
	}
	at := len(dst)
	dst, err := AppendBinary(append(dst, 0, 0, 0, 0), t, v)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst, nil
}

func flatten(flat []any, t Type, list []any, dims []int) (out []any, nulls bool, err error) {
	if len(dims) == 0 {
		return nil, false, nil
	}
	if len(list) != dims[0] {
		return nil, false, Errorf(CodeArraySubscriptError, "multidimensional arrays must have sub-arrays with matching dimensions")
	}
	for _, v := range list {
		inner, isList := v.([]any)
		switch {
		case len(dims) > 1 && isList:
			var n bool
			if flat, n, err = flatten(flat, t, inner, dims[1:]); err != nil {
				return nil, false, err
			}
			nulls = nulls || n
		case len(dims) > 1:
			return nil, false, Errorf(CodeArraySubscriptError, "multidimensional arrays must have sub-arrays with matching dimensions")
		default:
			nulls = nulls || v == nil
			flat = append(flat, v)
		}
	}
	return flat, nulls, nil
}

func parseArrayBinary(t Type, b []byte) (any, error) {
	elem, _ := ElemOf(t)
	if len(b) < 12 {
		return nil, badLength(b, 12)
	}
	ndim, flags, oid := int32(binary.BigEndian.Uint32(b)), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	switch {
	case ndim < 0:
		return nil, Errorf(CodeInvalidBinaryRepresentation, "invalid number of dimensions: %d", ndim)
	case ndim > 6:
		return nil, Errorf(CodeProgramLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", ndim, 6)
	case flags > 1:
		return nil, Errorf(CodeInvalidBinaryRepresentation, "invalid array flags")
	case oid != elem.OID:
		return nil, Errorf(CodeDatatypeMismatch, "binary data has array element type %d (%s) instead of expected %d (%s)",
			oid, Of(oid), elem.OID, elem)
	case ndim > 1:
		return nil, multiDimensional()
	case ndim == 0 && len(b) == 12:
		return []any{}, nil
	case ndim == 0 || len(b) < 20:
		return nil, badLength(b, 20)
	}
	count, low := int32(binary.BigEndian.Uint32(b[12:])), int32(binary.BigEndian.Uint32(b[16:]))
	want := int32(1)
	if t.OID == Int2VectorOID || t.OID == OidVectorOID {
		want = 0
	}
	b = b[20:]
	if count < 0 || int(count) > MaxArrayElements {
		return nil, Errorf(CodeProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", MaxArrayElements)
	}
	if int(count) > len(b)/4 {
		return nil, badLength(nil, 1)
	}
	if count > 0 && low != want {
		return nil, Errorf(CodeFeatureNotSupported, "arrays whose lower bound is not %d are not supported", want)
	}
	list := make([]any, count)
	for i := range list {
		n := int32(binary.BigEndian.Uint32(b))
		b = b[4:]
		if n == -1 {
			if len(b) < 4 && i < len(list)-1 {
				return nil, badLength(nil, 1)
			}
			continue
		}
		if n < 0 || int(n) > len(b) {
			return nil, badLength(nil, 1)
		}
		v, err := ParseBinary(elem, b[:n:n])
		if err != nil {
			return nil, err
		}
		list[i], b = v, b[n:]
		if len(b) < 4 && i < len(list)-1 {
			return nil, badLength(nil, 1)
		}
	}
	if len(b) != 0 {
		return nil, Errorf(CodeInvalidBinaryRepresentation, "incorrect binary data format")
	}
	return list, nil
}
