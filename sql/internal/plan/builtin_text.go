package plan

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"engram/sql/types"
)

// builtinCalls are the Go functions behind builtinTable, by name.
var builtinCalls = map[string]goCall{}

func init() {
	for _, m := range []map[string]goCall{inputCalls, textCalls, patternCalls, numberCalls, timeCalls, jsonCalls, vectorCalls} {
		maps.Copy(builtinCalls, m)
	}
}

func reads(oid uint32) goCall {
	return func(env *Env, v []any) (any, error) {
		return types.ParseText(types.Of(oid), v[0].(string), env.style())
	}
}

func writes_(oid uint32) goCall {
	return func(env *Env, v []any) (any, error) {
		b, err := types.AppendText(nil, types.Of(oid), v[0], env.style())
		return string(b), err
	}
}

// rewrites reads a text as a type and writes it again.
func rewrites(oid uint32) goCall {
	return func(env *Env, v []any) (any, error) {
		x, err := types.ParseText(types.Of(oid), v[0].(string), env.style())
		if err != nil {
			return nil, err
		}
		b, err := types.AppendText(nil, types.Of(oid), x, env.style())
		return string(b), err
	}
}

var inputCalls = map[string]goCall{
	"in_bool": reads(types.BoolOID), "in_int2": reads(types.Int2OID), "in_int4": reads(types.Int4OID), "in_int8": reads(types.Int8OID),
	"in_float4": reads(types.Float4OID), "in_float8": reads(types.Float8OID), "in_bytea": reads(types.ByteaOID), "in_uuid": reads(types.UUIDOID),
	"in_oid": reads(types.OidOID), "in_vector": reads(types.VectorOID), "in_halfvec": reads(types.HalfvecOID), "in_date": reads(types.DateOID),
	"in_time": reads(types.TimeOID), "in_timestamp": reads(types.TimestampOID), "in_timestamptz": reads(types.TimestamptzOID),
	"in_interval": reads(types.IntervalOID), "in_array": reads(types.TextArrayOID),
	"in_numeric": rewrites(types.NumericOID), "in_json": rewrites(types.JSONOID), "in_jsonb": rewrites(types.JSONBOID), "in_varbit": rewrites(types.VarbitOID),
	"out_float4": writes_(types.Float4OID), "out_float8": writes_(types.Float8OID), "out_bytea": writes_(types.ByteaOID),
	"out_vector": writes_(types.VectorOID), "out_interval": writes_(types.IntervalOID), "out_array": writes_(types.TextArrayOID),
}

var textCalls = map[string]goCall{
	"initcap":      func(_ *Env, v []any) (any, error) { return initcap(v[0].(string)), nil },
	"substr":       func(_ *Env, v []any) (any, error) { return substr(v[0].(string), v[1].(int64), v[2].(int64)) },
	"substr_bytes": func(_ *Env, v []any) (any, error) { return substrBytes(v[0].([]byte), v[1].(int64), v[2].(int64)) },
	"overlay":      overlay,
	"replace": func(_ *Env, v []any) (any, error) {
		if v[1].(string) == "" {
			return v[0], nil
		}
		return strings.ReplaceAll(v[0].(string), v[1].(string), v[2].(string)), nil
	},
	"lpad":       func(_ *Env, v []any) (any, error) { return pad(v, true) },
	"rpad":       func(_ *Env, v []any) (any, error) { return pad(v, false) },
	"translate":  translate,
	"split_part": splitPart,
	"chr":        chr,
	"ascii": func(_ *Env, v []any) (any, error) {
		r, n := utf8.DecodeRuneInString(v[0].(string))
		return pick(n == 0, int64(0), int64(r)), nil
	},
	"to_hex":        func(_ *Env, v []any) (any, error) { return strconv.FormatUint(uint64(v[0].(int64)), 16), nil },
	"format":        func(_ *Env, v []any) (any, error) { return format(v[0].(string), v[1].([]any)) },
	"quote_ident":   func(_ *Env, v []any) (any, error) { return quoteIdent(v[0].(string)), nil },
	"quote_literal": func(_ *Env, v []any) (any, error) { return quoteLiteral(v[0].(string)), nil },
	"quote_nullable": func(_ *Env, v []any) (any, error) {
		if v[0] == nil {
			return "NULL", nil
		}
		return quoteLiteral(v[0].(string)), nil
	},
	"string_to_array": stringToArray,
	"array_to_string": arrayToString,
	"sha224":          func(_ *Env, v []any) (any, error) { s := sha256.Sum224(v[0].([]byte)); return s[:], nil },
	"sha384":          func(_ *Env, v []any) (any, error) { s := sha512.Sum384(v[0].([]byte)); return s[:], nil },
	"sha512":          func(_ *Env, v []any) (any, error) { s := sha512.Sum512(v[0].([]byte)); return s[:], nil },
	"encode":          encode, "decode": decode,
	"convert_from": func(_ *Env, v []any) (any, error) {
		if !isUTF8(v[1].(string)) {
			return nil, types.Errorf(types.CodeFeatureNotSupported, "encoding \"%s\" is not supported", v[1])
		}
		return string(v[0].([]byte)), types.CheckUTF8(string(v[0].([]byte)))
	},
	"convert_to": func(_ *Env, v []any) (any, error) {
		if !isUTF8(v[1].(string)) {
			return nil, types.Errorf(types.CodeFeatureNotSupported, "encoding \"%s\" is not supported", v[1])
		}
		return []byte(v[0].(string)), nil
	},
	"get_byte": func(_ *Env, v []any) (any, error) {
		b, i := v[0].([]byte), v[1].(int64)
		if i < 0 || i >= int64(len(b)) {
			return nil, types.Errorf(types.CodeArraySubscriptError, "index %d out of valid range, 0..%d", i, len(b)-1)
		}
		return int64(b[i]), nil
	},
}

func isUTF8(name string) bool {
	n := strings.ToLower(strings.ReplaceAll(name, "-", ""))
	return n == "utf8" || n == "unicode"
}

func initcap(s string) string {
	word := false
	return strings.Map(func(r rune) rune {
		alnum := unicode.IsLetter(r) || unicode.IsDigit(r)
		defer func() { word = alnum }()
		if alnum && !word {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func substr(s string, start, n int64) (any, error) {
	lo, hi, err := window(start, n, int64(utf8.RuneCountInString(s)))
	if err != nil {
		return nil, err
	}
	return string([]rune(s)[lo:hi]), nil
}

func substrBytes(s []byte, start, n int64) (any, error) {
	lo, hi, err := window(start, n, int64(len(s)))
	if err != nil {
		return nil, err
	}
	return s[lo:hi], nil
}

// window turns a start (from 1, perhaps before the text) and a length into a range.
func window(start, n, size int64) (lo, hi int64, err error) {
	if n < 0 {
		return 0, 0, types.Errorf("22011", "negative substring length not allowed")
	}
	end := start + n
	lo = min(max(start, 1), size+1) - 1
	hi = min(max(end, 1), size+1) - 1
	return lo, max(lo, hi), nil
}

func overlay(_ *Env, v []any) (any, error) {
	s, with, start, n := []rune(v[0].(string)), v[1].(string), v[2].(int64), v[3].(int64)
	if start < 1 {
		return nil, types.Errorf("22011", "negative substring length not allowed")
	}
	head := min(start-1, int64(len(s)))
	tail := min(max(start-1+n, 0), int64(len(s)))
	return string(s[:head]) + with + string(s[tail:]), nil
}

const longestText = 64 << 20 // of what a function makes from less

func pad(v []any, left bool) (any, error) {
	s, n, fill := []rune(v[0].(string)), v[1].(int64), []rune(v[2].(string))
	if n <= int64(len(s)) {
		return string(s[:max(n, 0)]), nil
	}
	if len(fill) == 0 {
		return string(s), nil
	}
	if n > longestText {
		return nil, types.Errorf("54000", "requested length too large")
	}
	extra := make([]rune, n-int64(len(s)))
	for i := range extra {
		extra[i] = fill[i%len(fill)]
	}
	if left {
		return string(extra) + string(s), nil
	}
	return string(s) + string(extra), nil
}

func translate(_ *Env, v []any) (any, error) {
	from, to := []rune(v[1].(string)), []rune(v[2].(string))
	m := map[rune]rune{}
	for i, r := range from {
		if _, ok := m[r]; ok {
			continue
		}
		m[r] = -1
		if i < len(to) {
			m[r] = to[i]
		}
	}
	return strings.Map(func(r rune) rune {
		if x, ok := m[r]; ok {
			return x
		}
		return r
	}, v[0].(string)), nil
}

func splitPart(_ *Env, v []any) (any, error) {
	s, sep, n := v[0].(string), v[1].(string), v[2].(int64)
	if n == 0 {
		return nil, types.Errorf(types.CodeInvalidParameterValue, "field position must not be zero")
	}
	parts := []string{s}
	if sep != "" && s != "" {
		parts = strings.Split(s, sep)
	}
	if n < 0 {
		n += int64(len(parts)) + 1
	}
	if n < 1 || n > int64(len(parts)) {
		return "", nil
	}
	return parts[n-1], nil
}

func chr(_ *Env, v []any) (any, error) {
	n := v[0].(int64)
	switch {
	case n == 0:
		return nil, types.Errorf("54000", "null character not permitted")
	case n < 0 || n > unicode.MaxRune || n >= 0xD800 && n < 0xE000:
		return nil, types.Errorf("54000", "requested character not valid for encoding: %d", n)
	}
	return string(rune(n)), nil
}

func quoteIdent(s string) string {
	plain := s != ""
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c == '_' || c >= 'a' && c <= 'z' || i > 0 && isDigit(c)) {
			plain = false
		}
	}
	if plain && !reservedWord(s) {
		return s
	}
	return ident(s)
}

func quoteLiteral(s string) string {
	if strings.Contains(s, `\`) {
		return " E'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", "''") + "'"
	}
	return quote(s)
}

// reservedWord reports whether a word must be quoted to be a name.
func reservedWord(s string) bool {
	return strings.Contains(" all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case "+
		"cast char character check coalesce collate collation column concurrently constraint create cross current_catalog current_date "+
		"current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do else end "+
		"except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike in initially inner "+
		"inout int integer intersect interval into is isnull join json_array json_arrayagg json_object json_objectagg lateral leading least "+
		"left like limit localtime localtimestamp national natural nchar none normalize not notnull null nullif numeric offset on only or "+
		"order out outer overlaps overlay placing position precision primary real references returning right row select session_user setof "+
		"similar smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union unique user using "+
		"values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse "+
		"xmlpi xmlroot xmlserialize xmltable ", " "+s+" ")
}

// format is PostgreSQL's format(): %s, %I and %L with positions and widths.
func format(f string, args []any) (any, error) {
	var b strings.Builder
	next := 0
	for i := 0; i < len(f); i++ {
		if f[i] != '%' {
			b.WriteByte(f[i])
			continue
		}
		if i++; i >= len(f) {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "unterminated format() type specifier")
		}
		if f[i] == '%' {
			b.WriteByte('%')
			continue
		}
		width, left, at := 0, false, -1
		n, j := number(f, i)
		if j > i && j < len(f) && f[j] == '$' {
			at, i = n-1, j+1
		}
		if i < len(f) && f[i] == '-' {
			left = true
			i++
		}
		if n, j = number(f, i); j > i {
			width, i = n, j
		}
		if at < 0 {
			at = next
		}
		next = at + 1
		if i >= len(f) {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "unterminated format() type specifier")
		}
		if at >= len(args) || at < 0 {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "too few arguments for format()")
		}
		s, err := formatOne(f[i], args[at])
		if err != nil {
			return nil, err
		}
		space := strings.Repeat(" ", max(0, min(width, 1<<20)-utf8.RuneCountInString(s)))
		b.WriteString(pick(left, s+space, space+s))
	}
	return b.String(), nil
}

func number(s string, i int) (int, int) {
	n := 0
	for i < len(s) && isDigit(s[i]) && n < 1<<24 {
		n = n*10 + int(s[i]-'0')
		i++
	}
	return n, i
}

func formatOne(c byte, v any) (string, error) {
	s, ok := v.(string)
	switch c {
	case 's':
		return s, nil
	case 'I':
		if !ok {
			return "", types.Errorf(types.CodeNullValueNotAllowed, "null values cannot be formatted as an SQL identifier")
		}
		return quoteIdent(s), nil
	case 'L':
		if !ok {
			return "NULL", nil
		}
		return quoteLiteral(s), nil
	}
	return "", types.Errorf(types.CodeInvalidParameterValue, "unrecognized format() type specifier \"%c\"", c).
		WithHint("For a single \"%%\" use \"%%%%\".")
}

func stringToArray(_ *Env, v []any) (any, error) {
	if v[0] == nil {
		return nil, nil
	}
	s := v[0].(string)
	var parts []string
	switch sep, ok := v[1].(string); {
	case s == "":
	case !ok:
		parts = strings.Split(s, "")
	case sep == "":
		parts = []string{s}
	default:
		parts = strings.Split(s, sep)
	}
	out := make([]any, len(parts))
	for i, p := range parts {
		if p != v[2] {
			out[i] = p
		}
	}
	return out, nil
}

func arrayToString(_ *Env, v []any) (any, error) {
	list, ok := v[0].([]any)
	sep, ok2 := v[1].(string)
	if !ok || !ok2 {
		return nil, nil
	}
	var parts []string
	for _, x := range list {
		if x == nil {
			x = v[2]
		}
		if s, ok := x.(string); ok {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, sep), nil
}

func encode(_ *Env, v []any) (any, error) {
	b := v[0].([]byte)
	switch strings.ToLower(v[1].(string)) {
	case "hex":
		return hex.EncodeToString(b), nil
	case "base64":
		s := base64.StdEncoding.EncodeToString(b)
		var lines []string
		for len(s) > 76 {
			lines, s = append(lines, s[:76]), s[76:]
		}
		return strings.Join(append(lines, s), "\n"), nil
	case "escape":
		var out strings.Builder
		for _, c := range b {
			switch {
			case c == '\\':
				out.WriteString(`\\`)
			case c == 0 || c >= 0x80:
				out.WriteString(`\` + strconv.FormatInt(int64(c)+01000, 8)[1:])
			default:
				out.WriteByte(c)
			}
		}
		return out.String(), nil
	}
	return nil, types.Errorf(types.CodeInvalidParameterValue, "unrecognized encoding: \"%s\"", v[1])
}

func decode(env *Env, v []any) (any, error) {
	s := v[0].(string)
	clean := strings.Map(func(r rune) rune { return pick(unicode.IsSpace(r), -1, r) }, s)
	switch strings.ToLower(v[1].(string)) {
	case "hex":
		b, err := hex.DecodeString(clean)
		if err != nil {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "invalid hexadecimal data: %s", err)
		}
		return b, nil
	case "base64":
		b, err := base64.StdEncoding.DecodeString(clean)
		if err != nil {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "invalid base64 end sequence: %s", err)
		}
		return b, nil
	case "escape":
		return types.ParseText(types.Of(types.ByteaOID), s, nil)
	}
	return nil, types.Errorf(types.CodeInvalidParameterValue, "unrecognized encoding: \"%s\"", v[1])
}

func clockOf(env *Env) time.Time {
	if env.Statement.IsZero() {
		return env.Now
	}
	return env.Statement
}
