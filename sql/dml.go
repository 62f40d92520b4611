package sql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"

	"engram/db"
	"engram/sql/internal/duck"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// change is a running INSERT, UPDATE or DELETE.
type change struct {
	s       *Session
	x       *execution
	plan    *plan.DMLPlan
	table   *db.Table
	exprs   *tableExprs
	env     *plan.Env
	count   int64
	touched map[db.RowID]bool // rows that ON CONFLICT DO UPDATE changed
	wrote   []written         // what RETURNING reads; only kept when there is a RETURNING
}

// written is a row that the statement wrote or deleted.
type written struct {
	id    db.RowID
	row   []any // nil: to be read by id once the statement is through
	extra []any
}

// runDML runs a change of rows to its end.
func (s *Session) runDML(x *execution) (*outcome, error) {
	p := x.analyzed.plan
	c := &change{s: s, x: x, plan: p.DML, env: s.env(x)}
	var ok bool
	if c.table, ok = p.DML.Relation.Ref.(*db.Table); !ok {
		return nil, types.Errorf(types.CodeInsufficientPrivilege, "permission denied: %q is a system catalog", p.DML.Relation.Name)
	}
	mark := s.batch().Mark()
	out, err := c.run()
	if err != nil {
		s.batch().RollbackTo(mark)
		return nil, causeOf(x.ctx, err)
	}
	return out, nil
}

func (c *change) run() (out *outcome, err error) {
	if c.exprs, err = c.s.exprsOf(c.table); err != nil {
		return nil, err
	}
	switch c.plan.Op {
	case plan.Insert:
		err = c.insert()
	case plan.Update:
		err = c.update()
	default:
		err = c.remove()
	}
	if err != nil {
		return nil, err
	}
	tag := c.plan.Op.String() + " "
	if c.plan.Op == plan.Insert {
		tag += "0 "
	}
	out = &outcome{columns: c.x.analyzed.columns, tag: tag + strconv.FormatInt(c.count, 10)}
	if c.returns() {
		out.rows, err = c.returning()
	}
	return out, err
}

func (c *change) returns() bool { return c.plan.Returning != nil || c.plan.ReturningSQL != "" }

// note counts a changed row and keeps it for RETURNING.
func (c *change) note(w written) {
	c.count++
	if c.returns() {
		c.wrote = append(c.wrote, w)
	}
}

// returning evaluates RETURNING over the rows written.
func (c *change) returning() (rowSource, error) {
	for i := range c.wrote {
		if c.wrote[i].row == nil {
			r, err := c.s.batch().Get(c.x.ctx, c.table, c.wrote[i].id, nil)
			if err != nil {
				return nil, err
			}
			c.wrote[i].row = r
		}
	}
	if c.plan.ReturningSQL != "" {
		return c.returningDuck()
	}
	rows := make([][]any, len(c.wrote))
	for i, w := range c.wrote {
		c.env.Row, c.env.Extra = w.row, w.extra
		row, err := evalAll(c.plan.Returning, c.env)
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	return &listed{rows}, nil
}

// returningDuck lets DuckDB evaluate a RETURNING that Go cannot.
func (c *change) returningDuck() (rowSource, error) {
	conn, err := c.s.connect(c.x.ctx)
	if err != nil {
		return nil, err
	}
	rel := &listRelation{}
	for _, col := range c.plan.Relation.Columns {
		rel.add(col.Name, col.Type)
	}
	for i, t := range c.plan.ExtraTypes {
		rel.add(fmt.Sprintf("__engram_extra_%d", i), t)
	}
	rel.add("__engram_ord", types.Of(types.Int8OID))
	for i, w := range c.wrote {
		row := append(append(append([]any{}, w.row...), w.extra...), int64(i))
		rel.rows = append(rel.rows, row)
	}
	run := c.s.newRun()
	run.returning = "(SELECT * FROM " + conn.bind(rel) + ")"
	rows, err := c.s.duckQueryOn(c.x.ctx, conn, run, c.plan.ReturningSQL, c.plan.ReturningRelations, c.x.params,
		c.x.analyzed.params, c.x.analyzed.columns)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

// collect reads a source to its end.
func collect(rows rowSource) (*listed, error) {
	defer rows.Close()
	out := &listed{}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out.rows = append(out.rows, append([]any{}, row...))
	}
}

// listRelation is rows in memory that DuckDB scans.
type listRelation struct {
	columns []duck.Column
	types   []types.Type
	rows    [][]any
}

func (l *listRelation) add(name string, t types.Type) {
	l.columns = append(l.columns, duck.Column{Name: name, Type: duckType(t)})
	l.types = append(l.types, t)
}

// Columns implements duck.Relation.
func (l *listRelation) Columns() []duck.Column { return l.columns }

// Rows implements duck.Relation.
func (l *listRelation) Rows() int64 { return int64(len(l.rows)) }

// Scan implements duck.Relation.
func (l *listRelation) Scan(_ context.Context, projection []int) (duck.RelationScan, error) {
	return &listScan{l, projection, 0}, nil
}

type listScan struct {
	list       *listRelation
	projection []int
	at         int
}

// Next implements duck.RelationScan.
func (l *listScan) Next(cols []*duck.Writer, max int) (int, error) {
	n := min(len(l.list.rows)-l.at, max)
	for i, row := range l.list.rows[l.at : l.at+n] {
		for k, j := range l.projection {
			if row[j] == nil {
				cols[k].SetNull(i)
			} else {
				cols[k].SetValue(i, toDuck(row[j], l.list.types[j]))
			}
		}
	}
	l.at += n
	return n, nil
}

// Close implements duck.RelationScan.
func (l *listScan) Close() error { return nil }

// slot is an expression that reads one value of the row at hand.
type slot struct {
	typ types.Type
	row *[]any
	at  int
}

// Type implements plan.Expr.
func (s *slot) Type() types.Type { return s.typ }

// Eval implements plan.Expr.
func (s *slot) Eval(*plan.Env) (any, error) { return (*s.row)[s.at], nil }

// assigner brings values of one type to a column's type as an assignment does.
func (s *Session) assigner(of, to types.Type, row *[]any, at int) (plan.Expr, error) {
	e := plan.Expr(&slot{of, row, at})
	if of == to {
		return e, nil
	}
	if of.OID == types.TextOID && (to.OID == types.JSONOID || to.OID == types.JSONBOID || to.OID == types.BitOID || to.OID == types.VarbitOID) {
		// DuckDB carries these as text; the analyser has checked that the expression is of a type that may be assigned.
		e = &slot{types.Of(types.UnknownOID), row, at}
	}
	return s.engine.coerceExpr(e, to)
}

// source runs the plan's DuckSQL to its end before anything is written, so that the statement does not see its own work.
func (c *change) source() (rowSource, []Column, error) {
	p := c.x.analyzed.plan
	rows, err := c.s.duckQuery(c.x.ctx, p.DuckSQL, p.Relations, c.x.params, c.x.analyzed.params, nil)
	if err != nil {
		return nil, nil, err
	}
	columns := rows.columns
	kept, err := spoolRows(rows, columns, c.s.engine.tempDir)
	return kept, columns, err
}

// update runs UPDATE.
func (c *change) update() error {
	if p := c.plan.Point; p != nil {
		id, row, ok, err := c.point(p)
		if err != nil || !ok {
			return err
		}
		return c.updateRow(id, row, nil, nil)
	}
	rows, columns, err := c.source()
	if err != nil {
		return err
	}
	defer rows.Close()
	assign, current, err := c.assigners(columns)
	if err != nil {
		return err
	}
	return c.eachRow(rows, func(id db.RowID, row []any) error {
		*current = row
		values := make([]any, len(assign))
		for i, e := range assign {
			if values[i], err = e.Eval(c.env); err != nil {
				return err
			}
		}
		extra := append([]any{}, row[1+len(assign):]...)
		return c.updateRow(id, nil, values, extra)
	})
}

// assigners are the coercions of the values that DuckSQL yields for Set.
func (c *change) assigners(columns []Column) (assign []plan.Expr, current *[]any, err error) {
	current = new([]any)
	at := 1
	for _, set := range c.plan.Set {
		if set.Expr != nil || set.Default {
			continue
		}
		if at >= len(columns) {
			return nil, nil, types.Errorf(types.CodeInternalError, "UPDATE yields too few columns")
		}
		e, err := c.s.assigner(columns[at].Type, c.plan.Relation.Columns[set.Column].Type, current, at)
		if err != nil {
			return nil, nil, err
		}
		assign = append(assign, e)
		at++
	}
	return assign, current, nil
}

// eachRow calls f for each row that DuckSQL found; a row found twice counts once.
func (c *change) eachRow(rows rowSource, f func(id db.RowID, row []any) error) error {
	seen := map[int64]bool{}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		id, ok := row[0].(int64)
		if !ok || seen[id] {
			continue
		}
		seen[id] = true
		if err := f(db.RowID(id), row); err != nil {
			return err
		}
		if err := c.x.ctx.Err(); err != nil {
			return err
		}
	}
}

// point finds the one row that a key names, whole.
func (c *change) point(p *plan.PointKey) (id db.RowID, row []any, ok bool, err error) {
	id, ok, err = c.s.findKey(c.x.ctx, c.table, p.Unique, p.Key, c.env)
	if err != nil || !ok {
		return 0, nil, false, err
	}
	if row, err = c.s.readRow(c.x.ctx, c.table, id, nil); err != nil {
		return 0, nil, false, err
	}
	c.env.Row = row
	ok, err = holds(p.Filter, c.env)
	return id, row, ok, err
}

// updateRow assigns to one row. old may be nil: it is read when it is needed.
func (c *change) updateRow(id db.RowID, old, values, extra []any) (err error) {
	if old == nil && c.needsOld() {
		if old, err = c.s.readRow(c.x.ctx, c.table, id, nil); err != nil {
			return err
		}
	}
	c.env.Row = old
	set := make(map[int]any, len(c.plan.Set))
	next := 0
	for _, item := range c.plan.Set {
		var v any
		switch {
		case item.Default:
			v, err = c.exprs.defaultOf(item.Column, c.env)
		case item.Expr != nil:
			v, err = item.Expr.Eval(c.env)
		default:
			v = values[next]
			next++
		}
		if err != nil {
			return err
		}
		set[item.Column] = v
	}
	if err := c.write(id, old, set); err != nil {
		return err
	}
	c.note(written{id: id, extra: extra})
	return nil
}

func (c *change) needsOld() bool {
	if len(c.table.Checks) > 0 {
		return true
	}
	for _, item := range c.plan.Set {
		if item.Expr != nil {
			return true
		}
	}
	return false
}

// write stores new values of a row after the checks.
func (c *change) write(id db.RowID, old []any, set map[int]any) error {
	if len(c.table.Checks) > 0 {
		row := append([]any{}, old...)
		for j, v := range set {
			if db.IsDefault(v) {
				v = nil
			}
			row[j] = v
		}
		if err := c.exprs.check(row, c.env); err != nil {
			return err
		}
	}
	return c.s.batch().Update(c.x.ctx, c.table, id, set)
}

// remove runs DELETE.
func (c *change) remove() error {
	if p := c.plan.Point; p != nil {
		id, row, ok, err := c.point(p)
		if err != nil || !ok {
			return err
		}
		return c.removeRow(id, row, nil)
	}
	rows, _, err := c.source()
	if err != nil {
		return err
	}
	defer rows.Close()
	return c.eachRow(rows, func(id db.RowID, row []any) error {
		return c.removeRow(id, nil, append([]any{}, row[1:]...))
	})
}

func (c *change) removeRow(id db.RowID, row, extra []any) (err error) {
	if row == nil && c.returns() {
		if row, err = c.s.readRow(c.x.ctx, c.table, id, nil); err != nil {
			return err
		}
	}
	if err := c.s.batch().Delete(c.x.ctx, c.table, id); err != nil {
		return err
	}
	c.note(written{id: id, row: row, extra: extra})
	return nil
}

// sameRows reports whether two runs of a statement answered alike.
func sameRows(a, b [][]any, _ []Column) bool { return reflect.DeepEqual(a, b) }
