package sql

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/db"
	"engram/sql/internal/duck"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// nestedFunction is __engram_nearest: see plan.Search.
func nestedFunction() duck.ScalarFunction {
	return duck.ScalarFunction{Name: "__engram_nearest", NullIn: true, Exec: nestedChunk,
		Params: []duck.Type{duck.Varchar, duck.Integer, duck.List(duck.Float), duck.BigInt, duck.Boolean},
		Returns: duck.List(duck.Struct(duck.Field{Name: "id", Type: duck.BigInt}, duck.Field{Name: "ord", Type: duck.BigInt},
			duck.Field{Name: "dist", Type: duck.Double}))}
}

// nestedCall is one search of a chunk of them.
type nestedCall struct {
	search *plan.Search
	filter *roaring64.Bitmap
	query  any
	k      int64
	shows  bool
	hits   []near
	err    error
}

// nestedChunk makes the searches of a chunk on all cores: a batch of queries is one chunk more often than not.
func nestedChunk(ctx context.Context, args []duck.Vector, rows int, out *duck.Writer) error {
	run, err := runOf(ctx)
	if err != nil {
		return err
	}
	calls := make([]nestedCall, rows)
	for i := range calls {
		c := &calls[i]
		n := args[1].Int64(i)
		if n < 0 || n >= int64(len(run.relations)) {
			return types.Errorf(types.CodeInternalError, "there is no search %d", n)
		}
		c.search, _ = run.relations[n].Ref.(*plan.Search)
		if c.search == nil {
			return types.Errorf(types.CodeInternalError, "relation %d is no search", n)
		}
		if c.filter, err = run.nestedFilter(ctx, c.search); err != nil {
			return err
		}
		if !args[2].IsNull(i) {
			if args[2].HasNullElem(i) {
				return types.Errorf(types.CodeNullValueNotAllowed, "vector must not contain nulls")
			}
			c.query = args[2].Floats(i)
		}
		c.k, c.shows = math.MaxInt32, args[4].Bool(i)
		if !args[3].IsNull(i) {
			c.k = min(args[3].Int64(i), math.MaxInt32)
		}
	}
	run.searchAll(ctx, calls)
	for i := range calls {
		if calls[i].err != nil {
			return calls[i].err
		}
		child, at, n := out.SetList(i, len(calls[i].hits))
		for j := range n {
			h := calls[i].hits[j]
			child.Field(0).SetInt64(at+j, int64(h.id))
			child.Field(1).SetInt64(at+j, int64(j))
			if d, ok := h.distance.(float64); ok && calls[i].shows {
				child.Field(2).SetFloat64(at+j, d)
			} else {
				child.Field(2).SetNull(at + j)
			}
		}
	}
	return nil
}

// searchAll makes searches side by side.
func (r *duckRun) searchAll(ctx context.Context, calls []nestedCall) {
	var next atomic.Int64
	work := func() {
		for i := next.Add(1) - 1; i < int64(len(calls)); i = next.Add(1) - 1 {
			calls[i].hits, calls[i].err = r.nested(ctx, &calls[i])
		}
	}
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(calls)) - 1 {
		wg.Add(1)
		go func() { defer wg.Done(); work() }()
	}
	work()
	wg.Wait()
}

// nested makes one search.
func (r *duckRun) nested(ctx context.Context, c *nestedCall) ([]near, error) {
	if c.k <= 0 {
		return nil, nil
	}
	t := c.search.Relation.Ref.(*db.Table)
	v := &vectorSearch{ctx: ctx, reader: r.reader, table: t, column: c.search.Column, op: c.search.Op, query: c.query, tuning: r.tuning}
	if err := v.check(); err != nil {
		return nil, err
	}
	hits, err := v.ranked(c.filter, c.k)
	if err == nil {
		hits, err = v.complete(hits, c.filter, c.k)
	}
	if err != nil || !c.shows {
		return hits, err
	}
	for i := range hits {
		if hits[i].distance == nil {
			continue
		}
		row, err := r.reader.Get(ctx, t, hits[i].id, []int{v.column})
		if err != nil {
			return nil, err
		}
		hits[i].distance = shownDistance(v.op, row[0], v.query, hits[i].distance)
	}
	return hits, nil
}

// nestedFilter finds the rows that a search may return, once for each statement; nil means all.
func (r *duckRun) nestedFilter(ctx context.Context, n *plan.Search) (*roaring64.Bitmap, error) {
	if n.Filter == nil {
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if rows, ok := r.filters[n.Filter]; ok {
		return rows, nil
	}
	env := r.planEnv(ctx)
	env.Params = r.params
	x := &execution{session: r.session, analyzed: &analyzed{plan: &plan.Plan{Relations: r.relations}, params: r.paramTypes}, params: r.params, ctx: ctx}
	if len(n.Filter.Params) > 0 && len(r.params) == 0 {
		return nil, types.Errorf(types.CodeInternalError, "the parameters of a search are not known yet")
	}
	rows, err := r.session.rowFilter(x, n.Relation.Ref.(*db.Table), n.Filter, env).rows(&searchReport{})
	if err != nil {
		return nil, err
	}
	if r.filters == nil {
		r.filters = map[*plan.RowFilter]*roaring64.Bitmap{}
	}
	r.filters[n.Filter] = rows
	return rows, nil
}
