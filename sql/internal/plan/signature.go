package plan

import (
	"strings"
	"sync"

	"engram/sql/types"
)

// signature is one overload of a function or operator.
type signature struct {
	name     string
	args     []argType
	variadic bool // the last argument may repeat (and be absent)
	ret      argType
	template string
	kind     sigKind
	lax      bool // is called with NULLs
	volatile bool
	run      func(env *Env, args []any) (any, error) // nil: only DuckDB has it
}

type sigKind uint8

const (
	scalarSig  sigKind = iota
	setSig             // returns a set: the template gives a list
	aggSig             // aggregate (also over a window)
	windowSig          // only over a window
	orderedSig         // ordered-set aggregate
)

// argType is a type of a signature: a plain one, or polymorphic.
type argType struct {
	typ  types.Type
	poly string // "any", "anyelement", "anyarray"; in results also "same" (the first argument's type)
}

var shortTypes = map[string]uint32{
	"bool": types.BoolOID, "int2": types.Int2OID, "int4": types.Int4OID, "int8": types.Int8OID, "float4": types.Float4OID,
	"float8": types.Float8OID, "numeric": types.NumericOID, "text": types.TextOID, "name": types.NameOID, "bytea": types.ByteaOID,
	"uuid": types.UUIDOID, "date": types.DateOID, "time": types.TimeOID, "timestamp": types.TimestampOID,
	"timestamptz": types.TimestamptzOID, "interval": types.IntervalOID, "json": types.JSONOID, "jsonb": types.JSONBOID,
	"vector": types.VectorOID, "halfvec": types.HalfvecOID, "varbit": types.VarbitOID, "oid": types.OidOID, "void": types.VoidOID,
	"regclass": types.RegclassOID, "regtype": types.RegtypeOID, "regproc": types.RegprocOID, "record": types.RecordOID,
	"char": types.QCharOID, "bpchar": types.BpcharOID, "xid": types.XidOID, "xid8": types.Xid8OID, "timetz": types.TimetzOID,
	"regrole": types.RegroleOID, "regnamespace": types.RegnamespaceOID, "regprocedure": types.RegprocedureOID,
	"int2vector": types.Int2VectorOID, "oidvector": types.OidVectorOID, "pg_node_tree": types.PgNodeTreeOID,
	"aclitem": types.AclitemOID, "pg_lsn": types.PgLsnOID, "unknown": types.UnknownOID, "regoper": types.RegoperOID,
}

func parseArgType(s string) argType {
	switch s {
	case "any", "anyelement", "anyarray", "same":
		return argType{poly: s}
	}
	elem, isList := strings.CutSuffix(s, "[]")
	oid, ok := shortTypes[elem]
	if !ok {
		panic("plan: unknown type in a signature: " + s)
	}
	t := types.Of(oid)
	if isList {
		t, _ = types.ArrayOf(t)
	}
	return argType{typ: t}
}

// parseSignatures reads a table of signatures, one a line:
//
//	[kind] name(type, type, ...variadic) result[!][~] = template
//
// kind is set, agg, window or ordered; ! means that NULL arguments are passed on, ~ that the answer changes from call to
// call. Several names may stand before the bracket, separated by |.
func parseSignatures(table string, kind sigKind, into map[string][]*signature) {
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		head, tmpl, ok := strings.Cut(line, " = ")
		open, end := strings.IndexByte(head, '('), strings.LastIndexByte(head, ')')
		if !ok || open < 0 || end < open {
			panic("plan: malformed signature: " + line)
		}
		s := signature{template: strings.TrimSpace(tmpl), kind: kind}
		ret := strings.TrimSpace(head[end+1:])
		if r, ok := strings.CutSuffix(ret, "~"); ok {
			ret, s.volatile = r, true
		}
		if r, ok := strings.CutSuffix(ret, "!"); ok {
			ret, s.lax = r, true
		}
		s.ret = parseArgType(ret)
		for arg := range strings.SplitSeq(head[open+1:end], ",") {
			arg = strings.TrimSpace(arg)
			if arg == "" {
				continue
			}
			if r, ok := strings.CutPrefix(arg, "..."); ok {
				arg, s.variadic = r, true
			}
			s.args = append(s.args, parseArgType(arg))
		}
		names := []string{head[:open]}
		if isLetter(head[0]) { // not an operator
			names = strings.Split(head[:open], "|")
		}
		for _, name := range names {
			c := s
			c.name = strings.TrimSpace(name)
			c.run = runOf(&c, head[open:end+1])
			into[c.name] = append(into[c.name], &c)
		}
	}
}

// runOf finds the Go form of a signature: by its name and arguments, by its name alone, or as one of our own functions
// when the template is just a call of it.
func runOf(s *signature, args string) func(*Env, []any) (any, error) {
	if f, ok := goFunctions[s.name+args]; ok {
		return f
	}
	if f, ok := goFunctions[s.name]; ok {
		return f
	}
	call, rest, ok := strings.Cut(s.template, "(")
	if !ok || !strings.HasPrefix(call, "__engram_") || rest != "$*)" && rest != "$@, $*)" && rest != "$1)" && rest != "$1, $2)" && rest != "$@)" {
		return nil
	}
	if f, ok := builtins()[call]; ok {
		return f.Call
	}
	return nil
}

// matchCost says how badly arguments fit a signature; negative: not at all. The order of what counts is that of
// PostgreSQL: exact matches first, then preferred types for what is converted; an untyped literal takes text or what
// its neighbours have.
func (s *signature) matchCost(args []*node) int {
	fixed := len(s.args)
	if s.variadic {
		fixed--
	}
	if len(args) < fixed || !s.variadic && len(args) > fixed {
		return -1
	}
	cost := 0
	var elem types.Type // what anyelement is bound to
	for i, n := range args {
		want := s.args[min(i, len(s.args)-1)]
		c := want.cost(n, &elem)
		if c < 0 {
			return -1
		}
		cost += c
	}
	return cost
}

func (w argType) cost(n *node, elem *types.Type) int {
	from := n.Type()
	switch w.poly {
	case "any":
		return 1
	case "anyarray":
		if n.isUnknown() || from.OID == 0 {
			return 60 // only when nothing else fits
		}
		e, ok := types.ElemOf(from)
		if !ok || !isArray(from) {
			return -1
		}
		if elem.OID != 0 && elem.OID != e.OID && numberRank[elem.OID]*numberRank[e.OID] == 0 && !(isText(elem.OID) && isText(e.OID)) {
			return -1
		}
		if elem.OID == 0 {
			*elem = e
		}
		return 1
	case "anyelement":
		if n.isUnknown() || from.OID == 0 {
			return 1
		}
		if elem.OID != 0 && elem.OID != from.OID && numberRank[elem.OID]*numberRank[from.OID] == 0 && !(isText(elem.OID) && isText(from.OID)) {
			return -1
		}
		if elem.OID == 0 {
			*elem = from
		}
		return 1
	}
	if from.OID == w.typ.OID {
		return 0
	}
	if n.isUnknown() || from.OID == 0 {
		if isText(w.typ.OID) {
			return 3
		}
		return 4
	}
	if !coercible(n, w.typ, implicit) {
		return -1
	}
	d, _ := types.Lookup(w.typ.OID)
	if d != nil && d.Preferred {
		return 10 + numberRank[w.typ.OID]
	}
	return 12 + numberRank[w.typ.OID]
}

// choose picks the overload that fits best; nil when none does.
func choose(sigs []*signature, args []*node) *signature {
	var best *signature
	least := -1
	for _, s := range sigs {
		if c := s.matchCost(args); c >= 0 && (least < 0 || c < least) {
			best, least = s, c
		}
	}
	return best
}

// bind coerces arguments to a signature and gives the result's type.
func (a *analyzer) bind(s *signature, args []*node, loc int32) types.Type {
	elem := a.polyElement(s, args)
	for i, n := range args {
		want := s.args[min(i, len(s.args)-1)]
		t := want.typ
		switch want.poly {
		case "any":
			if n.isUnknown() {
				args[i] = a.coerce(n, types.Of(types.TextOID), implicit, loc)
			}
			continue
		case "anyelement":
			t = elem
		case "anyarray":
			t = n.Type()
			if arr, ok := types.ArrayOf(elem); ok && (n.isUnknown() || t.OID != types.Int2VectorOID && t.OID != types.OidVectorOID) {
				t = arr
			}
			if n.isUnknown() && elem.OID == 0 {
				a.fail(loc, "42P18", "could not determine polymorphic type because input has type unknown")
			}
		}
		args[i] = a.coerce(n, t, implicit, loc)
	}
	switch s.ret.poly {
	case "same":
		if len(args) > 0 {
			return types.Of(args[0].oid())
		}
	case "anyelement":
		return elem
	case "anyarray":
		if arr, ok := types.ArrayOf(elem); ok {
			return types.Of(arr.OID)
		}
		a.fail(loc, types.CodeUndefinedObject, "could not find array type for data type %s", elem)
	case "any":
		return types.Type{Mod: -1}
	}
	return s.ret.typ
}

// polyElement unifies what anyelement and anyarray stand for.
func (a *analyzer) polyElement(s *signature, args []*node) types.Type {
	var all []*node
	for i, n := range args {
		switch s.args[min(i, len(s.args)-1)].poly {
		case "anyelement":
			all = append(all, n)
		case "anyarray":
			if e, ok := types.ElemOf(n.Type()); ok {
				all = append(all, &node{typ: e})
			}
		}
	}
	if len(all) == 0 {
		return types.Type{}
	}
	t := a.commonType(all, "", -1)
	t.Mod = -1
	return t
}

var functionTable = sync.OnceValue(func() map[string][]*signature {
	m := map[string][]*signature{}
	for _, t := range []string{textFunctions, mathFunctions, timeFunctions, arrayFunctions, jsonFunctions, vectorFunctions} {
		parseSignatures(t, scalarSig, m)
	}
	parseSignatures(catalogSignatures(), scalarSig, m)
	parseSignatures(setFunctions, setSig, m)
	parseSignatures(aggregateFunctions, aggSig, m)
	parseSignatures(windowFunctions, windowSig, m)
	parseSignatures(orderedFunctions, orderedSig, m)
	return m
})

var operatorTable = sync.OnceValue(func() map[string][]*signature {
	m := map[string][]*signature{}
	parseSignatures(operators, scalarSig, m)
	return m
})
