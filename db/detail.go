package db

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The details of constraint errors print values as PostgreSQL does for the types that keys are made of.

func (t *Table) uniqueError(u *Unique, r Row) error {
	return &ConstraintError{Kind: UniqueViolation, Schema: t.Schema, Table: t.Name, Constraint: u.Name,
		Detail: t.keyDetail(u, r) + " already exists."}
}

// keyDetail is PostgreSQL's "Key (a, b)=(1, 2)".
func (t *Table) keyDetail(u *Unique, r Row) string {
	names, values := make([]string, len(u.Columns)), make([]string, len(u.Columns))
	for i, p := range u.Columns {
		names[i], values[i] = t.Columns[p].Name, valueText(t.Columns[p].Type, r[p])
	}
	return fmt.Sprintf("Key (%s)=(%s)", strings.Join(names, ", "), strings.Join(values, ", "))
}

func (t *Table) notNullError(column int, r Row) error {
	values := make([]string, len(r))
	for i, v := range r {
		s := valueText(t.Columns[i].Type, v)
		if len(s) > 64 { // as PostgreSQL cuts it
			cut := 64
			for cut > 0 && !utf8.RuneStart(s[cut]) {
				cut--
			}
			s = s[:cut] + "..."
		}
		values[i] = s
	}
	return &ConstraintError{Kind: NotNullViolation, Schema: t.Schema, Table: t.Name, Column: t.Columns[column].Name,
		Detail: fmt.Sprintf("Failing row contains (%s).", strings.Join(values, ", "))}
}

func valueText(t Type, v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case bool:
		return map[bool]string{true: "t", false: "f"}[x]
	case int64:
		switch t.Kind {
		case Timestamp, Timestamptz:
			return stampText(t.Kind, x)
		case Time:
			return fractionless(time.UnixMicro(x).UTC().Format("15:04:05.000000"))
		}
		return strconv.FormatInt(x, 10)
	case int32:
		return time.Unix(int64(x)*86400, 0).UTC().Format("2006-01-02")
	case float32:
		return strconv.FormatFloat(float64(x), 'g', -1, 32)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	case []byte:
		return `\x` + hex.EncodeToString(x[:min(len(x), 64)])
	case [16]byte:
		h := hex.EncodeToString(x[:])
		return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
	case []float32:
		parts := make([]string, 0, 16)
		for _, f := range x[:min(len(x), 16)] {
			parts = append(parts, strconv.FormatFloat(float64(f), 'g', -1, 32))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case []any:
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = valueText(Type{Kind: t.Elem, Mod: t.Mod}, e)
		}
		return "{" + strings.Join(parts, ",") + "}"
	default:
		return fmt.Sprint(x)
	}
}

func stampText(k Kind, micros int64) string {
	s := fractionless(time.UnixMicro(micros).UTC().Format("2006-01-02 15:04:05.000000"))
	if k == Timestamptz {
		s += "+00"
	}
	return s
}

// fractionless drops trailing zeros of the seconds' fraction.
func fractionless(s string) string { return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") }
