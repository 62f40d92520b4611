package sql

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"sync"

	"engram/db"
	"engram/sql/internal/catalog"
	"engram/sql/internal/duck"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// registerFunctions makes all functions of ours known to DuckDB, once for each instance.
func (e *Engine) registerFunctions(inst *duck.Instance) error {
	all := map[string][]duck.ScalarFunction{}
	for _, b := range builtins() {
		f := b.duck()
		all[f.Name] = append(all[f.Name], f)
	}
	for name, overloads := range e.ownFunctions() { // ours work on whole chunks
		all[name] = overloads
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	var list []duck.ScalarFunction
	for _, name := range names {
		list = append(list, all[name]...)
	}
	return inst.Register(list...)
}

// builtin is a function of ours that is computed row by row.
type builtin struct {
	name     string // as DuckDB knows it
	args     []types.Type
	variadic bool // the last argument may repeat
	returns  types.Type
	volatile bool
	lax      bool // is called with NULLs
	session  bool // DuckDB passes the session's token first
	call     func(ctx context.Context, run *duckRun, args []any) (any, error)
}

// builtins lists the functions of the analyser and of the catalog.
var builtins = sync.OnceValue(func() []builtin {
	out := planFunctions()
	own := sessionFunctions()
	for _, f := range catalog.Functions() {
		if own[f.Name] != nil {
			continue
		}
		out = append(out, builtin{name: "__engram_pg_" + f.Name, args: f.Args, variadic: f.Variadic, returns: f.Returns,
			volatile: f.Volatile, lax: true, session: true, call: func(_ context.Context, run *duckRun, args []any) (any, error) {
				run.mu.Lock()
				defer run.mu.Unlock()
				return f.Call(run.env, args)
			}})
	}
	for name, overloads := range sessionFunctions() {
		for _, f := range overloads {
			out = append(out, builtin{name: "__engram_pg_" + name, args: f.args, returns: f.returns, volatile: true, lax: true,
				session: true, call: func(ctx context.Context, run *duckRun, args []any) (any, error) {
					run.mu.Lock()
					defer run.mu.Unlock()
					return f.call(ctx, run.session, args)
				}})
		}
	}
	return out
})

// duck makes the function as DuckDB takes it.
func (b builtin) duck() duck.ScalarFunction {
	f := duck.ScalarFunction{Name: b.name, Returns: duckType(b.returns), Volatile: b.volatile, NullIn: b.lax}
	if b.session {
		f.Params = append(f.Params, duck.Varchar)
	}
	fixed := b.args
	if b.variadic {
		fixed = b.args[:len(b.args)-1]
		last := argType(b.args[len(b.args)-1])
		f.Variadic = &last
	}
	for _, t := range fixed {
		f.Params = append(f.Params, argType(t))
	}
	f.Exec = b.exec
	return f
}

func argType(t types.Type) duck.Type {
	if t.OID == 0 || t.OID == types.AnyOID {
		return duck.Any
	}
	return duckType(t)
}

// exec computes a chunk row by row.
func (b builtin) exec(ctx context.Context, args []duck.Vector, rows int, out *duck.Writer) error {
	run, err := runOf(ctx)
	if err != nil {
		return err
	}
	if b.session {
		args = args[1:]
	}
	values := make([]any, len(args))
	of := make([]duck.Type, len(args))
	to := make([]types.Type, len(args))
	for j := range args {
		of[j] = args[j].Type()
		to[j] = b.args[min(j, len(b.args)-1)]
		if to[j].OID == 0 || to[j].OID == types.AnyOID {
			to[j] = pgType(of[j])
		}
	}
	for i := range rows {
		for j := range args {
			if values[j], err = fromDuck(args[j].Value(i), &of[j], to[j]); err != nil {
				return err
			}
		}
		v, err := b.call(ctx, run, values)
		if err != nil {
			return err
		}
		if v == nil {
			out.SetNull(i)
		} else {
			out.SetValue(i, toDuck(v, b.returns))
		}
	}
	return nil
}

// planEnv is what the analyser's functions look at inside of DuckDB.
func (r *duckRun) planEnv(ctx context.Context) *plan.Env {
	env := r.exprEnv
	env.Context = ctx
	return &env
}

func (e *Engine) version() string {
	return fmt.Sprintf("PostgreSQL %s (Engram %s) on %s-%s, DuckDB inside", serverVersion, e.options.Version, runtime.GOARCH, runtime.GOOS)
}

// signal ends a statement or a whole session of the same role, or of any role for a superuser.
func (s *Session) signal(pid any, cause error) (any, error) {
	n, ok := pid.(int64)
	if !ok {
		return nil, nil
	}
	s.engine.mu.Lock()
	other := s.engine.sessions[int32(n)]
	s.engine.mu.Unlock()
	if other == nil {
		s.warn(types.CodeWarning, "PID %d is not a PostgreSQL server process", n)
		return false, nil
	}
	if other.user != s.user && !s.superuser() {
		return nil, types.Errorf(types.CodeInsufficientPrivilege, "must be a member of the role whose process is being signaled")
	}
	if errors.Is(cause, errShutdown) {
		other.stop(cause)
	} else {
		other.interrupt(cause)
	}
	return true, nil
}

// call answers functions of the session and the catalog for expressions that Go evaluates.
func (s *Session) call(ctx context.Context, name string, args []any) (any, error) {
	for _, f := range sessionFunctions()[name] {
		if len(f.args) == len(args) {
			return f.call(ctx, s, args)
		}
	}
	env := s.catalogEnv(s.batch())
	for _, f := range catalogByName()[name] {
		if len(f.Args) == len(args) || f.Variadic && len(args) >= len(f.Args)-1 {
			if !fits(f, args) {
				continue
			}
			return f.Call(env, args)
		}
	}
	return nil, types.Errorf(types.CodeUndefinedFunction, "function %s with %d arguments does not exist", name, len(args))
}

// fits reports whether values have the Go forms of a function's arguments.
func fits(f catalog.Function, args []any) bool {
	for i, a := range args {
		t := f.Args[min(i, len(f.Args)-1)]
		switch a.(type) {
		case int64:
			if isTextual(t.OID) && t.OID != 0 {
				return false
			}
		case string:
			switch t.OID {
			case types.Int2OID, types.Int4OID, types.Int8OID, types.OidOID, types.BoolOID:
				return false
			}
		case bool:
			if t.OID != types.BoolOID && t.OID != 0 {
				return false
			}
		}
	}
	return true
}

var catalogByName = sync.OnceValue(func() map[string][]catalog.Function {
	m := map[string][]catalog.Function{}
	for _, f := range catalog.Functions() {
		m[f.Name] = append(m[f.Name], f)
	}
	return m
})

// noModel is the error of embed when no model is installed.
func noModel(cause error) *Error {
	e := types.Errorf(types.CodeObjectNotInPrerequisiteState, "embed: no text model is installed").
		WithHint("Run \"make models\", or \"engram model import\" with the files of a model, and try again.")
	e.Cause = cause
	if cause != nil && !errors.Is(cause, db.ErrNoModel) {
		e.Detail = cause.Error()
	} else if cause != nil {
		e.Detail = strings.TrimPrefix(cause.Error(), "db: ")
	}
	return e
}

// encoder gives the model of a name, or the text model where there is no name.
func (e *Engine) encoder(ctx context.Context, name string) (db.Encoder, error) {
	if name != "" && e.options.Model != nil {
		enc, err := e.options.Model(ctx, name)
		if errors.Is(err, db.ErrNoModel) {
			missing := types.Errorf(types.CodeUndefinedObject, "model %q does not exist", name)
			missing.Cause, missing.Detail = err, strings.TrimPrefix(err.Error(), "db: ")
			return nil, missing
		}
		return enc, err
	}
	if e.options.TextEncoder == nil {
		return nil, noModel(nil)
	}
	enc, err := e.options.TextEncoder(ctx)
	switch {
	case errors.Is(err, db.ErrNoModel):
		return nil, noModel(err)
	case err != nil:
		return nil, err
	case name != "" && name != enc.Name():
		return nil, types.Errorf(types.CodeUndefinedObject, "model %q does not exist", name).WithHint("The text model is %q.", enc.Name())
	}
	return enc, nil
}

// embed turns texts into vectors, all in one call of the model.
func (e *Engine) embed(ctx context.Context, model string, texts []string) ([][]float32, error) {
	enc, err := e.encoder(ctx, model)
	if err != nil {
		return nil, err
	}
	vectors, err := enc.Encode(ctx, texts)
	if err != nil {
		return nil, err
	}
	if len(vectors) != len(texts) {
		return nil, types.Errorf(types.CodeInternalError, "the model gave %d vectors for %d texts", len(vectors), len(texts))
	}
	return vectors, nil
}

// planFunctions are the analyser's functions.
func planFunctions() (out []builtin) {
	for _, f := range plan.Functions() {
		out = append(out, builtin{name: f.Name, args: f.Args, returns: f.Returns, volatile: f.Volatile, lax: !f.Strict,
			session: f.Session, call: func(ctx context.Context, run *duckRun, args []any) (any, error) {
				return f.Call(run.planEnv(ctx), args)
			}})
	}
	return out
}
