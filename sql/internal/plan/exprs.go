package plan

import (
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

var boolType = types.Of(types.BoolOID)

// expr binds an expression over the names of q.
func (a *analyzer) expr(q *query, n *pgquery.Node) *node {
	if n == nil {
		a.fail(-1, types.CodeSyntaxError, "an expression is missing")
	}
	a.enter(-1)
	defer a.leave()
	switch v := n.Node.(type) {
	case *pgquery.Node_AConst:
		return a.literalNode(v.AConst)
	case *pgquery.Node_ColumnRef:
		return a.columnRef(q, v.ColumnRef)
	case *pgquery.Node_ParamRef:
		return a.paramRef(v.ParamRef.Number, v.ParamRef.Location)
	case *pgquery.Node_TypeCast:
		return a.typeCast(q, v.TypeCast)
	case *pgquery.Node_AExpr:
		return a.aExpr(q, v.AExpr)
	case *pgquery.Node_BoolExpr:
		return a.boolExpr(q, v.BoolExpr)
	case *pgquery.Node_NullTest:
		return a.nullTest(q, v.NullTest)
	case *pgquery.Node_BooleanTest:
		return a.booleanTest(q, v.BooleanTest)
	case *pgquery.Node_FuncCall:
		return a.funcCall(q, v.FuncCall)
	case *pgquery.Node_CaseExpr:
		return a.caseExpr(q, v.CaseExpr)
	case *pgquery.Node_CoalesceExpr:
		return a.firstOf(q, v.CoalesceExpr.Args, "COALESCE", v.CoalesceExpr.Location)
	case *pgquery.Node_MinMaxExpr:
		return a.firstOf(q, v.MinMaxExpr.Args, pick(v.MinMaxExpr.Op == pgquery.MinMaxOp_IS_GREATEST, "GREATEST", "LEAST"), v.MinMaxExpr.Location)
	case *pgquery.Node_SqlvalueFunction:
		return a.valueFunction(v.SqlvalueFunction)
	case *pgquery.Node_SubLink:
		return a.subLink(q, v.SubLink)
	case *pgquery.Node_AArrayExpr:
		return a.arrayExpr(q, v.AArrayExpr.Elements, v.AArrayExpr.Location)
	case *pgquery.Node_RowExpr:
		return a.rowExpr(q, v.RowExpr)
	case *pgquery.Node_AIndirection:
		return a.indirection(q, v.AIndirection)
	case *pgquery.Node_CollateClause:
		return a.collate(q, v.CollateClause)
	case *pgquery.Node_GroupingFunc:
		return a.groupingFunc(q, v.GroupingFunc)
	case *pgquery.Node_SetToDefault:
		a.fail(v.SetToDefault.Location, types.CodeSyntaxError, "DEFAULT is not allowed in this context")
	case *pgquery.Node_NamedArgExpr:
		a.fail(v.NamedArgExpr.Location, types.CodeSyntaxError, "named arguments are not allowed here")
	}
	a.fail(-1, types.CodeFeatureNotSupported, "%s is not supported in an expression", statementWords(nodeName(n)))
	return nil
}

// exprs binds a list.
func (a *analyzer) exprs(q *query, ns []*pgquery.Node) []*node {
	out := make([]*node, len(ns))
	for i, n := range ns {
		out[i] = a.expr(q, n)
	}
	return out
}

// condition binds an expression that must be boolean.
func (a *analyzer) condition(q *query, n *pgquery.Node, clause string) *node {
	return a.asBool(a.expr(q, n), clause)
}

func (a *analyzer) asBool(e *node, clause string) *node {
	if !e.isUnknown() && e.oid() != types.BoolOID && e.oid() != 0 {
		a.fail(e.loc, types.CodeDatatypeMismatch, "argument of %s must be type boolean, not type %s", clause, e.Type())
	}
	return a.coerce(e, boolType, implicit, e.loc)
}

// refuse ends the analysis when e holds what may not stand in a clause.
func (a *analyzer) refuse(e *node, what props, clause string) *node {
	switch {
	case e.props&what&hasAggregate != 0:
		a.fail(e.loc, types.CodeGroupingError, "aggregate functions are not allowed in %s", clause)
	case e.props&what&hasWindow != 0:
		a.fail(e.loc, types.CodeWindowingError, "window functions are not allowed in %s", clause)
	case e.props&what&hasSet != 0:
		a.fail(e.loc, types.CodeFeatureNotSupported, "set-returning functions are not allowed in %s", clause)
	}
	return e
}

func (a *analyzer) literalNode(c *pgquery.A_Const) *node {
	if c.Isnull {
		return unknownLiteral(nil, c.Location)
	}
	var n *node
	switch v := c.Val.(type) {
	case *pgquery.A_Const_Ival:
		n = constant(types.Of(types.Int4OID), int64(v.Ival.Ival))
	case *pgquery.A_Const_Fval:
		n = a.numberLiteral(v.Fval.Fval, c.Location)
	case *pgquery.A_Const_Boolval:
		n = constant(boolType, v.Boolval.Boolval)
	case *pgquery.A_Const_Sval:
		return unknownLiteral(v.Sval.Sval, c.Location)
	case *pgquery.A_Const_Bsval:
		n = a.bitLiteral(v.Bsval.Bsval, c.Location)
	default: // libpg_query leaves the zero of an integer out
		n = constant(types.Of(types.Int4OID), int64(0))
	}
	n.loc = c.Location
	return n
}

// numberLiteral is an integer beyond int4, or a numeric.
func (a *analyzer) numberLiteral(s string, loc int32) *node {
	clean := strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(clean, 0, 64); err == nil {
		t := types.Of(types.Int8OID)
		if i >= math.MinInt32 && i <= math.MaxInt32 {
			t = types.Of(types.Int4OID)
		}
		return constant(t, i)
	}
	d, _, err := apd.NewFromString(clean)
	if err != nil || d.Exponent > 131072 || d.Exponent < -16383 {
		a.fail(loc, types.CodeNumericValueOutOfRange, "value overflows numeric format")
	}
	if d.Exponent > 0 {
		d = plainDecimal(d)
	}
	return constant(types.Of(types.NumericOID), d)
}

// bitLiteral is B'101' or X'1F': the grammar gives b101 or x1F.
func (a *analyzer) bitLiteral(s string, loc int32) *node {
	bits := ""
	if len(s) > 0 && (s[0] == 'x' || s[0] == 'X') {
		for i := 1; i < len(s); i++ {
			d, err := strconv.ParseUint(s[i:i+1], 16, 8)
			if err != nil {
				a.fail(loc, types.CodeInvalidTextRepresentation, "\"%c\" is not a valid hexadecimal digit", s[i])
			}
			b := strconv.FormatUint(d, 2)
			bits += strings.Repeat("0", 4-len(b)) + b
		}
	} else if len(s) > 0 {
		bits = s[1:]
		if i := strings.Trim(bits, "01"); i != "" {
			a.fail(loc, types.CodeInvalidTextRepresentation, "\"%c\" is not a valid binary digit", i[0])
		}
	}
	return constant(types.Type{OID: types.BitOID, Mod: int32(len(bits))}, bits)
}

func (a *analyzer) typeCast(q *query, c *pgquery.TypeCast) *node {
	t := a.typeName(c.TypeName)
	if arr := c.Arg.GetAArrayExpr(); arr != nil && t.IsArray() {
		e, _ := types.ElemOf(t)
		return a.arrayOf(a.exprs(q, arr.Elements), e, t, explicit, arr.Location)
	}
	n := a.expr(q, c.Arg)
	if n.kind == paramNode && n.isUnknown() {
		a.params[n.param-1] = types.Of(t.OID)
	}
	out := a.coerce(n, t, explicit, c.Location)
	if out == n && n.oid() == t.OID && t.Mod < 0 && n.Type().Mod >= 0 { // drops a modifier
		c := *n
		c.typ = t
		if n.kind == columnNode || n.kind == otherNode {
			return &c
		}
	}
	return out
}

func (a *analyzer) boolExpr(q *query, b *pgquery.BoolExpr) *node {
	switch b.Boolop {
	case pgquery.BoolExprType_NOT_EXPR:
		e := a.condition(q, b.Args[0], "NOT")
		return not(e, b.Location)
	case pgquery.BoolExprType_OR_EXPR:
		return a.junctionOf(q, b, "OR")
	}
	return a.junctionOf(q, b, "AND")
}

func (a *analyzer) junctionOf(q *query, b *pgquery.BoolExpr, word string) *node {
	terms := make([]*node, len(b.Args))
	for i, x := range b.Args {
		terms[i] = a.condition(q, x, word)
	}
	return junction(word, terms, b.Location)
}

func not(e *node, loc int32) *node {
	args := []*node{e}
	return with(boolType, loc, args, template("(NOT $1)", args), strict(args, func(_ *Env, v []any) (any, error) {
		b, _ := v[0].(bool)
		return !b, nil
	}))
}

func (a *analyzer) nullTest(q *query, t *pgquery.NullTest) *node {
	e := a.expr(q, t.Arg)
	isNull := t.Nulltesttype == pgquery.NullTestType_IS_NULL
	if e.kind == rowNode && e.value == nil {
		terms := make([]*node, len(e.args))
		for i, x := range e.args {
			terms[i] = nullTestOf(x, isNull, t.Location)
		}
		return junction("AND", terms, t.Location)
	}
	return nullTestOf(e, isNull, t.Location)
}

func nullTestOf(e *node, isNull bool, loc int32) *node {
	args := []*node{e}
	n := with(boolType, loc, args, template(pick(isNull, "($1 IS NULL)", "($1 IS NOT NULL)"), args),
		lax(args, func(_ *Env, v []any) (any, error) { return (v[0] == nil) == isNull, nil }))
	return n
}

func (a *analyzer) booleanTest(q *query, t *pgquery.BooleanTest) *node {
	words := map[pgquery.BoolTestType]string{
		pgquery.BoolTestType_IS_TRUE: "IS TRUE", pgquery.BoolTestType_IS_NOT_TRUE: "IS NOT TRUE",
		pgquery.BoolTestType_IS_FALSE: "IS FALSE", pgquery.BoolTestType_IS_NOT_FALSE: "IS NOT FALSE",
		pgquery.BoolTestType_IS_UNKNOWN: "IS NULL", pgquery.BoolTestType_IS_NOT_UNKNOWN: "IS NOT NULL"}
	word := words[t.Booltesttype]
	e := a.condition(q, t.Arg, word)
	args := []*node{e}
	return with(boolType, t.Location, args, template("($1 "+word+")", args), lax(args, func(_ *Env, v []any) (any, error) {
		b, known := v[0].(bool)
		switch word {
		case "IS TRUE":
			return known && b, nil
		case "IS NOT TRUE":
			return !(known && b), nil
		case "IS FALSE":
			return known && !b, nil
		case "IS NOT FALSE":
			return !(known && !b), nil
		case "IS NULL":
			return !known, nil
		}
		return known, nil
	}))
}

// caseExpr binds both forms of CASE.
func (a *analyzer) caseExpr(q *query, c *pgquery.CaseExpr) *node {
	var conds, results []*node
	for _, w := range c.Args {
		when := w.GetCaseWhen()
		if c.Arg != nil { // each comparison binds its own copy of the argument: its type may adapt
			conds = append(conds, a.comparison("=", a.expr(q, c.Arg), a.expr(q, when.Expr), when.Location))
		} else {
			conds = append(conds, a.condition(q, when.Expr, "CASE/WHEN"))
		}
		results = append(results, a.expr(q, when.Result))
	}
	if c.Defresult != nil {
		results = append(results, a.expr(q, c.Defresult))
	}
	t := a.commonType(results, "CASE", c.Location)
	for i := range results {
		results[i] = a.coerce(results[i], t, implicit, c.Location)
	}
	args := append(append([]*node{}, conds...), results...)
	return with(t, c.Location, args, func(p *printer) {
		p.str("CASE")
		for i, w := range conds {
			p.str(" WHEN ")
			p.node(w)
			p.str(" THEN ")
			p.node(results[i])
		}
		if len(results) > len(conds) {
			p.str(" ELSE ")
			p.node(results[len(conds)])
		}
		p.str(" END")
	}, func(env *Env) (any, error) {
		for i, w := range conds {
			v, err := w.run(env)
			if err != nil {
				return nil, err
			}
			if v == true {
				return results[i].run(env)
			}
		}
		if len(results) > len(conds) {
			return results[len(conds)].run(env)
		}
		return nil, nil
	})
}

// firstOf binds COALESCE, GREATEST and LEAST.
func (a *analyzer) firstOf(q *query, list []*pgquery.Node, word string, loc int32) *node {
	args := a.exprs(q, list)
	t := a.commonType(args, word, loc)
	for i := range args {
		args[i] = a.coerce(args[i], t, implicit, loc)
	}
	t.Mod = sameMod(args)
	return with(t, loc, args, template(word+"($*)", args), func(env *Env) (any, error) {
		var best any
		for _, x := range args {
			v, err := x.run(env)
			if err != nil {
				return nil, err
			}
			if v == nil {
				continue
			}
			if word == "COALESCE" {
				return v, nil
			}
			if best == nil {
				best = v
				continue
			}
			c, err := compareValues(t, v, best)
			if err != nil {
				return nil, err
			}
			if c > 0 == (word == "GREATEST") && c != 0 {
				best = v
			}
		}
		return best, nil
	})
}

func sameMod(args []*node) int32 {
	for _, x := range args {
		if x.Type().Mod != args[0].Type().Mod {
			return -1
		}
	}
	return args[0].Type().Mod
}

// commonType is the type in which expressions meet, by the rules of UNION and CASE.
func (a *analyzer) commonType(list []*node, clause string, loc int32) types.Type {
	var t types.Type
	t.Mod = -1
	for _, n := range list {
		nt := n.Type()
		if n.isUnknown() {
			continue
		}
		if nt.OID == 0 {
			return types.Type{Mod: -1}
		}
		switch {
		case t.OID == 0:
			t = nt
		case t.OID == nt.OID:
			if t.Mod != nt.Mod {
				t.Mod = -1
			}
		case isNumber(t.OID) && isNumber(nt.OID):
			t = types.Of(pick(numberRank[t.OID] > numberRank[nt.OID], t.OID, nt.OID))
		case coercible(n, types.Of(t.OID), implicit) && !(isText(t.OID) && nt.OID == types.TextOID):
			t.Mod = -1
		case coercible(&node{typ: t}, nt, implicit):
			t = types.Of(nt.OID)
		default:
			if clause == "" {
				clause = "function"
			}
			a.fail(pick(n.loc > 0, n.loc, loc), types.CodeDatatypeMismatch, "%s types %s and %s cannot be matched", clause, types.Of(t.OID), types.Of(nt.OID))
		}
	}
	if t.OID == 0 {
		return types.Of(types.TextOID)
	}
	return t
}

var valueFunctions = map[pgquery.SQLValueFunctionOp]string{
	pgquery.SQLValueFunctionOp_SVFOP_CURRENT_ROLE: "current_user", pgquery.SQLValueFunctionOp_SVFOP_CURRENT_USER: "current_user",
	pgquery.SQLValueFunctionOp_SVFOP_USER: "current_user", pgquery.SQLValueFunctionOp_SVFOP_SESSION_USER: "session_user",
	pgquery.SQLValueFunctionOp_SVFOP_CURRENT_CATALOG: "current_database", pgquery.SQLValueFunctionOp_SVFOP_CURRENT_SCHEMA: "current_schema",
}

// valueFunction binds CURRENT_DATE and its kin, which are called without brackets.
func (a *analyzer) valueFunction(f *pgquery.SQLValueFunction) *node {
	a.plan.Volatile = true
	if name, ok := valueFunctions[f.Op]; ok {
		return a.sessionCall(name, types.Of(types.NameOID), f.Location)
	}
	now := a.callNamed("now", nil, f.Location)
	to := map[pgquery.SQLValueFunctionOp]uint32{
		pgquery.SQLValueFunctionOp_SVFOP_CURRENT_DATE: types.DateOID,
		pgquery.SQLValueFunctionOp_SVFOP_CURRENT_TIME: types.TimetzOID, pgquery.SQLValueFunctionOp_SVFOP_CURRENT_TIME_N: types.TimetzOID,
		pgquery.SQLValueFunctionOp_SVFOP_LOCALTIME: types.TimeOID, pgquery.SQLValueFunctionOp_SVFOP_LOCALTIME_N: types.TimeOID,
		pgquery.SQLValueFunctionOp_SVFOP_LOCALTIMESTAMP: types.TimestampOID, pgquery.SQLValueFunctionOp_SVFOP_LOCALTIMESTAMP_N: types.TimestampOID,
		pgquery.SQLValueFunctionOp_SVFOP_CURRENT_TIMESTAMP: types.TimestamptzOID, pgquery.SQLValueFunctionOp_SVFOP_CURRENT_TIMESTAMP_N: types.TimestamptzOID,
	}[f.Op]
	t := types.Type{OID: to, Mod: f.Typmod}
	if to == types.DateOID || !strings.HasSuffix(f.Op.String(), "_N") {
		t.Mod = -1
	}
	return a.coerce(now, t, explicit, f.Location)
}

func (a *analyzer) collate(q *query, c *pgquery.CollateClause) *node {
	e := a.expr(q, c.Arg)
	name := c.Collname[len(c.Collname)-1].GetString_().GetSval()
	switch name {
	case "C", "POSIX", "default", "ucs_basic":
	default:
		if !strings.HasSuffix(strings.ToLower(name), "utf8") && !strings.HasSuffix(strings.ToLower(name), "utf-8") && !strings.HasSuffix(name, "-x-icu") {
			a.fail(c.Location, types.CodeUndefinedObject, "collation \"%s\" for encoding \"UTF8\" does not exist", name)
		}
		a.fail(c.Location, types.CodeFeatureNotSupported, "collation \"%s\" is not supported: texts are ordered by their bytes", name)
	}
	if e.isUnknown() {
		e = a.coerce(e, types.Of(types.TextOID), implicit, c.Location)
	}
	if !isText(e.oid()) && e.oid() != 0 {
		a.fail(c.Location, types.CodeDatatypeMismatch, "collations are not supported by type %s", e.Type())
	}
	return e
}

func (a *analyzer) rowExpr(q *query, r *pgquery.RowExpr) *node {
	args := a.exprs(q, r.Args)
	n := with(types.Of(types.RecordOID), r.Location, args, func(p *printer) {
		p.str("row(")
		p.list(args)
		p.str(")")
	}, nil)
	n.kind = rowNode
	return n
}

func (a *analyzer) groupingFunc(q *query, g *pgquery.GroupingFunc) *node {
	args := a.exprs(q, g.Args)
	n := with(types.Of(types.Int4OID), g.Location, args, template("CAST(GROUPING($*) AS INTEGER)", args), nil)
	n.props |= hasAggregate
	n.aggregate = true
	return n
}
