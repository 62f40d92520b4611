package plan

import "strings"

// The functions that users may call, and how DuckDB spells them: see parseSignatures for the form. What is not here does
// not exist (42883): nothing reaches DuckDB because it happens to have it.

const textFunctions = `
length|char_length|character_length(text) int4 = CAST(length($1) AS INTEGER)
length|octet_length(bytea) int4 = CAST(octet_length($1) AS INTEGER)
length|bit_length|octet_length(varbit) int4 = __engram_bit_length($1)
octet_length(text) int4 = CAST(strlen($1) AS INTEGER)
bit_length(text) int4 = CAST(strlen($1) * 8 AS INTEGER)
lower(text) text = lower($1)
upper(text) text = upper($1)
initcap(text) text = __engram_initcap($*)
btrim(text) text = trim($1, ' ')
btrim(text, text) text = trim($1, $2)
ltrim(text) text = ltrim($1, ' ')
ltrim(text, text) text = ltrim($1, $2)
rtrim(text) text = rtrim($1, ' ')
rtrim(text, text) text = rtrim($1, $2)
substr|substring(text, int4) text = substring($1, greatest($2, 1))
substr|substring(text, int4, int4) text = __engram_substr($*)
substr|substring(bytea, int4) bytea = __engram_substr_bytes($1, $2, 2147483647)
substr|substring(bytea, int4, int4) bytea = __engram_substr_bytes($*)
substring(text, text) text = __engram_regexp_substring($*)
overlay(text, text, int4) text = __engram_overlay($1, $2, $3, CAST(length($2) AS INTEGER))
overlay(text, text, int4, int4) text = __engram_overlay($*)
left(text, int4) text = left($1, $2)
right(text, int4) text = right($1, $2)
position|strpos(text, text) int4 = CAST(strpos($1, $2) AS INTEGER)
replace(text, text, text) text = __engram_replace($*)
repeat(text, int4) text = repeat($1, greatest($2, 0))
reverse(text) text = reverse($1)
lpad(text, int4) text = __engram_lpad($1, $2, ' ')
lpad(text, int4, text) text = __engram_lpad($*)
rpad(text, int4) text = __engram_rpad($1, $2, ' ')
rpad(text, int4, text) text = __engram_rpad($*)
translate(text, text, text) text = __engram_translate($*)
split_part(text, text, int4) text = __engram_split_part($*)
chr(int4) text = __engram_chr($*)
ascii(text) int4 = __engram_ascii($*)
md5(text) text = md5($1)
md5(bytea) text = md5($1)
sha256(bytea) bytea = unhex(sha256($1))
sha224(bytea) bytea = __engram_sha224($*)
sha384(bytea) bytea = __engram_sha384($*)
sha512(bytea) bytea = __engram_sha512($*)
to_hex(int4) text = __engram_to_hex(CAST($1 AS BIGINT) & 4294967295)
to_hex(int8) text = __engram_to_hex($1)
concat(...any) text! = concat($*)
concat_ws(text, ...any) text! = concat_ws($*)
format(text, ...any) text! = __engram_format($1, [$#])
quote_ident(text) text = __engram_quote_ident($*)
quote_literal(text) text = __engram_quote_literal($*)
quote_nullable(text) text! = __engram_quote_nullable($*)
regexp_replace(text, text, text) text = __engram_regexp_replace($1, $2, $3, '')
regexp_replace(text, text, text, text) text = __engram_regexp_replace($*)
regexp_match(text, text) text[] = __engram_regexp_match($1, $2, '')
regexp_match(text, text, text) text[] = __engram_regexp_match($*)
regexp_like(text, text) bool = __engram_regexp_like($1, $2, '')
regexp_like(text, text, text) bool = __engram_regexp_like($*)
regexp_count(text, text) int4 = __engram_regexp_count($1, $2)
regexp_split_to_array(text, text) text[] = __engram_regexp_split($1, $2, '')
regexp_split_to_array(text, text, text) text[] = __engram_regexp_split($*)
string_to_array(text, text) text[]! = __engram_string_to_array($1, $2, NULL)
string_to_array(text, text, text) text[]! = __engram_string_to_array($*)
starts_with(text, text) bool = starts_with($1, $2)
encode(bytea, text) text = __engram_encode($*)
decode(text, text) bytea = __engram_decode($*)
convert_from(bytea, text) text = __engram_convert_from($*)
convert_to(text, text) bytea = __engram_convert_to($*)
get_byte(bytea, int4) int4 = __engram_get_byte($*)
normalize(text) text = nfc_normalize($1)
pg_client_encoding|getdatabaseencoding() name = 'UTF8'
gen_random_uuid|uuid_generate_v4() uuid~ = gen_random_uuid()
text(text) text = $1
bpchar(text) text = $1
varchar(text) text = $1
name(text) name = $1
`

const mathFunctions = `
abs(int2) int2 = abs($1)
abs(int4) int4 = abs($1)
abs(int8) int8 = abs($1)
abs(float4) float4 = abs($1)
abs(float8) float8 = abs($1)
abs(numeric) numeric = abs($1)
ceil|ceiling(float8) float8 = ceil($1)
ceil|ceiling(numeric) numeric = ceil($1)
floor(float8) float8 = floor($1)
floor(numeric) numeric = floor($1)
round(float8) float8 = round_even($1, 0)
round(numeric) numeric = round($1)
round(numeric, int4) numeric = round($1, $2)
trunc(float8) float8 = trunc($1)
trunc(numeric) numeric = trunc($1)
trunc(numeric, int4) numeric = CAST(__engram_numeric_trunc(CAST($1 AS VARCHAR), $2) AS DECIMAL(38, 16))
sign(float8) float8 = CAST(sign($1) AS DOUBLE)
sign(numeric) numeric = CAST(sign($1) AS DECIMAL(1, 0))
sqrt(float8) float8 = __engram_sqrt($*)
sqrt(numeric) numeric = CAST(__engram_numeric_sqrt(CAST($1 AS VARCHAR)) AS DECIMAL(38, 16))
cbrt(float8) float8 = cbrt($1)
exp(float8) float8 = exp($1)
exp(numeric) numeric = CAST(exp(CAST($1 AS DOUBLE)) AS DECIMAL(38, 16))
ln(float8) float8 = __engram_ln($*)
ln(numeric) numeric = CAST(__engram_ln(CAST($1 AS DOUBLE)) AS DECIMAL(38, 16))
log|log10(float8) float8 = __engram_log10($*)
log|log10(numeric) numeric = CAST(__engram_log10(CAST($1 AS DOUBLE)) AS DECIMAL(38, 16))
log(numeric, numeric) numeric = CAST(__engram_ln(CAST($2 AS DOUBLE)) / __engram_ln(CAST($1 AS DOUBLE)) AS DECIMAL(38, 16))
power|pow(float8, float8) float8 = __engram_power($*)
power|pow(numeric, numeric) numeric = CAST(__engram_numeric_power(CAST($1 AS VARCHAR), CAST($2 AS VARCHAR)) AS DECIMAL(38, 16))
mod(int2, int2) int2 = __engram_mod_int2($*)
mod(int4, int4) int4 = __engram_mod_int4($*)
mod(int8, int8) int8 = __engram_mod_int8($*)
mod(numeric, numeric) numeric = CAST(__engram_numeric_mod(CAST($1 AS VARCHAR), CAST($2 AS VARCHAR)) AS DECIMAL(38, 16))
div(numeric, numeric) numeric = CAST(__engram_numeric_intdiv(CAST($1 AS VARCHAR), CAST($2 AS VARCHAR)) AS DECIMAL(38, 0))
gcd(int4, int4) int4 = CAST(gcd($1, $2) AS INTEGER)
gcd(int8, int8) int8 = CAST(gcd($1, $2) AS BIGINT)
lcm(int4, int4) int4 = CAST(lcm($1, $2) AS INTEGER)
lcm(int8, int8) int8 = CAST(lcm($1, $2) AS BIGINT)
factorial(int8) numeric = CAST(__engram_factorial($1) AS DECIMAL(38, 0))
degrees(float8) float8 = degrees($1)
radians(float8) float8 = radians($1)
pi() float8 = pi()
sin(float8) float8 = sin($1)
cos(float8) float8 = cos($1)
tan(float8) float8 = tan($1)
cot(float8) float8 = cot($1)
asin(float8) float8 = asin($1)
acos(float8) float8 = acos($1)
atan(float8) float8 = atan($1)
atan2(float8, float8) float8 = atan2($1, $2)
sinh(float8) float8 = sinh($1)
cosh(float8) float8 = cosh($1)
tanh(float8) float8 = tanh($1)
asinh(float8) float8 = asinh($1)
acosh(float8) float8 = acosh($1)
atanh(float8) float8 = atanh($1)
random() float8~ = random()
width_bucket(float8, float8, float8, int4) int4 = __engram_width_bucket($*)
width_bucket(numeric, numeric, numeric, int4) int4 = __engram_width_bucket(CAST($1 AS DOUBLE), CAST($2 AS DOUBLE), CAST($3 AS DOUBLE), $4)
scale(numeric) int4 = __engram_numeric_scale(CAST($1 AS VARCHAR))
float4(numeric) float4 = CAST($1 AS FLOAT)
float8(numeric) float8 = CAST($1 AS DOUBLE)
float8(int8) float8 = CAST($1 AS DOUBLE)
int4(numeric) int4 = CAST($1 AS INTEGER)
int4(float8) int4 = CAST($1 AS INTEGER)
int8(numeric) int8 = CAST($1 AS BIGINT)
int8(float8) int8 = CAST($1 AS BIGINT)
`

const timeFunctions = `
now|transaction_timestamp() timestamptz~ = __engram_now($@)
statement_timestamp() timestamptz~ = __engram_statement_now($@)
clock_timestamp() timestamptz~ = __engram_clock($@)
timeofday() text~ = __engram_timeofday($@)
date_trunc(text, timestamp) timestamp = date_trunc($1, $2)
date_trunc(text, timestamptz) timestamptz = date_trunc($1, $2)
date_trunc(text, interval) interval = date_trunc($1, $2)
age(timestamp, timestamp) interval = age($1, $2)
age(timestamptz, timestamptz) interval = age($1, $2)
age(timestamp) interval~ = age(CAST(CAST(__engram_now($@) AS DATE) AS TIMESTAMP), $1)
age(timestamptz) interval~ = age(CAST(CAST(__engram_now($@) AS DATE) AS TIMESTAMPTZ), $1)
make_date(int4, int4, int4) date = make_date($1, $2, $3)
make_time(int4, int4, float8) time = make_time($1, $2, $3)
make_timestamp(int4, int4, int4, int4, int4, float8) timestamp = make_timestamp($1, $2, $3, $4, $5, $6)
make_timestamptz(int4, int4, int4, int4, int4, float8) timestamptz = make_timestamptz($1, $2, $3, $4, $5, $6)
to_timestamp(float8) timestamptz = to_timestamp($1)
to_char(timestamp, text) text = __engram_to_char_timestamp($*)
to_char(timestamptz, text) text = __engram_to_char_timestamptz($@, $*)
timezone(text, timestamptz) timestamp = __engram_timezone_out($*)
timezone(text, timestamp) timestamptz = __engram_timezone_in($*)
justify_days(interval) interval = __engram_justify_days($*)
justify_hours(interval) interval = __engram_justify_hours($*)
justify_interval(interval) interval = __engram_justify_interval($*)
isfinite(date) bool = isfinite($1)
isfinite(timestamp) bool = isfinite($1)
isfinite(timestamptz) bool = isfinite($1)
isfinite(interval) bool = ($1 IS NOT NULL)
date_bin(interval, timestamp, timestamp) timestamp = time_bucket($1, $2, $3)
date_bin(interval, timestamptz, timestamptz) timestamptz = time_bucket($1, $2, $3)
date(timestamp) date = CAST($1 AS DATE)
date(timestamptz) date = CAST($1 AS DATE)
`

const arrayFunctions = `
array_length(anyarray, int4) int4 = CASE WHEN $2 = 1 AND len($1) > 0 THEN CAST(len($1) AS INTEGER) END
array_upper(anyarray, int4) int4 = CASE WHEN $2 = 1 AND len($1) > 0 THEN CAST(len($1) AS INTEGER) END
array_lower(anyarray, int4) int4 = CASE WHEN $2 = 1 AND len($1) > 0 THEN 1 END
array_ndims(anyarray) int4 = CASE WHEN len($1) > 0 THEN 1 END
array_dims(anyarray) text = CASE WHEN len($1) > 0 THEN '[1:' || len($1) || ']' END
cardinality(anyarray) int4 = CAST(len($1) AS INTEGER)
array_append(anyarray, anyelement) anyarray! = list_append(coalesce($1, []), $2)
array_prepend(anyelement, anyarray) anyarray! = list_prepend($1, coalesce($2, []))
array_cat(anyarray, anyarray) anyarray! = list_concat($1, $2)
array_remove(anyarray, anyelement) anyarray! = list_filter($1, lambda __engram_e: __engram_e IS DISTINCT FROM $2)
array_replace(anyarray, anyelement, anyelement) anyarray! = list_transform($1, lambda __engram_e: CASE WHEN __engram_e IS NOT DISTINCT FROM $2 THEN $3 ELSE __engram_e END)
array_position(anyarray, anyelement) int4! = CAST(nullif(list_position($1, $2), 0) AS INTEGER)
array_positions(anyarray, anyelement) int4[]! = list_filter(CAST(range(1, len($1) + 1) AS INTEGER[]), lambda __engram_i: $1[__engram_i] IS NOT DISTINCT FROM $2)
array_to_string(anyarray, text) text! = __engram_array_to_string($1, $2, NULL)
array_to_string(anyarray, text, text) text! = __engram_array_to_string($1, $2, $3)
trim_array(anyarray, int4) anyarray = $1[1:len($1) - $2]
array_fill(anyelement, int4[]) anyarray! = list_transform(range(0, $2[1]), lambda __engram_i: $1)
`

// The results of json functions are normalised by our own functions; jsonb travels as its text.
const jsonFunctions = `
json_typeof(json) text = __engram_json_typeof($1)
jsonb_typeof(jsonb) text = __engram_json_typeof($1)
json_array_length(json) int4 = __engram_json_array_length($1)
jsonb_array_length(jsonb) int4 = __engram_json_array_length($1)
jsonb_pretty(jsonb) text = __engram_jsonb_pretty($1)
jsonb_strip_nulls(jsonb) jsonb = __engram_jsonb_strip_nulls($1)
json_strip_nulls(json) json = __engram_json_strip_nulls($1)
jsonb_set(jsonb, text[], jsonb) jsonb = __engram_jsonb_set($1, $2, $3, TRUE)
jsonb_set(jsonb, text[], jsonb, bool) jsonb = __engram_jsonb_set($*)
json_extract_path(json, ...text) json = __engram_json_path($1, [$#])
jsonb_extract_path(jsonb, ...text) jsonb = __engram_jsonb_path($1, [$#])
json_extract_path_text(json, ...text) text = __engram_json_path_text($1, [$#])
jsonb_extract_path_text(jsonb, ...text) text = __engram_json_path_text($1, [$#])
jsonb_exists(jsonb, text) bool = __engram_jsonb_exists($*)
jsonb_concat(jsonb, jsonb) jsonb = __engram_jsonb_concat($*)
`

const vectorFunctions = `
l2_distance(vector, vector) float8 = __engram_l2_distance($*)
cosine_distance(vector, vector) float8 = __engram_cosine_distance($*)
inner_product(vector, vector) float8 = __engram_inner_product($*)
negative_inner_product|vector_negative_inner_product(vector, vector) float8 = __engram_negative_inner_product($*)
l1_distance(vector, vector) float8 = __engram_l1_distance($*)
hamming_distance(varbit, varbit) float8 = __engram_hamming_distance($*)
jaccard_distance(varbit, varbit) float8 = __engram_jaccard_distance($*)
vector_dims(vector) int4 = CAST(len($1) AS INTEGER)
vector_norm|l2_norm(vector) float8 = __engram_vector_norm($*)
l2_normalize(vector) vector = __engram_l2_normalize($*)
subvector(vector, int4, int4) vector = __engram_subvector($*)
binary_quantize(vector) varbit = __engram_binary_quantize($*)
embed(text) vector = __engram_embed($@, $1)
embed(text, text) vector = __engram_embed($@, $*)
embed_image(bytea) vector = __engram_embed_image($@, $*)
embed_audio(bytea) vector = __engram_embed_audio($@, $*)
embed_image(bytea, text) vector = __engram_embed_image($@, $*)
embed_audio(bytea, text) vector = __engram_embed_audio($@, $*)
`

// Sets: the template gives the list that is unnested.
const setFunctions = `
generate_series(int4, int4) int4 = CAST(generate_series($1, $2) AS INTEGER[])
generate_series(int4, int4, int4) int4 = CAST(generate_series($1, $2, $3) AS INTEGER[])
generate_series(int8, int8) int8 = generate_series($1, $2)
generate_series(int8, int8, int8) int8 = generate_series($1, $2, $3)
generate_series(timestamp, timestamp, interval) timestamp = generate_series($1, $2, $3)
generate_series(timestamptz, timestamptz, interval) timestamptz = generate_series($1, $2, $3)
generate_subscripts(anyarray, int4) int4 = CASE WHEN $2 = 1 THEN CAST(generate_series(1, len($1)) AS INTEGER[]) END
unnest(anyarray) anyelement = $1
regexp_split_to_table(text, text) text = __engram_regexp_split($1, $2, '')
regexp_split_to_table(text, text, text) text = __engram_regexp_split($1, $2, $3)
string_to_table(text, text) text = __engram_string_to_array($1, $2, NULL)
json_array_elements(json) json = __engram_json_elements($1)
jsonb_array_elements(jsonb) jsonb = __engram_jsonb_elements($1)
json_array_elements_text(json) text = __engram_json_elements_text($1)
jsonb_array_elements_text(jsonb) text = __engram_json_elements_text($1)
pg_partition_ancestors(regclass) regclass = CAST([] AS BIGINT[])
json_object_keys(json) text = __engram_json_keys($1)
jsonb_object_keys(jsonb) text = __engram_json_keys($1)
`

// Aggregates. Inside the template $* are the arguments as the user wrote them, with DISTINCT, ORDER BY, FILTER and OVER
// put behind them by the caller: #(name) calls an aggregate with them.
const aggregateFunctions = `
count() int8 = #(count_star)
count(any) int8 = #(count)
sum(int2) int8 = CAST(#(sum) AS BIGINT)
sum(int4) int8 = CAST(#(sum) AS BIGINT)
sum(int8) numeric = CAST(#(sum) AS DECIMAL(38, 0))
sum(float4) float4 = CAST(#(sum) AS FLOAT)
sum(float8) float8 = #(sum)
sum(numeric) numeric = #(sum)
sum(interval) interval = #(sum)
sum(vector) vector = __engram_vector_sum(#(list))
avg(int2) numeric = CAST(__engram_numeric_div(CAST(#(sum) AS VARCHAR), CAST(#(count) AS VARCHAR)) AS DECIMAL(38, 16))
avg(int4) numeric = CAST(__engram_numeric_div(CAST(#(sum) AS VARCHAR), CAST(#(count) AS VARCHAR)) AS DECIMAL(38, 16))
avg(int8) numeric = CAST(__engram_numeric_div(CAST(#(sum) AS VARCHAR), CAST(#(count) AS VARCHAR)) AS DECIMAL(38, 16))
avg(numeric) numeric = CAST(__engram_numeric_div(CAST(#(sum) AS VARCHAR), CAST(#(count) AS VARCHAR)) AS DECIMAL(38, 16))
avg(float4) float8 = CAST(#(avg) AS DOUBLE)
avg(float8) float8 = #(avg)
avg(interval) interval = #(avg)
avg(vector) vector = __engram_vector_avg(#(list))
min(any) same = #(min)
max(any) same = #(max)
bool_and|every(bool) bool = #(bool_and)
bool_or(bool) bool = #(bool_or)
bit_and(int2) int2 = #(bit_and)
bit_and(int4) int4 = #(bit_and)
bit_and(int8) int8 = #(bit_and)
bit_or(int2) int2 = #(bit_or)
bit_or(int4) int4 = #(bit_or)
bit_or(int8) int8 = #(bit_or)
bit_xor(int4) int4 = #(bit_xor)
bit_xor(int8) int8 = #(bit_xor)
string_agg(text, text) text = #(string_agg)
array_agg(anyelement) anyarray = #(array_agg)
stddev|stddev_samp(float8) float8 = #(stddev_samp)
stddev|stddev_samp(numeric) numeric = CAST(#(stddev_samp) AS DECIMAL(38, 16))
stddev_pop(float8) float8 = #(stddev_pop)
stddev_pop(numeric) numeric = CAST(#(stddev_pop) AS DECIMAL(38, 16))
variance|var_samp(float8) float8 = #(var_samp)
variance|var_samp(numeric) numeric = CAST(#(var_samp) AS DECIMAL(38, 16))
var_pop(float8) float8 = #(var_pop)
var_pop(numeric) numeric = CAST(#(var_pop) AS DECIMAL(38, 16))
corr(float8, float8) float8 = #(corr)
covar_pop(float8, float8) float8 = #(covar_pop)
covar_samp(float8, float8) float8 = #(covar_samp)
regr_slope(float8, float8) float8 = #(regr_slope)
regr_intercept(float8, float8) float8 = #(regr_intercept)
regr_r2(float8, float8) float8 = #(regr_r2)
regr_count(float8, float8) int8 = CAST(#(regr_count) AS BIGINT)
regr_avgx(float8, float8) float8 = #(regr_avgx)
regr_avgy(float8, float8) float8 = #(regr_avgy)
`

const windowFunctions = `
row_number() int8 = #(row_number)
rank() int8 = #(rank)
dense_rank() int8 = #(dense_rank)
percent_rank() float8 = #(percent_rank)
cume_dist() float8 = #(cume_dist)
ntile(int4) int4 = CAST(#(ntile) AS INTEGER)
lag(anyelement) anyelement = #(lag)
lag(anyelement, int4) anyelement = #(lag)
lag(anyelement, int4, anyelement) anyelement = #(lag)
lead(anyelement) anyelement = #(lead)
lead(anyelement, int4) anyelement = #(lead)
lead(anyelement, int4, anyelement) anyelement = #(lead)
first_value(any) same = #(first_value)
last_value(any) same = #(last_value)
nth_value(any, int4) same = #(nth_value)
`

// Ordered-set aggregates: the direct arguments, then the one sorted by.
const orderedFunctions = `
percentile_cont(float8, float8) float8 = #(quantile_cont)
percentile_cont(float8, interval) interval = #(quantile_cont)
percentile_cont(float8[], float8) float8[] = #(quantile_cont)
percentile_disc(float8, anyelement) anyelement = #(quantile_disc)
percentile_disc(float8[], anyelement) anyarray = #(quantile_disc)
mode(anyelement) anyelement = #(mode)
`

// Functions of the session and the catalog: name(arguments) result; each becomes a call of __engram_pg_<name> with the
// session's token. A line of names shares one signature.
const sessionCalls = `
current_database|current_schema|current_user|session_user|current_role|user|current_catalog|getpgusername() name~
version|inet_client_addr|inet_server_addr|pg_current_logfile|pg_export_snapshot|current_query() text~
pg_backend_pid|inet_client_port|inet_server_port|pg_trigger_depth() int4~
current_schemas(bool) name[]
current_setting(text) text~
current_setting(text, bool) text~
set_config(text, text, bool) text~
pg_sleep(float8) void~
pg_is_in_recovery|pg_is_wal_replay_paused|pg_jit_available|pg_reload_conf() bool
pg_advisory_unlock_all() void~
pg_advisory_lock|pg_advisory_xact_lock|pg_advisory_lock_shared|pg_advisory_xact_lock_shared(int8) void~
pg_try_advisory_lock|pg_try_advisory_xact_lock|pg_advisory_unlock|pg_try_advisory_lock_shared|pg_advisory_unlock_shared(int8) bool~
pg_cancel_backend(int4) bool~
pg_terminate_backend(int4) bool~
pg_terminate_backend(int4, int8) bool~
pg_notify(text, text) void~
pg_postmaster_start_time|pg_conf_load_time|pg_last_xact_replay_timestamp() timestamptz~
txid_current() int8~
txid_current_if_assigned() int8~
pg_current_xact_id() xid8~
pg_current_xact_id_if_assigned() xid8~
pg_my_temp_schema() oid
pg_get_userbyid(oid) name
format_type(oid, int4) text
pg_get_expr(pg_node_tree, oid) text
pg_get_expr(pg_node_tree, oid, bool) text
pg_get_expr(text, oid) text
pg_get_expr(text, oid, bool) text
pg_get_indexdef(oid) text
pg_get_indexdef(oid, int4, bool) text
pg_get_constraintdef(oid) text
pg_get_constraintdef(oid, bool) text
pg_get_viewdef(oid) text
pg_get_viewdef(oid, bool) text
pg_get_viewdef(oid, int4) text
pg_get_viewdef(text) text
pg_get_viewdef(text, bool) text
pg_get_ruledef(oid) text
pg_get_ruledef(oid, bool) text
pg_get_triggerdef(oid) text
pg_get_triggerdef(oid, bool) text
pg_get_functiondef|pg_get_function_arguments|pg_get_function_identity_arguments|pg_get_function_result|pg_get_function_sqlbody(oid) text
pg_get_function_arg_default(oid, int4) text
pg_get_statisticsobjdef|pg_get_statisticsobjdef_columns|pg_get_partkeydef|pg_get_partition_constraintdef(oid) text
pg_get_serial_sequence(text, text) text
pg_get_replica_identity_index(regclass) regclass
pg_table_is_visible|pg_type_is_visible|pg_function_is_visible|pg_operator_is_visible|pg_opclass_is_visible|pg_opfamily_is_visible(oid) bool
pg_conversion_is_visible|pg_ts_config_is_visible|pg_ts_dict_is_visible|pg_ts_parser_is_visible|pg_ts_template_is_visible(oid) bool
pg_collation_is_visible|pg_statistics_obj_is_visible|pg_is_other_temp_schema(oid) bool
obj_description(oid, name) text
obj_description(oid) text
col_description(oid, int4) text
shobj_description(oid, name) text
has_table_privilege|has_schema_privilege|has_database_privilege|has_sequence_privilege|has_function_privilege|has_type_privilege|has_language_privilege|has_tablespace_privilege|has_foreign_data_wrapper_privilege|has_server_privilege|has_any_column_privilege(oid, text) bool
has_table_privilege|has_schema_privilege|has_database_privilege|has_sequence_privilege|has_function_privilege|has_type_privilege|has_language_privilege|has_tablespace_privilege|has_foreign_data_wrapper_privilege|has_server_privilege|has_any_column_privilege(text, text) bool
has_table_privilege|has_schema_privilege|has_database_privilege|has_sequence_privilege|has_function_privilege|has_type_privilege|has_language_privilege|has_tablespace_privilege|has_foreign_data_wrapper_privilege|has_server_privilege|has_any_column_privilege(name, oid, text) bool
has_table_privilege|has_schema_privilege|has_database_privilege|has_sequence_privilege|has_function_privilege|has_type_privilege|has_language_privilege|has_tablespace_privilege|has_foreign_data_wrapper_privilege|has_server_privilege|has_any_column_privilege(name, text, text) bool
has_table_privilege|has_schema_privilege|has_database_privilege|has_sequence_privilege(oid, oid, text) bool
has_column_privilege(oid, text, text) bool
has_column_privilege(oid, int2, text) bool
has_column_privilege(text, text, text) bool
has_column_privilege(name, oid, text, text) bool
has_column_privilege(name, oid, int2, text) bool
has_column_privilege(name, text, text, text) bool
pg_has_role(oid, text) bool
pg_has_role(name, text) bool
pg_has_role(name, oid, text) bool
pg_has_role(name, name, text) bool
pg_has_role(oid, oid, text) bool
pg_relation_size(regclass) int8
pg_relation_size(regclass, text) int8
pg_table_size|pg_total_relation_size|pg_indexes_size(regclass) int8
pg_database_size(oid) int8
pg_database_size(name) int8
pg_tablespace_size(oid) int8
pg_size_pretty(int8) text
pg_size_pretty(numeric) text
pg_size_bytes(text) int8
pg_column_size(any) int4
pg_relation_filenode(regclass) oid
pg_relation_filepath(regclass) text
pg_tablespace_location(oid) text
pg_encoding_to_char(int4) name
pg_char_to_encoding(name) int4
pg_typeof(any) regtype
to_regclass(text) regclass
to_regtype(text) regtype
to_regproc(text) regproc
to_regprocedure(text) regprocedure
to_regnamespace(text) regnamespace
to_regrole(text) regrole
to_regoper(text) regoper
pg_index_column_has_property(regclass, int4, text) bool
pg_index_has_property(regclass, text) bool
pg_indexam_has_property(oid, text) bool
pg_describe_object(oid, oid, int4) text
pg_identify_object_as_address(oid, oid, int4) record
pg_stat_get_numscans|pg_stat_get_tuples_returned|pg_stat_get_tuples_inserted|pg_stat_get_live_tuples|pg_stat_get_dead_tuples(oid) int8
pg_stat_get_backend_idset() int4
pg_relation_is_updatable(regclass, bool) int4
pg_column_is_updatable(regclass, int2, bool) bool
pg_sequence_last_value(regclass) int8~
pg_collation_actual_version(oid) text
pg_database_collation_actual_version(oid) text
pg_blocking_pids(int4) int4[]
pg_safe_snapshot_blocking_pids(int4) int4[]
pg_partition_root(regclass) regclass
pg_relation_is_publishable(regclass) bool
row_security_active(oid) bool
nextval(regclass) int8~
currval(regclass) int8~
setval(regclass, int8) int8~
setval(regclass, int8, bool) int8~
lastval() int8~
acldefault(char, oid) aclitem[]
array_in|array_out|domain_in(text) text
txid_status(int8) text
`

// catalogSignatures turns sessionCalls into signatures.
func catalogSignatures() string {
	var b strings.Builder
	for line := range strings.Lines(sessionCalls) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		open := strings.IndexByte(line, '(')
		end := strings.LastIndexByte(line, ')')
		ret, volatile := strings.CutSuffix(strings.TrimSpace(line[end+1:]), "~")
		for name := range strings.SplitSeq(line[:open], "|") {
			b.WriteString(name + line[open:end+1] + " " + ret + pick(laxCalls[name], "!", "") + pick(volatile, "~", "") +
				" = __engram_pg_" + name + "($@, $*)\n")
		}
	}
	return b.String()
}

// laxCalls are functions of the catalog that are called with NULLs.
var laxCalls = map[string]bool{"format_type": true, "set_config": true, "pg_typeof": true, "pg_get_userbyid": false, "pg_notify": true}
