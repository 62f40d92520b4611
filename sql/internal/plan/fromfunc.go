package plan

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// tableFunction is a function of ours that gives rows. Inside DuckDB it is a scalar function
// __engram_<name>(__engram_token__, arguments...) that gives a LIST of STRUCTs with its columns; every argument is there,
// NULL where the user left it out.
type tableFunction struct {
	params  []tableParam
	columns []tableParam
}

type tableParam struct {
	name     string
	typ      uint32
	required bool
}

var tableFunctions = map[string]tableFunction{
	"cosine_top_k": {
		params: []tableParam{{"query", types.VectorOID, true}, {"k", types.Int8OID, true}, {"table_name", types.TextOID, false},
			{"column_name", types.TextOID, false}, {"filter", types.TextOID, false}, {"ef_search", types.Int8OID, false}},
		columns: []tableParam{{name: "id", typ: types.Int8OID}, {name: "score", typ: types.Float8OID}},
	},
	"index_recall": {
		params: []tableParam{{"table_name", types.TextOID, true}, {"column_name", types.TextOID, true}, {"samples", types.Int8OID, false},
			{"k", types.Int8OID, false}, {"ef_search", types.Int8OID, false}, {"probes", types.Int8OID, false}, {"metric", types.TextOID, false}},
		columns: []tableParam{{name: "index", typ: types.TextOID}, {name: "samples", typ: types.Int8OID}, {name: "k", typ: types.Int8OID},
			{name: "recall", typ: types.Float8OID}, {name: "worst", typ: types.Float8OID}, {name: "index_ms", typ: types.Float8OID},
			{name: "exact_ms", typ: types.Float8OID}, {name: "segments", typ: types.Int8OID}, {name: "indexed_segments", typ: types.Int8OID}},
	},
	"hybrid_search": {
		params: []tableParam{{"query", types.VectorOID, true}, {"k", types.Int8OID, true}, {"alpha", types.Float8OID, false},
			{"beta", types.Float8OID, false}, {"hops", types.Int8OID, false}, {"text_query", types.TextOID, false},
			{"modality", types.TextOID, false}, {"filter", types.TextOID, false}},
		columns: []tableParam{{name: "id", typ: types.Int8OID}, {name: "score", typ: types.Float8OID}, {name: "similarity", typ: types.Float8OID},
			{name: "association", typ: types.Float8OID}, {name: "text_rank", typ: types.Float8OID}},
	},
	"quantize_model": {
		params: []tableParam{{"input", types.TextOID, true}, {"output", types.TextOID, true}, {"quant_type", types.TextOID, false},
			{"method", types.TextOID, false}, {"per_channel", types.BoolOID, false}, {"symmetric", types.BoolOID, false}, {"group_size", types.Int8OID, false},
			{"mixed_precision_layers", types.TextArrayOID, false}, {"calibration", types.TextArrayOID, false}, {"bits", types.Float8OID, false},
			{"validate", types.BoolOID, false}, {"texts", types.TextArrayOID, false}, {"cosine_threshold", types.Float8OID, false},
			{"replace", types.BoolOID, false}, {"force", types.BoolOID, false}},
		columns: []tableParam{{name: "layer", typ: types.TextOID}, {name: "weights", typ: types.Int8OID}, {name: "quant_type", typ: types.TextOID},
			{name: "method", typ: types.TextOID}, {name: "bits", typ: types.Float8OID}, {name: "bytes", typ: types.Int8OID},
			{name: "weight_error", typ: types.Float8OID}, {name: "output_error", typ: types.Float8OID}, {name: "seconds", typ: types.Float8OID},
			{name: "note", typ: types.TextOID}},
	},
	"validate_model": {
		params: []tableParam{{"model", types.TextOID, true}, {"reference", types.TextOID, true}, {"texts", types.TextArrayOID, false},
			{"cosine_threshold", types.Float8OID, false}, {"perplexity_threshold", types.Float8OID, false}},
		columns: []tableParam{{name: "model", typ: types.TextOID}, {name: "reference", typ: types.TextOID}, {name: "passed", typ: types.BoolOID},
			{name: "reason", typ: types.TextOID}, {name: "texts", typ: types.Int8OID}, {name: "cosine_mean", typ: types.Float8OID},
			{name: "cosine_min", typ: types.Float8OID}, {name: "cosine_p1", typ: types.Float8OID}, {name: "cosine_p5", typ: types.Float8OID},
			{name: "spearman", typ: types.Float8OID}, {name: "top10_overlap", typ: types.Float8OID}, {name: "perplexity", typ: types.Float8OID},
			{name: "reference_perplexity", typ: types.Float8OID}},
	},
	"model_layers": {
		params: []tableParam{{"model", types.TextOID, true}},
		columns: []tableParam{{name: "layer", typ: types.TextOID}, {name: "shape", typ: types.TextOID}, {name: "weights", typ: types.Int8OID},
			{name: "dtype", typ: types.TextOID}, {name: "quant_type", typ: types.TextOID}, {name: "granularity", typ: types.TextOID},
			{name: "group_size", typ: types.Int8OID}, {name: "method", typ: types.TextOID}, {name: "weight_error", typ: types.Float8OID},
			{name: "output_error", typ: types.Float8OID}, {name: "note", typ: types.TextOID}},
	},
	"models": {
		params: []tableParam{{"name", types.TextOID, false}},
		columns: []tableParam{{name: "name", typ: types.TextOID}, {name: "architecture", typ: types.TextOID}, {name: "dim", typ: types.Int8OID},
			{name: "quant_type", typ: types.TextOID}, {name: "bits", typ: types.Float8OID}, {name: "validated", typ: types.BoolOID},
			{name: "cosine_mean", typ: types.Float8OID}, {name: "error", typ: types.TextOID}},
	},
	"load_model": {
		params:  []tableParam{{"model", types.TextOID, true}},
		columns: []tableParam{{name: "model", typ: types.TextOID}, {name: "resident_bytes", typ: types.Int8OID}},
	},
	"unload_model": {
		params:  []tableParam{{"model", types.TextOID, true}},
		columns: []tableParam{{name: "model", typ: types.TextOID}, {name: "resident_bytes", typ: types.Int8OID}},
	},
	"dequantize": {
		params:  []tableParam{{"model", types.TextOID, true}, {"layer", types.TextOID, true}},
		columns: []tableParam{{name: "row", typ: types.Int8OID}, {name: "values", typ: types.Float4ArrayOID}},
	},
	"neighbors": {
		params: []tableParam{{"id", types.Int8OID, true}, {"hops", types.Int8OID, false}, {"kind", types.TextOID, false}},
		columns: []tableParam{{name: "source", typ: types.Int8OID}, {name: "destination", typ: types.Int8OID}, {name: "kind", typ: types.TextOID},
			{name: "weight", typ: types.Float8OID}, {name: "created_at", typ: types.TimestamptzOID}},
	},
	"page_rank": {
		params:  []tableParam{{"seeds", types.Int8ArrayOID, false}},
		columns: []tableParam{{name: "id", typ: types.Int8OID}, {name: "score", typ: types.Float8OID}},
	},
}

// emptySets are functions of the catalog that give rows, of which there are none here; the names are of their columns.
var emptySets = map[string][]tableParam{
	"pg_partition_ancestors": {{name: "relid", typ: types.RegclassOID}},
	"aclexplode": {{name: "grantor", typ: types.OidOID}, {name: "grantee", typ: types.OidOID}, {name: "privilege_type", typ: types.TextOID},
		{name: "is_grantable", typ: types.BoolOID}},
	"pg_tablespace_databases":   {{name: "pg_tablespace_databases", typ: types.OidOID}},
	"pg_mcv_list_items":         {{name: "index", typ: types.Int4OID}},
	"pg_get_publication_tables": {{name: "relid", typ: types.OidOID}},
	"pg_partition_tree": {{name: "relid", typ: types.RegclassOID}, {name: "parentrelid", typ: types.RegclassOID}, {name: "isleaf", typ: types.BoolOID},
		{name: "level", typ: types.Int4OID}},
}

// listRange is a function in FROM: the list it gives, and the columns of its elements.
type listRange struct {
	list   func(*printer)
	names  []string
	types  []types.Type
	record bool // the elements are structs
	multi  []func(*printer)
}

// rangeFunction binds a function in FROM. It becomes a subquery that unnests a list: so parameters, columns of ranges to
// its left and subqueries all may be arguments.
func (a *analyzer) rangeFunction(q *query, f *pgquery.RangeFunction) *fromItem {
	if len(f.Functions) != 1 || len(f.Coldeflist) > 0 {
		a.unsupported(-1, "ROWS FROM and column definition lists")
	}
	items := f.Functions[0].GetList().GetItems()
	name := columnName(items[0])
	r := &rte{alias: name}
	if f.Alias != nil {
		r.alias = f.Alias.Aliasname
	}
	call := items[0].GetFuncCall()
	if call != nil {
		if it := a.catalogSet(q, call, r, f); it != nil {
			return it
		}
	}
	l := a.functionRows(q, items[0], call)
	if !l.record && f.Alias != nil && l.multi == nil {
		l.names[0] = f.Alias.Aliasname
	}
	if f.Ordinality {
		l.names, l.types = append(l.names, "ordinality"), append(l.types, types.Of(types.Int8OID))
	}
	duck := a.freshAlias(r.alias)
	used := map[string]bool{}
	var ducks []string
	for i, n := range l.names {
		r.cols = append(r.cols, rcol{name: n, typ: l.types[i]})
		ducks = append(ducks, uniqueName(used, n))
		r.cols[i].make = columnOf(r, i, duck, ducks[i])
	}
	a.rename(r, f.Alias, -1)
	a.addRange(q, r, -1)
	ordinality := f.Ordinality
	return &fromItem{out: func(p *printer) { l.print(p, duck, ducks, ordinality) }}
}

func (l *listRange) print(p *printer, duck string, ducks []string, ordinality bool) {
	p.str("LATERAL (SELECT ")
	switch {
	case l.multi != nil:
		for i, m := range l.multi {
			p.str(pick(i > 0, ", ", ""), "unnest(")
			m(p)
			p.str(")")
		}
		if ordinality {
			p.str(", unnest(generate_series(1, greatest(")
			for i, m := range l.multi {
				p.str(pick(i > 0, ", ", ""), "len(")
				m(p)
				p.str(")")
			}
			p.str(")))")
		}
	default:
		p.str("unnest(__engram_l", pick(l.record, ", recursive := true", ""), ")")
		if ordinality {
			p.str(", unnest(generate_series(1, len(__engram_l)))")
		}
		p.str(" FROM (SELECT ")
		l.list(p)
		p.str(" AS __engram_l)")
	}
	p.str(") AS ", ident(duck), "(")
	for i, d := range ducks {
		p.str(pick(i > 0, ", ", ""), ident(d))
	}
	p.str(")")
}

// functionRows binds the call itself.
func (a *analyzer) functionRows(q *query, n *pgquery.Node, f *pgquery.FuncCall) *listRange {
	if f != nil {
		name := callName(f)
		if t, ok := tableFunctions[name]; ok {
			return a.tableFunction(q, f, name, t)
		}
		if name == "unnest" && len(f.Args) > 1 {
			return a.unnestMany(q, f)
		}
		if strings.HasPrefix(name, "json_each") || strings.HasPrefix(name, "jsonb_each") {
			return a.jsonEach(q, f, name)
		}
		if e, ok := emptySets[name]; ok {
			return emptyRange(e)
		}
	}
	e := a.refuse(a.expr(q, n), hasAggregate|hasWindow, "functions in FROM")
	if e.isUnknown() {
		e = a.coerce(e, types.Of(types.TextOID), implicit, e.loc)
	}
	name := columnName(n)
	switch v := e.value.(type) {
	case setList:
		if e.kind == otherNode && e.props&hasSet != 0 {
			return &listRange{list: v, names: []string{name}, types: []types.Type{e.Type()}}
		}
	case recordFields:
		if v.list != nil {
			return &listRange{list: v.list, names: append([]string{}, v.names...), types: append([]types.Type{}, v.types...), record: true}
		}
	}
	if e.props&hasSet != 0 {
		a.unsupported(e.loc, "a set-returning function inside of an expression in FROM")
	}
	return &listRange{names: []string{name}, types: []types.Type{e.Type()}, list: func(p *printer) {
		p.str("[")
		p.node(e)
		p.str("]")
	}}
}

func emptyRange(cols []tableParam) *listRange {
	l := &listRange{record: true}
	var fields []string
	for _, c := range cols {
		l.names, l.types = append(l.names, c.name), append(l.types, types.Of(c.typ))
		fields = append(fields, ident(c.name)+" "+duckType(types.Of(c.typ)))
	}
	l.list = func(p *printer) { p.str("CAST([] AS STRUCT(", strings.Join(fields, ", "), ")[])") }
	return l
}

// catalogSet lets a function without arguments that gives rows (pg_get_keywords, pg_show_all_settings ...) be a relation
// of the catalog of the same name.
func (a *analyzer) catalogSet(q *query, f *pgquery.FuncCall, r *rte, rf *pgquery.RangeFunction) *fromItem {
	name := callName(f)
	if len(f.Args) > 0 || rf.Ordinality || functionTable()[name] != nil || tableFunctions[name].columns != nil || reservedName(name) || !strings.HasPrefix(name, "pg_") {
		return nil
	}
	rel, err := a.sc.Relation("pg_catalog", name)
	a.check(f.Location, err)
	if rel == nil {
		return nil
	}
	r.rel, r.number = rel, a.relationNumber(rel)
	duck := a.freshAlias(r.alias)
	a.relationColumns(r, duck)
	a.rename(r, rf.Alias, -1)
	a.addRange(q, r, -1)
	return &fromItem{out: func(p *printer) { p.str(ident(RelationToken(r.number)), " AS ", ident(duck)) }}
}

// tableFunction binds a call of one of our own, with positional and named arguments.
func (a *analyzer) tableFunction(q *query, f *pgquery.FuncCall, name string, t tableFunction) *listRange {
	args := make([]*node, len(t.params))
	for i, x := range f.Args {
		at, value := i, x
		if na := x.GetNamedArgExpr(); na != nil {
			at, value = -1, na.Arg
			for j, p := range t.params {
				if p.name == na.Name {
					at = j
				}
			}
			if at < 0 {
				panic(a.at(na.Location, types.Errorf(types.CodeUndefinedFunction, "function %s has no argument named \"%s\"", name, na.Name).
					WithHint("Its arguments are %s.", paramNames(t.params))))
			}
		}
		if at >= len(t.params) {
			a.fail(f.Location, types.CodeUndefinedFunction, "function %s takes at most %d arguments", name, len(t.params))
		}
		if args[at] != nil {
			a.fail(f.Location, types.CodeSyntaxError, "argument name \"%s\" used more than once", t.params[at].name)
		}
		args[at] = a.tableArgument(q, name, t.params[at], value)
	}
	for i, p := range t.params {
		if args[i] == nil && p.required {
			panic(a.at(f.Location, types.Errorf(types.CodeUndefinedFunction, "function %s needs the argument \"%s\"", name, p.name).
				WithHint("Its arguments are %s.", paramNames(t.params))))
		}
		if args[i] == nil {
			args[i] = constant(types.Of(p.typ), nil)
		}
	}
	a.plan.Volatile = true
	l := &listRange{record: true, list: func(p *printer) {
		p.str("__engram_", name, "(")
		p.token()
		p.str(", ")
		p.list(args)
		p.str(")")
	}}
	for _, c := range t.columns {
		l.names, l.types = append(l.names, c.name), append(l.types, types.Of(c.typ))
	}
	return l
}

func (a *analyzer) tableArgument(q *query, name string, p tableParam, x *pgquery.Node) *node {
	n := a.refuse(a.expr(q, x), hasAggregate|hasWindow|hasSet, "functions in FROM")
	want := types.Of(p.typ)
	if !coercible(n, want, assignment) {
		a.fail(n.loc, types.CodeDatatypeMismatch, "argument \"%s\" of function %s must be type %s, not type %s", p.name, name, want, n.Type())
	}
	return a.coerce(n, want, assignment, n.loc)
}

func paramNames(ps []tableParam) string {
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

// unnestMany is unnest(a, b, ...): the arrays side by side.
func (a *analyzer) unnestMany(q *query, f *pgquery.FuncCall) *listRange {
	l := &listRange{multi: []func(*printer){}}
	for _, x := range a.exprs(q, f.Args) {
		e, ok := types.ElemOf(x.Type())
		if !ok || !isArray(x.Type()) {
			a.noFunction("unnest", []*node{x}, f.Location)
		}
		l.multi = append(l.multi, func(p *printer) { p.node(x) })
		l.names, l.types = append(l.names, "unnest"), append(l.types, e)
	}
	return l
}

// jsonEach is json_each, jsonb_each and their _text forms.
func (a *analyzer) jsonEach(q *query, f *pgquery.FuncCall, name string) *listRange {
	if len(f.Args) != 1 {
		a.noFunction(name, a.exprs(q, f.Args), f.Location)
	}
	jsonb, asText := strings.HasPrefix(name, "jsonb"), strings.HasSuffix(name, "_text")
	arg := a.coerce(a.expr(q, f.Args[0]), types.Of(pick(jsonb, types.JSONBOID, types.JSONOID)), implicit, f.Location)
	value := types.Of(pick(asText, types.TextOID, pick(jsonb, types.JSONBOID, types.JSONOID)))
	values := pick(asText, "__engram_json_values_text(", pick(jsonb, "__engram_jsonb_values(", "__engram_json_values("))
	return &listRange{record: true, names: []string{"key", "value"}, types: []types.Type{types.Of(types.TextOID), value}, list: func(p *printer) {
		p.str("list_transform(list_zip(__engram_json_keys(")
		p.node(arg)
		p.str("), ", values)
		p.node(arg)
		p.str(")), lambda __engram_e: struct_pack(key := __engram_e[1], value := __engram_e[2]))")
	}}
}
