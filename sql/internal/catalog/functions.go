package catalog

import (
	"sync"

	"engram/sql/types"
)

// Function is a catalog function. It is never strict by itself: Call sees NULL arguments as nil.
type Function struct {
	Name     string
	Args     []types.Type // an argument of OID 0 takes any type
	Variadic bool         // the last argument may repeat
	Returns  types.Type
	Volatile bool
	// Call computes one value; it may be called concurrently with different Envs.
	Call func(env *Env, args []any) (any, error)
}

// Functions lists the catalog functions; overloads share a name.
func Functions() []Function { return functions() }

var functions = sync.OnceValue(func() []Function {
	var all []Function
	for _, group := range [][]Function{definitionFunctions(), nameFunctions(), privilegeFunctions(), sessionFunctions(), regFunctions(), objectFunctions()} {
		all = append(all, group...)
	}
	return all
})

// args lists argument types.
func args(list ...types.Type) []types.Type { return list }

func ty(oid uint32) types.Type { return types.Type{OID: oid, Mod: -1} }

var (
	boolType  = ty(types.BoolOID)
	int2Type  = ty(types.Int2OID)
	int4Type  = ty(types.Int4OID)
	int8Type  = ty(types.Int8OID)
	nameType  = ty(types.NameOID)
	oidType   = ty(types.OidOID)
	textType  = ty(types.TextOID)
	namesType = ty(types.NameArrayOID)
)

// strict wraps a function that answers NULL when any argument is NULL.
func strict(f func(env *Env, args []any) (any, error)) func(*Env, []any) (any, error) {
	return func(env *Env, args []any) (any, error) {
		for _, a := range args {
			if a == nil {
				return nil, nil
			}
		}
		return f(env, args)
	}
}

// fn makes a strict function; overload lists its argument types.
func fn(name string, returns types.Type, f func(env *Env, args []any) (any, error), overload ...types.Type) Function {
	return Function{Name: name, Args: overload, Returns: returns, Call: strict(f)}
}

// constant makes a function that answers the same for all arguments, NULL for NULL.
func constant(name string, returns types.Type, v any, overload ...types.Type) Function {
	return fn(name, returns, func(*Env, []any) (any, error) { return v, nil }, overload...)
}

// asOID reads an oid argument, which arrives as int64.
func asOID(v any) uint32 {
	n, _ := v.(int64)
	return uint32(n)
}

func asText(v any) string {
	s, _ := v.(string)
	return s
}
