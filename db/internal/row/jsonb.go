package row

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
)

// maxJSONDepth bounds nesting; PostgreSQL stops near here when its stack runs out.
const maxJSONDepth = 6400

// jsonValue is one parsed JSON value. kind is 'n' null, 'b' boolean, 's' string, 'd' number, 'a' array or 'o' object.
type jsonValue struct {
	kind   byte
	truth  bool
	text   string       // string, unescaped
	number *apd.Decimal // number
	items  []jsonValue  // elements of an array
	pairs  []jsonPair   // members of an object, each key once, in jsonb order
}

type jsonPair struct {
	key   string
	value jsonValue
}

// NormalizeJSONB returns JSON text as PostgreSQL prints it for jsonb: keys once (the last one wins), ordered by length and then
// bytes; numbers as numeric prints them; one blank after ':' and ','. The error is a *ValueError or *RangeError.
func NormalizeJSONB(text string) (string, error) {
	v, err := parseJSON(text, true)
	if err != nil {
		return "", err
	}
	return string(v.appendTo(make([]byte, 0, len(text)+16))), nil
}

// validJSON checks text for the json type: any \u escape is fine, numbers are not evaluated.
func validJSON(text string) error {
	_, err := parseJSON(text, false)
	return err
}

func (v *jsonValue) appendTo(dst []byte) []byte {
	switch v.kind {
	case 'n':
		return append(dst, "null"...)
	case 'b':
		return strconv.AppendBool(dst, v.truth)
	case 's':
		return appendJSONString(dst, v.text)
	case 'd':
		return v.number.Append(dst, 'f')
	case 'a':
		dst = append(dst, '[')
		for i := range v.items {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = v.items[i].appendTo(dst)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for i := range v.pairs {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendJSONString(dst, v.pairs[i].key), ": "...)
		dst = v.pairs[i].value.appendTo(dst)
	}
	return append(dst, '}')
}

// appendJSONString quotes as PostgreSQL's escape_json does.
func appendJSONString(dst []byte, s string) []byte {
	const short = "\b\f\n\r\t\"\\"
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case strings.IndexByte(short, c) >= 0:
			dst = append(dst, '\\', "bfnrt\"\\"[strings.IndexByte(short, c)])
		case c < ' ':
			dst = fmt.Appendf(dst, "\\u%04x", c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// jsonParser reads RFC 8259 text. With binary it also evaluates what jsonb must be able to store.
type jsonParser struct {
	s      string
	pos    int
	depth  int
	binary bool
}

func parseJSON(text string, binary bool) (v jsonValue, err error) {
	p := &jsonParser{s: text, binary: binary}
	if v, err = p.value(); err != nil {
		return v, err
	}
	if p.space(); p.pos < len(p.s) {
		return v, p.bad("text after the value")
	}
	return v, nil
}

func (p *jsonParser) bad(what string) error {
	return &ValueError{Type: Of(JSON), Code: "22P02", Reason: fmt.Sprintf("invalid input syntax for type json: %s at byte %d", what, p.pos)}
}

func (p *jsonParser) space() {
	for p.pos < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.pos]) >= 0 {
		p.pos++
	}
}

// peek is the next byte that is no space, or 0 at the end.
func (p *jsonParser) peek() byte {
	if p.space(); p.pos < len(p.s) {
		return p.s[p.pos]
	}
	return 0
}

func (p *jsonParser) value() (v jsonValue, err error) {
	switch c := p.peek(); {
	case c == '{' || c == '[':
		if p.depth++; p.depth > maxJSONDepth {
			return v, &ValueError{Type: Of(JSON), Code: "54001", Reason: "stack depth limit exceeded"}
		}
		p.pos++
		if c == '[' {
			v, err = p.array()
		} else {
			v, err = p.object()
		}
		p.depth--
		return v, err
	case c == '"':
		s, err := p.str()
		return jsonValue{kind: 's', text: s}, err
	case c == '-' || (c >= '0' && c <= '9'):
		return p.num()
	}
	for _, word := range []string{"null", "true", "false"} {
		if strings.HasPrefix(p.s[p.pos:], word) {
			p.pos += len(word)
			if word == "null" {
				return jsonValue{kind: 'n'}, nil
			}
			return jsonValue{kind: 'b', truth: word == "true"}, nil
		}
	}
	return v, p.bad("expected a value")
}

func (p *jsonParser) array() (v jsonValue, err error) {
	v.kind = 'a'
	if p.peek() == ']' {
		p.pos++
		return v, nil
	}
	for {
		item, err := p.value()
		if err != nil {
			return v, err
		}
		if p.binary {
			v.items = append(v.items, item)
		}
		switch p.peek() {
		case ',':
			p.pos++
		case ']':
			p.pos++
			return v, nil
		default:
			return v, p.bad(`expected "," or "]"`)
		}
	}
}

func (p *jsonParser) object() (v jsonValue, err error) {
	v.kind = 'o'
	if p.peek() == '}' {
		p.pos++
		return v, nil
	}
	for {
		if p.peek() != '"' {
			return v, p.bad("expected a string")
		}
		var pair jsonPair
		if pair.key, err = p.str(); err != nil {
			return v, err
		}
		if p.peek() != ':' {
			return v, p.bad(`expected ":"`)
		}
		p.pos++
		if pair.value, err = p.value(); err != nil {
			return v, err
		}
		if p.binary {
			v.pairs = append(v.pairs, pair)
		}
		switch p.peek() {
		case ',':
			p.pos++
		case '}':
			p.pos++
			v.pairs = orderPairs(v.pairs)
			return v, nil
		default:
			return v, p.bad(`expected "," or "}"`)
		}
	}
}

// orderPairs sorts by length and bytes of the key and keeps the last of equal keys.
func orderPairs(pairs []jsonPair) []jsonPair {
	sort.SliceStable(pairs, func(i, j int) bool {
		a, b := pairs[i].key, pairs[j].key
		return len(a) < len(b) || (len(a) == len(b) && a < b)
	})
	kept := pairs[:0]
	for i := range pairs {
		if i+1 == len(pairs) || pairs[i].key != pairs[i+1].key {
			kept = append(kept, pairs[i])
		}
	}
	return kept
}

func (p *jsonParser) digits() bool {
	start := p.pos
	for p.pos < len(p.s) && p.s[p.pos] >= '0' && p.s[p.pos] <= '9' {
		p.pos++
	}
	return p.pos > start
}

// at tells whether the next byte is one of set, and takes it.
func (p *jsonParser) at(set string) bool {
	if p.pos < len(p.s) && strings.IndexByte(set, p.s[p.pos]) >= 0 {
		p.pos++
		return true
	}
	return false
}

func (p *jsonParser) num() (v jsonValue, err error) {
	start := p.pos
	p.at("-")
	if !p.at("0") && !p.digits() {
		return v, p.bad("malformed number")
	}
	if p.at(".") && !p.digits() {
		return v, p.bad("malformed number")
	}
	if p.at("eE") {
		if p.at("+-"); !p.digits() {
			return v, p.bad("malformed number")
		}
	}
	if p.pos < len(p.s) && (p.s[p.pos] >= '0' && p.s[p.pos] <= '9' || p.s[p.pos] >= 'A' && strings.IndexByte("]}", p.s[p.pos]) < 0) {
		return v, p.bad("malformed number")
	}
	v.kind = 'd'
	if p.binary {
		v.number, err = parseDecimal(Of(Numeric), p.s[start:p.pos])
	}
	return v, err
}

// str reads a string; the parser stands on its opening quote.
func (p *jsonParser) str() (string, error) {
	p.pos++
	var out []byte
	start := p.pos
	for p.pos < len(p.s) {
		switch c := p.s[p.pos]; {
		case c == '"':
			s := p.s[start:p.pos]
			if out != nil {
				s = string(append(out, s...))
			}
			p.pos++
			return s, nil
		case c < ' ':
			return "", p.bad("control character in a string")
		case c == '\\':
			out = append(out, p.s[start:p.pos]...)
			var err error
			if out, err = p.escape(out); err != nil {
				return "", err
			}
			start = p.pos
		default:
			p.pos++
		}
	}
	return "", p.bad("string without its end")
}

// escape reads one escape sequence, a surrogate pair as one.
func (p *jsonParser) escape(out []byte) ([]byte, error) {
	p.pos++
	if p.pos >= len(p.s) {
		return out, p.bad("string without its end")
	}
	c := p.s[p.pos]
	p.pos++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		if out == nil {
			out = []byte{}
		}
		return append(out, "\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		p.pos--
		return out, p.bad("unknown escape")
	}
	r, ok := p.hex4()
	if !ok {
		return out, p.bad(`"\u" without four hexadecimal digits`)
	}
	if !p.binary { // json keeps the text as it is
		return append(out, '?'), nil
	}
	if r == 0 {
		return out, &ValueError{Type: Of(JSONB), Code: "22P05", Reason: `unsupported Unicode escape sequence: \u0000 cannot be converted to text`}
	}
	if utf16.IsSurrogate(r) {
		low := rune(0)
		if strings.HasPrefix(p.s[p.pos:], `\u`) {
			p.pos += 2
			low, _ = p.hex4()
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return out, p.bad("unpaired Unicode surrogate")
		}
	}
	return utf8.AppendRune(out, r), nil
}

func (p *jsonParser) hex4() (rune, bool) {
	if p.pos+4 > len(p.s) {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.s[p.pos : p.pos+4]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	p.pos += 4
	return r, true
}
