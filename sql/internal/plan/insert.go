package plan

import (
	"slices"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// writable finds the relation that a statement changes.
func (a *analyzer) writable(v *pgquery.RangeVar, verb string) *Relation {
	rel := a.relation(v)
	switch rel.Kind {
	case Catalog:
		a.fail(v.Location, types.CodeInsufficientPrivilege, "permission denied: \"%s\" is a system catalog", rel.Name)
	case View:
		a.fail(v.Location, types.CodeFeatureNotSupported, "cannot %s view \"%s\"", verb, rel.Name)
	}
	a.plan.Road, a.plan.Writes = RoadDML, true
	return rel
}

// targetRange makes the range of the relation that a statement changes.
func (a *analyzer) targetRange(q *query, rel *Relation, v *pgquery.RangeVar) (r *rte, duck string) {
	r = &rte{alias: v.Relname, schema: rel.Schema, rel: rel, number: a.relationNumber(rel)}
	if v.Alias != nil {
		r.alias, r.schema = v.Alias.Aliasname, ""
	}
	duck = a.freshAlias(r.alias)
	a.relationColumns(r, duck)
	a.rename(r, v.Alias, v.Location)
	a.addRange(q, r, v.Location)
	return r, duck
}

func (a *analyzer) insert(s *pgquery.InsertStmt) {
	rel := a.writable(s.Relation, "insert into")
	d := &DMLPlan{Op: Insert, Relation: rel}
	a.plan.DML = d
	d.Overriding = map[pgquery.OverridingKind]Overriding{pgquery.OverridingKind_OVERRIDING_SYSTEM_VALUE: OverridingSystem,
		pgquery.OverridingKind_OVERRIDING_USER_VALUE: OverridingUser}[s.Override]
	d.Targets = a.insertTargets(rel, s.Cols)
	a.insertSource(d, s)
	if s.OnConflictClause != nil {
		d.Conflict = a.onConflict(rel, s.Relation, s.OnConflictClause)
	}
	q := &query{}
	r, duck := a.targetRange(q, rel, s.Relation)
	a.returning(d, q, r, duck, s.ReturningList)
	a.plan.Explain = []string{"Insert on " + rel.Name}
}

// insertTargets resolves the column list; without one all columns are meant.
func (a *analyzer) insertTargets(rel *Relation, cols []*pgquery.Node) []int {
	var out []int
	if len(cols) == 0 {
		for i, c := range rel.Columns {
			if !c.Hidden {
				out = append(out, i)
			}
		}
		return out
	}
	for _, c := range cols {
		t := c.GetResTarget()
		if len(t.Indirection) > 0 {
			a.unsupported(t.Location, "assigning to a part of a column")
		}
		i := a.columnIndex(rel, t.Name, t.Location)
		if slices.Contains(out, i) {
			a.fail(t.Location, types.CodeDuplicateColumn, "column \"%s\" specified more than once", t.Name)
		}
		out = append(out, i)
	}
	return out
}

func (a *analyzer) columnIndex(rel *Relation, name string, loc int32) int {
	for i, c := range rel.Columns {
		if c.Name == name && !reservedName(name) {
			return i
		}
	}
	a.fail(loc, types.CodeUndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", name, rel.Name)
	return -1
}

func (a *analyzer) insertSource(d *DMLPlan, s *pgquery.InsertStmt) {
	sel := s.SelectStmt.GetSelectStmt()
	if sel == nil { // DEFAULT VALUES
		d.Targets, d.Rows = nil, [][]Expr{{}}
		return
	}
	if len(sel.ValuesLists) > 0 && sel.WithClause == nil && s.WithClause == nil && len(sel.SortClause) == 0 && sel.LimitCount == nil && sel.LimitOffset == nil {
		a.insertValues(d, s, sel)
		return
	}
	if s.WithClause != nil {
		if sel.WithClause != nil {
			a.unsupported(-1, "a second WITH clause in INSERT")
		}
		sel.WithClause = s.WithClause
		defer func() { sel.WithClause = nil }()
	}
	a.noRow = true
	sq := a.selectQuery(sel, nil, false)
	a.noRow = false
	a.checkWidth(d, len(sq.cols), len(s.Cols) > 0)
	for i, t := range d.Targets {
		col := d.Relation.Columns[t]
		a.checkAlways(d, t, false)
		a.checkAssignable(sq.cols[i].n, col)
		a.coerceColumn(sq, i, col.Type, assignment)
	}
	a.printSource(sq)
}

func (a *analyzer) printSource(sq *selectQuery) {
	var p printer
	sq.print(&p)
	a.plan.DuckSQL, a.plan.Session = p.String(), p.session
}

// checkWidth compares the source's width with the targets'; without a column list the first columns are meant.
func (a *analyzer) checkWidth(d *DMLPlan, n int, named bool) {
	if n > len(d.Targets) {
		a.fail(-1, types.CodeSyntaxError, "INSERT has more expressions than target columns")
	}
	if n < len(d.Targets) {
		if named {
			a.fail(-1, types.CodeSyntaxError, "INSERT has more target columns than expressions")
		}
		d.Targets = d.Targets[:n]
	}
}

func (a *analyzer) checkAlways(d *DMLPlan, column int, isDefault bool) {
	c := d.Relation.Columns[column]
	if c.Always && !isDefault && d.Overriding == OverridingNone {
		panic(types.Errorf(types.CodeGeneratedAlways, "cannot insert a non-DEFAULT value into column \"%s\"", c.Name).
			WithDetail("Column \"%s\" is an identity column defined as GENERATED ALWAYS.", c.Name).
			WithHint("Use OVERRIDING SYSTEM VALUE to override."))
	}
}

func (a *analyzer) checkAssignable(n *node, c RelColumn) {
	if n.isUnknown() || coercible(n, c.Type, assignment) {
		return
	}
	panic(a.at(n.loc, types.Errorf(types.CodeDatatypeMismatch, "column \"%s\" is of type %s but expression is of type %s", c.Name, c.Type, n.Type()).
		WithHint("You will need to rewrite or cast the expression.")))
}

// assign coerces an expression to a column.
func (a *analyzer) assign(n *node, c RelColumn) *node {
	a.refuse(n, hasAggregate|hasWindow|hasSet, "VALUES")
	a.checkAssignable(n, c)
	return a.coerce(n, c.Type, assignment, n.loc)
}

// insertValues binds VALUES lists: as rows of expressions when Go can evaluate them all, else as a query.
func (a *analyzer) insertValues(d *DMLPlan, s *pgquery.InsertStmt, sel *pgquery.SelectStmt) {
	var rows [][]*node
	pure := true
	for _, l := range sel.ValuesLists {
		items := l.GetList().GetItems()
		if len(rows) == 0 {
			a.checkWidth(d, len(items), len(s.Cols) > 0)
		}
		if len(items) != len(d.Targets) {
			a.fail(-1, types.CodeSyntaxError, "VALUES lists must all be the same length")
		}
		row := make([]*node, len(items))
		for i, x := range items {
			isDefault := x.GetSetToDefault() != nil
			a.checkAlways(d, d.Targets[i], isDefault)
			if isDefault {
				continue
			}
			row[i] = a.assign(a.expr(&query{}, x), d.Relation.Columns[d.Targets[i]])
			pure = pure && row[i].run != nil
		}
		rows = append(rows, row)
	}
	if pure {
		for _, r := range rows {
			out := make([]Expr, len(r))
			for i, n := range r {
				out[i] = asExpr(n)
			}
			d.Rows = append(d.Rows, out)
		}
		return
	}
	a.valuesQuery(d, rows)
}

// valuesQuery turns VALUES that Go cannot evaluate into a query. A column that is DEFAULT in all rows is left out.
func (a *analyzer) valuesQuery(d *DMLPlan, rows [][]*node) {
	keep := d.Targets[:0:0]
	sq := &selectQuery{q: &query{}, rows: make([][]*node, len(rows))}
	for i, t := range d.Targets {
		defaults := 0
		for _, r := range rows {
			defaults += pick(r[i] == nil, 1, 0)
		}
		if defaults == len(rows) {
			continue
		}
		if defaults > 0 {
			a.unsupported(-1, "DEFAULT beside subqueries in the VALUES of several rows")
		}
		keep = append(keep, t)
		for j, r := range rows {
			sq.rows[j] = append(sq.rows[j], r[i])
		}
		sq.cols = append(sq.cols, &outCol{name: d.Relation.Columns[t].Name, n: rows[0][i]})
	}
	d.Targets = keep
	a.duckNames(sq)
	a.printSource(sq)
}

// onConflict binds ON CONFLICT: its expressions see the row that stands, and the one to be inserted as excluded.
func (a *analyzer) onConflict(rel *Relation, v *pgquery.RangeVar, o *pgquery.OnConflictClause) *Conflict {
	c := &Conflict{Unique: -1, Nothing: o.Action == pgquery.OnConflictAction_ONCONFLICT_NOTHING}
	if o.Infer != nil {
		c.Unique = a.inferUnique(rel, o.Infer)
	}
	if c.Nothing {
		return c
	}
	if o.Infer == nil {
		panic(a.at(o.Location, types.Errorf(types.CodeSyntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name").
			WithHint("For example, ON CONFLICT (column_name).")))
	}
	q := &query{}
	a.targetRange(q, rel, v)
	ex := &rte{alias: "excluded", rel: rel, extra: true}
	for i, col := range rel.Columns {
		ex.cols = append(ex.cols, rcol{name: col.Name, typ: col.Type, hidden: col.Hidden})
		ex.cols[i].make = columnOf(ex, i, "excluded", col.Name)
	}
	q.ranges = append(q.ranges, ex) // only by its name: its columns do not make others ambiguous
	for _, it := range a.setItems(q, rel, o.TargetList) {
		if !it.item.Default && it.n.run == nil {
			a.unsupported(it.n.loc, "this expression in ON CONFLICT DO UPDATE")
		}
		it.item.Expr = asExpr(it.n)
		c.Set = append(c.Set, it.item)
	}
	if o.WhereClause != nil {
		w := a.condition(q, o.WhereClause, "WHERE")
		if w.run == nil {
			a.unsupported(w.loc, "this condition in ON CONFLICT DO UPDATE")
		}
		c.Where = w
	}
	return c
}

func (a *analyzer) inferUnique(rel *Relation, inf *pgquery.InferClause) int {
	if inf.Conname != "" {
		if i := slices.Index(rel.UniqueNames, inf.Conname); i >= 0 {
			return i
		}
		a.fail(-1, types.CodeUndefinedObject, "constraint \"%s\" for table \"%s\" does not exist", inf.Conname, rel.Name)
	}
	var want []int
	for _, e := range inf.IndexElems {
		el := e.GetIndexElem()
		if el == nil || el.Name == "" {
			a.unsupported(inf.Location, "ON CONFLICT with an expression")
		}
		i := -1
		for j, c := range rel.Columns {
			if c.Name == el.Name {
				i = j
			}
		}
		if i < 0 {
			a.fail(inf.Location, types.CodeUndefinedColumn, "column \"%s\" does not exist", el.Name)
		}
		want = append(want, i)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	for u, cols := range rel.Uniques {
		have := slices.Sorted(slices.Values(cols))
		if slices.Equal(have, want) {
			return u
		}
	}
	a.fail(-1, "42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification")
	return -1
}
