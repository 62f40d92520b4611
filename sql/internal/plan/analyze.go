package plan

import (
	"fmt"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// Analyze gives a statement its meaning in a scope and chooses its road. declared are the parameter types that the
// client declared, by position; 0 and unknown leave a type to be inferred. Errors are *types.Error, with positions in
// the text that Parse was given.
//
// The plan depends on the scope's relations and on its settings TimeZone, DateStyle and IntervalStyle, by which literals
// are read.
func Analyze(st *Statement, sc Scope, declared []uint32) (p *Plan, err error) {
	a := newAnalyzer(st, sc, declared)
	defer a.rescue(&p, &err)
	a.statement(st.node)
	return a.finish(), nil
}

// analyzer holds what one statement's analysis knows.
type analyzer struct {
	sc       Scope
	st       *Statement
	plan     *Plan
	style    *types.Style
	params   []types.Type // OID 0: not known yet
	used     []bool       // parameters that the text names
	firstUse []int32      // where
	aliases  map[string]int
	relIndex map[*Relation]int
	views    []string // views being expanded, to find circles
	depth    int
	inView   bool // positions mean nothing in a view's own text
	noRow    bool // relations being bound are not the row of Env.Row
}

func newAnalyzer(st *Statement, sc Scope, declared []uint32) *analyzer {
	a := &analyzer{sc: sc, st: st, plan: &Plan{Tag: st.Tag}, aliases: map[string]int{}, relIndex: map[*Relation]int{}}
	for _, oid := range declared {
		if oid == types.UnknownOID {
			oid = 0
		}
		a.params = append(a.params, types.Type{OID: oid, Mod: -1})
		a.used = append(a.used, false)
		a.firstUse = append(a.firstUse, -1)
	}
	a.style = styleOf(sc)
	return a
}

// styleOf builds the style by which literals are read from the session's settings.
func styleOf(sc Scope) *types.Style {
	st := &types.Style{}
	if sc == nil {
		return st
	}
	if v, ok := sc.Setting("DateStyle"); ok {
		_ = st.SetDateStyle(v) // a setting was checked when it was set
	}
	if v, ok := sc.Setting("IntervalStyle"); ok {
		st.SetIntervalStyle(v)
	}
	if v, ok := sc.Setting("TimeZone"); ok {
		if z, err := types.LoadZone(v); err == nil {
			st.TimeZone = z
		}
	}
	return st
}

// rescue turns the panics by which the analysis ends early into errors. A parse tree is foreign data: a shape that
// nobody thought of is an error too, not the end of the process.
func (a *analyzer) rescue(p **Plan, err *error) {
	r := recover()
	if r == nil {
		return
	}
	*p = nil
	if e, ok := r.(*types.Error); ok {
		*err = e
		return
	}
	*err = types.Errorf("XX000", "cannot analyse the statement: %s", fmt.Sprint(r))
}

// fail ends the analysis with an error at a byte offset of the whole text; negative: nowhere.
func (a *analyzer) fail(loc int32, code, format string, args ...any) {
	panic(a.at(loc, types.Errorf(code, format, args...)))
}

func (a *analyzer) at(loc int32, e *types.Error) *types.Error {
	if loc >= 0 && !a.inView && e.Position == 0 {
		e.Position = charPosition(a.st.source, int(loc))
	}
	return e
}

// check ends the analysis with err unless it is nil.
func (a *analyzer) check(loc int32, err error) {
	if err == nil {
		return
	}
	if e, ok := err.(*types.Error); ok {
		c := *e
		panic(a.at(loc, &c))
	}
	panic(a.at(loc, types.Errorf("XX000", "%s", err)))
}

func (a *analyzer) unsupported(loc int32, what string, args ...any) {
	a.fail(loc, types.CodeFeatureNotSupported, what+" is not supported", args...)
}

// enter bounds the depth of the recursion; leave undoes it.
func (a *analyzer) enter(loc int32) {
	if a.depth++; a.depth > maxDepth {
		a.fail(loc, "54001", "stack depth limit exceeded")
	}
}

func (a *analyzer) leave() { a.depth-- }

// statement dispatches on the kind of a statement.
func (a *analyzer) statement(n *pgquery.Node) {
	switch v := n.Node.(type) {
	case *pgquery.Node_SelectStmt:
		if v.SelectStmt.IntoClause != nil {
			a.selectInto(v.SelectStmt)
			return
		}
		a.selectStatement(v.SelectStmt)
	case *pgquery.Node_InsertStmt:
		a.insert(v.InsertStmt)
	case *pgquery.Node_UpdateStmt:
		a.update(v.UpdateStmt)
	case *pgquery.Node_DeleteStmt:
		a.delete(v.DeleteStmt)
	default:
		a.plan.Road = RoadUtility
		a.plan.Utility = a.utility(n)
		a.plan.Writes = a.plan.Writes || writes(a.plan.Utility)
	}
}

// finish resolves what is left open once the statement is bound.
func (a *analyzer) finish() *Plan {
	for i := range a.params {
		if a.params[i].OID == 0 && !a.used[i] {
			a.fail(-1, types.CodeIndeterminateDatatype, "could not determine data type of parameter $%d", i+1)
		}
		if a.params[i].OID == 0 {
			a.fail(a.firstUse[i], types.CodeIndeterminateDatatype, "could not determine data type of parameter $%d", i+1)
		}
	}
	a.plan.Params = a.params
	return a.plan
}

// subPlan analyses a statement inside of another one (EXPLAIN, COPY, DECLARE, CREATE TABLE AS); it shares parameters.
func (a *analyzer) subPlan(n *pgquery.Node) (*Plan, *Statement) {
	st := &Statement{Text: a.st.Text, node: n, source: a.st.source}
	st.Kind, st.Tag = classify(n)
	inner := newAnalyzer(st, a.sc, nil)
	inner.params, inner.used, inner.firstUse, inner.depth = a.params, a.used, a.firstUse, a.depth
	inner.statement(n)
	a.params, a.used, a.firstUse = inner.params, inner.used, inner.firstUse
	inner.plan.Params = inner.params
	return inner.plan, st
}

// paramRef binds $n.
func (a *analyzer) paramRef(n int32, loc int32) *node {
	if n < 1 || n > 65535 {
		a.fail(loc, types.CodeUndefinedParameter, "there is no parameter $%d", n)
	}
	for len(a.params) < int(n) {
		a.params = append(a.params, types.Type{Mod: -1})
		a.used = append(a.used, false)
		a.firstUse = append(a.firstUse, -1)
	}
	if !a.used[n-1] {
		a.used[n-1], a.firstUse[n-1] = true, loc
	}
	i := int(n)
	p := &node{kind: paramNode, param: i, loc: loc, a: a}
	p.out = func(w *printer) {
		if d := duckType(p.Type()); d != "" && !p.isUnknown() {
			w.str("CAST(")
			w.param(i)
			w.str(" AS ", d, ")")
			return
		}
		w.param(i)
	}
	p.run = func(env *Env) (any, error) {
		if i > len(env.Params) {
			return nil, types.Errorf(types.CodeUndefinedParameter, "there is no parameter $%d", i)
		}
		return env.Params[i-1], nil
	}
	return p
}

// relation finds a relation and gives its token's number.
func (a *analyzer) relation(r *pgquery.RangeVar) *Relation {
	rel := a.findRelation(r)
	if rel == nil {
		name := r.Relname
		if r.Schemaname != "" {
			name = r.Schemaname + "." + name
		}
		a.fail(r.Location, types.CodeUndefinedTable, "relation \"%s\" does not exist", name)
	}
	return rel
}

func (a *analyzer) findRelation(r *pgquery.RangeVar) *Relation {
	if r.Catalogname != "" {
		if db, _ := a.sc.Setting("database"); db != r.Catalogname {
			a.fail(r.Location, types.CodeFeatureNotSupported, "cross-database references are not implemented: \"%s.%s.%s\"",
				r.Catalogname, r.Schemaname, r.Relname)
		}
	}
	if reservedName(r.Relname) {
		return nil
	}
	rel, err := a.sc.Relation(r.Schemaname, r.Relname)
	a.check(r.Location, err)
	return rel
}

func (a *analyzer) relationNumber(rel *Relation) int {
	if i, ok := a.relIndex[rel]; ok {
		return i
	}
	i := len(a.plan.Relations)
	a.relIndex[rel] = i
	a.plan.Relations = append(a.plan.Relations, rel)
	return i
}

// reservedName reports whether a name is one of ours: users may not say it.
func reservedName(s string) bool { return strings.HasPrefix(strings.ToLower(s), "__engram_") }

// freshAlias makes an alias for DuckDB that no other range in the statement has: its names ignore case, and inner
// ones would hide outer ones.
func (a *analyzer) freshAlias(name string) string {
	key := strings.ToLower(name)
	for {
		n := a.aliases[key]
		a.aliases[key] = n + 1
		if n == 0 {
			return name
		}
		name = fmt.Sprintf("%s_%d", key, n)
		key = strings.ToLower(name)
	}
}
