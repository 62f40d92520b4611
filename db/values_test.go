package db

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestErrorsOfRows(t *testing.T) {
	d := openMem(t, nil)
	b := d.NewBatch(nil)
	defer b.Close()
	items := value(b.CreateTable(itemsTable()))(t)
	ids := value(b.Insert(ctx, items, Row{1, "one", nil}))(t)
	insert := func(r ...any) error { _, err := b.Insert(ctx, items, Row(r)); return err }
	var c *ConstraintError
	if err := insert(1, nil, nil); !errors.As(err, &c) || c.Detail != "Key (id)=(1) already exists." ||
		err.Error() != `duplicate key value violates unique constraint "items_pkey"` {
		t.Errorf("duplicate: %v %+v", err, c)
	}
	if err := insert(nil, "x", []float32{1, 2, 3}); !errors.As(err, &c) || c.Detail != "Failing row contains (null, x, [1,2,3])." ||
		err.Error() != `null value in column "id" of relation "items" violates not-null constraint` {
		t.Errorf("null: %v %+v", err, c)
	}
	var dim *DimensionError
	if err := insert(2, "x", []float32{1, 2}); !errors.As(err, &dim) || !strings.Contains(err.Error(), "expected 3 dimensions, not 2") {
		t.Errorf("dimension: %v", err)
	}
	if err := insert(2, "x"); !errors.Is(err, ErrInvalidValue) {
		t.Errorf("too few values: %v", err)
	}
	var typ *TypeError
	if err := insert(2, struct{}{}, nil); !errors.As(err, &typ) {
		t.Errorf("type: %v", err)
	}
	if err := b.Update(ctx, items, 99, map[int]any{1: "x"}); !errors.Is(err, ErrRowNotFound) {
		t.Errorf("update of no row: %v", err)
	}
	if err := b.Update(ctx, items, ids[0], map[int]any{9: "x"}); !errors.Is(err, ErrColumnNotFound) {
		t.Errorf("update of no column: %v", err)
	}
	if err := b.Delete(ctx, items, 99); !errors.Is(err, ErrRowNotFound) {
		t.Errorf("delete of no row: %v", err)
	}
	if _, err := b.Get(ctx, items, 99, nil); !errors.Is(err, ErrRowNotFound) {
		t.Errorf("get of no row: %v", err)
	}
	if _, err := b.InsertFields(ctx, items, Fields{"nope": 1}); !errors.Is(err, ErrColumnNotFound) {
		t.Errorf("unknown field: %v", err)
	}
	if _, _, err := b.Lookup(ctx, items, 3, []any{1}); !errors.Is(err, ErrColumnNotFound) {
		t.Errorf("lookup of no key: %v", err)
	}
	if _, _, err := b.Lookup(ctx, items, 0, []any{1, 2}); !errors.Is(err, ErrInvalidValue) {
		t.Errorf("lookup with two values: %v", err)
	}
	if _, ok, err := b.Lookup(ctx, items, 0, []any{nil}); ok || err != nil {
		t.Errorf("lookup of NULL: %t %v", ok, err)
	}
	if n := value(b.Count(ctx, items))(t); n != 1 {
		t.Errorf("%d rows after failed calls", n)
	}
}

// A call that fails half way leaves nothing of itself, and keys it claimed are free again.
func TestFailedInsertLeavesNothing(t *testing.T) {
	d := openMem(t, nil)
	items := fillItems(t, d)
	b := d.NewBatch(nil)
	if _, err := b.Insert(ctx, items, Row{10, nil, nil}, Row{11, nil, nil}, Row{1, nil, nil}); err == nil {
		t.Fatal("duplicate accepted")
	}
	value(b.Insert(ctx, items, Row{10, nil, nil}))(t)
	must(t, b.Commit(ctx))
	s := d.Snapshot()
	defer s.Close()
	if n := value(s.Count(ctx, items))(t); n != 5 {
		t.Errorf("%d rows", n)
	}
	must(t, d.Verify(ctx))
}

func TestDefaults(t *testing.T) {
	d := openMem(t, nil)
	b := d.NewBatch(nil)
	defer b.Close()
	cases := []struct {
		typ  Type
		expr string
		want any
	}{
		{TypeOf(Int4), "", nil}, {TypeOf(Int4), "NULL::integer", nil}, {TypeOf(Int4), "42", int64(42)}, {TypeOf(Int4), "'-7'::integer", int64(-7)},
		{TypeOf(Float8), "1.5", 1.5}, {TypeOf(Bool), "true", true}, {TypeOf(Bool), "'f'::boolean", false}, {TypeOf(Bool), "false", false},
		{TypeOf(Text), "'it''s'::text", "it's"}, {Type{Kind: Varchar, Mod: 5}, "'a'::character varying(5)", "a"},
		{VectorOf(2), "'[1, 2]'::vector", []float32{1, 2}}, {TypeOf(JSONB), "'{}'::jsonb", "{}"},
	}
	in := Table{Name: "t"}
	for i, c := range cases {
		in.Columns = append(in.Columns, Column{Name: fmt.Sprint("c", i), Type: c.typ, Default: c.expr})
	}
	in.Columns = append(in.Columns, Column{Name: "at", Type: TypeOf(Timestamptz), Default: "CURRENT_TIMESTAMP"},
		Column{Name: "n", Type: TypeOf(Int4), Identity: IdentitySerial})
	table := value(b.CreateTable(in))(t)
	ids := value(b.InsertFields(ctx, table, Fields{}, Fields{}))(t)
	r := value(b.Get(ctx, table, ids[1], nil))(t)
	for i, c := range cases {
		if fmt.Sprintf("%T %v", r[i], r[i]) != fmt.Sprintf("%T %v", c.want, c.want) {
			t.Errorf("default %s of %s is %v, want %v", c.expr, c.typ, r[i], c.want)
		}
	}
	if at := time.UnixMicro(r[len(cases)].(int64)); time.Since(at) > time.Minute || r[len(cases)+1] != int64(2) {
		t.Errorf("at %v, n %v", at, r[len(cases)+1])
	}
	for expr, k := range map[string]Kind{"random()": Float8, "'x'::date": Date, "'x' || 'y'": Text, "'maybe'::boolean": Bool,
		"'x'::integer": Int4, "'[1,x]'": Vector, "'1'": Vector} {
		c := Column{Name: "c", Type: TypeOf(k), Default: expr}
		if v, err := c.constantDefault(); !errors.Is(err, ErrInvalidValue) {
			t.Errorf("default %s of %s: %v, %v", expr, c.Type, v, err)
		}
	}
}

func TestIdentity(t *testing.T) {
	fs := vfs.NewMem()
	d := openMem(t, &Options{FS: fs})
	b := d.NewBatch(nil)
	table := value(b.CreateTable(Table{Name: "t", Columns: []Column{{Name: "n", Type: TypeOf(Int4), Identity: IdentityByDefault}}}))(t)
	value(b.Insert(ctx, table, Row{Default}, Row{100}, Row{Default}))(t)
	if got := rowsOf(t, b, table); got != "[1] [100] [2]" {
		t.Errorf("rows %s", got)
	}
	must(t, b.Commit(ctx))
	if n := value(d.NextIdentity(table, 0))(t); n != 3 {
		t.Errorf("next %d", n)
	}
	must(t, d.SetIdentity(table, 0, 50))
	if n := value(d.PeekIdentity(table, 0))(t); n != 50 {
		t.Errorf("peek %d", n)
	}
	must(t, d.Close())
	d = openMem(t, &Options{FS: fs})
	if n := value(d.NextIdentity(table, 0))(t); n != 50 {
		t.Errorf("next after an orderly close %d", n)
	}
	if err := d.SetIdentity(table, 0, 0); !errors.Is(err, ErrInvalidValue) {
		t.Errorf("set to 0: %v", err)
	}
	memories := memoriesTable
	if _, err := d.NextIdentity(memories, memoryText); !errors.Is(err, ErrInvalidValue) {
		t.Errorf("no identity column: %v", err)
	}
	if _, err := d.PeekIdentity(memories, 99); !errors.Is(err, ErrColumnNotFound) {
		t.Errorf("no column: %v", err)
	}
	must(t, d.SetIdentity(table, 0, 1<<31))
	b = d.NewBatch(nil)
	defer b.Close()
	var r *RangeError
	if _, err := b.Insert(ctx, table, Row{Default}); !errors.As(err, &r) {
		t.Errorf("identity beyond its type: %v", err)
	}
}

func TestValueText(t *testing.T) {
	for want, c := range map[string]struct {
		k Kind
		v any
	}{
		"null": {Int4, nil}, "t": {Bool, true}, "f": {Bool, false}, "12": {Int8, int64(12)}, "1.5": {Float8, 1.5}, "0.1": {Float4, float32(0.1)},
		`\x01ff`: {Bytea, []byte{1, 255}}, "2000-01-02": {Date, int32(10958)}, "01:02:03.5": {Time, int64(3723500000)},
		"2000-01-01 00:00:00": {Timestamp, int64(946684800000000)}, "2000-01-01 00:00:00.25+00": {Timestamptz, int64(946684800250000)},
		"00010203-0405-0607-0809-0a0b0c0d0e0f": {UUID, [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		"[1,2.5]":                              {Vector, []float32{1, 2.5}}, "text": {Text, "text"},
	} {
		if got := valueText(TypeOf(c.k), c.v); got != want {
			t.Errorf("%v prints as %s, want %s", c.v, got, want)
		}
	}
	if got := valueText(Type{Kind: Array, Elem: Int4, Mod: -1}, []any{int64(1), nil}); got != "{1,null}" {
		t.Errorf("array prints as %s", got)
	}
	table := memoriesTable
	r := table.blank(nil)
	r[memoryText] = strings.Repeat("ü", 40)
	if d := table.notNullError(memoryID, r).(*ConstraintError).Detail; !strings.Contains(d, strings.Repeat("ü", 32)+"...,") {
		t.Errorf("detail %s", d)
	}
}

func TestSettings(t *testing.T) {
	d := openMem(t, nil)
	b := d.NewBatch(nil)
	must(t, b.SetSetting("role/a", []byte("1")))
	must(t, b.SetSetting("role/b", []byte{}))
	must(t, b.SetSetting("other", []byte("x")))
	must(t, b.Commit(ctx))
	b = d.NewBatch(nil)
	m := b.Mark()
	must(t, b.SetSetting("role/a", nil))
	must(t, b.SetSetting("role/c", []byte("3")))
	must(t, b.SetSetting("role/c", []byte("4")))
	if names := fmt.Sprint(value(b.Settings("role/"))(t)); names != "[role/b role/c]" {
		t.Errorf("settings %s", names)
	}
	if v, ok, err := b.Setting("role/c"); string(v) != "4" || !ok || err != nil {
		t.Errorf("setting %s %t %v", v, ok, err)
	}
	if _, ok, _ := b.Setting("role/a"); ok {
		t.Error("a deleted setting is there")
	}
	if v, ok, err := b.Setting("role/b"); v == nil && ok || !ok || err != nil {
		t.Errorf("empty setting %v %t %v", v, ok, err)
	}
	must(t, b.RollbackTo(m))
	if names := fmt.Sprint(value(b.Settings(""))(t)); names != "[other role/a role/b]" {
		t.Errorf("settings %s", names)
	}
	for _, key := range []string{"", strings.Repeat("k", 1025)} {
		if err := b.SetSetting(key, nil); !errors.Is(err, ErrInvalidValue) {
			t.Errorf("key of %d bytes: %v", len(key), err)
		}
	}
	must(t, b.SetSetting("other", nil))
	must(t, b.Commit(ctx))
	s := d.Snapshot()
	defer s.Close()
	if _, ok, err := s.Setting("other"); ok || err != nil {
		t.Errorf("a deleted setting: %t %v", ok, err)
	}
}
