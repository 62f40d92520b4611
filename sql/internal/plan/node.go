package plan

import (
	"slices"
	"strconv"
	"strings"

	"engram/sql/types"
)

// node is a bound expression: its names and types are resolved. It prints itself in DuckDB's dialect and, where Go can
// evaluate it, runs. Printing happens after the whole statement is bound, because parameters get their types late.
type node struct {
	typ       types.Type // OID 0 = DuckDB decides; UnknownOID = an untyped literal or parameter
	kind      nodeKind
	loc       int32
	value     any     // constNode: nil is NULL; an untyped literal holds its string
	param     int     // paramNode: from 1
	col       *colRef // columnNode
	args      []*node // children, for walking
	out       func(*printer)
	run       func(*Env) (any, error) // nil: Go cannot evaluate it
	props     props
	aggregate bool      // is itself the call of an aggregate
	a         *analyzer // paramNode: where its type is
}

type nodeKind uint8

const (
	otherNode nodeKind = iota
	constNode
	paramNode
	columnNode
	rowNode // ROW(...): args are its fields
)

// props say what an expression contains; they rise from children to parents.
type props uint8

const (
	hasAggregate props = 1 << iota
	hasWindow
	hasSet      // a set-returning function
	hasSubquery // also a reference to an outer query
	isVolatile  // may answer differently each time
	hasSession  // prints SessionToken
)

// colRef says which column a columnNode reads.
type colRef struct {
	rte   *rte
	index int // position in rte.cols
}

// Type implements Expr. A parameter's type may be set after the node was made.
func (n *node) Type() types.Type {
	if n.kind == paramNode && n.a != nil {
		if t := n.a.params[n.param-1]; t.OID != 0 {
			return t
		}
		return types.Of(types.UnknownOID)
	}
	return n.typ
}

// Eval implements Expr.
func (n *node) Eval(env *Env) (any, error) {
	if n.run == nil {
		return nil, types.Errorf(types.CodeFeatureNotSupported, "this expression cannot be evaluated here")
	}
	return n.run(env)
}

func (n *node) oid() uint32 { return n.Type().OID }

func (n *node) isUnknown() bool { return n.oid() == types.UnknownOID }

// isNull reports whether the node is the constant NULL.
func (n *node) isNull() bool { return n.kind == constNode && n.value == nil }

// walk visits n and all below it, outermost first, until f says false.
func (n *node) walk(f func(*node) bool) bool {
	if n == nil {
		return true
	}
	if !f(n) {
		return false
	}
	for _, a := range n.args {
		if !a.walk(f) {
			return false
		}
	}
	return true
}

// constant makes a typed constant.
func constant(t types.Type, v any) *node {
	return &node{kind: constNode, typ: t, value: v,
		out: func(p *printer) { p.literal(t, v) },
		run: func(*Env) (any, error) { return v, nil }}
}

// unknownLiteral makes a literal whose type the context will give.
func unknownLiteral(s any, loc int32) *node {
	n := constant(types.Of(types.UnknownOID), s)
	n.loc = loc
	return n
}

// with makes a node over children. run is nil when one of the children cannot run, or when run is nil itself.
func with(t types.Type, loc int32, args []*node, out func(*printer), run func(*Env) (any, error)) *node {
	n := &node{typ: t, loc: loc, args: args, out: out, run: run}
	for _, a := range args {
		if a == nil {
			continue
		}
		n.props |= a.props
		if a.run == nil {
			n.run = nil
		}
	}
	return n
}

// strict makes the run function of a call that answers NULL when an argument is NULL.
func strict(args []*node, f func(env *Env, v []any) (any, error)) func(*Env) (any, error) {
	if f == nil {
		return nil
	}
	return func(env *Env) (any, error) {
		v := make([]any, len(args))
		for i, a := range args {
			x, err := a.run(env)
			if err != nil || x == nil {
				return nil, err
			}
			v[i] = x
		}
		return f(env, v)
	}
}

// lax is strict without the rule about NULL.
func lax(args []*node, f func(env *Env, v []any) (any, error)) func(*Env) (any, error) {
	if f == nil {
		return nil
	}
	return func(env *Env) (any, error) {
		v := make([]any, len(args))
		for i, a := range args {
			x, err := a.run(env)
			if err != nil {
				return nil, err
			}
			v[i] = x
		}
		return f(env, v)
	}
}

// printer collects text in DuckDB's dialect.
type printer struct {
	strings.Builder
	session bool // SessionToken was printed

	renumber bool  // parameters are numbered as they come
	params   []int // what those numbers mean
}

// param prints $n.
func (p *printer) param(n int) {
	if p.renumber {
		i := slices.Index(p.params, n)
		if i < 0 {
			i = len(p.params)
			p.params = append(p.params, n)
		}
		n = i + 1
	}
	p.WriteString(paramText(n))
}

func (p *printer) str(s ...string) {
	for _, x := range s {
		p.WriteString(x)
	}
}

func (p *printer) node(n *node) { n.out(p) }

func (p *printer) list(ns []*node) {
	for i, n := range ns {
		if i > 0 {
			p.WriteString(", ")
		}
		n.out(p)
	}
}

func (p *printer) token() {
	p.session = true
	p.WriteString(SessionToken)
}

// text prints nodes to a string of their own.
func text(n *node) string {
	var p printer
	p.node(n)
	return p.String()
}

// template makes a printing function of a text in which $1, $2 ... stand for the arguments, $* for all of them, $# for all but
// the first and $@ for the session token.
func template(t string, args []*node) func(*printer) {
	return func(p *printer) {
		for i := 0; i < len(t); i++ {
			if t[i] != '$' || i+1 == len(t) {
				p.WriteByte(t[i])
				continue
			}
			i++
			switch c := t[i]; {
			case c == '*':
				p.list(args)
			case c == '#':
				p.list(args[min(1, len(args)):])
			case c == '@':
				p.token()
				if strings.HasPrefix(t[i+1:], ", $*") && len(args) == 0 {
					i += len(", $*")
				}
			case c >= '1' && c <= '9' && int(c-'1') < len(args):
				p.node(args[c-'1'])
			default:
				p.str("$", string(c))
			}
		}
	}
}

// ident quotes a name.
func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// quote makes a string literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// raise is a DuckDB expression that ends the query with an error of a SQLSTATE.
func raise(code, message string) string { return "error(" + quote(raisedPrefix+code+":"+message) + ")" }

func paramText(n int) string { return "$" + strconv.Itoa(n) }

func itoa(n int) string { return strconv.Itoa(n) }
