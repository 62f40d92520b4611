package catalog

import (
	"fmt"
	"sort"

	"engram/sql/types"
)

// Relation is a system relation: its rows are produced when it is read.
type Relation struct {
	OID     uint32
	Schema  string // "pg_catalog" or "information_schema"
	Name    string
	Kind    byte // 'r' table, 'v' view, as in pg_class.relkind
	Columns []Column
}

// Column is a column of a system relation, with the type PostgreSQL 15 gives it (domains are resolved to their base).
type Column struct {
	Name    string
	Type    types.Type
	NotNull bool
}

// Lookup finds a system relation by schema and name.
func Lookup(schema, name string) (*Relation, bool) {
	r, ok := static().byName[schema+"."+name]
	return r, ok
}

// Relations lists all system relations, ordered by schema and name.
func Relations() []*Relation { return static().relations }

// Rows returns the rows of the relation as env's session sees them, in column order, in the Go forms of package types.
// The caller must not change the rows: those that no user changes are shared.
func (r *Relation) Rows(env *Env) ([][]any, error) {
	var rows [][]any
	if r.Schema == "pg_catalog" {
		rows = static().rows[r.Name]
	}
	produce, ok := producers[r.Schema+"."+r.Name]
	if !ok {
		return rows, nil
	}
	made, err := produce(env.objects())
	if err != nil {
		return nil, fmt.Errorf("catalog: %s.%s: %w", r.Schema, r.Name, err)
	}
	all := make([][]any, 0, len(rows)+len(made))
	all = append(all, rows...)
	for _, f := range made {
		row, err := r.row(f)
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, nil
}

// fields names the columns of one row that differ from the column's plain value: the zero of its type when it is
// NOT NULL in PostgreSQL, else NULL.
type fields map[string]any

func (r *Relation) row(f fields) ([]any, error) {
	row := make([]any, len(r.Columns))
	used := 0
	for i, c := range r.Columns {
		v, ok := f[c.Name]
		switch {
		case ok:
			used++
			row[i] = normal(v)
		case c.NotNull:
			row[i] = zeroOf(c.Type.OID)
		}
	}
	if used != len(f) {
		return nil, fmt.Errorf("catalog: %s.%s: row names columns that are not there: %v", r.Schema, r.Name, keysOf(f))
	}
	return row, nil
}

func keysOf(f fields) []string {
	var k []string
	for name := range f {
		k = append(k, name)
	}
	sort.Strings(k)
	return k
}

// normal brings Go integers to the int64 that rows carry, and lists to []any.
func normal(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case uint32:
		return int64(v)
	case int32:
		return int64(v)
	case []int64:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = e
		}
		return list
	case []string:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = e
		}
		return list
	}
	return v
}

func zeroOf(oid uint32) any {
	switch oid {
	case types.BoolOID:
		return false
	case types.Int2OID, types.Int4OID, types.Int8OID, types.OidOID, types.XidOID, types.RegprocOID:
		return int64(0)
	case types.Float4OID:
		return float32(0)
	case types.Int2VectorOID, types.OidVectorOID, types.TextArrayOID, types.QCharArrayOID, types.OidArrayOID:
		return []any{}
	}
	return ""
}
