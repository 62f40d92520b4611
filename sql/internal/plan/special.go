package plan

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// extractFields print a field of a date or timestamp; $1 is the value. PostgreSQL's extract answers numeric, date_part
// float8.
var extractFields = map[string]string{
	"year": "CAST(year($1) AS DECIMAL(10, 0))", "month": "CAST(month($1) AS DECIMAL(2, 0))", "day": "CAST(day($1) AS DECIMAL(2, 0))",
	"hour": "CAST(hour($1) AS DECIMAL(2, 0))", "minute": "CAST(minute($1) AS DECIMAL(2, 0))",
	"second":       "CAST(CAST(microsecond($1) AS DECIMAL(9, 0)) * 0.000001 AS DECIMAL(9, 6))",
	"milliseconds": "CAST(CAST(microsecond($1) AS DECIMAL(9, 0)) * 0.001 AS DECIMAL(9, 3))",
	"microseconds": "CAST(microsecond($1) AS DECIMAL(9, 0))",
	"epoch":        "CAST(CAST(epoch_us($1) AS DECIMAL(20, 0)) * 0.000001 AS DECIMAL(26, 6))",
	"dow":          "CAST(dayofweek($1) AS DECIMAL(1, 0))", "isodow": "CAST(isodow($1) AS DECIMAL(1, 0))", "doy": "CAST(dayofyear($1) AS DECIMAL(3, 0))",
	"week": "CAST(week($1) AS DECIMAL(2, 0))", "quarter": "CAST(quarter($1) AS DECIMAL(1, 0))", "isoyear": "CAST(isoyear($1) AS DECIMAL(10, 0))",
	"decade": "CAST(decade($1) AS DECIMAL(9, 0))", "century": "CAST(century($1) AS DECIMAL(8, 0))", "millennium": "CAST(millennium($1) AS DECIMAL(7, 0))",
}

var fieldAliases = map[string]string{"years": "year", "y": "year", "months": "month", "mon": "month", "days": "day", "d": "day", "hours": "hour",
	"h": "hour", "minutes": "minute", "min": "minute", "m": "minute", "seconds": "second", "sec": "second", "s": "second", "ms": "milliseconds", "millisecond": "milliseconds",
	"us": "microseconds", "microsecond": "microseconds", "weeks": "week", "w": "week", "decades": "decade", "centuries": "century", "millenniums": "millennium"}

// extract is EXTRACT(field FROM x) and date_part('field', x).
func (a *analyzer) extract(q *query, f *pgquery.FuncCall) *node {
	if len(f.Args) != 2 {
		return nil
	}
	name := f.Funcname[len(f.Funcname)-1].GetString_().GetSval()
	field, ok := a.expr(q, f.Args[0]).value.(string)
	if !ok {
		a.unsupported(f.Location, name+" of a field that is not a constant")
	}
	if full, ok := fieldAliases[field]; ok {
		field = full
	}
	x := a.expr(q, f.Args[1])
	if x.isUnknown() {
		x = a.coerce(x, types.Of(types.TimestampOID), implicit, f.Location)
	}
	t := types.Of(pick(name == "extract", types.NumericOID, types.Float8OID))
	text := ""
	switch x.oid() {
	case types.IntervalOID:
		text = "CAST(__engram_extract_interval(" + quote(field) + ", $1) AS DECIMAL(38, 6))"
		if field != "second" && field != "epoch" && field != "milliseconds" {
			text = "CAST(__engram_extract_interval(" + quote(field) + ", $1) AS DECIMAL(38, 0))"
		}
	case types.DateOID:
		text = extractFields[field]
		if field == "epoch" {
			text = "CAST(epoch($1) AS DECIMAL(20, 0))"
		}
		if field == "hour" || field == "minute" || field == "second" || field == "milliseconds" || field == "microseconds" {
			a.fail(f.Location, types.CodeFeatureNotSupported, "unit \"%s\" not supported for type date", field)
		}
	case types.TimestampOID, types.TimestamptzOID:
		text = extractFields[field]
	case types.TimeOID:
		switch field {
		case "hour", "minute", "second", "milliseconds", "microseconds":
			text = extractFields[field]
		case "epoch":
			text = "CAST(epoch_us($1) AS DECIMAL(20, 0)) * 0.000001"
		}
	default:
		a.noFunction("pg_catalog."+name, []*node{constant(types.Of(types.UnknownOID), field), x}, f.Location)
	}
	if text == "" {
		a.fail(f.Location, types.CodeFeatureNotSupported, "unit \"%s\" not supported for type %s", field, x.Type())
	}
	if name != "extract" {
		text = "CAST(" + text + " AS DOUBLE)"
	}
	args := []*node{x}
	oid := x.oid()
	return with(t, f.Location, args, template(text, args), strict(args, func(env *Env, v []any) (any, error) {
		return extractValue(env, field, oid, v[0], t.OID)
	}))
}

// jsonFragment makes the JSON text of a value; a NULL becomes JSON's null.
func (a *analyzer) jsonFragment(e *node, loc int32) *node {
	t := types.Of(types.TextOID)
	if e.isUnknown() {
		if e.isNull() {
			return constant(t, "null")
		}
		e = a.coerce(e, t, implicit, loc)
	}
	args := []*node{e}
	oid := e.oid()
	switch {
	case isJSON(oid):
		return with(t, loc, args, template("coalesce($1, 'null')", args), nil)
	case oid == types.BoolOID || isNumber(oid):
		s := a.coerce(e, t, explicit, loc)
		args = []*node{s}
		text := "coalesce($1, 'null')"
		if isFloat(oid) {
			text = "coalesce(CASE WHEN $1 IN ('NaN', 'Infinity', '-Infinity') THEN '\"' || $1 || '\"' ELSE $1 END, 'null')"
		}
		return with(t, loc, args, template(text, args), nil)
	case e.kind == rowNode:
		return a.jsonRow(e, loc)
	case isArray(e.Type()):
		elem, _ := types.ElemOf(e.Type())
		item := a.jsonFragment(&node{typ: elem, out: func(p *printer) { p.str("__engram_x") }}, loc)
		return with(t, loc, args, func(p *printer) {
			p.str("coalesce(__engram_json_array(list_transform(")
			p.node(e)
			p.str(", lambda __engram_x: ")
			p.node(item)
			p.str(")), 'null')")
		}, nil)
	}
	s := a.coerce(e, t, explicit, loc)
	args = []*node{s}
	return with(t, loc, args, template("coalesce(__engram_json_string($1), 'null')", args), nil)
}

// jsonRow makes an object of a row: its columns' names, or f1, f2 ... for ROW(...).
func (a *analyzer) jsonRow(e *node, loc int32) *node {
	names, _ := e.value.([]string)
	var parts []*node
	for i, x := range e.args {
		name := "f" + itoa(i+1)
		if i < len(names) {
			name = names[i]
		}
		parts = append(parts, constant(types.Of(types.TextOID), name), a.jsonFragment(x, loc))
	}
	return with(types.Of(types.TextOID), loc, parts, template("__engram_json_object([$*])", parts), nil)
}

// asJSON wraps a fragment as json, or normalised as jsonb.
func asJSON(text *node, jsonb bool, loc int32) *node {
	args := []*node{text}
	if jsonb {
		return with(types.Of(types.JSONBOID), loc, args, template("__engram_in_jsonb($1)", args), nil)
	}
	return with(types.Of(types.JSONOID), loc, args, template("$1", args), nil)
}

func callName(f *pgquery.FuncCall) string {
	return f.Funcname[len(f.Funcname)-1].GetString_().GetSval()
}

func isJSONB(f *pgquery.FuncCall) bool {
	n := callName(f)
	return len(n) > 5 && n[:5] == "jsonb" || n == "to_jsonb"
}

func (a *analyzer) jsonObject(q *query, f *pgquery.FuncCall) *node {
	if len(f.Args)%2 != 0 {
		panic(a.at(f.Location, types.Errorf(types.CodeInvalidParameterValue, "argument list must have even number of elements").
			WithHint("The arguments of %s() must consist of alternating keys and values.", callName(f))))
	}
	var parts []*node
	for i, x := range a.exprs(q, f.Args) {
		if i%2 == 0 {
			parts = append(parts, a.coerce(x, types.Of(types.TextOID), explicit, f.Location))
			continue
		}
		parts = append(parts, a.jsonFragment(x, f.Location))
	}
	text := with(types.Of(types.TextOID), f.Location, parts, func(p *printer) {
		if len(parts) == 0 {
			p.str("'{}'")
			return
		}
		p.str("__engram_json_object([")
		p.list(parts)
		p.str("])")
	}, nil)
	return asJSON(text, isJSONB(f), f.Location)
}

func (a *analyzer) jsonArray(q *query, f *pgquery.FuncCall) *node {
	var parts []*node
	for _, x := range a.exprs(q, f.Args) {
		parts = append(parts, a.jsonFragment(x, f.Location))
	}
	text := with(types.Of(types.TextOID), f.Location, parts, func(p *printer) {
		if len(parts) == 0 {
			p.str("'[]'")
			return
		}
		p.str("__engram_json_array([")
		p.list(parts)
		p.str("])")
	}, nil)
	return asJSON(text, isJSONB(f), f.Location)
}

func (a *analyzer) toJSON(q *query, f *pgquery.FuncCall) *node {
	if len(f.Args) != 1 {
		return nil
	}
	e := a.expr(q, f.Args[0])
	if e.isNull() || callName(f) == "row_to_json" && e.kind != rowNode {
		return nil
	}
	text := a.jsonFragment(e, f.Location)
	args := []*node{e, text}
	strictText := with(types.Of(types.TextOID), f.Location, args, template("CASE WHEN $1 IS NOT NULL THEN $2 END", args), nil)
	return asJSON(strictText, isJSONB(f), f.Location)
}

// jsonAgg is json_agg and jsonb_agg: the list of fragments, then one array.
func (a *analyzer) jsonAgg(q *query, f *pgquery.FuncCall) *node {
	if len(f.Args) != 1 {
		return nil
	}
	part := a.jsonFragment(a.expr(q, f.Args[0]), f.Location)
	s := &signature{name: callName(f), args: []argType{{poly: "any"}}, ret: argType{typ: types.Of(types.TextOID)}, kind: aggSig,
		template: "__engram_json_array(#(list))"}
	return asJSON(a.aggregate(q, f, s, []*node{part}), isJSONB(f), f.Location)
}

func (a *analyzer) jsonObjectAgg(q *query, f *pgquery.FuncCall) *node {
	if len(f.Args) != 2 {
		return nil
	}
	key := a.coerce(a.expr(q, f.Args[0]), types.Of(types.TextOID), explicit, f.Location)
	pair := []*node{key, a.jsonFragment(a.expr(q, f.Args[1]), f.Location)}
	both := with(types.Of(types.TextArrayOID), f.Location, pair, template("[$*]", pair), nil)
	s := &signature{name: callName(f), args: []argType{{poly: "any"}}, ret: argType{typ: types.Of(types.TextOID)}, kind: aggSig,
		template: "__engram_json_object(flatten(#(list)))"}
	return asJSON(a.aggregate(q, f, s, []*node{both}), isJSONB(f), f.Location)
}

// embed turns text, pictures and sounds into vectors: in Go where the row's road allows, else inside DuckDB.
func (a *analyzer) embed(q *query, f *pgquery.FuncCall) *node {
	name := callName(f)
	args := a.exprs(q, f.Args)
	s := choose(functionTable()[name], args)
	if s == nil {
		a.noFunction(name, args, f.Location)
	}
	n := a.callNode(s, a.bind(s, args, f.Location), args, f.Location)
	n.run = nil
	n.run = strict(args, func(env *Env, v []any) (any, error) {
		if kind, ok := strings.CutPrefix(name, "embed_"); ok {
			return embedMedia(env, kind, v)
		}
		return embedText(env, v)
	})
	for _, x := range args {
		if x.run == nil {
			n.run = nil
		}
	}
	return n
}

// embedMedia gives the vector of a picture or a sound.
func embedMedia(env *Env, kind string, v []any) (any, error) {
	if env.EmbedMedia == nil {
		return nil, types.Errorf(types.CodeFeatureNotSupported, "embed_%s cannot be called here", kind)
	}
	model := ""
	if len(v) > 1 {
		model = v[1].(string)
	}
	out, err := env.EmbedMedia(env.ctx(), kind, model, [][]byte{v[0].([]byte)})
	if err != nil {
		return nil, err
	}
	if len(out) != 1 {
		return nil, types.Errorf(types.CodeInternalError, "the encoder gave %d vectors for one input", len(out))
	}
	return out[0], nil
}

func embedText(env *Env, v []any) (any, error) {
	if env.Embed == nil {
		return nil, types.Errorf(types.CodeFeatureNotSupported, "embed cannot be called here")
	}
	model := ""
	if len(v) > 1 {
		model = v[1].(string)
	}
	out, err := env.Embed(env.ctx(), model, []string{v[0].(string)})
	if err != nil {
		return nil, err
	}
	if len(out) != 1 {
		return nil, types.Errorf(types.CodeInternalError, "the encoder gave %d vectors for one text", len(out))
	}
	return out[0], nil
}
