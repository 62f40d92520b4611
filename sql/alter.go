package sql

import (
	"slices"
	"strings"

	"engram/db"
	"engram/sql/internal/catalog"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// alterTable runs ALTER TABLE: its actions apply in order, all or none.
func (s *Session) alterTable(x *execution, u *plan.AlterTable) error {
	if u.Kind == plan.ObjectIndex {
		return s.alterIndex(u)
	}
	if u.Relation == nil {
		s.skipped(types.CodeSuccessfulCompletion, "relation %q does not exist, skipping", u.Name.Name)
		return nil
	}
	if u.Kind == plan.ObjectView {
		return unsupported("ALTER %s is not supported", u.Kind)
	}
	t, ok := tableOf(u.Relation)
	if !ok {
		return types.Errorf(types.CodeWrongObjectType, "%q is not a table", u.Relation.Name)
	}
	for _, action := range u.Actions {
		next, err := s.alter(x, t, action)
		if err != nil {
			return err
		}
		t = next
	}
	return nil
}

// alter applies one action and gives the table as it is then.
func (s *Session) alter(x *execution, t *db.Table, action any) (*db.Table, error) {
	n := t.Clone()
	var err error
	switch a := action.(type) {
	case plan.AddColumn:
		return s.alterAdd(x, t, a)
	case plan.DropColumn:
		if t, err := dropColumn(s, &n, a); t != nil || err != nil {
			return t, err
		}
	case plan.RenameColumn:
		err = renameColumn(&n, a)
	case plan.RenameTable:
		if there, e := s.taken(n.Schema, a.To); e != nil || there {
			return nil, firstError(e, alreadyExists(a.To))
		}
		n.Name = a.To
	case plan.SetSchema:
		if n.Schema, err = s.creationSchema(a.Schema); err != nil {
			return nil, err
		}
		err = s.moveIndexes(t, n.Schema)
	case plan.SetDefault:
		err = changeColumn(&n, a.Column, func(c *db.Column) { c.Default = a.Expr })
	case plan.SetNotNull:
		err = changeColumn(&n, a.Column, func(c *db.Column) { c.NotNull = a.NotNull })
	case plan.SetType:
		return s.alterType(x, t, a)
	case plan.AddKey:
		err = addKey(&n, a.Key)
	case plan.AddCheck:
		if err = s.addConstraints(&n, nil, []plan.CheckDef{a.Check}); err == nil {
			err = s.verifyCheck(x, t, n)
		}
	case plan.DropConstraint:
		err = dropConstraint(s, &n, a)
	case plan.RenameConstraint:
		err = renameConstraint(&n, a)
	case plan.SetIdentity:
		return s.alterIdentity(x, t, a)
	case plan.SetParameters, plan.ResetParameters, plan.SetOwner: // nothing here depends on them
		return t, nil
	default:
		return nil, unsupported("this form of ALTER TABLE is not supported")
	}
	if err != nil {
		return nil, err
	}
	return s.batch().AlterTable(x.ctx, n)
}

func firstError(a error, b error) error {
	if a != nil {
		return a
	}
	return b
}

func noColumn(t *db.Table, name string) *Error {
	return types.Errorf(types.CodeUndefinedColumn, "column %q of relation %q does not exist", name, t.Name)
}

func changeColumn(n *db.Table, name string, f func(*db.Column)) error {
	j := n.Column(name)
	if j < 0 {
		return noColumn(n, name)
	}
	f(&n.Columns[j])
	return nil
}

// alterAdd adds a column. Rows that are there read its default as it is now.
func (s *Session) alterAdd(x *execution, t *db.Table, a plan.AddColumn) (*db.Table, error) {
	n := t.Clone()
	if n.Column(a.Column.Name) >= 0 {
		if a.IfNotExists {
			s.skipped(types.CodeDuplicateColumn, "column %q of relation %q already exists, skipping", a.Column.Name, t.Name)
			return t, nil
		}
		return nil, types.Errorf(types.CodeDuplicateColumn, "column %q of relation %q already exists", a.Column.Name, t.Name)
	}
	c, err := column(a.Column)
	if err != nil {
		return nil, err
	}
	if a.Column.DefaultExpr != nil {
		if c.Missing, err = a.Column.DefaultExpr.Eval(s.env(x)); err != nil {
			return nil, err
		}
	}
	notNull, identity := c.NotNull, c.Identity
	if identity != db.NoIdentity { // rows that are there are numbered first
		c.NotNull, c.Identity = false, db.NoIdentity
	}
	n.Columns = append(n.Columns, c)
	made, err := s.batch().AlterTable(x.ctx, n)
	if err != nil {
		return nil, err
	}
	if identity != db.NoIdentity {
		if made, err = s.numberRows(x, made, identity); err != nil {
			return nil, err
		}
	}
	if len(a.Keys) == 0 && len(a.Checks) == 0 {
		return made, nil
	}
	n = made.Clone()
	n.Columns[len(n.Columns)-1].NotNull = notNull || identity != db.NoIdentity
	if err := s.addConstraints(&n, a.Keys, a.Checks); err != nil {
		return nil, err
	}
	if err := s.verifyCheck(x, made, n); err != nil {
		return nil, err
	}
	return s.batch().AlterTable(x.ctx, n)
}

// numberRows makes the last column of a table an identity and numbers the rows that are there.
func (s *Session) numberRows(x *execution, t *db.Table, identity db.Identity) (*db.Table, error) {
	ids, err := s.allRows(x, t)
	if err != nil {
		return nil, err
	}
	last := len(t.Columns) - 1
	for i, id := range ids {
		if err := s.batch().Update(x.ctx, t, id, map[int]any{last: int64(i + 1)}); err != nil {
			return nil, err
		}
	}
	n := t.Clone()
	n.Columns[last].Identity, n.Columns[last].NotNull = identity, true
	made, err := s.batch().AlterTable(x.ctx, n)
	if err != nil {
		return nil, err
	}
	return made, s.engine.db.SetIdentity(made, last, int64(len(ids)+1))
}

func (s *Session) allRows(x *execution, t *db.Table) (ids []db.RowID, err error) {
	err = s.batch().Scan(x.ctx, t, []int{}, func(id db.RowID, _ db.Row) error {
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

// verifyCheck holds the rows that are there against the checks that n has and t has not.
func (s *Session) verifyCheck(x *execution, t *db.Table, n db.Table) error {
	if len(n.Checks) == len(t.Checks) {
		return nil
	}
	env, sc, rel := s.env(x), s.scope(), s.engine.relations.ofTable(t)
	for _, c := range n.Checks[len(t.Checks):] {
		e, err := s.engine.parseExpr(c.Expr, sc, rel, types.Of(types.BoolOID))
		if err != nil {
			return err
		}
		err = s.batch().Scan(x.ctx, t, nil, func(_ db.RowID, r db.Row) error {
			env.Row = r
			v, err := e.Eval(env)
			if ok, isBool := v.(bool); err == nil && isBool && !ok {
				err = types.Errorf(types.CodeCheckViolation, "check constraint %q of relation %q is violated by some row", c.Name, t.Name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropColumn takes a column out, with the keys that hold it. A table in the result means there was nothing to do.
func dropColumn(s *Session, n *db.Table, a plan.DropColumn) (*db.Table, error) {
	j := n.Column(a.Name)
	if j < 0 {
		if a.IfExists {
			s.skipped(types.CodeSuccessfulCompletion, "column %q of relation %q does not exist, skipping", a.Name, n.Name)
			return s.batch().TableByID(n.ID)
		}
		return nil, noColumn(n, a.Name)
	}
	if err := s.dropIndexesOf(n, j); err != nil {
		return nil, err
	}
	n.Columns = slices.Delete(n.Columns, j, j+1)
	n.Uniques = slices.DeleteFunc(n.Uniques, func(u db.Unique) bool { return slices.Contains(u.Columns, j) })
	for _, u := range n.Uniques {
		shift(u.Columns, j)
	}
	if slices.Contains(n.PrimaryKey, j) {
		n.PrimaryKey = nil
	}
	shift(n.PrimaryKey, j)
	sc := s.scope()
	rel := describeTable(n)
	n.Checks = slices.DeleteFunc(n.Checks, func(c db.Check) bool { // a check of the column goes with it
		_, err := s.engine.parseExpr(c.Expr, sc, rel, types.Of(types.BoolOID))
		return err != nil
	})
	return nil, nil
}

// shift renumbers positions behind a column that is gone.
func shift(positions []int, gone int) {
	for i := range positions {
		if positions[i] > gone {
			positions[i]--
		}
	}
}

func renameColumn(n *db.Table, a plan.RenameColumn) error {
	if n.Column(a.To) >= 0 {
		return types.Errorf(types.CodeDuplicateColumn, "column %q of relation %q already exists", a.To, n.Name)
	}
	for i := range n.Checks {
		n.Checks[i].Expr = renameIn(n.Checks[i].Expr, a.From, a.To)
	}
	return changeColumn(n, a.From, func(c *db.Column) { c.Name = a.To })
}

func dropConstraint(s *Session, n *db.Table, a plan.DropConstraint) error {
	for i, u := range n.Uniques {
		if u.Name == a.Name && (u.Constraint || u.Primary) {
			if u.Primary {
				n.PrimaryKey = nil
			}
			n.Uniques = slices.Delete(n.Uniques, i, i+1)
			return nil
		}
	}
	for i, c := range n.Checks {
		if c.Name == a.Name {
			n.Checks = slices.Delete(n.Checks, i, i+1)
			return nil
		}
	}
	if a.IfExists {
		s.skipped(types.CodeSuccessfulCompletion, "constraint %q of relation %q does not exist, skipping", a.Name, n.Name)
		return nil
	}
	return types.Errorf(types.CodeUndefinedObject, "constraint %q of relation %q does not exist", a.Name, n.Name)
}

func renameConstraint(n *db.Table, a plan.RenameConstraint) error {
	if constraintTaken(n, a.To) {
		return types.Errorf(types.CodeDuplicateObject, "constraint %q for relation %q already exists", a.To, n.Name)
	}
	for i := range n.Uniques {
		if n.Uniques[i].Name == a.From {
			n.Uniques[i].Name = a.To
			return nil
		}
	}
	for i := range n.Checks {
		if n.Checks[i].Name == a.From {
			n.Checks[i].Name = a.To
			return nil
		}
	}
	return types.Errorf(types.CodeUndefinedObject, "constraint %q for table %q does not exist", a.From, n.Name)
}

// alterType gives a column another type: a new column in its place, filled row by row.
func (s *Session) alterType(x *execution, t *db.Table, a plan.SetType) (*db.Table, error) {
	j := t.Column(a.Column)
	if j < 0 {
		return nil, noColumn(t, a.Column)
	}
	to, ok := types.ToDB(a.Type)
	if !ok {
		return nil, unsupported("column %q: type %s cannot be stored", a.Column, a.Type)
	}
	using := a.Using
	row := new([]any)
	if using == nil {
		e, err := s.engine.coerceExpr(&slot{types.FromDB(t.Columns[j].Type), row, j}, a.Type)
		if err != nil {
			return nil, types.Errorf(types.CodeDatatypeMismatch, "column %q cannot be cast automatically to type %s", a.Column, a.Type).
				WithHint("You might need to specify \"USING %s::%s\".", a.Column, a.Type)
		}
		using = e
	}
	env := s.env(x)
	values := map[db.RowID]any{}
	err := s.batch().Scan(x.ctx, t, nil, func(id db.RowID, r db.Row) error {
		*row, env.Row = r, r
		v, err := using.Eval(env)
		values[id] = v
		return err
	})
	if err != nil {
		return nil, err
	}
	n := t.Clone()
	old := n.Columns[j]
	for _, u := range n.Uniques {
		if slices.Contains(u.Columns, j) {
			return nil, unsupported("the type of a column in a key cannot be changed")
		}
	}
	n.Columns[j] = db.Column{Name: old.Name, Type: to, Identity: old.Identity, Comment: old.Comment, Default: old.Default}
	if err := retypeIndexes(&n, j); err != nil {
		return nil, err
	}
	made, err := s.batch().AlterTable(x.ctx, n)
	if err == nil {
		err = s.renumberColumn(t.ID, old.ID, made.Columns[j].ID, to)
	}
	if err != nil {
		return nil, err
	}
	for id, v := range values {
		if err := s.batch().Update(x.ctx, made, id, map[int]any{j: v}); err != nil {
			return nil, err
		}
	}
	if !old.NotNull {
		return made, nil
	}
	n = made.Clone()
	n.Columns[j].NotNull = true
	return s.batch().AlterTable(x.ctx, n)
}

func (s *Session) alterIdentity(x *execution, t *db.Table, a plan.SetIdentity) (*db.Table, error) {
	j := t.Column(a.Column)
	if j < 0 {
		return nil, noColumn(t, a.Column)
	}
	if a.Restart != nil {
		return t, s.engine.db.SetIdentity(t, j, *a.Restart)
	}
	n := t.Clone()
	c := &n.Columns[j]
	switch {
	case a.Identity == plan.NoIdentity && c.Identity == db.NoIdentity && !a.IfExists:
		return nil, types.Errorf(types.CodeObjectNotInPrerequisiteState, "column %q of relation %q is not an identity column", a.Column, t.Name)
	case a.Identity == plan.NoIdentity:
		c.Identity = db.NoIdentity
	case a.Identity == plan.IdentityAlways:
		c.Identity, c.NotNull = db.IdentityAlways, true
	default:
		c.Identity, c.NotNull = db.IdentityByDefault, true
	}
	return s.batch().AlterTable(x.ctx, n)
}

// renameIn writes an expression over a table's columns with one of them renamed: names outside of strings that are not
// those of functions.
func renameIn(text, from, to string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		end := i + 1
		switch c := text[i]; {
		case c == '\'' || c == '"':
			for end < len(text) && text[end] != c {
				end++
			}
			end = min(end+1, len(text))
		case isWord(text[i:end]) || c > 127:
			for end < len(text) && (isWord("_"+text[end:end+1]) || text[end] > 127) {
				end++
			}
		}
		token := text[i:end]
		called := strings.HasPrefix(strings.TrimLeft(text[end:], " "), "(")
		if token == catalog.QuoteIdent(from) && !called || token == quoteName(from) {
			token = catalog.QuoteIdent(to)
		}
		b.WriteString(token)
		i = end
	}
	return b.String()
}
