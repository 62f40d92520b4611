package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// arrayExpr is ARRAY[...].
func (a *analyzer) arrayExpr(q *query, elements []*pgquery.Node, loc int32) *node {
	items := make([]*node, len(elements))
	for i, e := range elements {
		if e.GetAArrayExpr() != nil {
			a.unsupported(loc, "an array of more than one dimension")
		}
		items[i] = a.expr(q, e)
	}
	if len(items) == 0 {
		panic(a.at(loc, types.Errorf(types.CodeIndeterminateDatatype, "cannot determine type of empty array").
			WithHint("Explicitly cast to the desired type, for example ARRAY[]::integer[].")))
	}
	e := a.commonType(items, "ARRAY", loc)
	if e.OID == 0 {
		a.unsupported(loc, "an array of values whose type is not known")
	}
	t, ok := types.ArrayOf(types.Of(e.OID))
	if !ok || isArray(e) {
		a.unsupported(loc, "an array of "+e.String())
	}
	return a.arrayOf(items, e, t, implicit, loc)
}

// arrayOf makes an array node of items, each coerced to elem.
func (a *analyzer) arrayOf(items []*node, elem, t types.Type, c castLevel, loc int32) *node {
	for i := range items {
		items[i] = a.coerce(items[i], elem, c, loc)
	}
	n := with(t, loc, items, func(p *printer) {
		p.str("CAST([")
		p.list(items)
		p.str("] AS ", duckType(types.Of(t.OID)), ")")
	}, lax(items, func(_ *Env, v []any) (any, error) { return v, nil }))
	n.value = arrayItemsOf(items)
	return n
}

// indirection is (x).field, x[i] and x[i:j].
func (a *analyzer) indirection(q *query, x *pgquery.A_Indirection) *node {
	if _, ok := x.Arg.Node.(*pgquery.Node_ColumnRef); ok && len(x.Indirection) > 0 && x.Indirection[0].GetString_() != nil {
		// (t).column where t is a table
		c := x.Arg.GetColumnRef()
		if len(c.Fields) == 1 {
			if name := c.Fields[0].GetString_().GetSval(); a.unqualified(q, name, c.Location) == nil && findRange(q, "", name) != nil {
				return a.steps(q, a.qualified(q, "", name, x.Indirection[0].GetString_().Sval, c.Location), x.Indirection[1:])
			}
		}
	}
	return a.steps(q, a.expr(q, x.Arg), x.Indirection)
}

func (a *analyzer) steps(q *query, n *node, steps []*pgquery.Node) *node {
	for _, s := range steps {
		switch v := s.Node.(type) {
		case *pgquery.Node_String_:
			n = a.field(n, v.String_.Sval)
		case *pgquery.Node_AIndices:
			n = a.subscript(q, n, v.AIndices)
		default:
			a.unsupported(n.loc, "row expansion via \"*\" here")
		}
	}
	return n
}

// field reads a field of a record.
func (a *analyzer) field(n *node, name string) *node {
	fields, ok := fieldsOf(n)
	if !ok {
		if n.oid() == types.RecordOID {
			a.fail(n.loc, types.CodeUndefinedColumn, "could not identify column \"%s\" in record data type", name)
		}
		a.fail(n.loc, types.CodeWrongObjectType, "column notation .%s applied to type %s, which is not a composite type", name, n.Type())
	}
	for i, f := range fields.names {
		if f == name {
			args := []*node{n}
			return with(fields.types[i], n.loc, args, func(p *printer) {
				p.str("struct_extract(")
				p.node(n)
				p.str(", ", quote(name), ")")
			}, nil)
		}
	}
	a.fail(n.loc, types.CodeUndefinedColumn, "column \"%s\" not found in data type record", name)
	return nil
}

func fieldsOf(n *node) (recordFields, bool) {
	if r, ok := n.value.(recordFields); ok {
		return r, true
	}
	if names, ok := n.value.([]string); ok && n.kind == rowNode {
		r := recordFields{names: names}
		for _, x := range n.args {
			r.types = append(r.types, x.Type())
		}
		return r, true
	}
	return recordFields{}, false
}

// subscript is x[i] or x[i:j]: from 1, as in DuckDB, but for PostgreSQL's old vectors, which count from 0; a negative
// index finds nothing. jsonb subscripts are the -> operator.
func (a *analyzer) subscript(q *query, n *node, s *pgquery.A_Indices) *node {
	if n.oid() == types.JSONBOID && !s.IsSlice {
		i := a.expr(q, s.Uidx)
		return a.operator("->", n, i, n.loc)
	}
	elem, ok := types.ElemOf(n.Type())
	if !ok || !isArray(n.Type()) {
		a.fail(n.loc, types.CodeDatatypeMismatch, "cannot subscript type %s because it does not support subscripting", n.Type())
	}
	base := pick(n.oid() == types.Int2VectorOID || n.oid() == types.OidVectorOID, 1, 0)
	index := func(x *pgquery.Node, missing string) *node {
		if x == nil {
			return &node{typ: types.Of(types.Int4OID), out: func(p *printer) { p.str(missing) }}
		}
		return a.coerce(a.expr(q, x), types.Of(types.Int4OID), assignment, n.loc)
	}
	if s.IsSlice {
		args := []*node{n, index(s.Lidx, "1"), index(s.Uidx, "2147483647")}
		return with(n.Type(), n.loc, args, template("list_slice($1, greatest($2, 1), greatest($3, 0))", args), nil)
	}
	i := index(s.Uidx, "")
	args := []*node{n, i}
	text := "list_extract($1, $2)"
	switch v, ok := i.value.(int64); {
	case base == 1:
		text = "CASE WHEN $2 >= 0 THEN list_extract($1, $2 + 1) END"
	case !ok || v < 1:
		text = "CASE WHEN $2 > 0 THEN list_extract($1, $2) END"
	}
	return with(elem, n.loc, args, template(text, args), strict(args, func(_ *Env, v []any) (any, error) {
		list, _ := v[0].([]any)
		k := v[1].(int64) + int64(base)
		if k < 1 || k > int64(len(list)) {
			return nil, nil
		}
		return list[k-1], nil
	}))
}

// subLink binds EXISTS, IN, ANY, ALL, ARRAY and scalar subqueries.
func (a *analyzer) subLink(q *query, s *pgquery.SubLink) *node {
	sel := s.Subselect.GetSelectStmt()
	if sel == nil {
		a.unsupported(s.Location, "this form of subquery")
	}
	switch s.SubLinkType {
	case pgquery.SubLinkType_EXISTS_SUBLINK:
		sub := a.selectQuery(sel, q, true)
		a.resolveUnknown(sub)
		return a.subNode(boolType, s.Location, nil, func(p *printer) {
			p.str("EXISTS (")
			sub.print(p)
			p.str(")")
		})
	case pgquery.SubLinkType_ANY_SUBLINK, pgquery.SubLinkType_ALL_SUBLINK:
		op := "="
		if len(s.OperName) > 0 {
			op = a.operatorName(s.OperName, s.Location)
		}
		return a.quantified(q, op, s, sel)
	case pgquery.SubLinkType_EXPR_SUBLINK:
		sub := a.oneColumn(q, sel, s.Location)
		n := a.subNode(sub.cols[0].n.Type(), s.Location, nil, func(p *printer) {
			p.str("(")
			sub.print(p)
			p.str(")")
		})
		n.value = sub.cols[0].fields()
		return n
	case pgquery.SubLinkType_ARRAY_SUBLINK:
		sub := a.oneColumn(q, sel, s.Location)
		t, ok := types.ArrayOf(types.Of(sub.cols[0].n.oid()))
		if !ok || isArray(sub.cols[0].n.Type()) {
			a.unsupported(s.Location, "an array of "+sub.cols[0].n.Type().String())
		}
		return a.subNode(t, s.Location, nil, func(p *printer) {
			// DuckDB moves an ORDER BY of the subquery out of the reach of its WHERE; a level between keeps both.
			p.str("coalesce(ARRAY(SELECT * FROM (")
			sub.print(p)
			p.str(")), [])")
		})
	}
	a.unsupported(s.Location, "this form of subquery")
	return nil
}

func (a *analyzer) subNode(t types.Type, loc int32, args []*node, out func(*printer)) *node {
	n := with(t, loc, args, out, nil)
	n.props |= hasSubquery
	return n
}

func (a *analyzer) oneColumn(q *query, sel *pgquery.SelectStmt, loc int32) *selectQuery {
	sub := a.selectQuery(sel, q, false)
	a.resolveUnknown(sub)
	if len(sub.cols) != 1 {
		a.fail(loc, types.CodeSyntaxError, "subquery must return only one column")
	}
	a.nest(sub)
	return sub
}

// quantified is x op ANY (SELECT ...), of which IN is one.
func (a *analyzer) quantified(q *query, op string, s *pgquery.SubLink, sel *pgquery.SelectStmt) *node {
	loc := s.Location
	isAny := s.SubLinkType == pgquery.SubLinkType_ANY_SUBLINK
	l := a.expr(q, s.Testexpr)
	sub := a.selectQuery(sel, q, false)
	if l.kind == rowNode && l.value == nil {
		return a.rowIn(op, l, sub, isAny, loc)
	}
	if len(sub.cols) != 1 {
		a.fail(loc, types.CodeSyntaxError, "subquery has too many columns")
	}
	c, ok := comparisons[op]
	if !ok {
		a.resolveUnknown(sub)
		a.unsupported(loc, "operator "+op+" with a subquery on its right side")
	}
	a.unify(&l, sub, 0, c, loc)
	return a.subNode(boolType, loc, []*node{l}, func(p *printer) {
		p.str("(")
		p.node(l)
		p.str(" ", c, pick(isAny, " ANY (", " ALL ("))
		sub.print(p)
		p.str("))")
	})
}

// unify brings a value and a subquery's column to one type.
func (a *analyzer) unify(l **node, sub *selectQuery, col int, op string, loc int32) {
	r := sub.cols[col].n
	x, y := a.comparable(op, *l, r, loc)
	*l = x
	a.setColumn(sub, col, y)
	a.resolveUnknown(sub)
}

// rowIn is (a, b) [NOT] IN (SELECT c, d).
func (a *analyzer) rowIn(op string, l *node, sub *selectQuery, isAny bool, loc int32) *node {
	if op != "=" || !isAny {
		a.unsupported(loc, "comparing a row with a subquery by "+op)
	}
	if len(sub.cols) != len(l.args) {
		a.fail(loc, types.CodeSyntaxError, "subquery has too %s columns", pick(len(sub.cols) > len(l.args), "many", "few"))
	}
	for i := range l.args {
		a.unify(&l.args[i], sub, i, op, loc)
	}
	return a.subNode(boolType, loc, l.args, func(p *printer) {
		p.str("((")
		p.list(l.args)
		p.str(") IN (")
		sub.print(p)
		p.str("))")
	})
}

// rowSubLink is (a, b) = (SELECT c, d).
func (a *analyzer) rowSubLink(q *query, op string, r *pgquery.RowExpr, s *pgquery.SubLink, loc int32) *node {
	l := a.rowExpr(q, r)
	sub := a.selectQuery(s.Subselect.GetSelectStmt(), q, false)
	if op != "=" || len(sub.cols) != len(l.args) {
		a.unsupported(loc, "comparing a row with this subquery")
	}
	for i := range l.args {
		a.unify(&l.args[i], sub, i, op, loc)
	}
	return a.subNode(boolType, loc, l.args, func(p *printer) {
		p.str("(row(")
		p.list(l.args)
		p.str(") = (SELECT row(COLUMNS(*)) FROM (")
		sub.print(p)
		p.str(")))")
	})
}
