package sql

import (
	"slices"
	"strconv"

	"engram/db"
	"engram/sql/internal/plan"
)

// maxNearJoin is up to how many rows of a join are looked for among the nearest rows of a table.
const maxNearJoin = 1000

// nearJoin answers a join in the order of a distance: DuckDB joins the nearest rows of the table, and more of them until the result
// has as many rows as are wanted. It gives up, answering false, where that takes too many: then DuckDB compares every row.
func (s *Session) nearJoin(x *execution) (*listed, bool, error) {
	p := x.analyzed.plan
	n := p.Near
	v := &vectorSearch{ctx: x.ctx, reader: s.batch(), table: p.Relations[n.Relation].Ref.(*db.Table), column: n.Column, op: n.Op, tuning: s.tuning()}
	if !v.indexed() {
		return nil, false, nil
	}
	count, err := v.reader.Count(x.ctx, v.table)
	if err != nil || count <= scanHere {
		return nil, false, err
	}
	env := s.env(x)
	skip, limit, err := window(n.Offset, n.Limit, env)
	if err != nil || limit == 0 || limit > maxNearJoin || skip > maxNearJoin {
		return nil, false, err
	}
	query, err := n.Query.Eval(env)
	if _, ok := query.([]float32); err != nil || !ok {
		return nil, false, err
	}
	v.query = query
	if err := v.check(); err != nil {
		return nil, false, err
	}
	want := skip + limit
	for ask := max(4*want, 64); ask <= s.settingInt("hnsw.max_scan_tuples") && 2*ask < count; {
		near, err := v.ranked(nil, ask)
		if err != nil {
			return nil, false, err
		}
		rows, err := s.joinNear(x, n.Relation, near)
		if err != nil {
			return nil, false, err
		}
		found := int64(len(rows.rows))
		v.report.filter, v.report.checked, v.report.passed = byIteration, int64(len(near)), found
		if found >= limit {
			if x.report != nil {
				*x.report = v.report
			}
			return rows, true, nil
		}
		if int64(len(near)) < ask || v.report.stats.IndexedSegments == 0 {
			break
		}
		ask = max(4*ask, int64(1.5*float64(want)*float64(ask)/float64(found+skip+1)))
	}
	return nil, false, nil
}

// joinNear runs the statement over some rows of one of its relations.
func (s *Session) joinNear(x *execution, relation int, rows []near) (*listed, error) {
	c, err := s.connect(x.ctx)
	if err != nil {
		return nil, wrapped(s.duckFailure(err))
	}
	run := s.newRun()
	run.only, run.onlyIn = rows, relation
	p := x.analyzed.plan
	out, err := s.duckQueryOn(x.ctx, c, run, p.DuckSQL, p.Relations, x.params, x.analyzed.params, x.analyzed.columns)
	if err != nil {
		return nil, err
	}
	return collect(out)
}

// among restricts what stands for a relation to some of its rows.
func among(relation string, rows []near) string {
	ids := make([]db.RowID, len(rows))
	for i, h := range rows {
		ids[i] = h.id
	}
	slices.Sort(ids)
	b := []byte("(SELECT * FROM " + relation + " WHERE " + plan.RowIDColumn + " IN (-1")
	for _, id := range ids {
		b = strconv.AppendUint(append(b, ','), uint64(id), 10)
	}
	return string(append(b, "))"...))
}

// explainNear says how a join in the order of a distance is answered.
func (s *Session) explainNear(p *plan.Plan, doc map[string]any) []string {
	rel := p.Relations[p.Near.Relation]
	t := rel.Ref.(*db.Table)
	v := &vectorSearch{table: t, column: p.Near.Column, op: p.Near.Op, tuning: s.tuning()}
	if !v.indexed() {
		return nil
	}
	return append([]string{"  Vector Search on " + rel.Name + ": its nearest rows are joined, more of them until enough rows come out"},
		s.explainIndexes(&plan.KNN{Relation: rel, Column: p.Near.Column, Op: p.Near.Op}, false, doc)...)
}
