package db

import (
	"testing"
)

// TestVersionsOfABatch follows what Unchanged and Defined say through inserts, definitions, settings and older snapshots.
func TestVersionsOfABatch(t *testing.T) {
	d, err := Open(t.TempDir(), &Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx := t.Context()
	do := func(f func(b *Batch) error) {
		t.Helper()
		b := d.NewBatch(nil)
		if err := f(b); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var table *Table
	do(func(b *Batch) (err error) {
		table, err = b.CreateTable(Table{Schema: "public", Name: "t", Columns: []Column{{Name: "a", Type: Type{Kind: Int8, Mod: -1}}}})
		return err
	})
	old := d.NewBatch(nil)
	defer old.Close()
	rows, ok := old.Unchanged(table)
	defined, ok2 := old.Defined()
	if !ok || !ok2 || defined == 0 {
		t.Fatalf("%d %v, %d %v", rows, ok, defined, ok2)
	}
	do(func(b *Batch) error {
		_, err := b.Insert(ctx, table, Row{int64(1)})
		if _, ok := b.Unchanged(table); ok {
			t.Error("unchanged inside of a batch that has written")
		}
		if _, ok := b.Defined(); ok {
			t.Error("defined inside of a batch that has written")
		}
		return err
	})
	if _, ok := old.Unchanged(table); ok {
		t.Error("unchanged over an older snapshot")
	}
	if _, ok := old.Defined(); !ok {
		t.Error("an insert is no definition")
	}
	if err := d.Seal(ctx, table.ID); err != nil {
		t.Fatal(err)
	}
	now := d.NewBatch(nil)
	after, ok := now.Unchanged(table)
	if !ok || after == rows {
		t.Errorf("after the insert: %d %v, before %d", after, ok, rows)
	}
	do(func(b *Batch) error { return b.SetSetting("a", []byte("b")) })
	if _, ok := now.Defined(); ok {
		t.Error("a setting is a definition")
	}
	now.Close()
	if _, ok := now.Defined(); ok {
		t.Error("a closed batch")
	}
	if _, ok := now.Unchanged(table); ok {
		t.Error("a closed batch")
	}
}
