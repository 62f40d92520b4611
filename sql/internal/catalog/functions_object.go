package catalog

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"engram/sql/types"
)

// objectFunctions tell what single objects are and what may be done with them.
func objectFunctions() []Function {
	return []Function{
		fn("acldefault", ty(types.AclitemArrayOID), defaultRights, ty(types.QCharOID), oidType),
		fn("pg_describe_object", textType, describeObject, oidType, oidType, int4Type),
		constant("pg_column_is_updatable", boolType, true, oidType, int2Type, boolType),
		constant("pg_get_function_arg_default", textType, nil, oidType, int4Type),
		constant("pg_get_function_sqlbody", textType, nil, oidType),
		constant("pg_get_replica_identity_index", oidType, nil, oidType),
		constant("pg_partition_root", oidType, nil, oidType),
		fn("pg_size_bytes", int8Type, func(_ *Env, a []any) (any, error) { return sizeBytes(asText(a[0])) }, textType),
	}
}

// ownerRights are what an owner may do with his object, and publicRights what everybody may, by the kind that
// acldefault is asked for, in the letters of aclitem.
var (
	ownerRights = map[string]string{"c": "", "r": "arwdDxt", "s": "rwU", "d": "CTc", "f": "X", "l": "U", "L": "rw", "n": "UC", "p": "sA",
		"t": "C", "F": "U", "S": "U", "T": "U"}
	publicRights = map[string]string{"d": "Tc", "f": "X", "l": "U", "T": "U"}
)

func defaultRights(env *Env, args []any) (any, error) {
	kind := asText(args[0])
	rights, ok := ownerRights[kind]
	if !ok {
		return nil, types.Errorf(types.CodeInvalidParameterValue, "unrecognized object type abbreviation: %s", kind)
	}
	name, err := userByID(env, args[1:])
	if err != nil {
		return nil, err
	}
	owner := QuoteIdent(asText(name))
	list := []any{}
	if public := publicRights[kind]; public != "" {
		list = append(list, "="+public+"/"+owner)
	}
	if rights != "" {
		list = append(list, owner+"="+rights+"/"+owner)
	}
	return list, nil
}

// describeObject names an object of the catalogs that hold ours; NULL for others.
func describeObject(env *Env, args []any) (any, error) {
	oid := asOID(args[1])
	text := func(kind, name string) (any, error) {
		if name == "" {
			return nil, nil
		}
		return kind + " " + name, nil
	}
	switch asOID(args[0]) {
	case 1247:
		return text("type", env.typeNameOf(oid))
	case 1255:
		if p, ok := procedure(oid); ok {
			list, err := functionArguments(env, []any{int64(oid)})
			return fmt.Sprintf("function %s(%s)", asText(p["proname"]), asText(list)), err
		}
		return nil, nil
	case 1259:
		o := env.objects()
		kind := "table"
		if _, ok := o.indexes[oid]; ok {
			kind = "index"
		} else if o.view(oid) != nil {
			kind = "view"
		} else if o.byOID[oid] == nil && oid >= firstTableOID {
			kind = "sequence"
		}
		name := env.relationName(oid)
		if n, _ := args[2].(int64); n > 0 && name != "" {
			if t := o.byOID[oid]; t != nil && int(n) <= len(t.Columns) {
				return text("column", QuoteIdent(t.Columns[n-1].Name)+" of "+kind+" "+name)
			}
			return nil, nil
		}
		return text(kind, name)
	case 2615:
		return text("schema", env.namespaceName(oid))
	case 1260:
		return text("role", env.roleName(oid))
	}
	return nil, nil
}

// sizeBytes reads what pg_size_bytes does: a number and a unit.
func sizeBytes(text string) (any, error) {
	s := strings.TrimSpace(text)
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && !strings.ContainsRune("+-.", r) })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.ParseFloat(s[:end], 64)
	if err != nil {
		return nil, types.Errorf(types.CodeInvalidParameterValue, "invalid size: %q", text)
	}
	unit := strings.ToLower(strings.TrimSpace(s[end:]))
	shift, ok := map[string]int{"": 0, "b": 0, "bytes": 0, "kb": 10, "mb": 20, "gb": 30, "tb": 40, "pb": 50}[unit]
	if !ok {
		return nil, types.Errorf(types.CodeInvalidParameterValue, "invalid size: %q", text).
			WithDetail("Invalid size unit: %q.", strings.TrimSpace(s[end:])).
			WithHint(`Valid units are "bytes", "B", "kB", "MB", "GB", "TB", and "PB".`)
	}
	v := math.Round(n * float64(int64(1)<<shift))
	if math.Abs(v) >= 1<<63 {
		return nil, types.Errorf(types.CodeNumericValueOutOfRange, "bigint out of range")
	}
	return int64(v), nil
}
