package catalog

import (
	"strconv"
	"strings"

	"engram/sql/types"
)

// nameFunctions say which objects an unqualified name reaches, and quote names.
func nameFunctions() []Function {
	tableVisible := func(env *Env, args []any) (any, error) {
		o := env.objects()
		oid := asOID(args[0])
		if t, ok := o.byOID[oid]; ok {
			return o.visible(t), nil
		}
		if x, ok := o.indexes[oid]; ok {
			return inPath(env, x.table.Schema), nil
		}
		if v := o.view(oid); v != nil {
			return inPath(env, v.Schema), nil
		}
		for _, t := range o.tables {
			if oid > t.oid && oid < t.oid+tableStride {
				return inPath(env, t.Schema), nil
			}
		}
		for _, r := range Relations() {
			if r.OID == oid {
				return r.Schema == "pg_catalog" || inPath(env, r.Schema), nil
			}
		}
		return oid < 13000, nil
	}
	all := []Function{
		fn("pg_table_is_visible", boolType, tableVisible, oidType),
		fn("quote_ident", textType, func(_ *Env, a []any) (any, error) { return QuoteIdent(asText(a[0])), nil }, textType),
		fn("quote_literal", textType, func(_ *Env, a []any) (any, error) { return quoteLiteral(asText(a[0])), nil }, textType),
		{Name: "quote_nullable", Args: args(textType), Returns: textType, Call: func(_ *Env, a []any) (any, error) {
			if a[0] == nil {
				return "NULL", nil
			}
			return quoteLiteral(asText(a[0])), nil
		}},
		fn("current_schemas", namesType, func(env *Env, a []any) (any, error) {
			list := []any{}
			if a[0] == true {
				list = append(list, "pg_catalog")
			}
			for _, s := range env.SearchPath {
				list = append(list, s)
			}
			return list, nil
		}, boolType),
		fn("current_schema", nameType, func(env *Env, _ []any) (any, error) {
			if len(env.SearchPath) == 0 {
				return nil, nil
			}
			return env.SearchPath[0], nil
		}),
	}
	for _, kind := range []string{"type", "function", "operator", "opclass", "opfamily", "collation", "conversion", "ts_config", "ts_dict", "ts_parser", "ts_template", "statistics_obj"} {
		all = append(all, constant("pg_"+kind+"_is_visible", boolType, true, oidType))
	}
	return all
}

func quoteLiteral(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		q = "E" + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}

// regFunctions turn names into oids and back, as casts to and from regclass and its kin do.
func regFunctions() []Function {
	in := func(resolve func(env *Env, name string) (uint32, error)) func(*Env, []any) (any, error) {
		return func(env *Env, args []any) (any, error) {
			name := strings.TrimSpace(asText(args[0]))
			if n, err := strconv.ParseUint(name, 10, 32); err == nil {
				return int64(n), nil
			}
			if name == "-" {
				return int64(0), nil
			}
			oid, err := resolve(env, name)
			return int64(oid), err
		}
	}
	out := func(show func(env *Env, oid uint32) string) func(*Env, []any) (any, error) {
		return func(env *Env, args []any) (any, error) {
			oid := asOID(args[0])
			if oid == 0 {
				return "-", nil
			}
			if name := show(env, oid); name != "" {
				return name, nil
			}
			return strconv.FormatUint(uint64(oid), 10), nil
		}
	}
	quiet := func(f func(*Env, []any) (any, error)) func(*Env, []any) (any, error) {
		return func(env *Env, args []any) (any, error) {
			v, err := f(env, args)
			if err != nil {
				return nil, nil
			}
			return v, nil
		}
	}
	class, typ, proc := (*Env).resolveRelation, (*Env).resolveType, (*Env).resolveProcedure
	namespace, role := (*Env).resolveNamespace, (*Env).resolveRole
	return []Function{
		fn("regclassin", oidType, in(class), textType), fn("regclassout", textType, out((*Env).relationName), oidType),
		fn("regtypein", oidType, in(typ), textType), fn("regtypeout", textType, out((*Env).typeNameOf), oidType),
		fn("regprocin", oidType, in(proc), textType), fn("regprocout", textType, out((*Env).procedureName), oidType),
		fn("regprocedurein", oidType, in(proc), textType), fn("regprocedureout", textType, out((*Env).procedureName), oidType),
		fn("regnamespacein", oidType, in(namespace), textType), fn("regnamespaceout", textType, out((*Env).namespaceName), oidType),
		fn("regrolein", oidType, in(role), textType), fn("regroleout", textType, out((*Env).roleName), oidType),
		fn("to_regclass", oidType, quiet(in(class)), textType), fn("to_regtype", oidType, quiet(in(typ)), textType),
		fn("to_regproc", oidType, quiet(in(proc)), textType), fn("to_regprocedure", oidType, quiet(in(proc)), textType), fn("to_regnamespace", oidType, quiet(in(namespace)), textType),
		fn("to_regrole", oidType, quiet(in(role)), textType),
	}
}

// splitName splits a possibly qualified and quoted name, folding what is not quoted to lower case.
func splitName(text string) (schema, name string, err error) {
	var parts []string
	for rest := text; ; {
		var part string
		if strings.HasPrefix(rest, `"`) {
			end := 1
			for ; end < len(rest); end++ {
				if rest[end] != '"' {
					continue
				}
				if end+1 < len(rest) && rest[end+1] == '"' {
					end++
					continue
				}
				break
			}
			if end >= len(rest) {
				return "", "", types.Errorf(types.CodeInvalidName, "invalid name syntax")
			}
			part, rest = strings.ReplaceAll(rest[1:end], `""`, `"`), rest[end+1:]
		} else {
			end := strings.IndexByte(rest, '.')
			if end < 0 {
				end = len(rest)
			}
			part, rest = strings.ToLower(strings.TrimSpace(rest[:end])), rest[end:]
		}
		parts = append(parts, part)
		if rest == "" {
			break
		}
		if rest[0] != '.' || part == "" {
			return "", "", types.Errorf(types.CodeInvalidName, "invalid name syntax")
		}
		rest = rest[1:]
	}
	switch len(parts) {
	case 1:
		return "", parts[0], nil
	case 2:
		return parts[0], parts[1], nil
	case 3:
		return parts[1], parts[2], nil
	}
	return "", "", types.Errorf(types.CodeInvalidName, "improper relation name (too many dotted names): %s", text)
}

func (env *Env) resolveRelation(text string) (uint32, error) {
	schema, name, err := splitName(text)
	if err != nil {
		return 0, err
	}
	path := []string{schema}
	if schema == "" {
		path = append([]string{"pg_catalog"}, env.SearchPath...)
	}
	for _, s := range path {
		if r, ok := Lookup(s, name); ok {
			return r.OID, nil
		}
		if oid, ok := env.userRelation(s, name); ok {
			return oid, nil
		}
	}
	return 0, types.Errorf(types.CodeUndefinedTable, "relation %q does not exist", text)
}

func (env *Env) userRelation(schema, name string) (uint32, bool) {
	for _, t := range env.objects().tables {
		if t.Schema != schema {
			continue
		}
		if t.Name == name {
			return t.oid, true
		}
		for _, x := range t.indexes {
			if x.name == name {
				return x.oid, true
			}
		}
		for _, c := range t.Columns {
			if oid, seq, ok := t.sequenceOf(c); ok && seq == name {
				return oid, true
			}
		}
	}
	for _, v := range env.objects().views {
		if v.Schema == schema && v.Name == name {
			return v.OID, true
		}
	}
	return 0, false
}

func (env *Env) relationName(oid uint32) string {
	qualify := func(schema, name string) string {
		if schema == "pg_catalog" || inPath(env, schema) {
			return QuoteIdent(name)
		}
		return QuoteIdent(schema) + "." + QuoteIdent(name)
	}
	o := env.objects()
	if t, ok := o.byOID[oid]; ok {
		return qualify(t.Schema, t.Name)
	}
	if v := o.view(oid); v != nil {
		return qualify(v.Schema, v.Name)
	}
	if x, ok := o.indexes[oid]; ok {
		return qualify(x.table.Schema, x.name)
	}
	for _, r := range Relations() {
		if r.OID == oid {
			return qualify(r.Schema, r.Name)
		}
	}
	for _, t := range o.tables {
		for _, c := range t.Columns {
			if seq, name, ok := t.sequenceOf(c); ok && seq == oid {
				return qualify(t.Schema, name)
			}
		}
	}
	return ""
}

func (env *Env) resolveType(text string) (uint32, error) {
	base := strings.TrimSpace(text)
	if t, err := types.ByName(strings.ToLower(strings.TrimPrefix(base, "pg_catalog."))); err == nil {
		return t.OID, nil
	}
	_, name, err := splitName(base)
	if err != nil {
		return 0, err
	}
	for _, row := range static().rows["pg_type"] {
		if row[1] == name {
			return asOID(row[0]), nil
		}
	}
	for _, t := range env.objects().tables {
		if t.Name == name {
			return t.oid + rowTypeAt, nil
		}
	}
	return 0, types.Errorf(types.CodeUndefinedObject, "type %q does not exist", text)
}

func (env *Env) typeNameOf(oid uint32) string {
	if name := env.objects().typeName(oid, -1); name != "???" {
		return name
	}
	return ""
}

func (env *Env) resolveProcedure(text string) (uint32, error) {
	if i := strings.IndexByte(text, '('); i > 0 {
		text = text[:i]
	}
	_, name, err := splitName(text)
	if err != nil {
		return 0, err
	}
	for _, row := range static().rows["pg_proc"] {
		if row[1] == name {
			return asOID(row[0]), nil
		}
	}
	return 0, types.Errorf(types.CodeUndefinedFunction, "function %q does not exist", text)
}

func (env *Env) procedureName(oid uint32) string {
	if p, ok := procedure(oid); ok {
		return asText(p["proname"])
	}
	return ""
}

func (env *Env) resolveNamespace(name string) (uint32, error) {
	for _, s := range append([]string{"pg_catalog", "information_schema", "pg_toast"}, env.objects().schemas...) {
		if s == name {
			return SchemaOID(s), nil
		}
	}
	return 0, types.Errorf(types.CodeInvalidSchemaName, "schema %q does not exist", name)
}

func (env *Env) namespaceName(oid uint32) string {
	for _, s := range append([]string{"pg_catalog", "information_schema", "pg_toast"}, env.objects().schemas...) {
		if SchemaOID(s) == oid {
			return QuoteIdent(s)
		}
	}
	return ""
}

func (env *Env) resolveRole(name string) (uint32, error) {
	roles, err := env.objects().roles()
	if err != nil {
		return 0, err
	}
	for _, r := range roles {
		if r.Name == name {
			return RoleOID(name), nil
		}
	}
	return 0, types.Errorf(types.CodeUndefinedObject, "role %q does not exist", name)
}

func (env *Env) roleName(oid uint32) string {
	v, err := userByID(env, []any{int64(oid)})
	if name := asText(v); err == nil && !strings.HasPrefix(name, "unknown (") {
		return QuoteIdent(name)
	}
	return ""
}
