package plan

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"engram/sql/types"
)

// evalText runs a constant SELECT in Go and prints its one value as a client would see it.
func evalText(t *testing.T, q string, env *Env) (string, string) {
	t.Helper()
	stmts, err := Parse("SELECT " + q)
	if err != nil {
		t.Fatal(q, err)
	}
	p, err := Analyze(stmts[0], newTestScope(), nil)
	if err != nil {
		return "", err.(*types.Error).Code
	}
	if p.Road != RoadDirect || p.Direct.Values == nil {
		return "", "road"
	}
	v, err := p.Direct.Values.Rows[0][0].Eval(env)
	if err != nil {
		return "", err.(*types.Error).Code
	}
	if v == nil {
		return "NULL", ""
	}
	b, err := types.AppendText(nil, p.Columns[0].Type, v, nil)
	if err != nil {
		t.Fatal(q, err)
	}
	return string(b), ""
}

// evaluated are constant expressions with what PostgreSQL 15 answers (checked by TestAgainstPostgreSQL): a value, or
// a SQLSTATE behind an exclamation mark.
var evaluated = [][2]string{
	{"7/2", "3"}, {"-7/2", "-3"}, {"7%3", "1"}, {"-7%3", "-1"}, {"1/0", "!22012"}, {"1.0/0", "!22012"}, {"2147483647 + 1", "!22003"},
	{"9223372036854775807 + 1", "!22003"}, {"(-2147483648) / -1", "!22003"}, {"32767::int2 + 1::int2", "!22003"}, {"7.0/2", "3.5000000000000000"},
	{"1::numeric/3", "0.33333333333333333333"}, {"10000::numeric/3", "3333.3333333333333333"}, {"2^3", "8"}, {"2.0^3", "8.0000000000000000"},
	{"1.50 * 2", "3.00"}, {"0.1 + 0.2", "0.3"}, {"2.5::int", "3"}, {"3.5::int", "4"}, {"2.5::float8::int", "2"}, {"-2.5::numeric::int", "-3"},
	{"null and false", "f"}, {"null or true", "t"}, {"null and true", "NULL"}, {"not null", "NULL"}, {"1 in (2, null)", "NULL"}, {"1 in (1, null)", "t"},
	{"1 not in (2, 3)", "t"}, {"null is distinct from 1", "t"}, {"coalesce(null, 1, 2)", "1"}, {"nullif(1, 1)", "NULL"}, {"nullif(1, 2)", "1"},
	{"greatest(1, null, 3)", "3"}, {"least(2.5, 1)", "1"}, {"case when null then 1 else 2 end", "2"}, {"case 3 when 3 then 'x' end", "x"},
	{"'abc' like 'a%'", "t"}, {"'abc' like 'a_'", "f"}, {"'a%c' like 'a\\%c'", "t"}, {"'ABC' ilike 'abc'", "t"}, {"'abc' ~ 'b'", "t"}, {"'abc' ~ '^b'", "f"},
	{"'ABC' ~* 'b'", "t"}, {"'abc' !~ 'x'", "t"}, {"'abc' similar to '(a|b)%'", "t"}, {"'abc' similar to 'b'", "f"}, {"length('é')", "1"}, {"octet_length('é')", "2"},
	{"upper('abc')", "ABC"}, {"substring('abcdef', 0, 3)", "ab"}, {"substring('abcdef', -1, 4)", "ab"}, {"substring('abc', 2, -1)", "!22011"}, {"strpos('abc', 'c')", "3"},
	{"concat('a', null, 1)", "a1"}, {"'a' || 1", "a1"}, {"1 || 'a'", "1a"}, {"split_part('a,b,c', ',', -1)", "c"}, {"initcap('hello wORLD')", "Hello World"},
	{"to_hex(255)", "ff"}, {"'\\x4142'::bytea", "\\x4142"}, {"b'101'", "101"}, {"x'1F'", "00011111"}, {"'12'::int + 1", "13"}, {"'x'::int", "!22P02"}, {"'1.5'::int", "!22P02"},
	{"'5' + 1", "6"}, {"'99999999999'::int", "!22003"}, {"true::int", "1"}, {"2::bool", "t"}, {"'yes'::bool", "t"}, {"'on'::bool", "t"}, {"1.5::text", "1.5"}, {"1e0::float8::text", "1"},
	{"'abc'::varchar(2)", "ab"}, {"'ab'::char(4) = 'ab'", "t"}, {"length('ab'::char(4))", "2"}, {"'2020-01-31'::date + 1", "2020-02-01"},
	{"'2020-03-01'::date - '2020-02-01'::date", "29"}, {"'2020-01-01 10:00+02'::timestamptz at time zone 'UTC'", "2020-01-01 08:00:00"},
	{"extract(epoch from '1970-01-02'::date)", "86400"}, {"extract(second from '2020-01-01 00:00:01.5'::timestamp)", "1.500000"}, {"date_part('year', '2020-01-01'::timestamp)", "2020"},
	{"extract(isodow from '2020-01-05'::date)", "7"}, {"'1 day'::interval = '24 hours'::interval", "t"}, {"1 = any('{1,2}'::int[])", "t"}, {"3 = any(array[1, null])", "NULL"},
	{"3 <> all(array[1, 2])", "t"}, {"5 > all(array[1, 2])", "t"}, {"1 = any('{}'::int[])", "f"}, {"array[1,2]", "{1,2}"}, {"(array[1,2])[2]", "2"}, {"(array[1,2])[5]", "NULL"},
	{"'{\"a\": {\"b\": 1}}'::jsonb -> 'a' ->> 'b'", "1"}, {"'{\"a\":1,\"b\":2}'::jsonb @> '{\"b\":2}'", "t"}, {"'[1,2]'::jsonb -> -1", "2"}, {"'{\"a\":1}'::jsonb || '{\"b\":2}'", `{"a": 1, "b": 2}`},
	{"'{\"a\":1}'::jsonb ? 'a'", "t"}, {"'{\"a\":1,\"b\":2}'::jsonb - 'a'", `{"b": 2}`}, {"'{\"a\":[1,{\"b\":2}]}'::jsonb #>> '{a,1,b}'", "2"}, {"round(2.5)", "3"}, {"round(2.5::float8)", "2"},
	{"round(1234.567, -2)", "1200"}, {"round(2.345, 2)", "2.35"}, {"trunc(-2.7)", "-2"}, {"abs(-5)", "5"}, {"mod(7, -3)", "1"}, {"sqrt(2::numeric)", "1.414213562373095"}, {"1 <> 1.0", "f"},
	{"1 between 0 and 2", "t"}, {"1 between symmetric 2 and 0", "t"}, {"(1, 2) = (1, 2)", "t"}, {"(1, 2) < (1, 3)", "t"}, {"(1, null) = (2, null)", "f"}, {"null::int is null", "t"},
	{"~5", "-6"}, {"5 & 3", "1"}, {"5 | 2", "7"}, {"5 # 1", "4"}, {"1 << 4", "16"}, {"-16 >> 2", "-4"}, {"@ -5", "5"}, {"|/ 25.0", "5"}, {"quote_ident('Select')", `"Select"`},
	{"format('%I %L %s', 'a b', 'it''s', 3)", `"a b" 'it''s' 3`}, {"regexp_replace('aXbX', 'X', 'y', 'g')", "ayby"}, {"regexp_match('foobar', 'o(b)')", "{b}"},
	{"to_char('2020-03-04 15:06:07'::timestamp, 'YYYY-MM-DD HH24:MI:SS Mon')", "2020-03-04 15:06:07 Mar"}, {"encode('abc'::bytea, 'base64')", "YWJj"}, {"md5('a')", "!road"},
	{"2 * interval '1 month 15 days'", "2 mons 30 days"}, {"interval '1 month' / 2", "15 days"}, {"12345678901234567890 % 7", "1"}, {"'NaN'::float8 = 'NaN'::float8", "t"},
}

func TestEvaluate(t *testing.T) {
	env := &Env{Context: context.Background(), Now: time.Now()}
	for _, c := range evaluated {
		got, code := evalText(t, c[0], env)
		if code != "" {
			got = "!" + code
		}
		if got != c[1] {
			t.Errorf("%s = %s, want %s", c[0], got, c[1])
		}
	}
}

// TestAgainstPostgreSQL asks a real server the same, where one can be reached through psql's own settings (PGHOST ...).
func TestAgainstPostgreSQL(t *testing.T) {
	if err := exec.Command("psql", "-XAtc", "select 1").Run(); err != nil {
		t.Skip("no PostgreSQL server can be reached with psql")
	}
	for _, c := range evaluated {
		if c[1] == "!road" {
			continue
		}
		cmd := exec.Command("psql", "-XAt", "-v", "VERBOSITY=verbose", "-P", "null=NULL", "-c", "SET timezone='UTC'", "-c", "SELECT "+c[0])
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run() // an error of the statement is an answer
		got := strings.TrimSuffix(strings.TrimPrefix(out.String(), "SET\n"), "\n")
		if _, rest, ok := strings.Cut(errs.String(), "ERROR:  "); ok {
			got = "!" + rest[:5]
		}
		if got != c[1] {
			t.Errorf("PostgreSQL: %s = %s, the table says %s", c[0], got, c[1])
		}
	}
}
