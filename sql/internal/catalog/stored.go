package catalog

import (
	"fmt"
	"slices"
	"strings"

	"engram/sql/types"
)

// stored reads the views and the indexes that are no keys.
func (o *objects) stored() error {
	if o.env.Views != nil {
		views, err := o.env.Views()
		if err != nil {
			return err
		}
		for i := range views {
			o.views = append(o.views, &views[i])
		}
	}
	if o.env.Indexes == nil {
		return nil
	}
	list, err := o.env.Indexes()
	if err != nil {
		return err
	}
	for i := range list {
		s := &list[i]
		t, ok := o.byOID[TableOID(s.Table)]
		if !ok {
			continue
		}
		x := &index{table: t, oid: IndexOID(s.Schema, s.Name), name: s.Name, stored: s}
		for o.indexes[x.oid] != nil { // two names of one hash
			x.oid++
		}
		for _, k := range s.Keys {
			at := -1
			for j, c := range t.Columns {
				if k.Column != 0 && c.ID == k.Column {
					at = j
				}
			}
			x.columns = append(x.columns, at)
		}
		t.indexes = append(t.indexes, x)
		o.indexes[x.oid] = x
	}
	return nil
}

// method is the access method of the index.
func (x *index) method() string {
	if x.stored == nil {
		return "btree"
	}
	return x.stored.Method
}

// methodOID is its pg_am.oid.
func (x *index) methodOID() uint32 {
	m := x.method()
	for _, v := range vectorMethods {
		if v.name == m {
			return v.oid
		}
	}
	for _, row := range static().rows["pg_am"] {
		if row[1] == m {
			return asOID(row[0])
		}
	}
	return 0
}

// vectorMethods are the access methods that pgvector adds to PostgreSQL, and ours.
var vectorMethods = []struct {
	name string
	oid  uint32
}{{"hnsw", types.VectorOID + 20}, {"ivfflat", types.VectorOID + 21}, {"ivf", types.VectorOID + 22}, {"auto", types.VectorOID + 23}, {"flat", types.VectorOID + 24}}

// keyText is one key of the index as it stands between the parentheses of CREATE INDEX.
func (x *index) keyText(i int, withClass bool) string {
	text := "expr"
	if x.columns[i] >= 0 {
		text = QuoteIdent(x.table.Columns[x.columns[i]].Name)
	}
	if x.stored == nil {
		return text
	}
	k := x.stored.Keys[i]
	if x.columns[i] < 0 && k.Expr != "" {
		text = k.Expr
		if !callOnly(text) {
			text = "(" + text + ")"
		}
	}
	if !withClass {
		return text
	}
	if k.OpClass != "" && !(x.stored.Method == "ivfflat" && k.OpClass == "vector_l2_ops") {
		text += " " + QuoteIdent(k.OpClass)
	}
	switch {
	case k.Desc && !k.NullsFirst:
		text += " DESC NULLS LAST"
	case k.Desc:
		text += " DESC"
	case k.NullsFirst:
		text += " NULLS FIRST"
	}
	return text
}

// callOnly reports whether an expression is a single function call, which CREATE INDEX takes without parentheses.
func callOnly(text string) bool {
	open := strings.IndexByte(text, '(')
	if open <= 0 || !strings.HasSuffix(text, ")") || strings.IndexFunc(text[:open], func(r rune) bool {
		return r != '_' && r != '.' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}) >= 0 {
		return false
	}
	depth := 0
	for i, c := range text[open:] {
		switch c {
		case '\'', '"':
			return false // a parenthesis may be quoted
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 && open+i != len(text)-1 {
				return false
			}
		}
	}
	return depth == 0
}

// definition is the CREATE INDEX statement of an index, as pg_get_indexdef gives it; pretty leaves out the schema where
// the name is found without it.
func (x *index) definition(env *Env, pretty bool) string {
	var b strings.Builder
	b.WriteString("CREATE ")
	if x.unique {
		b.WriteString("UNIQUE ")
	}
	on := QuoteIdent(x.table.Schema) + "." + QuoteIdent(x.table.Name)
	if pretty && inPath(env, x.table.Schema) {
		on = QuoteIdent(x.table.Name)
	}
	keys := make([]string, len(x.columns))
	for i := range keys {
		keys[i] = x.keyText(i, true)
	}
	fmt.Fprintf(&b, "INDEX %s ON %s USING %s (%s)", QuoteIdent(x.name), on, x.method(), strings.Join(keys, ", "))
	if x.stored == nil {
		return b.String()
	}
	var with []string
	for _, p := range x.stored.Parameters {
		value := p[1]
		if QuoteIdent(value) != value {
			value = quoteLiteral(value)
		}
		with = append(with, QuoteIdent(p[0])+"="+value)
	}
	if len(with) > 0 {
		b.WriteString(" WITH (" + strings.Join(with, ", ") + ")")
	}
	if x.stored.Where != "" {
		b.WriteString(" WHERE " + parenthesised(x.stored.Where, pretty))
	}
	return b.String()
}

func parenthesised(text string, pretty bool) string {
	if pretty {
		return text
	}
	return "(" + text + ")"
}

// options are pg_class.reloptions of an index: nil without any.
func (x *index) options() any {
	if x.stored == nil || len(x.stored.Parameters) == 0 {
		return nil
	}
	var out []string
	for _, p := range x.stored.Parameters {
		out = append(out, p[0]+"="+p[1])
	}
	return out
}

// indexOptions are pg_index.indoption: bit 0 for DESC, bit 1 for NULLS FIRST.
func (x *index) indexOptions() []any {
	out := make([]any, len(x.columns))
	for i := range out {
		n := int64(0)
		if x.stored != nil {
			if x.stored.Keys[i].Desc {
				n |= 1
			}
			if x.stored.Keys[i].NullsFirst {
				n |= 2
			}
		}
		out[i] = n
	}
	return out
}

func (v *View) rowType() uint32 { return firstViewType + (v.OID-firstView)%(namedSpan/2)*2 }

// text is the definition as pg_get_viewdef gives it.
func (v *View) text() string { return " " + v.Definition + ";" }

// view finds a view by oid; nil when there is none.
func (o *objects) view(oid uint32) *View {
	i := slices.IndexFunc(o.views, func(v *View) bool { return v.OID == oid })
	if i < 0 {
		return nil
	}
	return o.views[i]
}

func viewViewRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, r := range Relations() {
		if r.Kind == 'v' {
			rows = append(rows, fields{"schemaname": r.Schema, "viewname": r.Name, "viewowner": ownerName})
		}
	}
	for _, v := range o.views {
		rows = append(rows, fields{"schemaname": v.Schema, "viewname": v.Name, "viewowner": ownerName, "definition": v.text()})
	}
	return rows, o.err
}

func infoViewRows(o *objects) ([]fields, error) {
	row := func(schema, name string, definition any) fields {
		return fields{"table_catalog": o.env.Database, "table_schema": schema, "table_name": name, "view_definition": definition,
			"check_option": "NONE", "is_updatable": "NO", "is_insertable_into": "NO", "is_trigger_updatable": "NO",
			"is_trigger_deletable": "NO", "is_trigger_insertable_into": "NO"}
	}
	var rows []fields
	for _, r := range Relations() {
		if r.Kind == 'v' {
			rows = append(rows, row(r.Schema, r.Name, nil))
		}
	}
	for _, v := range o.views {
		rows = append(rows, row(v.Schema, v.Name, v.text()))
	}
	return rows, o.err
}

// viewDefinition is pg_get_viewdef.
func viewDefinition(env *Env, args []any) (any, error) {
	oid := asOID(args[0])
	if name, ok := args[0].(string); ok {
		var err error
		if oid, err = env.resolveRelation(name); err != nil {
			return nil, err
		}
	}
	if v := env.objects().view(oid); v != nil {
		return v.text(), nil
	}
	return nil, env.objects().err
}

// expressions are pg_index.indexprs: the texts of the keys that are no columns; nil without any.
func (x *index) expressions() any {
	var out []string
	for i, p := range x.columns {
		if p < 0 && x.stored != nil {
			out = append(out, x.stored.Keys[i].Expr)
		}
	}
	if out == nil {
		return nil
	}
	return strings.Join(out, ", ")
}

// condition is pg_index.indpred: the condition of a partial index, or nil.
func (x *index) condition() any {
	if x.stored == nil || x.stored.Where == "" {
		return nil
	}
	return x.stored.Where
}
