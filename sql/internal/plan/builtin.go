package plan

import (
	"strings"
	"sync"

	"engram/sql/types"
)

// Function is a scalar function in Go that DuckSQL calls: the executor registers all of Functions with DuckDB. Arguments
// and result have the Go forms of package types. Numerics travel as text, since a DuckDB function has one width
// only; "any" stands for nothing here: all types are plain.
type Function struct {
	Name     string       // as DuckSQL calls it: "__engram_..."
	Args     []types.Type // without the session token
	Returns  types.Type
	Session  bool // the session token comes first, and Call reads the Env of that session
	Strict   bool // NULL arguments give NULL without a call
	Volatile bool // the answer changes from call to call, or between statements
	Call     func(env *Env, args []any) (any, error)
}

// Functions lists the functions that DuckSQL may call beside DuckDB's own, but for those of the catalog
// (__engram_pg_*), of embedding (__engram_embed*) and the table functions, which their owners bring.
func Functions() []Function {
	all := builtins()
	out := make([]Function, 0, len(all))
	for _, name := range builtinNames() {
		out = append(out, *all[name])
	}
	return out
}

type goCall = func(env *Env, args []any) (any, error)

var builtinNames = sync.OnceValue(func() []string {
	var names []string
	for line := range strings.Lines(builtinTable) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), "("); ok {
			names = append(names, "__engram_"+name)
		}
	}
	return names
})

var builtins = sync.OnceValue(func() map[string]*Function {
	m := map[string]*Function{}
	for line := range strings.Lines(builtinTable) {
		line = strings.TrimSpace(line)
		open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
		if open < 0 {
			continue
		}
		f := &Function{Name: "__engram_" + line[:open], Strict: true}
		for arg := range strings.SplitSeq(line[open+1:end], ",") {
			if arg = strings.TrimSpace(arg); arg == "@" {
				f.Session = true
			} else if arg != "" {
				f.Args = append(f.Args, parseArgType(arg).typ)
			}
		}
		ret := strings.TrimSpace(line[end+1:])
		if r, ok := strings.CutSuffix(ret, "~"); ok {
			ret, f.Volatile = r, true
		}
		if r, ok := strings.CutSuffix(ret, "!"); ok {
			ret, f.Strict = r, false
		}
		f.Returns = parseArgType(ret).typ
		f.Call = builtinCalls[line[:open]]
		if f.Call == nil {
			panic("plan: no Go function for " + f.Name)
		}
		m[f.Name] = f
	}
	return m
})

// builtinTable declares our functions: name(arguments) result; @ is the session token, ! passes NULLs on, ~ is volatile.
const builtinTable = `
in_bool(text) bool
in_int2(text) int2
in_int4(text) int4
in_int8(text) int8
in_float4(text) float4
in_float8(text) float8
in_numeric(text) text
in_bytea(text) bytea
in_uuid(text) uuid
in_oid(text) oid
in_vector(text) vector
in_halfvec(text) vector
in_json(text) text
in_jsonb(text) text
in_varbit(text) text
in_array(text) text[]
in_date(@, text) date
in_time(@, text) time
in_timestamp(@, text) timestamp
in_timestamptz(@, text) timestamptz
in_interval(@, text) interval
out_float4(float4) text
out_float8(float8) text
out_bytea(@, bytea) text
out_vector(vector) text
out_interval(@, interval) text
out_array(text[]) text
now(@) timestamptz~
statement_now(@) timestamptz~
clock(@) timestamptz~
timeofday(@) text~
initcap(text) text
substr(text, int4, int4) text
substr_bytes(bytea, int4, int4) bytea
overlay(text, text, int4, int4) text
replace(text, text, text) text
lpad(text, int4, text) text
rpad(text, int4, text) text
translate(text, text, text) text
split_part(text, text, int4) text
chr(int4) text
ascii(text) int4
to_hex(int8) text
format(text, text[]) text
quote_ident(text) text
quote_literal(text) text
quote_nullable(text) text!
string_to_array(text, text, text) text[]!
array_to_string(text[], text, text) text!
regexp_like(text, text, text) bool
regexp_replace(text, text, text, text) text
regexp_match(text, text, text) text[]
regexp_split(text, text, text) text[]
regexp_substring(text, text) text
regexp_count(text, text) int4
similar_to(text, text, text) bool
sha224(bytea) bytea
sha384(bytea) bytea
sha512(bytea) bytea
encode(bytea, text) text
decode(text, text) bytea
convert_from(bytea, text) text
convert_to(text, text) bytea
get_byte(bytea, int4) int4
numeric_div(text, text) text
numeric_intdiv(text, text) text
numeric_mod(text, text) text
numeric_power(text, text) text
numeric_sqrt(text) text
numeric_trunc(text, int4) text
numeric_scale(text) int4
factorial(int8) text
sqrt(float8) float8
ln(float8) float8
log10(float8) float8
power(float8, float8) float8
mod_int2(int2, int2) int2
mod_int4(int4, int4) int4
mod_int8(int8, int8) int8
width_bucket(float8, float8, float8, int4) int4
shift_left_int4(int4, int4) int4
shift_right_int4(int4, int4) int4
shift_left_int8(int8, int4) int8
shift_right_int8(int8, int4) int8
bit_and(text, text) text
bit_or(text, text) text
bit_xor(text, text) text
bit_length(text) int4
bit_int(text) int8
int_bit(int8, int4) text
bits(text, int4, bool) text
interval_mul(interval, float8) interval
interval_div(interval, float8) interval
justify_days(interval) interval
justify_hours(interval) interval
justify_interval(interval) interval
extract_interval(text, interval) float8
timezone_out(text, timestamptz) timestamp
timezone_in(text, timestamp) timestamptz
to_char_timestamp(timestamp, text) text
to_char_timestamptz(@, timestamptz, text) text
json_string(text) text
json_object(text[]) text
json_array(text[]) text
json_get(text, text) text
jsonb_get(text, text) text
json_at(text, int4) text
jsonb_at(text, int4) text
json_get_text(text, text) text
json_at_text(text, int4) text
jsonb_at_text(text, int4) text
json_path(text, text[]) text
jsonb_path(text, text[]) text
json_path_text(text, text[]) text
json_typeof(text) text
json_array_length(text) int4
json_elements(text) text[]
jsonb_elements(text) text[]
json_elements_text(text) text[]
json_keys(text) text[]
json_values(text) text[]
jsonb_values(text) text[]
json_values_text(text) text[]
json_strip_nulls(text) text
jsonb_strip_nulls(text) text
jsonb_concat(text, text) text
jsonb_contains(text, text) bool
jsonb_exists(text, text) bool
jsonb_exists_any(text, text[]) bool
jsonb_exists_all(text, text[]) bool
jsonb_delete(text, text) text
jsonb_delete_at(text, int4) text
jsonb_delete_keys(text, text[]) text
jsonb_delete_path(text, text[]) text
jsonb_set(text, text[], text, bool) text
jsonb_pretty(text) text
jsonb_number(text) float8
jsonb_bool(text) bool
l2_distance(vector, vector) float8
cosine_distance(vector, vector) float8
inner_product(vector, vector) float8
negative_inner_product(vector, vector) float8
l1_distance(vector, vector) float8
hamming_distance(text, text) float8
jaccard_distance(text, text) float8
vector_norm(vector) float8
l2_normalize(vector) vector
subvector(vector, int4, int4) vector
binary_quantize(vector) text
vector_add(vector, vector) vector
vector_sub(vector, vector) vector
vector_mul(vector, vector) vector
vector_dimension(vector, int4) vector
vector_sum(vector[]) vector
vector_avg(vector[]) vector
`
