package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// sortItem is one ORDER BY entry. position > 0 names an output column.
type sortItem struct {
	n          *node
	position   int
	desc       bool
	nullsFirst bool
}

// sortList binds ORDER BY inside of an aggregate or a window; sel is nil there, since output names mean nothing.
func (a *analyzer) sortList(q *query, list []*pgquery.Node, sel *selectQuery) []sortItem {
	out := make([]sortItem, 0, len(list))
	for _, x := range list {
		by := x.GetSortBy()
		if by == nil {
			a.unsupported(-1, "this form of ORDER BY")
		}
		it := sortItem{}
		if sel != nil {
			it = a.outputItem(q, by.Node, sel)
		} else {
			it.n = a.expr(q, by.Node)
			if it.n.isUnknown() {
				it.n = a.coerce(it.n, types.Of(types.TextOID), implicit, it.n.loc)
			}
		}
		a.sortOrder(&it, by)
		if it.n != nil && it.n.oid() == types.JSONOID {
			panic(a.at(it.n.loc, types.Errorf(types.CodeUndefinedFunction, "could not identify an ordering operator for type %s", it.n.Type()).
				WithHint("Use an explicit ordering operator or modify the query.")))
		}
		if it.n != nil && it.n.oid() == types.JSONBOID {
			a.unsupported(it.n.loc, "ordering by jsonb") // its texts do not sort as PostgreSQL sorts its values
		}
		out = append(out, it)
	}
	return out
}

func (a *analyzer) sortOrder(it *sortItem, by *pgquery.SortBy) {
	it.desc = by.SortbyDir == pgquery.SortByDir_SORTBY_DESC
	if by.SortbyDir == pgquery.SortByDir_SORTBY_USING {
		switch op := a.operatorName(by.UseOp, by.Location); op {
		case "<":
		case ">":
			it.desc = true
		default:
			a.fail(by.Location, types.CodeWrongObjectType, "operator %s is not a valid ordering operator", op)
		}
	}
	switch by.SortbyNulls {
	case pgquery.SortByNulls_SORTBY_NULLS_FIRST:
		it.nullsFirst = true
	case pgquery.SortByNulls_SORTBY_NULLS_LAST:
	default:
		it.nullsFirst = it.desc
	}
}

func (p *printer) sort(list []sortItem) {
	for i, it := range list {
		p.str(pick(i == 0, " ORDER BY ", ", "))
		if it.position > 0 {
			p.str(itoa(it.position))
		} else {
			p.node(it.n)
		}
		p.str(pick(it.desc, " DESC", ""), pick(it.nullsFirst, " NULLS FIRST", " NULLS LAST"))
	}
}

// windowOver is an OVER clause or a WINDOW definition.
type windowOver struct {
	base      *windowOver
	partition []*node
	order     []sortItem
	options   int32
	start     *node
	end       *node
}

func (w *windowOver) nodes() []*node {
	if w == nil {
		return nil
	}
	out := append([]*node{}, w.partition...)
	for _, o := range w.order {
		out = append(out, o.n)
	}
	for _, x := range []*node{w.start, w.end} {
		if x != nil {
			out = append(out, x)
		}
	}
	return append(out, w.base.nodes()...)
}

// Bits of WindowDef.FrameOptions.
const (
	frameNonDefault     = 0x00001
	frameRange          = 0x00002
	frameRows           = 0x00004
	frameGroups         = 0x00008
	frameBetween        = 0x00010
	frameStartUnbPrec   = 0x00020
	frameEndUnbFollow   = 0x00100
	frameStartCurrent   = 0x00200
	frameEndCurrent     = 0x00400
	frameStartPreceding = 0x00800
	frameEndPreceding   = 0x01000
	frameStartFollowing = 0x02000
	frameEndFollowing   = 0x04000
	frameExcludeCurrent = 0x08000
	frameExcludeGroup   = 0x10000
	frameExcludeTies    = 0x20000
)

// window binds an OVER clause; named windows of the SELECT are written out where they are used.
func (a *analyzer) window(q *query, d *pgquery.WindowDef) *windowOver {
	if d.Name != "" {
		w := q.windowNamed(d.Name)
		if w == nil {
			a.fail(d.Location, types.CodeUndefinedObject, "window \"%s\" does not exist", d.Name)
		}
		return w
	}
	return a.windowDefinition(q, d)
}

func (q *query) windowNamed(name string) *windowOver {
	for ; q != nil; q = q.parent {
		if w, ok := q.windows[name]; ok {
			return w
		}
	}
	return nil
}

func (a *analyzer) windowDefinition(q *query, d *pgquery.WindowDef) *windowOver {
	w := &windowOver{options: d.FrameOptions}
	if d.Refname != "" {
		w.base = q.windowNamed(d.Refname)
		if w.base == nil {
			a.fail(d.Location, types.CodeUndefinedObject, "window \"%s\" does not exist", d.Refname)
		}
		if len(d.PartitionClause) > 0 {
			a.fail(d.Location, types.CodeWindowingError, "cannot override PARTITION BY clause of window \"%s\"", d.Refname)
		}
	}
	w.partition = a.exprs(q, d.PartitionClause)
	for i, x := range w.partition {
		if x.isUnknown() {
			w.partition[i] = a.coerce(x, types.Of(types.TextOID), implicit, x.loc)
		}
	}
	w.order = a.sortList(q, d.OrderClause, nil)
	for _, x := range w.nodes() {
		a.refuse(x, hasWindow, "window definitions")
	}
	offset := func(n *pgquery.Node) *node {
		if n == nil {
			return nil
		}
		e := a.expr(q, n)
		if d.FrameOptions&(frameRows|frameGroups) != 0 {
			return a.coerce(e, types.Of(types.Int8OID), implicit, e.loc)
		}
		if e.isUnknown() && len(w.order) == 1 {
			t := w.order[0].n.Type()
			if isMoment(t.OID) {
				t = types.Of(types.IntervalOID)
			}
			e = a.coerce(e, types.Of(t.OID), implicit, e.loc)
		}
		return e
	}
	w.start, w.end = offset(d.StartOffset), offset(d.EndOffset)
	return w
}

func (p *printer) over(w *windowOver) {
	p.str("(")
	partition, order := w.partition, w.order
	for b := w.base; b != nil; b = b.base {
		partition = append(append([]*node{}, b.partition...), partition...)
		order = append(append([]sortItem{}, b.order...), order...)
	}
	if len(partition) > 0 {
		p.str("PARTITION BY ")
		p.list(partition)
	}
	p.sort(order)
	if w.options&frameNonDefault != 0 {
		p.frame(w)
	}
	p.str(")")
}

func (p *printer) frame(w *windowOver) {
	o := w.options
	p.str(pick(o&frameRows != 0, " ROWS", pick(o&frameGroups != 0, " GROUPS", " RANGE")), " BETWEEN ")
	bound := func(unbounded, current, preceding bool, n *node) {
		switch {
		case unbounded:
			p.str(pick(preceding, "UNBOUNDED PRECEDING", "UNBOUNDED FOLLOWING"))
		case current:
			p.str("CURRENT ROW")
		default:
			p.node(n)
			p.str(pick(preceding, " PRECEDING", " FOLLOWING"))
		}
	}
	bound(o&frameStartUnbPrec != 0, o&frameStartCurrent != 0, o&frameStartUnbPrec != 0 || o&frameStartPreceding != 0, w.start)
	p.str(" AND ")
	if o&frameBetween == 0 {
		p.str("CURRENT ROW")
	} else {
		bound(o&frameEndUnbFollow != 0, o&frameEndCurrent != 0, o&frameEndPreceding != 0, w.end)
	}
	switch {
	case o&frameExcludeCurrent != 0:
		p.str(" EXCLUDE CURRENT ROW")
	case o&frameExcludeGroup != 0:
		p.str(" EXCLUDE GROUP")
	case o&frameExcludeTies != 0:
		p.str(" EXCLUDE TIES")
	}
}
