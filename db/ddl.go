package db

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"engram/db/internal/keys"
	"engram/db/internal/row"
)

// CreateTable makes a table and returns its descriptor with IDs filled in. Its schema must exist. PrimaryKey alone suffices:
// the unique key of it is made and named as PostgreSQL does.
func (b *Batch) CreateTable(t Table) (*Table, error) {
	made := t.Clone()
	err := b.write(func() error {
		made.ID, made.Version, made.nextColumn, made.nextUnique, made.nextIndex = 0, 1, 0, 0, 0
		for i := range made.Columns {
			made.Columns[i].ID = 0
		}
		for i := range made.Uniques {
			made.Uniques[i].ID = 0
		}
		for i := range made.Indexes {
			made.Indexes[i].ID = 0
		}
		if err := made.finish(); err != nil {
			return err
		}
		if !b.hasSchema(made.Schema) {
			return fmt.Errorf("%w: %q", ErrSchemaNotFound, made.Schema)
		}
		if b.named(made.Schema, made.Name) != nil {
			return fmt.Errorf("%w: %s", ErrTableExists, &made)
		}
		id, err := b.d.counters.take(0, keys.CounterTables, 1, 1)
		if err != nil {
			return err
		}
		made.ID = TableID(id)
		b.putTable(made.ID, &tableBatch{table: &made, altered: true, rows: map[RowID]rowWrite{}, keys: map[string]keyWrite{}})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &made, nil
}

// replace gives a table of the batch a copy of its state that may be changed, and undoes that on rollback.
func (b *Batch) replace(tb *tableBatch) *tableBatch {
	n := *tb
	b.putTable(tb.table.ID, &n)
	return &n
}

// DropTable removes a table.
func (b *Batch) DropTable(id TableID) error {
	return b.write(func() error {
		tb, err := b.own(id)
		if err != nil {
			return err
		}
		if id == MemoriesID {
			return fmt.Errorf("%w: it cannot be dropped", ErrSystemTable)
		}
		n := b.replace(tb)
		n.table, n.truncated, n.rows, n.keys, n.delta = nil, true, nil, nil, 0
		return nil
	})
}

// Truncate removes all rows of a table.
func (b *Batch) Truncate(id TableID) error {
	return b.write(func() error {
		tb, err := b.own(id)
		if err != nil {
			return err
		}
		n := b.replace(tb)
		n.truncated, n.altered, n.delta = true, true, 0
		n.rows, n.keys = map[RowID]rowWrite{}, map[string]keyWrite{}
		t := *tb.table
		t.Version++
		n.table = &t
		return nil
	})
}

// CreateSchema makes a schema.
func (b *Batch) CreateSchema(name string) error {
	return b.write(func() error {
		if err := checkName(name); err != nil {
			return fmt.Errorf("%w: schema: %v", ErrInvalidTable, err)
		}
		if b.hasSchema(name) {
			return fmt.Errorf("%w: %q", ErrSchemaExists, name)
		}
		b.setSchema(name, true)
		return nil
	})
}

// DropSchema removes a schema without tables.
func (b *Batch) DropSchema(name string) error {
	if !b.done {
		for _, t := range b.Tables() {
			if t.Schema == name {
				return fmt.Errorf("%w: %q", ErrSchemaNotEmpty, name)
			}
		}
	}
	return b.write(func() error {
		if !b.hasSchema(name) {
			return fmt.Errorf("%w: %q", ErrSchemaNotFound, name)
		}
		b.setSchema(name, false)
		return nil
	})
}

func (b *Batch) setSchema(name string, made bool) {
	old, had := b.schemas[name]
	if b.snap.cat.schemas[name] == made {
		delete(b.schemas, name) // as it was
	} else {
		b.schemas[name] = made
	}
	b.undo = append(b.undo, func() {
		if had {
			b.schemas[name] = old
		} else {
			delete(b.schemas, name)
		}
	})
}

// AlterTable replaces a descriptor, made by Clone of the present one. Columns, unique keys and indexes keep their IDs, those with ID 0 are
// new, those left out are dropped; positions may change. A new column reads its Missing value in the rows there are. It checks the
// rows where the new descriptor promises more: NOT NULL (*ConstraintError) and new unique keys. The type of a column does not
// change: add a column, Update the rows, drop the old one.
func (b *Batch) AlterTable(ctx context.Context, t Table) (*Table, error) {
	next := t.Clone()
	err := b.write(func() error {
		tb, err := b.own(t.ID)
		if err != nil {
			return err
		}
		old := tb.table
		if old.Version != t.Version {
			return fmt.Errorf("%w: table %s has changed", ErrConflict, old)
		}
		next.Version, next.nextColumn, next.nextUnique, next.nextIndex = old.Version+1, old.nextColumn, old.nextUnique, old.nextIndex
		if err := checkAlter(old, &next); err != nil {
			return err
		}
		fill := takeVectorDefaults(&next)
		if err := next.finish(); err != nil {
			return err
		}
		if err := b.checkRename(old, &next); err != nil {
			return err
		}
		n := b.replace(tb)
		n.table, n.altered = &next, true
		if err := b.dropKeys(n, old); err != nil {
			return err
		}
		return b.verifyAlter(ctx, n, old, fill)
	})
	if err != nil {
		return nil, err
	}
	return &next, nil
}

// checkAlter refuses changes that are none of AlterTable's business.
func checkAlter(old, next *Table) error {
	for i := range next.Columns {
		c := &next.Columns[i]
		if c.ID == 0 {
			continue
		}
		p := old.columnByID(c.ID)
		if p < 0 {
			return next.invalid("column %q has an unknown ID", c.Name)
		}
		if o := &old.Columns[p]; o.Type != c.Type {
			return next.invalid("column %q changes its type from %s to %s", c.Name, o.Type, c.Type)
		} else if !sameMissing(o, c) {
			return next.invalid("column %q changes what old rows read", c.Name)
		}
	}
	if err := checkUniquesKept(old, next); err != nil {
		return err
	}
	if next.ID == MemoriesID {
		if err := checkMemoriesKept(old, next); err != nil {
			return err
		}
	}
	return checkIndexesKept(old, next)
}

// checkMemoriesKept refuses what would take from memories what package db itself reads.
func checkMemoriesKept(old, next *Table) error {
	if next.Schema != old.Schema || next.Name != old.Name {
		return fmt.Errorf("%w: it cannot be renamed", ErrSystemTable)
	}
	for i := range memoriesTable.Columns {
		want := &memoriesTable.Columns[i]
		p := next.columnByID(want.ID)
		if p < 0 || next.Columns[p].Name != want.Name {
			return fmt.Errorf("%w: column %q cannot be dropped or renamed", ErrSystemTable, want.Name)
		}
	}
	return nil
}

// checkUniquesKept refuses a unique key that keeps its ID over other columns; new positions for the same columns are fine.
func checkUniquesKept(old, next *Table) error {
	for _, u := range next.Uniques {
		if u.ID == 0 {
			continue
		}
		i := slices.IndexFunc(old.Uniques, func(o Unique) bool { return o.ID == u.ID })
		same := i >= 0 && len(old.Uniques[i].Columns) == len(u.Columns)
		for j := 0; same && j < len(u.Columns); j++ {
			p := u.Columns[j]
			same = p >= 0 && p < len(next.Columns) && next.Columns[p].ID == old.Columns[old.Uniques[i].Columns[j]].ID
		}
		if !same {
			return next.invalid("unique key %q is over other columns than before", u.Name)
		}
	}
	return nil
}

func sameMissing(a, b *Column) bool {
	if a.Missing == nil || b.Missing == nil {
		return a.Missing == nil && b.Missing == nil
	}
	x, errX := row.Append(nil, []row.Column{{ID: 1, Type: a.Type}}, []any{a.Missing})
	y, errY := row.Append(nil, []row.Column{{ID: 1, Type: a.Type}}, []any{b.Missing})
	return errX == nil && errY == nil && string(x) == string(y)
}

// takeVectorDefaults takes the Missing values off new vector columns: vectors are searched where they are stored, so each row
// gets its own. It returns them by position.
func takeVectorDefaults(next *Table) map[int]any {
	fill := map[int]any{}
	for i := range next.Columns {
		c := &next.Columns[i]
		if k := c.Type.Kind; c.ID == 0 && c.Missing != nil && (k == Vector || k == Halfvec) {
			fill[i], c.Missing = c.Missing, nil
		}
	}
	return fill
}

func (b *Batch) checkRename(old, next *Table) error {
	if old.Schema == next.Schema && old.Name == next.Name {
		return nil
	}
	if !b.hasSchema(next.Schema) {
		return fmt.Errorf("%w: %q", ErrSchemaNotFound, next.Schema)
	}
	if b.named(next.Schema, next.Name) != nil {
		return fmt.Errorf("%w: %s", ErrTableExists, next)
	}
	return nil
}

// dropKeys forgets what the batch wrote to unique keys that the new descriptor has no more.
func (b *Batch) dropKeys(n *tableBatch, old *Table) error {
	for i := range old.Uniques {
		if n.table.hasUnique(old.Uniques[i].ID) {
			continue
		}
		prefix := string(keys.AppendUnique(nil, uint32(old.ID), old.Uniques[i].ID))
		kept := map[string]keyWrite{}
		for k, w := range n.keys {
			if len(k) < len(prefix) || k[:len(prefix)] != prefix {
				kept[k] = w
			}
		}
		n.keys = kept
	}
	return nil
}

func (t *Table) hasUnique(id uint32) bool {
	for i := range t.Uniques {
		if t.Uniques[i].ID == id {
			return true
		}
	}
	return false
}

func (t *Table) hasIndex(id uint32) bool {
	return slices.ContainsFunc(t.Indexes, func(x VectorIndex) bool { return x.ID == id })
}

// verifyAlter checks and completes the rows for a new descriptor.
func (b *Batch) verifyAlter(ctx context.Context, n *tableBatch, old *Table, fill map[int]any) error {
	t := n.table
	var notNull []int
	for i := range t.Columns {
		c := &t.Columns[i]
		p := old.columnByID(c.ID)
		if c.NotNull && (p < 0 && c.Missing == nil && fill[i] == nil || p >= 0 && !old.Columns[p].NotNull) {
			notNull = append(notNull, i)
		}
	}
	var uniques []*Unique
	for i := range t.Uniques {
		if !old.hasUnique(t.Uniques[i].ID) {
			uniques = append(uniques, &t.Uniques[i])
		}
	}
	if len(notNull) == 0 && len(uniques) == 0 && len(fill) == 0 {
		return nil
	}
	n.verified = true
	if len(fill) > 0 {
		if err := b.fillColumns(ctx, n, fill); err != nil {
			return err
		}
	}
	return b.scanOf(ctx, n, func(id RowID, r Row) error {
		for _, p := range notNull {
			if r[p] == nil {
				return &ConstraintError{Kind: NotNullViolation, Schema: t.Schema, Table: t.Name, Column: t.Columns[p].Name, Existing: true}
			}
		}
		for _, u := range uniques {
			k, ok, err := t.uniqueKey(u, r)
			if err == nil && ok {
				err = b.claim(n, u, k, id, r)
			}
			var violation *ConstraintError
			if errors.As(err, &violation) {
				violation.Existing = true
				violation.Detail = t.keyDetail(u, r) + " is duplicated."
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *Batch) scanOf(ctx context.Context, tb *tableBatch, f func(RowID, Row) error) error {
	if tb.hasBase() {
		if err := b.snap.scan(ctx, tb.base, tb.table, nil, tb, f); err != nil {
			return err
		}
	}
	return tb.scanOwn(ctx, nil, f)
}

// fillColumns stores a value of its own in every row.
func (b *Batch) fillColumns(ctx context.Context, tb *tableBatch, fill map[int]any) error {
	for p, v := range fill {
		x, err := row.Coerce(tb.table.Columns[p].Type, v)
		if err != nil {
			return err
		}
		fill[p] = x
	}
	var ids []RowID
	if err := b.scanOf(ctx, tb, func(id RowID, _ Row) error { ids = append(ids, id); return nil }); err != nil {
		return err
	}
	for _, id := range ids {
		r, err := b.get(tb, id, nil)
		if err != nil {
			return err
		}
		for p, v := range fill {
			r[p] = v
		}
		w := tb.rows[id]
		if w.enc, err = b.encode(tb.table, r); err == nil {
			err = b.setRow(tb, id, w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
