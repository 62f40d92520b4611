package catalog

import (
	"engram/db"
	"engram/sql/types"
)

// producers make the rows that depend on the database or the session, by "schema.relation". A relation that is not
// here has only its embedded rows, or none.
var producers map[string]func(o *objects) ([]fields, error)

func init() {
	producers = map[string]func(o *objects) ([]fields, error){
		"pg_catalog.pg_namespace":            namespaceRows,
		"pg_catalog.pg_class":                classRows,
		"pg_catalog.pg_attribute":            attributeRows,
		"pg_catalog.pg_attrdef":              attrdefRows,
		"pg_catalog.pg_type":                 typeRows,
		"pg_catalog.pg_am":                   accessMethodRows,
		"pg_catalog.pg_index":                indexRows,
		"pg_catalog.pg_constraint":           constraintRows,
		"pg_catalog.pg_description":          descriptionRows,
		"pg_catalog.pg_sequence":             sequenceRows,
		"pg_catalog.pg_database":             databaseRows,
		"pg_catalog.pg_extension":            extensionRows,
		"pg_catalog.pg_available_extensions": availableExtensionRows,
		"pg_catalog.pg_authid":               authidRows,
		"pg_catalog.pg_roles":                roleRows,
		"pg_catalog.pg_user":                 userRows,
		"pg_catalog.pg_shadow":               userRows,
		"pg_catalog.pg_settings":             settingRows,
		"pg_catalog.pg_tables":               tableViewRows,
		"pg_catalog.pg_indexes":              indexViewRows,
		"pg_catalog.pg_views":                viewViewRows,
		"pg_catalog.pg_sequences":            sequenceViewRows,
		"pg_catalog.pg_stat_activity":        activityRows,
		"pg_catalog.pg_stat_user_tables":     statTableRows,
		"pg_catalog.pg_stat_all_tables":      statTableRows,
		"pg_catalog.pg_prepared_statements":  preparedRows,
		"pg_catalog.pg_cursors":              cursorRows,

		"information_schema.schemata":                schemataRows,
		"information_schema.tables":                  infoTableRows,
		"information_schema.columns":                 infoColumnRows,
		"information_schema.views":                   infoViewRows,
		"information_schema.table_constraints":       infoConstraintRows,
		"information_schema.key_column_usage":        infoKeyRows,
		"information_schema.constraint_column_usage": infoConstraintColumnRows,
		"information_schema.check_constraints":       infoCheckRows,
		"information_schema.sequences":               infoSequenceRows,
		"information_schema.character_sets":          characterSetRows,
		"information_schema.enabled_roles":           enabledRoleRows,
	}
}

func namespaceRows(o *objects) ([]fields, error) {
	rows := []fields{
		{"oid": NamespaceCatalog, "nspname": "pg_catalog", "nspowner": BootstrapRole},
		{"oid": 99, "nspname": "pg_toast", "nspowner": BootstrapRole},
		{"oid": namespaceInformation, "nspname": "information_schema", "nspowner": BootstrapRole},
	}
	for _, s := range o.userSchemas() {
		rows = append(rows, fields{"oid": SchemaOID(s), "nspname": s, "nspowner": BootstrapRole})
	}
	return rows, nil
}

// classField is what all rows of pg_class about user objects share.
func classField(oid uint32, name, schema string, kind string, natts int) fields {
	return fields{"oid": oid, "relname": name, "relnamespace": SchemaOID(schema), "relowner": BootstrapRole,
		"relfilenode": oid, "reltuples": float32(-1), "relpersistence": "p", "relkind": kind, "relnatts": natts,
		"relispopulated": true, "relreplident": "n"}
}

func classRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, t := range o.tables {
		f := classField(t.oid, t.Name, t.Schema, "r", len(t.Columns))
		f["reltype"], f["relam"], f["relhasindex"] = t.oid+rowTypeAt, 2, len(t.indexes) > 0
		f["relchecks"], f["relreplident"] = len(t.Checks), "d"
		rows = append(rows, f)
		for _, x := range t.indexes {
			f := classField(x.oid, x.name, t.Schema, "i", len(x.columns))
			f["relam"], f["reloptions"] = x.methodOID(), x.options()
			rows = append(rows, f)
		}
		for _, c := range t.Columns {
			if oid, name, ok := t.sequenceOf(c); ok {
				rows = append(rows, classField(oid, name, t.Schema, "S", 3))
			}
		}
	}
	for _, v := range o.views {
		f := classField(v.OID, v.Name, v.Schema, "v", len(v.Columns))
		f["reltype"], f["relfilenode"], f["relhasrules"], f["reltuples"] = v.rowType(), 0, true, float32(-1)
		rows = append(rows, f)
	}
	return rows, o.err
}

func attributeRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, t := range o.tables {
		for i, c := range t.Columns {
			rows = append(rows, o.attribute(t, t.oid, i+1, c))
		}
		for _, x := range t.indexes {
			for i, p := range x.columns {
				c := db.Column{Name: "expr", Type: db.Type{Kind: db.Text}}
				if p >= 0 {
					c = t.Columns[p]
				}
				f := o.attribute(t, x.oid, i+1, c)
				f["attnotnull"], f["atthasdef"], f["attidentity"] = false, false, ""
				rows = append(rows, f)
			}
		}
	}
	for _, v := range o.views {
		for i, c := range v.Columns {
			meta := typeFacts(c.Type.OID)
			rows = append(rows, fields{"attrelid": v.OID, "attname": c.Name, "atttypid": c.Type.OID, "attstattarget": -1,
				"attlen": meta.length, "attnum": i + 1, "attcacheoff": -1, "atttypmod": c.Type.Mod, "attbyval": meta.byValue,
				"attalign": meta.align, "attstorage": meta.storage, "attislocal": true, "attcollation": meta.collation})
		}
	}
	return rows, o.err
}

func (o *objects) attribute(t *table, relation uint32, number int, c db.Column) fields {
	ty := types.FromDB(c.Type)
	meta := typeFacts(ty.OID)
	identity := map[db.Identity]string{db.IdentityAlways: "a", db.IdentityByDefault: "d"}[c.Identity]
	dims := 0
	if c.Type.Kind == db.Array {
		dims = 1
	}
	return fields{"attrelid": relation, "attname": c.Name, "atttypid": ty.OID, "attstattarget": -1, "attlen": meta.length,
		"attnum": number, "attndims": dims, "attcacheoff": -1, "atttypmod": ty.Mod, "attbyval": meta.byValue,
		"attalign": meta.align, "attstorage": meta.storage, "attnotnull": c.NotNull,
		"atthasdef": t.defaultText(c, o.env) != "", "attidentity": identity, "attislocal": true, "attcollation": meta.collation}
}

// facts are the columns of pg_type that pg_attribute repeats.
type facts struct {
	name           string
	length         int64
	byValue        bool
	align, storage string
	collation      int64
}

func typeFacts(oid uint32) facts {
	r, _ := Lookup("pg_catalog", "pg_type")
	at := map[string]int{}
	for i, c := range r.Columns {
		at[c.Name] = i
	}
	for _, row := range static().rows["pg_type"] {
		if row[0] == int64(oid) {
			return facts{name: row[at["typname"]].(string), length: row[at["typlen"]].(int64), byValue: row[at["typbyval"]].(bool),
				align: row[at["typalign"]].(string), storage: row[at["typstorage"]].(string), collation: row[at["typcollation"]].(int64)}
		}
	}
	name := ""
	for _, v := range vectorTypes {
		switch oid {
		case v.oid:
			name = v.name
		case v.array:
			name = "_" + v.name
		}
	}
	return facts{name: name, length: -1, align: "i", storage: "e"}
}

func attrdefRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, t := range o.tables {
		for i, c := range t.Columns {
			if text := t.defaultText(c, o.env); text != "" {
				rows = append(rows, fields{"oid": t.oid + defaultAt + c.ID, "adrelid": t.oid, "adnum": i + 1, "adbin": text})
			}
		}
	}
	return rows, nil
}

// vectorTypes are the types that pgvector adds to PostgreSQL.
var vectorTypes = []struct {
	name       string
	oid, array uint32
}{
	{"vector", types.VectorOID, types.VectorArrayOID},
	{"halfvec", types.HalfvecOID, types.HalfvecArrayOID},
}

func typeField(oid uint32, name string, namespace uint32) fields {
	return fields{"oid": oid, "typname": name, "typnamespace": namespace, "typowner": BootstrapRole, "typlen": -1,
		"typtype": "b", "typcategory": "U", "typisdefined": true, "typdelim": ",", "typalign": "i", "typstorage": "e",
		"typtypmod": -1}
}

func typeRows(o *objects) ([]fields, error) {
	var rows []fields
	array := func(f fields, elem uint32) fields {
		f["typelem"], f["typcategory"], f["typinput"], f["typoutput"], f["typreceive"], f["typsend"] = elem, "A", 750, 751, 2400, 2401
		f["typsubscript"] = 6179
		return f
	}
	for _, v := range vectorTypes {
		f := typeField(v.oid, v.name, NamespacePublic)
		f["typarray"] = v.array
		rows = append(rows, f, array(typeField(v.array, "_"+v.name, NamespacePublic), v.oid))
	}
	row := func(relation, oid, arrayOID uint32, schema, name string) {
		f := typeField(oid, name, SchemaOID(schema))
		f["typtype"], f["typcategory"], f["typrelid"], f["typarray"] = "c", "C", relation, arrayOID
		f["typinput"], f["typoutput"], f["typreceive"], f["typsend"] = 2290, 2291, 2402, 2403
		rows = append(rows, f, array(typeField(arrayOID, "_"+name, SchemaOID(schema)), oid))
	}
	for _, t := range o.tables {
		row(t.oid, t.oid+rowTypeAt, t.oid+rowArrayAt, t.Schema, t.Name)
	}
	for _, v := range o.views {
		row(v.OID, v.rowType(), v.rowType()+1, v.Schema, v.Name)
	}
	return rows, o.err
}

func accessMethodRows(*objects) ([]fields, error) {
	var rows []fields
	for _, m := range vectorMethods {
		rows = append(rows, fields{"oid": m.oid, "amname": m.name, "amtype": "i"})
	}
	return rows, nil
}

func attnums(positions []int) []any {
	n := make([]any, len(positions))
	for i, p := range positions {
		n[i] = int64(p + 1)
	}
	return n
}

func indexRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, t := range o.tables {
		for _, x := range t.indexes {
			zeros := make([]any, len(x.columns))
			collation := make([]any, len(zeros))
			for i, p := range x.columns {
				zeros[i], collation[i] = int64(0), int64(0)
				if p >= 0 {
					collation[i] = typeFacts(types.FromDB(t.Columns[p].Type).OID).collation
				}
			}
			rows = append(rows, fields{"indexrelid": x.oid, "indrelid": t.oid, "indnatts": len(zeros), "indnkeyatts": len(zeros),
				"indisunique": x.unique, "indisprimary": x.primary, "indimmediate": true, "indisvalid": true, "indisready": true,
				"indislive": true, "indkey": attnums(x.columns), "indcollation": collation, "indclass": zeros, "indoption": x.indexOptions(),
				"indexprs": x.expressions(), "indpred": x.condition()})
		}
	}
	return rows, nil
}

func constraintRows(o *objects) ([]fields, error) {
	var rows []fields
	base := func(oid uint32, name string, t *table, kind string) fields {
		return fields{"oid": oid, "conname": name, "connamespace": SchemaOID(t.Schema), "contype": kind, "convalidated": true,
			"conrelid": t.oid, "confupdtype": " ", "confdeltype": " ", "confmatchtype": " ", "conislocal": true, "connoinherit": kind != "c"}
	}
	for _, t := range o.tables {
		for _, x := range t.indexes {
			if x.constraint == 0 {
				continue
			}
			kind := "u"
			if x.primary {
				kind = "p"
			}
			f := base(x.constraint, x.name, t, kind)
			f["conindid"], f["conkey"] = x.oid, attnums(x.columns)
			rows = append(rows, f)
		}
		for i, c := range t.Checks {
			f := base(t.oid+checkAt+uint32(i), c.Name, t, "c")
			f["conbin"] = c.Expr
			rows = append(rows, f)
		}
	}
	return rows, nil
}

func descriptionRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, t := range o.tables {
		if t.Comment != "" {
			rows = append(rows, fields{"objoid": t.oid, "classoid": 1259, "description": t.Comment})
		}
		for i, c := range t.Columns {
			if c.Comment != "" {
				rows = append(rows, fields{"objoid": t.oid, "classoid": 1259, "objsubid": i + 1, "description": c.Comment})
			}
		}
	}
	return rows, nil
}

// sequences calls f for the sequence behind each identity or serial column.
func (o *objects) sequences(f func(t *table, c db.Column, oid uint32, name string)) {
	for _, t := range o.tables {
		for _, c := range t.Columns {
			if oid, name, ok := t.sequenceOf(c); ok {
				f(t, c, oid, name)
			}
		}
	}
}

// sequenceMax is the largest value that a sequence of this column's type gives.
func sequenceMax(c db.Column) int64 {
	switch c.Type.Kind {
	case db.Int2:
		return 1<<15 - 1
	case db.Int4:
		return 1<<31 - 1
	}
	return 1<<63 - 1
}

func sequenceRows(o *objects) ([]fields, error) {
	var rows []fields
	o.sequences(func(t *table, c db.Column, oid uint32, _ string) {
		rows = append(rows, fields{"seqrelid": oid, "seqtypid": types.FromDB(c.Type).OID, "seqstart": 1, "seqincrement": 1,
			"seqmax": sequenceMax(c), "seqmin": 1, "seqcache": 1})
	})
	return rows, nil
}
