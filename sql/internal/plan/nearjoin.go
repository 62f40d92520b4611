package plan

import (
	"slices"
	"strings"

	"engram/sql/types"
)

// NearJoin says that a query on RoadDuck gives rows in the order of the distance of one table's vectors, the nearest first, and only so
// many. When the farthest rows of that table are left out, only the last rows of the result are missing: so the nearest rows of the
// table suffice if they give as many rows as are wanted.
type NearJoin struct {
	Relation      int    // position in Plan.Relations; its token stands in DuckSQL once
	Column        int    // position in Relation.Columns
	Op            string // as in KNN
	Query         Expr   // a []float32
	Limit, Offset Expr   // as in KNN; Limit is never nil
}

// nearJoin recognises ORDER BY column <op> query LIMIT k over a join, or over whatever else DuckDB has to answer.
func (a *analyzer) nearJoin(sq *selectQuery) *NearJoin {
	if sq.left != nil || sq.rows != nil || sq.distinct || len(sq.distinctOn) > 0 || len(sq.group) > 0 || sq.having != nil || sq.locks ||
		sq.limit == nil || sq.limit.run == nil || sq.offset != nil && sq.offset.run == nil || len(sq.order) != 1 || sq.order[0].desc ||
		sq.order[0].nullsFirst || sq.where != nil && sq.where.props&isVolatile != 0 {
		return nil
	}
	for _, c := range sq.cols {
		if c.n.props&(hasAggregate|hasWindow|hasSet) != 0 {
			return nil
		}
	}
	d, ok := sq.order[0].n.value.(*distance)
	if !ok {
		return nil
	}
	col, query := bare(d.l), d.r
	if col.kind != columnNode {
		col, query = bare(d.r), d.l
	}
	readsNothing := query.walk(func(n *node) bool { return n.kind != columnNode })
	if col.kind != columnNode || query.run == nil || !readsNothing || query.props&(hasSubquery|isVolatile) != 0 || query.oid() != types.VectorOID {
		return nil
	}
	r := col.col.rte
	thin := slices.ContainsFunc(sq.from, func(f *fromItem) bool { return slices.Contains(f.thins, r) })
	if !thin || r.rel == nil || r.rel.Kind != Table || strings.Count(a.plan.DuckSQL, ident(RelationToken(r.number))) != 1 {
		return nil
	}
	return &NearJoin{Relation: r.number, Column: col.col.index, Op: d.op, Query: query, Limit: asExpr(sq.limit), Offset: asExpr(sq.offset)}
}
