package db

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"engram/db/internal/row"
)

// Insert adds rows and returns their RowIDs. A row has a value for each column of t; Default takes the next identity value,
// else the column's default as far as it is a constant or the current time, else NULL. Values are brought into the form of their
// column, so Go's own types do; nothing of rows is kept. Rows of memories get their embeddings here, all in one call of the
// encoder. Errors: *ConstraintError, the errors of values, ErrConflict when t is not the batch's version of the table.
func (b *Batch) Insert(ctx context.Context, t *Table, rows ...Row) ([]RowID, error) {
	var ids []RowID
	err := b.write(func() error {
		tb, err := b.ownTable(t)
		if err != nil || len(rows) == 0 {
			return err
		}
		full := make([]Row, len(rows))
		for i, r := range rows {
			if full[i], err = b.d.complete(tb.table, r); err != nil {
				return err
			}
		}
		writes := make([]rowWrite, len(rows))
		if t.ID == MemoriesID {
			if err := b.d.embedInserted(ctx, tb.table, full, writes); err != nil {
				return err
			}
		}
		first, err := b.d.counters.takeRows(t.ID, len(rows))
		if err != nil {
			return err
		}
		ids = make([]RowID, len(rows))
		for i, r := range full {
			if i%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			ids[i] = first + RowID(i)
			writes[i].fresh = true
			if err := b.putRow(tb, ids[i], nil, r, writes[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// InsertFields adds rows given by column name; columns that are not named are Default.
func (b *Batch) InsertFields(ctx context.Context, t *Table, rows ...Fields) ([]RowID, error) {
	full := make([]Row, len(rows))
	for i, fields := range rows {
		full[i] = make(Row, len(t.Columns))
		for j := range full[i] {
			full[i][j] = Default
		}
		for name, v := range fields {
			p := t.Column(name)
			if p < 0 {
				return nil, fmt.Errorf("%w: %q of table %s", ErrColumnNotFound, name, t)
			}
			full[i][p] = v
		}
	}
	return b.Insert(ctx, t, full...)
}

// complete returns a row with its defaults filled in and every value in its column's form.
func (d *DB) complete(t *Table, r Row) (Row, error) {
	if len(r) != len(t.Columns) {
		return nil, fmt.Errorf("%w: %d values for the %d columns of table %s", ErrInvalidValue, len(r), len(t.Columns), t)
	}
	full := make(Row, len(r))
	for i, v := range r {
		var err error
		if full[i], err = d.value(t, i, v); err != nil {
			return nil, err
		}
	}
	return full, nil
}

// value brings one value into its column's form; Default becomes what the column says.
func (d *DB) value(t *Table, column int, v any) (any, error) {
	c := &t.Columns[column]
	if IsDefault(v) {
		if c.Identity != NoIdentity {
			n, err := d.nextIdentity(t, column, 1)
			if err != nil {
				return nil, err
			}
			v = n
		} else {
			var err error
			if v, err = c.constantDefault(); err != nil {
				return nil, err
			}
		}
	}
	x, err := row.Coerce(c.Type, v)
	if err != nil {
		return nil, fmt.Errorf("column %q: %w", c.Name, err)
	}
	return x, nil
}

// putRow checks a row against NOT NULL and the unique keys and records it. old is what it replaces, nil for a new row.
func (b *Batch) putRow(tb *tableBatch, id RowID, old, r Row, w rowWrite) error {
	t := tb.table
	for i := range t.Columns {
		if t.Columns[i].NotNull && r[i] == nil {
			return t.notNullError(i, r)
		}
	}
	for i := range t.Uniques {
		u := &t.Uniques[i]
		if old != nil && !u.changed(t, old, r) {
			continue
		}
		if old != nil {
			k, ok, err := t.uniqueKey(u, old)
			if err == nil && ok {
				err = b.unclaim(tb, k)
			}
			if err != nil {
				return err
			}
		}
		k, ok, err := t.uniqueKey(u, r)
		if err == nil && ok {
			err = b.claim(tb, u, k, id, r)
		}
		if err != nil {
			return err
		}
	}
	enc, err := b.encode(t, r)
	if err != nil {
		return err
	}
	w.enc = enc
	return b.setRow(tb, id, w)
}

func (u *Unique) changed(t *Table, a, b Row) bool {
	return slices.ContainsFunc(u.Columns, func(p int) bool { return !row.Equal(t.Columns[p].Type, a[p], b[p]) })
}

// Update sets columns of a row, by position. A value may be Default. Setting the text of a memory embeds it anew unless set
// brings the embedding. The errors are those of Insert and ErrRowNotFound.
func (b *Batch) Update(ctx context.Context, t *Table, id RowID, set map[int]any) error {
	return b.write(func() error {
		tb, err := b.ownTable(t)
		if err != nil {
			return err
		}
		if err := t.checkWant(slices.Collect(maps.Keys(set))); err != nil {
			return err
		}
		old, err := b.get(tb, id, nil)
		if err != nil {
			return err
		}
		r := slices.Clone(old)
		for p, v := range set {
			if r[p], err = b.d.value(tb.table, p, v); err != nil {
				return err
			}
		}
		w := tb.rows[id]
		if t.ID == MemoriesID {
			if err := b.d.embedUpdated(ctx, tb.table, old, r, set, &w); err != nil {
				return err
			}
		}
		return b.putRow(tb, id, old, r, w)
	})
}

// get reads a row as the batch sees it. The caller has entered the snapshot.
func (b *Batch) get(tb *tableBatch, id RowID, want []int) (Row, error) {
	if w, ok := tb.rows[id]; ok {
		if w.enc == nil {
			return nil, fmt.Errorf("%w: %s row %d", ErrRowNotFound, tb.table, id)
		}
		return tb.table.decode(id, w.enc, want)
	}
	if !tb.hasBase() {
		return nil, fmt.Errorf("%w: %s row %d", ErrRowNotFound, tb.table, id)
	}
	return b.snap.get(tb.base, tb.table, id, want)
}
