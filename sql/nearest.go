package sql

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/accel"
	"engram/db"
	"engram/sql/internal/plan"
)

// metrics are the distances behind pgvector's operators.
var metrics = map[string]accel.Metric{"<->": accel.L2, "<=>": accel.Cosine, "<#>": accel.InnerProduct, "<+>": accel.L1,
	"<~>": accel.Hamming, "<%>": accel.Jaccard}

// near is a row with the distance its operator reports, nil when the row or the query has no vector.
type near struct {
	id       db.RowID
	distance any
}

// vectorSearch is a nearest-neighbour search under way: over one column, for one query, as one reader sees the table.
type vectorSearch struct {
	ctx    context.Context
	reader db.Reader
	table  *db.Table
	column int
	op     string
	query  any // []float32, or nil: nothing is ranked
	tuning searchTuning
	report searchReport
}

// searchReport is what EXPLAIN ANALYZE tells of a search.
type searchReport struct {
	stats    db.SearchStats
	searches int
	filter   string // how the predicate was answered
	passed   int64  // rows that it lets through, or of those checked
	checked  int64  // rows it was evaluated for, one by one
}

// nearest answers ORDER BY column <op> query LIMIT k.
func (s *Session) nearest(x *execution, k *plan.KNN) ([][]any, error) {
	env := s.env(x)
	skip, limit, err := window(k.Offset, k.Limit, env)
	if err != nil || limit == 0 {
		return nil, err
	}
	want := int64(math.MaxInt32)
	if limit < math.MaxInt32-skip && skip < math.MaxInt32 {
		want = skip + limit
	}
	v := &vectorSearch{ctx: x.ctx, reader: s.batch(), table: k.Relation.Ref.(*db.Table), column: k.Column, op: k.Op, tuning: s.tuning()}
	if v.query, err = k.Query.Eval(env); err != nil {
		return nil, err
	}
	if err := v.check(); err != nil {
		return nil, err
	}
	hits, err := s.nearestMatching(x, k, v, env, want)
	if err != nil {
		return nil, err
	}
	if x.report != nil {
		*x.report = v.report
	}
	if skip >= int64(len(hits)) {
		return nil, nil
	}
	return s.project(x, k, v, env, hits[skip:min(int64(len(hits)), want)])
}

// project makes the rows of the result.
func (s *Session) project(x *execution, k *plan.KNN, v *vectorSearch, env *plan.Env, hits []near) ([][]any, error) {
	columns := k.ProjectColumns
	if k.ShowsDistance {
		columns = withColumn(columns, k.Column)
	}
	rows := make([][]any, 0, len(hits))
	full := make([]any, len(v.table.Columns))
	for _, h := range hits {
		if err := s.readInto(x.ctx, full, v.table, h.id, columns); err != nil {
			return nil, err
		}
		env.Row = full
		if k.ShowsDistance {
			env.Distance = shownDistance(k.Op, env.Row[k.Column], v.query, h.distance)
		}
		row, err := evalAll(k.Project, env)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// withColumn adds a column to those that are read.
func withColumn(columns []int, column int) []int {
	if slices.Contains(columns, column) {
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

// check brings the query into the space of the column, or refuses it.
func (v *vectorSearch) check() error {
	query, ok := v.query.([]float32)
	if !ok {
		return nil
	}
	query, err := fitQuery(v.table, v.column, query)
	v.query = query
	return err
}

// ranked finds the nearest rows that have a vector, at most want.
func (v *vectorSearch) ranked(filter *roaring64.Bitmap, want int64) ([]near, error) {
	q, ok := v.rankedQuery()
	if !ok {
		return nil, nil
	}
	count, err := v.reader.Count(v.ctx, v.table)
	if err != nil || count == 0 {
		return nil, err
	}
	q.K, q.Filter = int(min(want, count)), filter
	v.tuning.apply(&q)
	hits, err := v.reader.Search(v.ctx, v.table, q)
	if err != nil {
		return nil, err
	}
	v.report.searches++
	out := make([]near, len(hits))
	for i, h := range hits {
		out[i] = near{h.ID, q.Metric.Reported(h.Dist)}
	}
	return out, nil
}

// complete adds the rows that have no place in the order, when those that have do not suffice: PostgreSQL sorts NULL last.
func (v *vectorSearch) complete(out []near, filter *roaring64.Bitmap, want int64) ([]near, error) {
	if int64(len(out)) >= want {
		return out, nil
	}
	seen := make(map[db.RowID]bool, len(out))
	for _, h := range out {
		seen[h.id] = true
	}
	errEnough := context.Canceled
	var rest []db.RowID
	err := v.reader.Scan(v.ctx, v.table, []int{}, func(id db.RowID, _ db.Row) error {
		if seen[id] || filter != nil && !filter.Contains(uint64(id)) {
			return nil
		}
		if rest = append(rest, id); int64(len(out)+len(rest)) >= want {
			return errEnough
		}
		return v.ctx.Err()
	})
	if err != nil && (err != errEnough || v.ctx.Err() != nil) {
		return nil, err
	}
	slices.SortFunc(rest, cmp.Compare[db.RowID])
	for _, id := range rest {
		out = append(out, near{id, nil})
	}
	return out, nil
}
