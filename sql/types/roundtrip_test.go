package types

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"
)

// generators make values of each type in their Go form.
func generators() map[uint32]*rapid.Generator[any] {
	ints := func(low, high int64) *rapid.Generator[any] { return rapid.Int64Range(low, high).AsAny() }
	text := rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 }))
	bits := rapid.StringMatching(`[01]{0,40}`)
	return map[uint32]*rapid.Generator[any]{
		BoolOID: rapid.Bool().AsAny(), Int2OID: ints(math.MinInt16, math.MaxInt16), Int4OID: ints(math.MinInt32, math.MaxInt32),
		Int8OID: ints(math.MinInt64, math.MaxInt64), OidOID: ints(0, math.MaxUint32), Xid8OID: ints(0, math.MaxInt64),
		Float4OID:  rapid.Float32().AsAny(),
		Float8OID:  rapid.Float64().AsAny(),
		NumericOID: rapid.Custom(func(t *rapid.T) any { return drawDecimal(t) }),
		TextOID:    text.AsAny(), VarcharOID: text.AsAny(), NameOID: rapid.StringMatching(`[a-zé ]{0,20}`).AsAny(),
		ByteaOID: rapid.SliceOf(rapid.Byte()).AsAny(),
		UUIDOID:  rapid.Custom(func(t *rapid.T) any { return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid")) }),
		DateOID: rapid.Custom(func(t *rapid.T) any {
			return rapid.OneOf(rapid.Int32Range(minDay, endDay-1), rapid.SampledFrom([]int32{dateInfinity, -dateInfinity})).Draw(t, "date")
		}),
		TimeOID: ints(0, microsPerDay),
		TimetzOID: rapid.Custom(func(t *rapid.T) any {
			return TimeTZ{rapid.Int64Range(0, microsPerDay).Draw(t, "time"), rapid.Int32Range(-57599, 57599).Draw(t, "zone")}
		}),
		TimestampOID: drawTimestamp(), TimestamptzOID: drawTimestamp(),
		IntervalOID: rapid.Custom(func(t *rapid.T) any {
			return Interval{Months: rapid.Int32().Draw(t, "months"), Days: rapid.Int32().Draw(t, "days"), Micros: rapid.Int64().Draw(t, "micros")}
		}),
		JSONBOID: rapid.Custom(func(t *rapid.T) any {
			s, err := NormalizeJSON(drawJSON(t, 3))
			if err != nil {
				t.Fatal(err)
			}
			return s
		}),
		VectorOID: drawVector(func(t *rapid.T) float32 { return rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32).Draw(t, "x") }),
		HalfvecOID: drawVector(func(t *rapid.T) float32 {
			return halfToFloat(uint16(rapid.IntRange(0, 0x7bff).Draw(t, "half") | rapid.SampledFrom([]int{0, 0x8000}).Draw(t, "sign")))
		}),
		BitOID: bits.AsAny(), VarbitOID: bits.AsAny(),
	}
}

func drawVector(element func(*rapid.T) float32) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		x := make([]float32, rapid.IntRange(1, 20).Draw(t, "dim"))
		for i := range x {
			x[i] = element(t)
		}
		return x
	})
}

func drawTimestamp() *rapid.Generator[any] {
	return rapid.OneOf(rapid.Int64Range(minDay*microsPerDay, infinity-1), rapid.SampledFrom([]int64{infinity, -infinity})).AsAny()
}

func drawDecimal(t *rapid.T) *apd.Decimal {
	switch rapid.IntRange(0, 20).Draw(t, "form") {
	case 0:
		return &apd.Decimal{Form: apd.NaN}
	case 1:
		return &apd.Decimal{Form: apd.Infinite}
	case 2:
		return &apd.Decimal{Form: apd.Infinite, Negative: true}
	}
	coeff, _ := new(big.Int).SetString(rapid.StringMatching(`[0-9]{1,60}`).Draw(t, "digits"), 10)
	d := &apd.Decimal{Exponent: -rapid.Int32Range(0, 70).Draw(t, "scale")}
	d.Coeff.SetMathBigInt(coeff)
	d.Negative = coeff.Sign() != 0 && rapid.Bool().Draw(t, "negative")
	return d
}

func drawJSON(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if depth == 0 {
		kind %= 5
	}
	quoted := func() string {
		return string(appendJSONString(nil, rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 })).Draw(t, "string")))
	}
	switch kind {
	case 0:
		return "null"
	case 1:
		return "true"
	case 2:
		return fmt.Sprint(rapid.Int64().Draw(t, "int"))
	case 3:
		return rapid.StringMatching(`-?(0|[1-9][0-9]{0,10})\.[0-9]{1,10}([eE][+-]?[0-9])?`).Draw(t, "number")
	case 4:
		return quoted()
	}
	var parts []string
	for range rapid.IntRange(0, 4).Draw(t, "count") {
		v := drawJSON(t, depth-1)
		if kind == 6 {
			v = quoted() + ":" + v
		}
		parts = append(parts, v)
	}
	if kind == 6 {
		return "{" + strings.Join(parts, " , ") + "}"
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// same compares values; NaN equals NaN, and decimals must agree in every digit.
func same(a, b any) bool {
	switch x := a.(type) {
	case *apd.Decimal:
		y, ok := b.(*apd.Decimal)
		return ok && x.Form == y.Form && x.Negative == y.Negative && (x.Form != apd.Finite || x.Exponent == y.Exponent && x.Coeff.Cmp(&y.Coeff) == 0)
	case float32:
		y, ok := b.(float32)
		return ok && (x == y && math.Signbit(float64(x)) == math.Signbit(float64(y)) || x != x && y != y)
	case float64:
		y, ok := b.(float64)
		return ok && (x == y && math.Signbit(x) == math.Signbit(y) || x != x && y != y)
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

// TestRoundTrips writes and reads values in both forms, alone and in arrays, under changing styles.
func TestRoundTrips(t *testing.T) {
	berlin, err := LoadZone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	zones := []*time.Location{nil, berlin, fixedZone(-19800)}
	for oid, values := range generators() {
		typ := Of(oid)
		t.Run(typ.String(), rapid.MakeCheck(func(t *rapid.T) {
			v := values.Draw(t, "value")
			st := &Style{TimeZone: rapid.SampledFrom(zones).Draw(t, "zone"), ByteaEscape: rapid.Bool().Draw(t, "escape"),
				IntervalStyle: rapid.SampledFrom([]IntervalStyle{IntervalPostgres, IntervalISO8601}).Draw(t, "intervals")}
			roundTrip(t, typ, v, st)
			array, ok := ArrayOf(typ)
			if !ok {
				t.Fatal("no array type")
			}
			list := rapid.SliceOfN(rapid.OneOf(values, rapid.Just[any](nil)), 0, 4).Draw(t, "list")
			roundTrip(t, array, list, st)
		}))
	}
}

func roundTrip(t *rapid.T, typ Type, v any, st *Style) {
	b, err := AppendBinary([]byte{}, typ, v)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseBinary(typ, b)
	if err != nil || !same(v, back) {
		t.Fatalf("%s: %#v in binary is %x, comes back %#v (%v)", typ, v, b, back, err)
	}
	if edge(v) {
		return
	}
	text, err := AppendText(nil, typ, v, st)
	if err != nil {
		t.Fatal(err)
	}
	back, err = ParseText(typ, string(text), st)
	if err != nil || !same(v, back) {
		t.Fatalf("%s: %#v in text is %q, comes back %#v (%v)", typ, v, text, back, err)
	}
}

// edge reports whether a value has a text that PostgreSQL, too, cannot read: moments that the zone moves over the ends
// of time, repeated hours, and intervals whose hours overflow on the way.
func edge(v any) bool {
	switch x := v.(type) {
	case int64:
		const ends = 2 * microsPerDay
		return x != infinity && x != -infinity && (x > infinity-ends || x < minDay*microsPerDay+ends)
	case Interval:
		return x.Micros == math.MinInt64 || x.Months == math.MinInt32 || x.Days == math.MinInt32
	case []any:
		for _, e := range x {
			if edge(e) {
				return true
			}
		}
	}
	return false
}

func TestHalfPrecision(t *testing.T) {
	for h := range 1 << 16 { // every half is itself again
		f := halfToFloat(uint16(h))
		if back := floatToHalf(f); back != uint16(h) && f == f {
			t.Fatalf("%04x is %v is %04x", h, f, back)
		}
	}
	nearest := func(f float32) uint16 { // by search among all positive halves
		best, at := math.Inf(1), uint16(0)
		for h := range uint16(0x7c00) {
			if d := math.Abs(float64(halfToFloat(h)) - float64(f)); d < best || d == best && h&1 == 0 {
				best, at = d, h
			}
		}
		return at
	}
	for _, f := range []float32{0.1, 1.0 / 3, 1e-7, 5.9e-8, 2.9e-8, 3e-8, 6.1e-5, 2049, 2051, 65503, 65519, 1.00048828125, 1.0014648, 3.0517578e-5} {
		if got := floatToHalf(f); got != nearest(f) {
			t.Errorf("%v rounds to %04x, nearest is %04x", f, got, nearest(f))
		}
	}
	if floatToHalf(65520) != 0x7c00 || floatToHalf(-1e9) != 0xfc00 || floatToHalf(float32(math.NaN())) != 0x7e00 {
		t.Error("what is too large must become infinite, NaN stay NaN")
	}
}

// TestVectors holds the vector types against the words of pgvector 0.8.
func TestVectors(t *testing.T) {
	many := "[" + strings.Repeat("1,", MaxDimensions) + "1]"
	for _, test := range []struct {
		typ, text, want, code, detail string
	}{
		{"vector", "[1,2,3]", "[1,2,3]", "", ""},
		{"vector(3)", " [ 1.5 , -2e3,\t.25 ] ", "[1.5,-2000,0.25]", "", ""},
		{"vector", "[1e-45,3.4e38,0.1]", "[1e-45,3.4e+38,0.1]", "", ""},
		{"halfvec", "[0.1,65504,1]", "[0.099975586,65504,1]", "", ""},
		{"vector", "[1e-50]", "[0]", "", ""},
		{"vector", "[]", "vector must have at least 1 dimension", "22000", ""},
		{"vector", "", `invalid input syntax for type vector: ""`, "22P02", `Vector contents must start with "[".`},
		{"vector", "1,2", `invalid input syntax for type vector: "1,2"`, "22P02", `Vector contents must start with "[".`},
		{"vector", "[1,2", `invalid input syntax for type vector: "[1,2"`, "22P02", ""},
		{"vector", "[1,,2]", `invalid input syntax for type vector: "[1,,2]"`, "22P02", ""},
		{"vector", "[1,a]", `invalid input syntax for type vector: "[1,a]"`, "22P02", ""},
		{"vector", "[1]x", `invalid input syntax for type vector: "[1]x"`, "22P02", "Junk after closing right brace."},
		{"vector", "[NaN]", "NaN not allowed in vector", "22000", ""},
		{"vector", "[1,-inf]", "infinite value not allowed in vector", "22000", ""},
		{"vector", "[1e39]", `"1e39" is out of range for type vector`, "22003", ""},
		{"halfvec", "[70000]", `"70000" is out of range for type halfvec`, "22003", ""},
		{"halfvec", "[NaN]", "NaN not allowed in halfvec", "22000", ""},
		{"vector(3)", "[1,2]", "expected 3 dimensions, not 2", "22000", ""},
		{"vector", many, "vector cannot have more than 16000 dimensions", "54000", ""},
	} {
		typ, err := ByName(test.typ)
		if err != nil {
			t.Fatal(err)
		}
		v, err := ParseText(typ, test.text, nil)
		if test.code == "" {
			text, _ := AppendText(nil, typ, v, nil)
			if err != nil || string(text) != test.want {
				t.Errorf("%s %q: %q %v", test.typ, test.text, text, err)
			}
			continue
		}
		e, ok := err.(*Error)
		if !ok || e.Code != test.code || e.Message != test.want || e.Detail != test.detail {
			t.Errorf("%s %.40q: %v, want %s", test.typ, test.text, err, test.want)
		}
	}
	for want, b := range map[string]string{
		"vector must have at least 1 dimension":         "\x00\x00\x00\x00",
		"vector cannot have more than 16000 dimensions": "\x3e\x81\x00\x00",
		"expected unused to be 0, not 1":                "\x00\x01\x00\x01\x3f\x80\x00\x00",
		"insufficient data left in message":             "\x00\x02\x00\x00\x3f\x80\x00\x00",
		"incorrect binary data format":                  "\x00\x01\x00\x00\x3f\x80\x00\x00\x00",
		"NaN not allowed in vector":                     "\x00\x01\x00\x00\x7f\xc0\x00\x00",
		"infinite value not allowed in vector":          "\x00\x01\x00\x00\xff\x80\x00\x00",
	} {
		if v, err := ParseBinary(Of(VectorOID), []byte(b)); err == nil || err.(*Error).Message != want {
			t.Errorf("%x: %v %v, want %s", b, v, err, want)
		}
	}
}
