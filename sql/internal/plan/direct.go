package plan

import (
	"slices"

	"engram/sql/types"
)

// directPlan finds a way for a query that needs no DuckDB; nil when there is none.
func (a *analyzer) directPlan(sq *selectQuery) *DirectPlan {
	if len(sq.ctes) > 0 || sq.left != nil || sq.distinct || len(sq.distinctOn) > 0 || len(sq.group) > 0 || sq.having != nil {
		return nil
	}
	for _, n := range []*node{sq.limit, sq.offset} {
		if n != nil && n.run == nil {
			return nil
		}
	}
	inGo := sq.where == nil || sq.where.run != nil
	if sq.rows != nil {
		return a.directValues(sq)
	}
	for _, c := range sq.cols {
		if c.n.run == nil || c.n.props&(hasAggregate|hasWindow|hasSet|hasSubquery) != 0 {
			return nil
		}
	}
	if len(sq.from) == 0 {
		if len(sq.order) > 0 || !inGo {
			return nil
		}
		v := &Values{Rows: [][]Expr{exprList(sq.cols)}, Filter: asExpr(sq.where), Limit: asExpr(sq.limit), Offset: asExpr(sq.offset)}
		return &DirectPlan{Values: v}
	}
	if len(sq.from) != 1 || sq.from[0].plain == nil || sq.from[0].plain.rel.Kind != Table {
		return nil
	}
	if p := a.pointRead(sq); p != nil && inGo {
		return &DirectPlan{Point: p}
	}
	if k := a.nearest(sq); k != nil {
		return &DirectPlan{KNN: k}
	}
	return nil
}

func (a *analyzer) directValues(sq *selectQuery) *DirectPlan {
	if len(sq.order) > 0 {
		return nil
	}
	v := &Values{Limit: asExpr(sq.limit), Offset: asExpr(sq.offset)}
	for _, r := range sq.rows {
		row := make([]Expr, len(r))
		for i, n := range r {
			if n.run == nil {
				return nil
			}
			row[i] = n
		}
		v.Rows = append(v.Rows, row)
	}
	return &DirectPlan{Values: v}
}

// asExpr keeps a nil node a nil Expr.
func asExpr(n *node) Expr {
	if n == nil {
		return nil
	}
	return n
}

func exprList(cols []*outCol) []Expr {
	out := make([]Expr, len(cols))
	for i, c := range cols {
		out[i] = c.n
	}
	return out
}

// columnsOf lists the positions of columns that nodes read from Env.Row, rising.
func columnsOf(nodes ...*node) []int {
	var out []int
	for _, n := range nodes {
		collectColumns(n, &out)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ColumnsOf lists the positions of the columns that an expression of this package reads from Env.Row, rising.
func ColumnsOf(e Expr) []int {
	switch n := e.(type) {
	case *node:
		return columnsOf(n)
	case keyExpr:
		return columnsOf(n.node)
	}
	return nil
}

func collectColumns(n *node, out *[]int) {
	if n == nil {
		return
	}
	if d, ok := n.value.(*distance); ok && d.given {
		return
	}
	if n.kind == columnNode && !n.col.rte.extra {
		*out = append(*out, n.col.index)
	}
	for _, x := range n.args {
		collectColumns(x, out)
	}
}

func colNodes(cols []*outCol) []*node {
	out := make([]*node, len(cols))
	for i, c := range cols {
		out[i] = c.n
	}
	return out
}

// pointRead recognises WHERE key = ... over the columns of a unique key.
func (a *analyzer) pointRead(sq *selectQuery) *PointRead {
	rel := sq.from[0].plain.rel
	key := findKey(rel, sq.where)
	if key == nil {
		return nil
	}
	nodes := colNodes(sq.cols)
	p := &PointRead{Relation: rel, Unique: key.unique, Key: key.values, Filter: asExpr(key.rest), Project: exprList(sq.cols),
		ProjectColumns: columnsOf(append(nodes, key.rest)...), Limit: asExpr(sq.limit), Offset: asExpr(sq.offset)}
	return p
}

// keyMatch is a unique key that a condition pins down.
type keyMatch struct {
	unique int
	values []Expr
	rest   *node // what else the condition asks; nil = nothing
}

func findKey(rel *Relation, where *node) *keyMatch {
	if where == nil {
		return nil
	}
	terms := splitAnd(where)
	for u, cols := range rel.Uniques {
		if len(cols) == 0 {
			continue
		}
		used := map[int]bool{}
		values := make([]Expr, 0, len(cols))
		for _, c := range cols {
			for i, t := range terms {
				if v := keyValue(t, c, rel); v != nil && !used[i] {
					used[i] = true
					values = append(values, v)
					break
				}
			}
		}
		if len(values) != len(cols) {
			continue
		}
		var rest []*node
		for i, t := range terms {
			if !used[i] {
				rest = append(rest, t)
			}
		}
		m := &keyMatch{unique: u, values: values}
		if len(rest) > 0 {
			m.rest = junction("AND", rest, -1)
		}
		return m
	}
	return nil
}

func splitAnd(n *node) []*node {
	if list, ok := n.value.(conjuncts); ok {
		var out []*node
		for _, t := range list {
			out = append(out, splitAnd(t)...)
		}
		return out
	}
	return []*node{n}
}

// keyValue gives the value that a term demands of a column.
func keyValue(t *node, column int, rel *Relation) Expr {
	e, ok := t.value.(equality)
	if !ok {
		return nil
	}
	for _, s := range [][2]*node{{e.l, e.r}, {e.r, e.l}} {
		col, v := s[0], s[1]
		if col.kind != columnNode || col.col.index != column || col.col.rte.rel != rel || v.run == nil || len(columnsOf(v)) > 0 || v.props&hasSubquery != 0 {
			continue
		}
		ct, vt := rel.Columns[column].Type, v.Type()
		if vt.OID == ct.OID && ct.OID != types.BpcharOID || isInt(vt.OID) && isInt(ct.OID) || isText(vt.OID) && isText(ct.OID) && ct.OID != types.BpcharOID {
			return keyExpr{v, ct}
		}
	}
	return nil
}

// keyExpr is a key's value: an integer that its column cannot hold is found nowhere.
type keyExpr struct {
	*node
	column types.Type
}

func (k keyExpr) Type() types.Type { return k.column }

func (k keyExpr) Eval(env *Env) (any, error) {
	v, err := k.node.run(env)
	if i, ok := v.(int64); ok && isInt(k.column.OID) {
		if lo, hi := intRange(k.column.OID); i < lo || i > hi {
			return nil, err
		}
	}
	return v, err
}

// explainDirect describes a direct plan as EXPLAIN prints it.
func explainDirect(d *DirectPlan) []string {
	switch {
	case d.KNN != nil:
		return explainNearest(d.KNN)
	case d.Point != nil:
		return []string{"Key Lookup on " + d.Point.Relation.Name}
	case len(d.Values.Rows) > 1:
		return []string{"Values Scan"}
	}
	return []string{"Result"}
}
