package sql

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// vectorClasses are pgvector's operator classes by method.
var vectorClasses = map[string][]string{
	"hnsw": {"vector_l2_ops", "vector_ip_ops", "vector_cosine_ops", "vector_l1_ops", "halfvec_l2_ops", "halfvec_ip_ops",
		"halfvec_cosine_ops", "halfvec_l1_ops", "bit_hamming_ops", "bit_jaccard_ops"},
	"ivfflat": {"vector_l2_ops", "vector_ip_ops", "vector_cosine_ops", "halfvec_l2_ops", "halfvec_ip_ops", "halfvec_cosine_ops",
		"bit_hamming_ops"},
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

func (s *Session) storeIndex(t *db.Table, u *plan.CreateIndex, name string) error {
	x := storedIndex{Table: t.ID, Method: u.Method, Parameters: map[string]string{}, Where: u.Where}
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
	switch u.Method {
	case "hnsw", "ivfflat":
		if err := checkVectorIndex(t, u); err != nil {
			return err
		}
		s.note("index %q is recorded; nearest-neighbour queries are answered exactly, without it", name)
	case "btree", "hash", "gin", "gist", "brin", "spgist":
		s.note("index %q is recorded; queries do not need it", name)
	default:
		return types.Errorf(types.CodeUndefinedObject, "access method %q does not exist", u.Method)
	}
	b, err := json.Marshal(x)
	if err != nil {
		return err
	}
	return s.batch().SetSetting(indexKey(t.Schema, name), b)
}

func checkVectorIndex(t *db.Table, u *plan.CreateIndex) error {
	if len(u.Columns) != 1 {
		return unsupported("access method %q does not support multicolumn indexes", u.Method)
	}
	c := u.Columns[0]
	if c.OpClass != "" && !slices.Contains(vectorClasses[u.Method], c.OpClass) {
		return types.Errorf(types.CodeUndefinedObject, "operator class %q does not exist for access method %q", c.OpClass, u.Method)
	}
	if c.Column < 0 {
		return unsupported("vector indexes on expressions are not supported")
	}
	ct := t.Columns[c.Column].Type
	switch ct.Kind {
	case db.Vector, db.Halfvec:
		if ct.Dim() == 0 {
			return types.Errorf(types.CodeInvalidTableDefinition, "column does not have dimensions")
		}
	case db.Bit:
	default:
		return types.Errorf(types.CodeUndefinedObject, "data type %s has no default operator class for access method %q", types.FromDB(ct), u.Method)
	}
	return nil
}

// dropIndex runs DROP INDEX.
func (s *Session) dropIndex(name plan.Name, u *plan.Drop) error {
	schemas := []string{name.Schema}
	if name.Schema == "" {
		schemas = s.searchPath()
	}
	for _, schema := range schemas {
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

// storedView is a view: its text and the names and types of its columns.
type storedView struct {
	OID     uint32       `json:"oid"`
	Query   string       `json:"query"`
	Columns []viewColumn `json:"columns"`
}

type viewColumn struct {
	Name string `json:"name"`
	OID  uint32 `json:"type"`
	Mod  int32  `json:"mod"`
}

func viewKey(schema, name string) string { return "view/" + schema + "." + name }

// firstViewOID is where the OIDs of views begin: above those of tables, schemas and roles.
const firstViewOID = 3 << 29

// viewIn finds a view. The description is made once for each text of its definition.
func (s *Session) viewIn(r db.Reader, schema, name string) (*plan.Relation, error) {
	b, ok, err := r.Setting(viewKey(schema, name))
	if err != nil || !ok {
		return nil, err
	}
	return s.engine.relations.ofView(schema, name, b)
}

func (rs *relations) ofView(schema, name string, b []byte) (*plan.Relation, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	key := schema + "." + name + "\x00" + string(b)
	if r := rs.views[key]; r != nil {
		return r, nil
	}
	var v storedView
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("view %q: %w", name, err)
	}
	r := &plan.Relation{OID: v.OID, Schema: schema, Name: name, Kind: plan.View, Definition: v.Query}
	for i, c := range v.Columns {
		r.Columns = append(r.Columns, plan.RelColumn{Name: c.Name, Type: types.Type{OID: c.OID, Mod: c.Mod}, AttNum: int16(i + 1)})
	}
	if rs.views == nil || len(rs.views) > cachedStatements {
		rs.views = map[string]*plan.Relation{}
	}
	rs.views[key] = r
	return r, nil
}

// createView runs CREATE VIEW.
func (s *Session) createView(u *plan.CreateView) error {
	if u.Temporary {
		return unsupported("temporary views are not supported")
	}
	schema, err := s.creationSchema(u.Name.Schema)
	if err != nil {
		return err
	}
	old, err := s.relationIn(s.batch(), schema, u.Name.Name)
	if err != nil {
		return err
	}
	if old != nil && (!u.Replace || old.Kind != plan.View) {
		return alreadyExists(u.Name.Name)
	}
	a := &analyzed{plan: u.Plan, params: slices.Clone(u.Plan.Params)}
	if err := s.resolveTypes(s.ctx, a); err != nil {
		return err
	}
	v := storedView{Query: u.Query}
	for i, c := range a.columns {
		name := c.Name
		if i < len(u.Columns) {
			name = u.Columns[i]
		}
		v.Columns = append(v.Columns, viewColumn{name, c.Type.OID, c.Type.Mod})
	}
	if v.OID, err = s.viewOID(old); err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.batch().SetSetting(viewKey(schema, u.Name.Name), b)
}

func (s *Session) viewOID(old *plan.Relation) (uint32, error) {
	if old != nil {
		return old.OID, nil
	}
	keys, err := s.batch().Settings("view/")
	if err != nil {
		return 0, err
	}
	next := uint32(firstViewOID)
	for _, key := range keys {
		schema, name, _ := strings.Cut(strings.TrimPrefix(key, "view/"), ".")
		if r, err := s.viewIn(s.batch(), schema, name); err != nil {
			return 0, err
		} else if r != nil {
			next = max(next, r.OID+1)
		}
	}
	return next, nil
}

func (s *Session) dropView(name plan.Name, u *plan.Drop) error {
	rel, err := s.resolve(s.batch(), name.Schema, name.Name)
	switch {
	case err != nil:
		return err
	case rel == nil && u.IfExists:
		s.skipped(types.CodeSuccessfulCompletion, "view %q does not exist, skipping", name.Name)
		return nil
	case rel == nil:
		return types.Errorf(types.CodeUndefinedTable, "view %q does not exist", name.Name)
	case rel.Kind != plan.View:
		return types.Errorf(types.CodeWrongObjectType, "%q is not a view", name.Name).WithHint("Use DROP TABLE to remove a table.")
	}
	return s.batch().SetSetting(viewKey(rel.Schema, rel.Name), nil)
}

func (s *Session) dropViewsOf(schema string) error {
	keys, err := s.batch().Settings("view/" + schema + ".")
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := s.batch().SetSetting(key, nil); err != nil {
			return err
		}
	}
	return nil
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
