package sql

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/accel"
	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// env is what the expressions of a statement look at.
func (s *Session) env(x *execution) *plan.Env {
	return &plan.Env{Context: x.ctx, Params: x.params, Style: s.Style(), Now: time.UnixMicro(s.nowMicros()),
		Statement: s.engine.now(), Embed: s.engine.embed, Call: s.call}
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

// spread puts the values of some columns where they stand in the whole row.
func spread(r []any, want []int, n int) []any {
	full := make([]any, n)
	for k, j := range want {
		full[j] = r[k]
	}
	return full
}

// metrics are the distances behind pgvector's operators.
var metrics = map[string]accel.Metric{"<->": accel.L2, "<=>": accel.Cosine, "<#>": accel.InnerProduct, "<+>": accel.L1,
	"<~>": accel.Hamming, "<%>": accel.Jaccard}

// nearest answers ORDER BY column <op> query LIMIT k.
func (s *Session) nearest(x *execution, k *plan.KNN) ([][]any, error) {
	env := s.env(x)
	skip, limit, err := window(k.Offset, k.Limit, env)
	if err != nil || limit == 0 {
		return nil, err
	}
	t := k.Relation.Ref.(*db.Table)
	filter, err := s.matching(x.ctx, t, k, env)
	if err != nil {
		return nil, err
	}
	want := int64(math.MaxInt32)
	if limit < math.MaxInt32-skip && skip < math.MaxInt32 {
		want = skip + limit
	}
	query, err := k.Query.Eval(env)
	if err != nil {
		return nil, err
	}
	hits, err := s.search(x.ctx, t, k, query, filter, want)
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for i := skip; i < int64(len(hits)) && i-skip < limit; i++ {
		if env.Row, err = s.readRow(x.ctx, t, hits[i].id, withColumn(k.ProjectColumns, k.Column)); err != nil {
			return nil, err
		}
		env.Distance = shownDistance(k.Op, env.Row[k.Column], query, hits[i].distance)
		row, err := evalAll(k.Project, env)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// withColumn adds a column to those that are read, nil being all.
func withColumn(columns []int, column int) []int {
	if columns == nil || slices.Contains(columns, column) {
		return columns
	}
	return append(columns[:len(columns):len(columns)], column)
}

// shownDistance is what the operator shows, in the precision that its function has; NULL stays NULL.
func shownDistance(op string, v, query, ranked any) any {
	a, ok := v.([]float32)
	b, ok2 := query.([]float32)
	f := reported[op]
	if ranked == nil || !ok || !ok2 || f == nil || len(a) != len(b) {
		return ranked
	}
	return f(a, b)
}

// near is a row with the distance its operator reports, nil when the row or the query has no vector.
type near struct {
	id       db.RowID
	distance any
}

// search finds the nearest rows; those without a vector come last, and only when the others do not suffice.
func (s *Session) search(ctx context.Context, t *db.Table, k *plan.KNN, v any, filter *roaring64.Bitmap, want int64) ([]near, error) {
	var out []near
	if query, ok := v.([]float32); ok {
		if err := sameDimension(t, k, query); err != nil {
			return nil, err
		}
		metric := metrics[k.Op]
		count, err := s.batch().Count(ctx, t)
		if err != nil || count == 0 {
			return nil, err
		}
		hits, err := s.batch().Search(ctx, t, db.Query{Column: k.Column, Near: query, K: int(min(want, count)), Metric: metric, Filter: filter})
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			out = append(out, near{h.ID, metric.Reported(h.Dist)})
		}
		if int64(len(out)) >= want {
			return out, nil
		}
	}
	return s.appendUnranked(ctx, t, k, filter, out, want)
}

// sameDimension refuses a query that the column's declared dimension cannot be compared with.
func sameDimension(t *db.Table, k *plan.KNN, query []float32) error {
	if dim := t.Columns[k.Column].Type.Dim(); dim > 0 && dim != len(query) {
		return &db.QueryDimensionError{Stored: dim, Query: len(query)}
	}
	return nil
}

// appendUnranked adds the rows that have no place in the order: PostgreSQL sorts NULL last.
func (s *Session) appendUnranked(ctx context.Context, t *db.Table, k *plan.KNN, filter *roaring64.Bitmap, out []near, want int64) ([]near, error) {
	seen := make(map[db.RowID]bool, len(out))
	for _, h := range out {
		seen[h.id] = true
	}
	errEnough := context.Canceled
	var rest []db.RowID
	err := s.batch().Scan(ctx, t, []int{}, func(id db.RowID, _ db.Row) error {
		if seen[id] || filter != nil && !filter.Contains(uint64(id)) {
			return nil
		}
		if rest = append(rest, id); int64(len(out)+len(rest)) >= want {
			return errEnough
		}
		return ctx.Err()
	})
	if err != nil && (err != errEnough || ctx.Err() != nil) {
		return nil, err
	}
	slices.SortFunc(rest, cmp.Compare[db.RowID])
	for _, id := range rest {
		out = append(out, near{id, nil})
	}
	return out, nil
}

// matching finds the rows that a filter lets through; nil means all.
func (s *Session) matching(ctx context.Context, t *db.Table, k *plan.KNN, env *plan.Env) (*roaring64.Bitmap, error) {
	if k.Filter == nil {
		return nil, nil
	}
	want := k.FilterColumns
	if want == nil {
		want = []int{}
	}
	rows := roaring64.New()
	err := s.batch().Scan(ctx, t, want, func(id db.RowID, r db.Row) error {
		env.Row = spread(r, want, len(t.Columns))
		ok, err := holds(k.Filter, env)
		if ok {
			rows.Add(uint64(id))
		}
		return err
	})
	return rows, err
}
