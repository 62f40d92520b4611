package duck

import (
	"context"
	"fmt"
	"strconv"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// StatementKind is DuckDB's kind of a statement. The numbers are those of DuckDB's C interface.
type StatementKind uint8

// The kinds that matter to the caller; others exist.
const (
	SelectStatement      StatementKind = 1
	InsertStatement      StatementKind = 2
	UpdateStatement      StatementKind = 3
	ExplainStatement     StatementKind = 4
	DeleteStatement      StatementKind = 5
	CreateStatement      StatementKind = 7
	TransactionStatement StatementKind = 10
	CopyStatement        StatementKind = 11
	DropStatement        StatementKind = 15
	PragmaStatement      StatementKind = 17
	SetStatement         StatementKind = 20
)

// Column is a named, typed column.
type Column struct {
	Name string
	Type Type // the unknown type when DuckDB cannot tell before parameters have values
}

// Stmt is a prepared statement of one connection.
type Stmt struct {
	conn   *Conn
	h      mapping.PreparedStatement
	params []Type // params[i-1] is what DuckDB expects of $i
	cols   []Column
	kind   StatementKind
}

// describe reads what DuckDB found out while it prepared.
func (s *Stmt) describe() error {
	s.kind = StatementKind(mapping.PreparedStatementType(s.h))
	for idx := mapping.IdxT(1); idx <= mapping.NParams(s.h); idx++ {
		// DuckDB's interface cannot reach the parameters behind a gap in the numbers.
		if name := mapping.ParameterName(s.h, idx); name != strconv.Itoa(int(idx)) {
			return &Error{Kind: ParameterNotResolved, Message: fmt.Sprintf("parameters must be $1 to $%d without a gap", mapping.NParams(s.h))}
		}
		s.params = append(s.params, takeType(mapping.ParamLogicalType(s.h, idx)))
	}
	n := mapping.PreparedStatementColumnCount(s.h)
	for j := mapping.IdxT(0); j < n; j++ {
		s.cols = append(s.cols, Column{
			Name: mapping.PreparedStatementColumnName(s.h, j),
			Type: takeType(mapping.PreparedStatementColumnLogicalType(s.h, j)),
		})
	}
	return nil
}

// ParamCount is the number of parameters. They are $1 to $n without gaps; Prepare refuses others.
func (s *Stmt) ParamCount() int { return len(s.params) }

// ParamType is the type DuckDB expects of parameter $i, counting from 1. ok is false when it could not tell, or there
// is no such parameter.
func (s *Stmt) ParamType(i int) (t Type, ok bool) {
	if i < 1 || i > len(s.params) {
		return Type{}, false
	}
	t = s.params[i-1]
	return t, t.Known()
}

// Columns are the columns of the result. When DuckDB could not resolve them before the parameters have values, known is
// false and the columns say nothing.
func (s *Stmt) Columns() (cols []Column, known bool) {
	for _, c := range s.cols {
		if !c.Type.Known() {
			return s.cols, false
		}
	}
	return s.cols, true
}

// Kind is the kind of the statement.
func (s *Stmt) Kind() StatementKind { return s.kind }

// Bind gives parameter $i, counting from 1, a value in one of the forms that Writer.SetValue takes, as type t; the unknown
// type stands for the parameter's own (DuckDB's ParamType), and for the type that fits the value where that is unknown,
// too. Values stay bound until they are bound again.
func (s *Stmt) Bind(i int, v any, t Type) error {
	if s.h.Ptr == nil {
		return fmt.Errorf("duck: statement: %w", ErrClosed)
	}
	if i < 1 || i > len(s.params) {
		return fmt.Errorf("duck: there is no parameter $%d", i)
	}
	own := s.params[i-1]
	if t.ID == InvalidID || t.ID == DecimalID && t.Width == 0 && own.ID == DecimalID {
		t = own
	}
	val, err := makeValue(v, &t)
	if err != nil {
		return fmt.Errorf("parameter $%d: %w", i, err)
	}
	defer mapping.DestroyValue(&val)
	if mapping.BindValue(s.h, mapping.IdxT(i), val) != mapping.StateSuccess {
		return fmt.Errorf("duck: parameter $%d: DuckDB refuses the value: %s", i, mapping.PrepareError(s.h))
	}
	return nil
}

// Query runs the statement and streams its result: the first chunk does not wait for the last. The context ends the
// statement whenever it is cancelled, and is what functions and relations of ours receive; it must live until the
// Result is closed.
func (s *Stmt) Query(ctx context.Context) (*Result, error) {
	if s.h.Ptr == nil {
		return nil, fmt.Errorf("duck: statement: %w", ErrClosed)
	}
	x, err := s.conn.begin(ctx, false)
	if err != nil {
		return nil, err
	}
	return x.run(s.h)
}

// run starts a prepared statement; the execution ends with the result, or here when there is none.
func (x *execution) run(h mapping.PreparedStatement) (*Result, error) {
	r := &Result{x: x}
	var pending mapping.PendingResult
	if mapping.PendingPreparedStreaming(h, &pending) != mapping.StateSuccess {
		err := x.wrap(Unclassified, mapping.PendingError(pending))
		mapping.DestroyPending(&pending)
		x.end()
		return nil, err
	}
	state := mapping.ExecutePending(pending, &r.res)
	mapping.DestroyPending(&pending)
	if state != mapping.StateSuccess {
		err := x.wrap(kindOf(mapping.ResultErrorType(&r.res)), mapping.ResultError(&r.res))
		r.finish(true)
		return nil, err
	}
	if err := r.describe(); err != nil {
		r.finish(true)
		return nil, err
	}
	return r, nil
}

// Close frees the statement. A Result of it may still be open.
func (s *Stmt) Close() error {
	mapping.DestroyPrepare(&s.h)
	return nil
}
