package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// aExpr binds operators and what looks like them.
func (a *analyzer) aExpr(q *query, e *pgquery.A_Expr) *node {
	loc := e.Location
	switch e.Kind {
	case pgquery.A_Expr_Kind_AEXPR_OP:
		return a.plainOperator(q, e)
	case pgquery.A_Expr_Kind_AEXPR_OP_ANY, pgquery.A_Expr_Kind_AEXPR_OP_ALL:
		op := a.operatorName(e.Name, loc)
		return a.anyAll(op, a.expr(q, e.Lexpr), a.expr(q, e.Rexpr), e.Kind == pgquery.A_Expr_Kind_AEXPR_OP_ANY, loc)
	case pgquery.A_Expr_Kind_AEXPR_DISTINCT, pgquery.A_Expr_Kind_AEXPR_NOT_DISTINCT:
		return a.distinct(a.expr(q, e.Lexpr), a.expr(q, e.Rexpr), e.Kind == pgquery.A_Expr_Kind_AEXPR_DISTINCT, loc)
	case pgquery.A_Expr_Kind_AEXPR_NULLIF:
		return a.nullIf(a.expr(q, e.Lexpr), a.expr(q, e.Rexpr), loc)
	case pgquery.A_Expr_Kind_AEXPR_IN:
		return a.inList(q, e)
	case pgquery.A_Expr_Kind_AEXPR_LIKE, pgquery.A_Expr_Kind_AEXPR_ILIKE:
		return a.like(q, e)
	case pgquery.A_Expr_Kind_AEXPR_SIMILAR:
		return a.similar(q, e)
	case pgquery.A_Expr_Kind_AEXPR_BETWEEN, pgquery.A_Expr_Kind_AEXPR_NOT_BETWEEN,
		pgquery.A_Expr_Kind_AEXPR_BETWEEN_SYM, pgquery.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
		return a.between(q, e)
	}
	a.fail(loc, types.CodeFeatureNotSupported, "this form of expression is not supported")
	return nil
}

func (a *analyzer) plainOperator(q *query, e *pgquery.A_Expr) *node {
	op := a.operatorName(e.Name, e.Location)
	var l *node
	if e.Lexpr != nil {
		if s := e.Rexpr.GetSubLink(); s != nil && e.Lexpr.GetRowExpr() != nil && s.SubLinkType == pgquery.SubLinkType_EXPR_SUBLINK {
			return a.rowSubLink(q, op, e.Lexpr.GetRowExpr(), s, e.Location)
		}
		l = a.expr(q, e.Lexpr)
	}
	return a.operator(op, l, a.expr(q, e.Rexpr), e.Location)
}

// distinct is IS [NOT] DISTINCT FROM.
func (a *analyzer) distinct(l, r *node, differs bool, loc int32) *node {
	if l.kind == rowNode && r.kind == rowNode && len(l.args) == len(r.args) && len(l.args) > 0 {
		terms := make([]*node, len(l.args))
		for i := range l.args {
			terms[i] = a.distinct(l.args[i], r.args[i], differs, loc)
		}
		return junction(pick(differs, "OR", "AND"), terms, loc)
	}
	l, r = a.comparable("=", l, r, loc)
	args := []*node{l, r}
	t := l.Type()
	return with(boolType, loc, args, template(pick(differs, "($1 IS DISTINCT FROM $2)", "($1 IS NOT DISTINCT FROM $2)"), args),
		lax(args, func(_ *Env, v []any) (any, error) {
			if v[0] == nil || v[1] == nil {
				return (v[0] == nil) != (v[1] == nil) == differs, nil
			}
			c, err := compareValues(t, v[0], v[1])
			return (c != 0) == differs, err
		}))
}

func (a *analyzer) nullIf(l, r *node, loc int32) *node {
	if l.isUnknown() && r.isUnknown() {
		l = a.coerce(l, types.Of(types.TextOID), implicit, loc)
	}
	out := l
	cl, cr := a.comparable("=", l, r, loc)
	if out.isUnknown() || out.kind == paramNode {
		out = cl
	}
	t := cl.Type()
	args := []*node{out, cl, cr}
	return with(out.Type(), loc, args, template("CASE WHEN $2 = $3 THEN NULL ELSE $1 END", args), lax(args, func(_ *Env, v []any) (any, error) {
		if v[1] == nil || v[2] == nil {
			return v[0], nil
		}
		c, err := compareValues(t, v[1], v[2])
		if c == 0 {
			return nil, err
		}
		return v[0], err
	}))
}

// inList is x [NOT] IN (a, b, ...).
func (a *analyzer) inList(q *query, e *pgquery.A_Expr) *node {
	negate := a.operatorName(e.Name, e.Location) == "<>"
	list := e.Rexpr.GetList()
	if list == nil {
		a.fail(e.Location, types.CodeSyntaxError, "IN needs a list")
	}
	l := a.expr(q, e.Lexpr)
	items := a.exprs(q, list.Items)
	var n *node
	if l.kind == rowNode {
		var terms []*node
		for _, it := range items {
			terms = append(terms, a.comparison("=", l, it, e.Location))
		}
		n = junction("OR", terms, e.Location)
	} else {
		n = a.inValues(l, items, e.Location)
	}
	if negate {
		return not(n, e.Location)
	}
	return n
}

// inValues is membership in a list of scalar expressions: all meet in one type, as in UNION.
func (a *analyzer) inValues(l *node, items []*node, loc int32) *node {
	if len(items) == 0 {
		return constant(boolType, false)
	}
	all := append([]*node{l}, items...)
	same := true
	for _, it := range items {
		same = same && (it.isUnknown() || it.oid() == l.oid() || isNumber(it.oid()) && isNumber(l.oid()) || isText(it.oid()) && isText(l.oid()))
	}
	if !same || l.isUnknown() && l.kind == constNode {
		var terms []*node
		for _, it := range items {
			terms = append(terms, a.comparison("=", l, it, loc))
		}
		return junction("OR", terms, loc)
	}
	t := a.commonType(all, "IN", loc)
	t.Mod = -1
	left := a.blankless(a.operand(l, t, loc))
	for i := range items {
		items[i] = a.blankless(a.operand(items[i], t, loc))
	}
	return membership(left, items, t, loc)
}

func membership(l *node, items []*node, t types.Type, loc int32) *node {
	args := append([]*node{l}, items...)
	n := with(boolType, loc, args, template("($1 IN ($#))", args), func(env *Env) (any, error) {
		v, err := l.run(env)
		if err != nil || v == nil {
			return nil, err
		}
		unknown := false
		for _, it := range items {
			w, err := it.run(env)
			if err != nil {
				return nil, err
			}
			if w == nil {
				unknown = true
				continue
			}
			c, err := compareValues(t, v, w)
			if err != nil {
				return nil, err
			}
			if c == 0 {
				return true, nil
			}
		}
		if unknown {
			return nil, nil
		}
		return false, nil
	})
	n.value = oneOf{l: l, items: items}
	return n
}

// anyAll is x op ANY (array) and x op ALL (array).
func (a *analyzer) anyAll(op string, l, arr *node, isAny bool, loc int32) *node {
	if arr.isUnknown() { // the array's type follows the left side
		lt := l.Type()
		if l.isUnknown() {
			lt = types.Of(types.TextOID)
		}
		t, ok := types.ArrayOf(types.Of(lt.OID))
		if !ok {
			a.fail(loc, types.CodeUndefinedObject, "could not find array type for data type %s", lt)
		}
		arr = a.coerce(arr, t, implicit, loc)
	}
	if !isArray(arr.Type()) {
		a.fail(loc, types.CodeWrongObjectType, "op ANY/ALL (array) requires array on right side")
	}
	elemType, _ := types.ElemOf(arr.Type())
	elemType.Mod = -1
	if c, ok := comparisons[op]; ok && (c == "=" && isAny || c == "<>" && !isAny) {
		if items := arrayItems(arr, elemType); items != nil {
			n := a.inValues(l, items, loc)
			return pick(isAny, n, not(n, loc))
		}
	}
	if c := comparisons[op]; c == "=" && isAny || c == "<>" && !isAny {
		return a.inArray(l, arr, elemType, isAny, loc)
	}
	elem := &node{typ: elemType, loc: loc, out: func(p *printer) { p.str("__engram_e") }}
	test := a.operator(op, l, elem, loc)
	if l.props&hasSubquery != 0 && l.kind != columnNode {
		a.unsupported(loc, "a subquery on the left side of ANY or ALL over an array")
	}
	args := []*node{l, arr}
	out := func(p *printer) { p.anyAll(test, arr, isAny) }
	if c := comparisons[op]; (c == "=" && isAny || c == "<>" && !isAny) && plainEquality[elemType.OID] && plainEquality[l.oid()] {
		out = func(p *printer) { p.contains(l, arr, isAny) }
	}
	n := with(boolType, loc, args, out, nil)
	n.props |= test.props
	n.run = a.anyAllRun(op, l, arr, elemType, isAny, loc)
	return n
}

// inArray is x = ANY (array) and x <> ALL (array).
func (a *analyzer) inArray(l, arr *node, elemType types.Type, isAny bool, loc int32) *node {
	elem := &node{typ: elemType, loc: loc, out: func(*printer) {}, run: func(env *Env) (any, error) { return env.element, nil }}
	left, right := a.comparable("=", l, elem, loc)
	if right.oid() != elemType.OID { // the elements must come to the other type
		if t, ok := types.ArrayOf(types.Of(right.oid())); ok {
			arr = a.coerce(arr, t, explicit, loc)
		}
	}
	args := []*node{left, arr}
	n := with(boolType, loc, args, template("CASE WHEN len($2) = 0 THEN FALSE WHEN $1 IS NULL OR $2 IS NULL THEN NULL WHEN list_contains($2, $1) THEN TRUE "+
		"WHEN list_count($2) < len($2) THEN NULL ELSE FALSE END", args), nil)
	n.run = a.anyAllRun("=", left, arr, types.Of(right.oid()), true, loc)
	n.value = oneOf{l: left, array: arr}
	if !isAny {
		return not(n, loc)
	}
	return n
}

// arrayItems takes a constant array or an array constructor apart; nil when arr is neither, or empty.
func arrayItems(arr *node, elem types.Type) []*node {
	if arr.kind == constNode {
		list, ok := arr.value.([]any)
		if !ok || len(list) == 0 {
			return nil
		}
		items := make([]*node, len(list))
		for i, v := range list {
			items[i] = constant(elem, v)
		}
		return items
	}
	if c, ok := arr.value.(arrayItemsOf); ok && len(c) > 0 {
		return append([]*node{}, c...)
	}
	return nil
}

// arrayItemsOf marks an array constructor.
type arrayItemsOf []*node

// anyAll prints the three-valued quantifier: the test over the array's elements, each called e.
func (p *printer) anyAll(test, arr *node, isAny bool) {
	p.str("CASE WHEN ")
	p.node(arr)
	p.str(" IS NULL THEN NULL WHEN len(list_filter(")
	p.node(arr)
	p.str(", lambda __engram_e: ", pick(isAny, "", "NOT "))
	p.node(test)
	p.str(")) > 0 THEN ", pick(isAny, "TRUE", "FALSE"), " WHEN len(list_filter(")
	p.node(arr)
	p.str(", lambda __engram_e: ")
	p.node(test)
	p.str(" IS NULL)) > 0 THEN NULL ELSE ", pick(isAny, "FALSE", "TRUE"), " END")
}

// plainEquality are the types of which DuckDB's equality is PostgreSQL's.
var plainEquality = map[uint32]bool{types.BoolOID: true, types.Int2OID: true, types.Int4OID: true, types.Int8OID: true, types.OidOID: true,
	types.TextOID: true, types.VarcharOID: true, types.NameOID: true, types.UUIDOID: true, types.DateOID: true, types.TimestampOID: true,
	types.TimestamptzOID: true, types.NumericOID: true}

// contains prints = ANY, or <> ALL, as a search of the list: DuckDB cannot bind the lambda of anyAll where the array comes
// from an outer query.
func (p *printer) contains(l, arr *node, isAny bool) {
	p.str("CASE WHEN len(")
	p.node(arr)
	p.str(") = 0 THEN ", pick(isAny, "FALSE", "TRUE"), " WHEN ")
	p.node(l)
	p.str(" IS NULL OR ")
	p.node(arr)
	p.str(" IS NULL THEN NULL WHEN list_contains(")
	p.node(arr)
	p.str(", ")
	p.node(l)
	p.str(") THEN ", pick(isAny, "TRUE", "FALSE"), " WHEN list_count(")
	p.node(arr)
	p.str(") < len(")
	p.node(arr)
	p.str(") THEN NULL ELSE ", pick(isAny, "FALSE", "TRUE"), " END")
}

func (a *analyzer) anyAllRun(op string, l, arr *node, elem types.Type, isAny bool, loc int32) func(*Env) (any, error) {
	if l.run == nil || arr.run == nil {
		return nil
	}
	probe := a.operator(op, l, &node{typ: elem, kind: otherNode, loc: loc, out: func(*printer) {}, run: func(env *Env) (any, error) { return env.element, nil }}, loc)
	if probe.run == nil {
		return nil
	}
	return func(env *Env) (any, error) {
		v, err := arr.run(env)
		if err != nil || v == nil {
			return nil, err
		}
		list, _ := v.([]any)
		inner := *env
		unknown := false
		for _, x := range list {
			inner.element = x
			r, err := probe.run(&inner)
			if err != nil {
				return nil, err
			}
			if r == nil {
				unknown = true
			} else if r == isAny {
				return isAny, nil
			}
		}
		if unknown {
			return nil, nil
		}
		return !isAny, nil
	}
}

// like is [NOT] [I]LIKE, with the escape that the grammar wraps around the pattern.
func (a *analyzer) like(q *query, e *pgquery.A_Expr) *node {
	op := a.operatorName(e.Name, e.Location)
	l := a.expr(q, e.Lexpr)
	right := e.Rexpr
	if f := right.GetFuncCall(); f != nil && len(f.Funcname) > 0 && f.Funcname[len(f.Funcname)-1].GetString_().GetSval() == "like_escape" && len(f.Args) == 2 {
		r, esc := a.expr(q, f.Args[0]), a.expr(q, f.Args[1])
		return a.likeEscape(op, l, r, esc, e.Location)
	}
	return a.operator(op, l, a.expr(q, right), e.Location)
}

func (a *analyzer) likeEscape(op string, l, r, esc *node, loc int32) *node {
	t := types.Of(types.TextOID)
	args := []*node{a.coerce(l, t, implicit, loc), a.coerce(r, t, implicit, loc), a.coerce(esc, t, implicit, loc)}
	insensitive, negative := op == "~~*" || op == "!~~*", op[0] == '!'
	word := pick(negative, "NOT ", "") + pick(insensitive, "ILIKE", "LIKE")
	return with(boolType, loc, args, template("($1 "+word+" $2 ESCAPE $3)", args), strict(args, func(_ *Env, v []any) (any, error) {
		ok, err := likeMatch(v[0].(string), v[1].(string), v[2].(string), insensitive)
		return ok != negative, err
	}))
}

// similar is [NOT] SIMILAR TO: the grammar wraps the pattern in similar_to_escape.
func (a *analyzer) similar(q *query, e *pgquery.A_Expr) *node {
	negative := a.operatorName(e.Name, e.Location) == "!~"
	l := a.expr(q, e.Lexpr)
	f := e.Rexpr.GetFuncCall()
	if f == nil || len(f.Args) == 0 {
		a.unsupported(e.Location, "this form of SIMILAR TO")
	}
	t := types.Of(types.TextOID)
	esc := constant(t, `\`)
	if len(f.Args) == 2 {
		esc = a.coerce(a.expr(q, f.Args[1]), t, implicit, e.Location)
	}
	args := []*node{a.coerce(l, t, implicit, e.Location), a.coerce(a.expr(q, f.Args[0]), t, implicit, e.Location), esc}
	n := with(boolType, e.Location, args, template("__engram_similar_to($*)", args), strict(args, builtins()["__engram_similar_to"].Call))
	if negative {
		return not(n, e.Location)
	}
	return n
}

func (a *analyzer) between(q *query, e *pgquery.A_Expr) *node {
	bounds := e.Rexpr.GetList()
	if bounds == nil || len(bounds.Items) != 2 {
		a.fail(e.Location, types.CodeSyntaxError, "BETWEEN needs two bounds")
	}
	within := func(lo, hi *pgquery.Node) *node {
		ge := a.comparison(">=", a.expr(q, e.Lexpr), a.expr(q, lo), e.Location)
		le := a.comparison("<=", a.expr(q, e.Lexpr), a.expr(q, hi), e.Location)
		return junction("AND", []*node{ge, le}, e.Location)
	}
	lo, hi := bounds.Items[0], bounds.Items[1]
	n := within(lo, hi)
	if e.Kind == pgquery.A_Expr_Kind_AEXPR_BETWEEN_SYM || e.Kind == pgquery.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM {
		n = junction("OR", []*node{n, within(hi, lo)}, e.Location)
	}
	if e.Kind == pgquery.A_Expr_Kind_AEXPR_NOT_BETWEEN || e.Kind == pgquery.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM {
		return not(n, e.Location)
	}
	return n
}
