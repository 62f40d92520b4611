package plan

import (
	"fmt"

	"engram/sql/types"
)

// Analyze gives a statement its meaning in a scope and chooses its road. declared are the parameter types that the
// client declared, by position; 0 and unknown leave a type to be inferred. Errors are *types.Error, with positions in
// the text that Parse was given.
func Analyze(st *Statement, sc Scope, declared []uint32) (p *Plan, err error) {
	defer func() { // a parse tree is foreign data: a shape nobody thought of is an error, not the end of the process
		if r := recover(); r != nil {
			p, err = nil, types.Errorf("XX000", "cannot analyse the statement: %s", fmt.Sprint(r))
		}
	}()
	return nil, types.Errorf(types.CodeFeatureNotSupported, "%s is not supported yet", st.Tag)
}

// ParseExpr analyses the text of an expression over the columns of rel (nil = no columns), as DEFAULT and CHECK have
// it, and coerces it to want (OID 0 = as it comes). It is an error when Go cannot evaluate the expression.
func ParseExpr(text string, sc Scope, rel *Relation, want types.Type) (Expr, error) {
	return nil, types.Errorf(types.CodeFeatureNotSupported, "expressions are not supported yet")
}

// CoerceExpr gives an expression that casts e to t as an assignment does.
func CoerceExpr(e Expr, t types.Type) (Expr, error) {
	return nil, types.Errorf(types.CodeFeatureNotSupported, "casts are not supported yet")
}
