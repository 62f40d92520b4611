package types

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
)

// maxJSONDepth bounds nesting; PostgreSQL's bound is its stack, at about this depth.
const maxJSONDepth = 6000

// jsonToken is what the scanner stands on.
type jsonToken uint8

const (
	jsonEnd jsonToken = iota
	jsonString
	jsonNumber
	jsonWord  // true, false, null
	jsonPunct // { } [ ] : ,
)

// jsonReader scans and parses one JSON text. When build is set, it also makes values for jsonb.
type jsonReader struct {
	text       string
	kind       jsonToken
	start, end int
	build      bool
	str        string // the last string, unescaped, when build is set
	depth      int
}

// jsonNode is a value of jsonb: nil, bool, *apd.Decimal, string, []jsonNode or []jsonMember.
type jsonNode any

type jsonMember struct {
	key   string
	value jsonNode
}

// checkJSON refuses what is not one JSON value.
func checkJSON(s string) error {
	_, err := readJSON(s, false)
	return err
}

// NormalizeJSON rewrites a JSON text as PostgreSQL prints jsonb: one blank behind colons and commas, keys by length
// and then by bytes, the last of equal keys, numbers as numeric prints them. Errors have code 22P02, 22P05 for
// \u0000, 22003 for a number beyond numeric, 54001 for nesting that is too deep.
func NormalizeJSON(s string) (string, error) {
	node, err := readJSON(s, true)
	if err != nil {
		return "", err
	}
	out, err := appendJSON(make([]byte, 0, len(s)+len(s)/8), node)
	if err != nil {
		return "", err
	}
	return string(out), nil
}

func readJSON(s string, build bool) (jsonNode, error) {
	if err := CheckUTF8(s); err != nil {
		return nil, err
	}
	r := &jsonReader{text: s, build: build}
	if err := r.next(); err != nil {
		return nil, err
	}
	node, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.kind != jsonEnd {
		return nil, r.unexpected("Expected end of input, but found \"%s\".")
	}
	return node, nil
}

func (r *jsonReader) bad(detail string, args ...any) error {
	return Errorf(CodeInvalidTextRepresentation, "invalid input syntax for type json").WithDetail(detail, args...)
}

// unexpected is the error for the token that the reader stands on.
func (r *jsonReader) unexpected(detail string) error {
	if r.kind == jsonEnd {
		return r.bad("The input string ended unexpectedly.")
	}
	return r.bad(detail, r.token())
}

func (r *jsonReader) token() string { return r.text[r.start:r.end] }

func (r *jsonReader) at(c byte) bool { return r.kind == jsonPunct && r.text[r.start] == c }

// next scans one token.
func (r *jsonReader) next() error {
	i := r.end
	for i < len(r.text) && strings.IndexByte(" \t\n\r", r.text[i]) >= 0 {
		i++
	}
	r.start, r.end = i, i
	if i == len(r.text) {
		r.kind = jsonEnd
		return nil
	}
	switch c := r.text[i]; {
	case strings.IndexByte("{}[]:,", c) >= 0:
		r.kind, r.end = jsonPunct, i+1
		return nil
	case c == '"':
		r.kind = jsonString
		return r.scanString()
	}
	end := i
	for end < len(r.text) && isJSONWordByte(r.text[end]) {
		end++
	}
	if c := r.text[i]; c == '-' || c >= '0' && c <= '9' {
		return r.scanNumber()
	}
	r.end = max(end, i+1)
	switch r.token() {
	case "true", "false", "null":
		r.kind = jsonWord
		return nil
	}
	return r.bad("Token \"%s\" is invalid.", r.token())
}

func isJSONWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= utf8.RuneSelf
}

func (r *jsonReader) scanNumber() error {
	s, i := r.text, r.start
	digits := func() bool {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if s[i] == '-' {
		i++
	}
	ok := true
	if i < len(s) && s[i] == '0' {
		i++
	} else {
		ok = digits()
	}
	if ok && i < len(s) && s[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		ok = digits()
	}
	for i < len(s) && isJSONWordByte(s[i]) {
		i, ok = i+1, false
	}
	r.kind, r.end = jsonNumber, i
	if !ok {
		return r.bad("Token \"%s\" is invalid.", r.token())
	}
	return nil
}

// scanString scans a string that begins at r.start.
func (r *jsonReader) scanString() error {
	var out []byte
	s := r.text
	for i := r.start + 1; i < len(s); {
		c := s[i]
		switch {
		case c == '"':
			r.end, r.str = i+1, string(out)
			return nil
		case c < 0x20:
			r.end = i
			return r.bad("Character with value 0x%02x must be escaped.", c)
		case c != '\\':
			if r.build {
				out = append(out, c)
			}
			i++
		default:
			text, n, err := r.escape(s[i+1:])
			if err != nil {
				return err
			}
			if r.build {
				out = append(out, text...)
			}
			i += 1 + n
		}
	}
	return r.bad("Token \"%s\" is invalid.", s[r.start:])
}

const jsonEscapes = "\"\\/bfnrt"

// escape reads what stands behind a backslash: its meaning and its length.
func (r *jsonReader) escape(s string) (string, int, error) {
	if s == "" {
		return "", 0, r.bad("Token \"%s\" is invalid.", r.text[r.start:])
	}
	if s[0] != 'u' {
		i := strings.IndexByte(jsonEscapes, s[0])
		if i < 0 {
			return "", 0, r.bad("Escape sequence \"\\%s\" is invalid.", s[:min(leadLength(s[0]), len(s))])
		}
		return "\"\\/\b\f\n\r\t"[i : i+1], 1, nil
	}
	code, err := r.hex4(s)
	if err != nil || !r.build {
		return "", 5, err
	}
	switch {
	case code == 0:
		return "", 0, Errorf(CodeUntranslatableCharacter, "unsupported Unicode escape sequence").
			WithDetail("\\u0000 cannot be converted to text.")
	case code >= 0xdc00 && code <= 0xdfff:
		return "", 0, r.bad("Unicode low surrogate must follow a high surrogate.")
	case code < 0xd800 || code > 0xdbff:
		return string(code), 5, nil
	}
	if !strings.HasPrefix(s[5:], "\\u") {
		if strings.HasPrefix(s[5:], "\\") || len(s) > 5 {
			return "", 0, r.bad("Unicode low surrogate must follow a high surrogate.")
		}
		return "", 0, r.bad("Token \"%s\" is invalid.", r.text[r.start:])
	}
	low, err := r.hex4(s[6:])
	switch {
	case err != nil:
		return "", 0, err
	case low >= 0xd800 && low <= 0xdbff:
		return "", 0, r.bad("Unicode high surrogate must not follow a high surrogate.")
	case low < 0xdc00 || low > 0xdfff:
		return "", 0, r.bad("Unicode low surrogate must follow a high surrogate.")
	}
	return string((code-0xd800)<<10 + low - 0xdc00 + 0x10000), 11, nil
}

// hex4 reads the four digits behind the u that s begins with.
func (r *jsonReader) hex4(s string) (rune, error) {
	code := rune(0)
	for i := 1; i <= 4; i++ {
		if i >= len(s) {
			return 0, r.bad("Token \"%s\" is invalid.", r.text[r.start:])
		}
		n, ok := hexDigit(s[i])
		if !ok {
			return 0, r.bad("\"\\u\" must be followed by four hexadecimal digits.")
		}
		code = code<<4 | rune(n)
	}
	return code, nil
}

// value parses the value that begins at the present token.
func (r *jsonReader) value() (jsonNode, error) {
	var node jsonNode
	switch {
	case r.at('{') || r.at('['):
		if r.depth++; r.depth > maxJSONDepth {
			return nil, Errorf(CodeStatementTooComplex, "stack depth limit exceeded")
		}
		defer func() { r.depth-- }()
		if r.at('{') {
			return r.object()
		}
		return r.array()
	case r.kind == jsonString:
		node = r.str
	case r.kind == jsonNumber:
		if r.build {
			d, err := parseNumeric(Of(NumericOID), r.token())
			if err != nil {
				return nil, err
			}
			node = d
		}
	case r.kind == jsonWord:
		switch r.token() {
		case "true":
			node = true
		case "false":
			node = false
		}
	default:
		return nil, r.unexpected("Expected JSON value, but found \"%s\".")
	}
	return node, r.next()
}

func (r *jsonReader) array() (jsonNode, error) {
	list := []jsonNode{}
	if err := r.next(); err != nil {
		return nil, err
	}
	for {
		if len(list) == 0 && r.at(']') {
			break
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if r.at(']') {
			break
		}
		if !r.at(',') {
			return nil, r.unexpected("Expected \",\" or \"]\", but found \"%s\".")
		}
		if err := r.next(); err != nil {
			return nil, err
		}
	}
	return list, r.next()
}

func (r *jsonReader) object() (jsonNode, error) {
	list := []jsonMember{}
	if err := r.next(); err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		if first && r.at('}') {
			break
		}
		if r.kind != jsonString {
			if first {
				return nil, r.unexpected("Expected string or \"}\", but found \"%s\".")
			}
			return nil, r.unexpected("Expected string, but found \"%s\".")
		}
		key := r.str
		if err := r.next(); err != nil {
			return nil, err
		}
		if !r.at(':') {
			return nil, r.unexpected("Expected \":\", but found \"%s\".")
		}
		if err := r.next(); err != nil {
			return nil, err
		}
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		if r.build {
			list = append(list, jsonMember{key, v})
		}
		if r.at('}') {
			break
		}
		if !r.at(',') {
			return nil, r.unexpected("Expected \",\" or \"}\", but found \"%s\".")
		}
		if err := r.next(); err != nil {
			return nil, err
		}
	}
	return uniqueMembers(list), r.next()
}

// uniqueMembers sorts by length and bytes and keeps the last of equal keys.
func uniqueMembers(list []jsonMember) []jsonMember {
	slices.SortStableFunc(list, func(a, b jsonMember) int {
		if len(a.key) != len(b.key) {
			return len(a.key) - len(b.key)
		}
		return strings.Compare(a.key, b.key)
	})
	out := list[:0]
	for _, m := range list {
		if n := len(out); n > 0 && out[n-1].key == m.key {
			out[n-1] = m
			continue
		}
		out = append(out, m)
	}
	return out
}

func appendJSON(dst []byte, node jsonNode) ([]byte, error) {
	var err error
	switch x := node.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		if x {
			return append(dst, "true"...), nil
		}
		return append(dst, "false"...), nil
	case string:
		return appendJSONString(dst, x), nil
	case *apd.Decimal:
		return appendNumericText(dst, x)
	case []jsonNode:
		dst = append(dst, '[')
		for i, v := range x {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			if dst, err = appendJSON(dst, v); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case []jsonMember:
		dst = append(dst, '{')
		for i, m := range x {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendJSONString(dst, m.key), ": "...)
			if dst, err = appendJSON(dst, m.value); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	}
	return nil, Errorf(CodeInternalError, "unknown JSON value %T", node)
}

func appendJSONString(dst []byte, s string) []byte {
	const hexa = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= 0x20:
			dst = append(dst, c)
		default:
			if j := strings.IndexByte("\b\f\n\r\t", c); j >= 0 {
				dst = append(dst, '\\', "bfnrt"[j])
			} else {
				dst = append(dst, '\\', 'u', '0', '0', hexa[c>>4], hexa[c&15])
			}
		}
	}
	return append(dst, '"')
}
