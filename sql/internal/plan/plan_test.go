package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"engram/sql/types"
)

// testScope is a schema for the tests: a few tables, and what they need of the catalog.
type testScope struct{ relations map[string]*Relation }

func (s *testScope) Relation(schema, name string) (*Relation, error) {
	if schema != "" {
		return s.relations[schema+"."+name], nil
	}
	for _, sch := range []string{"pg_catalog", "public"} {
		if r := s.relations[sch+"."+name]; r != nil {
			return r, nil
		}
	}
	return nil, nil
}

func (s *testScope) Setting(name string) (string, bool) {
	v, ok := map[string]string{"TimeZone": "UTC", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "database": "engram"}[name]
	return v, ok
}

// table adds a relation from a list "name type, name type"; the first n columns are its primary key.
func (s *testScope) table(kind RelKind, schema, name, columns string, key int) *Relation {
	r := &Relation{OID: types.FirstUserOID + uint32(len(s.relations)), Schema: schema, Name: name, Kind: kind}
	for i, c := range strings.Split(columns, ", ") {
		n, t, _ := strings.Cut(strings.TrimSpace(c), " ")
		typ, err := types.ByName(strings.TrimSpace(t))
		if err != nil {
			panic(fmt.Sprint(name, " ", c, ": ", err))
		}
		r.Columns = append(r.Columns, RelColumn{Name: n, Type: typ, AttNum: int16(i + 1)})
	}
	if key > 0 {
		for i := range key {
			r.PrimaryKey = append(r.PrimaryKey, i)
		}
		r.Uniques, r.UniqueNames = [][]int{r.PrimaryKey}, []string{name + "_pkey"}
	}
	s.relations[schema+"."+name] = r
	return r
}

func newTestScope() *testScope {
	s := &testScope{relations: map[string]*Relation{}}
	s.table(Table, "public", "t", "id int4, a int4, b int8, c text, d numeric(10,2), f float8, v vector(3), ts timestamptz, day date, j jsonb, tags text[], code char(4), flag bool", 1)
	s.table(Table, "public", "u", "id int8, t_id int4, name varchar(10), x bytea, s int2, bits bit(3)", 1)
	s.table(Table, "public", "pair", "k1 int4, k2 text, val int4", 2)
	s.table(Table, "public", "Mixed", "Id int4, idx int4, uid uuid, ts timestamp, iv interval", 0)
	v := s.table(View, "public", "w", "id int4, double_a int4", 0)
	v.Definition = "SELECT id, a * 2 AS double_a FROM t WHERE a > 0"
	s.table(Catalog, "pg_catalog", "pg_class", "oid oid, relname name, relnamespace oid, relkind \"char\", relowner oid, relam oid, reltuples float4", 1)
	s.table(Catalog, "pg_catalog", "pg_namespace", "oid oid, nspname name, nspowner oid", 1)
	s.table(Catalog, "pg_catalog", "pg_index", "indexrelid oid, indrelid oid, indkey int2vector, indisprimary bool", 1)
	s.table(Catalog, "pg_catalog", "pg_type", "oid oid, typname name, typinput regproc, typelem oid", 1)
	return s
}

// dump prints a plan for the golden files.
func dump(p *Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "road: %s\n", p.Road)
	if len(p.Params) > 0 {
		list := make([]string, len(p.Params))
		for i, t := range p.Params {
			list[i] = t.String()
		}
		fmt.Fprintf(&b, "params: %s\n", strings.Join(list, ", "))
	}
	for _, c := range p.Columns {
		fmt.Fprintf(&b, "column: %s %s", c.Name, c.Type)
		if c.TableOID != 0 {
			fmt.Fprintf(&b, " (%d.%d)", c.TableOID, c.AttNum)
		}
		b.WriteString("\n")
	}
	if p.DuckSQL != "" {
		fmt.Fprintf(&b, "duck: %s\n", p.DuckSQL)
	}
	if d := p.Direct; d != nil {
		dumpDirect(&b, d)
	}
	if p.DML != nil {
		dumpDML(&b, p.DML)
	}
	if p.Utility != nil {
		fmt.Fprintf(&b, "utility: %s\n", dumpStruct(p.Utility))
	}
	return b.String()
}

func exprText(e Expr) string {
	switch n := e.(type) {
	case nil:
		return "-"
	case *node:
		if n.out == nil {
			return "?"
		}
		return text(n)
	case keyExpr:
		return text(n.node)
	}
	return fmt.Sprintf("%T", e)
}

func exprTexts(es []Expr) string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = exprText(e)
	}
	return strings.Join(out, " | ")
}

func dumpDirect(b *strings.Builder, d *DirectPlan) {
	switch {
	case d.KNN != nil:
		k := d.KNN
		fmt.Fprintf(b, "knn: %s.%s %s %s limit %s offset %s\n", k.Relation.Name, k.Relation.Columns[k.Column].Name, k.Op, exprText(k.Query), exprText(k.Limit), exprText(k.Offset))
		f := k.Filter
		if f == nil {
			f = &RowFilter{}
		}
		fmt.Fprintf(b, "filter: %s columns %v\nproject: %s columns %v\n", exprText(f.Cond), f.Columns, exprTexts(k.Project), k.ProjectColumns)
	case d.Point != nil:
		p := d.Point
		fmt.Fprintf(b, "point: %s unique %d key %s filter %s\nproject: %s columns %v\n", p.Relation.Name, p.Unique, exprTexts(p.Key), exprText(p.Filter), exprTexts(p.Project), p.ProjectColumns)
	default:
		for _, r := range d.Values.Rows {
			fmt.Fprintf(b, "row: %s\n", exprTexts(r))
		}
	}
}

func dumpDML(b *strings.Builder, d *DMLPlan) {
	fmt.Fprintf(b, "dml: %s %s targets %v\n", d.Op, d.Relation.Name, d.Targets)
	for _, r := range d.Rows {
		fmt.Fprintf(b, "row: %s\n", exprTexts(r))
	}
	if d.Point != nil {
		fmt.Fprintf(b, "point: unique %d key %s filter %s\n", d.Point.Unique, exprTexts(d.Point.Key), exprText(d.Point.Filter))
	}
	for _, s := range d.Set {
		fmt.Fprintf(b, "set: %s default %v = %s\n", d.Relation.Columns[s.Column].Name, s.Default, exprText(s.Expr))
	}
	if c := d.Conflict; c != nil {
		fmt.Fprintf(b, "conflict: unique %d nothing %v where %s\n", c.Unique, c.Nothing, exprText(c.Where))
		for _, s := range c.Set {
			fmt.Fprintf(b, "  set: %s default %v = %s\n", d.Relation.Columns[s.Column].Name, s.Default, exprText(s.Expr))
		}
	}
	if d.Returning != nil {
		fmt.Fprintf(b, "returning: %s\n", exprTexts(d.Returning))
	}
	if d.ReturningSQL != "" {
		fmt.Fprintf(b, "returning: %s\n", d.ReturningSQL)
	}
	if d.ExtraColumns > 0 {
		fmt.Fprintf(b, "extra: %v\n", d.ExtraTypes)
	}
}

// TestGolden compares plans with the files in testdata; -rewrite writes them anew.
func TestGolden(t *testing.T) {
	sc := newTestScope()
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return planAll(sc, d.Input)
		})
	})
}

func planAll(sc Scope, input string) string {
	stmts, err := Parse(input)
	if err != nil {
		return errorText(err)
	}
	var b strings.Builder
	for _, st := range stmts {
		p, err := Analyze(st, sc, nil)
		if err != nil {
			b.WriteString(errorText(err))
			continue
		}
		b.WriteString(dump(p))
	}
	return b.String()
}

func errorText(err error) string {
	e := err.(*types.Error)
	s := fmt.Sprintf("ERROR %s: %s", e.Code, e.Message)
	if e.Position > 0 {
		s += fmt.Sprintf(" at %d", e.Position)
	}
	for _, x := range []string{e.Detail, e.Hint} {
		if x != "" {
			s += "\n  " + x
		}
	}
	return s + "\n"
}
