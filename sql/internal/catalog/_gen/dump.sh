#!/usr/bin/env bash
# Writes static.txt.gz: the column lists of every system relation of PostgreSQL 15, and the rows of those that no
# user changes (types, functions, operators, casts ...). Run it against a fresh PostgreSQL 15 cluster:
#
#	PGHOST=... PGUSER=postgres PGDATABASE=postgres bash _gen/dump.sh > static.txt.gz
set -euo pipefail
q() { psql -XAt -F $'\t' -v ON_ERROR_STOP=1 -c "$1"; }
{
# relation lines: R schema name kind oid; column lines: C name type-oid typmod notnull
q "select case k when 0 then format(E'R\t%s\t%s\t%s\t%s', n, r, kind, relid) else format(E'C\t%s\t%s\t%s\t%s', attname, ty, md, nn) end
   from (select n.nspname n, c.relname r, c.relkind kind, c.oid::int8 relid, 0 k, 0 attnum, null attname, null::int8 ty, null::int4 md, null::text nn
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('pg_catalog','information_schema') and c.relkind in ('r','v')
         union all
         select n.nspname, c.relname, c.relkind, c.oid::int8, 1, a.attnum, a.attname,
                case when t.typtype = 'd' then t.typbasetype else a.atttypid end::int8,
                case when t.typtype = 'd' then t.typtypmod else a.atttypmod end, case when a.attnotnull then 't' else 'f' end
         from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
              join pg_type t on t.oid = a.atttypid
         where n.nspname in ('pg_catalog','information_schema') and c.relkind in ('r','v') and a.attnum > 0 and not a.attisdropped) x
   order by n, r, k, attnum"
rows() { # relation, then 'column=expression' replacements
	local rel=$1; shift
	local list
	list=$(q "select string_agg(case when t.typname in ('regproc','regtype','regclass') then format('%I::oid', attname) when t.typname = 'pg_node_tree' then format('null::text as %I', attname) else quote_ident(attname) end, ',' order by attnum)
	          from pg_attribute a join pg_type t on t.oid = atttypid where attrelid = 'pg_catalog.$rel'::regclass and attnum > 0 and not attisdropped")
	for r in "$@"; do list=$(sed "s/\b${r%%=*}\b/${r#*=}/" <<<"$list"); done
	printf 'D\t%s\n' "$rel"
	psql -Xq -c "copy (select $list from pg_catalog.$rel order by 1) to stdout"
	printf '\\.\n'
}
rows pg_type typacl=null; rows pg_proc "prosrc=proname" proacl=null; rows pg_operator; rows pg_cast; rows pg_am; rows pg_opclass; rows pg_opfamily
rows pg_amop; rows pg_amproc; rows pg_language lanacl=null; rows pg_collation; rows pg_range; rows pg_aggregate; rows pg_conversion
rows pg_ts_config; rows pg_ts_dict; rows pg_ts_parser; rows pg_ts_template; rows pg_tablespace spcacl=null
rows pg_class relacl=null; rows pg_attribute attacl=null attmissingval=null; rows pg_index
} | gzip -9n
