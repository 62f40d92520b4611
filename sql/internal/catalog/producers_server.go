package catalog

import (
	"strconv"

	"engram/db"
	"engram/sql/types"
)

// The relations about the server: databases, roles, settings, sessions.

func databaseRows(o *objects) ([]fields, error) {
	return []fields{{"oid": DatabaseOID, "datname": o.env.Database, "datdba": BootstrapRole, "encoding": 6, "datlocprovider": "c",
		"datallowconn": true, "datconnlimit": -1, "dattablespace": 1663, "datcollate": "C.UTF-8", "datctype": "C.UTF-8"}}, nil
}

func extensionRows(*objects) ([]fields, error) {
	return []fields{
		{"oid": 13559, "extname": "plpgsql", "extowner": BootstrapRole, "extnamespace": NamespaceCatalog, "extversion": "1.0"},
		{"oid": types.VectorOID + 30, "extname": "vector", "extowner": BootstrapRole, "extnamespace": NamespacePublic,
			"extrelocatable": true, "extversion": vectorVersion},
	}, nil
}

// vectorVersion is the pgvector release whose types, operators and error texts Engram follows.
const vectorVersion = "0.8.0"

func availableExtensionRows(*objects) ([]fields, error) {
	return []fields{{"name": "vector", "default_version": vectorVersion, "installed_version": vectorVersion,
		"comment": "vector data type and similarity search"}}, nil
}

func (o *objects) roles() ([]Role, error) {
	if o.env.Roles == nil {
		return []Role{{Name: o.env.User, Superuser: true, Login: true}}, nil
	}
	return o.env.Roles()
}

func authidRows(o *objects) ([]fields, error) {
	roles, err := o.roles()
	var rows []fields
	for _, r := range roles {
		rows = append(rows, roleField(r, "oid", "rolpassword"))
	}
	return rows, err
}

func roleField(r Role, oid, password string) fields {
	return fields{oid: RoleOID(r.Name), "rolname": r.Name, "rolsuper": r.Superuser, "rolinherit": true, "rolcreaterole": r.Superuser,
		"rolcreatedb": r.Superuser, "rolcanlogin": r.Login, "rolreplication": false, "rolbypassrls": r.Superuser, "rolconnlimit": -1,
		password: nil}
}

func roleRows(o *objects) ([]fields, error) {
	roles, err := o.roles()
	var rows []fields
	for _, r := range roles {
		f := roleField(r, "oid", "rolpassword")
		f["rolpassword"] = "********"
		rows = append(rows, f)
	}
	return rows, err
}

func userRows(o *objects) ([]fields, error) {
	roles, err := o.roles()
	var rows []fields
	for _, r := range roles {
		if r.Login {
			rows = append(rows, fields{"usename": r.Name, "usesysid": RoleOID(r.Name), "usecreatedb": r.Superuser,
				"usesuper": r.Superuser, "userepl": false, "usebypassrls": r.Superuser, "passwd": "********"})
		}
	}
	return rows, err
}

func settingRows(o *objects) ([]fields, error) {
	if o.env.Settings == nil {
		return nil, nil
	}
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	var rows []fields
	for _, s := range o.env.Settings() {
		f := fields{"name": s.Name, "setting": s.Value, "unit": text(s.Unit), "category": s.Category, "short_desc": s.Description,
			"context": s.Context, "vartype": s.VarType, "source": "default", "min_val": text(s.Min), "max_val": text(s.Max),
			"boot_val": s.Boot, "reset_val": s.Reset, "pending_restart": false}
		if s.Value != s.Reset {
			f["source"] = "session"
		}
		if len(s.Enum) > 0 {
			f["enumvals"] = s.Enum
		}
		rows = append(rows, f)
	}
	return rows, nil
}

func tableViewRows(o *objects) ([]fields, error) {
	owner := ownerName
	var rows []fields
	for _, r := range Relations() {
		if r.Kind == 'r' {
			rows = append(rows, fields{"schemaname": r.Schema, "tablename": r.Name, "tableowner": owner, "hasindexes": true,
				"hasrules": false, "hastriggers": false, "rowsecurity": false})
		}
	}
	for _, t := range o.tables {
		rows = append(rows, fields{"schemaname": t.Schema, "tablename": t.Name, "tableowner": owner,
			"hasindexes": len(t.indexes) > 0, "hasrules": false, "hastriggers": false, "rowsecurity": false})
	}
	return rows, nil
}

// ownerName is the role that owns every object: ownership is not divided among roles.
const ownerName = "engram"

func indexViewRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, t := range o.tables {
		for _, x := range t.indexes {
			rows = append(rows, fields{"schemaname": t.Schema, "tablename": t.Name, "indexname": x.name, "indexdef": x.definition(o.env, false)})
		}
	}
	return rows, nil
}

func activityRows(o *objects) ([]fields, error) {
	if o.env.Sessions == nil {
		return nil, nil
	}
	var rows []fields
	for _, s := range o.env.Sessions() {
		f := fields{"datid": DatabaseOID, "datname": s.Database, "pid": s.PID, "usesysid": RoleOID(s.User), "usename": s.User,
			"application_name": s.Application, "backend_start": s.Started, "state_change": s.StateSince, "state": s.State,
			"query": s.Query, "backend_type": "client backend"}
		if s.QueryStarted != 0 {
			f["query_start"] = s.QueryStarted
		}
		if s.ClientAddr != "" {
			f["client_addr"] = s.ClientAddr
		}
		rows = append(rows, f)
	}
	return rows, nil
}

func statTableRows(o *objects) ([]fields, error) {
	var rows []fields
	for _, t := range o.tables {
		rows = append(rows, fields{"relid": t.oid, "schemaname": t.Schema, "relname": t.Name})
	}
	return rows, nil
}

func sequenceViewRows(o *objects) ([]fields, error) {
	var rows []fields
	o.sequences(func(t *table, c db.Column, _ uint32, name string) {
		rows = append(rows, fields{"schemaname": t.Schema, "sequencename": name, "sequenceowner": ownerName,
			"data_type": types.FromDB(c.Type).OID, "start_value": 1, "min_value": 1, "max_value": sequenceMax(c),
			"increment_by": 1, "cycle": false, "cache_size": 1})
	})
	return rows, nil
}

func preparedRows(o *objects) ([]fields, error) {
	if o.env.Prepared == nil {
		return nil, nil
	}
	var rows []fields
	for _, p := range o.env.Prepared() {
		params := []any{}
		for _, t := range p.ParameterTypes {
			params = append(params, int64(t.OID))
		}
		rows = append(rows, fields{"name": p.Name, "statement": p.Statement, "prepare_time": p.Prepared,
			"parameter_types": params, "from_sql": p.FromSQL, "generic_plans": 0, "custom_plans": 0})
	}
	return rows, nil
}

func cursorRows(o *objects) ([]fields, error) {
	if o.env.Cursors == nil {
		return nil, nil
	}
	var rows []fields
	for _, c := range o.env.Cursors() {
		rows = append(rows, fields{"name": c.Name, "statement": c.Statement, "is_holdable": c.Holdable, "is_binary": c.Binary,
			"is_scrollable": c.Scroll, "creation_time": c.Created})
	}
	return rows, nil
}

// numberText is an int in the text form that some information_schema columns want.
func numberText(n int64) string { return strconv.FormatInt(n, 10) }
