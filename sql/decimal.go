package sql

import (
	"strings"

	"github.com/cockroachdb/apd/v3"

	"engram/sql/internal/duck"
)

// apdDecimal is the Go form of numeric.
type apdDecimal = apd.Decimal

func decimalContext() *apd.Context {
	c := apd.BaseContext.WithPrecision(1000)
	c.Rounding = apd.RoundHalfUp
	return c
}

// decimalOf is the DuckDB type that holds all digits of d where one does; else the type given.
func decimalOf(d *apd.Decimal, otherwise duck.Type) duck.Type {
	if d.Form != apd.Finite {
		return otherwise
	}
	text := strings.TrimLeft(d.Text('f'), "-0")
	whole, fraction, _ := strings.Cut(text, ".")
	if len(whole)+len(fraction) > maxDecimal {
		return otherwise
	}
	return duck.Decimal(uint8(max(len(whole)+len(fraction), len(fraction), 1)), uint8(len(fraction)))
}
