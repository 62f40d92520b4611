package plan

import (
	"slices"
	"strings"
	"sync"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// sqlText spells an expression in PostgreSQL's dialect, to be stored.
func (a *analyzer) sqlText(n *pgquery.Node) string {
	target := &pgquery.Node{Node: &pgquery.Node_ResTarget{ResTarget: &pgquery.ResTarget{Val: n}}}
	sel := &pgquery.SelectStmt{TargetList: []*pgquery.Node{target}, LimitOption: pgquery.LimitOption_LIMIT_OPTION_DEFAULT, Op: pgquery.SetOperation_SETOP_NONE}
	return strings.TrimPrefix(a.deparse(&pgquery.Node{Node: &pgquery.Node_SelectStmt{SelectStmt: sel}}), "SELECT ")
}

// grammarVersion is what the parser writes into its trees; the deparser refuses a tree without it.
var grammarVersion = sync.OnceValue(func() int32 {
	tree, err := pgquery.Parse("SELECT 1")
	if err != nil {
		panic("plan: the parser does not parse SELECT 1: " + err.Error())
	}
	return tree.Version
})

func (a *analyzer) deparse(n *pgquery.Node) string {
	out, err := pgquery.Deparse(&pgquery.ParseResult{Version: grammarVersion(), Stmts: []*pgquery.RawStmt{{Stmt: n}}})
	if err != nil {
		a.fail(-1, types.CodeFeatureNotSupported, "the expression cannot be stored: %s", err)
	}
	return out
}

func rangeName(r *pgquery.RangeVar) Name { return Name{Schema: r.Schemaname, Name: r.Relname} }

// newName refuses names that are ours.
func (a *analyzer) newName(s string, loc int32) string {
	if reservedName(s) || s == "" {
		a.fail(loc, types.CodeReservedName, "the name \"%s\" is reserved", s)
	}
	return s
}

func (a *analyzer) createTable(s *pgquery.CreateStmt) any {
	switch {
	case s.Partspec != nil || s.Partbound != nil:
		a.unsupported(-1, "a partitioned table")
	case len(s.InhRelations) > 0:
		a.unsupported(-1, "inheritance")
	case s.OfTypename != nil:
		a.unsupported(-1, "a typed table")
	}
	t := &CreateTable{Name: rangeName(s.Relation), IfNotExists: s.IfNotExists, Temporary: s.Relation.Relpersistence == "t"}
	a.newName(t.Name.Name, s.Relation.Location)
	t.OnCommit = onCommit(s.Oncommit)
	for _, o := range s.Options {
		t.Parameters = append(t.Parameters, parameter(o.GetDefElem()))
	}
	for _, e := range s.TableElts {
		switch v := e.Node.(type) {
		case *pgquery.Node_ColumnDef:
			c, keys, checks := a.columnDef(v.ColumnDef)
			for _, o := range t.Columns {
				if o.Name == c.Name {
					a.fail(v.ColumnDef.Location, types.CodeDuplicateColumn, "column \"%s\" specified more than once", c.Name)
				}
			}
			t.Columns, t.Keys, t.Checks = append(t.Columns, c), append(t.Keys, keys...), append(t.Checks, checks...)
		case *pgquery.Node_Constraint:
			a.tableConstraint(t, v.Constraint)
		case *pgquery.Node_TableLikeClause:
			t.Like = append(t.Like, a.like_(v.TableLikeClause, len(t.Columns)))
		default:
			a.unsupported(-1, "this element of CREATE TABLE")
		}
	}
	a.checkKeys(t)
	a.checkChecks(t)
	return t
}

func onCommit(o pgquery.OnCommitAction) string {
	return map[pgquery.OnCommitAction]string{pgquery.OnCommitAction_ONCOMMIT_DELETE_ROWS: "delete rows", pgquery.OnCommitAction_ONCOMMIT_DROP: "drop",
		pgquery.OnCommitAction_ONCOMMIT_PRESERVE_ROWS: "preserve rows"}[o]
}

func parameter(d *pgquery.DefElem) Parameter {
	p := Parameter{Name: strings.ToLower(d.Defname), Value: constText(d.Arg)}
	if d.Arg == nil {
		p.Value = "true"
	}
	return p
}

func (a *analyzer) like_(l *pgquery.TableLikeClause, at int) LikeDef {
	const constraints, defaults, identity, indexes = 4, 8, 32, 64
	return LikeDef{Relation: a.relation(l.Relation), At: at, Defaults: l.Options&defaults != 0, Constraints: l.Options&constraints != 0,
		Identity: l.Options&identity != 0, Index: l.Options&indexes != 0}
}

var serials = map[string]uint32{"serial": types.Int4OID, "serial4": types.Int4OID, "bigserial": types.Int8OID, "serial8": types.Int8OID,
	"smallserial": types.Int2OID, "serial2": types.Int2OID}

// columnDef checks a column with the constraints written behind it.
func (a *analyzer) columnDef(d *pgquery.ColumnDef) (c ColumnDef, keys []KeyDef, checks []CheckDef) {
	c.Name = a.newName(d.Colname, d.Location)
	if d.TypeName == nil {
		a.fail(d.Location, types.CodeSyntaxError, "column \"%s\" needs a type", c.Name)
	}
	name := constText(&pgquery.Node{Node: &pgquery.Node_TypeName{TypeName: d.TypeName}})
	if oid, ok := serials[name]; ok && len(d.TypeName.ArrayBounds) == 0 {
		c.Type, c.Identity, c.NotNull = types.Of(oid), IdentitySerial, true
	} else {
		c.Type = a.typeName(d.TypeName)
		a.storable(c, d.Location)
	}
	if d.CollClause != nil {
		c.Collation = constText(d.CollClause.Collname[len(d.CollClause.Collname)-1])
	}
	for _, x := range d.Constraints {
		k := x.GetConstraint()
		switch k.Contype {
		case pgquery.ConstrType_CONSTR_NULL:
			c.NotNull = false
		case pgquery.ConstrType_CONSTR_NOTNULL:
			c.NotNull = true
		case pgquery.ConstrType_CONSTR_DEFAULT:
			if c.Default != "" || c.Identity != NoIdentity {
				a.fail(k.Location, types.CodeSyntaxError, "multiple default values specified for column \"%s\"", c.Name)
			}
			c.Default, c.DefaultExpr = a.defaultOf(k.RawExpr, c)
		case pgquery.ConstrType_CONSTR_IDENTITY:
			a.identity(&c, k)
		case pgquery.ConstrType_CONSTR_PRIMARY, pgquery.ConstrType_CONSTR_UNIQUE:
			keys = append(keys, KeyDef{Name: k.Conname, Columns: []string{c.Name}, Primary: k.Contype == pgquery.ConstrType_CONSTR_PRIMARY})
			c.NotNull = c.NotNull || k.Contype == pgquery.ConstrType_CONSTR_PRIMARY
		case pgquery.ConstrType_CONSTR_CHECK:
			checks = append(checks, a.checkDef(k))
		case pgquery.ConstrType_CONSTR_FOREIGN:
			a.unsupported(k.Location, "a foreign key")
		case pgquery.ConstrType_CONSTR_GENERATED:
			a.unsupported(k.Location, "a generated column")
		case pgquery.ConstrType_CONSTR_ATTR_DEFERRABLE, pgquery.ConstrType_CONSTR_ATTR_DEFERRED:
			a.unsupported(k.Location, "a deferrable constraint")
		case pgquery.ConstrType_CONSTR_ATTR_NOT_DEFERRABLE, pgquery.ConstrType_CONSTR_ATTR_IMMEDIATE:
		default:
			a.unsupported(k.Location, "this constraint")
		}
	}
	return c, keys, checks
}

// storable refuses types that tables cannot hold.
func (a *analyzer) storable(c ColumnDef, loc int32) {
	if _, ok := types.ToDB(c.Type); !ok {
		d, known := types.Lookup(c.Type.OID)
		if known && d.Pseudo {
			a.fail(loc, types.CodeInvalidTableDefinition, "column \"%s\" has pseudo-type %s", c.Name, c.Type)
		}
		a.unsupported(loc, "a column of type "+c.Type.String())
	}
}

func (a *analyzer) identity(c *ColumnDef, k *pgquery.Constraint) {
	if c.Identity != NoIdentity || c.Default != "" {
		a.fail(k.Location, types.CodeSyntaxError, "both default and identity specified for column \"%s\"", c.Name)
	}
	if !isInt(c.Type.OID) {
		a.fail(k.Location, types.CodeInvalidParameterValue, "identity column type must be smallint, integer, or bigint")
	}
	c.Identity, c.NotNull = pick(k.GeneratedWhen == "a", IdentityAlways, IdentityByDefault), true
	for _, o := range k.Options {
		d := o.GetDefElem()
		n := constInt(d.Arg)
		switch d.Defname {
		case "start":
			c.IdentityStart = &n
		case "increment":
			if n != 1 {
				a.unsupported(d.Location, "an increment other than 1")
			}
		case "cycle":
			if a.constBool(d) {
				a.unsupported(d.Location, "CYCLE")
			}
		}
	}
}

// defaultOf checks the expression of DEFAULT: it reads no columns, and fits the column.
func (a *analyzer) defaultOf(n *pgquery.Node, c ColumnDef) (string, Expr) {
	e := a.expr(&query{}, n)
	a.refuse(e, hasAggregate|hasWindow|hasSet, "DEFAULT expressions")
	if e.props&hasSubquery != 0 {
		a.fail(e.loc, types.CodeFeatureNotSupported, "cannot use subquery in DEFAULT expression")
	}
	if !e.isUnknown() && !coercible(e, c.Type, assignment) {
		a.fail(e.loc, types.CodeDatatypeMismatch, "column \"%s\" is of type %s but default expression is of type %s", c.Name, c.Type, e.Type())
	}
	return a.sqlText(n), a.needGo(a.coerce(e, c.Type, assignment, e.loc))
}

// checkDef takes the text of CHECK; its columns are looked up when all of them are known.
func (a *analyzer) checkDef(k *pgquery.Constraint) CheckDef {
	d := CheckDef{Name: k.Conname, Expr: a.sqlText(k.RawExpr)}
	walkNodes(k.RawExpr, func(n *pgquery.Node) bool {
		if c := n.GetColumnRef(); c != nil {
			if s := c.Fields[len(c.Fields)-1].GetString_(); s != nil && !slices.Contains(d.Columns, s.Sval) {
				d.Columns = append(d.Columns, s.Sval)
			}
		}
		return true
	}, 0)
	return d
}

func (a *analyzer) tableConstraint(t *CreateTable, k *pgquery.Constraint) {
	switch k.Contype {
	case pgquery.ConstrType_CONSTR_PRIMARY, pgquery.ConstrType_CONSTR_UNIQUE:
		t.Keys = append(t.Keys, a.keyDef(k))
	case pgquery.ConstrType_CONSTR_CHECK:
		t.Checks = append(t.Checks, a.checkDef(k))
	case pgquery.ConstrType_CONSTR_FOREIGN:
		a.unsupported(k.Location, "a foreign key")
	case pgquery.ConstrType_CONSTR_EXCLUSION:
		a.unsupported(k.Location, "an exclusion constraint")
	default:
		a.unsupported(k.Location, "this constraint")
	}
}

func (a *analyzer) keyDef(k *pgquery.Constraint) KeyDef {
	if k.Deferrable || k.Initdeferred {
		a.unsupported(k.Location, "a deferrable constraint")
	}
	if k.NullsNotDistinct {
		a.unsupported(k.Location, "NULLS NOT DISTINCT")
	}
	if k.Indexname != "" {
		a.unsupported(k.Location, "a constraint USING INDEX")
	}
	d := KeyDef{Name: k.Conname, Primary: k.Contype == pgquery.ConstrType_CONSTR_PRIMARY}
	for _, c := range k.Keys {
		name := constText(c)
		if slices.Contains(d.Columns, name) {
			a.fail(k.Location, types.CodeDuplicateColumn, "column \"%s\" appears twice in %s constraint", name, pick(d.Primary, "primary key", "unique"))
		}
		d.Columns = append(d.Columns, name)
	}
	return d
}

// checkKeys looks the keys' columns up, and makes those of the primary key NOT NULL.
func (a *analyzer) checkKeys(t *CreateTable) {
	primary := 0
	for _, k := range t.Keys {
		primary += pick(k.Primary, 1, 0)
		for _, name := range k.Columns {
			i := slices.IndexFunc(t.Columns, func(c ColumnDef) bool { return c.Name == name })
			if i < 0 {
				if len(t.Like) > 0 {
					continue
				}
				a.fail(-1, types.CodeUndefinedColumn, "column \"%s\" named in key does not exist", name)
			}
			t.Columns[i].NotNull = t.Columns[i].NotNull || k.Primary
		}
	}
	if primary > 1 {
		a.fail(-1, types.CodeInvalidTableDefinition, "multiple primary keys for table \"%s\" are not allowed", t.Name.Name)
	}
}

// checkChecks binds the CHECK expressions over the new table's columns.
func (a *analyzer) checkChecks(t *CreateTable) {
	if len(t.Like) > 0 {
		return
	}
	rel := &Relation{Name: t.Name.Name, Kind: Table}
	for _, c := range t.Columns {
		rel.Columns = append(rel.Columns, RelColumn{Name: c.Name, Type: c.Type})
	}
	for _, c := range t.Checks {
		a.checkExpression(c.Expr, rel)
	}
}

func (a *analyzer) checkExpression(text string, rel *Relation) {
	_, err := parseExpr(text, a.sc, rel, boolType, "CHECK constraints")
	a.check(-1, err)
}

// createTableAs checks CREATE TABLE AS and SELECT INTO.
func (a *analyzer) createTableAs(into *pgquery.IntoClause, q *pgquery.Node, ifNotExists bool) any {
	t := &CreateTable{Name: rangeName(into.Rel), IfNotExists: ifNotExists, Temporary: into.Rel.Relpersistence == "t", WithNoData: into.SkipData,
		OnCommit: onCommit(into.OnCommit)}
	a.newName(t.Name.Name, into.Rel.Location)
	if q.GetSelectStmt() == nil {
		a.unsupported(-1, "CREATE TABLE AS of a statement other than SELECT")
	}
	t.As, _ = a.subPlan(q)
	if len(into.ColNames) > len(t.As.Columns) {
		a.fail(-1, types.CodeSyntaxError, "too many column names were specified")
	}
	used := map[string]bool{}
	for i, c := range t.As.Columns {
		name := c.Name
		if i < len(into.ColNames) {
			name = constText(into.ColNames[i])
		}
		if used[name] {
			a.fail(-1, types.CodeDuplicateColumn, "column \"%s\" specified more than once", name)
		}
		used[a.newName(name, -1)] = true
		t.Columns = append(t.Columns, ColumnDef{Name: name, Type: c.Type})
	}
	return t
}

// selectInto is SELECT ... INTO, which is CREATE TABLE AS.
func (a *analyzer) selectInto(s *pgquery.SelectStmt) {
	into := s.IntoClause
	s.IntoClause = nil
	defer func() { s.IntoClause = into }()
	a.plan.Road, a.plan.Writes = RoadUtility, true
	a.plan.Utility = a.createTableAs(into, &pgquery.Node{Node: &pgquery.Node_SelectStmt{SelectStmt: s}}, false)
}

func (a *analyzer) createIndex(s *pgquery.IndexStmt) any {
	ix := &CreateIndex{Name: s.Idxname, Relation: a.relation(s.Relation), Method: s.AccessMethod, Unique: s.Unique, Concurrently: s.Concurrent, IfNotExists: s.IfNotExists}
	if ix.Name != "" {
		a.newName(ix.Name, -1)
	}
	if ix.Relation.Kind != Table {
		a.fail(s.Relation.Location, types.CodeWrongObjectType, "cannot create index on relation \"%s\"", ix.Relation.Name)
	}
	if ix.Method == "" {
		ix.Method = "btree"
	}
	if s.NullsNotDistinct {
		a.unsupported(-1, "NULLS NOT DISTINCT")
	}
	for _, p := range s.IndexParams {
		ix.Columns = append(ix.Columns, a.indexColumn(ix.Relation, p.GetIndexElem()))
	}
	for _, p := range s.IndexIncludingParams {
		ix.Include = append(ix.Include, a.columnIndex(ix.Relation, p.GetIndexElem().Name, -1))
	}
	for _, o := range s.Options {
		ix.Parameters = append(ix.Parameters, parameter(o.GetDefElem()))
	}
	if s.WhereClause != nil {
		ix.Where = a.sqlText(s.WhereClause)
		a.checkExpression(ix.Where, ix.Relation)
	}
	return ix
}

func (a *analyzer) indexColumn(rel *Relation, e *pgquery.IndexElem) IndexColumn {
	c := IndexColumn{Column: -1, Desc: e.Ordering == pgquery.SortByDir_SORTBY_DESC, NullsFirst: e.NullsOrdering == pgquery.SortByNulls_SORTBY_NULLS_FIRST}
	if e.NullsOrdering == pgquery.SortByNulls_SORTBY_NULLS_DEFAULT {
		c.NullsFirst = c.Desc
	}
	if len(e.Opclass) > 0 {
		c.OpClass = constText(e.Opclass[len(e.Opclass)-1])
	}
	if e.Name != "" {
		for i, rc := range rel.Columns {
			if rc.Name == e.Name {
				c.Column = i
			}
		}
		if c.Column < 0 {
			a.fail(-1, types.CodeUndefinedColumn, "column \"%s\" does not exist", e.Name)
		}
		return c
	}
	c.Expr = a.sqlText(e.Expr)
	return c
}
