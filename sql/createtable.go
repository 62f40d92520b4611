package sql

import (
	"slices"
	"strconv"
	"strings"

	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

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
		for _, v := range source.Indexes {
			v.ID, v.Column = 0, first+v.Column
			v.Name = freeName(t, t.Name, t.Columns[v.Column].Name, "idx")
			t.Indexes = append(t.Indexes, v)
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
			c.Name = checkConstraintName(t, c)
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
	return slices.ContainsFunc(t.Indexes, func(v db.VectorIndex) bool { return v.Name == name })
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

func checkConstraintName(t *db.Table, c plan.CheckDef) string {
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
