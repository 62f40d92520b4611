package plan

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"

	"engram/sql/types"
)

// goFunctions are the Go forms of functions and operators that DuckDB has itself, by name and arguments or by name.
// Where a template is a call of one of our own functions, runOf finds that by itself.
var goFunctions map[string]goCall

func init() {
	goFunctions = map[string]goCall{
		"length(text)": charLength, "char_length(text)": charLength, "character_length(text)": charLength,
		"octet_length(text)": func(_ *Env, v []any) (any, error) { return int64(len(v[0].(string))), nil },
		"bit_length(text)":   func(_ *Env, v []any) (any, error) { return int64(len(v[0].(string))) * 8, nil },
		"lower(text)":        func(_ *Env, v []any) (any, error) { return strings.ToLower(v[0].(string)), nil },
		"upper(text)":        func(_ *Env, v []any) (any, error) { return strings.ToUpper(v[0].(string)), nil },
		"btrim(text)":        func(_ *Env, v []any) (any, error) { return strings.Trim(v[0].(string), " "), nil },
		"ltrim(text)":        func(_ *Env, v []any) (any, error) { return strings.TrimLeft(v[0].(string), " "), nil },
		"rtrim(text)":        func(_ *Env, v []any) (any, error) { return strings.TrimRight(v[0].(string), " "), nil },
		"btrim(text, text)":  func(_ *Env, v []any) (any, error) { return strings.Trim(v[0].(string), v[1].(string)), nil },
		"ltrim(text, text)":  func(_ *Env, v []any) (any, error) { return strings.TrimLeft(v[0].(string), v[1].(string)), nil },
		"rtrim(text, text)":  func(_ *Env, v []any) (any, error) { return strings.TrimRight(v[0].(string), v[1].(string)), nil },
		"substr(text, int4)": func(_ *Env, v []any) (any, error) { return substr(v[0].(string), v[1].(int64), math.MaxInt32) },
		"substring(text, int4)": func(_ *Env, v []any) (any, error) {
			return substr(v[0].(string), v[1].(int64), math.MaxInt32)
		},
		"reverse(text)":           reverse,
		"starts_with(text, text)": func(_ *Env, v []any) (any, error) { return strings.HasPrefix(v[0].(string), v[1].(string)), nil },
		"strpos(text, text)":      strpos,
		"position(text, text)":    strpos,
		"concat(...any)":          concat,
		"||(text, text)":          func(_ *Env, v []any) (any, error) { return v[0].(string) + v[1].(string), nil },
		"~~(text, text)":          likeCall(false, false),
		"!~~(text, text)":         likeCall(false, true),
		"~~*(text, text)":         likeCall(true, false),
		"!~~*(text, text)":        likeCall(true, true),
		"~(text, text)":           matchCall("", false),
		"!~(text, text)":          matchCall("", true),
		"~*(text, text)":          matchCall("i", false),
		"!~*(text, text)":         matchCall("i", true),
		"abs(int2)":               absCall(types.Int2OID),
		"abs(int4)":               absCall(types.Int4OID),
		"abs(int8)":               absCall(types.Int8OID),
		"abs(float4)":             absCall(types.Float4OID),
		"abs(float8)":             absCall(types.Float8OID),
		"abs(numeric)":            absCall(types.NumericOID),
		"ceil(float8)":            floatCall(math.Ceil),
		"ceiling(float8)":         floatCall(math.Ceil),
		"floor(float8)":           floatCall(math.Floor),
		"round(float8)":           floatCall(math.RoundToEven),
		"trunc(float8)":           floatCall(math.Trunc),
		"round(numeric)":          func(_ *Env, v []any) (any, error) { return roundDecimal(v[0].(*apd.Decimal), 0) },
		"round(numeric, int4)":    func(_ *Env, v []any) (any, error) { return roundDecimal(v[0].(*apd.Decimal), v[1].(int64)) },
		"trunc(numeric)":          func(_ *Env, v []any) (any, error) { return truncDecimal(v[0].(*apd.Decimal), 0) },
		"pi()":                    func(*Env, []any) (any, error) { return math.Pi, nil },
		"cardinality(anyarray)":   func(_ *Env, v []any) (any, error) { return int64(len(v[0].([]any))), nil },
		"vector_dims(vector)":     func(_ *Env, v []any) (any, error) { return int64(len(v[0].([]float32))), nil },
		"+(date, int4)":           func(_ *Env, v []any) (any, error) { return addDays(v[0].(int32), v[1].(int64)) },
		"-(date, int4)":           func(_ *Env, v []any) (any, error) { return addDays(v[0].(int32), -v[1].(int64)) },
		"-(date, date)":           func(_ *Env, v []any) (any, error) { return int64(v[0].(int32)) - int64(v[1].(int32)), nil },
		"<@(jsonb, jsonb)":        func(_ *Env, v []any) (any, error) { return containsJSON(v[1].(string), v[0].(string), true), nil },
		"@>(jsonb, jsonb)":        func(_ *Env, v []any) (any, error) { return containsJSON(v[0].(string), v[1].(string), true), nil },
		"to_hex(int4)":            func(_ *Env, v []any) (any, error) { return strconv.FormatUint(uint64(uint32(v[0].(int64))), 16), nil },
		"sqrt(numeric)":           func(_ *Env, v []any) (any, error) { return sqrtDecimal(v[0].(*apd.Decimal)) },
		"power(numeric, numeric)": func(_ *Env, v []any) (any, error) { return powerDecimal(v[0].(*apd.Decimal), v[1].(*apd.Decimal)) },
		"mod(numeric, numeric)": func(_ *Env, v []any) (any, error) {
			return calculateDecimal("%", v[0].(*apd.Decimal), v[1].(*apd.Decimal))
		},
		"format(text, ...any)":     func(_ *Env, v []any) (any, error) { return formatArgs(v) },
		"regexp_match(text, text)": func(env *Env, v []any) (any, error) { return patternCalls["regexp_match"](env, append(v, "")) },
		"regexp_replace(text, text, text)": func(env *Env, v []any) (any, error) {
			return regexpReplace(env, append(v, ""))
		},
		"*(float8, interval)": func(_ *Env, v []any) (any, error) { return scaleInterval(v[1].(types.Interval), v[0].(float64)) },
		"-(interval)":         func(_ *Env, v []any) (any, error) { return negateValue(types.IntervalOID, v[0]) },
		"@(int4)":             absCall(types.Int4OID), "@(int8)": absCall(types.Int8OID), "@(float8)": absCall(types.Float8OID), "@(numeric)": absCall(types.NumericOID),
		"&(int2, int2)": intPair(func(a, b int64) int64 { return a & b }), "&(int4, int4)": intPair(func(a, b int64) int64 { return a & b }),
		"&(int8, int8)": intPair(func(a, b int64) int64 { return a & b }), "|(int2, int2)": intPair(func(a, b int64) int64 { return a | b }),
		"|(int4, int4)": intPair(func(a, b int64) int64 { return a | b }), "|(int8, int8)": intPair(func(a, b int64) int64 { return a | b }),
		"#(int4, int4)": intPair(func(a, b int64) int64 { return a ^ b }), "#(int8, int8)": intPair(func(a, b int64) int64 { return a ^ b }),
		"~(int2)": intNot, "~(int4)": intNot, "~(int8)": intNot,
		"pg_client_encoding()": func(*Env, []any) (any, error) { return "UTF8", nil },
	}
}

func intPair(f func(a, b int64) int64) goCall {
	return func(_ *Env, v []any) (any, error) { return f(v[0].(int64), v[1].(int64)), nil }
}

func intNot(_ *Env, v []any) (any, error) { return ^v[0].(int64), nil }

// formatArgs is format, which answers NULL only for a NULL template.
func formatArgs(v []any) (any, error) {
	f, ok := v[0].(string)
	if !ok {
		return nil, nil
	}
	return format(f, v[1:])
}

func charLength(_ *Env, v []any) (any, error) {
	return int64(utf8.RuneCountInString(v[0].(string))), nil
}

func reverse(_ *Env, v []any) (any, error) {
	r := []rune(v[0].(string))
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r), nil
}

func strpos(_ *Env, v []any) (any, error) {
	i := strings.Index(v[0].(string), v[1].(string))
	if i < 0 {
		return int64(0), nil
	}
	return int64(utf8.RuneCountInString(v[0].(string)[:i])) + 1, nil
}

func concat(_ *Env, v []any) (any, error) {
	var b strings.Builder
	for _, x := range v {
		if s, ok := x.(string); ok {
			b.WriteString(s)
		}
	}
	return b.String(), nil
}

func likeCall(insensitive, negative bool) goCall {
	return func(_ *Env, v []any) (any, error) {
		ok, err := likeMatch(v[0].(string), v[1].(string), `\`, insensitive)
		return ok != negative, err
	}
}

func matchCall(flags string, negative bool) goCall {
	return func(_ *Env, v []any) (any, error) {
		re, _, err := pattern(v[1].(string), flags)
		if err != nil {
			return nil, err
		}
		return re.MatchString(v[0].(string)) != negative, nil
	}
}

func absCall(oid uint32) goCall {
	return func(_ *Env, v []any) (any, error) {
		switch x := v[0].(type) {
		case int64:
			if x >= 0 {
				return x, nil
			}
			return negateValue(oid, x)
		case float32:
			return float32(math.Abs(float64(x))), nil
		case float64:
			return math.Abs(x), nil
		case *apd.Decimal:
			return new(apd.Decimal).Abs(x), nil
		}
		return nil, types.Errorf(types.CodeInternalError, "abs of a value of Go type %T", v[0])
	}
}

func floatCall(f func(float64) float64) goCall {
	return func(_ *Env, v []any) (any, error) { return f(v[0].(float64)), nil }
}

func addDays(d int32, n int64) (any, error) {
	if d == math.MaxInt32 || d == -math.MaxInt32 {
		return d, nil
	}
	s := int64(d) + n
	if s >= math.MaxInt32 || s <= -2451546 {
		return nil, types.Errorf(types.CodeDatetimeFieldOverflow, "date out of range")
	}
	return int32(s), nil
}
