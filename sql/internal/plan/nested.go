package plan

import "engram/sql/types"

// Search is a nearest-neighbour query inside of another query. It is a Relation of kind Nested, which no SQL scans: DuckSQL
// calls __engram_nearest(token, n, query, k, shows), n being the Relation's number, for a list of STRUCT(id BIGINT, ord BIGINT,
// dist DOUBLE): the RowIDs of the k nearest rows, nearest first, those without a vector last. dist is NULL unless shows is true.
type Search struct {
	Relation *Relation
	Column   int
	Op       string
	Filter   *RowFilter // nil = all rows; it reads no column of another query
}

// nestedSearch is how a bound query is printed as a search.
type nestedSearch struct {
	number int // of the Search among the plan's relations
	query  *node
	alias  string // of the hits
	shows  bool
	params []*node // of the filter: DuckDB wants to see every parameter
}

// nest makes a search of a query inside of another one where it asks for the nearest rows of one table.
func (a *analyzer) nest(sq *selectQuery) {
	if len(sq.ctes) > 0 || sq.left != nil || sq.rows != nil || sq.distinct || len(sq.distinctOn) > 0 || len(sq.group) > 0 || sq.having != nil ||
		sq.limit == nil || len(sq.order) != 1 || sq.order[0].desc || sq.order[0].nullsFirst || len(sq.from) != 1 || sq.from[0].plain == nil ||
		sq.from[0].plain.rel == nil || sq.from[0].plain.rel.Kind != Table || sq.search != nil {
		return
	}
	if sq.where != nil && sq.where.props&(hasSubquery|isVolatile|hasSession) != 0 {
		return
	}
	for _, c := range sq.cols {
		if c.n.props&(hasAggregate|hasWindow|hasSet) != 0 {
			return
		}
	}
	for _, n := range []*node{sq.limit, sq.offset} {
		if n != nil && n.props&hasSubquery != 0 {
			return
		}
	}
	d, ok := sq.order[0].n.value.(*distance)
	if !ok {
		return
	}
	own := sq.from[0].plain
	col, query := bare(d.l), d.r
	if col.kind != columnNode || col.col.rte != own {
		col, query = bare(d.r), d.l
	}
	if col.kind != columnNode || col.col.rte != own || readsFrom(query, own) || query.props&isVolatile != 0 || query.oid() != types.VectorOID {
		return
	}
	s := &Search{Relation: own.rel, Column: col.col.index, Op: d.op}
	if sq.where != nil {
		s.Filter = a.rowFilter(sq)
	}
	n := &nestedSearch{query: query, alias: a.freshAlias("__engram_hits")}
	sq.where.walk(func(x *node) bool {
		if x.kind == paramNode {
			n.params = append(n.params, x)
		}
		return true
	})
	key := text(sq.order[0].n)
	for _, root := range colNodes(sq.cols) {
		root.walk(func(x *node) bool {
			if y, ok := x.value.(*distance); ok && text(x) == key {
				y.from, n.shows = n.alias, true
			}
			return true
		})
	}
	n.number = a.relationNumber(&Relation{Kind: Nested, Name: own.rel.Name, Schema: own.rel.Schema, Ref: s})
	sq.search = n
}

// readsFrom reports whether a node reads a column of a range.
func readsFrom(n *node, r *rte) bool {
	return !n.walk(func(x *node) bool { return x.kind != columnNode || x.col.rte != r })
}

// printSearch writes the FROM, the WHERE and the ORDER BY of a query that is a search.
func (sq *selectQuery) printSearch(p *printer) {
	s := sq.search
	p.str(" FROM (SELECT unnest(__engram_l, recursive := true) FROM (SELECT __engram_nearest(")
	p.token()
	p.str(", ", itoa(s.number), ", ")
	p.node(s.query)
	p.str(", ")
	p.count(sq.limit, "2201W", "LIMIT")
	if sq.offset != nil {
		p.str(" + ")
		p.count(sq.offset, "2201X", "OFFSET")
	}
	for _, x := range s.params {
		p.str(" + CASE WHEN ")
		p.node(x)
		p.str(" IS NULL THEN 0 ELSE 0 END")
	}
	p.str(", ", pick(s.shows, "true", "false"), ") AS __engram_l)) AS ", ident(s.alias), `("__engram_id", "__engram_ord", "__engram_dist") JOIN `)
	sq.from[0].out(p)
	p.str(" ON ", ident(RowIDColumn), " = ", ident(s.alias), `."__engram_id" ORDER BY `, ident(s.alias), `."__engram_ord"`)
}
