package sql

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// storedIndex is an index that is no key: what the user asked for, by name.
type storedIndex struct {
	Table      db.TableID        `json:"table"`
	Method     string            `json:"method"`
	Columns    []uint32          `json:"columns"` // column IDs; 0 for an expression
	OpClass    string            `json:"opclass,omitempty"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Keys       []indexKeyText    `json:"keys,omitempty"`  // what Columns do not say of each key; none: nothing
	Order      []string          `json:"order,omitempty"` // names of Parameters as they were given
	Where      string            `json:"where,omitempty"`
}

// indexKeyText is how the catalog shows a key of a stored index.
type indexKeyText struct {
	Expr       string `json:"expr,omitempty"`
	OpClass    string `json:"opclass,omitempty"`
	Desc       bool   `json:"desc,omitempty"`
	NullsFirst bool   `json:"nulls_first,omitempty"`
}

func indexKey(schema, name string) string { return "index/" + schema + "." + name }

// findIndex finds a stored index by name.
func (s *Session) findIndex(schema, name string) (*storedIndex, bool, error) {
	return indexIn(s.batch(), schema, name)
}

func indexIn(r db.Reader, schema, name string) (*storedIndex, bool, error) {
	b, ok, err := r.Setting(indexKey(schema, name))
	if err != nil || !ok {
		return nil, false, err
	}
	var x storedIndex
	if err := json.Unmarshal(b, &x); err != nil {
		return nil, false, fmt.Errorf("index %q: %w", name, err)
	}
	return &x, true, nil
}

// forgetIndexes drops the stored indexes of a table.
func (s *Session) forgetIndexes(id db.TableID) error {
	keys, err := s.batch().Settings("index/")
	if err != nil {
		return err
	}
	for _, key := range keys {
		schema, name, _ := strings.Cut(strings.TrimPrefix(key, "index/"), ".")
		x, ok, err := s.findIndex(schema, name)
		if err != nil {
			return err
		}
		if ok && x.Table == id {
			if err := s.batch().SetSetting(key, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// createIndex runs CREATE INDEX. A unique one is a key of the table; the others are kept by name.
func (s *Session) createIndex(u *plan.CreateIndex) error {
	t, ok := tableOf(u.Relation)
	if !ok {
		return types.Errorf(types.CodeWrongObjectType, "%q is not a table", u.Relation.Name)
	}
	name, there, err := s.indexName(t, u)
	if err != nil {
		return err
	}
	if there {
		if u.IfNotExists {
			s.skipped(types.CodeDuplicateTable, "relation %q already exists, skipping", name)
			return nil
		}
		return alreadyExists(name)
	}
	if u.Concurrently {
		if err := s.outsideBlock("CREATE INDEX CONCURRENTLY"); err != nil {
			return err
		}
	}
	if u.Unique {
		return s.createUnique(t, u, name)
	}
	return s.storeIndex(t, u, name)
}

// indexName chooses the name of an index and tells whether it is taken.
func (s *Session) indexName(t *db.Table, u *plan.CreateIndex) (string, bool, error) {
	if u.Name != "" {
		there, err := s.taken(t.Schema, u.Name)
		return u.Name, there || constraintTaken(t, u.Name), err
	}
	var parts []string
	for _, c := range u.Columns {
		if c.Column < 0 {
			parts = append(parts, "expr")
		} else {
			parts = append(parts, t.Columns[c.Column].Name)
		}
	}
	base := freeName(t, t.Name, strings.Join(parts, "_"), "idx")
	for n := 0; ; n++ {
		name := base
		if n > 0 {
			name += fmt.Sprint(n)
		}
		there, err := s.taken(t.Schema, name)
		if err != nil || !there {
			return name, false, err
		}
	}
}

func (s *Session) createUnique(t *db.Table, u *plan.CreateIndex, name string) error {
	if u.Method != "btree" {
		return unsupported("access method %q does not support unique indexes", u.Method)
	}
	if u.Where != "" {
		return unsupported("partial unique indexes are not supported")
	}
	key := db.Unique{Name: name}
	for _, c := range u.Columns {
		if c.Column < 0 {
			return unsupported("unique indexes on expressions are not supported")
		}
		key.Columns = append(key.Columns, c.Column)
	}
	n := t.Clone()
	n.Uniques = append(n.Uniques, key)
	_, err := s.batch().AlterTable(s.ctx, n)
	var c *db.ConstraintError
	if errors.As(err, &c) && c.Kind == db.UniqueViolation {
		e := types.Errorf(types.CodeUniqueViolation, "could not create unique index %q", name)
		e.Detail = strings.Replace(c.Detail, "already exists", "is duplicated", 1)
		e.Schema, e.Table, e.Constraint = c.Schema, c.Table, name
		return e
	}
	return err
}

// recorded describes an index as the catalog shows it.
func recorded(t *db.Table, u *plan.CreateIndex) *storedIndex {
	x := &storedIndex{Table: t.ID, Method: u.Method, Parameters: map[string]string{}, Where: u.Where}
	for _, c := range u.Columns {
		id := uint32(0)
		if c.Column >= 0 {
			id = t.Columns[c.Column].ID
		}
		x.Columns = append(x.Columns, id)
		x.OpClass = c.OpClass
		x.Keys = append(x.Keys, indexKeyText{c.Expr, c.OpClass, c.Desc, c.NullsFirst})
	}
	for _, p := range u.Parameters {
		x.Parameters[p.Name] = p.Value
		x.Order = append(x.Order, p.Name)
	}
	return x
}

// keep writes the description of an index under a name.
func (x *storedIndex) keep(b *db.Batch, schema, name string) error {
	text, err := json.Marshal(x)
	if err != nil {
		return err
	}
	return b.SetSetting(indexKey(schema, name), text)
}

func (s *Session) storeIndex(t *db.Table, u *plan.CreateIndex, name string) error {
	switch u.Method {
	case "btree", "hash", "gin", "gist", "brin", "spgist":
		s.note("index %q is recorded; queries do not need it", name)
		return recorded(t, u).keep(s.batch(), t.Schema, name)
	}
	if _, ok := indexKinds[u.Method]; ok {
		return s.createVectorIndex(t, u, name)
	}
	return types.Errorf(types.CodeUndefinedObject, "access method %q does not exist", u.Method)
}

// indexSchemas are where an index of that name is looked for.
func (s *Session) indexSchemas(name plan.Name) []string {
	if name.Schema == "" {
		return s.searchPath()
	}
	return []string{name.Schema}
}

// dropIndex runs DROP INDEX.
func (s *Session) dropIndex(name plan.Name, u *plan.Drop) error {
	if u.Concurrently {
		if err := s.outsideBlock("DROP INDEX CONCURRENTLY"); err != nil {
			return err
		}
	}
	for _, schema := range s.indexSchemas(name) {
		if done, err := s.dropVectorIndex(schema, name.Name); done || err != nil {
			return err
		}
		if _, ok, err := s.findIndex(schema, name.Name); err != nil {
			return err
		} else if ok {
			return s.batch().SetSetting(indexKey(schema, name.Name), nil)
		}
		for _, t := range s.batch().Tables() {
			for i, q := range t.Uniques {
				if t.Schema != schema || q.Name != name.Name {
					continue
				}
				if q.Constraint || q.Primary {
					return types.Errorf(types.CodeDependentObjectsStillExist, "cannot drop index %s because constraint %s on table %s requires it", q.Name, q.Name, t.Name).
						WithHint("You can drop constraint %s on table %s instead.", q.Name, t.Name)
				}
				n := t.Clone()
				n.Uniques = slices.Delete(n.Uniques, i, i+1)
				_, err := s.batch().AlterTable(s.ctx, n)
				return err
			}
		}
	}
	if u.IfExists {
		s.skipped(types.CodeSuccessfulCompletion, "index %q does not exist, skipping", name.Name)
		return nil
	}
	return types.Errorf(types.CodeUndefinedObject, "index %q does not exist", name.Name)
}
