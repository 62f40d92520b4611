package row_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"

	"engram/db/internal/row"
	"engram/db/internal/row/rowtest"
)

type myString string
type myUUID [16]byte
type sliced struct{ v []float32 }

func (s sliced) Slice() []float32 { return s.v }

func typ(k row.Kind, mod int32) row.Type { return row.Type{Kind: k, Mod: mod} }

func numeric(p, s int) row.Type { return typ(row.Numeric, int32(p)<<16|int32(uint16(s))) }

func TestCoerce(t *testing.T) {
	three := 3
	when := time.Date(2024, 2, 29, 23, 30, 1, 5000, time.FixedZone("", 3600))
	wall := int64(1709249401000005) // the same reading on a clock in UTC
	for _, c := range []struct {
		t       row.Type
		v, want any
	}{
		{row.Of(row.Bool), true, true},
		{row.Of(row.Int4), 3, int64(3)}, {row.Of(row.Int4), &three, int64(3)}, {row.Of(row.Int2), uint8(3), int64(3)}, {row.Of(row.Int8), uint64(7), int64(7)},
		{row.Of(row.Int8), 2.5, int64(2)}, {row.Of(row.Int8), float32(3.5), int64(4)}, {row.Of(row.Int8), apd.New(25, -1), int64(3)}, {row.Of(row.Int8), *apd.New(-25, -1), int64(-3)},
		{row.Of(row.Int8), big.NewInt(9), int64(9)}, {row.Of(row.Int8), *big.NewInt(9), int64(9)},
		{row.Of(row.Float8), 3, 3.0}, {row.Of(row.Float8), float32(1.5), 1.5}, {row.Of(row.Float4), 1.5, float32(1.5)}, {row.Of(row.Float8), int64(2), 2.0},
		{row.Of(row.Float8), uint64(2), 2.0}, {row.Of(row.Float8), apd.New(15, -1), 1.5}, {row.Of(row.Float8), *apd.New(15, -1), 1.5}, {row.Of(row.Float4), math.Inf(1), float32(math.Inf(1))},
		{row.Of(row.Text), "é", "é"}, {row.Of(row.Text), []byte("x"), "x"}, {row.Of(row.Text), myString("x"), "x"},
		{typ(row.Varchar, 2), "ab  ", "ab"}, {typ(row.Varchar, 2), "é漢", "é漢"}, {typ(row.Char, 3), "a", "a  "}, {typ(row.Char, 1), "é ", "é"}, {row.Of(row.Varchar), "long", "long"},
		{row.Of(row.Bytea), []byte{1}, []byte{1}}, {row.Of(row.Bytea), json.RawMessage("1"), []byte("1")},
		{row.Of(row.UUID), "{00000000-0000-0000-0000-0000000000ff}", [16]byte{15: 255}}, {row.Of(row.UUID), myUUID{1}, [16]byte{1}}, {row.Of(row.UUID), make([]byte, 16), [16]byte{}}, {row.Of(row.UUID), [16]byte{2}, [16]byte{2}},
		{row.Of(row.Date), when, int32(19782)}, {row.Of(row.Date), time.Unix(-1, 0).UTC(), int32(-1)}, {row.Of(row.Date), 5, int32(5)}, {row.Of(row.Date), int32(5), int32(5)}, {row.Of(row.Date), int64(math.MaxInt32), row.DateInfinity},
		{row.Of(row.Time), when, int64(84601000005)}, {row.Of(row.Time), time.Second, int64(1000000)},
		{row.Of(row.Timestamp), when, wall}, {row.Of(row.Timestamptz), when, wall - 3600000000}, {row.Of(row.Timestamptz), row.TimestampMinusInfinity, row.TimestampMinusInfinity},
		{row.Of(row.IntervalK), time.Minute, row.Interval{Micros: 60000000}}, {row.Of(row.IntervalK), row.Interval{Months: 1}, row.Interval{Months: 1}},
		{row.Of(row.JSON), ` {"a" : 1}`, ` {"a" : 1}`}, {row.Of(row.JSONB), []byte(` {"a" : 1}`), `{"a": 1}`}, {row.Of(row.JSONB), map[string]any{"b": 1, "a": []int{1}}, `{"a": [1], "b": 1}`},
		{row.Of(row.JSONB), []any{1, "x"}, `[1, "x"]`}, {row.Of(row.JSON), `"\u0000\ud800"`, `"\u0000\ud800"`}, {row.Of(row.JSONB), json.RawMessage(`1`), `1`},
		{typ(row.Vector, 2), []float32{1, 2}, []float32{1, 2}}, {row.Of(row.Vector), []float64{1}, []float32{1}}, {row.Of(row.Vector), []int{1, 2}, []float32{1, 2}}, {row.Of(row.Vector), sliced{[]float32{4}}, []float32{4}},
		{row.Of(row.Halfvec), []float32{1.0001, 65504, 1e-9}, []float32{1, 65504, 0}},
		{typ(row.Bit, 3), "101", "101"}, {typ(row.Varbit, 3), "1", "1"},
		{row.Type{Kind: row.Array, Elem: row.Int4, Mod: -1}, []int{1}, []any{int64(1)}}, {row.Type{Kind: row.Array, Elem: row.Text, Mod: -1}, []any{"a", nil}, []any{"a", nil}}, {row.Type{Kind: row.Array, Elem: row.Text, Mod: -1}, []string{}, []any{}},
		{row.Of(row.Int4), nil, nil}, {row.Of(row.Int4), (*int)(nil), nil}, {row.Of(row.Bytea), []byte(nil), nil}, {row.Of(row.Vector), []float32(nil), nil}, {row.Of(row.Vector), []float64(nil), nil},
		{row.Of(row.Numeric), (*apd.Decimal)(nil), nil}, {row.Of(row.Int4), (*apd.Decimal)(nil), nil}, {row.Of(row.Float8), (*apd.Decimal)(nil), nil}, {row.Of(row.Int4), (*big.Int)(nil), nil}, {row.Of(row.Numeric), (*big.Int)(nil), nil},
		{row.Type{Kind: row.Array, Elem: row.Text, Mod: -1}, []string(nil), nil},
	} {
		got, err := row.Coerce(c.t, c.v)
		if err != nil || !same(c.want, got) {
			t.Errorf("%T %v as %s: %#v, %v, want %#v", c.v, c.v, c.t, got, err, c.want)
		}
	}
}

func TestCoerceNumeric(t *testing.T) {
	for _, c := range []struct {
		t    row.Type
		v    any
		want string
	}{
		{row.Of(row.Numeric), "1.50", "1.50"}, {row.Of(row.Numeric), " -0.00 ", "0.00"}, {row.Of(row.Numeric), "1e3", "1000"}, {row.Of(row.Numeric), "1.5E-2", "0.015"}, {row.Of(row.Numeric), "+7.", "7"},
		{row.Of(row.Numeric), ".5", "0.5"}, {row.Of(row.Numeric), "nan", "NaN"}, {row.Of(row.Numeric), "-inf", "-Infinity"}, {row.Of(row.Numeric), 3, "3"}, {row.Of(row.Numeric), int8(3), "3"}, {row.Of(row.Numeric), uint64(math.MaxUint64), "18446744073709551615"},
		{row.Of(row.Numeric), 0.1, "0.1"}, {row.Of(row.Numeric), float32(0.1), "0.1"}, {row.Of(row.Numeric), big.NewInt(-5), "-5"}, {row.Of(row.Numeric), *big.NewInt(5), "5"}, {row.Of(row.Numeric), *apd.New(5, 2), "500"},
		{numeric(5, 2), "1.005", "1.01"}, {numeric(5, 2), "-1.005", "-1.01"}, {numeric(5, 2), "999.994", "999.99"}, {numeric(5, 2), "7", "7.00"}, {numeric(5, 2), "0.0001", "0.00"}, {numeric(3, -2), "12350", "12400"}, {numeric(3, -2), "49", "0"},
		{numeric(2, 4), "0.00991", "0.0099"}, {numeric(5, 2), "-0.001", "0.00"}, {row.Of(row.Numeric), "0e-20000", "0." + strings.Repeat("0", 16383)}, {row.Of(row.Numeric), "1e-99999999", "0." + strings.Repeat("0", 16383)},
	} {
		got, err := row.Coerce(c.t, c.v)
		if err != nil || got.(*apd.Decimal).Text('f') != c.want {
			t.Errorf("%v as %s: %v, %v, want %s", c.v, c.t, got, err, c.want)
		}
	}
}

func TestCoerceRefuses(t *testing.T) {
	var (
		dim  *row.DimensionError
		rng  *row.RangeError
		lng  *row.LengthError
		tpe  *row.TypeError
		val  *row.ValueError
		huge = new(big.Int).Lsh(big.NewInt(1), 70)
	)
	for _, c := range []struct {
		t       row.Type
		v       any
		as      any
		message string
	}{
		{typ(row.Vector, 3), []float32{1, 2}, &dim, "expected 3 dimensions, not 2"},
		{row.Of(row.Vector), []float32{}, &val, "vector must have at least 1 dimension"},
		{row.Of(row.Vector), make([]float32, 16001), &val, "vector cannot have more than 16000 dimensions"},
		{row.Of(row.Vector), []float32{float32(math.NaN())}, &val, "NaN not allowed in vector"},
		{row.Of(row.Halfvec), []float64{math.Inf(-1)}, &val, "infinite value not allowed in halfvec"},
		{row.Of(row.Halfvec), []float32{70000}, &rng, `value "70000" is out of range for type halfvec`},
		{row.Of(row.Vector), []float64{1e300}, &rng, ""},
		{row.Of(row.Vector), []string{"x"}, &tpe, ""}, {row.Of(row.Vector), []any{nil}, &tpe, ""}, {row.Of(row.Vector), "x", &tpe, ""},
		{row.Of(row.Int2), 40000, &rng, `value "40000" is out of range for type smallint`}, {row.Of(row.Int4), int64(1) << 40, &rng, ""}, {row.Of(row.Int8), uint64(1) << 63, &rng, ""}, {row.Of(row.Int8), 1e19, &rng, ""},
		{row.Of(row.Int8), math.NaN(), &rng, ""}, {row.Of(row.Int8), huge, &rng, ""}, {row.Of(row.Int8), &apd.Decimal{Form: apd.NaN}, &rng, ""}, {row.Of(row.Int4), "3", &tpe, "a Go value of type string cannot be stored as integer"},
		{row.Of(row.Int4), true, &tpe, ""}, {row.Of(row.Bool), 1, &tpe, ""}, {row.Of(row.Int8), time.Second, &tpe, ""}, {row.Of(row.Int4), struct{}{}, &tpe, ""},
		{row.Of(row.Float4), 1e300, &rng, ""}, {row.Of(row.Float4), 1e-300, &rng, ""}, {row.Of(row.Float8), apd.New(1, 400), &rng, ""}, {row.Of(row.Float8), "x", &tpe, ""},
		{row.Of(row.Text), "a\x00", &val, `invalid byte sequence for encoding "UTF8": 0x00`}, {row.Of(row.Text), "a\xff", &val, `invalid byte sequence for encoding "UTF8": 0xff`}, {row.Of(row.Text), 3, &tpe, ""},
		{typ(row.Varchar, 2), "abc", &lng, "value too long for type character varying(2)"}, {typ(row.Char, 2), "a b", &lng, "value too long for type character(2)"},
		{typ(row.Bit, 3), "10", &lng, "bit string length 2 does not match type bit(3)"}, {typ(row.Varbit, 3), "1010", &lng, "bit string too long for type bit varying(3)"}, {typ(row.Bit, 2), "1é", &val, `"é" is not a valid binary digit`},
		{numeric(3, 1), "99.95", &rng, "numeric field overflow"}, {numeric(3, 1), "inf", &rng, "numeric field overflow"}, {row.Of(row.Numeric), "1e131073", &rng, "value overflows numeric format"}, {row.Of(row.Numeric), apd.New(1, 1<<30), &rng, ""},
		{row.Of(row.Numeric), "1e99999999999", &rng, ""}, {row.Of(row.Numeric), "", &val, `invalid input syntax for type numeric: ""`}, {row.Of(row.Numeric), "1e", &val, ""}, {row.Of(row.Numeric), "--1", &val, ""}, {row.Of(row.Numeric), ".", &val, ""}, {row.Of(row.Numeric), true, &tpe, ""},
		{row.Of(row.UUID), "zz", &val, `invalid input syntax for type uuid: "zz"`}, {row.Of(row.UUID), []byte{1}, &tpe, ""},
		{row.Of(row.Date), int64(math.MaxInt32) - 1, &rng, ""}, {row.Of(row.Date), time.Date(-9000, 1, 1, 0, 0, 0, 0, time.UTC), &rng, ""}, {row.Of(row.Time), int64(86400000001), &rng, ""}, {row.Of(row.Timestamp), int64(math.MinInt64), &rng, ""},
		{row.Of(row.Timestamptz), time.Date(300000, 1, 1, 0, 0, 0, 0, time.UTC), &rng, ""}, {row.Of(row.IntervalK), 5, &tpe, ""}, {row.Of(row.IntervalK), time.Now(), &tpe, ""}, {row.Of(row.Date), "x", &tpe, ""},
		{row.Of(row.JSON), "{", &val, ""}, {row.Of(row.JSONB), `"\u0000"`, &val, `unsupported Unicode escape sequence: \u0000 cannot be converted to text`}, {row.Of(row.JSONB), "1e200000", &rng, ""}, {row.Of(row.JSONB), map[string]any{"f": func() {}}, &val, ""}, {row.Of(row.JSON), "\"\xff\"", &val, ""},
		{row.Type{Kind: row.Array, Elem: row.Int2}, []int{1 << 20}, &rng, ""}, {row.Of(row.Text), []int{1}, &tpe, ""},
	} {
		got, err := row.Coerce(c.t, c.v)
		if err == nil || got != nil || !errors.As(err, c.as) || (c.message != "" && err.Error() != c.message) || err.Error() == "" {
			t.Errorf("%T %.40v as %s: %v, %v", c.v, c.v, c.t, got, err)
		}
	}
}

// Coerce is the identity on values already in form, and never shares memory with them.
func TestCoerceKeeps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rowtest.Types().Draw(t, "type")
		v := rowtest.Values(typ).Draw(t, "value")
		got, err := row.Coerce(typ, v)
		if err != nil || !same(v, got) {
			t.Fatalf("%v as %s: %v, %v", v, typ, got, err)
		}
		switch x := got.(type) {
		case []byte:
			if len(x) > 0 && &x[0] == &v.([]byte)[0] {
				t.Fatal("the bytes are shared")
			}
		case []float32:
			if &x[0] == &v.([]float32)[0] {
				t.Fatal("the vector is shared")
			}
		}
	})
}

func TestNormalizeJSONB(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1,"a":2}`: `{"a": 2, "b": 1}`, `{"aa":1,"b":2,"b":3}`: `{"b": 3, "aa": 1}`, ` [ 1 , "x" , null,true ,false ] `: `[1, "x", null, true, false]`,
		`{"a": 1, "b": [1, 2]}`: `{"a": 1, "b": [1, 2]}`, `{}`: `{}`, `[]`: `[]`, `1e3`: `1000`, `1.50`: `1.50`, `-0`: `0`, `1E-3`: `0.001`, `12345678901234567890.123`: `12345678901234567890.123`,
		`"\u00e9\ud83d\ude00\/"`: `"é😀/"`, `"\u0001\b\f\n\r\t\"\\\u007f"`: "\"\\u0001\\b\\f\\n\\r\\t\\\"\\\\\x7f\"", `{"":{"k":[{}]}}`: `{"": {"k": [{}]}}`,
	} {
		got, err := row.NormalizeJSONB(in)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", in, got, err, want)
		}
		if again, err := row.NormalizeJSONB(got); err != nil || again != got {
			t.Errorf("%s is not its own normal form: %s, %v", got, again, err)
		}
	}
	deep := strings.Repeat("[", 7000) + strings.Repeat("]", 7000)
	for _, bad := range []string{``, ` `, `{`, `[1`, `[1,]`, `{"a"}`, `{"a":1,}`, `{a:1}`, `{"a":`, `01`, `1.`, `-`, `1e`, `+1`, `1x`, `nul`, `tru`, `"a`, `"\x"`, `"\u12"`, `"\u12gz"`, `"\`, "\"\n\"", `1 2`, `"\ud800"`, `"\udc00\ud800"`, `"\ud800\u0041"`, deep, `[1 2]`, `{"a":1 "b":2}`} {
		if got, err := row.NormalizeJSONB(bad); err == nil {
			t.Errorf("%.30s was accepted as %.30s", bad, got)
		}
	}
}

func FuzzNormalizeJSONB(f *testing.F) {
	f.Add(`{"a": [1, -2.5e3, "\u00e9", null, true], "b": {}}`)
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsAny(s, "\x00") {
			return
		}
		got, err := row.Coerce(row.Of(row.JSONB), s)
		if err != nil {
			return
		}
		if !json.Valid([]byte(s)) {
			t.Fatalf("%q is not JSON", s)
		}
		if again, err := row.NormalizeJSONB(got.(string)); err != nil || again != got {
			t.Fatalf("%q becomes %q, %v", got, again, err)
		}
	})
}

func TestTypeNames(t *testing.T) {
	for want, ty := range map[string]row.Type{
		"numeric(5,-2)": numeric(5, -2), "numeric(5,2)": numeric(5, 2), "numeric": row.Of(row.Numeric), "vector(3)": typ(row.Vector, 3),
		"integer[]": {Kind: row.Array, Elem: row.Int4, Mod: -1}, "character varying(4)[]": {Kind: row.Array, Elem: row.Varchar, Mod: 4},
	} {
		if ty.String() != want {
			t.Errorf("%s, want %s", ty, want)
		}
	}
	if (&row.RangeError{Type: row.Of(row.Int4)}).Error() != "integer out of range" {
		t.Error("a RangeError without its value")
	}
}
