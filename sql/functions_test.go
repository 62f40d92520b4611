package sql

import (
	"fmt"
	"slices"
	"testing"

	"engram/sql/internal/plan"
)

// refusedFunctions are those that the analyser knows and nobody answers: calling one is 42883.
var refusedFunctions = []string{
	"array_in", "array_out", "domain_in", "pg_column_size", "pg_export_snapshot", "pg_identify_object_as_address", "pg_stat_get_backend_idset", "to_regoper", "txid_status",
}

// TestSessionFunctionsAreThere: what the analyser turns into a call of ours is registered, with that many arguments.
func TestSessionFunctionsAreThere(t *testing.T) {
	have := map[string]bool{}
	names := map[string]bool{}
	for name, list := range sessionFunctions() {
		for _, f := range list {
			have[fmt.Sprint(name, len(f.args))] = true
			names[name] = true
		}
	}
	for name, list := range catalogByName() {
		if names[name] {
			continue // the session's own wins
		}
		for _, f := range list {
			have[fmt.Sprint(name, len(f.Args))] = true
			if f.Variadic {
				t.Errorf("%s is variadic: count its arguments in this test", name)
			}
		}
	}
	have["pg_typeof1"] = true // the analyser answers it by itself
	var missing []string
	for _, f := range plan.SessionFunctions() {
		if !have[fmt.Sprint(f.Name, f.Args)] && !slices.Contains(refusedFunctions, f.Name) {
			missing = append(missing, fmt.Sprintf("%s/%d", f.Name, f.Args))
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("nobody answers %v", missing)
	}
	e := testEngine(t)
	s := testSession(t, e)
	for _, name := range refusedFunctions {
		if (&scope{session: s}).HasFunction(name) {
			t.Errorf("%s is there but listed as refused", name)
		}
	}
	expect(t, s, "SELECT pg_export_snapshot()", "ERROR 42883: function pg_export_snapshot() does not exist")
}

// TestSleep: pg_sleep ends early when its statement does, on either road.
func TestSleep(t *testing.T) {
	s := testSession(t, testEngine(t))
	must(t, s, "SELECT pg_sleep(0.001), pg_sleep(NULL), pg_sleep(-1)")
	must(t, s, "SET statement_timeout = '50ms'")
	for _, text := range []string{"SELECT pg_sleep(600)", "SELECT pg_sleep(600) FROM generate_series(1, 3)"} {
		expect(t, s, text, "ERROR 57014: canceling statement due to statement timeout")
	}
}

// TestStoredObjects: views and indexes that are no keys are in the catalogs.
func TestStoredObjects(t *testing.T) {
	s := testSession(t, testEngine(t))
	must(t, s, `CREATE SCHEMA app;
		CREATE TABLE items (id int PRIMARY KEY, name text, embedding vector(3));
		CREATE INDEX near ON items USING hnsw (embedding vector_l2_ops) WITH (m = 16, ef_construction = 64);
		CREATE INDEX lists ON items USING ivfflat (embedding vector_l2_ops) WITH (lists = 10);
		CREATE INDEX lower_name ON items (lower(name), id DESC) WHERE id > 3;
		CREATE VIEW app.named AS SELECT id, name FROM items;`)
	expect(t, s, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'items' ORDER BY 1", `
items_pkey|CREATE UNIQUE INDEX items_pkey ON public.items USING btree (id)
lists|CREATE INDEX lists ON public.items USING ivfflat (embedding) WITH (lists='10')
lower_name|CREATE INDEX lower_name ON public.items USING btree (lower(name), id DESC) WHERE (id > 3)
near|CREATE INDEX near ON public.items USING hnsw (embedding vector_l2_ops) WITH (m='16', ef_construction='64')
(SELECT 4)`)
	expect(t, s, `SELECT c.relname, am.amname, c.reloptions, i.indisunique, i.indkey::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		JOIN pg_am am ON am.oid = c.relam WHERE i.indrelid = 'items'::regclass ORDER BY 1`, `
items_pkey|btree|NULL|t|1
lists|ivfflat|{lists=10}|f|3
lower_name|btree|NULL|f|0 1
near|hnsw|{m=16,ef_construction=64}|f|3
(SELECT 4)`)
	expect(t, s, `SELECT pg_get_indexdef('near'::regclass, 1, true), pg_get_viewdef('app.named'::regclass), 'app.named'::regclass, to_regclass('named')`,
		"embedding| SELECT id, name FROM items;|app.named|NULL\n(SELECT 1)")
	expect(t, s, "SELECT proargtypes::text = '', proargtypes::text || '.' FROM pg_proc WHERE proname = 'now'", "t|.\n(SELECT 1)")
	expect(t, s, `SELECT relkind, relnatts FROM pg_class WHERE oid = 'app.named'::regclass`, "v|2\n(SELECT 1)")
	expect(t, s, `SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'app.named'::regclass ORDER BY attnum`,
		"id|integer\nname|text\n(SELECT 2)")
	expect(t, s, `SELECT schemaname, viewname FROM pg_views WHERE schemaname = 'app'`, "app|named\n(SELECT 1)")
	expect(t, s, `SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'app'`, "named|VIEW\n(SELECT 1)")
	expect(t, s, `SELECT column_name, ordinal_position, data_type FROM information_schema.columns WHERE table_schema = 'app' ORDER BY 2`,
		"id|1|integer\nname|2|text\n(SELECT 2)")
	expect(t, s, `SELECT view_definition FROM information_schema.views WHERE table_schema = 'app'`, " SELECT id, name FROM items;\n(SELECT 1)")
	must(t, s, "DROP INDEX near; DROP VIEW app.named; DROP TABLE items")
	expect(t, s, "SELECT to_regclass('near'), to_regclass('app.named'), to_regclass('lists')", "NULL|NULL|NULL\n(SELECT 1)")
}
