package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// withClause binds WITH queries in order; each sees those before it, and a recursive one itself.
func (a *analyzer) withClause(sq *selectQuery, w *pgquery.WithClause) {
	sq.recursive = w.Recursive
	for _, x := range w.Ctes {
		e := x.GetCommonTableExpr()
		for _, c := range sq.q.ctes {
			if c.name == e.Ctename {
				a.fail(e.Location, types.CodeDuplicateAlias, "WITH query name \"%s\" specified more than once", e.Ctename)
			}
		}
		sel := e.Ctequery.GetSelectStmt()
		if sel == nil {
			a.fail(e.Location, types.CodeFeatureNotSupported, "data-modifying statements in WITH are not supported")
		}
		if e.SearchClause != nil || e.CycleClause != nil {
			a.unsupported(e.Location, "SEARCH and CYCLE")
		}
		c := &cte{name: e.Ctename, duck: a.freshAlias(e.Ctename)}
		switch e.Ctematerialized {
		case pgquery.CTEMaterialize_CTEMaterializeAlways:
			c.material = "MATERIALIZED "
		case pgquery.CTEMaterialize_CTEMaterializeNever:
			c.material = "NOT MATERIALIZED "
		}
		sq.ctes = append(sq.ctes, c)
		if w.Recursive && sel.Op == pgquery.SetOperation_SETOP_UNION && mentions(sel.Rarg, e.Ctename, 0) {
			a.recursiveCTE(sq, c, e, sel)
			continue
		}
		c.bound = a.selectQuery(sel, sq.q, false)
		a.resolveUnknown(c.bound)
		a.cteColumns(c, e, c.bound)
		a.nest(c.bound)
		sq.q.ctes = append(sq.q.ctes, c)
	}
}

// cteColumns takes the columns of a WITH query from its SELECT, under the names that the WITH clause gives.
func (a *analyzer) cteColumns(c *cte, e *pgquery.CommonTableExpr, from *selectQuery) {
	if len(e.Aliascolnames) > len(from.cols) {
		a.fail(e.Location, types.CodeInvalidColumnReference, "WITH query \"%s\" has %d columns available but %d columns specified",
			c.name, len(from.cols), len(e.Aliascolnames))
	}
	used := map[string]bool{}
	c.cols, c.ducks, c.fields = []rcol{}, nil, nil
	for i, col := range from.cols {
		name := col.name
		if i < len(e.Aliascolnames) {
			name = e.Aliascolnames[i].GetString_().GetSval()
		}
		rc := rcol{name: name, typ: col.n.Type()}
		if col.n.kind == columnNode {
			src := col.n.col.rte.cols[col.n.col.index]
			rc.table, rc.att = src.table, src.att
		}
		c.cols = append(c.cols, rc)
		c.ducks = append(c.ducks, uniqueName(used, name))
		c.fields = append(c.fields, col.fields())
	}
}

// recursiveCTE binds the first term, then the second, which sees the first one's columns.
func (a *analyzer) recursiveCTE(sq *selectQuery, c *cte, e *pgquery.CommonTableExpr, sel *pgquery.SelectStmt) {
	if len(sel.SortClause) > 0 || sel.LimitCount != nil || sel.LimitOffset != nil {
		a.fail(e.Location, types.CodeFeatureNotSupported, "ORDER BY, OFFSET and LIMIT in a recursive query are not implemented")
	}
	bound := &selectQuery{q: &query{parent: sq.q}}
	if sel.WithClause != nil {
		a.withClause(bound, sel.WithClause)
	}
	bound.op = "UNION" + pick(sel.All, " ALL", "")
	c.busy = true
	sq.q.ctes = append(sq.q.ctes, c)
	bound.left = a.selectQuery(sel.Larg, bound.q, false)
	a.resolveUnknown(bound.left)
	a.cteColumns(c, e, bound.left)
	bound.right = a.selectQuery(sel.Rarg, bound.q, false)
	if len(bound.left.cols) != len(bound.right.cols) {
		a.fail(e.Location, types.CodeSyntaxError, "each UNION query must have the same number of columns")
	}
	for i, l := range bound.left.cols {
		r := bound.right.cols[i]
		t := l.n.Type()
		if !coercible(r.n, t, implicit) {
			panic(a.at(e.Location, types.Errorf(types.CodeDatatypeMismatch,
				"recursive query \"%s\" column %d has type %s in non-recursive term but type %s overall", c.name, i+1, t, r.n.Type()).
				WithHint("Cast the output of the non-recursive term to the correct type.")))
		}
		a.coerceColumn(bound.right, i, t, implicit)
		bound.cols = append(bound.cols, &outCol{name: l.name, n: &node{typ: t, loc: l.n.loc, out: func(p *printer) { p.str("NULL") }}})
	}
	a.duckNames(bound)
	c.bound, c.busy = bound, false
}

// mentions reports whether a query names a relation without a schema: that makes a WITH query recursive.
func mentions(n any, name string, depth int) bool {
	found := false
	walkNodes(n, func(x *pgquery.Node) bool {
		if v := x.GetRangeVar(); v != nil && v.Relname == name && v.Schemaname == "" {
			found = true
		}
		return !found
	}, depth)
	return found
}
