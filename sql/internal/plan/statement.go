package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// selectStatement plans a SELECT that stands alone.
func (a *analyzer) selectStatement(s *pgquery.SelectStmt) {
	sq := a.selectQuery(s, nil, false)
	a.resolveUnknown(sq)
	a.outputColumns(sq)
	if d := a.directPlan(sq); d != nil {
		a.plan.Road, a.plan.Direct = RoadDirect, d
		a.plan.Explain = explainDirect(d)
		return
	}
	a.duckRoad(sq)
}

// duckRoad prints a query for DuckDB.
func (a *analyzer) duckRoad(sq *selectQuery) {
	a.plan.Road = RoadDuck
	var p printer
	sq.print(&p)
	a.plan.DuckSQL, a.plan.Session = p.String(), p.session
	a.plan.Near = a.nearJoin(sq)
	a.plan.Explain = a.explainDuck(sq)
}

// outputColumns describes the columns of the outermost query.
func (a *analyzer) outputColumns(sq *selectQuery) {
	a.plan.Columns = make([]PlanColumn, 0, len(sq.cols))
	for _, c := range sq.cols {
		col := PlanColumn{Name: c.name, Type: c.n.Type()}
		if col.Type.OID == types.UnknownOID {
			col.Type = types.Of(types.TextOID)
		}
		if c.n.kind == columnNode {
			src := c.n.col.rte.cols[c.n.col.index]
			col.TableOID, col.AttNum = src.table, src.att
		}
		a.plan.Columns = append(a.plan.Columns, col)
	}
}

// explainDuck describes the shape of a query: what DuckDB makes of it is DuckDB's business.
func (a *analyzer) explainDuck(sq *selectQuery) []string {
	lines := []string{"DuckDB Query"}
	for _, r := range a.plan.Relations {
		if r.Kind == Nested {
			continue
		}
		lines = append(lines, "  ->  Scan on "+r.Name)
	}
	return lines
}
