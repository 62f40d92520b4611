package sql

import (
	"fmt"
	"runtime/debug"

	"engram/sql/internal/plan"
	"engram/sql/types"
)

// rescue turns a panic into an error of its statement: a fault in one statement must not end the server.
func (e *Engine) rescue(err *error) {
	r := recover()
	if r == nil {
		return
	}
	if known, ok := r.(*Error); ok {
		*err = known
		return
	}
	e.log.Error("a statement failed by a fault of the server", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	*err = types.Errorf(types.CodeInternalError, "internal error: %s", fmt.Sprint(r))
}

// parseExpr is plan.ParseExpr.
func (e *Engine) parseExpr(text string, sc plan.Scope, rel *plan.Relation, want types.Type) (x plan.Expr, err error) {
	defer e.rescue(&err)
	return plan.ParseExpr(text, sc, rel, want)
}

// parseFilter is plan.ParseFilter.
func (e *Engine) parseFilter(text string, sc plan.Scope, rel *plan.Relation) (f *plan.RowFilter, relations []*plan.Relation, err error) {
	defer e.rescue(&err)
	return plan.ParseFilter(text, sc, rel)
}

// coerceExpr is plan.CoerceExpr.
func (e *Engine) coerceExpr(in plan.Expr, to types.Type) (x plan.Expr, err error) {
	defer e.rescue(&err)
	return plan.CoerceExpr(in, to)
}
