package rowtest

import (
	"math"
	"strings"

	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"

	"engram/db/internal/row"
)

// Types draws a column type of any kind, arrays and modifiers included.
func Types() *rapid.Generator[row.Type] {
	return rapid.Custom(func(t *rapid.T) row.Type {
		k := rapid.SampledFrom(kinds).Draw(t, "kind")
		if rapid.IntRange(0, 5).Draw(t, "array") == 0 && k != row.Vector && k != row.Halfvec {
			e := withMod(t, k)
			return row.Type{Kind: row.Array, Elem: k, Mod: e.Mod}
		}
		return withMod(t, k)
	})
}

var kinds = []row.Kind{row.Bool, row.Int2, row.Int4, row.Int8, row.Float4, row.Float8, row.Numeric, row.Text, row.Varchar,
	row.Char, row.Bytea, row.UUID, row.Date, row.Time, row.Timestamp, row.Timestamptz, row.IntervalK, row.JSON, row.JSONB,
	row.Vector, row.Halfvec, row.Bit, row.Varbit}

func withMod(t *rapid.T, k row.Kind) row.Type {
	mod := int32(-1)
	limited := rapid.Bool().Draw(t, "limited")
	switch k {
	case row.Numeric:
		if limited {
			p := rapid.Int32Range(1, 50).Draw(t, "precision")
			mod = p<<16 | int32(uint16(rapid.Int32Range(-3, min(p, 20)).Draw(t, "scale")))
		}
	case row.Varchar, row.Varbit:
		if limited {
			mod = rapid.Int32Range(1, 20).Draw(t, "length")
		}
	case row.Char, row.Bit:
		mod = rapid.Int32Range(1, 20).Draw(t, "length")
	case row.Vector, row.Halfvec:
		if limited {
			mod = rapid.Int32Range(1, 9).Draw(t, "dim")
		}
	}
	return row.Type{Kind: k, Mod: mod}
}

// Values draws values of a type in their Go form, and NULL one time in eight.
func Values(t row.Type) *rapid.Generator[any] {
	return rapid.Custom(func(r *rapid.T) any {
		if rapid.IntRange(0, 7).Draw(r, "null") == 0 {
			return nil
		}
		return value(r, t)
	})
}

func value(r *rapid.T, t row.Type) any {
	var raw any
	switch t.Kind {
	case row.Bool:
		return rapid.Bool().Draw(r, "bool")
	case row.Int2:
		return int64(rapid.Int16().Draw(r, "int2"))
	case row.Int4:
		return int64(rapid.Int32().Draw(r, "int4"))
	case row.Int8:
		return rapid.Int64().Draw(r, "int8")
	case row.Float4:
		return rapid.OneOf(rapid.Float32(), rapid.SampledFrom([]float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0})).Draw(r, "float4")
	case row.Float8:
		return rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)})).Draw(r, "float8")
	case row.Numeric:
		return decimal(r, t)
	case row.Text, row.Varchar, row.Char:
		raw = text(r, t)
	case row.Bytea:
		return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0xff, 'a'}), 0, 12).Draw(r, "bytea")
	case row.UUID:
		return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(r, "uuid"))
	case row.Date:
		return rapid.OneOf(rapid.Int32Range(-2440588, 2145042905), rapid.SampledFrom([]int32{row.DateInfinity, row.DateMinusInfinity, 0, -1})).Draw(r, "date")
	case row.Time:
		return rapid.Int64Range(0, 86400000000).Draw(r, "time")
	case row.Timestamp, row.Timestamptz:
		return rapid.OneOf(rapid.Int64Range(-210866803200000000, math.MaxInt64), rapid.SampledFrom([]int64{row.TimestampMinusInfinity, row.TimestampInfinity})).Draw(r, "timestamp")
	case row.IntervalK:
		small := rapid.Int32Range(-60, 60)
		return row.Interval{Months: small.Draw(r, "months"), Days: small.Draw(r, "days"), Micros: rapid.Int64().Draw(r, "micros")}
	case row.JSON, row.JSONB:
		raw = json(r, 3)
	case row.Vector, row.Halfvec:
		raw = vector(r, t)
	case row.Bit, row.Varbit:
		lo, hi := 0, 20
		if t.Mod >= 0 {
			hi = int(t.Mod)
		}
		if t.Kind == row.Bit {
			lo = hi
		}
		return string(rapid.SliceOfN(rapid.SampledFrom([]byte("01")), lo, hi).Draw(r, "bits"))
	case row.Array:
		elem := Values(row.Type{Kind: t.Elem, Mod: t.Mod})
		return append([]any{}, rapid.SliceOfN(elem, 0, 4).Draw(r, "array")...)
	}
	v, err := row.Coerce(t, raw)
	if err != nil {
		r.Fatalf("%v of %s: %v", raw, t, err)
	}
	return v
}

func text(r *rapid.T, t row.Type) string {
	n := 20
	if t.Mod >= 0 {
		n = int(t.Mod)
	}
	s := rapid.StringOfN(rapid.RuneFrom([]rune("ab \"\\é漢\U0001F600\x01")), 0, n, -1).Draw(r, "text")
	if rapid.IntRange(0, 3).Draw(r, "any") == 0 {
		s = strings.ReplaceAll(rapid.StringN(0, n, -1).Draw(r, "any text"), "\x00", "")
	}
	return s
}

func decimal(r *rapid.T, t row.Type) *apd.Decimal {
	precision, scale, limited := t.PrecisionScale()
	if !limited {
		switch rapid.IntRange(0, 9).Draw(r, "form") {
		case 0:
			return &apd.Decimal{Form: apd.Infinite, Negative: rapid.Bool().Draw(r, "negative")}
		case 1:
			return &apd.Decimal{Form: apd.NaN}
		}
		precision, scale = rapid.SampledFrom([]int{3, 9, 28, 38, 60}).Draw(r, "digits"), rapid.SampledFrom([]int{0, 1, 2, 10, 30}).Draw(r, "scale")
	} else if rapid.IntRange(0, 9).Draw(r, "nan") == 0 {
		return &apd.Decimal{Form: apd.NaN}
	}
	digits := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789")), 1, precision, -1).Draw(r, "coefficient")
	d := &apd.Decimal{Exponent: int32(-scale)}
	d.Coeff.SetString(digits, 10)
	d.Negative = rapid.Bool().Draw(r, "negative")
	v, err := row.Coerce(t, d)
	if err != nil {
		r.Fatalf("%s of %s: %v", d, t, err)
	}
	return v.(*apd.Decimal)
}

func vector(r *rapid.T, t row.Type) []float32 {
	n := t.Dim()
	if n == 0 {
		n = rapid.IntRange(1, 9).Draw(r, "dim")
	}
	return rapid.SliceOfN(rapid.Float32Range(-60000, 60000), n, n).Draw(r, "vector")
}

func json(r *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 5).Draw(r, "json")
	if depth == 0 {
		kind %= 4
	}
	quoted := rapid.SampledFrom([]string{`""`, `"a"`, `"b"`, `"aa"`, `"\u00e9\n"`, `"\ud83d\ude00"`, `"漢"`})
	switch kind {
	case 0:
		return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(r, "word")
	case 1:
		return quoted.Draw(r, "string")
	case 2, 3:
		return rapid.SampledFrom([]string{"0", "-0", "1", "1.0", "1.00", "-2.5e3", "1E-4", "123456789012345678901234567890"}).Draw(r, "number")
	}
	var parts []string
	for range rapid.IntRange(0, 3).Draw(r, "members") {
		part := json(r, depth-1)
		if kind == 5 {
			part = quoted.Draw(r, "key") + " :" + part
		}
		parts = append(parts, part)
	}
	if kind == 4 {
		return "[" + strings.Join(parts, ",") + " ]"
	}
	return "{" + strings.Join(parts, ",") + "}"
}
