package plan

import (
	"slices"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// fromItem is one bound entry of FROM. Its ranges and columns are registered in the query.
type fromItem struct {
	out   func(*printer)
	plain *rte // the only range, when it is a plain relation
	// thins are the tables of which a row can be left out without another row coming up for it: those that no outer join fills up.
	thins []*rte
}

func (a *analyzer) fromItem(q *query, n *pgquery.Node) *fromItem {
	a.enter(-1)
	defer a.leave()
	switch v := n.Node.(type) {
	case *pgquery.Node_RangeVar:
		return a.rangeVar(q, v.RangeVar)
	case *pgquery.Node_RangeSubselect:
		return a.rangeSubselect(q, v.RangeSubselect)
	case *pgquery.Node_RangeFunction:
		return a.rangeFunction(q, v.RangeFunction)
	case *pgquery.Node_JoinExpr:
		return a.join(q, v.JoinExpr)
	}
	a.unsupported(-1, statementWords(nodeName(n))+" in FROM")
	return nil
}

// addRange registers a range under its name and shows its columns.
func (a *analyzer) addRange(q *query, r *rte, loc int32) {
	for _, x := range q.ranges {
		if x.alias == r.alias && x.alias != "" && (x.schema == "" || r.schema == "" || x.schema == r.schema) && !q.hides(x) {
			a.fail(loc, types.CodeDuplicateAlias, "table name \"%s\" specified more than once", r.alias)
		}
	}
	q.ranges = append(q.ranges, r)
	for i := range r.cols {
		if !r.cols[i].hidden {
			q.order = append(q.order, visible{r, i})
		}
	}
}

// rename applies the column names of an alias.
func (a *analyzer) rename(r *rte, alias *pgquery.Alias, loc int32) {
	if alias == nil {
		return
	}
	i := 0
	for _, c := range alias.Colnames {
		for i < len(r.cols) && r.cols[i].hidden {
			i++
		}
		if i >= len(r.cols) {
			a.fail(loc, types.CodeInvalidColumnReference, "table \"%s\" has %d columns available but %d columns specified", r.alias, i, len(alias.Colnames))
		}
		r.cols[i].name = c.GetString_().GetSval()
		i++
	}
}

func (a *analyzer) rangeVar(q *query, v *pgquery.RangeVar) *fromItem {
	if v.Schemaname == "" {
		if c := q.findCTE(v.Relname); c != nil {
			return a.rangeCTE(q, c, v)
		}
	}
	rel := a.relation(v)
	r := &rte{alias: v.Relname, schema: rel.Schema, rel: rel}
	if v.Alias != nil {
		r.alias, r.schema = v.Alias.Aliasname, ""
	}
	if rel.Kind == View {
		return a.rangeView(q, rel, r, v)
	}
	r.number = a.relationNumber(rel)
	duck := a.freshAlias(r.alias)
	a.relationColumns(r, duck)
	a.rename(r, v.Alias, v.Location)
	a.addRange(q, r, v.Location)
	token := ident(RelationToken(r.number))
	return &fromItem{plain: r, thins: []*rte{r}, out: func(p *printer) { p.str(token, " AS ", ident(duck)) }}
}

// relationColumns makes the columns of a range over a relation.
func (a *analyzer) relationColumns(r *rte, duck string) {
	r.inRow = r.rel.Kind == Table && !a.noRow
	for i, c := range r.rel.Columns {
		r.cols = append(r.cols, rcol{name: c.Name, typ: c.Type, table: r.rel.OID, att: c.AttNum, hidden: c.Hidden})
		r.cols[i].make = columnOf(r, i, duck, c.Name)
	}
	oid := int64(r.rel.OID)
	r.cols = append(r.cols, rcol{name: "tableoid", typ: types.Of(types.OidOID), hidden: true, make: func(loc int32) *node {
		return constant(types.Of(types.OidOID), oid)
	}})
}

// rangeView expands a view where it stands.
func (a *analyzer) rangeView(q *query, rel *Relation, r *rte, v *pgquery.RangeVar) *fromItem {
	key := rel.Schema + "." + rel.Name
	if slices.Contains(a.views, key) {
		a.fail(v.Location, types.CodeInvalidObjectDefinition, "infinite recursion detected in rules for relation \"%s\"", rel.Name)
	}
	stmts, err := Parse(rel.Definition)
	if err != nil || len(stmts) != 1 || stmts[0].node.GetSelectStmt() == nil {
		a.fail(v.Location, types.CodeInternalError, "the definition of view \"%s\" cannot be read", rel.Name)
	}
	views, inView := a.views, a.inView
	a.views, a.inView = append(slices.Clone(views), key), true
	sub := a.selectQuery(stmts[0].node.GetSelectStmt(), nil, false)
	a.resolveUnknown(sub)
	a.views, a.inView = views, inView
	item := a.subRange(r, sub, false)
	for i := range r.cols {
		if i < len(rel.Columns) {
			r.cols[i].name, r.cols[i].table, r.cols[i].att = rel.Columns[i].Name, rel.OID, rel.Columns[i].AttNum
		}
	}
	a.rename(r, v.Alias, v.Location)
	a.addRange(q, r, v.Location)
	return item
}

// subRange makes a range of a bound query.
func (a *analyzer) subRange(r *rte, sub *selectQuery, lateral bool) *fromItem {
	a.nest(sub)
	duck := a.freshAlias(pick(r.alias == "", "sub", r.alias))
	for i, c := range sub.cols {
		col := rcol{name: c.name, typ: c.n.Type()}
		if c.n.kind == columnNode {
			src := c.n.col.rte.cols[c.n.col.index]
			col.table, col.att = src.table, src.att
		}
		r.cols = append(r.cols, col)
		r.cols[i].make = fieldKeeper(columnOf(r, i, duck, c.duck), c)
	}
	return &fromItem{out: func(p *printer) {
		p.str(pick(lateral, "LATERAL (", "("))
		sub.print(p)
		p.str(") AS ", ident(duck))
	}}
}

// fieldKeeper lets a column of records keep the names of its fields.
func fieldKeeper(read func(int32) *node, c *outCol) func(int32) *node {
	f := c.fields()
	if f == nil {
		return read
	}
	return func(loc int32) *node {
		n := read(loc)
		n.value = f
		return n
	}
}

func (a *analyzer) rangeSubselect(q *query, s *pgquery.RangeSubselect) *fromItem {
	sel := s.Subquery.GetSelectStmt()
	if sel == nil {
		a.unsupported(-1, "this form of subquery in FROM")
	}
	hidden := q.lateral
	if !s.Lateral {
		q.lateral = append(slices.Clone(hidden), q.ranges...)
	}
	sub := a.selectQuery(sel, q, false)
	a.resolveUnknown(sub)
	q.lateral = hidden
	r := &rte{}
	if s.Alias != nil {
		r.alias = s.Alias.Aliasname
	}
	item := a.subRange(r, sub, s.Lateral)
	a.rename(r, s.Alias, -1)
	a.addRange(q, r, -1)
	return item
}

func (a *analyzer) rangeCTE(q *query, c *cte, v *pgquery.RangeVar) *fromItem {
	r := &rte{alias: v.Relname}
	if v.Alias != nil {
		r.alias = v.Alias.Aliasname
	}
	if c.cols == nil && c.busy {
		a.fail(v.Location, "42P19", "recursive reference to query \"%s\" must not appear within its non-recursive term", c.name)
	}
	c.used = true
	duck := a.freshAlias(r.alias)
	for i, col := range c.cols {
		r.cols = append(r.cols, rcol{name: col.name, typ: col.typ, table: col.table, att: col.att})
		read := columnOf(r, i, duck, c.ducks[i])
		if f := c.fields[i]; f != nil {
			plain := read
			read = func(loc int32) *node {
				n := plain(loc)
				n.value = f
				return n
			}
		}
		r.cols[i].make = read
	}
	a.rename(r, v.Alias, v.Location)
	a.addRange(q, r, v.Location)
	return &fromItem{out: func(p *printer) { p.str(ident(c.duck), " AS ", ident(duck)) }}
}

var joinWords = map[pgquery.JoinType]string{pgquery.JoinType_JOIN_INNER: "JOIN", pgquery.JoinType_JOIN_LEFT: "LEFT JOIN",
	pgquery.JoinType_JOIN_RIGHT: "RIGHT JOIN", pgquery.JoinType_JOIN_FULL: "FULL JOIN"}

// join binds a join; USING and NATURAL are written out as conditions, so that their columns mean what PostgreSQL says.
func (a *analyzer) join(q *query, j *pgquery.JoinExpr) *fromItem {
	word, ok := joinWords[j.Jointype]
	if !ok {
		a.unsupported(-1, "this kind of join")
	}
	hidden := q.lateral
	ranges0, order0 := len(q.ranges), len(q.order)
	l := a.fromItem(q, j.Larg)
	order1 := len(q.order)
	r := a.fromItem(q, j.Rarg)
	left, right := slices.Clone(q.order[order0:order1]), slices.Clone(q.order[order1:])
	q.lateral = append(slices.Clone(hidden), q.ranges[:ranges0]...)
	defer func() { q.lateral = hidden }()

	names := make([]string, 0, len(j.UsingClause))
	for _, u := range j.UsingClause {
		names = append(names, u.GetString_().GetSval())
	}
	if j.IsNatural {
		names = commonNames(left, right)
	}
	var on *node
	switch {
	case len(names) > 0:
		on = a.using(q, names, left, right, order0, j.Jointype)
	case j.Quals != nil:
		on = a.refuse(a.condition(q, j.Quals, "JOIN/ON"), hasAggregate|hasWindow|hasSet, "JOIN conditions")
	case j.IsNatural:
		on = constant(boolType, true)
	default:
		word = "CROSS JOIN"
	}
	if j.Alias != nil {
		a.joinAlias(q, j.Alias, ranges0, order0)
	}
	return &fromItem{thins: joinThins(j.Jointype, l, r), out: func(p *printer) {
		p.str("(")
		l.out(p)
		p.str(" ", word, " ")
		r.out(p)
		if on != nil {
			p.str(" ON ")
			p.node(on)
		}
		p.str(")")
	}}
}

func commonNames(left, right []visible) []string {
	var out []string
	for _, l := range left {
		name := l.rte.cols[l.col].name
		for _, r := range right {
			if r.rte.cols[r.col].name == name && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// using makes the condition of USING and lets its columns be seen once, before all others.
func (a *analyzer) using(q *query, names []string, left, right []visible, order0 int, kind pgquery.JoinType) *node {
	merged := &rte{}
	var terms []*node
	drop := map[visible]bool{}
	for _, name := range names {
		l := a.usingColumn(name, left, "left")
		r := a.usingColumn(name, right, "right")
		lc, rc := l.rte.cols[l.col], r.rte.cols[r.col]
		terms = append(terms, a.comparison("=", lc.make(-1), rc.make(-1), -1))
		drop[l], drop[r] = true, true
		col := lc
		switch kind {
		case pgquery.JoinType_JOIN_RIGHT:
			col = rc
		case pgquery.JoinType_JOIN_FULL:
			t := a.commonType([]*node{lc.make(-1), rc.make(-1)}, "JOIN/USING", -1)
			col = rcol{name: name, typ: t, make: func(loc int32) *node {
				args := []*node{a.coerce(lc.make(loc), t, implicit, loc), a.coerce(rc.make(loc), t, implicit, loc)}
				return with(t, loc, args, template("COALESCE($*)", args), nil)
			}}
		}
		col.name = name
		merged.cols = append(merged.cols, col)
	}
	order := slices.Clone(q.order[:order0])
	for i := range merged.cols {
		order = append(order, visible{merged, i})
	}
	for _, v := range append(left, right...) {
		if !drop[v] {
			order = append(order, v)
		}
	}
	q.order = order
	return junction("AND", terms, -1)
}

func (a *analyzer) usingColumn(name string, side []visible, word string) visible {
	found := -1
	for i, v := range side {
		if v.rte.cols[v.col].name == name {
			if found >= 0 {
				a.fail(-1, types.CodeAmbiguousColumn, "common column name \"%s\" appears more than once in %s table", name, word)
			}
			found = i
		}
	}
	if found < 0 {
		a.fail(-1, types.CodeUndefinedColumn, "column \"%s\" specified in USING clause does not exist in %s table", name, word)
	}
	return side[found]
}

// joinAlias names a join: its inner ranges are no longer seen.
func joinThins(kind pgquery.JoinType, l, r *fromItem) []*rte {
	switch kind {
	case pgquery.JoinType_JOIN_INNER:
		return slices.Concat(l.thins, r.thins)
	case pgquery.JoinType_JOIN_LEFT:
		return l.thins
	case pgquery.JoinType_JOIN_RIGHT:
		return r.thins
	}
	return nil
}

func (a *analyzer) joinAlias(q *query, alias *pgquery.Alias, ranges0, order0 int) {
	r := &rte{alias: alias.Aliasname}
	for _, v := range q.order[order0:] {
		r.cols = append(r.cols, v.rte.cols[v.col])
	}
	a.rename(r, alias, -1)
	q.ranges, q.order = q.ranges[:ranges0], q.order[:order0]
	a.addRange(q, r, -1)
}
