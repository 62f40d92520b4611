package plan

import (
	"context"
	"time"

	"engram/sql/types"
)

// Expr is a scalar expression that Go evaluates with PostgreSQL's meaning: three-valued logic, checked arithmetic, its
// casts. Values have the forms of package types. An Expr is immutable; Eval may be called concurrently with different
// Envs. Errors are *types.Error where SQL names them.
type Expr interface {
	Type() types.Type
	Eval(env *Env) (any, error)
}

// Env is what an expression may look at. Fields that no expression of the plan reads may stay zero.
type Env struct {
	Context  context.Context
	Params   []any // values of $1..$n in the forms of Plan.Params
	Row      []any // one value for each of the relation's Columns
	Excluded []any // ON CONFLICT: the row that was to be inserted
	Extra    []any // RETURNING: values of other relations
	Distance any   // KNN: float64, what the ordering operator answers for this row

	Style     *types.Style // how texts are read and written; nil = defaults
	Now       time.Time    // start of the transaction
	Statement time.Time    // start of the statement; zero = Now

	// Embed turns texts into vectors, for embed(text [, model]); model "" is the default one. It is called once per
	// evaluation with one text.
	Embed func(ctx context.Context, model string, texts []string) ([][]float32, error)
	// EmbedMedia is Embed for pictures ("image") and sounds ("audio"), for embed_image and embed_audio(bytea [, model]).
	EmbedMedia func(ctx context.Context, kind, model string, items [][]byte) ([][]float32, error)
	// Call answers functions of the session and of pg_catalog: current_user, current_schema, version,
	// current_setting, pg_get_userbyid ... by their lower-case name.
	Call func(ctx context.Context, name string, args []any) (any, error)

	element any // the element that ANY and ALL look at
}

func (e *Env) ctx() context.Context {
	if e.Context == nil {
		return context.Background()
	}
	return e.Context
}
