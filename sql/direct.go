package sql

import (
	"context"
	"math"
	"slices"
	"time"

	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// env is what the expressions of a statement look at.
func (s *Session) env(x *execution) *plan.Env {
	return &plan.Env{Context: x.ctx, Params: x.params, Style: s.Style(), Now: time.UnixMicro(s.nowMicros()),
		Statement: s.engine.now(), Embed: s.engine.embed, EmbedMedia: s.engine.embedMedia, Call: s.call}
}

// runDirect answers a SELECT without DuckDB.
func (s *Session) runDirect(x *execution) (out *outcome, err error) {
	d := x.analyzed.plan.Direct
	var rows [][]any
	switch {
	case d.KNN != nil:
		rows, err = s.nearest(x, d.KNN)
	case d.Point != nil:
		rows, err = s.pointRead(x, d.Point)
	default:
		rows, err = s.values(x, d.Values)
	}
	if err != nil {
		return nil, causeOf(x.ctx, err)
	}
	return &outcome{columns: x.analyzed.columns, rows: &listed{rows}, tag: x.analyzed.plan.Tag, counted: true}, nil
}

// values answers a SELECT without FROM and VALUES.
func (s *Session) values(x *execution, v *plan.Values) ([][]any, error) {
	env := s.env(x)
	if ok, err := holds(v.Filter, env); err != nil || !ok {
		return nil, err
	}
	skip, limit, err := window(v.Offset, v.Limit, env)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for i := skip; i < int64(len(v.Rows)) && i-skip < limit; i++ {
		row, err := evalAll(v.Rows[i], env)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func evalAll(exprs []plan.Expr, env *plan.Env) ([]any, error) {
	row := make([]any, len(exprs))
	for j, e := range exprs {
		v, err := e.Eval(env)
		if err != nil {
			return nil, err
		}
		row[j] = v
	}
	return row, nil
}

// holds evaluates a condition; none is true, NULL is not.
func holds(e plan.Expr, env *plan.Env) (bool, error) {
	if e == nil {
		return true, nil
	}
	v, err := e.Eval(env)
	b, _ := v.(bool)
	return b, err
}

// window evaluates OFFSET and LIMIT; no limit is math.MaxInt64.
func window(offset, limit plan.Expr, env *plan.Env) (skip, most int64, err error) {
	most = math.MaxInt64
	if limit != nil {
		v, err := limit.Eval(env)
		if err != nil {
			return 0, 0, err
		}
		if n, ok := v.(int64); ok {
			if n < 0 {
				return 0, 0, types.Errorf(types.CodeInvalidRowCountInLimit, "LIMIT must not be negative")
			}
			most = n
		}
	}
	if offset != nil {
		v, err := offset.Eval(env)
		if err != nil {
			return 0, 0, err
		}
		if n, ok := v.(int64); ok {
			if n < 0 {
				return 0, 0, types.Errorf(types.CodeInvalidRowCountInOffset, "OFFSET must not be negative")
			}
			skip = n
		}
	}
	return skip, most, nil
}

// pointRead reads at most one row by a unique key.
func (s *Session) pointRead(x *execution, p *plan.PointRead) ([][]any, error) {
	env := s.env(x)
	skip, limit, err := window(p.Offset, p.Limit, env)
	if err != nil || skip > 0 || limit == 0 {
		return nil, err
	}
	t := p.Relation.Ref.(*db.Table)
	id, ok, err := s.findKey(x.ctx, t, p.Unique, p.Key, env)
	if err != nil || !ok {
		return nil, err
	}
	r, err := s.readRow(x.ctx, t, id, p.ProjectColumns)
	if err != nil {
		return nil, err
	}
	env.Row = r
	if ok, err := holds(p.Filter, env); err != nil || !ok {
		return nil, err
	}
	row, err := evalAll(p.Project, env)
	return [][]any{row}, err
}

// findKey finds the row with a unique key.
func (s *Session) findKey(ctx context.Context, t *db.Table, unique int, key []plan.Expr, env *plan.Env) (db.RowID, bool, error) {
	values, err := evalAll(key, env)
	if err != nil {
		return 0, false, err
	}
	if slices.Contains(values, nil) {
		return 0, false, nil
	}
	return s.batch().Lookup(ctx, t, unique, values)
}

// readRow reads the wanted columns of a row and puts them where expressions look for them.
func (s *Session) readRow(ctx context.Context, t *db.Table, id db.RowID, want []int) ([]any, error) {
	if want == nil {
		r, err := s.batch().Get(ctx, t, id, nil)
		return r, err
	}
	if len(want) == 0 {
		return make([]any, len(t.Columns)), nil
	}
	r, err := s.batch().Get(ctx, t, id, want)
	if err != nil {
		return nil, err
	}
	return spread(r, want, len(t.Columns)), nil
}

// readInto reads the wanted columns of a row to where expressions look for them; nil wants none.
func (s *Session) readInto(ctx context.Context, full []any, t *db.Table, id db.RowID, want []int) error {
	if len(want) == 0 {
		return nil
	}
	r, err := s.batch().Get(ctx, t, id, want)
	for k, j := range want {
		if err == nil {
			full[j] = r[k]
		}
	}
	return err
}

// spread puts the values of some columns where they stand in the whole row.
func spread(r []any, want []int, n int) []any {
	full := make([]any, n)
	for k, j := range want {
		full[j] = r[k]
	}
	return full
}
