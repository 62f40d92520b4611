package plan

import (
	"slices"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// copy checks COPY.
func (a *analyzer) copy(s *pgquery.CopyStmt) any {
	c := &Copy{From: s.IsFrom, File: s.Filename, Program: s.IsProgram}
	if s.Query != nil {
		k, _ := classify(s.Query)
		if k == KindDML {
			a.unsupported(-1, "COPY of a statement that changes rows")
		}
		c.Query, _ = a.subPlan(s.Query)
		for i := range c.Query.Columns {
			c.Columns = append(c.Columns, i)
		}
		a.copyOptions(c, s.Options, columnNames(c.Query))
		return c
	}
	c.Relation = a.relation(s.Relation)
	if c.From && c.Relation.Kind != Table {
		a.fail(s.Relation.Location, types.CodeWrongObjectType, "cannot copy to view \"%s\"", c.Relation.Name)
	}
	if !c.From && c.Relation.Kind == View {
		panic(types.Errorf(types.CodeWrongObjectType, "cannot copy from view \"%s\"", c.Relation.Name).WithHint("Try the COPY (SELECT ...) TO variant."))
	}
	var names []string
	for _, x := range s.Attlist {
		i := a.columnIndex(c.Relation, x.GetString_().GetSval(), -1)
		if slices.Contains(c.Columns, i) {
			a.fail(-1, types.CodeDuplicateColumn, "column \"%s\" specified more than once", x.GetString_().GetSval())
		}
		c.Columns = append(c.Columns, i)
	}
	if len(s.Attlist) == 0 {
		for i, col := range c.Relation.Columns {
			if !col.Hidden {
				c.Columns = append(c.Columns, i)
			}
		}
	}
	for _, i := range c.Columns {
		names = append(names, c.Relation.Columns[i].Name)
	}
	a.copyOptions(c, s.Options, names)
	if s.WhereClause != nil {
		q := &query{}
		a.targetRange(q, c.Relation, s.Relation)
		c.Where = a.needGo(a.refuse(a.condition(q, s.WhereClause, "WHERE"), hasAggregate|hasWindow|hasSet, "COPY FROM WHERE conditions"))
	}
	if !c.From {
		c.Query = a.copyQuery(s.Relation, names)
	}
	return c
}

func columnNames(p *Plan) []string {
	out := make([]string, len(p.Columns))
	for i, c := range p.Columns {
		out[i] = c.Name
	}
	return out
}

// copyQuery plans the SELECT behind COPY relation TO.
func (a *analyzer) copyQuery(v *pgquery.RangeVar, names []string) *Plan {
	sel := &pgquery.SelectStmt{FromClause: []*pgquery.Node{{Node: &pgquery.Node_RangeVar{RangeVar: v}}}}
	for _, n := range names {
		ref := &pgquery.Node{Node: &pgquery.Node_ColumnRef{ColumnRef: &pgquery.ColumnRef{Fields: []*pgquery.Node{pgquery.MakeStrNode(n)}}}}
		sel.TargetList = append(sel.TargetList, &pgquery.Node{Node: &pgquery.Node_ResTarget{ResTarget: &pgquery.ResTarget{Val: ref}}})
	}
	p, _ := a.subPlan(&pgquery.Node{Node: &pgquery.Node_SelectStmt{SelectStmt: sel}})
	return p
}

// copyOptions reads the options of COPY and their defaults, which depend on the format.
func (a *analyzer) copyOptions(c *Copy, options []*pgquery.Node, names []string) {
	o := &c.Options
	o.Format = "text"
	seen := map[string]*pgquery.DefElem{}
	for _, x := range options {
		d := x.GetDefElem()
		if seen[d.Defname] != nil {
			a.fail(d.Location, types.CodeSyntaxError, "conflicting or redundant options")
		}
		seen[d.Defname] = d
	}
	if d := seen["format"]; d != nil {
		o.Format = strings.ToLower(constText(d.Arg))
		if o.Format != "text" && o.Format != "csv" && o.Format != "binary" {
			a.fail(d.Location, types.CodeInvalidParameterValue, "COPY format \"%s\" not recognized", constText(d.Arg))
		}
	}
	csv := o.Format == "csv"
	o.Delimiter, o.Null = pick(csv, byte(','), byte('\t')), pick(csv, "", `\N`)
	if csv {
		o.Quote, o.Escape = '"', '"'
	}
	for name, d := range seen {
		a.copyOption(c, name, d, names)
	}
	if csv && seen["escape"] == nil {
		o.Escape = o.Quote
	}
	a.checkCopy(c, seen)
}

func (a *analyzer) copyOption(c *Copy, name string, d *pgquery.DefElem, names []string) {
	o := &c.Options
	one := func() byte {
		s := constText(d.Arg)
		if len(s) != 1 {
			a.fail(d.Location, types.CodeFeatureNotSupported, "COPY %s must be a single one-byte character", name)
		}
		return s[0]
	}
	columns := func() []int {
		var out []int
		for _, x := range d.Arg.GetList().GetItems() {
			i := slices.Index(names, constText(x))
			if i < 0 {
				a.fail(d.Location, types.CodeInvalidColumnReference, "%s column \"%s\" not referenced by COPY", strings.ToUpper(name), constText(x))
			}
			out = append(out, i)
		}
		return out
	}
	switch name {
	case "format":
	case "freeze":
		o.Freeze = a.constBool(d)
	case "delimiter":
		o.Delimiter = one()
	case "null":
		o.Null = constText(d.Arg)
	case "header":
		if d.Arg != nil && strings.EqualFold(constText(d.Arg), "match") {
			o.Header = "match"
		} else if a.constBool(d) {
			o.Header = "true"
		}
	case "quote":
		o.Quote = one()
	case "escape":
		o.Escape = one()
	case "force_quote":
		if d.Arg.GetAStar() != nil {
			o.ForceAll = true
		} else {
			o.ForceQuote = columns()
		}
	case "force_not_null":
		o.ForceNotNull = columns()
	case "force_null":
		o.ForceNull = columns()
	case "encoding":
		o.Encoding = constText(d.Arg)
		if !isUTF8(o.Encoding) {
			a.unsupported(d.Location, "COPY in the encoding "+o.Encoding)
		}
	default:
		a.fail(d.Location, types.CodeSyntaxError, "option \"%s\" not recognized", name)
	}
}

// checkCopy refuses options that do not go together.
func (a *analyzer) checkCopy(c *Copy, seen map[string]*pgquery.DefElem) {
	o := &c.Options
	csv := o.Format == "csv"
	if o.Format == "binary" {
		for _, name := range []string{"delimiter", "null", "header", "quote", "escape"} {
			if d := seen[name]; d != nil {
				a.fail(d.Location, types.CodeSyntaxError, "cannot specify %s in BINARY mode", strings.ToUpper(name))
			}
		}
	}
	for _, name := range []string{"quote", "escape", "force_quote", "force_not_null", "force_null"} {
		if d := seen[name]; d != nil && !csv {
			a.fail(d.Location, types.CodeFeatureNotSupported, "COPY %s available only in CSV mode", strings.ReplaceAll(name, "_", " "))
		}
	}
	switch {
	case seen["force_quote"] != nil && c.From:
		a.fail(-1, types.CodeFeatureNotSupported, "COPY force quote only available using COPY TO")
	case (seen["force_not_null"] != nil || seen["force_null"] != nil) && !c.From:
		a.fail(-1, types.CodeFeatureNotSupported, "COPY force null only available using COPY FROM")
	case o.Header == "match" && !c.From:
		a.fail(-1, types.CodeFeatureNotSupported, "cannot use \"match\" with HEADER in COPY TO")
	case o.Delimiter == '\n' || o.Delimiter == '\r':
		a.fail(-1, types.CodeInvalidParameterValue, "COPY delimiter cannot be newline or carriage return")
	case strings.ContainsAny(o.Null, "\r\n"):
		a.fail(-1, types.CodeInvalidParameterValue, "COPY null representation cannot use newline or carriage return")
	case !csv && strings.IndexByte("\\.abcdefghijklmnopqrstuvwxyz0123456789", o.Delimiter) >= 0:
		a.fail(-1, types.CodeInvalidParameterValue, "COPY delimiter cannot be \"%c\"", o.Delimiter)
	case csv && o.Delimiter == o.Quote:
		a.fail(-1, types.CodeInvalidParameterValue, "COPY delimiter and quote must be different")
	case o.Format != "binary" && strings.IndexByte(o.Null, o.Delimiter) >= 0:
		a.fail(-1, types.CodeInvalidParameterValue, "COPY delimiter must not appear in the NULL specification")
	}
}
