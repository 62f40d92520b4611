package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// boundSet is one bound assignment.
type boundSet struct {
	item SetItem
	n    *node // nil for DEFAULT
}

// setItems binds the assignments of UPDATE and of ON CONFLICT DO UPDATE.
func (a *analyzer) setItems(q *query, rel *Relation, list []*pgquery.Node) []boundSet {
	var out []boundSet
	seen := map[int]bool{}
	for _, x := range list {
		t := x.GetResTarget()
		if len(t.Indirection) > 0 {
			a.unsupported(t.Location, "assigning to a part of a column")
		}
		i := a.columnIndex(rel, t.Name, t.Location)
		if seen[i] {
			a.fail(t.Location, types.CodeSyntaxError, "multiple assignments to same column \"%s\"", t.Name)
		}
		seen[i] = true
		b := boundSet{item: SetItem{Column: i}}
		val := t.Val
		if m := val.GetMultiAssignRef(); m != nil {
			val = a.multiAssign(q, m, &b, rel.Columns[i])
		}
		switch {
		case b.n != nil:
		case val.GetSetToDefault() != nil:
			b.item.Default = true
		default:
			b.n = a.assign(a.expr(q, val), rel.Columns[i])
		}
		if rel.Columns[i].Always && !b.item.Default {
			panic(a.at(t.Location, types.Errorf(types.CodeGeneratedAlways, "column \"%s\" can only be updated to DEFAULT", t.Name).
				WithDetail("Column \"%s\" is an identity column defined as GENERATED ALWAYS.", t.Name)))
		}
		out = append(out, b)
	}
	return out
}

// multiAssign takes one value out of (a, b) = (..., ...).
func (a *analyzer) multiAssign(q *query, m *pgquery.MultiAssignRef, b *boundSet, col RelColumn) *pgquery.Node {
	if r := m.Source.GetRowExpr(); r != nil {
		if len(r.Args) != int(m.Ncolumns) {
			a.fail(r.Location, types.CodeSyntaxError, "number of columns does not match number of values")
		}
		return r.Args[m.Colno-1]
	}
	s := m.Source.GetSubLink()
	if s == nil || s.Subselect.GetSelectStmt() == nil {
		a.fail(-1, types.CodeFeatureNotSupported, "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression")
	}
	sub := a.selectQuery(s.Subselect.GetSelectStmt(), q, false)
	if len(sub.cols) != int(m.Ncolumns) {
		a.fail(s.Location, types.CodeSyntaxError, "number of columns does not match number of values")
	}
	i := int(m.Colno - 1)
	a.checkAssignable(sub.cols[i].n, col)
	a.coerceColumn(sub, i, col.Type, assignment)
	a.resolveUnknown(sub)
	b.n = a.subNode(col.Type, s.Location, nil, func(p *printer) {
		p.str("(SELECT ", ident(sub.cols[i].duck), " FROM (")
		sub.print(p)
		p.str("))")
	})
	return nil
}

func (a *analyzer) update(s *pgquery.UpdateStmt) {
	rel := a.writable(s.Relation, "update")
	d := &DMLPlan{Op: Update, Relation: rel}
	c := a.startChange(d, s.Relation, s.WithClause, s.FromClause)
	items := a.setItems(c.sq.q, rel, s.TargetList)
	if s.WhereClause != nil {
		c.sq.where = a.refuse(a.condition(c.sq.q, s.WhereClause, "WHERE"), hasAggregate|hasWindow|hasSet, "WHERE")
	}
	pure := true
	for _, it := range items {
		pure = pure && (it.n == nil || it.n.run != nil)
	}
	point := c.pointKey(pure)
	for _, it := range items {
		if point {
			it.item.Expr = asExpr(it.n)
		} else if it.n != nil {
			c.sq.cols = append(c.sq.cols, &outCol{name: rel.Columns[it.item.Column].Name, n: it.n})
		}
		d.Set = append(d.Set, it.item)
	}
	c.finish(s.ReturningList)
	a.plan.Explain = append([]string{"Update on " + rel.Name}, c.explain()...)
}

func (a *analyzer) delete(s *pgquery.DeleteStmt) {
	rel := a.writable(s.Relation, "delete from")
	d := &DMLPlan{Op: Delete, Relation: rel}
	c := a.startChange(d, s.Relation, s.WithClause, s.UsingClause)
	if s.WhereClause != nil {
		c.sq.where = a.refuse(a.condition(c.sq.q, s.WhereClause, "WHERE"), hasAggregate|hasWindow|hasSet, "WHERE")
	}
	c.pointKey(true)
	c.finish(s.ReturningList)
	a.plan.Explain = append([]string{"Delete on " + rel.Name}, c.explain()...)
}

// change is an UPDATE or DELETE being bound: its source is a query over the target and the FROM list.
type change struct {
	a      *analyzer
	d      *DMLPlan
	sq     *selectQuery
	target *rte
	duck   string
	alone  bool // no FROM, no WITH
}

func (a *analyzer) startChange(d *DMLPlan, v *pgquery.RangeVar, w *pgquery.WithClause, from []*pgquery.Node) *change {
	a.plan.DML = d
	c := &change{a: a, d: d, sq: &selectQuery{q: &query{}}, alone: w == nil && len(from) == 0}
	if w != nil {
		a.noRow = true
		a.withClause(c.sq, w)
		a.noRow = false
	}
	c.target, c.duck = a.targetRange(c.sq.q, d.Relation, v)
	token, duck := ident(RelationToken(c.target.number)), c.duck
	c.sq.from = append(c.sq.from, &fromItem{plain: c.target, out: func(p *printer) { p.str(token, " AS ", ident(duck)) }})
	a.noRow = true
	for _, f := range from {
		c.sq.from = append(c.sq.from, a.fromItem(c.sq.q, f))
	}
	a.noRow = false
	rowid := &node{typ: types.Of(types.Int8OID), out: func(p *printer) { p.str(ident(duck), ".", ident(RowIDColumn)) }}
	c.sq.cols = append(c.sq.cols, &outCol{name: RowIDColumn, n: rowid})
	return c
}

// pointKey takes the short way when the condition pins a unique key down and Go can evaluate everything.
func (c *change) pointKey(pure bool) bool {
	if !c.alone || !pure || c.sq.where == nil || c.sq.where.run == nil {
		return false
	}
	key := findKey(c.d.Relation, c.sq.where)
	if key == nil {
		return false
	}
	c.d.Point = &PointKey{Unique: key.unique, Key: key.values, Filter: asExpr(key.rest)}
	return true
}

// finish binds RETURNING, then prints the source: RETURNING may add columns to it.
func (c *change) finish(list []*pgquery.Node) {
	var extras []*node
	for _, r := range c.sq.q.ranges {
		if r == c.target {
			continue
		}
		for i := range r.cols {
			read := r.cols[i].make
			r.cols[i].make = func(loc int32) *node {
				n := *read(loc)
				k := len(extras)
				original := n
				extras = append(extras, &original)
				n.out = func(p *printer) { p.str(ident(c.duck), ".", ident("__engram_extra_"+itoa(k))) }
				n.run = func(env *Env) (any, error) { return at(env.Extra, k) }
				return &n
			}
		}
	}
	c.a.returning(c.d, c.sq.q, c.target, c.duck, list)
	for _, x := range extras {
		c.d.ExtraTypes = append(c.d.ExtraTypes, x.Type())
		c.sq.cols = append(c.sq.cols, &outCol{name: "extra", n: x})
	}
	c.d.ExtraColumns = len(extras)
	if c.d.Point == nil {
		c.a.duckNames(c.sq)
		c.a.printSource(c.sq)
	}
}

func (c *change) explain() []string {
	if c.d.Point != nil {
		return []string{"  ->  Key Lookup on " + c.d.Relation.Name}
	}
	var out []string
	for _, r := range c.a.plan.Relations {
		out = append(out, "  ->  Scan on "+r.Name)
	}
	return out
}

// returning binds RETURNING over the written row.
func (a *analyzer) returning(d *DMLPlan, q *query, r *rte, duck string, list []*pgquery.Node) {
	if len(list) == 0 {
		return
	}
	sq := &selectQuery{q: q}
	for _, t := range list {
		a.target(sq, t.GetResTarget())
	}
	pure := true
	for i, c := range sq.cols {
		a.refuse(c.n, hasAggregate|hasWindow|hasSet, "RETURNING")
		a.settle(sq, i)
		pure = pure && sq.cols[i].n.run != nil
	}
	a.duckNames(sq)
	a.outputColumns(sq)
	if pure {
		d.Returning = exprList(sq.cols)
		return
	}
	sq.from = []*fromItem{{out: func(p *printer) { p.str(ident(ReturningRelation), " AS ", ident(duck)) }}}
	ord := &node{typ: types.Of(types.Int8OID), out: func(p *printer) { p.str(ident(duck), ".", ident("__engram_ord")) }}
	sq.order = []sortItem{{n: ord}}
	var p printer
	sq.print(&p)
	d.ReturningSQL, d.ReturningRelations = p.String(), a.plan.Relations
	a.plan.Session = a.plan.Session || p.session
}
