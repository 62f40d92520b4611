package catalog

import (
	"fmt"

	"engram/sql/types"
)

// sessionFunctions answer about the session and the server.
func sessionFunctions() []Function {
	return []Function{
		fn("current_database", nameType, func(env *Env, _ []any) (any, error) { return env.Database, nil }),
		fn("current_catalog", nameType, func(env *Env, _ []any) (any, error) { return env.Database, nil }),
		fn("pg_backend_pid", int4Type, func(env *Env, _ []any) (any, error) { return int64(env.PID), nil }),
		fn("pg_client_encoding", nameType, func(*Env, []any) (any, error) { return "UTF8", nil }),
		constant("pg_is_in_recovery", boolType, false),
		constant("pg_my_temp_schema", oidType, int64(0)),
		constant("pg_is_other_temp_schema", boolType, false, oidType),
		constant("pg_relation_is_publishable", boolType, false, oidType),
		constant("pg_relation_is_updatable", int4Type, int64(28), oidType, boolType),
		constant("pg_advisory_unlock_all", ty(types.VoidOID), ""),
		constant("pg_indexam_has_property", boolType, false, oidType, textType),
		constant("pg_index_column_has_property", boolType, true, oidType, int4Type, textType),
		constant("pg_index_has_property", boolType, false, oidType, textType),
		constant("pg_sequence_last_value", int8Type, nil, oidType),
		constant("pg_stat_get_numscans", int8Type, int64(0), oidType),
		constant("inet_server_port", int4Type, nil),
		{Name: "current_setting", Args: args(textType), Returns: textType, Volatile: true, Call: strict(currentSetting)},
		{Name: "current_setting", Args: args(textType, boolType), Returns: textType, Volatile: true, Call: strict(currentSetting)},
		fn("pg_size_pretty", textType, func(_ *Env, a []any) (any, error) { return sizePretty(a[0].(int64)), nil }, int8Type),
	}
}

func currentSetting(env *Env, args []any) (any, error) {
	if env.Setting != nil {
		if v, ok := env.Setting(asText(args[0])); ok {
			return v, nil
		}
	}
	if len(args) == 2 && args[1] == true {
		return nil, nil
	}
	return nil, types.Errorf(types.CodeUndefinedObject, "unrecognized configuration parameter %q", asText(args[0]))
}

// sizePretty prints a number of bytes as PostgreSQL does: each unit is used up to 10 times the next one's 1024.
func sizePretty(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB"}
	abs := func(v int64) int64 {
		if v < 0 {
			return -v
		}
		return v
	}
	v, half := n, false
	for i, u := range units {
		limit := int64(10 * 1024)
		if i > 0 {
			limit = 20*1024 - 1 // v is doubled, so that halves round up
		}
		if abs(v) < limit || i == len(units)-1 {
			if half {
				if v < 0 {
					v = (v - 1) / 2
				} else {
					v = (v + 1) / 2
				}
			}
			return fmt.Sprintf("%d %s", v, u)
		}
		if half {
			v >>= 10
		} else {
			v, half = v>>9, true
		}
	}
	return ""
}

// privilegeFunctions: rights are not divided by object, so who may connect may do all that its role allows.
func privilegeFunctions() []Function {
	var all []Function
	for _, object := range []string{"table", "schema", "database", "function", "sequence", "language", "tablespace", "type", "any_column", "foreign_data_wrapper", "server"} {
		name := "has_" + object + "_privilege"
		for _, first := range [][]types.Type{nil, {nameType}, {oidType}} {
			for _, target := range []types.Type{textType, oidType} {
				all = append(all, constant(name, boolType, true, append(append([]types.Type{}, first...), target, textType)...))
			}
		}
	}
	for _, table := range []types.Type{textType, oidType} {
		for _, column := range []types.Type{textType, int2Type} {
			all = append(all, constant("has_column_privilege", boolType, true, table, column, textType),
				constant("has_column_privilege", boolType, true, nameType, table, column, textType))
		}
	}
	for _, role := range []types.Type{nameType, oidType} {
		all = append(all, constant("pg_has_role", boolType, true, role, textType),
			constant("pg_has_role", boolType, true, nameType, role, textType))
	}
	return all
}
