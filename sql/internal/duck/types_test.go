package duck

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"
)

func dec(s string) *apd.Decimal {
	d, _, err := apd.NewFromString(s)
	if err != nil {
		panic(err)
	}
	return d
}

func bigInt(s string) *big.Int { n, _ := new(big.Int).SetString(s, 10); return n }

// literals are SQL expressions with the type and Go value that PostgreSQL's or DuckDB's documentation gives for them.
var literals = []struct {
	sql  string
	typ  Type
	want any
}{
	{"true", Boolean, true},
	{"(-128)::TINYINT", TinyInt, int64(-128)},
	{"(-32768)::SMALLINT", SmallInt, int64(-32768)},
	{"(-2147483648)::INTEGER", Integer, int64(-2147483648)},
	{"(-9223372036854775808)::BIGINT", BigInt, int64(-9223372036854775808)},
	{"255::UTINYINT", UTinyInt, int64(255)},
	{"65535::USMALLINT", USmallInt, int64(65535)},
	{"4294967295::UINTEGER", UInteger, int64(4294967295)},
	{"18446744073709551615::UBIGINT", UBigInt, uint64(18446744073709551615)},
	{"(-170141183460469231731687303715884105727)::HUGEINT", HugeInt, bigInt("-170141183460469231731687303715884105727")},
	{"340282366920938463463374607431768211455::UHUGEINT", UHugeInt, bigInt("340282366920938463463374607431768211455")},
	{"1.5::FLOAT", Float, float32(1.5)},
	{"-2.25::DOUBLE", Double, -2.25},
	{"12.3::DECIMAL(4,1)", Decimal(4, 1), dec("12.3")},
	{"(-12345.678)::DECIMAL(9,3)", Decimal(9, 3), dec("-12345.678")},
	{"0.000001::DECIMAL(18,6)", Decimal(18, 6), dec("0.000001")},
	{"(-1234567890123456789012345678.0123456789)::DECIMAL(38,10)", Decimal(38, 10), dec("-1234567890123456789012345678.0123456789")},
	{"'short'", Varchar, "short"},
	{"'twelve chars'", Varchar, "twelve chars"},
	{"'thirteen chrs'", Varchar, "thirteen chrs"},
	{"''", Varchar, ""},
	{"'ünïcödé beyond twelve bytes'", Varchar, "ünïcödé beyond twelve bytes"},
	{`'{"a": 1}'::JSON`, JSON, `{"a": 1}`},
	{"'\\xAA\\x00\\xBB'::BLOB", Blob, []byte{0xaa, 0, 0xbb}},
	{"'01001'::BIT", Bit, "01001"},
	{"'10101010'::BIT", Bit, "10101010"},
	{"'101010101'::BIT", Bit, "101010101"},
	{"'01234567-89ab-cdef-8000-00000000000f'::UUID", UUID, [16]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x80, 0, 0, 0, 0, 0, 0, 0x0f}},
	{"'f1234567-89ab-cdef-8000-00000000000f'::UUID", UUID, [16]byte{0xf1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x80, 0, 0, 0, 0, 0, 0, 0x0f}},
	{"'1970-01-02'::DATE", Date, int32(1)},
	{"'infinity'::DATE", Date, DateInfinity},
	{"'-infinity'::DATE", Date, DateNegativeInfinity},
	{"'00:00:01.5'::TIME", Time, int64(1_500_000)},
	{"'01:00:00+02:30'::TIMETZ", Type{ID: TimeTZID}, TimeTZValue{3_600_000_000, 9000}},
	{"'01:00:00-15:59:59'::TIMETZ", Type{ID: TimeTZID}, TimeTZValue{3_600_000_000, -57599}},
	{"'1970-01-01 00:00:01'::TIMESTAMP", Timestamp, int64(1_000_000)},
	{"'1969-12-31 23:59:59'::TIMESTAMP_S", Type{ID: TimestampSID}, int64(-1_000_000)},
	{"'1969-12-31 23:59:59.999'::TIMESTAMP_MS", Type{ID: TimestampMSID}, int64(-1000)},
	{"'1970-01-01 00:00:00.000002'::TIMESTAMP_NS", Type{ID: TimestampNSID}, int64(2)},
	{"'1970-01-01 02:00:00+02:00'::TIMESTAMPTZ", TimestampTZ, int64(0)},
	{"'infinity'::TIMESTAMP", Timestamp, TimestampInfinity},
	{"'-infinity'::TIMESTAMPTZ", TimestampTZ, TimestampNegativeInfinity},
	{"'infinity'::TIMESTAMP_S", Type{ID: TimestampSID}, TimestampInfinity},
	{"INTERVAL '1 year 2 months 3 days 4.5 seconds'", Interval, IntervalValue{14, 3, 4_500_000}},
	{"[1.5::FLOAT, 2]", List(Float), []float32{1.5, 2}},
	{"[1.5::FLOAT, NULL]", List(Float), []any{float32(1.5), nil}},
	{"[1.5::FLOAT, 2]::FLOAT[2]", Array(Float, 2), []float32{1.5, 2}},
	{"['a', NULL, 'b']", List(Varchar), []any{"a", nil, "b"}},
	{"[[1::BIGINT], [], NULL]", List(List(BigInt)), []any{[]any{int64(1)}, []any{}, nil}},
	{"{'a': 1, 'b': NULL::VARCHAR}", Struct(Field{"a", Integer}, Field{"b", Varchar}), []any{int64(1), nil}},
	{"[{'id': 1::BIGINT, 's': 0.5::FLOAT}]", List(Struct(Field{"id", BigInt}, Field{"s", Float})), []any{[]any{int64(1), float32(0.5)}}},
	{"MAP {'a': 1, 'b': NULL}", Map(Varchar, Integer), [][2]any{{"a", int64(1)}, {"b", nil}}},
	{"'b'::ENUM('a', 'b')", Enum("a", "b"), "b"},
}

func TestLiteralsReadBack(t *testing.T) {
	c := connect(t, open(t, nil))
	for _, l := range literals {
		s, err := c.Prepare(bg, "SELECT "+l.sql+" AS v UNION ALL SELECT NULL")
		if err != nil {
			t.Fatalf("%s: %v", l.sql, err)
		}
		if cols, known := s.Columns(); !known || !cols[0].Type.Equal(l.typ) {
			t.Errorf("%s: prepared as %v %v, want %v", l.sql, cols, known, l.typ)
		}
		r, err := s.Query(bg)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Columns()[0]; !got.Type.Equal(l.typ) || got.Name != "v" {
			t.Errorf("%s: result column %v, want v %v", l.sql, got, l.typ)
		}
		rows, err := drain(r)
		if err != nil || len(rows) != 2 || !reflect.DeepEqual(printable(rows[0][0]), printable(l.want)) || rows[1][0] != nil {
			t.Errorf("%s: %#v, %v, want %#v", l.sql, rows, err, l.want)
		}
		s.Close()
	}
}

// printable replaces numbers whose Go form has no unique memory by their text.
func printable(v any) any {
	switch x := v.(type) {
	case *big.Int:
		return "big " + x.String()
	case *apd.Decimal:
		return fmt.Sprintf("decimal %s %d", x.Text('f'), x.Exponent)
	}
	return v
}

// Every value goes out as a parameter, through an identity function and through a relation, and comes back the same.
func TestValuesRoundTrip(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	for n, l := range literals {
		name := fmt.Sprintf("same_%d", n)
		typ := l.typ
		err := i.Register(ScalarFunction{Name: name, Params: []Type{typ}, Returns: typ, NullIn: true, Exec: identity})
		if err != nil {
			t.Fatal(err)
		}
		if got := query(t, c, fmt.Sprintf("SELECT %s(v) FROM (SELECT %s AS v UNION ALL SELECT NULL)", name, l.sql)); len(got) != 2 ||
			!reflect.DeepEqual(printable(got[0][0]), printable(l.want)) || got[1][0] != nil {
			t.Errorf("%s through a function: %#v, want %#v", l.sql, got, l.want)
		}
		rel := &table{cols: []Column{{"v", typ}}, rows: [][]any{{nil}, {l.want}, {nil}, {l.want}}}
		c.Bind("t", rel)
		if got := query(t, c, "SELECT v, v = "+l.sql+" FROM "+ScanSQL("t")); len(got) != 4 || got[0][0] != nil ||
			!reflect.DeepEqual(printable(got[1][0]), printable(l.want)) || got[2][0] != nil || got[3][1] != true {
			t.Errorf("%s through a relation: %#v, want %#v", l.sql, got, l.want)
		}
		s, err := c.Prepare(bg, "SELECT $1::"+typ.String()+", $1::"+typ.String()+" = "+l.sql)
		if err != nil {
			t.Fatalf("%s: %v", l.sql, err)
		}
		if err := s.Bind(1, l.want, typ); err != nil {
			t.Fatalf("%s: %v", l.sql, err)
		}
		r, err := s.Query(bg)
		if err != nil {
			t.Fatalf("%s: %v", l.sql, err)
		}
		if got, err := drain(r); err != nil || !reflect.DeepEqual(printable(got[0][0]), printable(l.want)) || got[0][1] != true {
			t.Errorf("%s as a parameter: %#v %v, want %#v", l.sql, got, err, l.want)
		}
		s.Close()
	}
}

// The typed readers and writers agree with the generic ones.
func TestTypedAccess(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	typed := func(_ context.Context, args []Vector, rows int, out *Writer) error {
		v, null := &args[0], 0
		for k := range rows {
			if v.IsNull(k) {
				out.SetNull(k)
				null++
				continue
			}
			switch v.Type().ID {
			case BooleanID:
				out.SetBool(k, v.Bool(k))
			case UBigIntID:
				out.SetUint64(k, v.Uint64(k))
			case TinyIntID, SmallIntID, IntegerID, BigIntID, UTinyIntID, USmallIntID, UIntegerID, DateID, TimestampID:
				out.SetInt64(k, v.Int64(k))
			case FloatID:
				out.SetFloat64(k, float64(v.Float32(k)))
			case DoubleID:
				out.SetFloat64(k, v.Float64(k))
			case VarcharID, EnumID:
				out.SetString(k, v.String(k))
			case BlobID:
				out.SetBytes(k, v.Bytes(k))
			case ListID:
				if v.Type().Elem.ID == FloatID && !v.HasNullElem(k) {
					out.SetFloats(k, v.Floats(k))
				} else {
					copyElems(v, k, out)
				}
			case ArrayID:
				out.SetFloats(k, v.Floats(k))
			case StructID:
				for j := range v.Type().Fields {
					out.Field(j).SetValue(k, v.Field(j).Value(k))
				}
			default:
				out.SetValue(k, v.Value(k))
			}
		}
		return out.Err()
	}
	for n, l := range literals {
		name := fmt.Sprintf("typed_%d", n)
		register(t, i, ScalarFunction{Name: name, Params: []Type{l.typ}, Returns: l.typ, NullIn: n%2 == 0, Exec: typed})
		rows := query(t, c, fmt.Sprintf("SELECT %s(v) FROM range(100) t(r) LEFT JOIN (SELECT 1 AS one, %s AS v) ON r %% 3 <> one ORDER BY r", name, l.sql))
		for k, row := range rows {
			want := l.want
			if k%3 == 1 {
				want = nil
			}
			if !reflect.DeepEqual(printable(row[0]), printable(want)) {
				t.Fatalf("%s, row %d: %#v, want %#v", l.sql, k, row[0], want)
			}
		}
	}
}

func copyElems(v *Vector, k int, out *Writer) {
	child, from, n := v.Elems(k)
	to, base, n := out.SetList(k, n)
	for j := range n {
		to.SetValue(base+j, child.Value(from+j))
	}
}

func TestOtherValues(t *testing.T) {
	c := connect(t, open(t, nil))
	for sql, want := range map[string]any{
		"'123456789012345678901234567890123456789012345678'::BIGNUM": bigInt("123456789012345678901234567890123456789012345678"),
		"(-300)::BIGNUM": bigInt("-300"), "0::BIGNUM": bigInt("0"),
		"union_value(a := 5)": int64(5), "'a'::UNION(n INTEGER, s VARCHAR)": "a",
		"'1969-12-31 23:59:59.999999999'::TIMESTAMP_NS": int64(-1),
		"'infinity'::TIMESTAMP_NS":                      TimestampInfinity,
		"'-infinity'::TIMESTAMP_MS":                     TimestampNegativeInfinity,
		"'nan'::DOUBLE = 'nan'::DOUBLE":                 true,
		"NULL":                                          nil,
	} {
		if got := query(t, c, "SELECT "+sql); !reflect.DeepEqual(printable(got[0][0]), printable(want)) {
			t.Errorf("%s: %#v, want %#v", sql, got[0][0], want)
		}
	}
	for _, v := range []any{true, "x", []byte{1}, float32(1), 2.5, [16]byte{1}, IntervalValue{1, 2, 3}, TimeTZValue{1, 3600}, []float32{1},
		int64(5), uint64(math.MaxUint64), bigInt("100000000000000000000"), dec("-1.50"), []any{"a", nil}, []any{int64(1)}, []any{[]any{"x"}}} {
		typ, err := typeOf(v)
		if err != nil {
			t.Fatal(err)
		}
		if typ.ID == DecimalID {
			typ = Decimal(38, 2)
		}
		s, err := c.Prepare(bg, "SELECT $1::"+typ.String())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Bind(1, v, Any); err != nil {
			t.Fatalf("%T: %v", v, err)
		}
		r, err := s.Query(bg)
		if err != nil {
			t.Fatal(err)
		}
		got, err := drain(r)
		if err != nil || strings.TrimPrefix(fmt.Sprint(printable(got[0][0])), "big ") != strings.TrimPrefix(fmt.Sprint(printable(v)), "big ") {
			t.Errorf("%T: %v %v, want %v", v, got, err, v)
		}
		s.Close()
	}
}

func TestTypeSpelling(t *testing.T) {
	c := connect(t, open(t, nil))
	for _, typ := range []Type{
		Decimal(18, 3), List(Float), Array(List(Integer), 3), Map(Varchar, List(Double)), Enum("it's", "b"), JSON,
		Struct(Field{"id", BigInt}, Field{"Score", Double}, Field{"select", Varchar}, Field{`q"t`, Date}, Field{"", Time}), TimestampTZ,
		{ID: UnionID, Fields: []Field{{"a", Integer}, {"b", Varchar}}}, {ID: TimeTZID}, {ID: TimestampNSID}, UHugeInt, List(List(UUID)),
	} {
		if typ.ID == StructID && typ.Fields[4].Name == "" {
			typ.Fields = typ.Fields[:4]
		}
		if got := columnType(t, c, "SELECT NULL::"+typ.String()+" AS v"); !got.Equal(typ) {
			t.Errorf("%s comes back as %s", typ, got)
		}
	}
	many := make([]string, 300)
	for k := range many {
		many[k] = fmt.Sprintf("label%d", k)
	}
	if got := query(t, c, "SELECT 'label299'::"+Enum(many...).String()); got[0][0] != "label299" {
		t.Error(got)
	}
	deep := BigInt
	for range 100 {
		deep = List(deep)
	}
	if lt, err := deep.logical(); err == nil || lt.Ptr != nil {
		t.Error("a type of depth 100 was built")
	}
}
