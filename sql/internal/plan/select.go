package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// selectQuery is a bound SELECT, VALUES or set operation.
type selectQuery struct {
	cols      []*outCol
	q         *query
	ctes      []*cte
	recursive bool

	from       []*fromItem
	where      *node
	group      []groupItem
	having     *node
	distinct   bool
	distinctOn []sortItem

	op          string // "UNION", "UNION ALL", ...
	left, right *selectQuery
	rows        [][]*node // VALUES

	order         []sortItem
	limit, offset *node
	locks         bool
	search        *nestedSearch // it is printed as a search; nil: as it stands
}

// outCol is an output column.
type outCol struct {
	name string
	duck string // its name in DuckDB, unlike all others of the query
	n    *node
}

func (c *outCol) fields() any {
	if f, ok := fieldsOf(c.n); ok {
		return f
	}
	return nil
}

// selectQuery binds a query under the names of parent. bare: its columns are not looked at (EXISTS).
func (a *analyzer) selectQuery(s *pgquery.SelectStmt, parent *query, bare bool) *selectQuery {
	a.enter(-1)
	defer a.leave()
	sq := &selectQuery{q: &query{parent: parent}}
	if s.WithClause != nil {
		a.withClause(sq, s.WithClause)
	}
	switch {
	case s.IntoClause != nil:
		a.fail(-1, types.CodeSyntaxError, "SELECT ... INTO is not allowed here")
	case len(s.ValuesLists) > 0:
		a.values(sq, s)
	case s.Op != pgquery.SetOperation_SETOP_NONE && s.Op != pgquery.SetOperation_SET_OPERATION_UNDEFINED:
		a.setOperation(sq, s)
	default:
		a.simpleSelect(sq, s, bare)
	}
	a.limits(sq, s)
	if len(s.LockingClause) > 0 {
		a.locking(sq, s)
	}
	a.duckNames(sq)
	return sq
}

// duckNames gives every output column a name that no other has.
func (a *analyzer) duckNames(sq *selectQuery) {
	used := map[string]bool{}
	for _, c := range sq.cols {
		c.duck = uniqueName(used, c.name)
	}
}

func (a *analyzer) simpleSelect(sq *selectQuery, s *pgquery.SelectStmt, bare bool) {
	q := sq.q
	for _, f := range s.FromClause {
		sq.from = append(sq.from, a.fromItem(q, f))
	}
	if s.WhereClause != nil {
		sq.where = a.refuse(a.condition(q, s.WhereClause, "WHERE"), hasAggregate|hasWindow|hasSet, "WHERE")
	}
	for _, w := range s.WindowClause {
		d := w.GetWindowDef()
		if q.windows == nil {
			q.windows = map[string]*windowOver{}
		}
		if q.windows[d.Name] != nil {
			a.fail(d.Location, types.CodeWindowingError, "window \"%s\" is already defined", d.Name)
		}
		def := &pgquery.WindowDef{Refname: d.Refname, PartitionClause: d.PartitionClause, OrderClause: d.OrderClause,
			FrameOptions: d.FrameOptions, StartOffset: d.StartOffset, EndOffset: d.EndOffset, Location: d.Location}
		q.windows[d.Name] = a.windowDefinition(q, def)
	}
	for _, t := range s.TargetList {
		a.target(sq, t.GetResTarget())
	}
	_ = bare
	if s.HavingClause != nil {
		sq.having = a.refuse(a.condition(q, s.HavingClause, "HAVING"), hasWindow|hasSet, "HAVING")
	}
	sq.group = a.groupClause(sq, s.GroupClause)
	a.distinctClause(sq, s)
	sq.order = a.sortList(q, s.SortClause, sq)
	a.checkDistinctOrder(sq)
	a.checkGrouping(sq)
}

// target binds one entry of the select list; a star becomes columns.
func (a *analyzer) target(sq *selectQuery, t *pgquery.ResTarget) {
	if c := t.Val.GetColumnRef(); c != nil && c.Fields[len(c.Fields)-1].GetAStar() != nil {
		a.star(sq, c)
		return
	}
	if x := t.Val.GetAIndirection(); x != nil && x.Indirection[len(x.Indirection)-1].GetAStar() != nil {
		a.recordStar(sq, x)
		return
	}
	name := t.Name
	if name == "" {
		name = columnName(t.Val)
	}
	sq.cols = append(sq.cols, &outCol{name: name, n: a.expr(sq.q, t.Val)})
}

func (a *analyzer) star(sq *selectQuery, c *pgquery.ColumnRef) {
	q := sq.q
	if len(c.Fields) == 1 {
		if len(q.ranges) == 0 {
			a.fail(c.Location, types.CodeSyntaxError, "SELECT * with no tables specified is not valid")
		}
		for _, v := range q.order {
			col := &v.rte.cols[v.col]
			sq.cols = append(sq.cols, &outCol{name: col.name, n: col.make(c.Location)})
		}
		return
	}
	schema, table := "", c.Fields[len(c.Fields)-2].GetString_().GetSval()
	if len(c.Fields) > 2 {
		schema = c.Fields[len(c.Fields)-3].GetString_().GetSval()
	}
	r := findRange(q, schema, table)
	if r == nil {
		a.missingFrom(q, table, c.Location)
	}
	for i := range r.cols {
		if !r.cols[i].hidden {
			sq.cols = append(sq.cols, &outCol{name: r.cols[i].name, n: r.cols[i].make(c.Location)})
		}
	}
}

// recordStar is (expr).*.
func (a *analyzer) recordStar(sq *selectQuery, x *pgquery.A_Indirection) {
	n := a.expr(sq.q, x.Arg)
	n = a.steps(sq.q, n, x.Indirection[:len(x.Indirection)-1])
	f, ok := fieldsOf(n)
	if !ok {
		a.fail(n.loc, types.CodeWrongObjectType, "type %s is not composite", n.Type())
	}
	for _, name := range f.names {
		sq.cols = append(sq.cols, &outCol{name: name, n: a.field(n, name)})
	}
}

// outputItem binds an ORDER BY or DISTINCT ON entry: the name or number of an output column, else an expression.
func (a *analyzer) outputItem(q *query, x *pgquery.Node, sq *selectQuery) sortItem {
	if c := x.GetAConst(); c != nil && c.GetSval() == nil && !c.Isnull && c.GetBoolval() == nil {
		i := int(c.GetIval().GetIval())
		if c.GetFval() != nil || i < 1 || i > len(sq.cols) {
			if c.GetFval() != nil {
				a.fail(c.Location, types.CodeSyntaxError, "non-integer constant in ORDER BY")
			}
			a.fail(c.Location, "42P10", "ORDER BY position %d is not in select list", i)
		}
		a.settle(sq, i-1)
		return sortItem{n: sq.cols[i-1].n, position: i}
	}
	if c := x.GetColumnRef(); c != nil && len(c.Fields) == 1 && c.Fields[0].GetString_() != nil {
		name, found := c.Fields[0].GetString_().Sval, -1
		for i, col := range sq.cols {
			if col.name != name {
				continue
			}
			if found >= 0 && text(sq.cols[found].n) != text(col.n) {
				a.fail(c.Location, types.CodeAmbiguousColumn, "ORDER BY \"%s\" is ambiguous", name)
			}
			if found < 0 {
				found = i
			}
		}
		if found >= 0 {
			a.settle(sq, found)
			return sortItem{n: sq.cols[found].n, position: found + 1}
		}
	}
	if sq.left != nil || sq.rows != nil {
		if c := x.GetColumnRef(); c != nil {
			a.fail(c.Location, types.CodeUndefinedColumn, "column \"%s\" does not exist", c.Fields[0].GetString_().GetSval())
		}
		panic(a.at(-1, types.Errorf(types.CodeFeatureNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause").
			WithDetail("Only result column names can be used, not expressions or functions.").
			WithHint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")))
	}
	n := a.expr(q, x)
	if n.isUnknown() {
		n = a.coerce(n, types.Of(types.TextOID), implicit, n.loc)
	}
	t := text(n)
	for i, col := range sq.cols {
		if !col.n.isUnknown() && text(col.n) == t && n.props&isVolatile == 0 {
			return sortItem{n: col.n, position: i + 1}
		}
	}
	return sortItem{n: n}
}

// settle gives a column that is still untyped the type text, because something looks at it.
func (a *analyzer) settle(sq *selectQuery, i int) {
	if sq.cols[i].n.isUnknown() {
		a.coerceColumn(sq, i, types.Of(types.TextOID), implicit)
	}
}

func (a *analyzer) distinctClause(sq *selectQuery, s *pgquery.SelectStmt) {
	if len(s.DistinctClause) == 0 {
		return
	}
	if len(s.DistinctClause) == 1 && s.DistinctClause[0].GetNode() == nil {
		sq.distinct = true
		for i := range sq.cols {
			a.settle(sq, i)
			if sq.cols[i].n.oid() == types.JSONOID {
				a.fail(sq.cols[i].n.loc, types.CodeUndefinedFunction, "could not identify an equality operator for type json")
			}
		}
		return
	}
	for _, d := range s.DistinctClause {
		sq.distinctOn = append(sq.distinctOn, a.outputItem(sq.q, d, sq))
	}
}

// checkDistinctOrder enforces what DISTINCT asks of ORDER BY.
func (a *analyzer) checkDistinctOrder(sq *selectQuery) {
	if sq.distinct {
		for _, o := range sq.order {
			if o.position == 0 {
				a.fail(o.n.loc, "42P10", "for SELECT DISTINCT, ORDER BY expressions must appear in select list")
			}
		}
	}
	for i, d := range sq.distinctOn {
		if i < len(sq.order) && !containsItem(sq.distinctOn, sq.order[i]) {
			a.fail(d.n.loc, "42P10", "SELECT DISTINCT ON expressions must match initial ORDER BY expressions")
		}
	}
}

func containsItem(list []sortItem, it sortItem) bool {
	for _, x := range list {
		if x.position > 0 && x.position == it.position || text(x.n) == text(it.n) {
			return true
		}
	}
	return false
}

// limits binds LIMIT and OFFSET.
func (a *analyzer) limits(sq *selectQuery, s *pgquery.SelectStmt) {
	bind := func(n *pgquery.Node, word string) *node {
		if n == nil || n.GetAConst() != nil && n.GetAConst().Isnull {
			return nil
		}
		e := a.expr(&query{parent: sq.q.parent}, n)
		if e.kind == columnNode {
			a.fail(e.loc, types.CodeInvalidColumnReference, "argument of %s must not contain variables", word)
		}
		a.refuse(e, hasAggregate|hasWindow|hasSet, word)
		if !coercible(e, types.Of(types.Int8OID), assignment) {
			a.fail(e.loc, types.CodeDatatypeMismatch, "argument of %s must be type bigint, not type %s", word, e.Type())
		}
		e = a.coerce(e, types.Of(types.Int8OID), assignment, e.loc)
		if v, ok := e.value.(int64); ok && e.kind == constNode && v < 0 {
			a.fail(e.loc, pick(word == "LIMIT", types.CodeInvalidRowCountInLimit, types.CodeInvalidRowCountInOffset), "%s must not be negative", word)
		}
		return e
	}
	if s.LimitOption == pgquery.LimitOption_LIMIT_OPTION_WITH_TIES {
		a.unsupported(-1, "FETCH FIRST ... WITH TIES")
	}
	if s.LimitCount != nil {
		sq.limit = bind(s.LimitCount, "LIMIT")
	}
	if s.LimitOffset != nil {
		sq.offset = bind(s.LimitOffset, "OFFSET")
	}
}

// locking accepts FOR UPDATE and its kin: under snapshot isolation the first committer wins, so nothing is locked.
func (a *analyzer) locking(sq *selectQuery, s *pgquery.SelectStmt) {
	sq.locks = true
	word := "FOR UPDATE"
	switch {
	case sq.op != "":
		a.fail(-1, types.CodeFeatureNotSupported, "%s is not allowed with UNION/INTERSECT/EXCEPT", word)
	case sq.rows != nil:
		a.fail(-1, types.CodeFeatureNotSupported, "%s cannot be applied to VALUES", word)
	case sq.distinct || len(sq.distinctOn) > 0:
		a.fail(-1, types.CodeFeatureNotSupported, "%s is not allowed with DISTINCT clause", word)
	case len(sq.group) > 0:
		a.fail(-1, types.CodeFeatureNotSupported, "%s is not allowed with GROUP BY clause", word)
	}
	for _, l := range s.LockingClause {
		for _, r := range l.GetLockingClause().LockedRels {
			if v := r.GetRangeVar(); v != nil && findRange(sq.q, "", v.Relname) == nil {
				a.fail(v.Location, types.CodeUndefinedTable, "relation \"%s\" in %s clause not found in FROM clause", v.Relname, word)
			}
		}
	}
}

// values binds VALUES lists; columns are typed across the rows.
func (a *analyzer) values(sq *selectQuery, s *pgquery.SelectStmt) {
	for _, l := range s.ValuesLists {
		row := a.exprs(sq.q, l.GetList().GetItems())
		if len(sq.rows) > 0 && len(row) != len(sq.rows[0]) {
			a.fail(-1, types.CodeSyntaxError, "VALUES lists must all be the same length")
		}
		for _, e := range row {
			a.refuse(e, hasAggregate|hasWindow|hasSet, "VALUES")
		}
		sq.rows = append(sq.rows, row)
	}
	for i := range sq.rows[0] {
		var column []*node
		known := false
		for _, r := range sq.rows {
			column = append(column, r[i])
			known = known || !r[i].isUnknown()
		}
		n := &node{typ: types.Of(types.UnknownOID), out: func(p *printer) { p.str("NULL") }}
		sq.cols = append(sq.cols, &outCol{name: "column" + itoa(i+1), n: n})
		if known {
			a.coerceColumn(sq, i, a.commonType(column, "VALUES", -1), implicit)
		}
	}
	sq.order = a.sortList(sq.q, s.SortClause, sq)
}

// setOperation binds UNION, INTERSECT and EXCEPT.
func (a *analyzer) setOperation(sq *selectQuery, s *pgquery.SelectStmt) {
	word := map[pgquery.SetOperation]string{pgquery.SetOperation_SETOP_UNION: "UNION", pgquery.SetOperation_SETOP_INTERSECT: "INTERSECT",
		pgquery.SetOperation_SETOP_EXCEPT: "EXCEPT"}[s.Op]
	sq.op = word + pick(s.All, " ALL", "")
	sq.left, sq.right = a.selectQuery(s.Larg, sq.q, false), a.selectQuery(s.Rarg, sq.q, false)
	a.joinColumns(sq, word)
	sq.order = a.sortList(sq.q, s.SortClause, sq)
}

// joinColumns types the columns of a set operation.
func (a *analyzer) joinColumns(sq *selectQuery, word string) {
	l, r := sq.left, sq.right
	if len(l.cols) != len(r.cols) {
		a.fail(-1, types.CodeSyntaxError, "each %s query must have the same number of columns", word)
	}
	for i, c := range l.cols {
		n := &node{typ: types.Of(types.UnknownOID), loc: c.n.loc, out: func(p *printer) { p.str("NULL") }}
		sq.cols = append(sq.cols, &outCol{name: c.name, n: n})
		if !c.n.isUnknown() || !r.cols[i].n.isUnknown() {
			t := a.commonType([]*node{c.n, r.cols[i].n}, word, r.cols[i].n.loc)
			a.coerceColumn(sq, i, t, implicit)
			n.value = c.fields()
		}
	}
}

// coerceColumn makes column i of a query a t, in all branches.
func (a *analyzer) coerceColumn(sq *selectQuery, i int, t types.Type, c castLevel) {
	switch {
	case sq.left != nil:
		a.coerceColumn(sq.left, i, t, c)
		a.coerceColumn(sq.right, i, t, c)
		sq.cols[i].n.typ = t
	case sq.rows != nil:
		for _, r := range sq.rows {
			r[i] = a.coerce(r[i], t, c, r[i].loc)
		}
		sq.cols[i].n.typ = t
	default:
		sq.cols[i].n = a.coerce(sq.cols[i].n, t, c, sq.cols[i].n.loc)
	}
}

func (a *analyzer) setColumn(sq *selectQuery, i int, n *node) {
	if n == sq.cols[i].n {
		return
	}
	if sq.left != nil || sq.rows != nil {
		a.coerceColumn(sq, i, n.Type(), explicit)
		return
	}
	sq.cols[i].n = n
}

// resolveUnknown makes text of what is still untyped.
func (a *analyzer) resolveUnknown(sq *selectQuery) {
	for i := range sq.cols {
		a.settle(sq, i)
	}
}
