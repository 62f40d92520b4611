package sql

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"engram/db"
	"engram/sql/internal/catalog"
)

// catalogEnv is what catalog rows and functions may know of the session.
func (s *Session) catalogEnv(r db.Reader) *catalog.Env {
	return &catalog.Env{Reader: r, User: s.user, Database: s.name, SearchPath: s.searchPath(), PID: s.pid,
		Setting: func(name string) (string, bool) {
			v, ok := s.setting(name)
			if def, known := lookupSetting(name); ok && known {
				v = def.show(v)
			}
			return v, ok
		},
		Settings: s.catalogSettings,
		Roles: func() ([]catalog.Role, error) {
			all, err := rolesIn(r)
			out := make([]catalog.Role, len(all))
			for i, role := range all {
				out[i] = catalog.Role{Name: role.Name, Superuser: role.Superuser, Login: role.Login}
			}
			return out, err
		},
		Sessions: s.engine.catalogSessions,
		Prepared: s.catalogPrepared,
		Cursors:  s.catalogCursors,
		Views:    func() ([]catalog.View, error) { return s.catalogViews(r) },
		Indexes:  func() ([]catalog.Index, error) { return catalogIndexes(r) },
	}
}

// catalogViews lists the views that the reader sees.
func (s *Session) catalogViews(r db.Reader) ([]catalog.View, error) {
	keys, err := r.Settings("view/")
	if err != nil {
		return nil, err
	}
	var out []catalog.View
	for _, key := range keys {
		schema, name, _ := strings.Cut(strings.TrimPrefix(key, "view/"), ".")
		v, err := s.viewIn(r, schema, name)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		c := catalog.View{OID: v.OID, Schema: schema, Name: name, Definition: v.Definition}
		for _, col := range v.Columns {
			c.Columns = append(c.Columns, catalog.Column{Name: col.Name, Type: col.Type})
		}
		out = append(out, c)
	}
	return out, nil
}

// catalogIndexes lists the indexes that are no keys.
func catalogIndexes(r db.Reader) ([]catalog.Index, error) {
	keys, err := r.Settings("index/")
	if err != nil {
		return nil, err
	}
	var out []catalog.Index
	described := map[string]bool{}
	for _, key := range keys {
		described[strings.TrimPrefix(key, "index/")] = true
		schema, name, _ := strings.Cut(strings.TrimPrefix(key, "index/"), ".")
		x, ok, err := indexIn(r, schema, name)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, x.describe(schema, name))
		}
	}
	for _, t := range r.Tables() {
		for _, v := range t.Indexes { // the indexes that a table has from the start were never asked for by a statement
			if !described[t.Schema+"."+v.Name] {
				out = append(out, describeVectorIndex(t, v))
			}
		}
	}
	return out, nil
}

func describeVectorIndex(t *db.Table, v db.VectorIndex) catalog.Index {
	c := &t.Columns[v.Column]
	x := catalog.Index{Schema: t.Schema, Name: v.Name, Table: t.ID, Method: v.Kind.String(),
		Keys: []catalog.IndexKey{{Column: c.ID, OpClass: className(vectorKind(c.Type.Kind, v.Metric), v.Metric)}}}
	number := func(name string, n int) {
		if n > 0 {
			x.Parameters = append(x.Parameters, [2]string{name, strconv.Itoa(n)})
		}
	}
	number("m", v.M)
	number("ef_construction", v.EfConstruction)
	number("lists", v.Lists)
	if v.Compact {
		x.Parameters = append(x.Parameters, [2]string{"profile", "compact"})
	}
	return x
}

// describe is the index as the catalog shows it.
func (x *storedIndex) describe(schema, name string) catalog.Index {
	c := catalog.Index{Schema: schema, Name: name, Table: x.Table, Method: x.Method, Where: x.Where}
	for i, id := range x.Columns {
		k := catalog.IndexKey{Column: id, OpClass: x.OpClass}
		if i < len(x.Keys) {
			k.Expr, k.OpClass, k.Desc, k.NullsFirst = x.Keys[i].Expr, x.Keys[i].OpClass, x.Keys[i].Desc, x.Keys[i].NullsFirst
		}
		c.Keys = append(c.Keys, k)
	}
	order := x.Order
	if len(order) == 0 {
		order = slices.Sorted(maps.Keys(x.Parameters))
	}
	for _, p := range order {
		c.Parameters = append(c.Parameters, [2]string{p, x.Parameters[p]})
	}
	return c
}

func (s *Session) catalogSettings() []catalog.Setting {
	var out []catalog.Setting
	for _, name := range settingNames() {
		def, _ := lookupSetting(name)
		v, _ := s.setting(name)
		reset, _ := s.settings.reset(strings.ToLower(name))
		c := catalog.Setting{Name: def.name, Value: v, Unit: def.unit, Category: def.group, Description: def.desc,
			Context: def.context.String(), VarType: def.kind.String(), Boot: def.def, Reset: reset, Enum: slices.Clone(def.values)}
		if def.kind == intSetting || def.kind == realSetting {
			c.Min, c.Max = formatNumber(def.min), formatNumber(def.max)
		}
		out = append(out, c)
	}
	return out
}

func (s *Session) catalogPrepared() []catalog.PreparedStatement {
	var out []catalog.PreparedStatement
	for name, st := range s.statements {
		if name != "" {
			out = append(out, catalog.PreparedStatement{Name: name, Statement: st.text, Prepared: st.made.UnixMicro(),
				ParameterTypes: st.params, FromSQL: st.fromSQL})
		}
	}
	return out
}

func (s *Session) catalogCursors() []catalog.Cursor {
	var out []catalog.Cursor
	for name, p := range s.portals {
		if name != "" {
			out = append(out, catalog.Cursor{Name: name, Statement: p.text, Holdable: p.hold, Binary: p.binary,
				Scroll: p.scroll, Created: p.made.UnixMicro()})
		}
	}
	return out
}

func (e *Engine) catalogSessions() []catalog.SessionState {
	e.mu.Lock()
	all := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		all = append(all, s)
	}
	e.mu.Unlock()
	slices.SortFunc(all, func(a, b *Session) int { return int(a.pid) - int(b.pid) })
	out := make([]catalog.SessionState, len(all))
	for i, s := range all {
		s.mu.Lock()
		a := s.activity
		s.mu.Unlock()
		out[i] = catalog.SessionState{PID: s.pid, User: s.user, Database: s.name, Application: a.application,
			ClientAddr: s.remote, Started: a.started.UnixMicro(), QueryStarted: a.queryStart.UnixMicro(),
			StateSince: a.changed.UnixMicro(), State: a.state, Query: a.query}
	}
	return out
}
