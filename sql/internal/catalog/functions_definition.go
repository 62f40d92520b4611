package catalog

import (
	"fmt"
	"strings"
)

// definitionFunctions show an object as the text that would make it.
func definitionFunctions() []Function {
	indexdef := func(env *Env, args []any) (any, error) { return env.indexDefinition(args), nil }
	constraintdef := func(env *Env, args []any) (any, error) {
		return env.constraintDefinition(asOID(args[0]), len(args) == 2 && args[1] == true), nil
	}
	expr := func(_ *Env, args []any) (any, error) { return args[0], nil }
	formatType := func(env *Env, args []any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		mod := int32(-1)
		if n, ok := args[1].(int64); ok {
			mod = int32(n)
		}
		if args[0] == int64(0) {
			return "-", nil
		}
		return env.objects().typeName(asOID(args[0]), mod), nil
	}
	return []Function{
		{Name: "format_type", Args: args(oidType, int4Type), Returns: textType, Call: formatType},
		fn("pg_get_expr", textType, expr, textType, oidType),
		fn("pg_get_expr", textType, expr, textType, oidType, boolType),
		fn("pg_get_indexdef", textType, indexdef, oidType),
		fn("pg_get_indexdef", textType, indexdef, oidType, int4Type, boolType),
		fn("pg_get_constraintdef", textType, constraintdef, oidType),
		fn("pg_get_constraintdef", textType, constraintdef, oidType, boolType),
		fn("pg_get_serial_sequence", textType, serialSequence, textType, textType),
		fn("pg_get_userbyid", nameType, userByID, oidType),
		fn("pg_get_function_result", textType, functionResult, oidType),
		fn("pg_get_function_arguments", textType, functionArguments, oidType),
		fn("pg_get_function_identity_arguments", textType, functionArguments, oidType),
		fn("obj_description", textType, describe, oidType),
		fn("obj_description", textType, describe, oidType, nameType),
		fn("col_description", textType, describeColumn, oidType, int4Type),
		constant("shobj_description", textType, nil, oidType, nameType),
		fn("pg_get_viewdef", textType, viewDefinition, oidType),
		fn("pg_get_viewdef", textType, viewDefinition, oidType, boolType),
		fn("pg_get_viewdef", textType, viewDefinition, oidType, int4Type),
		fn("pg_get_viewdef", textType, viewDefinition, textType),
		fn("pg_get_viewdef", textType, viewDefinition, textType, boolType),
		constant("pg_get_ruledef", textType, nil, oidType),
		constant("pg_get_ruledef", textType, nil, oidType, boolType),
		constant("pg_get_triggerdef", textType, nil, oidType),
		constant("pg_get_triggerdef", textType, nil, oidType, boolType),
		constant("pg_get_functiondef", textType, nil, oidType),
		constant("pg_get_partkeydef", textType, nil, oidType),
		constant("pg_get_statisticsobjdef", textType, nil, oidType),
		constant("pg_get_statisticsobjdef_columns", textType, nil, oidType),
		constant("pg_get_partition_constraintdef", textType, nil, oidType),
		constant("pg_tablespace_location", textType, "", oidType),
		fn("pg_encoding_to_char", nameType, encodingName, int4Type),
		fn("pg_char_to_encoding", int4Type, encodingNumber, nameType),
	}
}

func (env *Env) indexDefinition(args []any) any {
	x, ok := env.objects().indexes[asOID(args[0])]
	if !ok {
		return nil
	}
	if len(args) == 3 && args[1] != int64(0) {
		if n, _ := args[1].(int64); n >= 1 && int(n) <= len(x.columns) {
			return x.keyText(int(n-1), false)
		}
		return ""
	}
	return x.definition(env, len(args) == 3 && args[2] == true)
}

// constraintDefinition is pg_get_constraintdef; pretty leaves out the parentheses that need not be there.
func (env *Env) constraintDefinition(oid uint32, pretty bool) any {
	for _, t := range env.objects().tables {
		for _, x := range t.indexes {
			if x.constraint == oid && oid != 0 {
				return x.constraintText()
			}
		}
		for i, c := range t.Checks {
			if t.oid+checkAt+uint32(i) == oid {
				if pretty {
					return "CHECK (" + c.Expr + ")"
				}
				return "CHECK ((" + c.Expr + "))"
			}
		}
	}
	return nil
}

func serialSequence(env *Env, args []any) (any, error) {
	oid, err := env.resolveRelation(asText(args[0]))
	if err != nil {
		return nil, err
	}
	if t, ok := env.objects().byOID[oid]; ok {
		for _, c := range t.Columns {
			if _, name, ok := t.sequenceOf(c); ok && c.Name == asText(args[1]) {
				return QuoteIdent(t.Schema) + "." + QuoteIdent(name), nil
			}
		}
	}
	return nil, nil
}

func userByID(env *Env, args []any) (any, error) {
	roles, err := env.objects().roles()
	if err != nil {
		return nil, err
	}
	oid := asOID(args[0])
	for _, r := range roles {
		if RoleOID(r.Name) == oid {
			return r.Name, nil
		}
	}
	if oid == BootstrapRole {
		return ownerName, nil
	}
	return fmt.Sprintf("unknown (OID=%d)", oid), nil
}

func describe(env *Env, args []any) (any, error) {
	if t, ok := env.objects().byOID[asOID(args[0])]; ok && t.Comment != "" && (len(args) == 1 || args[1] == "pg_class") {
		return t.Comment, nil
	}
	return nil, nil
}

func describeColumn(env *Env, args []any) (any, error) {
	t, ok := env.objects().byOID[asOID(args[0])]
	n, _ := args[1].(int64)
	if !ok || n < 1 || int(n) > len(t.Columns) || t.Columns[n-1].Comment == "" {
		return nil, nil
	}
	return t.Columns[n-1].Comment, nil
}

// procedure finds a row of pg_proc by oid.
func procedure(oid uint32) (map[string]any, bool) {
	r, _ := Lookup("pg_catalog", "pg_proc")
	for _, row := range static().rows["pg_proc"] {
		if row[0] == int64(oid) {
			m := map[string]any{}
			for i, c := range r.Columns {
				m[c.Name] = row[i]
			}
			return m, true
		}
	}
	return nil, false
}

func functionResult(env *Env, args []any) (any, error) {
	p, ok := procedure(asOID(args[0]))
	if !ok || p["prokind"] == "p" {
		return nil, nil
	}
	name := env.objects().typeName(asOID(p["prorettype"]), -1)
	if p["proretset"] == true {
		name = "SETOF " + name
	}
	return name, nil
}

func functionArguments(env *Env, args []any) (any, error) {
	p, ok := procedure(asOID(args[0]))
	if !ok {
		return nil, nil
	}
	list, _ := p["proargtypes"].([]any)
	names, _ := p["proargnames"].([]any)
	var out []string
	for i, t := range list {
		text := env.objects().typeName(asOID(t), -1)
		if i < len(names) && names[i] != "" {
			text = QuoteIdent(asText(names[i])) + " " + text
		}
		out = append(out, text)
	}
	return strings.Join(out, ", "), nil
}

func encodingName(_ *Env, args []any) (any, error) {
	if args[0] == int64(6) {
		return "UTF8", nil
	}
	if args[0] == int64(0) {
		return "SQL_ASCII", nil
	}
	return "", nil
}

func encodingNumber(_ *Env, args []any) (any, error) {
	switch strings.ReplaceAll(strings.ToUpper(asText(args[0])), "-", "") {
	case "UTF8", "UNICODE":
		return int64(6), nil
	case "SQL_ASCII":
		return int64(0), nil
	}
	return int64(-1), nil
}
