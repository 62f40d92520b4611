package plan

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"engram/sql/types"
)

// member is one member of a JSON object, its value as text.
type member struct {
	key   string
	value json.RawMessage
}

// openObject lists an object's members in order; ok is false when the text is no object.
func openObject(s string) (list []member, ok bool) {
	s = strings.TrimLeft(s, " \t\r\n")
	if !strings.HasPrefix(s, "{") {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(s))
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, false
		}
		m := member{}
		m.key, _ = k.(string)
		if err := d.Decode(&m.value); err != nil && err != io.EOF {
			return nil, false
		}
		list = append(list, m)
	}
	return list, true
}

func openArray(s string) (list []json.RawMessage, ok bool) {
	if !strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "[") {
		return nil, false
	}
	return list, json.Unmarshal([]byte(s), &list) == nil
}

// child finds a member or an element; "" when there is none.
func child(s, key string) string {
	if list, ok := openObject(s); ok {
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].key == key {
				return string(list[i].value)
			}
		}
		return ""
	}
	if _, ok := openArray(s); ok {
		if n, err := strconv.ParseInt(key, 10, 32); err == nil {
			return element(s, n)
		}
	}
	return ""
}

func member_(s, key string) string {
	if _, ok := openObject(s); !ok {
		return ""
	}
	return child(s, key)
}

func element(s string, n int64) string {
	list, ok := openArray(s)
	if n < 0 {
		n += int64(len(list))
	}
	if !ok || n < 0 || n >= int64(len(list)) {
		return ""
	}
	return string(list[n])
}

// elementB is element of a jsonb, in which PostgreSQL takes a scalar for an array of one.
func elementB(s string, n int64) string {
	if k := typeofJSON(s); k != "array" && k != "object" && (n == 0 || n == -1) {
		return s
	}
	return element(s, n)
}

// orNull gives a JSON text, or NULL for none.
func orNull(s string) (any, error) {
	if s == "" {
		return nil, nil
	}
	return s, nil
}

// plain gives the text of a value as ->> does: a string without quotes, null as NULL.
func plain(s string) (any, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "" || s == "null":
		return nil, nil
	case s[0] == '"':
		var out string
		if err := json.Unmarshal([]byte(s), &out); err != nil {
			return nil, types.Errorf(types.CodeInvalidTextRepresentation, "invalid input syntax for type json")
		}
		return out, nil
	}
	return s, nil
}

func walkPath(s string, path []any) string {
	for _, p := range path {
		key, ok := p.(string)
		if !ok || s == "" {
			return ""
		}
		s = child(s, key)
	}
	return s
}

func typeofJSON(s string) string {
	s = strings.TrimLeft(s, " \t\r\n")
	switch {
	case s == "":
		return "null"
	case s[0] == '{':
		return "object"
	case s[0] == '[':
		return "array"
	case s[0] == '"':
		return "string"
	case s[0] == 't' || s[0] == 'f':
		return "boolean"
	case s[0] == 'n':
		return "null"
	}
	return "number"
}

func jsonText(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

func normal(s string) (any, error) {
	out, err := types.NormalizeJSON(s)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func getKey(_ *Env, v []any) (any, error)     { return orNull(member_(v[0].(string), v[1].(string))) }
func getAt(_ *Env, v []any) (any, error)      { return orNull(element(v[0].(string), v[1].(int64))) }
func getPath(_ *Env, v []any) (any, error)    { return orNull(walkPath(v[0].(string), v[1].([]any))) }
func getKeyText(_ *Env, v []any) (any, error) { return plain(member_(v[0].(string), v[1].(string))) }

func elements(asText bool) goCall {
	return func(_ *Env, v []any) (any, error) {
		list, ok := openArray(v[0].(string))
		if !ok {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "cannot extract elements from %s", pick(typeofJSON(v[0].(string)) == "object", "an object", "a scalar"))
		}
		out := make([]any, len(list))
		for i, x := range list {
			out[i] = string(x)
			if asText {
				t, err := plain(string(x))
				if err != nil {
					return nil, err
				}
				out[i] = t
			}
		}
		return out, nil
	}
}

func members(part string) goCall {
	return func(_ *Env, v []any) (any, error) {
		list, ok := openObject(v[0].(string))
		if !ok {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "cannot call this function on %s", pick(typeofJSON(v[0].(string)) == "array", "an array", "a scalar"))
		}
		out := make([]any, len(list))
		for i, m := range list {
			switch part {
			case "key":
				out[i] = m.key
			case "text":
				t, err := plain(string(m.value))
				if err != nil {
					return nil, err
				}
				out[i] = t
			default:
				out[i] = string(m.value)
			}
		}
		return out, nil
	}
}

var jsonCalls = map[string]goCall{
	"json_string": func(_ *Env, v []any) (any, error) { return jsonText(v[0].(string)), nil },
	"json_object": buildObject, "json_array": buildArray,
	"json_get": getKey, "jsonb_get": getKey, "json_at": getAt, "jsonb_at": func(_ *Env, v []any) (any, error) { return orNull(elementB(v[0].(string), v[1].(int64))) },
	"jsonb_at_text": func(_ *Env, v []any) (any, error) { return plain(elementB(v[0].(string), v[1].(int64))) },
	"json_path":     getPath, "jsonb_path": getPath,
	"json_get_text":  getKeyText,
	"json_at_text":   func(_ *Env, v []any) (any, error) { return plain(element(v[0].(string), v[1].(int64))) },
	"json_path_text": func(_ *Env, v []any) (any, error) { return plain(walkPath(v[0].(string), v[1].([]any))) },
	"json_typeof":    func(_ *Env, v []any) (any, error) { return typeofJSON(v[0].(string)), nil },
	"json_array_length": func(_ *Env, v []any) (any, error) {
		list, ok := openArray(v[0].(string))
		if !ok {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "cannot get array length of a %s", pick(typeofJSON(v[0].(string)) == "object", "non-array", "scalar"))
		}
		return int64(len(list)), nil
	},
	"json_elements": elements(false), "jsonb_elements": elements(false), "json_elements_text": elements(true),
	"json_keys": members("key"), "json_values": members("value"), "jsonb_values": members("value"), "json_values_text": members("text"),
	"json_strip_nulls":  func(_ *Env, v []any) (any, error) { return stripNulls(v[0].(string), 0), nil },
	"jsonb_strip_nulls": func(_ *Env, v []any) (any, error) { return normal(stripNulls(v[0].(string), 0)) },
	"jsonb_concat":      func(_ *Env, v []any) (any, error) { return concatJSON(v[0].(string), v[1].(string)) },
	"jsonb_contains":    func(_ *Env, v []any) (any, error) { return containsJSON(v[0].(string), v[1].(string), true), nil },
	"jsonb_exists":      func(_ *Env, v []any) (any, error) { return existsJSON(v[0].(string), v[1].(string)), nil },
	"jsonb_exists_any": func(_ *Env, v []any) (any, error) {
		for _, k := range v[1].([]any) {
			if s, ok := k.(string); ok && existsJSON(v[0].(string), s) {
				return true, nil
			}
		}
		return false, nil
	},
	"jsonb_exists_all": func(_ *Env, v []any) (any, error) {
		for _, k := range v[1].([]any) {
			if s, ok := k.(string); ok && !existsJSON(v[0].(string), s) {
				return false, nil
			}
		}
		return true, nil
	},
	"jsonb_delete":      func(_ *Env, v []any) (any, error) { return deleteKeys(v[0].(string), []any{v[1]}) },
	"jsonb_delete_keys": func(_ *Env, v []any) (any, error) { return deleteKeys(v[0].(string), v[1].([]any)) },
	"jsonb_delete_at": func(_ *Env, v []any) (any, error) {
		if _, ok := openArray(v[0].(string)); !ok {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "cannot delete from %s using integer index", pick(typeofJSON(v[0].(string)) == "object", "object", "scalar"))
		}
		return editPath(v[0].(string), []any{strconv.FormatInt(v[1].(int64), 10)}, "", false)
	},
	"jsonb_delete_path": func(_ *Env, v []any) (any, error) { return editPath(v[0].(string), v[1].([]any), "", false) },
	"jsonb_set": func(_ *Env, v []any) (any, error) {
		return editPath(v[0].(string), v[1].([]any), v[2].(string), v[3].(bool))
	},
	"jsonb_pretty": func(_ *Env, v []any) (any, error) {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(v[0].(string)), "", "    "); err != nil {
			return nil, types.Errorf(types.CodeInvalidTextRepresentation, "invalid input syntax for type json")
		}
		return b.String(), nil
	},
	"jsonb_number": func(_ *Env, v []any) (any, error) {
		if typeofJSON(v[0].(string)) != "number" {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "cannot cast jsonb %s to a number", typeofJSON(v[0].(string)))
		}
		return types.ParseText(types.Of(types.Float8OID), strings.TrimSpace(v[0].(string)), nil)
	},
	"jsonb_bool": func(_ *Env, v []any) (any, error) {
		if typeofJSON(v[0].(string)) != "boolean" {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "cannot cast jsonb %s to type boolean", typeofJSON(v[0].(string)))
		}
		return strings.TrimSpace(v[0].(string)) == "true", nil
	},
}

func buildObject(_ *Env, v []any) (any, error) {
	var parts []string
	list := v[0].([]any)
	for i := 0; i+1 < len(list); i += 2 {
		k, ok := list[i].(string)
		if !ok {
			return nil, types.Errorf(types.CodeNullValueNotAllowed, "argument %d cannot be null", i+1).WithHint("Object keys should be text.")
		}
		val, _ := list[i+1].(string)
		parts = append(parts, jsonText(k)+" : "+val)
	}
	return "{" + strings.Join(parts, ", ") + "}", nil
}

func buildArray(_ *Env, v []any) (any, error) {
	list := v[0].([]any)
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i], _ = x.(string)
		if x == nil {
			parts[i] = "null"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]", nil
}

const deepestJSON = 1000

func stripNulls(s string, depth int) string {
	if depth > deepestJSON {
		return s
	}
	if list, ok := openObject(s); ok {
		var parts []string
		for _, m := range list {
			if string(m.value) != "null" {
				parts = append(parts, jsonText(m.key)+":"+stripNulls(string(m.value), depth+1))
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	if list, ok := openArray(s); ok {
		parts := make([]string, len(list))
		for i, x := range list {
			parts[i] = stripNulls(string(x), depth+1)
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return s
}

// concatJSON is ||: objects merge, everything else becomes one array.
func concatJSON(a, b string) (any, error) {
	x, okA := openObject(a)
	y, okB := openObject(b)
	if okA && okB {
		return objectOf(append(x, y...))
	}
	list := func(s string) []string {
		l, ok := openArray(s)
		if !ok {
			return []string{s}
		}
		out := make([]string, len(l))
		for i := range l {
			out[i] = string(l[i])
		}
		return out
	}
	return normal("[" + strings.Join(append(list(a), list(b)...), ", ") + "]")
}

func objectOf(list []member) (any, error) {
	parts := make([]string, len(list))
	for i, m := range list {
		parts[i] = jsonText(m.key) + ": " + string(m.value)
	}
	return normal("{" + strings.Join(parts, ", ") + "}")
}

// containsJSON is @>: objects hold members, arrays hold elements in any order; an array holds a scalar at the top.
func containsJSON(a, b string, top bool) bool {
	if y, ok := openObject(b); ok {
		if typeofJSON(a) != "object" {
			return false
		}
		for _, m := range y {
			v := member_(a, m.key)
			if v == "" || !containsJSON(v, string(m.value), false) {
				return false
			}
		}
		return true
	}
	x, isArray := openArray(a)
	if y, ok := openArray(b); ok {
		if !isArray {
			return false
		}
		for _, want := range y {
			if !anyContains(x, string(want)) {
				return false
			}
		}
		return true
	}
	if isArray && top {
		return anyContains(x, b)
	}
	return !isArray && equalJSON(a, b)
}

func anyContains(list []json.RawMessage, want string) bool {
	for _, x := range list {
		if typeofJSON(string(x)) == typeofJSON(want) && containsJSON(string(x), want, false) {
			return true
		}
	}
	return false
}

func equalJSON(a, b string) bool {
	if typeofJSON(a) == "number" && typeofJSON(b) == "number" {
		x, err1 := types.ParseText(types.Of(types.NumericOID), strings.TrimSpace(a), nil)
		y, err2 := types.ParseText(types.Of(types.NumericOID), strings.TrimSpace(b), nil)
		if err1 == nil && err2 == nil {
			c, err := compareValues(types.Of(types.NumericOID), x, y)
			return err == nil && c == 0
		}
	}
	x, err1 := types.NormalizeJSON(a)
	y, err2 := types.NormalizeJSON(b)
	return err1 == nil && err2 == nil && x == y
}

func existsJSON(s, key string) bool {
	if list, ok := openArray(s); ok {
		for _, x := range list {
			if string(x) == jsonText(key) {
				return true
			}
		}
		return false
	}
	if typeofJSON(s) == "string" {
		return strings.TrimSpace(s) == jsonText(key)
	}
	return member_(s, key) != ""
}

func deleteKeys(s string, keys []any) (any, error) {
	drop := map[string]bool{}
	for _, k := range keys {
		if x, ok := k.(string); ok {
			drop[x] = true
		}
	}
	if list, ok := openObject(s); ok {
		var keep []member
		for _, m := range list {
			if !drop[m.key] {
				keep = append(keep, m)
			}
		}
		return objectOf(keep)
	}
	if list, ok := openArray(s); ok {
		var keep []string
		for _, x := range list {
			if t, err := plain(string(x)); err != nil || typeofJSON(string(x)) != "string" || !drop[t.(string)] {
				keep = append(keep, string(x))
			}
		}
		return normal("[" + strings.Join(keep, ", ") + "]")
	}
	return nil, types.Errorf(types.CodeInvalidParameterValue, "cannot delete from scalar")
}

// editPath sets what stands at a path, or deletes it when value is empty.
func editPath(s string, path []any, value string, create bool) (any, error) {
	if t := typeofJSON(s); t != "object" && t != "array" {
		return nil, types.Errorf(types.CodeInvalidParameterValue, "cannot %s path in scalar", pick(value == "", "delete", "set"))
	}
	if len(path) == 0 {
		return s, nil
	}
	out, err := edit(s, path, value, create)
	if err != nil {
		return nil, err
	}
	return normal(out)
}

func edit(s string, path []any, value string, create bool) (string, error) {
	key, ok := path[0].(string)
	if !ok {
		return "", types.Errorf(types.CodeNullValueNotAllowed, "path element at position 1 is null")
	}
	last := len(path) == 1
	if list, ok := openObject(s); ok {
		var parts []string
		found := false
		for _, m := range list {
			v := string(m.value)
			if m.key == key {
				found = true
				if last && value == "" {
					continue
				}
				var err error
				if v, err = editChild(v, path, value, create, last); err != nil {
					return "", err
				}
			}
			parts = append(parts, jsonText(m.key)+":"+v)
		}
		if !found && last && create && value != "" {
			parts = append(parts, jsonText(key)+":"+value)
		}
		return "{" + strings.Join(parts, ",") + "}", nil
	}
	list, ok := openArray(s)
	if !ok {
		return s, nil
	}
	n, err := strconv.Atoi(key)
	if err != nil {
		return "", types.Errorf(types.CodeInvalidTextRepresentation, "path element at position %d is not an integer: \"%s\"", 1, key)
	}
	if n < 0 {
		n += len(list)
	}
	var parts []string
	for i, x := range list {
		v := string(x)
		if i == n {
			if last && value == "" {
				continue
			}
			if v, err = editChild(v, path, value, create, last); err != nil {
				return "", err
			}
		}
		parts = append(parts, v)
	}
	if last && create && value != "" {
		if n >= len(list) {
			parts = append(parts, value)
		} else if n < 0 {
			parts = append([]string{value}, parts...)
		}
	}
	return "[" + strings.Join(parts, ",") + "]", nil
}

func editChild(v string, path []any, value string, create, last bool) (string, error) {
	if last {
		return value, nil
	}
	return edit(v, path[1:], value, create)
}
