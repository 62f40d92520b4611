package db

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
)

// castSuffix is a cast that ends a default: it changes nothing that Coerce does not do.
var castSuffix = regexp.MustCompile(`^(.*)::[a-zA-Z_ "]+(\([0-9, ]+\))?(\[\])?$`)

// constantDefault evaluates the column's default if it is a literal or the current time; other expressions are package sql's.
func (c *Column) constantDefault() (any, error) {
	expr := strings.TrimSpace(c.Default)
	if m := castSuffix.FindStringSubmatch(expr); m != nil && !strings.HasSuffix(m[1], ":") {
		expr = strings.TrimSpace(m[1])
	}
	switch strings.ToLower(expr) {
	case "", "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "now()", "current_timestamp", "transaction_timestamp()", "statement_timestamp()", "clock_timestamp()", "localtimestamp", "current_date":
		return time.Now().UTC(), nil
	}
	if s, ok := quoted(expr); ok {
		return c.textValue(s)
	}
	if n, err := strconv.ParseInt(expr, 10, 64); err == nil {
		return n, nil
	}
	if d, _, err := apd.NewFromString(expr); err == nil && d.Form == apd.Finite {
		return d, nil
	}
	return nil, fmt.Errorf("%w: the default of column %q is an expression: %s", ErrInvalidValue, c.Name, c.Default)
}

// quoted reads an SQL string literal.
func quoted(s string) (string, bool) {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return "", false
	}
	body := s[1 : len(s)-1]
	if strings.Contains(strings.ReplaceAll(body, "''", ""), "'") {
		return "", false
	}
	return strings.ReplaceAll(body, "''", "'"), true
}

// textValue gives a literal to Coerce in a form it takes for the column's type.
func (c *Column) textValue(s string) (any, error) {
	bad := fmt.Errorf("%w: the default of column %q is not text that package db reads: %s", ErrInvalidValue, c.Name, c.Default)
	switch c.Type.Kind {
	case Text, Varchar, Char, JSON, JSONB, UUID, Bit, Varbit, Numeric:
		return s, nil
	case Bool:
		v, err := strconv.ParseBool(s)
		if err != nil {
			return nil, bad
		}
		return v, nil
	case Int2, Int4, Int8, Float4, Float8:
		d, _, err := apd.NewFromString(strings.TrimSpace(s))
		if err != nil {
			return nil, bad
		}
		return d, nil
	case Vector, Halfvec:
		return parseVector(s, bad)
	}
	return nil, bad
}

func parseVector(s string, bad error) (any, error) {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != '[' || s[len(s)-1] != ']' {
		return nil, bad
	}
	var v []float32
	for _, part := range strings.Split(s[1:len(s)-1], ",") {
		f, err := strconv.ParseFloat(strings.TrimSpace(part), 32)
		if err != nil {
			return nil, bad
		}
		v = append(v, float32(f))
	}
	return v, nil
}
