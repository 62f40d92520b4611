package sql

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// runDefinition runs what makes, changes and drops objects.
func (s *Session) runDefinition(x *execution, out *outcome) (bool, error) {
	s.txn.ddl++
	switch u := x.analyzed.plan.Utility.(type) {
	case *plan.CreateTable:
		return true, s.createTable(x, u, out)
	case *plan.CreateIndex:
		return true, s.createIndex(u)
	case *plan.AlterTable:
		return true, s.alterTable(x, u)
	case *plan.Drop:
		return true, s.drop(u)
	case *plan.Truncate:
		return true, s.truncate(u)
	case *plan.CreateSchema:
		return true, s.createSchema(u)
	case *plan.CreateView:
		return true, s.createView(u)
	case *plan.Comment:
		return true, s.comment(u)
	case *plan.CreateSequence:
		return true, unsupported("CREATE SEQUENCE is not supported; use an identity column")
	}
	s.txn.ddl--
	return false, nil
}

func tableOf(r *plan.Relation) (*db.Table, bool) {
	if r == nil {
		return nil, false
	}
	t, ok := r.Ref.(*db.Table)
	return t, ok
}

// creationSchema is where an object with a bare name is made.
func (s *Session) creationSchema(given string) (string, error) {
	have := s.batch().Schemas()
	if given != "" {
		if given == "pg_catalog" || given == "information_schema" {
			return "", types.Errorf(types.CodeInsufficientPrivilege, "permission denied to create in schema %q", given).
				WithDetail("System catalog modifications are currently disallowed.")
		}
		if !slices.Contains(have, given) {
			return "", types.Errorf(types.CodeInvalidSchemaName, "schema %q does not exist", given)
		}
		return given, nil
	}
	for _, name := range s.searchPath() {
		if slices.Contains(have, name) {
			return name, nil
		}
	}
	return "", types.Errorf(types.CodeInvalidSchemaName, "no schema has been selected to create in")
}

// taken reports whether a relation of that name is in the schema.
func (s *Session) taken(schema, name string) (bool, error) {
	r, err := s.relationIn(s.batch(), schema, name)
	if r != nil || err != nil {
		return r != nil, err
	}
	_, ok, err := s.findIndex(schema, name)
	return ok, err
}

func alreadyExists(name string) *Error {
	return types.Errorf(types.CodeDuplicateTable, "relation %q already exists", name)
}

func (s *Session) skipped(code, format string, args ...any) {
	e := types.Errorf(code, format, args...)
	e.Severity = "NOTICE"
	s.say(e)
}

// createTable runs CREATE TABLE and CREATE TABLE AS.
func (s *Session) createTable(x *execution, u *plan.CreateTable, out *outcome) error {
	if u.Temporary {
		return unsupported("temporary tables are not supported")
	}
	schema, err := s.creationSchema(u.Name.Schema)
	if err != nil {
		return err
	}
	if there, err := s.taken(schema, u.Name.Name); err != nil {
		return err
	} else if there {
		if u.IfNotExists {
			s.skipped(types.CodeDuplicateTable, "relation %q already exists, skipping", u.Name.Name)
			if u.As != nil {
				out.tag = "CREATE TABLE AS"
			}
			return nil
		}
		return alreadyExists(u.Name.Name)
	}
	t := db.Table{Schema: schema, Name: u.Name.Name}
	if u.As != nil {
		return s.createTableAs(x, u, t, out)
	}
	if err := s.addColumns(&t, u); err != nil {
		return err
	}
	if err := s.addConstraints(&t, u.Keys, u.Checks); err != nil {
		return err
	}
	made, err := s.batch().CreateTable(t)
	if err != nil {
		return err
	}
	return s.startIdentities(made, u.Columns)
}

// addColumns puts the columns of a definition into a descriptor, those of LIKE at their place.
func (s *Session) addColumns(t *db.Table, u *plan.CreateTable) error {
	for i := 0; i <= len(u.Columns); i++ {
		for _, like := range u.Like {
			if like.At == i {
				s.addLike(t, like)
			}
		}
		if i == len(u.Columns) {
			break
		}
		c, err := column(u.Columns[i])
		if err != nil {
			return err
		}
		t.Columns = append(t.Columns, c)
	}
	seen := map[string]bool{}
	for _, c := range t.Columns {
		if seen[c.Name] {
			return types.Errorf(types.CodeDuplicateColumn, "column %q specified more than once", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

func (s *Session) addLike(t *db.Table, like plan.LikeDef) {
	source, ok := tableOf(like.Relation)
	if !ok {
		for _, c := range like.Relation.Columns {
			if dt, ok := types.ToDB(c.Type); ok {
				t.Columns = append(t.Columns, db.Column{Name: c.Name, Type: dt, NotNull: c.NotNull})
			}
		}
		return
	}
	first := len(t.Columns)
	for _, c := range source.Columns {
		n := db.Column{Name: c.Name, Type: c.Type, NotNull: c.NotNull}
		if like.Defaults && c.Identity == db.NoIdentity {
			n.Default = c.Default
		}
		if like.Identity {
			n.Identity = c.Identity
		}
		t.Columns = append(t.Columns, n)
	}
	if like.Index {
		for _, u := range source.Uniques {
			n := db.Unique{Primary: u.Primary, Constraint: u.Constraint}
			for _, j := range u.Columns {
				n.Columns = append(n.Columns, first+j)
			}
			n.Name = keyName(t, n)
			t.Uniques = append(t.Uniques, n)
			if u.Primary {
				t.PrimaryKey = n.Columns
			}
		}
	}
	if like.Constraints {
		t.Checks = append(t.Checks, source.Checks...)
	}
}

// column makes a descriptor's column of a definition's.
func column(d plan.ColumnDef) (db.Column, error) {
	dt, ok := types.ToDB(d.Type)
	if !ok {
		return db.Column{}, unsupported("column %q: type %s cannot be stored", d.Name, d.Type)
	}
	c := db.Column{Name: d.Name, Type: dt, NotNull: d.NotNull, Default: d.Default}
	switch d.Identity {
	case plan.IdentityAlways:
		c.Identity, c.NotNull = db.IdentityAlways, true
	case plan.IdentityByDefault:
		c.Identity, c.NotNull = db.IdentityByDefault, true
	case plan.IdentitySerial:
		c.Identity, c.NotNull = db.IdentitySerial, true
	}
	return c, nil
}

func (s *Session) startIdentities(t *db.Table, defs []plan.ColumnDef) error {
	for _, d := range defs {
		if d.IdentityStart == nil {
			continue
		}
		if err := s.engine.db.SetIdentity(t, t.Column(d.Name), *d.IdentityStart); err != nil {
			return err
		}
	}
	return nil
}

// addConstraints puts keys and checks into a descriptor and names those that have no name.
func (s *Session) addConstraints(t *db.Table, keys []plan.KeyDef, checks []plan.CheckDef) error {
	for _, k := range keys {
		if err := addKey(t, k); err != nil {
			return err
		}
	}
	for _, c := range checks {
		if c.Name == "" {
			c.Name = checkName2(t, c)
		} else if constraintTaken(t, c.Name) {
			return types.Errorf(types.CodeDuplicateObject, "constraint %q for relation %q already exists", c.Name, t.Name)
		}
		t.Checks = append(t.Checks, db.Check{Name: c.Name, Expr: c.Expr})
	}
	return nil
}

func addKey(t *db.Table, k plan.KeyDef) error {
	u := db.Unique{Name: k.Name, Primary: k.Primary, Constraint: true}
	for _, name := range k.Columns {
		j := t.Column(name)
		if j < 0 {
			return types.Errorf(types.CodeUndefinedColumn, "column %q named in key does not exist", name)
		}
		if slices.Contains(u.Columns, j) {
			return types.Errorf(types.CodeDuplicateColumn, "column %q appears twice in %s constraint", name,
				map[bool]string{true: "primary key", false: "unique"}[k.Primary])
		}
		u.Columns = append(u.Columns, j)
	}
	if k.Primary {
		if t.PrimaryKey != nil {
			return types.Errorf(types.CodeInvalidTableDefinition, "multiple primary keys for table %q are not allowed", t.Name)
		}
		t.PrimaryKey = u.Columns
		for _, j := range u.Columns {
			t.Columns[j].NotNull = true
		}
	}
	if u.Name == "" {
		u.Name = keyName(t, u)
	} else if constraintTaken(t, u.Name) {
		return alreadyExists(u.Name)
	}
	if k.Primary {
		t.Uniques = slices.Insert(t.Uniques, 0, u)
	} else {
		t.Uniques = append(t.Uniques, u)
	}
	return nil
}

func constraintTaken(t *db.Table, name string) bool {
	for _, u := range t.Uniques {
		if u.Name == name {
			return true
		}
	}
	for _, c := range t.Checks {
		if c.Name == name {
			return true
		}
	}
	return false
}

// keyName is PostgreSQL's name of a key: table_pkey, table_a_b_key, table_a_b_idx.
func keyName(t *db.Table, u db.Unique) string {
	if u.Primary {
		return freeName(t, t.Name, "", "pkey")
	}
	var cols []string
	for _, j := range u.Columns {
		cols = append(cols, t.Columns[j].Name)
	}
	if u.Constraint {
		return freeName(t, t.Name, strings.Join(cols, "_"), "key")
	}
	return freeName(t, t.Name, strings.Join(cols, "_"), "idx")
}

func checkName2(t *db.Table, c plan.CheckDef) string {
	middle := ""
	if len(c.Columns) == 1 {
		middle = c.Columns[0]
	}
	return freeName(t, t.Name, middle, "check")
}

// freeName joins the parts of a made-up name within 63 bytes and counts up until it is free.
func freeName(t *db.Table, table, middle, label string) string {
	for n := 0; ; n++ {
		tail := "_" + label
		if n > 0 {
			tail += strconv.Itoa(n)
		}
		head, mid := table, middle
		for len(head)+len(mid)+len(tail)+1 > 63 {
			if len(head) > len(mid) {
				head = head[:len(head)-1]
			} else {
				mid = mid[:len(mid)-1]
			}
		}
		name := head
		if mid != "" {
			name += "_" + mid
		}
		name = strings.ToValidUTF8(name, "") + tail
		if !constraintTaken(t, name) {
			return name
		}
	}
}

// createTableAs makes a table of a query's result.
func (s *Session) createTableAs(x *execution, u *plan.CreateTable, t db.Table, out *outcome) error {
	a := &analyzed{plan: u.As, params: x.analyzed.params, scope: x.analyzed.scope}
	if err := s.resolveTypes(x.ctx, a); err != nil {
		return err
	}
	for i, c := range a.columns {
		name := c.Name
		if i < len(u.Columns) {
			name = u.Columns[i].Name
		}
		dt, ok := types.ToDB(c.Type)
		if !ok {
			return unsupported("column %q: type %s cannot be stored", name, c.Type)
		}
		if t.Column(name) >= 0 {
			return types.Errorf(types.CodeDuplicateColumn, "column %q specified more than once", name)
		}
		t.Columns = append(t.Columns, db.Column{Name: name, Type: dt})
	}
	made, err := s.batch().CreateTable(t)
	if err != nil {
		return err
	}
	out.tag = "CREATE TABLE AS"
	if u.WithNoData {
		return nil
	}
	inner, err := s.run(&execution{session: s, analyzed: a, params: x.params, text: x.text, ctx: x.ctx}, nil)
	if err != nil {
		return err
	}
	n, err := s.fill(x, made, inner.rows, a.columns)
	out.tag = "SELECT " + strconv.FormatInt(n, 10)
	return err
}

// fill inserts rows whose types are the table's.
func (s *Session) fill(x *execution, t *db.Table, rows rowSource, columns []Column) (n int64, err error) {
	kept, err := spoolRows(rows, columns, s.engine.tempDir)
	if err != nil {
		return 0, err
	}
	defer kept.Close()
	list, err := chunked(kept, func(chunk []db.Row) error {
		_, err := s.batch().Insert(x.ctx, t, chunk...)
		return err
	})
	return list, err
}

// chunked calls f with rows, many at a time, and counts them.
func chunked(rows rowSource, f func([]db.Row) error) (n int64, err error) {
	for {
		var chunk []db.Row
		var row []any
		for len(chunk) < insertChunk {
			if row, err = rows.Next(); err != nil {
				break
			}
			chunk = append(chunk, append(db.Row{}, row...))
		}
		if len(chunk) > 0 {
			if e := f(chunk); e != nil {
				return n, e
			}
			n += int64(len(chunk))
		}
		if err != nil {
			if isEOF(err) {
				return n, nil
			}
			return n, err
		}
	}
}

// drop runs DROP.
func (s *Session) drop(u *plan.Drop) error {
	for _, name := range u.Names {
		var err error
		switch u.Kind {
		case plan.ObjectTable:
			err = s.dropTable(name, u)
		case plan.ObjectIndex:
			err = s.dropIndex(name, u)
		case plan.ObjectView:
			err = s.dropView(name, u)
		case plan.ObjectSchema:
			err = s.dropSchema(name.Name, u)
		case plan.ObjectExtension:
			err = unsupported("extension %q is built in and cannot be dropped", name.Name)
		default:
			if !u.IfExists {
				return types.Errorf(types.CodeUndefinedObject, "%s %q does not exist", u.Kind, name.Name)
			}
			s.skipped(types.CodeSuccessfulCompletion, "%s %q does not exist, skipping", u.Kind, name.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) dropTable(name plan.Name, u *plan.Drop) error {
	rel, err := s.resolve(s.batch(), name.Schema, name.Name)
	if err != nil {
		return err
	}
	if rel == nil {
		if u.IfExists {
			s.skipped(types.CodeSuccessfulCompletion, "table %q does not exist, skipping", name.Name)
			return nil
		}
		return types.Errorf(types.CodeUndefinedTable, "table %q does not exist", name.Name)
	}
	t, ok := tableOf(rel)
	switch {
	case rel.Kind == plan.View:
		return types.Errorf(types.CodeWrongObjectType, "%q is not a table", name.Name).WithHint("Use DROP VIEW to remove a view.")
	case !ok:
		return types.Errorf(types.CodeInsufficientPrivilege, "permission denied: %q is a system catalog", name.Name)
	}
	if err := s.forgetIndexes(t.ID); err != nil {
		return err
	}
	err = s.batch().DropTable(t.ID)
	if errors.Is(err, db.ErrSystemTable) {
		return types.Errorf(types.CodeDependentObjectsStillExist, "cannot drop table %s because the database requires it", t.Name)
	}
	return err
}

func (s *Session) truncate(u *plan.Truncate) error {
	for _, r := range u.Relations {
		t, ok := tableOf(r)
		if !ok {
			return types.Errorf(types.CodeWrongObjectType, "%q is not a table", r.Name)
		}
		if err := s.batch().Truncate(t.ID); err != nil {
			return err
		}
		for j, c := range t.Columns {
			if u.RestartIdentity && c.Identity != db.NoIdentity {
				if err := s.engine.db.SetIdentity(t, j, 1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *Session) createSchema(u *plan.CreateSchema) error {
	if strings.HasPrefix(u.Name, "pg_") {
		return types.Errorf(types.CodeReservedName, "unacceptable schema name %q", u.Name).
			WithDetail(`The prefix "pg_" is reserved for system schemas.`)
	}
	err := s.batch().CreateSchema(u.Name)
	if errors.Is(err, db.ErrSchemaExists) {
		if u.IfNotExists {
			s.skipped(types.CodeDuplicateSchema, "schema %q already exists, skipping", u.Name)
			return nil
		}
		return types.Errorf(types.CodeDuplicateSchema, "schema %q already exists", u.Name)
	}
	return err
}

func (s *Session) dropSchema(name string, u *plan.Drop) error {
	if !slices.Contains(s.batch().Schemas(), name) {
		if u.IfExists {
			s.skipped(types.CodeSuccessfulCompletion, "schema %q does not exist, skipping", name)
			return nil
		}
		return types.Errorf(types.CodeInvalidSchemaName, "schema %q does not exist", name)
	}
	if u.Cascade {
		for _, t := range s.batch().Tables() {
			if t.Schema != name {
				continue
			}
			if err := s.dropTable(plan.Name{Schema: name, Name: t.Name}, u); err != nil {
				return err
			}
		}
		if err := s.dropViewsOf(name); err != nil {
			return err
		}
	}
	err := s.batch().DropSchema(name)
	if errors.Is(err, db.ErrSchemaNotEmpty) {
		return types.Errorf(types.CodeDependentObjectsStillExist, "cannot drop schema %s because other objects depend on it", name).
			WithHint("Use DROP ... CASCADE to drop the dependent objects too.")
	}
	return err
}

// comment runs COMMENT ON.
func (s *Session) comment(u *plan.Comment) error {
	text := ""
	if u.Text != nil {
		text = *u.Text
	}
	switch u.Kind {
	case plan.ObjectTable, plan.ObjectColumn:
		rel, err := s.resolve(s.batch(), u.Name.Schema, u.Name.Name)
		if err != nil {
			return err
		}
		t, ok := tableOf(rel)
		if !ok {
			return types.Errorf(types.CodeUndefinedTable, "relation %q does not exist", u.Name.Name)
		}
		n := t.Clone()
		if u.Kind == plan.ObjectTable {
			n.Comment = text
		} else {
			j := n.Column(u.Part)
			if j < 0 {
				return types.Errorf(types.CodeUndefinedColumn, "column %q of relation %q does not exist", u.Part, u.Name.Name)
			}
			n.Columns[j].Comment = text
		}
		_, err = s.batch().AlterTable(s.ctx, n)
		return err
	}
	key := fmt.Sprintf("comment/%s/%s.%s.%s", u.Kind, u.Name.Schema, u.Name.Name, u.Part)
	if u.Text == nil {
		return s.batch().SetSetting(key, nil)
	}
	return s.batch().SetSetting(key, []byte(text))
}
