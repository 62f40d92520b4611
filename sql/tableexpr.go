package sql

import (
	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// tableExprs are the expressions that a table's descriptor holds as text.
type tableExprs struct {
	table    *db.Table
	defaults []plan.Expr // nil where the column has none
	checks   []plan.Expr
}

// exprsOf parses a table's defaults and checks, once for each descriptor.
func (s *Session) exprsOf(t *db.Table) (*tableExprs, error) {
	if x, ok := s.tableExprs[t.ID]; ok && x.table == t {
		return x, nil
	}
	x := &tableExprs{table: t, defaults: make([]plan.Expr, len(t.Columns))}
	sc := s.scope()
	rel := s.engine.relations.ofTable(t)
	for i, c := range t.Columns {
		if c.Default == "" || c.Identity != db.NoIdentity {
			continue
		}
		e, err := s.engine.parseExpr(c.Default, sc, nil, rel.Columns[i].Type)
		if err != nil {
			return nil, err
		}
		x.defaults[i] = e
	}
	for _, c := range t.Checks {
		e, err := s.engine.parseExpr(c.Expr, sc, rel, types.Of(types.BoolOID))
		if err != nil {
			return nil, err
		}
		x.checks = append(x.checks, e)
	}
	if s.tableExprs == nil {
		s.tableExprs = map[db.TableID]*tableExprs{}
	}
	s.tableExprs[t.ID] = x
	return x, nil
}

// defaultOf is the value of a column that is given none.
func (x *tableExprs) defaultOf(column int, env *plan.Env) (any, error) {
	if e := x.defaults[column]; e != nil {
		return e.Eval(env)
	}
	return db.Default, nil
}

// check holds a row against the table's CHECK constraints: NULL passes.
func (x *tableExprs) check(row []any, env *plan.Env) error {
	if len(x.checks) == 0 {
		return nil
	}
	own := *env
	own.Row = row
	for i, e := range x.checks {
		v, err := e.Eval(&own)
		if err != nil {
			return err
		}
		if ok, isBool := v.(bool); isBool && !ok {
			t := x.table
			return &db.ConstraintError{Kind: db.CheckViolation, Schema: t.Schema, Table: t.Name, Constraint: t.Checks[i].Name,
				Detail: "Failing row contains (" + rowText(t, row) + ")."}
		}
	}
	return nil
}

// rowText spells a row as PostgreSQL does in the detail of an error.
func rowText(t *db.Table, row []any) string {
	var b []byte
	for i, v := range row {
		if i > 0 {
			b = append(b, ", "...)
		}
		if v == nil || db.IsDefault(v) {
			b = append(b, "null"...)
			continue
		}
		at := len(b)
		text, err := types.AppendText(b, types.FromDB(t.Columns[i].Type), v, nil)
		if err != nil {
			text = append(b, '?')
		}
		b = text
		if len(b)-at > 64 {
			b = append(b[:at+64], "..."...)
		}
	}
	return string(b)
}
