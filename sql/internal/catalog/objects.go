package catalog

import (
	"fmt"
	"strings"

	"engram/db"
	"engram/sql/types"
)

// namespaceInformation is information_schema's oid in the PostgreSQL 15 that the embedded rows come from.
const namespaceInformation = 13207

// objects are the user's tables and what hangs on them, as one session sees them, with their oids.
type objects struct {
	env     *Env
	schemas []string
	tables  []*table
	views   []*View
	byOID   map[uint32]*table // tables by pg_class.oid
	indexes map[uint32]*index
	err     error // what kept views or indexes from being read
}

type table struct {
	*db.Table
	oid     uint32
	indexes []*index
}

// index is a unique key of a table, which PostgreSQL shows as an index and often as a constraint too, or an index that is
// no key.
type index struct {
	table      *table
	oid        uint32
	constraint uint32 // 0 when the index stands alone
	name       string
	columns    []int // positions in the table; -1 is an expression
	unique     bool
	primary    bool
	stored     *Index // nil for a key
}

// objects are made once for an Env: an Env serves one statement, and its Reader does not change under it.
func (env *Env) objects() *objects {
	if env.made != nil {
		return env.made
	}
	o := &objects{env: env, byOID: map[uint32]*table{}, indexes: map[uint32]*index{}}
	env.made = o
	if env.Reader == nil {
		return o
	}
	o.schemas = env.Reader.Schemas()
	for _, t := range env.Reader.Tables() {
		entry := &table{Table: t, oid: TableOID(t.ID)}
		for _, u := range t.Uniques {
			x := &index{table: entry, oid: entry.oid + uniqueAt + u.ID, name: u.Name, columns: u.Columns, unique: true, primary: u.Primary}
			if u.Constraint || u.Primary {
				x.constraint = entry.oid + constraintAt + u.ID
			}
			entry.indexes = append(entry.indexes, x)
			o.indexes[x.oid] = x
		}
		o.tables = append(o.tables, entry)
		o.byOID[entry.oid] = entry
	}
	o.err = o.stored()
	return o
}

// userSchemas are the schemas of the database besides those every PostgreSQL has.
func (o *objects) userSchemas() []string {
	var names []string
	for _, s := range o.schemas {
		switch s {
		case "pg_catalog", "information_schema", "pg_toast":
		default:
			names = append(names, s)
		}
	}
	return names
}

// visible says whether an unqualified name reaches this table first.
func (o *objects) visible(t *table) bool {
	if _, system := Lookup("pg_catalog", t.Name); system {
		return false
	}
	for _, schema := range o.env.SearchPath {
		for _, other := range o.tables {
			if other.Schema == schema && other.Name == t.Name {
				return other == t
			}
		}
	}
	return false
}

func (t *table) sequenceOf(c db.Column) (oid uint32, name string, ok bool) {
	if c.Identity == db.NoIdentity {
		return 0, "", false
	}
	return t.oid + sequenceAt + c.ID, t.Name + "_" + c.Name + "_seq", true
}

// defaultText is the column default as PostgreSQL shows it; identity columns that are not serial have none.
func (t *table) defaultText(c db.Column, env *Env) string {
	if c.Identity == db.IdentitySerial {
		_, seq, _ := t.sequenceOf(c)
		if !inPath(env, t.Schema) {
			seq = t.Schema + "." + seq
		}
		return fmt.Sprintf("nextval('%s'::regclass)", seq)
	}
	if quoted(c.Default) {
		return c.Default + "::" + types.Type{OID: types.FromDB(c.Type).OID, Mod: -1}.String()
	}
	return c.Default
}

// quoted reports whether an expression is one plain string literal, of which PostgreSQL shows the type.
func quoted(text string) bool {
	if len(text) < 2 || text[0] != '\'' || text[len(text)-1] != '\'' {
		return false
	}
	return !strings.Contains(strings.ReplaceAll(text[1:len(text)-1], "''", ""), "'")
}

func inPath(env *Env, schema string) bool {
	for _, s := range env.SearchPath {
		if s == schema {
			return true
		}
	}
	return false
}

func (t *table) columnNames(positions []int, quote bool) []string {
	names := make([]string, len(positions))
	for i, p := range positions {
		if p < 0 {
			names[i] = "expr"
			continue
		}
		names[i] = t.Columns[p].Name
		if quote {
			names[i] = QuoteIdent(names[i])
		}
	}
	return names
}

// constraintText is the constraint as pg_get_constraintdef gives it.
func (x *index) constraintText() string {
	word := "UNIQUE"
	if x.primary {
		word = "PRIMARY KEY"
	}
	return word + " (" + strings.Join(x.table.columnNames(x.columns, true), ", ") + ")"
}

// QuoteIdent quotes a name where SQL needs it, as quote_ident does.
func QuoteIdent(name string) string {
	plain := name != "" && !reserved[name]
	for i := 0; plain && i < len(name); i++ {
		c := name[i]
		plain = c == '_' || c >= 'a' && c <= 'z' || i > 0 && c >= '0' && c <= '9'
	}
	if plain {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// reserved are the words that PostgreSQL 15 quotes as identifiers: every keyword but the unreserved ones.
var reserved = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(reservedWords) {
		m[w] = true
	}
	return m
}()

// typeName resolves a type oid to the name format_type gives, or "???" as PostgreSQL does for an unknown one.
func (o *objects) typeName(oid uint32, mod int32) string {
	for _, v := range o.views {
		switch oid {
		case v.rowType():
			return QuoteIdent(v.Name)
		case v.rowType() + 1:
			return QuoteIdent(v.Name) + "[]"
		}
	}
	for _, t := range o.tables {
		switch oid {
		case t.oid + rowTypeAt:
			return QuoteIdent(t.Name)
		case t.oid + rowArrayAt:
			return QuoteIdent(t.Name) + "[]"
		}
	}
	if name := (types.Type{OID: oid, Mod: mod}).String(); name != "" {
		return name
	}
	return "???"
}
