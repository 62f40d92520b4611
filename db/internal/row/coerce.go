package row

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/apd/v3"
)

// Coerce brings a Go value into the form of a type and checks its range. nil, nil pointers and nil slices are NULL. The result
// never aliases v. Besides its own form each kind takes what has one obvious reading in it:
//
//	integers    every Go integer; floats and decimals, rounded as PostgreSQL's assignment casts do
//	floats      every Go number, decimals
//	numeric     every Go number, big.Int, apd.Decimal, decimal text
//	text kinds  string, []byte; blanks beyond varchar(n) and char(n) are cut, char(n) is padded
//	bytea       []byte; uuid: 16 bytes or text
//	date, time, timestamp   time.Time's reading on its own clock; timestamptz: its instant; time: also time.Duration
//	interval    time.Duration
//	json, jsonb text, []byte, maps and slices through encoding/json
//	vectors     []float32, []float64, []int and the like, anything with Slice() []float32
//	arrays      slices of what the element takes
//
// The errors are *TypeError, *RangeError, *LengthError, *DimensionError and *ValueError.
func Coerce(t Type, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch t.Kind {
	case Bool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case Int2, Int4, Int8:
		if x, ok, err := toInt(t, v); ok {
			return x, err
		}
	case Float4, Float8:
		if x, ok, err := toFloat(t, v); ok {
			return x, err
		}
	case Numeric:
		if x, ok, err := toDecimal(t, v); ok {
			return x, err
		}
	case Text, Varchar, Char:
		if s, ok := toString(v); ok {
			return checkText(t, s)
		}
	case JSON, JSONB:
		if s, ok := toString(v); ok {
			return checkJSON(t, s)
		}
	case Bit, Varbit:
		if s, ok := toString(v); ok {
			return checkBits(t, s)
		}
	case Bytea:
		if b, ok := v.([]byte); ok && b != nil {
			return append(make([]byte, 0, len(b)), b...), nil
		}
	case UUID:
		if x, ok, err := toUUID(t, v); ok {
			return x, err
		}
	case Date, Time, Timestamp, Timestamptz, IntervalK:
		if x, ok, err := toTime(t, v); ok {
			return x, err
		}
	case Vector, Halfvec:
		if x, ok, err := toVector(t, v); ok {
			return x, err
		}
	case Array:
		if a, ok := v.([]any); ok && a != nil {
			return coerceArray(t, len(a), func(i int) any { return a[i] })
		}
	}
	return coerceReflect(t, v)
}

// coerceReflect handles named types, pointers and typed slices by bringing them to the types Coerce knows.
func coerceReflect(t Type, v any) (any, error) {
	r := reflect.ValueOf(v)
	var plain any
	switch r.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			return nil, nil
		}
		return Coerce(t, r.Elem().Interface())
	case reflect.Bool:
		plain = r.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		plain = r.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		plain = r.Uint()
	case reflect.Float32:
		plain = float32(r.Float())
	case reflect.Float64:
		plain = r.Float()
	case reflect.String:
		plain = r.String()
	case reflect.Map:
		if t.Kind == JSON || t.Kind == JSONB {
			return marshalJSON(t, v)
		}
	case reflect.Array, reflect.Slice:
		return coerceSlice(t, r)
	}
	if plain == nil || reflect.TypeOf(v) == reflect.TypeOf(plain) || isDuration(v) {
		return nil, typeError(t, v)
	}
	return Coerce(t, plain)
}

// isDuration keeps time.Duration from being read as a plain integer.
func isDuration(v any) bool { _, ok := v.(time.Duration); return ok }

func coerceSlice(t Type, r reflect.Value) (any, error) {
	if r.Kind() == reflect.Slice && r.IsNil() {
		return nil, nil
	}
	bytes := r.Type().Elem().Kind() == reflect.Uint8
	switch {
	case t.Kind == Array:
		return coerceArray(t, r.Len(), func(i int) any { return r.Index(i).Interface() })
	case bytes && (r.Kind() == reflect.Slice || t.Kind == UUID):
		b := make([]byte, r.Len())
		reflect.Copy(reflect.ValueOf(b), r)
		if _, already := r.Interface().([]byte); !already {
			return Coerce(t, b)
		}
	case t.Kind == JSON || t.Kind == JSONB:
		return marshalJSON(t, r.Interface())
	case t.Kind == Vector || t.Kind == Halfvec:
		x := make([]float32, r.Len())
		for i := range x {
			e, err := Coerce(Of(Float4), r.Index(i).Interface())
			if err != nil {
				return nil, err
			}
			f, ok := e.(float32)
			if !ok {
				return nil, typeError(t, r.Interface())
			}
			x[i] = f
		}
		return checkVector(t, x)
	}
	return nil, typeError(t, r.Interface())
}

func coerceArray(t Type, n int, at func(int) any) (any, error) {
	a := make([]any, n)
	for i := range a {
		var err error
		if a[i], err = Coerce(Type{Kind: t.Elem, Mod: t.Mod}, at(i)); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func marshalJSON(t Type, v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, &ValueError{Type: t, Code: "22P02", Reason: "invalid input for type json: " + err.Error()}
	}
	return checkJSON(t, string(b))
}

func typeError(t Type, v any) error { return &TypeError{Type: t, Got: fmt.Sprintf("%T", v)} }

func toString(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case []byte:
		return string(x), x != nil
	}
	return "", false
}

func toInt(t Type, v any) (any, bool, error) {
	var x int64
	switch n := v.(type) {
	case int64:
		x = n
	case int:
		x = int64(n)
	case uint64:
		if n > math.MaxInt64 {
			return nil, true, &RangeError{Type: t, Value: strconv.FormatUint(n, 10)}
		}
		x = int64(n)
	case float32:
		return toInt(t, float64(n))
	case float64:
		r := math.RoundToEven(n)
		if !(r >= -1<<63 && r < 1<<63) {
			return nil, true, &RangeError{Type: t, Value: strconv.FormatFloat(n, 'g', -1, 64)}
		}
		x = int64(r)
	case apd.Decimal:
		return toInt(t, &n)
	case *apd.Decimal:
		if n == nil {
			return nil, false, nil
		}
		d, err := normalDecimal(Type{Kind: Numeric, Mod: 131 << 16}, n)
		if err != nil || d.Form != apd.Finite {
			return nil, true, &RangeError{Type: t, Value: n.Text('f')}
		}
		b := d.Coeff.MathBigInt()
		if d.Negative {
			b = new(big.Int).Neg(b)
		}
		return toInt(t, b)
	case big.Int:
		return toInt(t, &n)
	case *big.Int:
		if n == nil {
			return nil, false, nil
		}
		if !n.IsInt64() {
			return nil, true, &RangeError{Type: t, Value: n.String()}
		}
		x = n.Int64()
	default:
		return nil, false, nil
	}
	if (t.Kind == Int2 && x != int64(int16(x))) || (t.Kind == Int4 && x != int64(int32(x))) {
		return nil, true, &RangeError{Type: t, Value: strconv.FormatInt(x, 10)}
	}
	return x, true, nil
}

func toFloat(t Type, v any) (any, bool, error) {
	var x float64
	switch n := v.(type) {
	case float64:
		x = n
	case float32:
		x = float64(n)
	case int:
		x = float64(n)
	case int64:
		x = float64(n)
	case uint64:
		x = float64(n)
	case apd.Decimal:
		return toFloat(t, &n)
	case *apd.Decimal:
		if n == nil {
			return nil, false, nil
		}
		var err error
		if x, err = strconv.ParseFloat(n.Text('e'), 64); err != nil && n.Form != apd.NaN && n.Form != apd.NaNSignaling {
			return nil, true, &RangeError{Type: t, Value: n.Text('e')}
		} else if err != nil {
			x = math.NaN()
		}
	default:
		return nil, false, nil
	}
	if t.Kind == Float8 {
		return x, true, nil
	}
	f, isF4 := v.(float32)
	if !isF4 {
		f = float32(x)
	}
	if (math.IsInf(float64(f), 0) && !math.IsInf(x, 0)) || (f == 0 && x != 0) {
		return nil, true, &RangeError{Type: t, Value: strconv.FormatFloat(x, 'g', -1, 64)}
	}
	return f, true, nil
}

func toDecimal(t Type, v any) (any, bool, error) {
	var d *apd.Decimal
	switch n := v.(type) {
	case *apd.Decimal:
		if n == nil {
			return nil, false, nil
		}
		d = n
	case apd.Decimal:
		d = &n
	case int:
		d = apd.New(int64(n), 0)
	case int64:
		d = apd.New(n, 0)
	case uint64:
		d = decimalOf(new(big.Int).SetUint64(n))
	case *big.Int:
		if n == nil {
			return nil, false, nil
		}
		d = decimalOf(n)
	case big.Int:
		d = decimalOf(&n)
	case float64:
		return toDecimal(t, strconv.FormatFloat(n, 'g', -1, 64))
	case float32:
		return toDecimal(t, strconv.FormatFloat(float64(n), 'g', -1, 32))
	case string:
		parsed, err := parseDecimal(t, n)
		if err != nil {
			return nil, true, err
		}
		return parsed, true, nil
	default:
		return nil, false, nil
	}
	d, err := normalDecimal(t, d)
	if err != nil {
		return nil, true, err
	}
	return d, true, nil
}

// checkText checks the encoding and applies the length of varchar(n) and char(n), counted in characters.
func checkText(t Type, s string) (any, error) {
	if i := strings.IndexByte(s, 0); i >= 0 {
		return nil, &ValueError{Type: t, Code: "22021", Reason: `invalid byte sequence for encoding "UTF8": 0x00`}
	}
	if !utf8.ValidString(s) {
		return nil, &ValueError{Type: t, Code: "22021", Reason: `invalid byte sequence for encoding "UTF8": ` + firstInvalid(s)}
	}
	if t.Kind == Text || t.Mod < 0 {
		return s, nil
	}
	limit, n := int(t.Mod), utf8.RuneCountInString(s)
	if n > limit {
		cut := len(s)
		for i := range s {
			if limit == 0 {
				cut = i
				break
			}
			limit--
		}
		if strings.Trim(s[cut:], " ") != "" {
			return nil, &LengthError{Type: t, Got: n}
		}
		return s[:cut], nil
	}
	if t.Kind == Char {
		s += strings.Repeat(" ", limit-n)
	}
	return s, nil
}

func firstInvalid(s string) string {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return fmt.Sprintf("0x%02x", s[i])
		}
	}
	return ""
}

func checkJSON(t Type, s string) (any, error) {
	if _, err := checkText(Of(Text), s); err != nil {
		return nil, err
	}
	if t.Kind == JSONB {
		out, err := NormalizeJSONB(s)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
	if err := validJSON(s); err != nil {
		return nil, err
	}
	return s, nil
}

func badBit(t Type, rest string) error {
	r, _ := utf8.DecodeRuneInString(rest)
	return &ValueError{Type: t, Code: "22P02", Reason: fmt.Sprintf("%q is not a valid binary digit", string(r))}
}

func checkBits(t Type, s string) (any, error) {
	if i := strings.IndexFunc(s, func(r rune) bool { return r != '0' && r != '1' }); i >= 0 {
		return nil, badBit(t, s[i:])
	}
	if t.Mod >= 0 && (len(s) > int(t.Mod) || (t.Kind == Bit && len(s) != int(t.Mod))) {
		return nil, &LengthError{Type: t, Got: len(s)}
	}
	return s, nil
}

func toUUID(t Type, v any) (any, bool, error) {
	switch x := v.(type) {
	case [16]byte:
		return x, true, nil
	case []byte:
		if len(x) == 16 {
			return [16]byte(x), true, nil
		}
	case string:
		text := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(x, "{"), "}"), "-", "")
		if b, err := hex.DecodeString(text); err == nil && len(b) == 16 {
			return [16]byte(b), true, nil
		}
		return nil, true, &ValueError{Type: t, Code: "22P02", Reason: "invalid input syntax for type uuid: " + strconv.Quote(x)}
	}
	return nil, false, nil
}
