package types

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"engram/internal/postgres"

	"github.com/jackc/pgx/v5/pgconn"
)

// compared holds, for each type, texts that PostgreSQL and we must read alike: same text and binary form, or the same
// error. A text may begin with "@setting=value;" to be read under a setting.
var compared = map[string][]string{
	"bool": {"t", "T", "true", " tRue ", "f", "fal", "1", "0", "y", "no", "on", "of", "o", "", "2", "offf", "yess"},
	"int2": {"0", "-32768", "32767", "32768", "-32769", " 12 ", "+7", "--1", "1.0", "", " ", "-", "0x10", "9999999999999999999999"},
	"int4": {"0", "-2147483648", "2147483647", "2147483648", "1_000", "1e3", "\t\n12\v", "12 3"},
	"int8": {"9223372036854775807", "-9223372036854775808", "9223372036854775808", "abc"},
	"oid":  {"0", "4294967295", "4294967296", "-1", "x", "12"},
	"float8": {"0", "-0", "1", "1.5", "0.1", "1e15", "1e14", "123456789012345", "1234567890123456", "1e-4", "1e-5", "0.00012345", "1e300", "1e308",
		"1e309", "1e-400", "5e-324", "NaN", "nan", "inf", "-inf", "+Infinity", "infinity", "infinit", "0x10", "0x1p4", "1_0", "", " 1.25 ", "1.", ".5",
		".", "1e", "1e+", "+-1", "123456.789", "0.30000000000000004", "1.7976931348623157e308", "9007199254740993", "4.35", "1e21", "1e22", "1e23", "2e23", "9007199254740992", "4503599627370497.5", "1.8446744073709552e19", "9.5e22", "8.5e25", "1e24", "5e22", "7e22", "-1.5e-7",
		"@extra_float_digits=0;0.1", "@extra_float_digits=0;0.30000000000000004", "@extra_float_digits=-5;123456.789123", "@extra_float_digits=0;1e15",
		"@extra_float_digits=0;123456789012345678", "@extra_float_digits=-15;12345", "@extra_float_digits=0;1e-5", "@extra_float_digits=3;0.1", "@extra_float_digits=0;0"},
	"float4": {"0", "0.1", "1e5", "1e6", "123456", "1234567", "999999", "1e38", "3.5e38", "1e-45", "1e-46", "1e-4", "1e-5", "16777217", "0.3", "8388608.5", "33554434", "1e10", "1e11", "9e15", "67108868", "8.5e9", "4194304.25", "NaN", "-inf", "abc",
		"3.4028235e38", "1.17549435e-38", "@extra_float_digits=0;0.3", "@extra_float_digits=0;1234567", "@extra_float_digits=-3;1234567"},
	"numeric": {"0", "-0", "1", "-1", "10000", "9999", "99999999", "100000000", "1.10", "0.0001", "0.00001", "0.00000001", "123456789.987654321", "1e5", "1.5e-3",
		"1e-5", "NaN", "nan", "Infinity", "-inf", "+inf", "inf", "", " 12.50 ", ".5", "5.", ".", "1e", "1e5x", "--1", "1e131071", "1e131072", "1e-16383", "1e-16384",
		"12345678901234567890123456789012345678.0123456789", "0.000", "-0.00", "0e10", "1000000000000", "00012", "1e2147483648", "0e99999", "1_0", "0x10"},
	"numeric(5,2)":  {"1", "1.005", "-1.005", "999.994", "999.995", "1000", "NaN", "inf", "0.001", "-0.001"},
	"numeric(3,-2)": {"12345", "12355", "99949", "99950", "49", "50", "0"},
	"numeric(3,5)":  {"0.00999", "0.01", "0.001234567", "0.0000049"},
	"text":          {"", "héllo", " x ", "日本"},
	"varchar(3)":    {"abc", "abcd", "abc  ", "日本語", "日本語x", ""},
	"bpchar(3)":     {"a", "abc", "abcd", "abc  ", "日本"},
	"name":          {"x", strings.Repeat("a", 70), strings.Repeat("é", 40)},
	`"char"`:        {"a", "abc", ""},
	"bytea": {`\x`, `\x41`, `\x4`, `\x4g`, `\x 41 42 `, `\x4 1`, `abc`, `a\\b`, `\101\000`, `\1`, `\400`, `é`, ``, `\xDEADbeef`,
		`@bytea_output=escape;\x00415c7e7fff20`, `@bytea_output=escape;a\\b`},
	"uuid": {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11",
		"a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "", "a-0eebc99", " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
	"date": {"2020-01-02", "2020-1-2", "20200102", "200102", "1999-01-08", "January 8, 1999", "1/8/1999", "1/18/1999", "18/1/1999", "01/02/03", "1999-Jan-08", "Jan-08-1999", "08-Jan-1999",
		"99-Jan-08", "08-Jan-99", "Jan-08-99", "19990108", "990108", "1999.008", "J2451187", "January 8, 99 BC", "0001-01-01", "0000-01-01", "0044-03-15 BC", "4713-11-24 BC", "4714-11-24 BC", "4714-11-23 BC", "5874897-12-31", "5874898-01-01",
		"infinity", "-infinity", "+infinity", "epoch", "2020-02-30", "2020-13-01", "2019-02-29", "2000-02-29", "1900-02-29", "garbage", "", " ", "2020-01-02 10:00:00", "2020-01-02T10:00:00Z", "10:00",
		"Mon Jan 6 2020", "6 January 2020", "January 2020", "2020", "1.2.2020", "2020/01/02", "2020-1", "1-2-3-4", "feb 31 2020", "2020-01-02 BC", "2020-001", "1-1-1", "123-1-1", "08-Jan-1999 extra", "2020-00-10", "2020-10-00",
		"@datestyle=DMY;01/02/03", "@datestyle=YMD;01/02/03", "@datestyle=DMY;18/1/1999", "@datestyle='SQL, DMY';2020-03-04", "@datestyle=SQL;2020-03-04", "@datestyle=German;2020-03-04", "@datestyle=Postgres;2020-03-04", "@datestyle='Postgres, DMY';2020-03-04",
		"@datestyle=SQL;0044-03-15 BC", "@datestyle='ISO,YMD';99-Jan-08", "@datestyle='ISO,YMD';08-Jan-99", "@datestyle='ISO,DMY';1/18/1999"},
	"time": {"04:05", "04:05:06", "04:05:06.789", "04:05:06.1234567", "040506", "04:05 AM", "04:05 PM", "12:00 AM", "12:00 PM", "13:00 PM", "24:00:00", "24:00:01", "25:00", "23:59:60", "23:59:59.9999999", "23:60", "allballs", "2020-01-02 04:05:06",
		"04:05:06+02", "04:05:06 PST", "x", "", "4", "0405", "04:05:06.", "04:05:06.5e", "04:05:06 America/New_York", "2020-07-01 04:05:06 America/New_York", "10:00:00.0000005", "T10:20:30", "10:20:30:40"},
	"time(2)": {"04:05:06.789", "04:05:06.785", "23:59:59.999"},
	"timetz":  {"04:05:06+02", "04:05:06-08:30", "04:05:06 PST", "04:05:06+02:30:15", "04:05:06Z", "2020-07-01 04:05:06 America/New_York", "04:05:06+16", "allballs", "24:00:00+00", "040506+07", "04:05+1530"},
	"timestamp": {"2020-01-02 03:04:05", "2020-01-02T03:04:05", "2020-01-02 03:04:05.6", "2020-01-02 03:04:05.123456", "2020-01-02 03:04:05.1234565", "2020-01-02 03:04:05+02", "2020-01-02 03:04:05 PST", "2020-01-02", "20200102T030405", "20200102 030405",
		"20200102 03:04:05", "2020-01-02 24:00:00", "2020-01-02 24:00:01", "2020-01-02 23:59:60", "2020-01-02 03:04 PM", "infinity", "-infinity", "epoch", "0044-03-15 12:00 BC", "4713-01-01 00:00:00 BC", "4714-11-24 00:00:00 BC", "4714-11-23 23:59:59 BC",
		"294246-12-31 23:59:59", "Thu Jan 02 03:04:05 2020", "Jan 2 2020 3:04:05", "2 Jan 2020 03:04", "2020-01-02 03", "2020-01-02 3:4", "2020-01-02 03:04:05 BC", "garbage", "2020-01-02 garbage", "2020-01-02 03:04:05 Foo/Bar", "1970-01-01 00:00:00",
		"1969-12-31 23:59:59.999999", "2020-01-02 03:04:05 +2", "2020-01-02 03:04:05-0830", "1999-01-08 04:05:06 -8:00", "J2451187 10:00", "J2451187.5", "20200102030405", "2020-01-02  03:04:05  ", "2020-01-02,03:04:05", "1/2/2020 3:04:05", "2020-01-02T03:04:05.5Z",
		"@datestyle=SQL;2020-01-02 03:04:05.5", "@datestyle=Postgres;2020-01-02 03:04:05", "@datestyle='Postgres, DMY';2020-01-02 03:04:05.25", "@datestyle=German;2020-01-02 03:04:05", "@datestyle=Postgres;0044-03-15 12:00 BC"},
	"timestamp(0)": {"2020-01-02 03:04:05.5", "2020-01-02 03:04:05.4999", "1999-01-02 03:04:05.5", "infinity"},
	"timestamptz": {"2020-01-02 03:04:05", "2020-01-02 03:04:05+02", "2020-01-02 03:04:05.678-08:30", "2020-07-02 03:04:05 America/New_York", "2020-01-02 03:04:05 PST", "2020-01-02 03:04:05 PDT", "2020-01-02 03:04:05Z", "2020-01-02", "infinity", "-infinity", "epoch", "0044-03-15 BC",
		"2020-01-02 03:04:05+16", "2020-01-02 03:04:05+15:59:59", "2020-01-02 03:04:05 foo", "2020-01-02 10:00+02", "2020-01-02 03:04:05 europe/BERLIN", "2020-01-02T03:04:05+0530", "2020-01-02 030405+02", "20200102T030405Z", "2020-01-02 03:04:05 UTC", "2020-01-02 03:04:05 GMT+3",
		"@timezone=Europe/Berlin;2020-01-02 03:04:05", "@timezone=Europe/Berlin;2020-07-02 03:04:05", "@timezone=Europe/Berlin;2020-03-29 02:30:00", "@timezone=Europe/Berlin;2020-10-25 02:30:00", "@timezone=America/New_York;2020-03-08 02:30:00", "@timezone=America/New_York;2020-11-01 01:30:00",
		"@timezone=America/New_York;1850-01-01 00:00:00", "@timezone=Asia/Kolkata;2020-01-01", "@timezone=Asia/Kolkata;2020-01-01 00:00Z", "@timezone='-7.5';2020-01-01 00:00Z", "@timezone='+2';2020-01-01 00:00Z", "@timezone='EST5';2020-01-01 00:00Z", "@timezone='<+03>-03';2020-01-01 00:00Z",
		"@timezone=Europe/Berlin;infinity", "@timezone=America/St_Johns;1920-01-01 00:00Z", "@timezone=Europe/Amsterdam;1900-01-01", "@timezone=Europe/Berlin;2100-07-01", "@timezone=Pacific/Apia;2011-12-30 12:00", "@timezone=est;2020-01-01"},
	"timestamptz(3)": {"2020-01-02 03:04:05.6789", "2020-01-02 03:04:05.6785+02"},
	"interval": {"1 day", "-1 day", "1 year 2 months 3 days 04:05:06", "1 mon", "1 year -2 months", "-1 year 2 months 3 days", "1 day -04:05:06", "04:05:06.789", "-04:05:06", "04:05", "1:02.5", "1.5 days", "1.5 months", "1.5 years", "1.5 weeks", "1.5 hours", "0.1 seconds", "1 sec", "500 ms",
		"1500 us", "1 ago", "1 day ago", "1 day 2 hours ago", "@ 1 minute", "1-2", "-1-2", "1-2 3 4:05:06", "3 4:05:06", "1 2:03", "P1Y2M3DT4H5M6S", "P1Y", "PT1H", "P1W", "P-1Y-2M3DT-4H", "PT1.5S", "P0001-02-03T04:05:06", "P1Y2M3D", "P", "PT", "P1", "P1Q", "p1y", "1 decade", "2 centuries", "1 millennium", "3 wks", "1 w",
		"", " ", "garbage", "1 garbage", "5", "5.5", "-5", "1 day 1 day", "100000000 years", "178956970 years", "9223372036854775807 us", "1 hour 1 hour", "00:00:00", "0", "-0.5 seconds", "25:00:00", "100:61:00", "1 month 2", "2147483647 days", "2147483648 days", "1 day 24:00:00", "1e5 days", "1 us", "-1 us", "2 mons ago", "1.234567890 seconds",
		"1y2m3d", "1h", "1 y 2 mon", "infinity", "+1 day", "1 day +2 hours", "1 year 12 months", "-13 months", "12:34:56.1234567", "1:2:3", "P1DT1", "0.5 mon", "1.999999999 sec", "-1.5 days", "1-12", "P-0001-02-03", "1 m", "1 microsecond 1 millisecond", "1 second 500 milliseconds",
		"@intervalstyle=iso_8601;1 year 2 months 3 days 04:05:06", "@intervalstyle=iso_8601;0", "@intervalstyle=iso_8601;-1 year 3 days -04:05:06.5", "@intervalstyle=postgres_verbose;1 year 2 months 3 days 04:05:06", "@intervalstyle=postgres_verbose;-1 day", "@intervalstyle=postgres_verbose;-1 day 2 hours", "@intervalstyle=postgres_verbose;0", "@intervalstyle=postgres_verbose;-00:00:00.5",
		"@intervalstyle=postgres_verbose;1 day -00:00:01", "@intervalstyle=sql_standard;1-2", "@intervalstyle=sql_standard;1 day 2 hours", "@intervalstyle=sql_standard;-1 day 2 hours", "@intervalstyle=sql_standard;-1 2:03:04", "@intervalstyle=sql_standard;0", "@intervalstyle=sql_standard;1 year 3 days", "@intervalstyle=sql_standard;-2 hours", "@intervalstyle=sql_standard;1 mon -1 day"},
	"interval(2)": {"1.239 seconds", "-1.235 seconds"},
	"json":        {`{"a": 1}`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `[1,2`, `[1,]`, `[,1]`, `"abc`, `"a\u12"`, `"\x"`, `tru`, `true false`, ``, ` `, `01`, `1.`, `-`, `1e5`, `1e`, `.5`, `{"a":}`, `{`, `}`, `nul`, `"\u0000"`, "\"a\nb\"", `"\ud83d\ude00"`, `[1 2]`, `{"a":1 "b":2}`, `{1:2}`, `+1`, `1 2`, `'a'`, `[`, `{"a"`, `{"a":1`, `"\`},
	"jsonb":       {`{"b":1,"a":2}`, `{"aa":1,"b":2,"a":3}`, `{"a":1,"a":2}`, `[1, 2.50, 1e3, 1E-2, -0, -0.0]`, `"\u0000"`, `"\u00e9\n\t\"\\\/"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ude00"`, `"\ud83d\ud83d"`, `null`, `true`, `{}`, `[]`, `{"a":{"b":[1,{"c":null}]}}`, `"\u001f\u007f"`, `1e400`, `1e200000`, `{"é":1,"zz":2,"a":3}`, ` {"a" : [ ] } `, `12345678901234567890.123`, `{"a":1,}`, `"<>&\u2028"`},
	"bit(3)":      {"101", "10", "1011", "b101", "x5", "X", "102", ""},
	"varbit":      {"101", "", "x1F", "b10", "xg", "12", "B1"},
	"varbit(3)":   {"1", "1011", "xF"},
	"bit(12)":     {"x1F4", "000111110100"},
	"int4[]":      {"{}", "{1,2,3}", "{1,NULL,3}", " { 1 , 2 } ", "{1,2", "1,2", "{1,,2}", "{,1}", "{1,}", "{1}x", "{a}", "{null}", "{\"1\",2}", "[1:2]={1,2}", "[1:3]={1,2}", "{1 2}", "", "{\"NULL\"}", "{99999999999}"},
	"text[]":      {`{a,b c,"d e","",NULL,"NULL"}`, `{"a\"b","c\\d"}`, `{a\,b}`, `{" x "}`, `{ x y , z }`, `{"a"b}`, `{a"b"}`, `{a{b}`, `{"a}`, `{a\}`, `{nUlL}`, `{é,"日本"}`, `{a\ }`, `{"a",}`},
	"bool[]":      {"{t,f,NULL}"}, "float8[]": {"{1.5,NaN,-inf}"}, "numeric[]": {"{1.10,NaN,1e10}"}, "bytea[]": {`{"\\x41","\\x"}`}, "uuid[]": {"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"},
	"date[]": {"{2020-01-01,infinity}"}, "timestamp[]": {`{"2020-01-01 10:00:00"}`}, "interval[]": {`{"1 day","1 day 02:00:00"}`}, "jsonb[]": {`{"{\"a\": 1}"}`}, "int8[]": {"{9223372036854775807}"}, "varchar[]": {"{ab,c}"}, "varbit[]": {"{01,10}"},
	"int2vector": {"1 2 3", ""}, "oidvector": {"1 2", ""},
}

// TestAgainstPostgreSQL reads each text here and there and compares text form, binary form and errors; then it sends
// our binary form to PostgreSQL and compares what that prints.
func TestAgainstPostgreSQL(t *testing.T) {
	dir := postgres.Start(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgconn.Connect(ctx, "host="+dir+" user=postgres dbname=postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for name, texts := range compared {
		typ, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			compareOne(t, ctx, conn, name, typ, text)
		}
	}
}

// ask sends one value and gives the two forms of it that PostgreSQL prints, or its error.
func ask(ctx context.Context, conn *pgconn.PgConn, name string, oid uint32, value []byte, format int16) (forms [2]string, fail *pgconn.PgError) {
	for out := range forms {
		base, _, _ := strings.Cut(name, "(")
		if base != `"char"` && !strings.HasSuffix(base, "[]") {
			base = `"` + base + `"`
		}
		sql := "select $1::" + base
		res := conn.ExecParams(ctx, sql, [][]byte{value}, []uint32{oid}, []int16{format}, []int16{int16(out)}).Read()
		if res.Err != nil {
			pgErr, ok := res.Err.(*pgconn.PgError)
			if !ok {
				panic(res.Err)
			}
			return forms, pgErr
		}
		forms[out] = string(res.Rows[0][0])
	}
	return forms, nil
}

func compareOne(t *testing.T, ctx context.Context, conn *pgconn.PgConn, name string, typ Type, input string) {
	t.Helper()
	text, st := input, &Style{}
	if strings.HasPrefix(input, "@") && strings.Contains(input, ";") {
		setting, rest, _ := strings.Cut(input[1:], ";")
		text = rest
		key, value, _ := strings.Cut(setting, "=")
		if err := conn.Exec(ctx, "set "+key+" = '"+strings.Trim(value, "'")+"'").Close(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := conn.Exec(ctx, "reset all").Close(); err != nil {
				t.Fatal(err)
			}
		}()
		applySetting(t, st, setting)
	}
	// A cast from unknown applies the modifier as the input function does, which is what ParseText does too.
	literal := "'" + strings.ReplaceAll(text, "'", "''") + "'"
	var want [2]string
	var fail *pgconn.PgError
	for out := range want {
		res := conn.ExecParams(ctx, "select "+inputExpr(name, literal), nil, nil, nil, []int16{int16(out)}).Read()
		if res.Err != nil {
			fail = res.Err.(*pgconn.PgError)
			break
		}
		want[out] = string(res.Rows[0][0])
	}
	label := fmt.Sprintf("%s %q", name, input)
	v, err := ParseText(typ, text, st)
	if fail != nil {
		e, ok := err.(*Error)
		if !ok {
			t.Errorf("%s: we read %v (%v), PostgreSQL says %s: %s", label, v, err, fail.Code, fail.Message)
			return
		}
		if e.Code != fail.Code || e.Message != fail.Message || e.Detail != fail.Detail || e.Hint != fail.Hint {
			t.Errorf("%s: error\n we %s %s | %s | %s\n pg %s %s | %s | %s", label, e.Code, e.Message, e.Detail, e.Hint, fail.Code, fail.Message, fail.Detail, fail.Hint)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: we say %v, PostgreSQL reads %q", label, err, want[0])
		return
	}
	gotText, err := AppendText(nil, typ, v, st)
	if err != nil || string(gotText) != want[0] {
		t.Errorf("%s: text %q (%v), PostgreSQL %q", label, gotText, err, want[0])
	}
	gotBinary, err := AppendBinary([]byte{}, typ, v)
	if err != nil || string(gotBinary) != want[1] {
		t.Errorf("%s: binary %s (%v), PostgreSQL %s", label, hex.EncodeToString(gotBinary), err, hex.EncodeToString([]byte(want[1])))
		return
	}
	if typ.OID == Int2VectorOID || typ.OID == OidVectorOID {
		return // PostgreSQL refuses what it sends when it is empty
	}
	back, fail := ask(ctx, conn, name, typ.OID, gotBinary, 1)
	if fail != nil || back != want {
		t.Errorf("%s: sent as binary it comes back %q (%v), want %q", label, back[0], fail, want[0])
	}
	again, err := ParseBinary(typ, gotBinary)
	if err != nil {
		t.Errorf("%s: own binary form: %v", label, err)
		return
	}
	if b, _ := AppendBinary(nil, typ, again); string(b) != string(gotBinary) {
		t.Errorf("%s: binary form changes on the way back", label)
	}
}

// inputExpr applies the input function and, for types with a modifier, the modifier as an assignment would: an
// explicit cast would cut strings silently.
func inputExpr(name, literal string) string {
	if base, mod, ok := strings.Cut(name, "("); ok && (base == "varchar" || base == "bpchar" || base == "bit" || base == "varbit") {
		n, _, _ := strings.Cut(mod, ")")
		fn := map[string]string{"varchar": "varcharin", "bpchar": "bpcharin", "bit": "bit_in", "varbit": "varbit_in"}[base]
		typ, _ := ByName(base + "(" + n + ")")
		return fmt.Sprintf("%s(%s, 0, %d)::\"%s\"", fn, literal, typ.Mod, base) // quoted, bit has no modifier
	}
	return literal + "::" + name
}

func applySetting(t *testing.T, st *Style, setting string) {
	key, value, _ := strings.Cut(setting, "=")
	value = strings.Trim(value, "'")
	switch key {
	case "datestyle":
		if err := st.SetDateStyle(value); err != nil {
			t.Fatal(err)
		}
	case "intervalstyle":
		if !st.SetIntervalStyle(value) {
			t.Fatal(value)
		}
	case "bytea_output":
		st.ByteaEscape = value == "escape"
	case "timezone":
		loc, err := LoadZone(value)
		if err != nil {
			t.Fatal(err)
		}
		st.TimeZone = loc
	case "extra_float_digits":
		var n int
		fmt.Sscan(value, &n)
		st.SetExtraFloatDigits(n)
	default:
		t.Fatal(setting)
	}
}
