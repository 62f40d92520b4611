package plan

import "strconv"

// print writes a query in DuckDB's dialect.
func (sq *selectQuery) print(p *printer) {
	if len(sq.ctes) > 0 {
		p.str("WITH ", pick(sq.recursive, "RECURSIVE ", ""))
		for i, c := range sq.ctes {
			if i > 0 {
				p.str(", ")
			}
			p.str(ident(c.duck), "(")
			for j, d := range c.ducks {
				p.str(pick(j > 0, ", ", ""), ident(d))
			}
			p.str(") AS ", c.material, "(")
			c.bound.print(p)
			p.str(")")
		}
		p.str(" ")
	}
	switch {
	case sq.left != nil:
		p.str("(")
		sq.left.print(p)
		p.str(") ", sq.op, " (")
		sq.right.print(p)
		p.str(")")
	case sq.rows != nil:
		sq.printRows(p)
	default:
		sq.printSelect(p)
	}
	if sq.search == nil {
		p.sort(sq.order)
	}
	sq.printLimit(p)
}

func (sq *selectQuery) printLimit(p *printer) {
	if sq.limit != nil {
		p.str(" LIMIT ")
		p.count(sq.limit, "2201W", "LIMIT")
	}
	if sq.offset != nil {
		p.str(" OFFSET ")
		p.count(sq.offset, "2201X", "OFFSET")
	}
}

// count prints a LIMIT or OFFSET that must not be negative.
func (p *printer) count(n *node, code, word string) {
	if i, ok := n.value.(int64); ok && n.kind == constNode { // a cast would not be constant enough in a correlated subquery
		p.str(strconv.FormatInt(i, 10))
		return
	}
	p.str("(CASE WHEN ")
	p.node(n)
	p.str(" < 0 THEN ", raise(code, word+" must not be negative"), " ELSE ")
	p.node(n)
	p.str(" END)")
}

func (sq *selectQuery) printRows(p *printer) {
	p.str("SELECT * FROM (VALUES ")
	for i, r := range sq.rows {
		p.str(pick(i > 0, ", (", "("))
		p.list(r)
		p.str(")")
	}
	p.str(") AS v(")
	for i, c := range sq.cols {
		p.str(pick(i > 0, ", ", ""), ident(c.duck))
	}
	p.str(")")
}

func (sq *selectQuery) printSelect(p *printer) {
	p.str("SELECT ")
	if sq.distinct {
		p.str("DISTINCT ")
	}
	if len(sq.distinctOn) > 0 {
		p.str("DISTINCT ON (")
		for i, d := range sq.distinctOn {
			if i > 0 {
				p.str(", ")
			}
			p.node(d.n)
		}
		p.str(") ")
	}
	for i, c := range sq.cols {
		if i > 0 {
			p.str(", ")
		}
		p.node(c.n)
		p.str(" AS ", ident(c.duck))
	}
	if len(sq.cols) == 0 {
		p.str("1")
	}
	if sq.search != nil {
		sq.printSearch(p)
		return
	}
	for i, f := range sq.from {
		p.str(pick(i == 0, " FROM ", ", "))
		f.out(p)
	}
	if sq.where != nil {
		p.str(" WHERE ")
		p.node(sq.where)
	}
	if len(sq.group) > 0 {
		p.str(" GROUP BY ")
		p.group(sq.group)
	}
	if sq.having != nil {
		p.str(" HAVING ")
		p.node(sq.having)
	}
}
