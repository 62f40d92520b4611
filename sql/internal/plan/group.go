package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// groupItem is one entry of GROUP BY: an expression, or a grouping set of entries.
type groupItem struct {
	n    *node
	word string // "ROLLUP", "CUBE", "GROUPING SETS", "" for a plain list in brackets
	list []groupItem
	set  bool
}

func (a *analyzer) groupClause(sq *selectQuery, list []*pgquery.Node) []groupItem {
	var out []groupItem
	for _, x := range list {
		out = append(out, a.groupItem(sq, x))
	}
	return out
}

func (a *analyzer) groupItem(sq *selectQuery, x *pgquery.Node) groupItem {
	if g := x.GetGroupingSet(); g != nil {
		words := map[pgquery.GroupingSetKind]string{pgquery.GroupingSetKind_GROUPING_SET_ROLLUP: "ROLLUP",
			pgquery.GroupingSetKind_GROUPING_SET_CUBE: "CUBE", pgquery.GroupingSetKind_GROUPING_SET_SETS: "GROUPING SETS"}
		return groupItem{set: true, word: words[g.Kind], list: a.groupClause(sq, g.Content)}
	}
	if r := x.GetRowExpr(); r != nil && r.RowFormat == pgquery.CoercionForm_COERCE_IMPLICIT_CAST {
		return groupItem{set: true, list: a.groupClause(sq, r.Args)}
	}
	return groupItem{n: a.groupExpr(sq, x)}
}

// groupExpr binds one grouping expression: a position, an input column, an output name, or an expression.
func (a *analyzer) groupExpr(sq *selectQuery, x *pgquery.Node) *node {
	if c := x.GetAConst(); c != nil && c.GetSval() == nil && !c.Isnull && c.GetBoolval() == nil {
		i := int(c.GetIval().GetIval())
		if c.GetFval() != nil || i < 1 || i > len(sq.cols) {
			a.fail(c.Location, "42P10", "GROUP BY position %d is not in select list", i)
		}
		a.settle(sq, i-1)
		return a.groupable(sq.cols[i-1].n)
	}
	if c := x.GetColumnRef(); c != nil && len(c.Fields) == 1 && c.Fields[0].GetString_() != nil {
		name := c.Fields[0].GetString_().Sval
		if n := a.unqualifiedHere(sq.q, name, c.Location); n != nil {
			return a.groupable(n)
		}
		for i, col := range sq.cols {
			if col.name == name {
				a.settle(sq, i)
				return a.groupable(sq.cols[i].n)
			}
		}
	}
	n := a.expr(sq.q, x)
	if n.isUnknown() {
		n = a.coerce(n, types.Of(types.TextOID), implicit, n.loc)
	}
	return a.groupable(n)
}

// unqualifiedHere looks for a column at this level only: an output name comes before an outer query's column.
func (a *analyzer) unqualifiedHere(q *query, name string, loc int32) *node {
	parent := q.parent
	q.parent = nil
	defer func() { q.parent = parent }()
	return a.unqualified(q, name, loc)
}

func (a *analyzer) groupable(n *node) *node {
	a.refuse(n, hasAggregate|hasWindow, "GROUP BY")
	if n.oid() == types.JSONOID {
		a.fail(n.loc, types.CodeUndefinedFunction, "could not identify an equality operator for type json")
	}
	return n
}

// flatGroup lists the grouping expressions, sets opened.
func flatGroup(list []groupItem) []*node {
	var out []*node
	for _, g := range list {
		if g.n != nil {
			out = append(out, g.n)
		}
		out = append(out, flatGroup(g.list)...)
	}
	return out
}

// checkGrouping finds columns that stand outside of aggregates without being grouped by; columns that depend on a grouped
// primary key join the grouping, since DuckDB does not know that they depend.
func (a *analyzer) checkGrouping(sq *selectQuery) {
	var roots []*node
	aggregates := len(sq.group) > 0 || sq.having != nil
	for _, c := range sq.cols {
		roots = append(roots, c.n)
	}
	for _, o := range sq.order {
		if o.position == 0 {
			roots = append(roots, o.n)
		}
	}
	if sq.having != nil {
		roots = append(roots, sq.having)
	}
	for _, r := range roots {
		aggregates = aggregates || r.props&hasAggregate != 0
	}
	if !aggregates {
		return
	}
	grouped := map[string]bool{}
	for _, g := range flatGroup(sq.group) {
		grouped[text(g)] = true
	}
	for _, r := range roots {
		a.ungrouped(sq, r, grouped)
	}
}

func (a *analyzer) ungrouped(sq *selectQuery, root *node, grouped map[string]bool) {
	if root == nil || root.kind == constNode || root.kind == paramNode || grouped[text(root)] || root.props&hasAggregate != 0 && root.isAggregateCall() {
		return
	}
	if root.kind == columnNode && sq.owns(root.col.rte) {
		if a.dependsOnKey(sq, root.col.rte, grouped) {
			sq.group = append(sq.group, groupItem{n: root})
			grouped[text(root)] = true
			return
		}
		c := root.col.rte.cols[root.col.index]
		a.fail(root.loc, types.CodeGroupingError, "column \"%s.%s\" must appear in the GROUP BY clause or be used in an aggregate function",
			root.col.rte.alias, c.name)
	}
	for _, x := range root.args {
		a.ungrouped(sq, x, grouped)
	}
}

func (n *node) isAggregateCall() bool { return n.aggregate }

func (sq *selectQuery) owns(r *rte) bool {
	for _, x := range sq.q.ranges {
		if x == r {
			return true
		}
	}
	for _, v := range sq.q.order {
		if v.rte == r {
			return true
		}
	}
	return false
}

// dependsOnKey reports whether the grouping holds the whole primary key of a relation.
func (a *analyzer) dependsOnKey(sq *selectQuery, r *rte, grouped map[string]bool) bool {
	if r.rel == nil || len(r.rel.PrimaryKey) == 0 {
		return false
	}
	for _, g := range sq.group {
		if g.set {
			return false
		}
	}
	for _, k := range r.rel.PrimaryKey {
		if k >= len(r.cols) || !grouped[text(r.cols[k].make(-1))] {
			return false
		}
	}
	return true
}

func (p *printer) group(list []groupItem) {
	for i, g := range list {
		if i > 0 {
			p.str(", ")
		}
		switch {
		case g.n != nil && g.n.kind == constNode: // a bare number would name a column
			p.str("(")
			p.node(g.n)
			p.str(" IS NULL)")
		case g.n != nil:
			p.node(g.n)
		default:
			p.str(g.word, pick(g.word == "", "", " "), "(")
			p.group(g.list)
			p.str(")")
		}
	}
}
