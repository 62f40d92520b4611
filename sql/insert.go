package sql

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// insertChunk is how many rows go to the database in one call, and so to the text model.
const insertChunk = 1024

// insert runs INSERT.
func (c *change) insert() error {
	if c.plan.Rows != nil {
		rows := make([]db.Row, len(c.plan.Rows))
		for i, exprs := range c.plan.Rows {
			row, err := c.newRow()
			if err != nil {
				return err
			}
			for k, e := range exprs {
				if e == nil {
					continue
				}
				if row[c.plan.Targets[k]], err = e.Eval(c.env); err != nil {
					return err
				}
			}
			rows[i] = row
		}
		return c.insertRows(rows)
	}
	return c.insertSelect()
}

// newRow is a row of defaults.
func (c *change) newRow() (db.Row, error) {
	row := make(db.Row, len(c.table.Columns))
	for j := range row {
		v, err := c.exprs.defaultOf(j, c.env)
		if err != nil {
			return nil, err
		}
		row[j] = v
	}
	return row, nil
}

// insertSelect inserts what DuckSQL yields.
func (c *change) insertSelect() error {
	rows, columns, err := c.source()
	if err != nil {
		return err
	}
	defer rows.Close()
	current := new([]any)
	assign := make([]plan.Expr, len(c.plan.Targets))
	for k, j := range c.plan.Targets {
		if assign[k], err = c.s.assigner(columns[k].Type, c.plan.Relation.Columns[j].Type, current, k); err != nil {
			return err
		}
	}
	for {
		chunk := make([]db.Row, 0, insertChunk)
		for len(chunk) < insertChunk {
			if *current, err = rows.Next(); err != nil {
				break
			}
			row, err := c.newRow()
			if err != nil {
				return err
			}
			for k, j := range c.plan.Targets {
				if row[j], err = assign[k].Eval(c.env); err != nil {
					return err
				}
			}
			chunk = append(chunk, row)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(chunk) > 0 {
			if err := c.insertRows(chunk); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

// insertRows inserts finished rows: identity, checks, conflicts, then one call for all of them.
func (c *change) insertRows(rows []db.Row) error {
	if err := c.identities(rows); err != nil {
		return err
	}
	for _, row := range rows {
		if err := c.exprs.check(nullDefaults(row), c.env); err != nil {
			return err
		}
	}
	if c.plan.Conflict != nil {
		return c.insertOrResolve(rows)
	}
	return c.store(rows)
}

func (c *change) store(rows []db.Row) error {
	if len(rows) == 0 {
		return nil
	}
	ids, err := c.s.batch().Insert(c.x.ctx, c.table, rows...)
	if err != nil {
		return err
	}
	for _, id := range ids {
		c.note(written{id: id})
	}
	return nil
}

// identities fills identity columns where the value is asked for before the row is stored: by checks, by ON CONFLICT.
// OVERRIDING USER VALUE throws given values away.
func (c *change) identities(rows []db.Row) error {
	for j, col := range c.table.Columns {
		if col.Identity == db.NoIdentity {
			continue
		}
		for _, row := range rows {
			if c.plan.Overriding == plan.OverridingUser {
				row[j] = db.Default
			}
			if !db.IsDefault(row[j]) || len(c.table.Checks) == 0 && c.plan.Conflict == nil {
				continue
			}
			n, err := c.s.engine.db.NextIdentity(c.table, j)
			if err != nil {
				return err
			}
			row[j] = n
		}
	}
	return nil
}

// nullDefaults is a row as checks see it: what has no value and no default is NULL.
func nullDefaults(row db.Row) []any {
	if !slices.ContainsFunc(row, db.IsDefault) {
		return row
	}
	out := slices.Clone(row)
	for i := range out {
		if db.IsDefault(out[i]) {
			out[i] = nil
		}
	}
	return out
}

// insertOrResolve inserts the rows that conflict with none and does with the others what ON CONFLICT says.
func (c *change) insertOrResolve(rows []db.Row) error {
	mine := map[string]bool{} // keys of rows that this statement inserts
	var fresh []db.Row
	for _, row := range rows {
		id, met, own, err := c.conflict(row, mine)
		switch {
		case err != nil:
			return err
		case !met:
			c.remember(row, mine)
			fresh = append(fresh, row)
		case c.plan.Conflict.Nothing:
		case own || c.touched[id]:
			return types.Errorf(types.CodeCardinalityViolation, "ON CONFLICT DO UPDATE command cannot affect row a second time").
				WithHint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
		default:
			if err := c.resolve(id, row); err != nil {
				return err
			}
		}
	}
	return c.store(fresh)
}

// conflict looks for a row that stands where this one wants to go. own says that this statement is about to insert it.
func (c *change) conflict(row db.Row, mine map[string]bool) (id db.RowID, met, own bool, err error) {
	for u, unique := range c.table.Uniques {
		if c.plan.Conflict.Unique >= 0 && c.plan.Conflict.Unique != u {
			continue
		}
		key, ok := keyOf(row, unique)
		if !ok {
			continue
		}
		if mine[keyText(u, key)] {
			return 0, true, true, nil
		}
		id, met, err = c.s.batch().Lookup(c.x.ctx, c.table, u, key)
		if err != nil || met {
			return id, met, false, err
		}
	}
	return 0, false, false, nil
}

func (c *change) remember(row db.Row, mine map[string]bool) {
	for u, unique := range c.table.Uniques {
		if key, ok := keyOf(row, unique); ok {
			mine[keyText(u, key)] = true
		}
	}
}

// keyOf gives a row's values of a unique key; false when one is NULL, which equals nothing.
func keyOf(row db.Row, u db.Unique) ([]any, bool) {
	key := make([]any, len(u.Columns))
	for i, j := range u.Columns {
		if row[j] == nil || db.IsDefault(row[j]) {
			return nil, false
		}
		key[i] = row[j]
	}
	return key, true
}

func keyText(u int, key []any) string {
	var b strings.Builder
	fmt.Fprint(&b, u)
	for _, v := range key {
		if d, ok := v.(*apdDecimal); ok {
			var r apdDecimal
			r.Reduce(d)
			v = r.Text('f')
		}
		fmt.Fprintf(&b, "|%T:%v", v, v)
	}
	return b.String()
}

// resolve does ON CONFLICT DO UPDATE to the row that stands.
func (c *change) resolve(id db.RowID, row db.Row) error {
	old, err := c.s.readRow(c.x.ctx, c.table, id, nil)
	if err != nil {
		return err
	}
	c.env.Row, c.env.Excluded = old, nullDefaults(row)
	defer func() { c.env.Excluded = nil }()
	if ok, err := holds(c.plan.Conflict.Where, c.env); err != nil || !ok {
		return err
	}
	set := map[int]any{}
	for _, item := range c.plan.Conflict.Set {
		var v any
		if item.Default {
			v, err = c.exprs.defaultOf(item.Column, c.env)
		} else {
			v, err = item.Expr.Eval(c.env)
		}
		if err != nil {
			return err
		}
		set[item.Column] = v
	}
	if err := c.write(id, old, set); err != nil {
		return err
	}
	if c.touched == nil {
		c.touched = map[db.RowID]bool{}
	}
	c.touched[id] = true
	c.note(written{id: id})
	return nil
}
