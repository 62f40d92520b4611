package sql

import (
	"engram/sql/internal/catalog"
	"engram/sql/types"
)

// objectNames are the functions that spell the OID types which stand for objects.
var objectNames = map[uint32]string{
	types.RegclassOID: "regclassout", types.RegtypeOID: "regtypeout", types.RegprocOID: "regprocout",
	types.RegprocedureOID: "regprocedureout", types.RegnamespaceOID: "regnamespaceout", types.RegroleOID: "regroleout",
}

// namedRows gives rows in which OIDs that stand for objects are spelled by the objects' names.
type namedRows struct {
	rowSource
	env   *catalog.Env
	spell []func(env *catalog.Env, args []any) (any, error) // by column; nil: as it is
}

// spellObjects wraps the rows of an outcome whose columns need it. Columns that the client takes in binary stay numbers.
func (s *Session) spellObjects(x *execution, out *outcome) {
	if out.rows == nil {
		return
	}
	var spell []func(env *catalog.Env, args []any) (any, error)
	for i, c := range out.columns {
		oid := c.Type.OID
		if elem, ok := types.ElemOf(c.Type); ok {
			oid = elem.OID
		}
		name, ok := objectNames[oid]
		if !ok || x.binary != nil && x.binary(i) {
			continue
		}
		if spell == nil {
			spell = make([]func(env *catalog.Env, args []any) (any, error), len(out.columns))
		}
		for _, f := range catalogByName()[name] {
			spell[i] = f.Call
		}
	}
	if spell != nil {
		out.rows = &namedRows{out.rows, s.catalogEnv(s.batch()), spell}
	}
}

// Next implements rowSource.
func (n *namedRows) Next() ([]any, error) {
	row, err := n.rowSource.Next()
	if err != nil {
		return nil, err
	}
	for i, f := range n.spell {
		if f == nil {
			continue
		}
		switch v := row[i].(type) {
		case int64:
			if row[i], err = f(n.env, []any{v}); err != nil {
				return nil, err
			}
		case []any:
			names := make([]any, len(v))
			for k := range v {
				if names[k], err = f(n.env, []any{v[k]}); err != nil {
					return nil, err
				}
			}
			row[i] = names
		}
	}
	return row, nil
}
