SELECT 1

SELECT 1 AS a, 'x' AS b, NULL AS c, true AS d

SELECT 1 + 1, 2 * 3, 7 / 2, -7 / 2, 7 % 3, 7.0 / 2, 2 ^ 10

SELECT 1/0

SELECT 1.0/0

SELECT 10.5 / 3

SELECT 'a' || 'b' || 1

SELECT 'abc' ~ 'b', 'abc' ~* 'B', 'abc' !~ 'z', 'abc' LIKE 'a%', 'abc' ILIKE 'A%'

SELECT length('héllo'), octet_length('héllo'), upper('abc'), initcap('hello world'), substr('abcdef', 2, 3), substring('abcdef' from 2 for 3)

SELECT position('c' in 'abcd'), strpos('abcd', 'c'), replace('aXbX', 'X', '-'), reverse('abc'), repeat('ab', 3), lpad('7', 3, '0'), rpad('7', 3, '.')

SELECT split_part('a,b,c', ',', 2), string_to_array('a,b,c', ','), array_to_string(ARRAY[1,2,3], '-')

SELECT coalesce(NULL, 2), nullif(1, 1), greatest(1, 3, 2), least(1, 3, 2)

SELECT CASE WHEN 1 = 1 THEN 'yes' ELSE 'no' END

SELECT 1::int8, 1::int2, 1.5::float8, 1.5::float4, '12'::int, 12::text, 'true'::bool, 1.25::numeric(5,1)

SELECT 'x'::int

SELECT 99999999999::int

SELECT 32768::int2

SELECT '2024-02-29'::date, '2024-02-30'::date

SELECT '2024-02-29'::date + 1, '2024-03-01'::date - '2024-02-01'::date

SELECT timestamp '2024-01-31 10:00:00' + interval '1 month', date_trunc('month', timestamp '2024-05-17 10:11:12')

SELECT extract(year FROM date '2024-05-17'), extract(epoch FROM timestamp '1970-01-02 00:00:00'), date_part('dow', date '2024-05-17')

SELECT interval '1 day 02:03:04', interval '14 months', interval '1 year 2 days' * 2

SELECT timestamp '2024-05-17 10:00:00' - timestamp '2024-05-15 08:30:00'

SELECT to_char(timestamp '2024-05-17 10:11:12', 'YYYY-MM-DD HH24:MI:SS')

SELECT timestamptz '2024-01-01 10:00+02', timestamptz '2024-01-01 10:00:00 America/New_York'

SELECT now() > timestamp '2020-01-01', current_date IS NOT NULL

SELECT b'101', x'1F', '\x4142'::bytea, 'abc'::bytea

SELECT ARRAY[1,2,3], ARRAY['a','b'], '{1,2,3}'::int[], ARRAY[1,2,3][2], array_length(ARRAY[1,2,3], 1), cardinality(ARRAY[1,2])

SELECT 2 = ANY(ARRAY[1,2,3]), 5 = ALL(ARRAY[5,5]), 3 IN (1,2,3), 4 NOT IN (1,2,3)

SELECT '{"a": 1, "b": [1,2,{"c": null}]}'::jsonb, '{"a":1}'::json

SELECT '{"a": {"b": 5}}'::jsonb -> 'a' ->> 'b', '{"a": [10,20]}'::jsonb #>> '{a,1}', '{"a":1}'::jsonb @> '{"a":1}', '{"a":1}'::jsonb ? 'a'

SELECT 'a3bb189e-8bf9-3888-9912-ace4e6543002'::uuid

SELECT round(2.5), round(-2.5), round(2.567, 2), trunc(2.9), ceil(2.1), floor(-2.1), abs(-3), sign(-2.5), mod(7, 3), sqrt(16), power(2, 3)

SELECT round(2.5::float8), round(3.5::float8)

SELECT pi(), exp(1), ln(2.718281828459045::float8)

SELECT 0.1::float8 + 0.2::float8, 1e20::float8, 'NaN'::float8, 'Infinity'::float8, 1.0::float4 / 3

SELECT 1.10::numeric, 1.10 + 2.205, 1.10 * 2.0, 100::numeric, 0.00001::numeric

SELECT generate_series(1, 3)

SELECT * FROM generate_series(1, 10, 3) AS g

SELECT g, g * g AS sq FROM generate_series(1, 3) AS g(g)

SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS v(id, name) ORDER BY id DESC

VALUES (1, 'a'), (2, 'b')

SELECT count(*), sum(x), avg(x), min(x), max(x) FROM (VALUES (1), (2), (4)) AS v(x)

SELECT sum(x), avg(x) FROM (VALUES (1.5), (2.25)) AS v(x)

SELECT sum(x), avg(x) FROM (VALUES (1::bigint), (2)) AS v(x)

SELECT count(*), sum(x) FROM (SELECT 1 AS x WHERE false) q

SELECT string_agg(x, ',' ORDER BY x), array_agg(x ORDER BY x DESC), bool_and(x > 'a') FROM (VALUES ('b'), ('a')) v(x)

SELECT x % 2 AS odd, count(*) FROM generate_series(1, 10) AS g(x) GROUP BY 1 ORDER BY 1

SELECT x FROM generate_series(1, 5) AS g(x) ORDER BY x DESC LIMIT 2 OFFSET 1

SELECT row_number() OVER (ORDER BY x DESC), x, sum(x) OVER (ORDER BY x) FROM (VALUES (1), (2), (3)) v(x) ORDER BY x

SELECT DISTINCT x % 3 FROM generate_series(1, 9) AS g(x) ORDER BY 1

SELECT 1 UNION SELECT 2 UNION ALL SELECT 2 ORDER BY 1

WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT * FROM a, b

WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r

SELECT EXISTS (SELECT 1), (SELECT 5), ARRAY(SELECT g FROM generate_series(1,3) g)

SELECT (SELECT x FROM (VALUES (1), (2)) v(x))

SELECT nosuch

SELECT * FROM nosuch

SELECT nosuch(1)

SELECT 1 +

SELECT 'a' + 1

SELECT x FROM (VALUES (1)) v(x) GROUP BY x HAVING count(*) > 0

SELECT x, y FROM (VALUES (1, 2)) v(x, y) GROUP BY x

CREATE TABLE t (id int PRIMARY KEY, name varchar(5) NOT NULL, price numeric(8,2) DEFAULT 1.5, made date, ok bool, CHECK (price > 0))

INSERT INTO t (id, name) VALUES (1, 'one'), (2, 'two') RETURNING *

INSERT INTO t VALUES (1, 'dup')

INSERT INTO t VALUES (3, 'too long')

INSERT INTO t VALUES (3, NULL)

INSERT INTO t VALUES (3, 'x', -1)

INSERT INTO t VALUES (3, 'x', 'abc')

INSERT INTO t VALUES (3, 'x', 1, '2024-01-01', true, 5)

INSERT INTO t (id, nosuch) VALUES (1, 2)

INSERT INTO t SELECT g, 'n' || g::text, g, date '2024-01-01' + g, g % 2 = 0 FROM generate_series(3, 6) g

SELECT * FROM t ORDER BY id

SELECT name, price FROM t WHERE id = 3

SELECT t.*, t.price * 2 AS twice FROM t WHERE price BETWEEN 2 AND 4 ORDER BY id

UPDATE t SET price = price + 1 WHERE id > 4 RETURNING id, price

UPDATE t SET price = DEFAULT, name = upper(name) WHERE id = 4

UPDATE t SET id = 1 WHERE id = 2

UPDATE t SET nosuch = 1

INSERT INTO t VALUES (1, 'uno') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name

INSERT INTO t VALUES (1, 'xxx'), (9, 'nine') ON CONFLICT DO NOTHING

DELETE FROM t WHERE id = 9 RETURNING *

DELETE FROM t WHERE id > 100

SELECT count(*), sum(price), avg(price) FROM t

CREATE TABLE u (t_id int, note text)

INSERT INTO u VALUES (1, 'a'), (1, 'b'), (3, 'c'), (99, 'z')

SELECT t.id, u.note FROM t JOIN u ON u.t_id = t.id ORDER BY 1, 2

SELECT t.id, u.note FROM t LEFT JOIN u ON u.t_id = t.id ORDER BY 1, 2

SELECT t.id, count(u.note) FROM t LEFT JOIN u ON u.t_id = t.id GROUP BY t.id ORDER BY 1

SELECT * FROM t NATURAL JOIN (SELECT 1 AS id, 'q' AS extra) q

SELECT id FROM t JOIN (VALUES (1), (2)) AS v(id) USING (id) ORDER BY id

SELECT t.id, l.n FROM t, LATERAL (SELECT count(*) AS n FROM u WHERE u.t_id = t.id) l ORDER BY 1

SELECT id FROM t WHERE id IN (SELECT t_id FROM u) ORDER BY id

UPDATE t SET name = u.note FROM u WHERE u.t_id = t.id AND u.note = 'c' RETURNING t.id, t.name

DELETE FROM u USING t WHERE u.t_id = t.id AND t.id = 3

ALTER TABLE t ADD COLUMN extra int DEFAULT 7

SELECT id, extra FROM t ORDER BY id LIMIT 2

ALTER TABLE t DROP COLUMN extra

ALTER TABLE t RENAME COLUMN made TO made_on

ALTER TABLE u ALTER COLUMN note SET NOT NULL

INSERT INTO u VALUES (5, NULL)

CREATE UNIQUE INDEX u_note ON u (note)

INSERT INTO u VALUES (5, 'a')

CREATE VIEW v AS SELECT id, name FROM t WHERE id < 3

SELECT * FROM v ORDER BY id

DROP VIEW v

CREATE TABLE copy_of AS SELECT id, name FROM t ORDER BY id

SELECT count(*) FROM copy_of

CREATE TABLE t (id int)

DROP TABLE nosuch

TRUNCATE u

SELECT count(*) FROM u

CREATE TABLE s (id serial PRIMARY KEY, v text); INSERT INTO s (v) VALUES ('a'), ('b') RETURNING id

CREATE TABLE g (id bigint GENERATED ALWAYS AS IDENTITY, v text)

INSERT INTO g (v) VALUES ('x') RETURNING id

INSERT INTO g (id, v) VALUES (5, 'x')

BEGIN; INSERT INTO u VALUES (1, 'in'); SELECT count(*) FROM u; ROLLBACK; SELECT count(*) FROM u

BEGIN; SELECT 1/0; SELECT 1

SELECT 1

COMMIT

COMMIT

BEGIN; SAVEPOINT a; INSERT INTO u VALUES (1, 'x'); ROLLBACK TO a; COMMIT; SELECT count(*) FROM u

SHOW standard_conforming_strings

SHOW DateStyle

SET DateStyle = 'German'; SELECT date '2024-05-17'; RESET DateStyle

SET TimeZone = 'Europe/Berlin'; SELECT timestamptz '2024-07-01 12:00:00+00'; RESET TimeZone

SET nosuch = 1

SET work_mem = '8MB'; SHOW work_mem

SELECT current_setting('server_version_num')::int / 10000

SELECT set_config('my.var', 'v', false), current_setting('my.var'), current_setting('my.none', true)

SELECT pg_typeof(1), pg_typeof('a'::text), pg_typeof(1.5)

SELECT relname, relkind FROM pg_class WHERE relname = 't'

SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum

SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position

SELECT typname, oid FROM pg_type WHERE typname IN ('int4', 'text', 'bool') ORDER BY 1

PREPARE p(int) AS SELECT $1 + 1; EXECUTE p(41); DEALLOCATE p

EXECUTE nosuch

BEGIN; DECLARE c CURSOR FOR SELECT g FROM generate_series(1, 5) g; FETCH 2 FROM c; FETCH ALL FROM c; FETCH 1 FROM c; CLOSE c; COMMIT

SELECT 'it''s', E'a\nb', U&'\0041', $$dollar$$

SELECT "id" FROM t WHERE "name" = 'ONE' OR name = 'uno'

-- differs: a row has no type of its own
SELECT t FROM t WHERE id = 1

SELECT row(1, 'a'), (1, 2) = (1, 2), (1, 2) < (1, 3)

SELECT 1 IS DISTINCT FROM NULL, NULL IS NOT DISTINCT FROM NULL, true IS NOT TRUE

SELECT overlay('abcdef' placing 'XX' from 2), trim(both 'x' from 'xxaxx'), btrim('  a '), ltrim('xa', 'x')

SELECT md5('a'), encode('abc'::bytea, 'hex'), encode('abc'::bytea, 'base64'), decode('616263', 'hex')

SELECT regexp_replace('foobar', 'o+', 'X'), regexp_split_to_array('a1b2c', '\d')

SELECT json_build_object('a', 1, 'b', 'x'), jsonb_build_array(1, 'a', null), to_jsonb(5), jsonb_array_length('[1,2,3]')

SELECT date '2024-01-01' < date '2024-01-02', 'a' < 'B', 'a' = 'a '

SELECT 9223372036854775807 + 1

SELECT 2147483647 + 1

SELECT 12345678901234567890 + 1, 1e3

-- differs: numbers in hexadecimal came with PostgreSQL 16
SELECT 0x1F
