package sql

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// How EXPLAIN ANALYZE names the ways to answer a predicate beside a search.
const (
	byKeys      = "keys"        // the predicate pins a unique key to some values
	byCache     = "kept rows"   // the rows were found before and the table has not changed
	byScan      = "scan"        // evaluated for every row, here
	byDuck      = "DuckDB scan" // evaluated by DuckDB
	byIteration = "iteration"   // evaluated for the nearest rows until enough pass
)

// scanHere is up to how many rows a predicate is evaluated here rather than by DuckDB, whose planning costs about as much.
const scanHere = 2000

// Bounds of the row sets that are kept: their number, and the bytes of each.
const (
	keptFilters     = 64
	keptFilterBytes = 1 << 20
)

// filterCosts are what answering predicates was measured to cost, in nanoseconds: rising and falling with the machine and
// its load.
type filterCosts struct {
	perRow, perCheck, fixed atomic.Int64
}

// The costs that are assumed before the first measurement.
const (
	firstPerRow   = 30
	firstPerCheck = 3_000
	firstFixed    = 1_500_000
)

// learn moves a measured cost an eighth of the way to what was just seen.
func learn(cost *atomic.Int64, first, seen int64) {
	old := cost.Load()
	if old == 0 {
		old = first
	}
	cost.Store(max(1, old+(seen-old)/8))
}

func costOf(cost *atomic.Int64, first int64) int64 {
	if c := cost.Load(); c > 0 {
		return c
	}
	return first
}

// rowFilter is a predicate over a table's rows in one execution of a statement.
type rowFilter struct {
	session *Session
	x       *execution
	plan    *plan.RowFilter
	table   *db.Table
	env     *plan.Env
	key     string // in Engine.filters; "" when its rows are not to be kept
}

func (s *Session) rowFilter(x *execution, t *db.Table, p *plan.RowFilter, env *plan.Env) *rowFilter {
	f := &rowFilter{session: s, x: x, plan: p, table: t, env: env}
	if since, ok := s.batch().Unchanged(t); ok && !p.Volatile && !p.Subquery {
		f.key = f.keyAt(since)
	}
	return f
}

// keyAt names the rows that the predicate lets through: by its text and parameters, the table's state and the settings that
// casts look at.
func (f *rowFilter) keyAt(since uint64) string {
	b := binary.LittleEndian.AppendUint32(nil, uint32(f.table.ID))
	b = binary.LittleEndian.AppendUint64(b, uint64(f.table.Version))
	b = binary.LittleEndian.AppendUint64(b, since)
	for _, name := range []string{"TimeZone", "DateStyle", "IntervalStyle"} {
		v, _ := f.session.settings.get(name)
		b = append(append(b, v...), 0)
	}
	for _, n := range f.plan.Params {
		v := f.x.params[n-1]
		if v == nil {
			b = append(b, 0)
			continue
		}
		at := len(b)
		var err error
		b, err = types.AppendBinary(append(b, 1, 0, 0, 0, 0), f.x.analyzed.params[n-1], v)
		if err != nil {
			return ""
		}
		binary.LittleEndian.PutUint32(b[at+1:], uint32(len(b)-at))
	}
	return string(b) + f.plan.SQL
}

// kept finds the rows when an earlier execution found them.
func (f *rowFilter) kept() (*roaring64.Bitmap, bool) {
	if f.key == "" {
		return nil, false
	}
	return f.session.engine.filters.get(f.key)
}

// byKeys finds the rows when the predicate pins a unique key.
func (f *rowFilter) byKeys() (*roaring64.Bitmap, bool, error) {
	k := f.plan.Keys
	if k == nil || f.plan.Cond == nil {
		return nil, false, nil
	}
	values, err := evalAll(k.Values, f.env)
	if err == nil && k.Array != nil {
		var v any
		v, err = k.Array.Eval(f.env)
		values, _ = v.([]any)
	}
	if err != nil {
		return nil, false, err
	}
	rows := roaring64.New()
	for _, v := range values {
		if v == nil {
			continue
		}
		id, ok, err := f.session.batch().Lookup(f.x.ctx, f.table, k.Unique, []any{v})
		if err != nil {
			return nil, false, err
		}
		if ok {
			if ok, err = f.holds(id); err != nil {
				return nil, false, err
			}
		}
		if ok {
			rows.Add(uint64(id))
		}
	}
	return rows, true, nil
}

// holds evaluates the predicate for one row.
func (f *rowFilter) holds(id db.RowID) (bool, error) {
	var err error
	if f.env.Row, err = f.session.readRow(f.x.ctx, f.table, id, notNil(f.plan.Columns)); err != nil {
		return false, err
	}
	return holds(f.plan.Cond, f.env)
}

// notNil makes of no columns an empty list: nil would be all.
func notNil(columns []int) []int {
	if columns == nil {
		return []int{}
	}
	return columns
}

// rows finds all rows that the predicate lets through.
func (f *rowFilter) rows(report *searchReport) (*roaring64.Bitmap, error) {
	if rows, ok := f.kept(); ok {
		report.filter, report.passed = byCache, int64(rows.GetCardinality())
		return rows, nil
	}
	rows, ok, err := f.byKeys()
	if err != nil {
		return nil, err
	}
	report.filter = byKeys
	if !ok {
		if rows, err = f.scanned(report); err != nil {
			return nil, err
		}
	}
	report.passed = int64(rows.GetCardinality())
	rows.RunOptimize()
	if f.key != "" && rows.GetSizeInBytes() <= keptFilterBytes {
		f.session.engine.filters.put(f.key, rows)
	}
	return rows, nil
}

// scanned evaluates the predicate for every row of the table.
func (f *rowFilter) scanned(report *searchReport) (*roaring64.Bitmap, error) {
	count, err := f.session.batch().Count(f.x.ctx, f.table)
	if err != nil {
		return nil, err
	}
	if f.plan.Cond != nil && count <= scanHere {
		report.filter = byScan
		return scanFilter(f.x.ctx, f.session.batch(), f.table, f.plan.Cond, f.plan.Columns, f.env)
	}
	report.filter = byDuck
	start := time.Now()
	rows, err := f.session.duckRowIDs(f.x, f.plan)
	costs := &f.session.engine.costs
	if took := time.Since(start).Nanoseconds(); err == nil && count < 20_000 {
		learn(&costs.fixed, firstFixed, took)
	} else if err == nil {
		learn(&costs.perRow, firstPerRow, max(0, took-costOf(&costs.fixed, firstFixed))/count)
	}
	return rows, err
}

// scanFilter evaluates a condition for every row of a table.
func scanFilter(ctx context.Context, r db.Reader, t *db.Table, cond plan.Expr, columns []int, env *plan.Env) (*roaring64.Bitmap, error) {
	rows := roaring64.New()
	want := notNil(columns)
	full := make([]any, len(t.Columns))
	err := r.Scan(ctx, t, want, func(id db.RowID, r db.Row) error {
		for k, j := range want {
			full[j] = r[k]
		}
		env.Row = full
		ok, err := holds(cond, env)
		if ok {
			rows.Add(uint64(id))
		}
		return err
	})
	return rows, err
}

// duckRowIDs lets DuckDB find the rows of a filter.
func (s *Session) duckRowIDs(x *execution, p *plan.RowFilter) (*roaring64.Bitmap, error) {
	params, of := make([]any, len(p.Params)), make([]types.Type, len(p.Params))
	for i, n := range p.Params {
		params[i], of[i] = x.params[n-1], x.analyzed.params[n-1]
	}
	r, err := s.duckQuery(x.ctx, p.SQL, x.analyzed.plan.Relations, params, of, nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	rows := roaring64.New()
	ids := make([]uint64, 0, 2048)
	for {
		chunk, err := r.result.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, causeOf(r.ctx, s.duckFailure(err))
		}
		if chunk == nil {
			return rows, nil
		}
		ids = ids[:0]
		for i := range chunk.Rows() {
			ids = append(ids, uint64(chunk.Col(0).Int64(i)))
		}
		rows.AddMany(ids)
	}
}

// nearestMatching finds the nearest rows of those that pass the query's filter, those without a vector last.
func (s *Session) nearestMatching(x *execution, k *plan.KNN, v *vectorSearch, env *plan.Env, want int64) ([]near, error) {
	if k.Filter == nil {
		hits, err := v.ranked(nil, want)
		if err != nil {
			return nil, err
		}
		return v.complete(hits, nil, want)
	}
	f := s.rowFilter(x, v.table, k.Filter, env)
	if hits, ok, err := f.iterate(v, want); ok || err != nil {
		return hits, err
	}
	rows, err := f.rows(&v.report)
	if err != nil {
		return nil, err
	}
	hits, err := v.ranked(rows, want)
	if err != nil {
		return nil, err
	}
	return v.complete(hits, rows, want)
}

// iterate looks at the nearest rows, evaluates the predicate for them, and at more of them until enough pass. It gives up,
// answering false, where finding all rows that pass is expected to cost less.
func (f *rowFilter) iterate(v *vectorSearch, want int64) (hits []near, ok bool, err error) {
	if f.plan.Cond == nil || f.plan.Keys != nil || !v.indexed() {
		return nil, false, nil
	}
	if _, kept := f.kept(); kept {
		return nil, false, nil
	}
	count, err := v.reader.Count(v.ctx, v.table)
	if err != nil || count <= scanHere {
		return nil, false, err
	}
	costs := &f.session.engine.costs
	all := costOf(&costs.fixed, firstFixed) + count*costOf(&costs.perRow, firstPerRow)
	perCheck := costOf(&costs.perCheck, firstPerCheck)
	passes := map[db.RowID]bool{}
	for ask := max(2*want, 32); ask <= f.session.settingInt("hnsw.max_scan_tuples") && (ask-int64(len(passes)))*perCheck < all && ask < count; {
		near, err := v.ranked(nil, ask)
		if err != nil {
			return nil, false, err
		}
		start := time.Now()
		fresh := 0
		hits = hits[:0]
		for _, h := range near {
			pass, known := passes[h.id]
			if !known {
				fresh++
				if pass, err = f.holds(h.id); err != nil {
					return nil, false, err
				}
				passes[h.id] = pass
			}
			if pass {
				hits = append(hits, h)
			}
		}
		if fresh > 0 {
			learn(&costs.perCheck, firstPerCheck, time.Since(start).Nanoseconds()/int64(fresh))
		}
		v.report.filter, v.report.checked, v.report.passed = byIteration, int64(len(passes)), int64(len(hits))
		if int64(len(hits)) >= want {
			return hits[:want], true, nil
		}
		if len(hits) == 0 || int64(len(near)) < ask || v.report.stats.IndexedSegments == 0 {
			break
		}
		ask = max(2*ask, int64(float64(want)*float64(ask)/float64(len(hits))*1.3))
	}
	return nil, false, nil
}

// filtered finds the rows for which a condition, given as SQL text over the table's columns, holds; nil means all.
func (r *duckRun) filtered(ctx context.Context, t *db.Table, text string) (*roaring64.Bitmap, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.session
	p, relations, err := s.engine.parseFilter(text, &scope{session: s, reader: r.reader}, s.engine.relations.ofTable(t))
	if err != nil {
		return nil, err
	}
	x := &execution{session: s, analyzed: &analyzed{plan: &plan.Plan{Relations: relations}}, ctx: ctx}
	return s.rowFilter(x, t, p, r.planEnv(ctx)).rows(&searchReport{})
}
