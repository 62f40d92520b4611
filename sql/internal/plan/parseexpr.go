package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// ParseExpr analyses the text of an expression over the columns of rel (nil = no columns), as DEFAULT and CHECK have
// it, and coerces it to want as an assignment does (OID 0 = as it comes). It is an error when Go cannot evaluate the
// expression. The columns are read from Env.Row by their positions in rel.Columns.
func ParseExpr(text string, sc Scope, rel *Relation, want types.Type) (Expr, error) {
	return parseExpr(text, sc, rel, want, "expressions here")
}

func parseExpr(text string, sc Scope, rel *Relation, want types.Type, where string) (e Expr, err error) {
	stmts, err := Parse("SELECT " + text)
	if err != nil {
		return nil, err
	}
	var targets int
	if len(stmts) == 1 && stmts[0].node.GetSelectStmt() != nil {
		targets = len(stmts[0].node.GetSelectStmt().TargetList)
	}
	if targets != 1 {
		return nil, types.Errorf(types.CodeSyntaxError, "\"%s\" is not one expression", text)
	}
	a := newAnalyzer(stmts[0], sc, nil)
	a.inView = true // positions would count in a text that the user did not write
	var p *Plan
	defer func() {
		a.rescue(&p, &err)
		if err != nil {
			e = nil
		}
	}()
	q := &query{}
	if rel != nil {
		r := &rte{alias: rel.Name, schema: rel.Schema, rel: rel}
		a.relationColumns(r, rel.Name)
		a.addRange(q, r, -1)
	}
	n := a.expr(q, stmts[0].node.GetSelectStmt().TargetList[0].GetResTarget().Val)
	a.refuse(n, hasAggregate|hasWindow|hasSet, where)
	if n.props&hasSubquery != 0 {
		a.fail(-1, types.CodeFeatureNotSupported, "cannot use subquery in %s", where)
	}
	if len(a.params) > 0 {
		a.fail(-1, types.CodeUndefinedParameter, "there is no parameter $1")
	}
	if want.OID == 0 {
		want = n.Type()
		if n.isUnknown() {
			want = types.Of(types.TextOID)
		}
	}
	return a.needGo(a.coerce(n, want, assignment, -1)), nil
}

// CoerceExpr gives an expression that casts e to t as an assignment does; e.Type() may be unknown, whose values are
// texts that t's input function reads.
func CoerceExpr(e Expr, t types.Type) (Expr, error) {
	from := e.Type()
	if from.OID != types.UnknownOID {
		if l, ok := castContext(from, t); !ok || l > assignment {
			return nil, types.Errorf(types.CodeDatatypeMismatch, "an expression of type %s cannot be used where %s is expected", from, t)
		}
	}
	if from.OID == t.OID && (t.Mod < 0 || t.Mod == from.Mod) {
		return e, nil
	}
	return &node{typ: t, run: func(env *Env) (any, error) {
		v, err := e.Eval(env)
		if err != nil || v == nil {
			return nil, err
		}
		return castValue(env, e.Type(), t, v, false)
	}}, nil
}

// ParseFilter analyses the text of a condition over the rows of a table. relations are what the tokens of its SQL name.
func ParseFilter(text string, sc Scope, rel *Relation) (f *RowFilter, relations []*Relation, err error) {
	stmts, err := Parse("SELECT " + text)
	if err != nil {
		return nil, nil, err
	}
	var target *pgquery.Node
	if len(stmts) == 1 {
		if s := stmts[0].node.GetSelectStmt(); s != nil && len(s.TargetList) == 1 && len(s.FromClause) == 0 && s.WhereClause == nil &&
			s.Op <= pgquery.SetOperation_SETOP_NONE && s.TargetList[0].GetResTarget().Name == "" {
			target = s.TargetList[0].GetResTarget().Val
		}
	}
	if target == nil {
		return nil, nil, types.Errorf(types.CodeSyntaxError, "\"%s\" is not one expression", text)
	}
	a := newAnalyzer(stmts[0], sc, nil)
	a.inView = true // positions would count in a text that the user did not write
	var p *Plan
	defer func() { a.rescue(&p, &err) }()
	q := &query{}
	sq := &selectQuery{q: q}
	sq.from = []*fromItem{a.rangeVar(q, &pgquery.RangeVar{Schemaname: rel.Schema, Relname: rel.Name})}
	sq.where = a.refuse(a.condition(q, target, "WHERE"), hasAggregate|hasWindow|hasSet, "WHERE")
	if len(a.params) > 0 {
		a.fail(-1, types.CodeUndefinedParameter, "there is no parameter $1")
	}
	return a.rowFilter(sq), a.plan.Relations, nil
}
