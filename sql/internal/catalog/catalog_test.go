package catalog

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"engram/db"
	"engram/sql/types"
)

// fakeReader holds two tables; the catalog asks a reader for nothing but schemas and tables.
type fakeReader struct{ db.Reader }

func (fakeReader) Schemas() []string { return []string{"public", "app"} }

func (fakeReader) Tables() []*db.Table {
	return []*db.Table{
		{ID: 7, Schema: "public", Name: "items", PrimaryKey: []int{0}, Comment: "things",
			Columns: []db.Column{
				{ID: 1, Name: "id", Type: db.TypeOf(db.Int8), NotNull: true, Identity: db.IdentitySerial},
				{ID: 2, Name: "embedding", Type: db.VectorOf(3)},
				{ID: 4, Name: "Price", Type: db.Type{Kind: db.Numeric, Mod: 10<<16 | 2}, Default: "0", Comment: "in cents"},
				{ID: 5, Name: "tags", Type: db.Type{Kind: db.Array, Elem: db.Text, Mod: -1}}},
			Uniques: []db.Unique{{ID: 1, Name: "items_pkey", Columns: []int{0}, Primary: true, Constraint: true},
				{ID: 2, Name: "items_price_idx", Columns: []int{2, 0}}},
			Checks: []db.Check{{Name: "items_price_check", Expr: `"Price" > 0`}}},
		{ID: 8, Schema: "app", Name: "order", Columns: []db.Column{{ID: 1, Name: "id", Type: db.TypeOf(db.Int4), Identity: db.IdentityAlways}}},
	}
}

func testEnv() *Env {
	return &Env{Reader: fakeReader{}, User: "engram", Database: "engram", SearchPath: []string{"public"}, PID: 42,
		Setting:  func(name string) (string, bool) { return "on", name == "fsync" },
		Settings: func() []Setting { return []Setting{{Name: "fsync", Value: "on", Boot: "on", Reset: "off"}} },
		Sessions: func() []SessionState {
			return []SessionState{{PID: 42, User: "engram", Database: "engram", State: "active", Started: 1}}
		},
		Prepared: func() []PreparedStatement { return []PreparedStatement{{Name: "p", Statement: "select 1"}} },
		Cursors:  func() []Cursor { return []Cursor{{Name: "c", Statement: "select 1"}} }}
}

// Every relation answers, with rows that fit its columns.
func TestEveryRelationAnswers(t *testing.T) {
	if n := len(Relations()); n != 208 {
		t.Errorf("%d system relations, PostgreSQL 15 has 208", n)
	}
	for _, r := range Relations() {
		rows, err := r.Rows(testEnv())
		if err != nil {
			t.Errorf("%s.%s: %v", r.Schema, r.Name, err)
		}
		for _, row := range rows {
			if len(row) != len(r.Columns) {
				t.Fatalf("%s: row of %d values, %d columns", r.Name, len(row), len(r.Columns))
			}
			for i, v := range row {
				if _, err := types.AppendText(nil, r.Columns[i].Type, v, nil); v != nil && err != nil {
					t.Fatalf("%s.%s: %v", r.Name, r.Columns[i].Name, err)
				}
				if v == nil && r.Columns[i].NotNull {
					t.Fatalf("%s.%s is NULL in %v", r.Name, r.Columns[i].Name, row)
				}
			}
		}
	}
	for name := range producers {
		schema, relation, _ := strings.Cut(name, ".")
		if _, ok := Lookup(schema, relation); !ok {
			t.Errorf("producer for %s, which is no relation", name)
		}
	}
}

// selectOne finds the only row of a relation where the column has the value, by column name.
func selectOne(t *testing.T, relation, column string, value any) map[string]any {
	t.Helper()
	schema, name, _ := strings.Cut(relation, ".")
	r, ok := Lookup(schema, name)
	if !ok {
		t.Fatalf("no relation %s", relation)
	}
	rows, err := r.Rows(testEnv())
	if err != nil {
		t.Fatal(err)
	}
	var found map[string]any
	for _, row := range rows {
		m := map[string]any{}
		for i, c := range r.Columns {
			m[c.Name] = row[i]
		}
		if m[column] == value {
			if found != nil {
				t.Fatalf("%s: two rows with %s = %v", relation, column, value)
			}
			found = m
		}
	}
	if found == nil {
		t.Fatalf("%s: no row with %s = %v", relation, column, value)
	}
	return found
}

func TestUserTableInCatalog(t *testing.T) {
	table := int64(TableOID(7))
	f := func(relation, column string, value any, want map[string]any) {
		t.Helper()
		row := selectOne(t, relation, column, value)
		for k, v := range want {
			if row[k] != v {
				t.Errorf("%s where %s = %v: %s is %v, want %v", relation, column, value, k, row[k], v)
			}
		}
	}
	f("pg_catalog.pg_class", "relname", "items", map[string]any{"oid": table, "relkind": "r", "relnatts": int64(4),
		"relchecks": int64(1), "relhasindex": true, "relnamespace": int64(2200), "relam": int64(2)})
	f("pg_catalog.pg_class", "relname", "items_id_seq", map[string]any{"relkind": "S"})
	f("pg_catalog.pg_class", "relname", "pg_class", map[string]any{"oid": int64(1259)})
	f("pg_catalog.pg_attribute", "attname", "embedding", map[string]any{"atttypid": int64(types.VectorOID), "atttypmod": int64(3),
		"attnum": int64(2), "atthasdef": false, "attrelid": table})
	f("pg_catalog.pg_attrdef", "adnum", int64(3), map[string]any{"adrelid": table, "adbin": "0"})
	f("pg_catalog.pg_index", "indexrelid", table+uniqueAt+1, map[string]any{"indisprimary": true, "indrelid": table})
	f("pg_catalog.pg_constraint", "conname", "items_price_check", map[string]any{"contype": "c", "conrelid": table})
	f("pg_catalog.pg_type", "typname", "vector", map[string]any{"oid": int64(types.VectorOID), "typarray": int64(types.VectorArrayOID)})
	f("pg_catalog.pg_indexes", "indexname", "items_price_idx", map[string]any{
		"indexdef": `CREATE UNIQUE INDEX items_price_idx ON public.items USING btree ("Price", id)`})
	f("information_schema.columns", "column_name", "Price", map[string]any{"data_type": "numeric", "numeric_precision": int64(10),
		"numeric_scale": int64(2), "is_nullable": "YES", "column_default": "0"})
	f("information_schema.columns", "column_name", "tags", map[string]any{"data_type": "ARRAY", "udt_name": "_text"})
	f("information_schema.columns", "column_name", "embedding", map[string]any{"data_type": "USER-DEFINED", "udt_name": "vector"})
}

func call(t *testing.T, name string, args ...any) any {
	t.Helper()
	for _, f := range Functions() {
		if f.Name != name || len(f.Args) != len(args) {
			continue
		}
		v, err := f.Call(testEnv(), args)
		if err != nil {
			t.Fatalf("%s(%v): %v", name, args, err)
		}
		return v
	}
	t.Fatalf("no function %s with %d arguments", name, len(args))
	return nil
}

// The answers for plain arguments were read off PostgreSQL 15.
func TestFunctions(t *testing.T) {
	table := int64(TableOID(7))
	f := func(want any, name string, args ...any) {
		t.Helper()
		if got := call(t, name, args...); got != want {
			t.Errorf("%s%v = %v, want %v", name, args, got, want)
		}
	}
	f("character varying(20)", "format_type", int64(1043), int64(24))
	f("numeric(10,2)", "format_type", int64(1700), int64(10<<16|2+4))
	f("vector(3)", "format_type", int64(types.VectorOID), int64(3))
	f("integer[]", "format_type", int64(1007), nil)
	f("-", "format_type", int64(0), int64(-1))
	f("???", "format_type", int64(99999999), int64(-1))
	f(nil, "format_type", nil, nil)
	f("items", "format_type", table+rowTypeAt, int64(-1))
	f("PRIMARY KEY (id)", "pg_get_constraintdef", table+constraintAt+1)
	f(`CHECK ("Price" > 0)`, "pg_get_constraintdef", table+checkAt, true)
	f(`CHECK (("Price" > 0))`, "pg_get_constraintdef", table+checkAt)
	f(`"Price"`, "pg_get_indexdef", table+uniqueAt+2, int64(1), true)
	f("public.items_id_seq", "pg_get_serial_sequence", "items", "id")
	f("engram", "pg_get_userbyid", int64(10))
	f("unknown (OID=9)", "pg_get_userbyid", int64(9))
	f(true, "pg_table_is_visible", table)
	f(false, "pg_table_is_visible", int64(TableOID(8)))
	f("things", "obj_description", table, "pg_class")
	f("in cents", "col_description", table, int64(3))
	f(table, "regclassin", "items")
	f(table, "regclassin", `public."items"`)
	f("items", "regclassout", table)
	f(`app."order"`, "regclassout", int64(TableOID(8)))
	f(int64(1259), "regclassin", "pg_catalog.pg_class")
	f(nil, "to_regclass", "missing")
	f(int64(23), "regtypein", "integer")
	f("integer", "regtypeout", int64(23))
	f(int64(750), "regprocin", "pg_catalog.array_in")
	f("array_in", "regprocout", int64(750))
	f("on", "current_setting", "fsync")
	f(nil, "current_setting", "nope", true)
	f("UTF8", "pg_encoding_to_char", int64(6))
	f("'it''s'", "quote_literal", "it's")
	f(`E'a\\b'`, "quote_literal", `a\b`)
	f(`"select"`, "quote_ident", "select")
	f("name1", "quote_ident", "name1")
	f(`"Name"`, "quote_ident", "Name")
	for n, want := range map[int64]string{0: "0 bytes", 10239: "10239 bytes", 10240: "10 kB", 10485247: "10239 kB", 10485248: "10 MB",
		-10240: "-10 kB", 1 << 40: "1024 GB", 1<<63 - 1: "8192 PB"} {
		f(want, "pg_size_pretty", n)
	}
}

func TestUnknownNamesAreErrors(t *testing.T) {
	for name, code := range map[string]string{"regclassin": "42P01", "regtypein": "42704", "regprocin": "42883", "regnamespacein": "3F000", "regrolein": "42704"} {
		for _, f := range Functions() {
			if f.Name != name {
				continue
			}
			_, err := f.Call(testEnv(), []any{"missing"})
			if e, ok := err.(*types.Error); !ok || e.Code != code {
				t.Errorf("%s('missing'): %v, want SQLSTATE %s", name, err, code)
			}
			if v, err := f.Call(testEnv(), []any{"123"}); err != nil || v != int64(123) {
				t.Errorf("%s('123') = %v, %v", name, v, err)
			}
		}
	}
}

func FuzzSplitName(f *testing.F) {
	for _, s := range []string{`a`, `a.b`, `"a.b".c`, `"a""b"`, `"`, `a.`, `.`, `a.b.c.d`, `"a"b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		schema, name, err := splitName(text)
		if err != nil {
			return
		}
		_, again, err := splitName(QuoteIdent(schema) + "." + QuoteIdent(name))
		if name != "" && schema != "" && (err != nil || again != name) {
			t.Errorf("%q: %q.%q reads back as %q, %v", text, schema, name, again, err)
		}
	})
}

func TestBrokenDumpIsAnError(t *testing.T) {
	z, err := gzip.NewReader(bytes.NewReader(staticDump))
	if err != nil {
		t.Fatal(err)
	}
	var whole bytes.Buffer
	if _, err := whole.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"truncated": whole.String()[:whole.Len()*3/4],
		"column":    "R\tpg_catalog\tx\tr\t1\nC\ta\tb\tc\td\n",
		"rows":      "D\tnowhere\n\\.\n",
	} {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		w.Write([]byte(text))
		w.Close()
		if _, err := parseStatic(packed.Bytes()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
