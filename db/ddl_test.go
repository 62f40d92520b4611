package db

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func rowsOf(t testing.TB, r Reader, table *Table) string {
	t.Helper()
	var out []string
	must(t, r.Scan(ctx, table, nil, func(id RowID, row Row) error {
		out = append(out, fmt.Sprint([]any(row)))
		return nil
	}))
	return strings.Join(out, " ")
}

func TestCreateTable(t *testing.T) {
	d := openMem(t, nil)
	b := d.NewBatch(nil)
	table := value(b.CreateTable(itemsTable()))(t)
	if table.Schema != "public" || len(table.Uniques) != 1 || table.Uniques[0].Name != "items_pkey" || !table.Columns[0].NotNull ||
		table.ID < firstUserTable || table.Columns[2].ID != 3 {
		t.Fatalf("descriptor %+v", table)
	}
	if _, err := b.CreateTable(itemsTable()); !errors.Is(err, ErrTableExists) {
		t.Errorf("twice: %v", err)
	}
	for want, bad := range map[string]Table{
		"name is empty":       {Columns: []Column{{Name: "a", Type: TypeOf(Int4)}}},
		"more than once":      {Name: "t", Columns: []Column{{Name: "a", Type: TypeOf(Int4)}, {Name: "a", Type: TypeOf(Int4)}}},
		"unknown type":        {Name: "t", Columns: []Column{{Name: "a"}}},
		"array of unknown":    {Name: "t", Columns: []Column{{Name: "a", Type: Type{Kind: Array}}}},
		"between 1 and 16000": {Name: "t", Columns: []Column{{Name: "a", Type: Type{Kind: Vector, Mod: 16001}}}},
		"must be smallint":    {Name: "t", Columns: []Column{{Name: "a", Type: TypeOf(Text), Identity: IdentityAlways}}},
		"names column 1":      {Name: "t", Columns: []Column{{Name: "a", Type: TypeOf(Int4)}}, PrimaryKey: []int{1}},
		"no order":            {Name: "t", Columns: []Column{{Name: "a", Type: TypeOf(JSON)}}, PrimaryKey: []int{0}},
		"no columns":          {Name: "t", Uniques: []Unique{{Name: "u"}}},
		"two checks":          {Name: "t", Checks: []Check{{Name: "c"}, {Name: "c"}}},
		"multiple primary":    {Name: "t", Columns: []Column{{Name: "a", Type: TypeOf(Int4)}}, Uniques: []Unique{{Name: "a", Columns: []int{0}, Primary: true}, {Name: "b", Columns: []int{0}, Primary: true}}},
		"zero byte":           {Name: "a\x00"},
		"longer than 255":     {Name: strings.Repeat("n", 256)},
		"out of range":        {Name: "t", Columns: []Column{{Name: "a", Type: TypeOf(Int2), Missing: 70000}}},
		"more than 1600":      {Name: "t", Columns: make([]Column, 1601)},
	} {
		if _, err := b.CreateTable(bad); !errors.Is(err, ErrInvalidTable) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := b.CreateTable(Table{Schema: "nowhere", Name: "t"}); !errors.Is(err, ErrSchemaNotFound) {
		t.Errorf("unknown schema: %v", err)
	}
	must(t, b.Commit(ctx))
}

func TestSchemas(t *testing.T) {
	d := openMem(t, nil)
	b := d.NewBatch(nil)
	must(t, b.CreateSchema("lab"))
	if err := b.CreateSchema("lab"); !errors.Is(err, ErrSchemaExists) {
		t.Errorf("twice: %v", err)
	}
	if err := b.CreateSchema(""); !errors.Is(err, ErrInvalidTable) {
		t.Errorf("no name: %v", err)
	}
	m := b.Mark()
	in := itemsTable()
	in.Schema = "lab"
	value(b.CreateTable(in))(t)
	if err := b.DropSchema("lab"); !errors.Is(err, ErrSchemaNotEmpty) {
		t.Errorf("not empty: %v", err)
	}
	must(t, b.RollbackTo(m))
	must(t, b.DropSchema("lab"))
	if got := fmt.Sprint(b.Schemas()); got != "[public]" {
		t.Errorf("schemas %s", got)
	}
	must(t, b.RollbackTo(m))
	table := value(b.CreateTable(in))(t)
	must(t, b.Commit(ctx))
	s := d.Snapshot()
	defer s.Close()
	if got := fmt.Sprint(s.Schemas()); got != "[lab public]" {
		t.Errorf("schemas %s", got)
	}
	if got, err := s.Table("lab", "items"); err != nil || got.ID != table.ID {
		t.Errorf("table %v, %v", got, err)
	}
	if _, err := s.Table("public", "items"); !errors.Is(err, ErrTableNotFound) {
		t.Errorf("table in another schema: %v", err)
	}
	b = d.NewBatch(nil)
	if err := b.DropSchema("nowhere"); !errors.Is(err, ErrSchemaNotFound) {
		t.Errorf("unknown: %v", err)
	}
	must(t, b.DropTable(table.ID))
	must(t, b.DropSchema("lab"))
	if len(b.Tables()) != 1 || len(s.Tables()) != 2 {
		t.Errorf("tables %v, %v", b.Tables(), s.Tables())
	}
	must(t, b.Commit(ctx))
}

// fill makes items with rows both settled and in the head.
func fillItems(t testing.TB, d *DB) *Table {
	items := makeItems(t, d)
	b := d.NewBatch(nil)
	value(b.Insert(ctx, items, Row{1, "one", []float32{1, 0, 0}}, Row{2, "two", nil}))(t)
	must(t, b.Commit(ctx))
	must(t, d.Seal(ctx, items.ID))
	b = d.NewBatch(nil)
	value(b.Insert(ctx, items, Row{3, "three", []float32{0, 0, 1}}, Row{4, nil, nil}))(t)
	must(t, b.Commit(ctx))
	return items
}

func alter(t testing.TB, d *DB, old *Table, f func(*Table)) (*Table, error) {
	t.Helper()
	b := d.NewBatch(nil)
	next := old.Clone()
	f(&next)
	got, err := b.AlterTable(ctx, next)
	if err != nil {
		b.Close()
		return old, err
	}
	must(t, b.Commit(ctx))
	must(t, d.Verify(ctx))
	return got, nil
}

func TestAlterTable(t *testing.T) {
	fs := vfs.NewMem()
	d := openMem(t, &Options{FS: fs})
	items := fillItems(t, d)
	before := d.Snapshot()
	check := func(want string) {
		t.Helper()
		s := d.Snapshot()
		defer s.Close()
		if got := rowsOf(t, s, items); got != want {
			t.Fatalf("rows\n got %s\nwant %s", got, want)
		}
	}
	items = value(alter(t, d, items, func(n *Table) {
		n.Name = "things"
		n.Columns = append([]Column{{Name: "n", Type: TypeOf(Int4), NotNull: true, Missing: 7}}, n.Columns...)
		n.Uniques[0].Columns = []int{1}
	}))(t)
	check("[7 1 one [1 0 0]] [7 2 two <nil>] [7 3 three [0 0 1]] [7 4 <nil> <nil>]")
	b := d.NewBatch(nil)
	value(b.Insert(ctx, items, Row{8, 5, "five", nil}))(t)
	must(t, b.Commit(ctx))
	must(t, d.Seal(ctx, items.ID))
	must(t, d.Compact(ctx, items.ID))
	check("[7 1 one [1 0 0]] [7 2 two <nil>] [7 3 three [0 0 1]] [7 4 <nil> <nil>] [8 5 five <nil>]")
	items = value(alter(t, d, items, func(n *Table) {
		n.Columns = append(n.Columns[:3:3], Column{Name: "w", Type: VectorOf(2), Missing: []float32{1, 2}})
	}))(t)
	check("[7 1 one [1 2]] [7 2 two [1 2]] [7 3 three [1 2]] [7 4 <nil> [1 2]] [8 5 five [1 2]]")
	s := d.Snapshot()
	hits := value(s.Search(ctx, items, Query{Column: 3, Near: []float32{1, 2}, K: 9, Metric: L2}))(t)
	s.Close()
	if len(hits) != 5 {
		t.Errorf("a new vector column finds %d rows", len(hits))
	}
	if got := rowsOf(t, before, value(before.Table("public", "items"))(t)); got != "[1 one [1 0 0]] [2 two <nil>] [3 three [0 0 1]] [4 <nil> <nil>]" {
		t.Errorf("an older snapshot reads %s", got)
	}
	hits = value(before.Search(ctx, value(before.Table("public", "items"))(t), Query{Column: 2, Near: []float32{0, 0, 1}, K: 9}))(t)
	if len(hits) != 2 {
		t.Errorf("an older snapshot finds %v in a column that was dropped", hits)
	}
	if _, err := before.Get(ctx, items, 1, nil); !errors.Is(err, ErrConflict) {
		t.Errorf("a newer descriptor in an older snapshot: %v", err)
	}
	before.Close()
	must(t, d.Close())
	d = openMem(t, &Options{FS: fs})
	must(t, d.Verify(ctx))
	check("[7 1 one [1 2]] [7 2 two [1 2]] [7 3 three [1 2]] [7 4 <nil> [1 2]] [8 5 five [1 2]]")
}

func TestAlterConstraints(t *testing.T) {
	d := openMem(t, nil)
	items := fillItems(t, d)
	var c *ConstraintError
	_, err := alter(t, d, items, func(n *Table) { n.Columns[1].NotNull = true })
	if !errors.As(err, &c) || err.Error() != `column "name" of relation "items" contains null values` {
		t.Errorf("SET NOT NULL: %v", err)
	}
	_, err = alter(t, d, items, func(n *Table) { n.Columns = append(n.Columns, Column{Name: "x", Type: TypeOf(Int4), NotNull: true}) })
	if !errors.As(err, &c) || c.Kind != NotNullViolation {
		t.Errorf("ADD COLUMN NOT NULL: %v", err)
	}
	b := d.NewBatch(nil)
	value(b.Insert(ctx, items, Row{5, "one", nil}))(t)
	must(t, b.Commit(ctx))
	unique := func(n *Table) { n.Uniques = append(n.Uniques, Unique{Name: "by_name", Columns: []int{1}}) }
	_, err = alter(t, d, items, unique)
	if !errors.As(err, &c) || err.Error() != `could not create unique index "by_name"` || c.Detail != "Key (name)=(one) is duplicated." {
		t.Errorf("ADD UNIQUE: %v %v", err, c)
	}
	b = d.NewBatch(nil)
	id, _, _ := b.Lookup(ctx, items, 0, []any{5})
	must(t, b.Delete(ctx, items, id))
	must(t, b.Commit(ctx))
	items = value(alter(t, d, items, unique))(t)
	b = d.NewBatch(nil)
	_, err = b.Insert(ctx, items, Row{6, "two", nil})
	if !errors.As(err, &c) || c.Constraint != "by_name" || c.Detail != "Key (name)=(two) already exists." {
		t.Errorf("insert over a new unique key: %v", err)
	}
	b.Close()
	items = value(alter(t, d, items, func(n *Table) { n.Uniques = n.Uniques[:1] }))(t)
	b = d.NewBatch(nil)
	value(b.Insert(ctx, items, Row{6, "two", nil}))(t)
	must(t, b.Commit(ctx))
	must(t, d.Verify(ctx))
	for name, f := range map[string]func(*Table){
		"changes its type": func(n *Table) { n.Columns[0].Type = TypeOf(Text) },
		"old rows read":    func(n *Table) { n.Columns[1].Missing = "x" },
		"unknown ID":       func(n *Table) { n.Columns[1].ID = 99 },
		"other columns":    func(n *Table) { n.Uniques[0].Columns = []int{1} },
	} {
		if _, err := alter(t, d, items, f); !errors.Is(err, ErrInvalidTable) || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
	if _, err := alter(t, d, items, func(n *Table) { n.Name = "memories" }); !errors.Is(err, ErrTableExists) {
		t.Errorf("rename to a taken name: %v", err)
	}
	if _, err := alter(t, d, items, func(n *Table) { n.Schema = "nowhere" }); !errors.Is(err, ErrSchemaNotFound) {
		t.Errorf("move to no schema: %v", err)
	}
	if _, err := alter(t, d, items, func(n *Table) { n.Version++ }); !errors.Is(err, ErrConflict) {
		t.Errorf("stale descriptor: %v", err)
	}
}

// DDL is part of its batch: writes before and after it in the batch, rollback to a mark, and nothing before the commit.
func TestTransactionalDDL(t *testing.T) {
	d := openMem(t, nil)
	items := fillItems(t, d)
	b := d.NewBatch(nil)
	value(b.Insert(ctx, items, Row{10, "ten", nil}))(t)
	m := b.Mark()
	next := items.Clone()
	next.Columns = append(next.Columns, Column{Name: "x", Type: TypeOf(Int4), Missing: 1})
	wide := value(b.AlterTable(ctx, next))(t)
	if _, err := b.Insert(ctx, items, Row{11, nil, nil}); !errors.Is(err, ErrConflict) {
		t.Errorf("insert with an older descriptor: %v", err)
	}
	value(b.Insert(ctx, wide, Row{11, "eleven", nil, 2}))(t)
	if got := rowsOf(t, b, wide); !strings.HasSuffix(got, "[4 <nil> <nil> 1] [10 ten <nil> 1] [11 eleven <nil> 2]") {
		t.Errorf("rows in the batch %s", got)
	}
	must(t, b.RollbackTo(m))
	if got := rowsOf(t, b, items); !strings.HasSuffix(got, "[4 <nil> <nil>] [10 ten <nil>]") {
		t.Errorf("rows after rollback %s", got)
	}
	must(t, b.Truncate(items.ID))
	empty := value(b.TableByID(items.ID))(t)
	if n := value(b.Count(ctx, empty))(t); n != 0 || rowsOf(t, b, empty) != "" {
		t.Errorf("%d rows after TRUNCATE", n)
	}
	value(b.Insert(ctx, empty, Row{1, "again", []float32{9, 9, 9}}))(t)
	m2 := b.Mark()
	must(t, b.DropTable(items.ID))
	if _, err := b.TableByID(items.ID); !errors.Is(err, ErrTableNotFound) {
		t.Errorf("dropped table: %v", err)
	}
	if _, err := b.Count(ctx, empty); !errors.Is(err, ErrTableNotFound) {
		t.Errorf("dropped table: %v", err)
	}
	again := value(b.CreateTable(itemsTable()))(t)
	if again.ID == items.ID {
		t.Error("a table ID was used again")
	}
	must(t, b.RollbackTo(m2))
	s := d.Snapshot()
	defer s.Close()
	must(t, b.Commit(ctx))
	must(t, d.Verify(ctx))
	after := d.Snapshot()
	defer after.Close()
	items2 := value(after.Table("public", "items"))(t)
	if got := rowsOf(t, after, items2); got != "[1 again [9 9 9]]" {
		t.Errorf("rows %s", got)
	}
	if n := value(s.Count(ctx, items))(t); n != 4 {
		t.Errorf("the older snapshot counts %d", n)
	}
	if hits := value(s.Search(ctx, items, Query{Column: 2, Near: []float32{1, 0, 0}, K: 9}))(t); len(hits) != 2 {
		t.Errorf("the older snapshot finds %v", hits)
	}
	b = d.NewBatch(nil)
	must(t, b.DropTable(items.ID))
	must(t, b.Commit(ctx))
	must(t, d.Verify(ctx))
	if err := d.Seal(ctx, items.ID); !errors.Is(err, ErrTableNotFound) {
		t.Errorf("seal of a dropped table: %v", err)
	}
	if err := d.Compact(ctx, items.ID); !errors.Is(err, ErrTableNotFound) {
		t.Errorf("compact of a dropped table: %v", err)
	}
	if st := d.Stats(); st.Segments != 0 {
		t.Errorf("%+v", st)
	}
	s.Close()
	if names, _ := d.fs.List(d.segDir); len(names) != 0 {
		t.Errorf("files of a dropped table: %v", names)
	}
}

// Of two batches that change the same thing the first wins.
func TestConflicts(t *testing.T) {
	d := openMem(t, nil)
	items := fillItems(t, d)
	insert := func(id int) func(*Batch) error {
		return func(b *Batch) error { _, err := b.Insert(ctx, items, Row{id, nil, nil}); return err }
	}
	alterName := func(b *Batch) error {
		n := items.Clone()
		n.Comment = "changed"
		_, err := b.AlterTable(ctx, n)
		return err
	}
	notNull := func(b *Batch) error {
		n := items.Clone()
		n.Columns[0].Comment = "x"
		n.Uniques = append(n.Uniques, Unique{Name: "u", Columns: []int{0}})
		_, err := b.AlterTable(ctx, n)
		return err
	}
	create := func(b *Batch) error { _, err := b.CreateTable(Table{Name: "new"}); return err }
	truncate := func(b *Batch) error { return b.Truncate(items.ID) }
	createIn := func(b *Batch) error { _, err := b.CreateTable(Table{Schema: "s", Name: "new"}); return err }
	set := func(b *Batch) error { return b.SetSetting("k", []byte("v")) }
	before := d.NewBatch(nil)
	must(t, before.CreateSchema("s"))
	must(t, before.Commit(ctx))
	for name, x := range map[string]struct {
		first, second func(*Batch) error
		want          error
	}{
		"alter, insert":       {alterName, insert(20), ErrConflict},
		"insert, add unique":  {insert(20), notNull, ErrConflict},
		"create, create":      {create, create, ErrTableExists},
		"truncate, insert":    {truncate, insert(20), ErrConflict},
		"insert, truncate":    {insert(20), truncate, nil},
		"drop schema, create": {func(b *Batch) error { return b.DropSchema("s") }, createIn, ErrConflict},
		"create, drop schema": {createIn, func(b *Batch) error { return b.DropSchema("s") }, ErrConflict},
		"schema, schema":      {func(b *Batch) error { return b.CreateSchema("z") }, func(b *Batch) error { return b.CreateSchema("z") }, ErrConflict},
		"setting, setting":    {set, set, ErrConflict},
		"insert, insert":      {insert(20), insert(21), nil},
		"setting, insert":     {set, insert(20), nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := openMem(t, nil)
			items = fillItems(t, d)
			b := d.NewBatch(nil)
			must(t, b.CreateSchema("s"))
			must(t, b.Commit(ctx))
			one, two := d.NewBatch(nil), d.NewBatch(nil)
			must(t, x.first(one))
			must(t, x.second(two))
			must(t, one.Commit(ctx))
			if err := two.Commit(ctx); !errors.Is(err, x.want) || (err == nil) != (x.want == nil) {
				t.Errorf("got %v, want %v", err, x.want)
			}
			must(t, d.Verify(ctx))
		})
	}
}
