CREATE TABLE r (id int PRIMARY KEY, b bool, i2 smallint, i4 int, i8 bigint, f4 real, f8 double precision, n numeric(12,3), nn numeric, t text, v varchar(10), by bytea, u uuid, d date, ti time, ts timestamp, tz timestamptz, iv interval, j jsonb, ta text[], ia int[])

CREATE TABLE k (i4 int, name text, n numeric, id int)

INSERT INTO r VALUES
(1, true, 1, 10, 100, 1.5, 2.5, 1.250, 1.5, 'one', 'v1', '\x01ff', '11111111-1111-1111-1111-111111111111', '2024-01-01', '01:02:03', '2024-01-01 10:00:00', '2024-01-01 10:00:00+00', '1 day', '{"a": 1, "b": [1,2]}', '{a,b}', '{1,2,3}'),
(2, false, -1, -10, -100, -1.5, -2.5, -1.250, -1.50, 'Two', 'v2', '\x', '22222222-2222-2222-2222-222222222222', '2023-02-28', '23:59:59.999999', '2023-02-28 23:59:59.5', '2023-06-01 12:00:00+02', '1 mon -2 days 03:04:05', '{"a": "x"}', '{}', '{}'),
(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(4, true, 0, 0, 0, 'NaN', 'Infinity', 0, 0, '', '', '\x00', '00000000-0000-0000-0000-000000000000', 'infinity', '00:00', '-infinity', 'infinity', '0', '[]', '{NULL,"x y"}', '{NULL,5}'),
(5, true, 32767, 2147483647, 9223372036854775807, 3.4e38, 1e308, 999999999.999, 123456789012345.123456789, 'a%b_c', 'é', '\xdeadbeef', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '1969-12-31', '12:00', '1969-12-31 23:59:59.999999', '1900-01-01 00:00:00+00', '-1 year', '"str"', '{é}', '{-1}'),
(6, false, -32768, -2147483648, -9223372036854775808, '-0', '-Infinity', -0.001, 0.000000001, 'one', 'v1', '\x01', '11111111-1111-1111-1111-111111111111', '-infinity', '24:00', 'infinity', '-infinity', '100:00:00', 'null', '{b,a}', '{3,2,1}'),
(7, false, 7, 7, 7, 7, 7, 7, 7.70, 'deleted', 'x', '\x07', NULL, '2024-07-07', '07:07', '2024-07-07', '2024-07-07', '7 days', '7', '{7}', '{7}'),
(8, true, 8, 8, 8, 8, 8, 8, 8.80, 'updated', 'x', '\x08', NULL, '2024-08-08', '08:08', '2024-08-08', '2024-08-08', '8 days', '8', '{8}', '{8}')

INSERT INTO k VALUES (10, 'ten', 1.5, 1), (0, 'zero', 0, 4), (NULL, 'null', NULL, 3), (99, 'none', 2, 99)

-- seal

DELETE FROM r WHERE id = 7

UPDATE r SET t = 'UPDATED', i4 = i4 + 1, iv = iv * 2, nn = nn + 0.01, ta = ta || 'z', j = '{"k": 8}' WHERE id = 8

INSERT INTO r VALUES
(9, true, 1, 10, 100, 'NaN', 'NaN', 1.25, 1.500, 'nine', 'v9', '\x09', NULL, '2024-02-29', '09:09:09', '2024-02-29 09:09:09.123456', '2024-02-29 09:09:09+00', '2 years 3 mons', '{"b": 2, "a": null}', '{a}', '{1}'),
(10, NULL, 3, 30, 300, 0.1, 0.1, 3.333, 3.3333333333, 'ten', NULL, NULL, NULL, '2024-12-31', NULL, '2024-12-31', NULL, '30 days', '{"a": {"b": "deep"}}', '{a,b}', '{1,2,3}')

INSERT INTO k VALUES (30, 'thirty', 3.3333333333, 10), (10, 'ten2', 1.50, 1)

SELECT id, b, i2, i4, i8, f4, f8 FROM r ORDER BY id

-- differs: zeros at the end of a numeric
SELECT id, n, nn, t, v, by, u FROM r ORDER BY id

SELECT id, d, ti, ts, tz, iv FROM r ORDER BY id

SELECT id, j, ta, ia FROM r ORDER BY id

SELECT * FROM r WHERE id = 4

SELECT * FROM r WHERE id = 5

SELECT id FROM r WHERE b ORDER BY id

SELECT id FROM r WHERE NOT b OR i2 IS NULL ORDER BY id

SELECT id FROM r WHERE nn = 1.5 ORDER BY id

SELECT id FROM r WHERE n BETWEEN -1.25 AND 1.25 ORDER BY id

SELECT id FROM r WHERE f8 = 'NaN' OR f4 = 'NaN' ORDER BY id

SELECT id FROM r WHERE f8 > 1e300 ORDER BY id

-- differs: not alike yet
SELECT id, f4 FROM r ORDER BY f4, id

SELECT id, f8 FROM r ORDER BY f8 DESC NULLS LAST, id

SELECT id, d FROM r ORDER BY d, id

SELECT id, ts FROM r ORDER BY ts DESC, id

SELECT id, iv FROM r ORDER BY iv, id

SELECT id, iv FROM r WHERE iv > '1 day' ORDER BY id

SELECT id FROM r WHERE iv = '30 days' OR iv = '1 mon' ORDER BY id

SELECT count(DISTINCT iv), count(iv), min(iv), max(iv) FROM r

-- differs: an error instead
SELECT sum(iv) FROM r WHERE id IN (1, 2, 9)

SELECT avg(iv) FROM r WHERE id IN (1, 6)

SELECT id, u FROM r ORDER BY u NULLS FIRST, id

SELECT id, by FROM r ORDER BY by DESC, id

SELECT id, t FROM r ORDER BY t COLLATE "C", id

SELECT id, ia FROM r ORDER BY ia, id

SELECT id, ta FROM r ORDER BY ta DESC NULLS LAST, id

-- differs: ordering by jsonb is refused
SELECT id, j FROM r ORDER BY j NULLS LAST, id

SELECT id, b FROM r ORDER BY b, id

SELECT sum(i2), sum(i4), sum(i8) FROM r

SELECT sum(i2) FROM r WHERE id < 5

-- differs: zeros at the end of a numeric
SELECT avg(i2), avg(i4) FROM r WHERE id < 5

SELECT avg(i4), avg(i8) FROM r

-- differs: zeros at the end of a numeric
SELECT sum(n), sum(nn) FROM r

-- differs: zeros at the end of a numeric
SELECT avg(n) FROM r WHERE id < 4

SELECT round(avg(nn), 6) FROM r WHERE id < 4

SELECT sum(f4), sum(f8) FROM r WHERE id IN (1,2,8)

SELECT avg(f4), avg(f8) FROM r WHERE id IN (1,2,8)

SELECT sum(f8), avg(f8) FROM r WHERE id IN (1, 4, 6)

SELECT max(f8), min(f8), max(f4), min(f4) FROM r

-- differs: zeros at the end of a numeric
SELECT min(t), max(t), min(d), max(d), min(ts), max(tz), min(n), max(nn) FROM r

-- differs: not alike yet
SELECT min(ti), max(ti), min(v), max(v) FROM r

SELECT min(ia), max(ta) FROM r

SELECT bool_and(b), bool_or(b), every(b) FROM r

SELECT bit_and(i4), bit_or(i2) FROM r WHERE id IN (1, 2, 8)

SELECT count(*), count(b), count(DISTINCT t), count(DISTINCT f8), count(DISTINCT nn) FROM r

SELECT b, count(*), sum(i4), max(t) FROM r GROUP BY b ORDER BY b

SELECT t, count(*) FROM r GROUP BY t HAVING count(*) > 1 ORDER BY t

SELECT u, array_agg(id ORDER BY id) FROM r GROUP BY u ORDER BY u NULLS FIRST

SELECT f8, count(*) FROM r GROUP BY f8 ORDER BY f8

-- differs: zeros at the end of a numeric
SELECT nn, count(*) FROM r WHERE id <> 5 GROUP BY nn ORDER BY nn

SELECT string_agg(t, ',' ORDER BY id), string_agg(t, '' ORDER BY id DESC) FROM r

SELECT array_agg(i4 ORDER BY id), array_agg(t ORDER BY id) FROM r

SELECT array_agg(d ORDER BY id), array_agg(iv ORDER BY id) FROM r WHERE id IN (1, 2, 3)

SELECT json_agg(i4 ORDER BY id), jsonb_agg(t ORDER BY id) FROM r WHERE id < 4

SELECT jsonb_object_agg(id, t) FROM r WHERE id < 3

-- differs: not alike yet
SELECT stddev(i4), variance(i4), stddev_pop(f8) FROM r WHERE id IN (1, 2, 8)

SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY i4), percentile_disc(0.5) WITHIN GROUP (ORDER BY i4), mode() WITHIN GROUP (ORDER BY t) FROM r

SELECT b, i2, count(*) FROM r GROUP BY ROLLUP (b, i2) ORDER BY 1, 2, 3

SELECT sum(i4) FROM r WHERE false

SELECT count(*), array_agg(t), string_agg(t, ',') FROM r WHERE id > 100

SELECT DISTINCT b FROM r ORDER BY b

SELECT DISTINCT t FROM r ORDER BY t

SELECT DISTINCT f8 FROM r ORDER BY 1

SELECT DISTINCT ON (b) b, id FROM r ORDER BY b, id DESC

SELECT id, i4 / i2 FROM r WHERE id IN (1, 2, 8) ORDER BY id

SELECT i4 / i2 FROM r WHERE id = 4

SELECT i4 % i2 FROM r WHERE id = 4

SELECT id, i4 / 0 FROM r

SELECT f8 / f4 FROM r WHERE id = 4

SELECT f8 / 0 FROM r WHERE id = 1

SELECT n / 0 FROM r WHERE id = 1

SELECT n % 0 FROM r WHERE id = 1

SELECT id, i4 / 3, i4 % 3, -i4 / 3, i8 / 7, i8 % 7 FROM r WHERE id IN (1, 2, 8) ORDER BY id

SELECT i4 + 1 FROM r WHERE id = 5

SELECT i8 - 1 FROM r WHERE id = 6

SELECT i2 * 2::smallint FROM r WHERE id = 5

SELECT -i4 FROM r WHERE id = 6

SELECT abs(i4) FROM r WHERE id = 6

SELECT i8 / -1 FROM r WHERE id = 6

SELECT f4 * 10 FROM r WHERE id = 5

SELECT f4 * f4 FROM r WHERE id = 5

SELECT f8 * 10 FROM r WHERE id = 5

SELECT i4::smallint FROM r WHERE id = 5

SELECT f8::int FROM r WHERE id IN (1, 2) ORDER BY id

SELECT f8::int FROM r WHERE id = 4

SELECT f4::bigint FROM r WHERE id = 4

-- differs: zeros at the end of a numeric
SELECT id, n::int, nn::int, n::text, nn::text FROM r WHERE id <> 5 ORDER BY id

SELECT id, nn::float8, nn::numeric(20,2), n::numeric(10,1) FROM r ORDER BY id

SELECT id, i4::text, i4::float8, i4::numeric, b::text, b::int FROM r WHERE id < 5 ORDER BY id

SELECT id, d::text, ts::text, tz::text, iv::text, ti::text FROM r ORDER BY id

SELECT id, f4::text, f8::text, f4::float8, f8::real FROM r WHERE id <> 5 ORDER BY id

SELECT id, ta::text, ia::text, j::text, by::text, u::text FROM r ORDER BY id

-- differs: an error instead
SELECT id, ts::date, tz::date, ts::time, d::timestamp, d::timestamptz FROM r ORDER BY id

SELECT id, t || v, t || i4, i4 || t FROM r ORDER BY id

-- differs: zeros at the end of a numeric
SELECT id, n + nn, n - nn, n * 2, n + i4, nn + f8 FROM r WHERE id IN (1, 2, 9) ORDER BY id

SELECT id, n * n FROM r WHERE id <> 5 ORDER BY id

-- differs: zeros at the end of a numeric
SELECT id, round(n, 1), trunc(nn, 1), ceil(n), floor(nn), sign(n), abs(nn) FROM r WHERE id <> 5 ORDER BY id

SELECT id, round(f8), trunc(f8), ceil(f8), floor(f8) FROM r ORDER BY id

SELECT id FROM r WHERE t LIKE 'o%' ORDER BY id

SELECT id FROM r WHERE t LIKE '%\%%' ORDER BY id

SELECT id FROM r WHERE t NOT LIKE '%e%' ORDER BY id

-- differs: not alike yet
SELECT id FROM r WHERE t ILIKE 'T%' OR v ILIKE 'É' ORDER BY id

SELECT id FROM r WHERE t ~ '^[a-z]+$' ORDER BY id

SELECT id FROM r WHERE t ~* 'o' AND t !~ 'n' ORDER BY id

SELECT id FROM r WHERE t SIMILAR TO '(one|ten)' ORDER BY id

SELECT id FROM r WHERE t LIKE v || '%' ORDER BY id

SELECT id, length(t), upper(t), lower(v), substr(t, 2, 2), left(t, -1), reverse(v), initcap(t) FROM r ORDER BY id

SELECT id, length(by), octet_length(t), encode(by, 'hex'), by || '\x01' FROM r ORDER BY id

SELECT id, j -> 'a', j ->> 'a', j #> '{a,b}', j #>> '{a,b}' FROM r ORDER BY id

SELECT id, j -> 0, j -> -1, j ->> 0 FROM r ORDER BY id

SELECT id FROM r WHERE j ? 'a' ORDER BY id

SELECT id FROM r WHERE j ?| array['k', 'b'] ORDER BY id

SELECT id FROM r WHERE j @> '{"a": 1}' ORDER BY id

SELECT id FROM r WHERE j <@ '{"a": 1, "b": [1,2], "c": 3}' ORDER BY id

SELECT id, jsonb_typeof(j) FROM r ORDER BY id

SELECT id, j || '{"z": 1}' FROM r WHERE jsonb_typeof(j) = 'object' ORDER BY id

-- differs: an error instead
SELECT id, j - 'a' FROM r WHERE jsonb_typeof(j) = 'object' ORDER BY id

SELECT id, (j ->> 'a')::int FROM r WHERE id = 1

SELECT id FROM r WHERE j = '{"b": [1, 2], "a": 1}' ORDER BY id

-- differs: ordering by jsonb is refused
SELECT j, count(*) FROM r GROUP BY j ORDER BY count(*) DESC, j NULLS LAST

SELECT r.id, e.key, e.value FROM r, jsonb_each(r.j) e WHERE r.id = 1 ORDER BY 2

SELECT r.id, x FROM r, unnest(r.ia) x ORDER BY 1, 2

SELECT r.id, x.v, x.o FROM r, unnest(r.ta) WITH ORDINALITY x(v, o) ORDER BY 1, 3

SELECT id, unnest(ia) FROM r ORDER BY 1, 2

SELECT id FROM r WHERE 2 = ANY (ia) ORDER BY id

SELECT id FROM r WHERE 5 = ANY (ia) OR 'a' = ANY (ta) ORDER BY id

SELECT id FROM r WHERE 1 <> ALL (ia) ORDER BY id

SELECT id FROM r WHERE ia @> '{1}' ORDER BY id

SELECT id FROM r WHERE ia && '{3,5}' ORDER BY id

SELECT id FROM r WHERE ia <@ '{1,2,3,4}' ORDER BY id

SELECT id FROM r WHERE ia = '{1,2,3}' ORDER BY id

SELECT id, ia[1], ia[4], ta[2], ia[2:3] FROM r ORDER BY id

SELECT id, array_length(ia, 1), cardinality(ta), array_position(ia, 3), array_to_string(ta, ','), array_upper(ia, 1) FROM r ORDER BY id

SELECT id, ia || 9, 9 || ia, ia || ia, array_append(ta, 'q'), array_remove(ia, 1) FROM r ORDER BY id

SELECT id, extract(year FROM d), extract(dow FROM d), extract(doy FROM d) FROM r WHERE isfinite(d) ORDER BY id

SELECT id, extract(epoch FROM ts), extract(second FROM ts), date_part('hour', ts) FROM r WHERE isfinite(ts) ORDER BY id

-- differs: not alike yet
SELECT id, extract(year FROM d), extract(epoch FROM ts) FROM r WHERE id IN (4, 6) ORDER BY id

SELECT id, extract(epoch FROM iv), extract(day FROM iv), extract(month FROM iv), extract(hour FROM iv) FROM r ORDER BY id

SELECT id, extract(hour FROM ti), extract(second FROM ti) FROM r ORDER BY id

SELECT id, date_trunc('month', ts), date_trunc('hour', tz), date_trunc('year', d) FROM r ORDER BY id

SELECT id, d + 1, d - 1, d + interval '1 month', d - date '2024-01-01' FROM r WHERE isfinite(d) ORDER BY id

SELECT id, d + 1 FROM r WHERE id IN (4, 6) ORDER BY id

SELECT id, ts + iv, ts - iv, tz + iv FROM r ORDER BY id

-- differs: an error instead
SELECT id, ts - timestamp '2024-01-01', tz - timestamptz '2024-01-01 00:00+00' FROM r WHERE isfinite(ts) AND isfinite(tz) ORDER BY id

-- differs: an error instead
SELECT id, ti + interval '2 hours', ti - time '01:00' FROM r ORDER BY id

SELECT id, iv + interval '1 day', iv - interval '1 hour', iv * 1.5, iv / 2, -iv FROM r ORDER BY id

SELECT id, age(ts, timestamp '2020-02-29') FROM r WHERE isfinite(ts) ORDER BY id

SELECT id, justify_hours(iv), justify_days(iv) FROM r ORDER BY id

SELECT id, to_char(ts, 'YYYY-MM-DD HH24:MI:SS'), to_char(d, 'Dy DD Mon') FROM r WHERE isfinite(ts) AND isfinite(d) ORDER BY id

SELECT id FROM r WHERE d = 'infinity' OR ts = 'infinity' OR tz = '-infinity' ORDER BY id

SELECT id FROM r WHERE d > '2024-01-15' ORDER BY id

SELECT id FROM r WHERE tz < ts ORDER BY id

SELECT id FROM r WHERE d < ts ORDER BY id

-- differs: an error instead
SELECT id, to_char(n, 'FM999,990.00') FROM r WHERE id < 5 ORDER BY id

-- differs: an error instead
SELECT to_char(1234.5, '9999.99'), to_char(-5, '999'), to_char(12, '000')

-- differs: an error instead
SELECT to_date('2024-05-17', 'YYYY-MM-DD'), to_date('17 May 2024', 'DD Mon YYYY')

-- differs: an error instead
SELECT to_timestamp('2024-05-17 10:11:12', 'YYYY-MM-DD HH24:MI:SS')

-- differs: an error instead
SELECT regexp_matches('foobar', 'o(.)')

SELECT id, regexp_match(t, '(n)(e)') FROM r ORDER BY id

SELECT r.id, k.name FROM r JOIN k ON r.i4 = k.i4 ORDER BY 1, 2

SELECT r.id, k.name FROM r LEFT JOIN k ON r.i4 = k.i4 AND k.name <> 'ten' ORDER BY 1, 2

SELECT r.id, k.name FROM r FULL JOIN k ON r.i4 = k.i4 ORDER BY 1 NULLS LAST, 2

SELECT id, r.t, k.name FROM r FULL JOIN k USING (id) ORDER BY id, 3

SELECT id, i4, name FROM r RIGHT JOIN k USING (id, i4) ORDER BY id, 3

SELECT r.id, k.name FROM r JOIN k ON r.nn = k.n ORDER BY 1, 2

SELECT a.id, b.id FROM r a JOIN r b ON a.t = b.t AND a.id < b.id ORDER BY 1

SELECT a.id, b.id FROM r a JOIN r b ON a.f8 = b.f8 AND a.id < b.id ORDER BY 1, 2

SELECT a.id, b.id FROM r a JOIN r b ON a.ia = b.ia AND a.id < b.id ORDER BY 1, 2

SELECT a.id, b.id FROM r a JOIN r b ON a.iv = b.iv AND a.id < b.id ORDER BY 1, 2

SELECT r.id, k.name FROM r CROSS JOIN k WHERE r.id < 3 ORDER BY 1, 2

SELECT r.id, k.name FROM r, k WHERE r.i8 > k.n * 10 ORDER BY 1, 2

SELECT id FROM r WHERE EXISTS (SELECT FROM k WHERE k.i4 = r.i4) ORDER BY id

SELECT id FROM r WHERE NOT EXISTS (SELECT 1 FROM k WHERE k.i4 = r.i4 AND k.id = r.id) ORDER BY id

SELECT id FROM r WHERE i4 IN (SELECT i4 FROM k) ORDER BY id

SELECT id FROM r WHERE i4 NOT IN (SELECT i4 FROM k) ORDER BY id

SELECT id FROM r WHERE i4 NOT IN (SELECT i4 FROM k WHERE i4 IS NOT NULL) ORDER BY id

SELECT id FROM r WHERE (id, i4) IN (SELECT id, i4 FROM k) ORDER BY id

SELECT id, (SELECT max(name) FROM k WHERE k.i4 = r.i4) FROM r ORDER BY id

SELECT id, (SELECT name FROM k WHERE k.i4 = r.i4) FROM r ORDER BY id

SELECT k.name FROM k WHERE EXISTS (SELECT 1 FROM r WHERE k.id = ANY (r.ia)) ORDER BY 1

SELECT k.name, (SELECT count(*) FROM r WHERE k.id = ANY (r.ia)), (SELECT count(*) FROM r WHERE r.t = ANY (array[k.name])) FROM k ORDER BY 1

SELECT id FROM r WHERE i4 > ALL (SELECT i4 FROM k WHERE i4 < 10) ORDER BY id

SELECT id FROM r WHERE i4 > ANY (SELECT i4 FROM k) ORDER BY id

SELECT id, ARRAY(SELECT name FROM k WHERE k.i4 = r.i4 ORDER BY name) FROM r ORDER BY id

SELECT r.id, l.n FROM r, LATERAL (SELECT count(*) n FROM k WHERE k.i4 <= r.i4) l ORDER BY 1

SELECT i4 FROM r UNION SELECT i4 FROM k ORDER BY 1

SELECT i4 FROM r INTERSECT SELECT i4 FROM k ORDER BY 1

SELECT i4 FROM r EXCEPT SELECT i4 FROM k ORDER BY 1

-- differs: zeros at the end of a numeric
SELECT i4 FROM r UNION ALL SELECT n FROM k ORDER BY 1

SELECT i4 FROM r INTERSECT ALL SELECT i4 FROM k ORDER BY 1

SELECT id, i4 FROM r EXCEPT ALL SELECT id, i4 FROM k ORDER BY 1

-- differs: zeros at the end of a numeric
SELECT nn FROM r WHERE id < 3 UNION SELECT n FROM k ORDER BY 1

-- differs: not alike yet
SELECT f8 FROM r UNION SELECT f4 FROM r ORDER BY 1

SELECT id, row_number() OVER (ORDER BY i4 NULLS FIRST, id), rank() OVER (ORDER BY b), dense_rank() OVER (ORDER BY t) FROM r ORDER BY id

-- differs: zeros at the end of a numeric
SELECT id, sum(i2) OVER (ORDER BY id), avg(i2) OVER (ORDER BY id ROWS 1 PRECEDING), lag(t) OVER (ORDER BY id), lead(i4, 2, -1) OVER (ORDER BY id) FROM r ORDER BY id

SELECT id, first_value(t) OVER (PARTITION BY b ORDER BY id), last_value(t) OVER (PARTITION BY b ORDER BY id), nth_value(id, 2) OVER (PARTITION BY b ORDER BY id), count(*) OVER (PARTITION BY b), ntile(3) OVER (ORDER BY id) FROM r ORDER BY id

SELECT id, percent_rank() OVER (ORDER BY id), cume_dist() OVER (ORDER BY b) FROM r ORDER BY id

SELECT id, sum(n) OVER w, max(iv) OVER w FROM r WHERE id < 5 WINDOW w AS (PARTITION BY b ORDER BY id) ORDER BY id

SELECT id, CASE WHEN i4 > 5 THEN 'big' WHEN i4 IS NULL THEN NULL ELSE t END, CASE i2 WHEN 1 THEN 'a' WHEN 0 THEN 'z' END FROM r ORDER BY id

SELECT id, CASE WHEN i2 <> 0 THEN 10 / i2 ELSE -1 END FROM r ORDER BY id

-- differs: zeros at the end of a numeric
SELECT id, coalesce(i4, i2, 0), nullif(t, ''), greatest(i2, i4), least(n, nn), coalesce(n, 0) FROM r ORDER BY id

SELECT id, i4 IS DISTINCT FROM i2, b IS TRUE, b IS NOT FALSE, b IS UNKNOWN FROM r ORDER BY id

SELECT id, b AND i4 > 0, b OR i4 > 0, NOT b, b = (i4 > 0) FROM r ORDER BY id

SELECT id, i4 & 3, i4 | 1, i4 # 5, ~i4, i2 << 2, i4 >> 1 FROM r ORDER BY id

SELECT id, power(i4, 2), sqrt(abs(i2)), mod(i4, 3), i4 ^ 2 FROM r WHERE id IN (1, 2, 8) ORDER BY id

SELECT sqrt(i4) FROM r WHERE id = 2

SELECT ln(i4) FROM r WHERE id = 4

-- differs: an error instead
SELECT id, md5(t), hashtext(t) IS NOT NULL FROM r WHERE id < 3 ORDER BY id

SELECT id, format('%s-%I-%L', i4, t, v), concat(t, i4, b, n, d), concat_ws('|', t, iv, ia) FROM r WHERE id < 5 ORDER BY id

SELECT id, position('e' in t), strpos(t, 'n'), replace(t, 'e', 'E'), split_part(t, 'n', 1), lpad(t, 5, '*'), repeat(v, 2), translate(t, 'on', 'xy') FROM r ORDER BY id

WITH a AS (SELECT b, count(*) c FROM r GROUP BY b) SELECT r.id, a.c FROM r JOIN a ON a.b IS NOT DISTINCT FROM r.b ORDER BY 1

-- differs: not alike yet
SELECT id, to_jsonb(n), to_jsonb(ts), to_jsonb(ta), to_jsonb(f8), to_jsonb(b) FROM r WHERE id IN (1, 2, 3) ORDER BY id

-- differs: zeros at the end of a numeric
SELECT row_to_json(x) FROM (SELECT id, i4, t, n, d FROM r WHERE id < 4 ORDER BY id) x

SELECT id FROM r ORDER BY id LIMIT 2 OFFSET 3

SELECT id FROM r ORDER BY i4 DESC NULLS LAST, id FETCH FIRST 3 ROWS ONLY

SELECT count(*) FILTER (WHERE b), sum(i2) FILTER (WHERE i2 > 0) FROM r

-- differs: zeros at the end of a numeric
INSERT INTO k SELECT i4, t, nn, id FROM r WHERE id IN (2, 9) RETURNING i4 + 1, upper(name), n * 2, id

-- differs: zeros at the end of a numeric
UPDATE r SET i4 = k.i4 + 1, nn = k.n FROM k WHERE k.id = r.id AND k.name = 'zero' RETURNING r.id, r.i4, r.nn, k.name

UPDATE r SET iv = iv + '1 day', ts = ts + '1 hour', d = d + 1, ta = array_append(ta, 'n'), j = j || '{"n": 1}', by = by || '\x00' WHERE id IN (1, 2) RETURNING id, iv, ts, d, ta, j, by

UPDATE r SET i2 = i2 + 1 WHERE id = 5

UPDATE r SET n = n * 10 WHERE id = 5

UPDATE r SET i4 = i4 / i2 WHERE id = 4

UPDATE r SET v = 'this is too long' WHERE id = 1

UPDATE r SET (i2, t) = (SELECT 5, max(name) FROM k WHERE k.id = r.id) WHERE id = 1 RETURNING i2, t

-- differs: an error instead
UPDATE r SET ia[2] = 42 WHERE id = 1 RETURNING ia

DELETE FROM k USING r WHERE k.id = r.id AND r.b RETURNING k.name, r.id, r.iv

INSERT INTO r (id, i4, t, n, nn) VALUES (1, 5, 'conflict', 1, 1), (20, 5, 'new', 2, 2.20) ON CONFLICT (id) DO UPDATE SET t = excluded.t || r.t, i4 = r.i4 + excluded.i4, n = excluded.n + r.n RETURNING id, i4, t, n, nn

INSERT INTO r (id) VALUES (1), (21) ON CONFLICT DO NOTHING RETURNING id

INSERT INTO r (id, i4) SELECT id, i4 FROM k ON CONFLICT (id) DO UPDATE SET i4 = -1 WHERE r.i4 IS NOT NULL

INSERT INTO r (id) VALUES (5)

INSERT INTO r (id, n) VALUES (30, 1e10)

INSERT INTO r (id, n, f4, i2, d) VALUES (31, 1.23456, 0.1, 2.5, '2024-02-30')

INSERT INTO r (id, n, f4, i4, t) VALUES (32, 1.23456, 0.1, 2.5, 7) RETURNING n, f4, i4, t

-- differs: not alike yet
SELECT id, i2, i4, n, nn, t, iv, ts, d, ta, ia, j, by FROM r ORDER BY id

-- seal

-- differs: not alike yet
SELECT id, i2, i4, n, nn, t, iv, ts, d, ta, ia, j, by FROM r ORDER BY id

-- differs: zeros at the end of a numeric
SELECT sum(i4), count(*), max(iv), sum(nn), max(ia) FROM r

-- differs: not alike yet
DELETE FROM r WHERE iv > '1 day' RETURNING id

SELECT id FROM r ORDER BY id
