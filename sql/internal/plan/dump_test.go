package plan

import (
	"fmt"
	"reflect"
	"strings"

	"engram/sql/types"
)

// dumpStruct prints the fields of a utility struct that are set.
func dumpStruct(v any) string {
	var b strings.Builder
	dumpValue(&b, reflect.ValueOf(v), 0)
	return b.String()
}

func dumpValue(b *strings.Builder, v reflect.Value, depth int) {
	if depth > 6 {
		b.WriteString("...")
		return
	}
	switch x := valueOf(v).(type) {
	case *Relation:
		if x != nil {
			b.WriteString(x.Name)
		}
		return
	case types.Type:
		b.WriteString(x.String())
		return
	case *Plan:
		fmt.Fprintf(b, "{%s}", strings.TrimSuffix(strings.ReplaceAll(dump(x), "\n", "; "), "; "))
		return
	case *Statement:
		b.WriteString(x.Tag)
		return
	case *node:
		b.WriteString(exprText(x))
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		dumpValue(b, v.Elem(), depth)
	case reflect.Struct:
		b.WriteString(v.Type().Name() + "{")
		first := true
		for i := range v.NumField() {
			f := v.Field(i)
			if f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 {
				continue
			}
			if !first {
				b.WriteString(", ")
			}
			first = false
			b.WriteString(v.Type().Field(i).Name + ": ")
			dumpValue(b, f, depth+1)
		}
		b.WriteString("}")
	case reflect.Slice:
		b.WriteString("[")
		for i := range v.Len() {
			if i > 0 {
				b.WriteString(", ")
			}
			dumpValue(b, v.Index(i), depth+1)
		}
		b.WriteString("]")
	case reflect.String:
		fmt.Fprintf(b, "%q", v.String())
	default:
		fmt.Fprint(b, v.Interface())
	}
}

func valueOf(v reflect.Value) any {
	if v.IsValid() && v.CanInterface() {
		return v.Interface()
	}
	return nil
}
