package row_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"

	"engram/db/internal/row"
	"engram/db/internal/row/rowtest"
)

// same compares bit for bit, which reflect.DeepEqual does not do for NaN, and decimals by what they print.
func same(a, b any) bool {
	switch x := a.(type) {
	case float32:
		y, ok := b.(float32)
		return ok && math.Float32bits(x) == math.Float32bits(y)
	case float64:
		y, ok := b.(float64)
		return ok && math.Float64bits(x) == math.Float64bits(y)
	case []float32:
		y, ok := b.([]float32)
		for i := range x {
			ok = ok && len(x) == len(y) && same(x[i], y[i])
		}
		return ok
	case *apd.Decimal:
		y, ok := b.(*apd.Decimal)
		return ok && x.String() == y.String() && x.Exponent == y.Exponent
	case []any:
		y, ok := b.([]any)
		ok = ok && len(x) == len(y)
		for i := range x {
			ok = ok && same(x[i], y[i])
		}
		return ok
	}
	return reflect.DeepEqual(a, b)
}

func drawColumns(t *rapid.T) []row.Column {
	ids := rapid.SliceOfNDistinct(rapid.OneOf(rapid.Uint32Range(0, 40), rapid.Uint32()), 0, 8, rapid.ID[uint32]).Draw(t, "ids")
	var cols []row.Column
	for _, id := range ids {
		cols = append(cols, row.Column{ID: id, Name: "c", Type: rowtest.Types().Draw(t, "type")})
	}
	return cols
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cols := drawColumns(t)
		values := make([]any, len(cols))
		for i := range cols {
			values[i] = rowtest.Values(cols[i].Type).Draw(t, "value")
		}
		b, err := row.Append([]byte("before"), cols, values)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Fatal("Append changed what was there")
		}
		got := make([]any, len(cols))
		if err := row.Decode(b[6:], cols, nil, got); err != nil {
			t.Fatal(err)
		}
		if !same(values, got) {
			t.Fatalf("wrote %v, read %v", values, got)
		}
		// Any choice of columns in any order, some twice, and columns that the row has never heard of.
		absent := row.Column{ID: 1 << 20, Name: "later", Type: row.Of(row.Text)}
		cols = append(cols, absent)
		want := rapid.SliceOfN(rapid.IntRange(0, len(cols)-1), 0, 10).Draw(t, "want")
		got = make([]any, len(want))
		for i := range got {
			got[i] = "untouched"
		}
		if want == nil {
			want = []int{}
		}
		if err := row.Decode(b[6:], cols, want, got); err != nil {
			t.Fatal(err)
		}
		for i, w := range want {
			expect := any("untouched")
			if w < len(values) {
				expect = values[w]
			}
			if !same(expect, got[i]) {
				t.Fatalf("column %d: %v, want %v", w, got[i], expect)
			}
		}
	})
}

func TestKeyOrderIsValueOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rowtest.Types().Filter(func(t row.Type) bool { return t.Kind != row.JSON && t.Elem != row.JSON }).Draw(t, "type")
		a, b := rowtest.Values(typ).Draw(t, "a"), rowtest.Values(typ).Draw(t, "b")
		ka, errA := row.AppendKey(nil, typ, a)
		kb, errB := row.AppendKey(nil, typ, b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if got, want := bytes.Compare(ka, kb), oracle(typ, a, b); got != want {
			t.Fatalf("%v and %v: keys say %d, values %d", a, b, got, want)
		}
		if row.Compare(typ, a, b) != bytes.Compare(ka, kb) || row.Equal(typ, a, b) != bytes.Equal(ka, kb) {
			t.Fatal("Compare and the key disagree")
		}
		if len(ka) != len(kb) && (bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka)) {
			t.Fatal("one key is a prefix of the other: composite keys would mix")
		}
	})
}

// oracle compares the slow and obvious way.
func oracle(t row.Type, a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	sign := func(less, more bool) int {
		if less {
			return -1
		} else if more {
			return 1
		}
		return 0
	}
	floats := func(x, y float64) int {
		if math.IsNaN(x) || math.IsNaN(y) {
			return sign(!math.IsNaN(x), !math.IsNaN(y))
		}
		return sign(x < y, x > y)
	}
	switch x := a.(type) {
	case bool:
		return sign(!x && b.(bool), x && !b.(bool))
	case int64:
		return sign(x < b.(int64), x > b.(int64))
	case int32:
		return sign(x < b.(int32), x > b.(int32))
	case float32:
		return floats(float64(x), float64(b.(float32)))
	case float64:
		return floats(x, b.(float64))
	case []byte:
		return bytes.Compare(x, b.([]byte))
	case [16]byte:
		y := b.([16]byte)
		return bytes.Compare(x[:], y[:])
	case *apd.Decimal:
		y := b.(*apd.Decimal)
		if x.Form == apd.NaN || y.Form == apd.NaN {
			return sign(x.Form != apd.NaN, y.Form != apd.NaN)
		}
		return x.Cmp(y)
	case []float32:
		y := b.([]float32)
		for i := range min(len(x), len(y)) {
			if c := floats(float64(x[i]), float64(y[i])); c != 0 {
				return c
			}
		}
		return sign(len(x) < len(y), len(x) > len(y))
	case []any:
		y := b.([]any)
		for i := range min(len(x), len(y)) {
			if c := oracle(row.Type{Kind: t.Elem, Mod: t.Mod}, x[i], y[i]); c != 0 {
				return c
			}
		}
		return sign(len(x) < len(y), len(x) > len(y))
	case row.Interval:
		y := b.(row.Interval)
		span := func(v row.Interval) *apd.BigInt {
			s := apd.NewBigInt(int64(v.Months)*30 + int64(v.Days))
			return s.Mul(s, apd.NewBigInt(86400000000)).Add(s, apd.NewBigInt(v.Micros))
		}
		return span(x).Cmp(span(y))
	case string:
		if t.Kind == row.JSONB {
			return row.Compare(t, a, b) // its order has a test of its own
		}
		y := b.(string)
		if t.Kind == row.Char {
			x, y = trimBlanks(x), trimBlanks(y)
		}
		return sign(x < y, x > y)
	}
	panic("no oracle")
}

func trimBlanks(s string) string {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

func TestEqualKeys(t *testing.T) {
	num := func(s string) any {
		v, err := row.Coerce(row.Of(row.Numeric), s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		t    row.Type
		a, b any
	}{
		{row.Of(row.Numeric), num("1.0"), num("1.00")},
		{row.Of(row.Numeric), num("0"), num("-0.000")},
		{row.Of(row.Numeric), num("1e3"), num("1000.0")},
		{row.Of(row.Float8), 0.0, math.Copysign(0, -1)},
		{row.Of(row.Float8), math.NaN(), math.Float64frombits(0xfff8000000000123)},
		{row.Of(row.Float4), float32(math.NaN()), math.Float32frombits(0xffc00001)},
		{row.Of(row.Char), "a", "a  "},
		{row.Of(row.IntervalK), row.Interval{Months: 1}, row.Interval{Days: 29, Micros: 86400000000}},
		{row.Of(row.JSONB), `{"a": 1.0}`, `{"a": 1.00}`},
	} {
		if !row.Equal(c.t, c.a, c.b) {
			t.Errorf("%v and %v should be equal as %s", c.a, c.b, c.t)
		}
	}
}

func TestJSONBOrder(t *testing.T) {
	ascending := []string{`[]`, `null`, `""`, `"a"`, `"b"`, `-1.5`, `0`, `2`, `10`, `false`, `true`, `["z"]`, `[1]`, `[0, 0]`,
		`[1, []]`, `{}`, `{"b": 1}`, `{"b": 2}`, `{"a": 1, "b": 1}`}
	for i := range ascending {
		for j := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := row.Compare(row.Of(row.JSONB), ascending[i], ascending[j]); got != want {
				t.Errorf("%s and %s: %d, want %d", ascending[i], ascending[j], got, want)
			}
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	col := func(k row.Kind, mod int32) []row.Column {
		return []row.Column{{ID: 1, Name: "c", Type: row.Type{Kind: k, Mod: mod}}}
	}
	for name, c := range map[string]struct {
		cols   []row.Column
		values []any
	}{
		"too few values":    {col(row.Text, -1), nil},
		"wrong Go type":     {col(row.Int4, -1), []any{"1"}},
		"plain int":         {col(row.Int8, -1), []any{1}},
		"wrong dimension":   {col(row.Vector, 3), []any{[]float32{1, 2}}},
		"empty vector":      {col(row.Vector, -1), []any{[]float32{}}},
		"inexact half":      {col(row.Halfvec, -1), []any{[]float32{1.0001}}},
		"not a bit":         {col(row.Bit, 2), []any{"02"}},
		"nil decimal":       {col(row.Numeric, -1), []any{(*apd.Decimal)(nil)}},
		"huge decimal":      {col(row.Numeric, -1), []any{apd.New(1, 1<<30)}},
		"unknown kind":      {col(99, -1), []any{nil}},
		"array of arrays":   {[]row.Column{{Type: row.Type{Kind: row.Array, Elem: row.Array}}}, []any{nil}},
		"wrong element":     {[]row.Column{{Type: row.Type{Kind: row.Array, Elem: row.Int4}}}, []any{[]any{"x"}}},
		"wrong element len": {[]row.Column{{Type: row.Type{Kind: row.Array, Elem: row.Vector, Mod: 3}}}, []any{[]any{[]float32{1}}}},
		"same ID twice":     {append(col(row.Text, -1), col(row.Text, -1)...), []any{"a", "b"}},
	} {
		dst, err := row.Append([]byte("kept"), c.cols, c.values)
		if err == nil || string(dst) != "kept" {
			t.Errorf("%s: %q, %v", name, dst, err)
		}
	}
	if _, err := row.AppendKey(nil, row.Of(row.JSON), "1"); err == nil {
		t.Error("json has no order but got a key")
	}
	if _, err := row.AppendKey(nil, row.Type{Kind: row.Array, Elem: row.JSON}, []any{"1"}); err == nil {
		t.Error("json[] has no order but got a key")
	}
	var te *row.TypeError
	if _, err := row.AppendKey(nil, row.Of(row.Int4), "1"); !errors.As(err, &te) {
		t.Errorf("%v is no TypeError", err)
	}
	if _, err := row.AppendKey(nil, row.Of(row.JSONB), "{"); err == nil {
		t.Error("malformed jsonb got a key")
	}
	if _, err := row.AppendKey(nil, row.Type{Kind: row.Array, Elem: row.JSONB}, []any{"{"}); err == nil {
		t.Error("malformed jsonb element got a key")
	}
	defer func() {
		if recover() == nil {
			t.Error("Compare of values that are not of the type should panic")
		}
	}()
	row.Compare(row.Of(row.UUID), "a", "b")
}

func allKinds() (cols []row.Column, values []any) {
	one, _ := row.Coerce(row.Of(row.Numeric), "-123.4500")
	for i, v := range []struct {
		t row.Type
		v any
	}{
		{row.Of(row.Bool), true}, {row.Of(row.Int2), int64(-3)}, {row.Of(row.Int4), int64(70000)}, {row.Of(row.Int8), int64(1) << 50},
		{row.Of(row.Float4), float32(1.5)}, {row.Of(row.Float8), 2.5}, {row.Of(row.Numeric), one}, {row.Of(row.Text), "some text"},
		{row.Of(row.Bytea), []byte{1, 2}}, {row.Of(row.UUID), [16]byte{7}}, {row.Of(row.Date), int32(20000)}, {row.Of(row.Time), int64(1)},
		{row.Of(row.Timestamptz), int64(1700000000000000)}, {row.Of(row.IntervalK), row.Interval{Months: 1, Days: -2, Micros: 3}},
		{row.Of(row.JSONB), `{"a": 1}`}, {row.Of(row.Vector), []float32{1, 2}}, {row.Of(row.Halfvec), []float32{1, 2}},
		{row.Type{Kind: row.Bit, Mod: 11}, "10101010101"}, {row.Type{Kind: row.Array, Elem: row.Text, Mod: -1}, []any{"x", nil}},
		{row.Of(row.Text), nil},
	} {
		cols = append(cols, row.Column{ID: uint32(i * 3), Name: "c", Type: v.t})
		values = append(values, v.v)
	}
	return cols, values
}

// Every single broken byte and every cut gives an error or other values, never a panic.
func TestDecodeBrokenBytes(t *testing.T) {
	cols, values := allKinds()
	good, err := row.Append(nil, cols, values)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]any, len(cols))
	for i := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[i] ^= 1 << bit
			if err := row.Decode(b, cols, nil, dst); err != nil && !errors.Is(err, row.ErrCorrupt) {
				t.Fatalf("byte %d: %v does not wrap ErrCorrupt", i, err)
			}
		}
		if err := row.Decode(good[:i], cols, nil, dst); err != nil && !errors.Is(err, row.ErrCorrupt) {
			t.Fatal(err)
		}
	}
	if row.Decode(good, cols, nil, dst[:1]) == nil {
		t.Error("too few places should be an error")
	}
	for name, b := range map[string][]byte{"empty": {}, "version": {9}, "same column twice": {1, 8, 0}, "ID too large": {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f}} {
		if err := row.Decode(b, cols, nil, dst); !errors.Is(err, row.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Payloads of a plausible length but impossible content.
func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		t row.Type
		p string // tag and payload of a column with ID 0
	}{
		"bool as bytes":         {row.Of(row.Bool), "\x0e\x00"},
		"text as bool":          {row.Of(row.Text), "\x09"},
		"int2 too large":        {row.Of(row.Int2), "\x0b\x80\x80\x08"},
		"date too large":        {row.Of(row.Date), "\x0b\xff\xff\xff\xff\xff\x01"},
		"text not UTF-8":        {row.Of(row.Text), "\x0e\x01\xff"},
		"numeric empty":         {row.Of(row.Numeric), "\x0e\x00"},
		"numeric flags":         {row.Of(row.Numeric), "\x0e\x01\x80"},
		"numeric exponent":      {row.Of(row.Numeric), "\x0e\x06\x00\xff\xff\xff\x7f\x01"},
		"numeric no exponent":   {row.Of(row.Numeric), "\x0e\x01\x00"},
		"NaN with digits":       {row.Of(row.Numeric), "\x0e\x02\x04\x01"},
		"interval short":        {row.Of(row.IntervalK), "\x0e\x01\x00"},
		"interval long":         {row.Of(row.IntervalK), "\x0e\x04\x00\x00\x00\x00"},
		"vector of 3 bytes":     {row.Of(row.Vector), "\x0e\x03abc"},
		"empty vector":          {row.Of(row.Vector), "\x0e\x00"},
		"bits without length":   {row.Of(row.Varbit), "\x0e\x00"},
		"bits of 9 unused":      {row.Of(row.Varbit), "\x0e\x02\x09\x00"},
		"array too long":        {row.Type{Kind: row.Array, Elem: row.Int4}, "\x0e\x03\xff\xff\x03"},
		"array trailing":        {row.Type{Kind: row.Array, Elem: row.Int4}, "\x0e\x02\x00\x00"},
		"array no count":        {row.Type{Kind: row.Array, Elem: row.Int4}, "\x0e\x00"},
		"array element with ID": {row.Type{Kind: row.Array, Elem: row.Int4}, "\x0e\x02\x01\x08"},
		"array element form":    {row.Type{Kind: row.Array, Elem: row.Int4}, "\x0e\x02\x01\x01"},
		"array element cut":     {row.Type{Kind: row.Array, Elem: row.Int4}, "\x0e\x02\x01\x04"},
		"array of arrays":       {row.Type{Kind: row.Array, Elem: row.Array}, "\x0e\x01\x00"},
		"unknown kind":          {row.Of(77), "\x0e\x00"},
		"varint cut":            {row.Of(row.Int8), "\x0b\x80"},
	} {
		cols := []row.Column{{ID: 0, Name: "c", Type: c.t}}
		if err := row.Decode([]byte("\x01"+c.p), cols, nil, make([]any, 1)); !errors.Is(err, row.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	cols, values := allKinds()
	good, err := row.Append(nil, cols, values)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		dst := make([]any, len(cols))
		if err := row.Decode(b, cols, nil, dst); err != nil {
			if !errors.Is(err, row.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again, err := row.Append(nil, cols, dst)
		if err != nil {
			t.Fatalf("decoded values cannot be encoded: %v", err)
		}
		back := make([]any, len(cols))
		if err := row.Decode(again, cols, nil, back); err != nil || !same(dst, back) {
			t.Fatalf("%v, %v, %v", err, dst, back)
		}
	})
}
