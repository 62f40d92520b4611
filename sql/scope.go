package sql

import (
	"container/list"
	"errors"
	"strings"
	"sync"

	"engram/db"
	"engram/sql/internal/catalog"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// scope gives names their meaning for the analyser: one session's search path over one reader. It remembers what it was
// asked, so that a plan can be used again while the answers stay the same.
type scope struct {
	session   *Session
	reader    db.Reader
	relations []askedRelation
	settings  []askedSetting
}

type askedRelation struct {
	schema, name string
	answer       *plan.Relation
}

type askedSetting struct {
	name, value string
	known       bool
}

func (s *Session) scope() *scope { return &scope{session: s, reader: s.batch()} }

// Relation implements plan.Scope.
func (c *scope) Relation(schema, name string) (*plan.Relation, error) {
	r, err := c.session.resolve(c.reader, schema, name)
	if err != nil {
		return nil, asError(err)
	}
	c.relations = append(c.relations, askedRelation{schema, name, r})
	return r, nil
}

// Setting implements plan.Scope.
func (c *scope) Setting(name string) (string, bool) {
	v, ok := c.session.setting(name)
	if name == "database" {
		v, ok = c.session.name, true
	}
	if ok {
		if def, known := lookupSetting(name); known {
			v = def.show(v)
		}
	}
	c.settings = append(c.settings, askedSetting{name, v, ok})
	return v, ok
}

// HasFunction implements plan.FunctionScope.
func (c *scope) HasFunction(name string) bool {
	return sessionFunctions()[name] != nil || catalogByName()[name] != nil
}

// holds reports whether every answer of the scope would be given again.
func (c *scope) holds(s *Session) (bool, error) {
	now := scope{session: s, reader: s.batch()}
	for _, q := range c.settings {
		if v, ok := now.Setting(q.name); ok != q.known || v != q.value {
			return false, nil
		}
	}
	for _, q := range c.relations {
		r, err := s.resolve(now.reader, q.schema, q.name)
		if err != nil || r != q.answer {
			return false, err
		}
	}
	return true, nil
}

// resolve finds a relation by name: pg_catalog first unless the path names it, then the path.
func (s *Session) resolve(r db.Reader, schema, name string) (*plan.Relation, error) {
	if schema != "" {
		return s.relationIn(r, schema, name)
	}
	path := s.searchPath()
	named := false
	for _, p := range path {
		named = named || p == "pg_catalog"
	}
	if !named {
		path = append([]string{"pg_catalog"}, path...)
	}
	for _, p := range path {
		if rel, err := s.relationIn(r, p, name); rel != nil || err != nil {
			return rel, err
		}
	}
	return nil, nil
}

func (s *Session) relationIn(r db.Reader, schema, name string) (*plan.Relation, error) {
	if c, ok := catalog.Lookup(schema, name); ok {
		return s.engine.relations.ofCatalog(c), nil
	}
	t, err := r.Table(schema, name)
	switch {
	case err == nil:
		return s.engine.relations.ofTable(t), nil
	case schema == "pg_catalog" || schema == "information_schema":
		return nil, nil
	case errors.Is(err, db.ErrTableNotFound) || errors.Is(err, db.ErrSchemaNotFound):
		return s.viewIn(r, schema, name)
	}
	return nil, err
}

// relations holds the analyser's description of each table, made once for each descriptor.
type relations struct {
	mu     sync.Mutex
	tables map[db.TableID]*plan.Relation
	system map[*catalog.Relation]*plan.Relation
	views  map[string]*plan.Relation
}

func (rs *relations) ofTable(t *db.Table) *plan.Relation {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.tables[t.ID]; r != nil && r.Ref == t {
		return r
	}
	r := describeTable(t)
	if rs.tables == nil {
		rs.tables = map[db.TableID]*plan.Relation{}
	}
	rs.tables[t.ID] = r
	return r
}

func describeTable(t *db.Table) *plan.Relation {
	r := &plan.Relation{OID: catalog.TableOID(t.ID), Schema: t.Schema, Name: t.Name, Kind: plan.Table, Ref: t,
		PrimaryKey: t.PrimaryKey}
	for i, c := range t.Columns {
		r.Columns = append(r.Columns, plan.RelColumn{Name: c.Name, Type: types.FromDB(c.Type), AttNum: int16(i + 1),
			NotNull: c.NotNull, HasDefault: c.Default != "" || c.Identity != db.NoIdentity,
			Always: c.Identity == db.IdentityAlways})
	}
	for _, u := range t.Uniques {
		r.Uniques = append(r.Uniques, u.Columns)
	}
	return r
}

func (rs *relations) ofCatalog(c *catalog.Relation) *plan.Relation {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.system[c]; r != nil {
		return r
	}
	r := &plan.Relation{OID: c.OID, Schema: c.Schema, Name: c.Name, Kind: plan.Catalog, Ref: c}
	for i, col := range c.Columns {
		r.Columns = append(r.Columns, plan.RelColumn{Name: col.Name, Type: col.Type, AttNum: int16(i + 1), NotNull: col.NotNull})
	}
	if rs.system == nil {
		rs.system = map[*catalog.Relation]*plan.Relation{}
	}
	rs.system[c] = r
	return r
}

// analyzed is a statement with its meaning, ready to be run any number of times while its scope holds.
type analyzed struct {
	plan    *plan.Plan
	params  []types.Type
	columns []Column // nil: returns no rows
	scope   *scope   // what it depends on; its session and reader are not kept
}

// lru keeps the newest values of a bounded number.
type lru[V any] struct {
	mu    sync.Mutex
	limit int
	order list.List
	byKey map[string]*list.Element
}

type lruEntry[V any] struct {
	key   string
	value V
}

func newLRU[V any](limit int) *lru[V] {
	return &lru[V]{limit: limit, byKey: map[string]*list.Element{}}
}

func (l *lru[V]) get(key string) (v V, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[key]
	if !ok {
		return v, false
	}
	l.order.MoveToFront(e)
	return e.Value.(lruEntry[V]).value, true
}

func (l *lru[V]) put(key string, v V) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byKey[key]; ok {
		e.Value = lruEntry[V]{key, v}
		l.order.MoveToFront(e)
		return
	}
	l.byKey[key] = l.order.PushFront(lruEntry[V]{key, v})
	if l.order.Len() > l.limit {
		last := l.order.Back()
		l.order.Remove(last)
		delete(l.byKey, last.Value.(lruEntry[V]).key)
	}
}

// Limits of what is kept of statements.
const (
	cachedStatements = 1024
	cachedTextBytes  = 16 << 10 // longer texts are not kept
)

// planCache keeps parsed texts and analysed statements for all sessions.
type planCache struct {
	parsed   *lru[[]*plan.Statement]
	analyzed *lru[*analyzed]
}

func newPlanCache() *planCache {
	return &planCache{newLRU[[]*plan.Statement](cachedStatements), newLRU[*analyzed](cachedStatements)}
}

func (c *planCache) parse(text string) ([]*plan.Statement, error) {
	if st, ok := c.parsed.get(text); ok {
		return st, nil
	}
	st, err := plan.Parse(text)
	if err == nil && len(text) <= cachedTextBytes {
		c.parsed.put(text, st)
	}
	return st, err
}

// planKey names an analysed statement: what its text says depends on the declared types and on what the path finds.
func (s *Session) planKey(st *plan.Statement, declared []uint32) string {
	var b strings.Builder
	path, _ := s.settings.get("search_path")
	b.WriteString(path)
	b.WriteByte(0)
	b.WriteString(s.user)
	b.WriteByte(0)
	for _, oid := range declared {
		b.Write([]byte{byte(oid >> 24), byte(oid >> 16), byte(oid >> 8), byte(oid)})
	}
	b.WriteByte(0)
	b.WriteString(st.Text)
	return b.String()
}
