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
