package sql

import (
	"errors"
	"fmt"
	"slices"
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
	if _, i := s.vectorIndex(schema, name); i >= 0 {
		return true, nil
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
