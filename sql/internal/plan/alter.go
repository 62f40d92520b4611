package plan

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// definition checks the statements that define objects; nil when n is none of them.
func (a *analyzer) definition(n *pgquery.Node) any {
	switch v := n.Node.(type) {
	case *pgquery.Node_CreateStmt:
		return a.createTable(v.CreateStmt)
	case *pgquery.Node_CreateTableAsStmt:
		s := v.CreateTableAsStmt
		if s.Objtype == pgquery.ObjectType_OBJECT_MATVIEW {
			a.unsupported(-1, "CREATE MATERIALIZED VIEW")
		}
		return a.createTableAs(s.Into, s.Query, s.IfNotExists)
	case *pgquery.Node_IndexStmt:
		return a.createIndex(v.IndexStmt)
	case *pgquery.Node_AlterTableStmt:
		return a.alterTable(v.AlterTableStmt)
	case *pgquery.Node_RenameStmt:
		return a.renameObject(v.RenameStmt)
	case *pgquery.Node_AlterObjectSchemaStmt:
		s := v.AlterObjectSchemaStmt
		if s.Relation == nil {
			a.unsupported(-1, a.plan.Tag+" SET SCHEMA")
		}
		return a.alterOf(s.Relation, s.MissingOk, objectKinds[s.ObjectType], SetSchema{Schema: s.Newschema})
	case *pgquery.Node_AlterOwnerStmt:
		a.unsupported(-1, a.plan.Tag+" OWNER TO")
	case *pgquery.Node_DropStmt:
		return a.drop(v.DropStmt)
	case *pgquery.Node_TruncateStmt:
		t := &Truncate{RestartIdentity: v.TruncateStmt.RestartSeqs, Cascade: v.TruncateStmt.Behavior == pgquery.DropBehavior_DROP_CASCADE}
		for _, r := range v.TruncateStmt.Relations {
			t.Relations = append(t.Relations, a.writable(r.GetRangeVar(), "truncate"))
		}
		a.plan.Road = RoadUtility
		return t
	case *pgquery.Node_ViewStmt:
		return a.createView(v.ViewStmt)
	case *pgquery.Node_CreateSchemaStmt:
		s := v.CreateSchemaStmt
		if len(s.SchemaElts) > 0 {
			a.unsupported(-1, "CREATE SCHEMA with elements")
		}
		name := s.Schemaname
		if name == "" && s.Authrole != nil {
			name = s.Authrole.Rolename
		}
		if strings.HasPrefix(name, "pg_") {
			panic(types.Errorf(types.CodeReservedName, "unacceptable schema name \"%s\"", name).WithDetail("The prefix \"pg_\" is reserved for system schemas."))
		}
		return &CreateSchema{Name: a.newName(name, -1), IfNotExists: s.IfNotExists, Owner: roleName(s.Authrole)}
	case *pgquery.Node_CreateSeqStmt:
		return a.createSequence(v.CreateSeqStmt)
	case *pgquery.Node_CommentStmt:
		return a.comment(v.CommentStmt)
	case *pgquery.Node_ReindexStmt:
		r := &Reindex{Kind: pick(v.ReindexStmt.Kind == pgquery.ReindexObjectType_REINDEX_OBJECT_SCHEMA, ObjectSchema, ObjectDatabase), Name: Name{Name: v.ReindexStmt.Name}}
		for _, o := range v.ReindexStmt.Params {
			if d := o.GetDefElem(); d.Defname == "concurrently" {
				r.Concurrently = d.Arg == nil || parameter(d).Value != "false"
			}
		}
		if v.ReindexStmt.Relation != nil {
			r.Name = rangeName(v.ReindexStmt.Relation)
			r.Kind = pick(v.ReindexStmt.Kind == pgquery.ReindexObjectType_REINDEX_OBJECT_INDEX, ObjectIndex, ObjectTable)
		}
		return r
	case *pgquery.Node_CreateExtensionStmt:
		e := &CreateExtension{Name: v.CreateExtensionStmt.Extname, IfNotExists: v.CreateExtensionStmt.IfNotExists}
		for _, o := range v.CreateExtensionStmt.Options {
			switch d := o.GetDefElem(); d.Defname {
			case "schema":
				e.Schema = constText(d.Arg)
			case "new_version":
				e.Version = constText(d.Arg)
			}
		}
		return e
	case *pgquery.Node_CreatedbStmt:
		return &CreateDatabase{Name: v.CreatedbStmt.Dbname}
	case *pgquery.Node_DropdbStmt:
		return &DropDatabase{Name: v.DropdbStmt.Dbname, IfExists: v.DropdbStmt.MissingOk}
	}
	return nil
}

var objectKinds = map[pgquery.ObjectType]ObjectKind{
	pgquery.ObjectType_OBJECT_TABLE: ObjectTable, pgquery.ObjectType_OBJECT_INDEX: ObjectIndex, pgquery.ObjectType_OBJECT_VIEW: ObjectView,
	pgquery.ObjectType_OBJECT_SCHEMA: ObjectSchema, pgquery.ObjectType_OBJECT_SEQUENCE: ObjectSequence, pgquery.ObjectType_OBJECT_COLUMN: ObjectColumn,
	pgquery.ObjectType_OBJECT_TABCONSTRAINT: ObjectConstraint, pgquery.ObjectType_OBJECT_DATABASE: ObjectDatabase,
	pgquery.ObjectType_OBJECT_EXTENSION: ObjectExtension, pgquery.ObjectType_OBJECT_ROLE: ObjectRole, pgquery.ObjectType_OBJECT_FUNCTION: ObjectFunction,
	pgquery.ObjectType_OBJECT_TYPE: ObjectType,
}

// alterOf makes an AlterTable of one action.
func (a *analyzer) alterOf(r *pgquery.RangeVar, ifExists bool, kind ObjectKind, actions ...any) any {
	t := &AlterTable{Name: rangeName(r), IfExists: ifExists, Kind: kind, Actions: actions}
	if kind == "" {
		a.unsupported(-1, a.plan.Tag)
	}
	if kind != ObjectTable && kind != ObjectView {
		return t
	}
	t.Relation = a.findRelation(r)
	if t.Relation == nil && !ifExists {
		a.relation(r)
	}
	if t.Relation != nil && t.Relation.Kind == Catalog {
		a.fail(r.Location, types.CodeInsufficientPrivilege, "permission denied: \"%s\" is a system catalog", t.Relation.Name)
	}
	return t
}

func (a *analyzer) alterTable(s *pgquery.AlterTableStmt) any {
	t := a.alterOf(s.Relation, s.MissingOk, objectKinds[s.Objtype]).(*AlterTable)
	for _, c := range s.Cmds {
		t.Actions = append(t.Actions, a.alterAction(t, c.GetAlterTableCmd()))
	}
	return t
}

// alterAction checks one action of ALTER TABLE.
func (a *analyzer) alterAction(t *AlterTable, c *pgquery.AlterTableCmd) any {
	cascade := c.Behavior == pgquery.DropBehavior_DROP_CASCADE
	column := func() ColumnDef {
		if t.Relation == nil {
			return ColumnDef{Name: c.Name}
		}
		return ColumnDef{Name: c.Name, Type: t.Relation.Columns[a.columnIndex(t.Relation, c.Name, -1)].Type}
	}
	switch c.Subtype {
	case pgquery.AlterTableType_AT_AddColumn:
		col, keys, checks := a.columnDef(c.Def.GetColumnDef())
		return AddColumn{Column: col, Keys: keys, Checks: checks, IfNotExists: c.MissingOk}
	case pgquery.AlterTableType_AT_DropColumn:
		if !c.MissingOk {
			column()
		}
		return DropColumn{Name: c.Name, IfExists: c.MissingOk, Cascade: cascade}
	case pgquery.AlterTableType_AT_ColumnDefault:
		col := column()
		d := SetDefault{Column: c.Name}
		if c.Def != nil {
			d.Expr, d.DefaultExpr = a.defaultOf(c.Def, col)
		}
		return d
	case pgquery.AlterTableType_AT_SetNotNull, pgquery.AlterTableType_AT_DropNotNull:
		column()
		return SetNotNull{Column: c.Name, NotNull: c.Subtype == pgquery.AlterTableType_AT_SetNotNull}
	case pgquery.AlterTableType_AT_AlterColumnType:
		return a.alterType(t, c, column())
	case pgquery.AlterTableType_AT_AddConstraint:
		return a.addConstraint(t, c.Def.GetConstraint())
	case pgquery.AlterTableType_AT_DropConstraint:
		return DropConstraint{Name: c.Name, IfExists: c.MissingOk, Cascade: cascade}
	case pgquery.AlterTableType_AT_SetRelOptions, pgquery.AlterTableType_AT_SetStorage, pgquery.AlterTableType_AT_SetStatistics, pgquery.AlterTableType_AT_SetOptions:
		p := SetParameters{}
		for _, o := range c.Def.GetList().GetItems() {
			p.Parameters = append(p.Parameters, parameter(o.GetDefElem()))
		}
		return p
	case pgquery.AlterTableType_AT_ResetRelOptions:
		p := ResetParameters{}
		for _, o := range c.Def.GetList().GetItems() {
			p.Names = append(p.Names, strings.ToLower(o.GetDefElem().Defname))
		}
		return p
	case pgquery.AlterTableType_AT_ChangeOwner:
		return SetOwner{Role: roleName(c.Newowner)}
	case pgquery.AlterTableType_AT_AddIdentity:
		col := column()
		k := c.Def.GetConstraint()
		a.identity(&col, k)
		return SetIdentity{Column: c.Name, Identity: col.Identity, Restart: col.IdentityStart}
	case pgquery.AlterTableType_AT_DropIdentity:
		column()
		return SetIdentity{Column: c.Name, IfExists: c.MissingOk}
	case pgquery.AlterTableType_AT_SetIdentity:
		return a.setIdentity(c, column())
	}
	a.unsupported(-1, "this form of ALTER TABLE")
	return nil
}

func (a *analyzer) setIdentity(c *pgquery.AlterTableCmd, col ColumnDef) any {
	s := SetIdentity{Column: col.Name, Identity: IdentityByDefault}
	for _, o := range c.Def.GetList().GetItems() {
		switch d := o.GetDefElem(); d.Defname {
		case "generated":
			s.Identity = pick(constInt(d.Arg) == int64('a'), IdentityAlways, IdentityByDefault)
		case "restart":
			n := int64(1)
			if d.Arg != nil {
				n = constInt(d.Arg)
			}
			s.Restart = &n
		default:
			a.unsupported(d.Location, "this option of an identity column")
		}
	}
	return s
}

func (a *analyzer) alterType(t *AlterTable, c *pgquery.AlterTableCmd, col ColumnDef) any {
	d := c.Def.GetColumnDef()
	s := SetType{Column: c.Name, Type: a.typeName(d.TypeName)}
	a.storable(ColumnDef{Name: c.Name, Type: s.Type}, -1)
	if d.RawDefault != nil && t.Relation != nil {
		q := &query{}
		a.targetRange(q, t.Relation, &pgquery.RangeVar{Relname: t.Relation.Name})
		e := a.refuse(a.expr(q, d.RawDefault), hasAggregate|hasWindow|hasSet, "transform expressions")
		s.Using = a.needGo(a.coerce(e, s.Type, assignment, e.loc))
	} else if t.Relation != nil {
		if l, ok := castContext(col.Type, s.Type); !ok || l > assignment {
			panic(types.Errorf(types.CodeDatatypeMismatch, "column \"%s\" cannot be cast automatically to type %s", c.Name, s.Type).
				WithHint("You might need to specify \"USING %s::%s\".", quoteIdent(c.Name), s.Type))
		}
	}
	return s
}

func (a *analyzer) addConstraint(t *AlterTable, k *pgquery.Constraint) any {
	switch k.Contype {
	case pgquery.ConstrType_CONSTR_PRIMARY, pgquery.ConstrType_CONSTR_UNIQUE:
		d := a.keyDef(k)
		if t.Relation != nil {
			for _, c := range d.Columns {
				a.columnIndex(t.Relation, c, -1)
			}
			if d.Primary && len(t.Relation.PrimaryKey) > 0 {
				a.fail(-1, types.CodeInvalidTableDefinition, "multiple primary keys for table \"%s\" are not allowed", t.Relation.Name)
			}
		}
		return AddKey{Key: d}
	case pgquery.ConstrType_CONSTR_CHECK:
		d := a.checkDef(k)
		if t.Relation != nil {
			a.checkExpression(d.Expr, t.Relation)
		}
		return AddCheck{Check: d}
	case pgquery.ConstrType_CONSTR_FOREIGN:
		a.unsupported(k.Location, "a foreign key")
	}
	a.unsupported(k.Location, "this constraint")
	return nil
}

func (a *analyzer) renameObject(s *pgquery.RenameStmt) any {
	switch s.RenameType {
	case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_INDEX, pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_SEQUENCE:
		return a.alterOf(s.Relation, s.MissingOk, objectKinds[s.RenameType], RenameTable{To: a.newName(s.Newname, -1)})
	case pgquery.ObjectType_OBJECT_COLUMN:
		t := a.alterOf(s.Relation, s.MissingOk, objectKinds[s.RelationType]).(*AlterTable)
		if t.Relation != nil {
			a.columnIndex(t.Relation, s.Subname, -1)
		}
		t.Actions = []any{RenameColumn{From: s.Subname, To: a.newName(s.Newname, -1)}}
		return t
	case pgquery.ObjectType_OBJECT_TABCONSTRAINT:
		return a.alterOf(s.Relation, s.MissingOk, ObjectTable, RenameConstraint{From: s.Subname, To: s.Newname})
	case pgquery.ObjectType_OBJECT_ROLE:
		return &RenameRole{From: s.Subname, To: s.Newname}
	}
	a.unsupported(-1, a.plan.Tag+" RENAME")
	return nil
}

// objectName takes a possibly qualified name apart.
func objectName(n *pgquery.Node) Name {
	if l := n.GetList(); l != nil {
		parts := make([]string, 0, 3)
		for _, x := range l.Items {
			parts = append(parts, constText(x))
		}
		switch len(parts) {
		case 0:
			return Name{}
		case 1:
			return Name{Name: parts[0]}
		}
		return Name{Schema: parts[len(parts)-2], Name: parts[len(parts)-1]}
	}
	if r := n.GetRangeVar(); r != nil {
		return rangeName(r)
	}
	if o := n.GetObjectWithArgs(); o != nil && len(o.Objname) > 0 {
		return Name{Name: constText(o.Objname[len(o.Objname)-1])}
	}
	return Name{Name: constText(n)}
}

func (a *analyzer) drop(s *pgquery.DropStmt) any {
	kind := objectKinds[s.RemoveType]
	switch kind {
	case ObjectTable, ObjectIndex, ObjectView, ObjectSchema, ObjectSequence, ObjectExtension:
	default:
		a.unsupported(-1, a.plan.Tag)
	}
	d := &Drop{Kind: kind, IfExists: s.MissingOk, Cascade: s.Behavior == pgquery.DropBehavior_DROP_CASCADE, Concurrently: s.Concurrent}
	for _, o := range s.Objects {
		d.Names = append(d.Names, objectName(o))
	}
	return d
}

func (a *analyzer) createView(s *pgquery.ViewStmt) any {
	if len(s.Options) > 0 || s.WithCheckOption != pgquery.ViewCheckOption_NO_CHECK_OPTION {
		a.unsupported(-1, "CREATE VIEW with options")
	}
	v := &CreateView{Name: rangeName(s.View), Replace: s.Replace, Temporary: s.View.Relpersistence == "t"}
	a.newName(v.Name.Name, s.View.Location)
	if s.Query.GetSelectStmt() == nil {
		a.unsupported(-1, "a view of a statement other than SELECT")
	}
	v.Query = a.deparse(s.Query)
	v.Plan, _ = a.subPlan(s.Query)
	if len(a.params) > 0 {
		a.fail(-1, types.CodeUndefinedParameter, "there is no parameter $1")
	}
	if len(s.Aliases) > len(v.Plan.Columns) {
		a.fail(-1, types.CodeSyntaxError, "CREATE VIEW specifies more column names than columns")
	}
	used := map[string]bool{}
	for i, c := range v.Plan.Columns {
		name := c.Name
		if i < len(s.Aliases) {
			name = constText(s.Aliases[i])
			v.Columns = append(v.Columns, name)
		}
		if used[name] {
			a.fail(-1, types.CodeDuplicateColumn, "column \"%s\" specified more than once", name)
		}
		used[name] = true
	}
	return v
}

func (a *analyzer) createSequence(s *pgquery.CreateSeqStmt) any {
	q := &CreateSequence{Name: rangeName(s.Sequence), IfNotExists: s.IfNotExists, Temporary: s.Sequence.Relpersistence == "t", Start: 1, Increment: 1}
	for _, o := range s.Options {
		d := o.GetDefElem()
		n := constInt(d.Arg)
		switch d.Defname {
		case "start":
			q.Start = n
		case "increment":
			if q.Increment = n; n == 0 {
				a.fail(d.Location, types.CodeInvalidParameterValue, "INCREMENT must not be zero")
			}
		case "minvalue":
			if d.Arg != nil {
				q.Minimum = &n
			}
		case "maxvalue":
			if d.Arg != nil {
				q.Maximum = &n
			}
		case "cycle":
			q.Cycle = constText(d.Arg) != "false"
		}
	}
	return q
}

func (a *analyzer) comment(s *pgquery.CommentStmt) any {
	c := &Comment{Kind: objectKinds[s.Objtype], Name: objectName(s.Object)}
	switch s.Objtype {
	case pgquery.ObjectType_OBJECT_COLUMN:
		items := s.Object.GetList().GetItems()
		c.Part = constText(items[len(items)-1])
		c.Name = objectName(&pgquery.Node{Node: &pgquery.Node_List{List: &pgquery.List{Items: items[:len(items)-1]}}})
	case pgquery.ObjectType_OBJECT_TABCONSTRAINT:
		items := s.Object.GetList().GetItems()
		c.Part = constText(items[len(items)-1])
		c.Name = objectName(&pgquery.Node{Node: &pgquery.Node_List{List: &pgquery.List{Items: items[:len(items)-1]}}})
	case pgquery.ObjectType_OBJECT_TABLE, pgquery.ObjectType_OBJECT_INDEX, pgquery.ObjectType_OBJECT_VIEW, pgquery.ObjectType_OBJECT_SCHEMA,
		pgquery.ObjectType_OBJECT_DATABASE, pgquery.ObjectType_OBJECT_EXTENSION, pgquery.ObjectType_OBJECT_ROLE, pgquery.ObjectType_OBJECT_SEQUENCE:
	default:
		a.unsupported(-1, "COMMENT ON this kind of object")
	}
	if s.Comment != "" {
		c.Text = &s.Comment
	}
	return c
}
