package plan

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// funcCall binds a function call of any kind.
func (a *analyzer) funcCall(q *query, f *pgquery.FuncCall) *node {
	schema, name := "", ""
	for i, n := range f.Funcname {
		s := n.GetString_().GetSval()
		if i == len(f.Funcname)-1 {
			name = s
		} else {
			schema = s
		}
	}
	if f.FuncVariadic {
		return a.variadicCall(q, f, name)
	}
	if schema == "information_schema" && name == "_pg_expandarray" && len(f.Args) == 1 {
		return a.expandArray(q, f)
	}
	if special, ok := specialCalls[name]; ok && (schema == "" || schema == "pg_catalog") {
		if n := special(a, q, f); n != nil {
			return n
		}
	}
	for _, x := range f.Args {
		if na := x.GetNamedArgExpr(); na != nil {
			a.noFunction(name, nil, f.Location)
		}
	}
	args := a.exprs(q, f.Args)
	if f.AggWithinGroup {
		return a.orderedSet(q, f, name, args)
	}
	sigs := functionTable()[name]
	if schema != "" && schema != "pg_catalog" && schema != "public" {
		sigs = nil
	}
	s := choose(sigs, args)
	if s != nil && strings.HasPrefix(s.template, "__engram_pg_") {
		if fs, ok := a.sc.(FunctionScope); ok && !fs.HasFunction(s.name) {
			s = nil
		}
	}
	if s == nil {
		if n := a.castCall(name, args, f.Location); n != nil {
			return n
		}
		a.noFunction(qualifiedName(schema, name), args, f.Location)
	}
	return a.call(q, f, s, args)
}

func qualifiedName(schema, name string) string {
	if schema == "" {
		return name
	}
	return schema + "." + name
}

// call binds a chosen overload by its kind.
func (a *analyzer) call(q *query, f *pgquery.FuncCall, s *signature, args []*node) *node {
	loc := f.Location
	if s.kind == scalarSig || s.kind == setSig {
		switch {
		case f.Over != nil:
			a.fail(loc, types.CodeWrongObjectType, "OVER specified, but %s is not a window function nor an aggregate function", s.name)
		case f.AggDistinct:
			a.fail(loc, types.CodeWrongObjectType, "DISTINCT specified, but %s is not an aggregate function", s.name)
		case f.AggStar:
			a.fail(loc, types.CodeWrongObjectType, "%s(*) specified, but %s is not an aggregate function", s.name, s.name)
		case len(f.AggOrder) > 0:
			a.fail(loc, types.CodeWrongObjectType, "ORDER BY specified, but %s is not an aggregate function", s.name)
		case f.AggFilter != nil:
			a.fail(loc, types.CodeWrongObjectType, "FILTER specified, but %s is not an aggregate function", s.name)
		}
		t := a.bind(s, args, loc)
		if s.kind == setSig {
			return a.setCall(s, t, args, loc)
		}
		return a.callNode(s, t, args, loc)
	}
	if s.kind == windowSig && f.Over == nil {
		a.fail(loc, types.CodeWindowingError, "window function %s requires an OVER clause", s.name)
	}
	if s.name == "count" && len(args) == 0 && !f.AggStar {
		a.fail(loc, types.CodeWrongObjectType, "count(*) must be used to call a parameterless aggregate function")
	}
	return a.aggregate(q, f, s, args)
}

// callNode makes the node of a scalar call.
func (a *analyzer) callNode(s *signature, t types.Type, args []*node, loc int32) *node {
	if s.name == "concat" || s.name == "concat_ws" || s.name == "format" {
		for i := range args {
			args[i] = a.coerce(args[i], types.Of(types.TextOID), explicit, loc)
		}
	}
	var run func(*Env) (any, error)
	if s.run != nil {
		f := s.run
		run = pick(s.lax, lax(args, f), strict(args, f))
	}
	if s.run == nil && strings.HasPrefix(s.template, "__engram_pg_") {
		name := s.name
		run = pick(s.lax, lax, strict)(args, func(env *Env, v []any) (any, error) { return callSession(env, name, v) })
	}
	n := with(t, loc, args, template(s.template, args), run)
	if distanceOperators[s.name] && len(args) == 2 {
		n = distanceNode_(n, s.name, args)
	}
	if s.volatile {
		n.props |= isVolatile
		a.plan.Volatile = true
	}
	if strings.Contains(s.template, "$@") {
		n.props |= hasSession
	}
	return n
}

// callNamed calls one of the functions of the tables.
func (a *analyzer) callNamed(name string, args []*node, loc int32) *node {
	s := choose(functionTable()[name], args)
	if s == nil {
		a.noFunction(name, args, loc)
	}
	return a.callNode(s, a.bind(s, args, loc), args, loc)
}

// setCall is a set-returning function: its list, unnested.
func (a *analyzer) setCall(s *signature, t types.Type, args []*node, loc int32) *node {
	n := with(t, loc, args, nil, nil)
	list := template(s.template, args)
	n.out = func(p *printer) {
		p.str("unnest(")
		list(p)
		p.str(")")
	}
	n.value = setList(list)
	n.props |= hasSet
	return n
}

// setList prints the list behind a set-returning call.
type setList func(*printer)

// castCall reads type(x), which PostgreSQL takes for a cast when there is no such function.
func (a *analyzer) castCall(name string, args []*node, loc int32) *node {
	oid := types.ByTypname(name)
	if len(args) != 1 || oid == 0 || isArray(types.Of(oid)) {
		return nil
	}
	if !args[0].isUnknown() && !coercible(args[0], types.Of(oid), explicit) {
		return nil
	}
	return a.coerce(args[0], types.Of(oid), explicit, loc)
}

func (a *analyzer) noFunction(name string, args []*node, loc int32) {
	list := make([]string, len(args))
	for i, x := range args {
		list[i] = x.Type().String()
		if x.Type().OID == 0 {
			list[i] = "unknown"
		}
	}
	panic(a.at(loc, types.Errorf(types.CodeUndefinedFunction, "function %s(%s) does not exist", name, strings.Join(list, ", ")).
		WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")))
}

// variadicCall is f(..., VARIADIC array), for the few functions where a list makes sense to us.
func (a *analyzer) variadicCall(q *query, f *pgquery.FuncCall, name string) *node {
	args := a.exprs(q, f.Args)
	last := args[len(args)-1]
	t := types.Of(types.TextArrayOID)
	loc := f.Location
	switch name {
	case "concat", "concat_ws":
		sep := constant(types.Of(types.TextOID), "")
		if name == "concat_ws" && len(args) == 2 {
			sep = args[0]
		}
		list := a.coerce(last, t, explicit, loc)
		return a.callNamed("array_to_string", []*node{list, sep}, loc)
	case "json_extract_path", "jsonb_extract_path", "json_extract_path_text", "jsonb_extract_path_text":
		op := pick(strings.HasSuffix(name, "_text"), "#>>", "#>")
		return a.operator(op, args[0], a.coerce(last, t, implicit, loc), loc)
	case "format":
		both := []*node{a.coerce(args[0], types.Of(types.TextOID), implicit, loc), a.coerce(last, t, explicit, loc)}
		return with(types.Of(types.TextOID), loc, both, template("__engram_format($*)", both), nil)
	}
	a.unsupported(loc, "VARIADIC with function "+name)
	return nil
}

// expandArray is information_schema._pg_expandarray, which drivers use: the elements of an array with their numbers.
func (a *analyzer) expandArray(q *query, f *pgquery.FuncCall) *node {
	arr := a.expr(q, f.Args[0])
	elem, ok := types.ElemOf(arr.Type())
	if !ok {
		a.noFunction("_pg_expandarray", []*node{arr}, f.Location)
	}
	args := []*node{arr}
	list := template("list_transform(CAST(range(1, len($1) + 1) AS INTEGER[]), lambda __engram_i: struct_pack(x := $1[__engram_i], n := __engram_i))", args)
	n := with(types.Of(types.RecordOID), f.Location, args, nil, nil)
	n.out = func(p *printer) {
		p.str("unnest(")
		list(p)
		p.str(")")
	}
	n.props |= hasSet
	n.value = recordFields{list: list, names: []string{"x", "n"}, types: []types.Type{elem, types.Of(types.Int4OID)}}
	return n
}

// recordFields are the fields of a record that a set-returning function gives.
type recordFields struct {
	list  setList
	names []string
	types []types.Type
}

// orderedSet binds percentile_cont(...) WITHIN GROUP (ORDER BY ...).
func (a *analyzer) orderedSet(q *query, f *pgquery.FuncCall, name string, args []*node) *node {
	loc := f.Location
	if len(f.AggOrder) != 1 {
		a.noFunction(name, args, loc)
	}
	by := f.AggOrder[0].GetSortBy()
	sorted := a.expr(q, by.Node)
	all := append(append([]*node{}, args...), sorted)
	var sigs []*signature
	for _, s := range functionTable()[name] {
		if s.kind == orderedSig {
			sigs = append(sigs, s)
		}
	}
	s := choose(sigs, all)
	if s == nil {
		a.noFunction(name, all, loc)
	}
	t := a.bind(s, all, loc)
	desc := by.SortbyDir == pgquery.SortByDir_SORTBY_DESC
	for i := range args {
		if all[i].kind != constNode && all[i].kind != paramNode {
			a.unsupported(loc, "a percentile that is not a constant")
		}
	}
	filter := a.filter(q, f)
	n := with(t, loc, all, func(p *printer) {
		last := all[len(all)-1]
		p.str(name, "(")
		p.list(all[:len(all)-1])
		p.str(") WITHIN GROUP (ORDER BY ")
		p.node(last)
		p.str(pick(desc, " DESC", ""), ")")
		p.filter(filter)
	}, nil)
	n.props |= hasAggregate
	n.aggregate = true
	return n
}

func (a *analyzer) filter(q *query, f *pgquery.FuncCall) *node {
	if f.AggFilter == nil {
		return nil
	}
	return a.refuse(a.condition(q, f.AggFilter, "FILTER"), hasAggregate|hasWindow|hasSet, "FILTER")
}

func (p *printer) filter(n *node) {
	if n != nil {
		p.str(" FILTER (WHERE ")
		p.node(n)
		p.str(")")
	}
}

// aggregate binds an aggregate or window function.
func (a *analyzer) aggregate(q *query, f *pgquery.FuncCall, s *signature, args []*node) *node {
	loc := f.Location
	for _, x := range args {
		if f.Over == nil {
			if x.props&hasAggregate != 0 {
				a.fail(loc, types.CodeGroupingError, "aggregate function calls cannot be nested")
			}
			a.refuse(x, hasWindow, "an aggregate's arguments")
		}
		a.refuse(x, hasSet, "an aggregate's arguments")
	}
	t := a.bind(s, args, loc)
	if (s.name == "min" || s.name == "max") && !orderable(t) {
		a.noFunction(s.name, args, loc)
	}
	if s.name == "array_agg" && len(args) == 1 {
		t = a.arrayAggType(args[0], t)
	}
	order := a.sortList(q, f.AggOrder, nil)
	filter := a.filter(q, f)
	var over *windowOver
	if f.Over != nil {
		over = a.window(q, f.Over)
	}
	tail := aggCall{args: args, distinct: f.AggDistinct, order: order, filter: filter, over: over}
	all := append([]*node{}, args...)
	for _, o := range order {
		all = append(all, o.n)
	}
	if filter != nil {
		all = append(all, filter)
	}
	if over != nil {
		all = append(all, over.nodes()...)
	}
	n := with(t, loc, all, func(p *printer) { p.aggregate(s.template, tail) }, nil)
	n.props |= pick(over != nil, hasWindow, hasAggregate)
	n.aggregate = over == nil
	return n
}

func orderable(t types.Type) bool {
	return t.OID != types.BoolOID && !isJSON(t.OID) && !isBits(t.OID) && t.OID != types.UUIDOID && t.OID != types.ByteaOID
}

// arrayAggType keeps the modifier away and refuses arrays of arrays, which no type of ours holds.
func (a *analyzer) arrayAggType(arg *node, t types.Type) types.Type {
	if isArray(arg.Type()) {
		a.unsupported(arg.loc, "an array of arrays")
	}
	return t
}

// aggCall is what an aggregate's name is called with.
type aggCall struct {
	args     []*node
	distinct bool
	order    []sortItem
	filter   *node
	over     *windowOver
}

// aggregate prints a template in which #(name) is a call.
func (p *printer) aggregate(tmpl string, c aggCall) {
	for {
		before, rest, ok := strings.Cut(tmpl, "#(")
		p.str(before)
		if !ok {
			return
		}
		name, after, _ := strings.Cut(rest, ")")
		p.str(name, "(", pick(c.distinct, "DISTINCT ", ""))
		p.list(c.args)
		p.sort(c.order)
		p.str(")")
		p.filter(c.filter)
		if c.over != nil {
			p.str(" OVER ")
			p.over(c.over)
		}
		tmpl = after
	}
}

// specialCalls are functions whose arguments need a look before an overload is chosen. A nil result goes on as usual.
var specialCalls map[string]func(a *analyzer, q *query, f *pgquery.FuncCall) *node

func init() {
	specialCalls = map[string]func(a *analyzer, q *query, f *pgquery.FuncCall) *node{
		"extract": (*analyzer).extract, "date_part": (*analyzer).extract,
		"pg_typeof": (*analyzer).typeOf, "array_to_string": (*analyzer).arrayToString,
		"json_build_object": (*analyzer).jsonObject, "jsonb_build_object": (*analyzer).jsonObject,
		"json_build_array": (*analyzer).jsonArray, "jsonb_build_array": (*analyzer).jsonArray,
		"to_json": (*analyzer).toJSON, "to_jsonb": (*analyzer).toJSON, "row_to_json": (*analyzer).toJSON, "array_to_json": (*analyzer).toJSON,
		"json_agg": (*analyzer).jsonAgg, "jsonb_agg": (*analyzer).jsonAgg,
		"json_object_agg": (*analyzer).jsonObjectAgg, "jsonb_object_agg": (*analyzer).jsonObjectAgg,
		"date_trunc": (*analyzer).dateTrunc, "timezone": (*analyzer).timezone,
		"embed": (*analyzer).embed, "embed_image": (*analyzer).embed, "embed_audio": (*analyzer).embed,
	}
}

// typeOf is pg_typeof: known when the statement is analysed.
func (a *analyzer) typeOf(q *query, f *pgquery.FuncCall) *node {
	if len(f.Args) != 1 {
		return nil
	}
	e := a.expr(q, f.Args[0])
	if e.kind == paramNode && e.isUnknown() {
		e = a.coerce(e, types.Of(types.TextOID), implicit, e.loc)
	}
	if e.props&(hasAggregate|hasWindow|hasSet) != 0 {
		return nil
	}
	return constant(types.Of(types.RegtypeOID), int64(e.oid()))
}

func (a *analyzer) arrayToString(q *query, f *pgquery.FuncCall) *node {
	if len(f.Args) < 2 {
		return nil
	}
	args := a.exprs(q, f.Args)
	if !isArray(args[0].Type()) {
		return nil
	}
	args[0] = a.coerce(args[0], types.Of(types.TextArrayOID), explicit, f.Location)
	return a.callNamed("array_to_string", args, f.Location)
}

// dateTrunc: a date is first a timestamptz, as PostgreSQL prefers it.
func (a *analyzer) dateTrunc(q *query, f *pgquery.FuncCall) *node {
	if len(f.Args) != 2 {
		return nil
	}
	args := a.exprs(q, f.Args)
	if args[1].oid() == types.DateOID || args[1].isUnknown() {
		args[1] = a.coerce(args[1], types.Of(types.TimestamptzOID), implicit, f.Location)
	}
	return a.callNamed("date_trunc", args, f.Location)
}

// timezone is AT TIME ZONE.
func (a *analyzer) timezone(q *query, f *pgquery.FuncCall) *node {
	if len(f.Args) != 2 {
		return nil
	}
	args := a.exprs(q, f.Args)
	if args[1].oid() == types.DateOID || args[1].isUnknown() {
		args[1] = a.coerce(args[1], types.Of(types.TimestamptzOID), implicit, f.Location)
	}
	return a.callNamed("timezone", args, f.Location)
}
