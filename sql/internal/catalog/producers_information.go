package catalog

import (
	"engram/db"
	"engram/sql/types"
)

// information_schema shows the SQL standard's view of the same objects.

func schemataRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, s := range append([]string{"pg_catalog", "information_schema", "pg_toast"}, o.userSchemas()...) {
		rows = append(rows, fields{"catalog_name": o.env.Database, "schema_name": s, "schema_owner": ownerName})
	}
	return rows, nil
}

func infoTableRows(o *objects) ([]fields, error) {
	row := func(schema, name, kind, insertable string) fields {
		return fields{"table_catalog": o.env.Database, "table_schema": schema, "table_name": name, "table_type": kind,
			"is_insertable_into": insertable, "is_typed": "NO"}
	}
	var rows []fields
	for _, r := range Relations() {
		kind := "BASE TABLE"
		if r.Kind == 'v' {
			kind = "VIEW"
		}
		rows = append(rows, row(r.Schema, r.Name, kind, "NO"))
	}
	for _, t := range o.tables {
		rows = append(rows, row(t.Schema, t.Name, "BASE TABLE", "YES"))
	}
	for _, v := range o.views {
		rows = append(rows, row(v.Schema, v.Name, "VIEW", "NO"))
	}
	return rows, o.err
}

func infoColumnRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, t := range o.tables {
		for i, c := range t.Columns {
			f := o.infoColumn(t.Schema, t.Name, c.Name, i+1, types.FromDB(c.Type), c.NotNull)
			if text := t.defaultText(c, o.env); text != "" {
				f["column_default"] = text
			}
			if c.Identity == db.IdentityAlways || c.Identity == db.IdentityByDefault {
				f["is_identity"], f["identity_start"], f["identity_increment"] = "YES", "1", "1"
				f["identity_minimum"], f["identity_maximum"] = "1", numberText(sequenceMax(c))
				f["identity_generation"] = map[db.Identity]string{db.IdentityAlways: "ALWAYS", db.IdentityByDefault: "BY DEFAULT"}[c.Identity]
			}
			rows = append(rows, f)
		}
	}
	for _, v := range o.views {
		for i, c := range v.Columns {
			f := o.infoColumn(v.Schema, v.Name, c.Name, i+1, c.Type, false)
			f["is_updatable"] = "NO"
			rows = append(rows, f)
		}
	}
	for _, r := range Relations() {
		for i, c := range r.Columns {
			rows = append(rows, o.infoColumn(r.Schema, r.Name, c.Name, i+1, c.Type, c.NotNull))
		}
	}
	return rows, nil
}

func (o *objects) infoColumn(schema, tableName, name string, number int, ty types.Type, notNull bool) fields {
	nullable, dataType, udtSchema := "YES", types.Type{OID: ty.OID, Mod: -1}.String(), "pg_catalog"
	if notNull {
		nullable = "NO"
	}
	meta := typeFacts(ty.OID)
	switch {
	case len(meta.name) > 0 && meta.name[0] == '_':
		dataType = "ARRAY"
	case ty.OID == types.VectorOID || ty.OID == types.HalfvecOID:
		dataType = "USER-DEFINED"
	}
	if ty.OID >= types.VectorOID {
		udtSchema = "public"
	}
	f := fields{"table_catalog": o.env.Database, "table_schema": schema, "table_name": tableName, "column_name": name,
		"ordinal_position": number, "is_nullable": nullable, "data_type": dataType, "udt_catalog": o.env.Database,
		"udt_schema": udtSchema, "udt_name": meta.name, "dtd_identifier": numberText(int64(number)), "is_self_referencing": "NO",
		"is_identity": "NO", "identity_cycle": "NO", "is_generated": "NEVER", "is_updatable": "YES"}
	setPrecision(f, ty)
	return f
}

// setPrecision fills the columns that describe how much a value of the type can hold.
func setPrecision(f fields, ty types.Type) {
	number := func(precision, radix, scale int) {
		f["numeric_precision"], f["numeric_precision_radix"], f["numeric_scale"] = precision, radix, scale
	}
	switch ty.OID {
	case types.Int2OID:
		number(16, 2, 0)
	case types.Int4OID:
		number(32, 2, 0)
	case types.Int8OID:
		number(64, 2, 0)
	case types.Float4OID, types.Float8OID:
		f["numeric_precision_radix"], f["numeric_precision"] = 2, 24
		if ty.OID == types.Float8OID {
			f["numeric_precision"] = 53
		}
	case types.NumericOID:
		f["numeric_precision_radix"] = 10
		if ty.Mod >= 4 {
			number(int((ty.Mod-4)>>16), 10, int((ty.Mod-4)&0xffff))
		}
	case types.VarcharOID, types.BpcharOID:
		f["character_octet_length"] = 1 << 30
		if ty.Mod >= 4 {
			f["character_maximum_length"], f["character_octet_length"] = int(ty.Mod-4), int(ty.Mod-4)*4
		}
	case types.TextOID:
		f["character_octet_length"] = 1 << 30
	case types.DateOID:
		f["datetime_precision"] = 0
	case types.TimeOID, types.TimestampOID, types.TimestamptzOID, types.IntervalOID:
		f["datetime_precision"] = 6
	}
}

func (o *objects) constraintField(t *table, name string) fields {
	return fields{"constraint_catalog": o.env.Database, "constraint_schema": t.Schema, "constraint_name": name,
		"table_catalog": o.env.Database, "table_schema": t.Schema, "table_name": t.Name}
}

func infoConstraintRows(o *objects) ([]fields, error) {
	var rows []fields
	add := func(t *table, name, kind string) {
		f := o.constraintField(t, name)
		f["constraint_type"], f["is_deferrable"], f["initially_deferred"], f["enforced"] = kind, "NO", "NO", "YES"
		if kind == "UNIQUE" {
			f["nulls_distinct"] = "YES"
		}
		rows = append(rows, f)
	}
	for _, t := range o.tables {
		for _, x := range t.indexes {
			switch {
			case x.primary:
				add(t, x.name, "PRIMARY KEY")
			case x.constraint != 0:
				add(t, x.name, "UNIQUE")
			}
		}
		for _, c := range t.Checks {
			add(t, c.Name, "CHECK")
		}
	}
	return rows, nil
}

func (o *objects) keyColumns(f func(t *table, x *index, position int, column string)) {
	for _, t := range o.tables {
		for _, x := range t.indexes {
			if x.constraint == 0 {
				continue
			}
			for i, name := range t.columnNames(x.columns, false) {
				f(t, x, i+1, name)
			}
		}
	}
}

func infoKeyRows(o *objects) ([]fields, error) {
	var rows []fields
	o.keyColumns(func(t *table, x *index, position int, column string) {
		f := o.constraintField(t, x.name)
		f["column_name"], f["ordinal_position"] = column, position
		rows = append(rows, f)
	})
	return rows, nil
}

func infoConstraintColumnRows(o *objects) ([]fields, error) {
	var rows []fields
	o.keyColumns(func(t *table, x *index, _ int, column string) {
		f := o.constraintField(t, x.name)
		f["column_name"] = column
		rows = append(rows, f)
	})
	return rows, nil
}

func infoCheckRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, t := range o.tables {
		for _, c := range t.Checks {
			rows = append(rows, fields{"constraint_catalog": o.env.Database, "constraint_schema": t.Schema,
				"constraint_name": c.Name, "check_clause": c.Expr})
		}
	}
	return rows, nil
}

func infoSequenceRows(o *objects) ([]fields, error) {
	var rows []fields
	o.sequences(func(t *table, c db.Column, _ uint32, name string) {
		if c.Identity != db.IdentitySerial {
			return
		}
		rows = append(rows, fields{"sequence_catalog": o.env.Database, "sequence_schema": t.Schema, "sequence_name": name,
			"data_type": types.FromDB(c.Type).String(), "numeric_precision": 64, "numeric_precision_radix": 2, "numeric_scale": 0,
			"start_value": "1", "minimum_value": "1", "maximum_value": numberText(sequenceMax(c)), "increment": "1", "cycle_option": "NO"})
	})
	return rows, nil
}

func characterSetRows(o *objects) ([]fields, error) {
	return []fields{{"character_set_name": "UTF8", "character_repertoire": "UCS", "form_of_use": "UTF8",
		"default_collate_catalog": o.env.Database, "default_collate_schema": "pg_catalog", "default_collate_name": "C.UTF-8"}}, nil
}

func enabledRoleRows(o *objects) ([]fields, error) {
	roles, err := o.roles()
	var rows []fields
	for _, r := range roles {
		rows = append(rows, fields{"role_name": r.Name})
	}
	return rows, err
}
