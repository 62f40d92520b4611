package plan

import "engram/sql/types"

var distanceOperators = map[string]bool{"<->": true, "<=>": true, "<#>": true, "<+>": true, "<~>": true, "<%>": true}

// distance marks the call of a distance operator. Once it is the order of a nearest-neighbour query, its value comes with
// the hit instead of being computed again.
type distance struct {
	op    string
	l, r  *node
	given bool
	from  string // alias of the hits of a nested search, whose distance it prints
}

func distanceNode_(n *node, op string, args []*node) *node {
	d := &distance{op: op, l: args[0], r: args[1]}
	run, out := n.run, n.out
	n.value = d
	n.out = func(p *printer) {
		if d.from != "" {
			p.str(ident(d.from), `."__engram_dist"`)
			return
		}
		out(p)
	}
	if run == nil {
		return n
	}
	n.run = func(env *Env) (any, error) {
		if d.given {
			return env.Distance, nil
		}
		return run(env)
	}
	return n
}

// nearest recognises ORDER BY column <op> query LIMIT k over one table, whatever its WHERE asks.
func (a *analyzer) nearest(sq *selectQuery) *KNN {
	if len(sq.order) != 1 || sq.limit == nil || sq.order[0].desc || sq.order[0].nullsFirst {
		return nil
	}
	d, ok := sq.order[0].n.value.(*distance)
	if !ok {
		return nil
	}
	col, query := bare(d.l), d.r
	if col.kind != columnNode {
		col, query = bare(d.r), d.l
	}
	if col.kind != columnNode || query.run == nil || len(columnsOf(query)) > 0 || query.props&hasSubquery != 0 {
		return nil
	}
	key := text(sq.order[0].n)
	for _, root := range append(colNodes(sq.cols), sq.order[0].n) {
		root.walk(func(n *node) bool {
			if x, ok := n.value.(*distance); ok && text(n) == key {
				x.given = true
			}
			return true
		})
	}
	k := &KNN{Relation: col.col.rte.rel, Column: col.col.index, Op: d.op, Query: query, Limit: asExpr(sq.limit), Offset: asExpr(sq.offset),
		Project: exprList(sq.cols), ProjectColumns: columnsOf(colNodes(sq.cols)...)}
	for _, n := range colNodes(sq.cols) {
		n.walk(func(n *node) bool {
			x, ok := n.value.(*distance)
			k.ShowsDistance = k.ShowsDistance || ok && x.given
			return true
		})
	}
	a.relationNumber(k.Relation)
	if sq.where != nil {
		k.Filter = a.rowFilter(sq)
	}
	return k
}

// bare is the column under the cast that a halfvec needs to be compared, which changes no value; else the node itself.
func bare(n *node) *node {
	if n.kind != columnNode && len(n.args) == 1 && n.args[0].kind == columnNode && n.oid() == types.VectorOID && n.args[0].oid() == types.HalfvecOID {
		return n.args[0]
	}
	return n
}

// rowFilter describes a WHERE for those who look for the rows that it lets through.
func (a *analyzer) rowFilter(sq *selectQuery) *RowFilter {
	f := &RowFilter{Text: text(sq.where), Volatile: sq.where.props&(isVolatile|hasSession) != 0, Subquery: sq.where.props&hasSubquery != 0}
	if sq.where.run != nil {
		f.Cond, f.Columns = sq.where, columnsOf(sq.where)
	}
	for _, t := range splitAnd(sq.where) {
		if k := keySet(t, sq.from[0].plain.rel); k != nil {
			f.Keys = k
			break
		}
	}
	p := printer{renumber: true}
	p.str("SELECT ", ident(RowIDColumn), " FROM ")
	sq.from[0].out(&p)
	p.str(" WHERE ")
	p.node(sq.where)
	f.SQL, f.Params = p.String(), p.params
	return f
}

// oneOf marks l IN (items) and l = ANY (array).
type oneOf struct {
	l     *node
	items []*node
	array *node
}

// keySet recognises a condition that pins a unique key of one column to some values.
func keySet(t *node, rel *Relation) *KeySet {
	m, ok := t.value.(oneOf)
	if e, is := t.value.(equality); is {
		m, ok = oneOf{e.l, []*node{e.r}, nil}, true
		if m.l.kind != columnNode {
			m.l, m.items[0] = e.r, e.l
		}
	}
	if !ok || m.l.kind != columnNode || m.l.col.rte.rel != rel || m.l.props&hasSubquery != 0 {
		return nil
	}
	fixed := func(n *node) bool {
		return n.run != nil && len(columnsOf(n)) == 0 && n.props&(hasSubquery|isVolatile) == 0
	}
	for u, cols := range rel.Uniques {
		if len(cols) != 1 || cols[0] != m.l.col.index {
			continue
		}
		ct := rel.Columns[cols[0]].Type
		if m.array != nil {
			if elem, _ := types.ElemOf(m.array.Type()); fixed(m.array) && keyType(elem.OID, ct.OID) {
				return &KeySet{Unique: u, Array: m.array}
			}
			continue
		}
		k := &KeySet{Unique: u}
		for _, it := range m.items {
			if fixed(it) && keyType(it.oid(), ct.OID) {
				k.Values = append(k.Values, it)
			}
		}
		if len(k.Values) == len(m.items) {
			return k
		}
	}
	return nil
}

// keyType reports whether every value of one type is one of a key's.
func keyType(value, key uint32) bool {
	if isInt(value) && isInt(key) {
		lo, _ := intRange(value)
		least, _ := intRange(key)
		return lo >= least
	}
	return value == key && key != types.BpcharOID || isText(value) && isText(key) && key != types.BpcharOID
}

// explainNearest describes a nearest-neighbour query as EXPLAIN prints it.
func explainNearest(k *KNN) []string {
	lines := []string{"Limit", "  ->  Vector Search on " + k.Relation.Name, "        Order By: (" + ident(k.Relation.Columns[k.Column].Name) + " " + k.Op + " query)"}
	if k.Filter != nil {
		lines = append(lines, "        Filter: "+k.Filter.Text)
	}
	return lines
}
