package plan

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// rte is one range of a FROM clause: a relation, a subquery, a function, VALUES, or a join that merges columns.
type rte struct {
	alias  string // as the user sees it; "" for an unnamed join
	schema string // of a relation without alias, for schema.table.column
	cols   []rcol
	rel    *Relation // of a plain relation
	number int       // its token
	inRow  bool      // Env.Row holds its columns (DML and direct plans)
	extra  bool      // Env.Excluded holds its columns
}

// rcol is one column of a range.
type rcol struct {
	name   string
	typ    types.Type
	table  uint32
	att    int16
	hidden bool
	make   func(loc int32) *node // the expression that reads it
}

// query is a level of names: one SELECT's FROM clause inside of another's.
type query struct {
	parent *query
	ranges []*rte // what qualified names may name
	// order is what * and unqualified names see: each column once, merged columns of USING first.
	order   []visible
	ctes    []*cte
	lateral []*rte // ranges that the range being bound may not see, though they stand to its left
	outer   bool   // a column of this level was read from an inner one
	windows map[string]*windowOver
}

// visible is one column that unqualified names and * see.
type visible struct {
	rte *rte
	col int
}

// cte is a WITH query.
type cte struct {
	name     string
	duck     string
	cols     []rcol
	ducks    []string // the columns' names in DuckDB
	fields   []any    // of columns that are records
	bound    *selectQuery
	material string
	busy     bool // its recursive self is being bound
	used     bool
}

func (q *query) findCTE(name string) *cte {
	for ; q != nil; q = q.parent {
		for i := len(q.ctes) - 1; i >= 0; i-- {
			if q.ctes[i].name == name {
				return q.ctes[i]
			}
		}
	}
	return nil
}

// columnRef binds a, t.a, s.t.a or t.*-less forms.
func (a *analyzer) columnRef(q *query, c *pgquery.ColumnRef) *node {
	names := make([]string, 0, len(c.Fields))
	for _, f := range c.Fields {
		s := f.GetString_()
		if s == nil {
			a.fail(c.Location, types.CodeSyntaxError, "row expansion via \"*\" is not supported here")
		}
		names = append(names, s.Sval)
	}
	switch len(names) {
	case 1:
		if n := a.unqualified(q, names[0], c.Location); n != nil {
			return n
		}
		if r := findRange(q, "", names[0]); r != nil {
			return a.wholeRow(r, c.Location)
		}
		a.fail(c.Location, types.CodeUndefinedColumn, "column \"%s\" does not exist", names[0])
	case 2:
		return a.qualified(q, "", names[0], names[1], c.Location)
	case 3:
		return a.qualified(q, names[0], names[1], names[2], c.Location)
	case 4:
		return a.qualified(q, names[1], names[2], names[3], c.Location)
	}
	a.fail(c.Location, types.CodeSyntaxError, "improper qualified name (too many dotted names): %s", strings.Join(names, "."))
	return nil
}

// unqualified finds a column by its bare name, level by level; nil when there is none.
func (a *analyzer) unqualified(q *query, name string, loc int32) *node {
	for level, inner := q, false; level != nil; level, inner = level.parent, true {
		var found *node
		for _, v := range level.order {
			if v.rte.cols[v.col].name != name || level.hides(v.rte) {
				continue
			}
			if found != nil {
				a.fail(loc, types.CodeAmbiguousColumn, "column reference \"%s\" is ambiguous", name)
			}
			found = v.rte.cols[v.col].make(loc)
		}
		if found == nil {
			found = a.hiddenColumn(level, name, loc)
		}
		if found != nil {
			return a.fromLevel(q, level, found, inner)
		}
	}
	return nil
}

// hiddenColumn finds a column that * does not show, like a system column.
func (a *analyzer) hiddenColumn(level *query, name string, loc int32) *node {
	if reservedName(name) {
		return nil
	}
	for _, r := range level.ranges {
		for i := range r.cols {
			if r.cols[i].hidden && r.cols[i].name == name && !level.hides(r) {
				return r.cols[i].make(loc)
			}
		}
	}
	return nil
}

func (a *analyzer) fromLevel(q, level *query, n *node, inner bool) *node {
	if inner {
		n.props |= hasSubquery
		n.run = nil
		for l := q; l != level; l = l.parent {
			l.outer = true
		}
	}
	return n
}

func (q *query) hides(r *rte) bool {
	for _, x := range q.lateral {
		if x == r {
			return true
		}
	}
	return false
}

// findRange finds a range by its name, level by level.
func findRange(q *query, schema, name string) *rte {
	for ; q != nil; q = q.parent {
		for _, r := range q.ranges {
			if r.alias == name && (schema == "" || r.schema == schema) && !q.hides(r) {
				return r
			}
		}
	}
	return nil
}

func (a *analyzer) qualified(q *query, schema, table, name string, loc int32) *node {
	for level, inner := q, false; level != nil; level, inner = level.parent, true {
		for _, r := range level.ranges {
			if r.alias != table || schema != "" && r.schema != schema || level.hides(r) {
				continue
			}
			for i := range r.cols {
				if r.cols[i].name == name && !reservedName(name) {
					return a.fromLevel(q, level, r.cols[i].make(loc), inner)
				}
			}
			a.fail(loc, types.CodeUndefinedColumn, "column %s.%s does not exist", table, name)
		}
	}
	a.missingFrom(q, table, loc)
	return nil
}

func (a *analyzer) missingFrom(q *query, table string, loc int32) {
	for level := q; level != nil; level = level.parent {
		for _, r := range level.ranges {
			if level.hides(r) && r.alias == table {
				panic(a.at(loc, types.Errorf(types.CodeUndefinedTable, "invalid reference to FROM-clause entry for table \"%s\"", table).
					WithHint("There is an entry for table \"%s\", but it cannot be referenced from this part of the query.", table)))
			}
			if r.rel != nil && r.rel.Name == table {
				panic(a.at(loc, types.Errorf(types.CodeUndefinedTable, "invalid reference to FROM-clause entry for table \"%s\"", table).
					WithHint("Perhaps you meant to reference the table alias \"%s\".", r.alias)))
			}
		}
	}
	a.fail(loc, types.CodeUndefinedTable, "missing FROM-clause entry for table \"%s\"", table)
}

// wholeRow is a table's name used as a value: the row as a record.
func (a *analyzer) wholeRow(r *rte, loc int32) *node {
	var args []*node
	var names []string
	for i := range r.cols {
		if !r.cols[i].hidden {
			args = append(args, r.cols[i].make(loc))
			names = append(names, r.cols[i].name)
		}
	}
	if len(args) == 0 {
		a.fail(loc, types.CodeFeatureNotSupported, "a row without columns is not supported")
	}
	n := with(types.Of(types.RecordOID), loc, args, func(p *printer) {
		p.str("struct_pack(")
		used := map[string]bool{}
		for i, x := range args {
			if i > 0 {
				p.str(", ")
			}
			p.str(ident(uniqueName(used, names[i])), " := ")
			p.node(x)
		}
		p.str(")")
	}, nil)
	n.kind, n.value = rowNode, names
	return n
}

// uniqueName changes a name until DuckDB, which ignores case, has not seen it.
func uniqueName(used map[string]bool, name string) string {
	if name == "" {
		name = "_"
	}
	out := name
	for i := 1; used[strings.ToLower(out)]; i++ {
		out = name + "__" + itoa(i)
	}
	used[strings.ToLower(out)] = true
	return out
}

// columnOf makes the reader of a column that DuckDB knows as alias.name.
func columnOf(r *rte, i int, duckAlias, duckName string) func(int32) *node {
	return func(loc int32) *node {
		n := &node{kind: columnNode, typ: r.cols[i].typ, loc: loc, col: &colRef{r, i},
			out: func(p *printer) { p.str(ident(duckAlias), ".", ident(duckName)) }}
		if r.inRow {
			n.run = func(env *Env) (any, error) { return at(env.Row, i) }
		}
		if r.extra {
			n.run = func(env *Env) (any, error) { return at(env.Excluded, i) }
		}
		return n
	}
}

func at(row []any, i int) (any, error) {
	if i >= len(row) {
		return nil, types.Errorf("XX000", "a row of %d values was given where column %d is wanted", len(row), i+1)
	}
	return row[i], nil
}
