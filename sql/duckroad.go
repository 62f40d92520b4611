package sql

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"

	"engram/sql/internal/duck"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// newRun makes what a statement's functions and relations look at.
func (s *Session) newRun() *duckRun {
	r := &duckRun{session: s, reader: s.batch(), tuning: s.tuning()}
	r.env = s.catalogEnv(r.reader)
	r.exprEnv = *s.env(&execution{})
	return r
}

// place puts the session's relations into the analyser's SQL.
func (r *duckRun) place(c *duckConn, text string, relations []*plan.Relation) (string, error) {
	pairs := []string{plan.SessionToken, "''"}
	if r.returning != "" {
		pairs = append(pairs, quoteName(plan.ReturningRelation), r.returning)
	}
	for i, rel := range relations {
		token := `"` + plan.RelationToken(i) + `"`
		if !strings.Contains(text, token) {
			continue
		}
		sub, err := r.relationSQL(c, rel)
		if err != nil {
			return "", err
		}
		if r.only != nil && i == r.onlyIn {
			sub = among(sub, r.only)
		}
		pairs = append(pairs, token, sub)
	}
	return strings.NewReplacer(pairs...).Replace(text), nil
}

// askDuck lets DuckDB tell the types that the analyser left open, without running anything.
func (s *Session) askDuck(ctx context.Context, a *analyzed) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.release()
	run := s.newRun()
	run.relations = a.plan.Relations
	text, err := run.place(c, a.plan.DuckSQL, a.plan.Relations)
	if err != nil {
		return err
	}
	st, err := c.Prepare(context.WithValue(ctx, runKey{}, run), text)
	if err != nil {
		return s.duckFailure(err)
	}
	defer st.Close()
	for i := range a.params {
		if a.params[i].OID == 0 {
			if t, ok := st.ParamType(i + 1); ok {
				a.params[i] = pgType(t)
			}
		}
	}
	cols, known := st.Columns()
	if !known && len(a.params) > 0 {
		if cols, known, err = s.askWithSamples(ctx, c, run, text, a.params); err != nil {
			return err
		}
	}
	if known && a.plan.Road == plan.RoadDuck {
		for i := range a.columns {
			if i < len(cols) && a.columns[i].Type.OID == 0 {
				a.columns[i].Type = pgType(cols[i].Type)
			}
		}
	}
	return nil
}

// askWithSamples prepares a copy of a statement in which constants of the parameters' types stand for them: DuckDB does
// not tell the columns of a table function whose arguments are parameters.
func (s *Session) askWithSamples(ctx context.Context, c *duckConn, run *duckRun, text string, params []types.Type) ([]duck.Column, bool, error) {
	st, err := c.Prepare(context.WithValue(ctx, runKey{}, run), replaceParams(text, params))
	if err != nil {
		return nil, false, nil // the copy is only a guess: what does not fit it is said when the statement runs
	}
	defer st.Close()
	cols, known := st.Columns()
	return cols, known, nil
}

// replaceParams writes a sample constant for each $n outside of strings and quoted names.
func replaceParams(text string, params []types.Type) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		switch ch := text[i]; {
		case ch == '\'' || ch == '"':
			end := i + 1
			for end < len(text) && text[end] != ch {
				end++
			}
			end = min(end+1, len(text))
			b.WriteString(text[i:end])
			i = end
		case ch == '$' && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9':
			end := i + 1
			for end < len(text) && text[end] >= '0' && text[end] <= '9' {
				end++
			}
			n, _ := strconv.Atoi(text[i+1 : end])
			b.WriteString(sample(n, params))
			i = end
		default:
			b.WriteByte(ch)
			i++
		}
	}
	return b.String()
}

func sample(n int, params []types.Type) string {
	t := types.Of(types.TextOID)
	if n >= 1 && n <= len(params) && params[n-1].OID != 0 {
		t = params[n-1]
	}
	d := duckType(t)
	switch d.ID {
	case duck.VarcharID:
		return "'1'"
	case duck.SmallIntID, duck.IntegerID, duck.BigIntID, duck.FloatID, duck.DoubleID, duck.DecimalID:
		return "CAST(1 AS " + d.String() + ")"
	case duck.ListID:
		return "CAST([1] AS " + d.String() + ")"
	}
	return "CAST(NULL AS " + d.String() + ")"
}

// duckRows are the rows of a running statement of DuckDB, in the forms of the columns' PostgreSQL types.
type duckRows struct {
	session *Session
	conn    *duckConn
	stmt    *duck.Stmt
	result  *duck.Result
	columns []Column
	from    []duck.Type
	chunk   *duck.Chunk
	at      int
	row     []any
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// runDuck runs a statement on the DuckDB road.
func (s *Session) runDuck(x *execution) (*outcome, error) {
	p := x.analyzed.plan
	if p.Near != nil {
		rows, ok, err := s.nearJoin(x)
		if err != nil {
			return nil, err
		}
		if ok {
			return &outcome{columns: x.analyzed.columns, rows: rows, tag: p.Tag, counted: true}, nil
		}
	}
	rows, err := s.duckQuery(x.ctx, p.DuckSQL, p.Relations, x.params, x.analyzed.params, x.analyzed.columns)
	if err != nil {
		return nil, err
	}
	return &outcome{columns: x.analyzed.columns, rows: rows, tag: p.Tag, counted: true}, nil
}

// duckQuery starts a statement in DuckDB's dialect over the session's snapshot. columns nil means: as DuckDB has them.
func (s *Session) duckQuery(ctx context.Context, text string, relations []*plan.Relation, params []any, paramTypes []types.Type, columns []Column) (_ *duckRows, err error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, wrapped(s.duckFailure(err))
	}
	return s.duckQueryOn(ctx, c, s.newRun(), text, relations, params, paramTypes, columns)
}

// duckQueryOn is duckQuery on a connection, which it takes over.
func (s *Session) duckQueryOn(ctx context.Context, c *duckConn, run *duckRun, text string, relations []*plan.Relation, params []any, paramTypes []types.Type, columns []Column) (_ *duckRows, err error) {
	run.relations, run.params, run.paramTypes = relations, params, paramTypes
	r := &duckRows{session: s, conn: c, columns: columns}
	r.ctx, r.cancel = context.WithCancelCause(context.WithValue(ctx, runKey{}, run))
	defer func() {
		if err != nil {
			r.Close()
			err = causeOf(ctx, s.duckFailure(err))
		}
	}()
	if text, err = run.place(c, text, relations); err != nil {
		return nil, err
	}
	if len(params) == 0 { // planned and run in one step
		if r.result, err = c.Query(r.ctx, text); err != nil {
			return nil, err
		}
		err = r.takeColumns()
		return r, err
	}
	if r.stmt, err = c.Prepare(r.ctx, text); err != nil {
		return nil, err
	}
	for i, v := range params {
		t := duckType(paramTypes[i])
		if d, ok := v.(*apdDecimal); ok {
			t = decimalOf(d, t)
		}
		if err = r.stmt.Bind(i+1, toDuck(v, paramTypes[i]), t); err != nil {
			return nil, err
		}
	}
	if r.result, err = r.stmt.Query(r.ctx); err != nil {
		return nil, err
	}
	err = r.takeColumns()
	return r, err
}

func (r *duckRows) takeColumns() error {
	cols := r.result.Columns()
	if r.columns == nil {
		r.columns = make([]Column, len(cols))
		for i, c := range cols {
			r.columns[i] = Column{Name: c.Name, Type: pgType(c.Type)}
		}
	}
	if len(cols) < len(r.columns) {
		return types.Errorf(types.CodeInternalError, "the statement gives %d columns where %d were announced", len(cols), len(r.columns))
	}
	r.from = make([]duck.Type, len(r.columns))
	for i := range r.from {
		r.from[i] = cols[i].Type
	}
	r.row = make([]any, len(r.columns))
	return nil
}

// Next implements rowSource.
func (r *duckRows) Next() ([]any, error) {
	for r.chunk == nil || r.at >= r.chunk.Rows() {
		if r.result == nil {
			return nil, io.EOF
		}
		chunk, err := r.result.Next()
		if err != nil {
			return nil, causeOf(r.ctx, r.session.duckFailure(err))
		}
		if chunk == nil {
			r.Close()
			return nil, io.EOF
		}
		r.chunk, r.at = chunk, 0
	}
	for j := range r.row {
		v, err := fromDuck(r.chunk.Col(j).Value(r.at), &r.from[j], r.columns[j].Type)
		if err != nil {
			return nil, err
		}
		if d, ok := v.(*apdDecimal); ok {
			v = trimFree(d, &r.from[j], r.columns[j])
		}
		r.row[j] = v
	}
	r.at++
	return r.row, nil
}

// trimFree takes the zeros off a stored numeric of free scale that DuckDB's fixed scale put there.
func trimFree(d *apdDecimal, from *duck.Type, c Column) *apdDecimal {
	if from.ID != duck.DecimalID || from.Scale != freeScale || c.Type.Mod >= 0 || c.TableOID == 0 {
		return d
	}
	var out apdDecimal
	out.Reduce(d)
	if out.Exponent > 0 { // 100, not 1E+2
		out.Set(d)
		ctx := decimalContext()
		ctx.Quantize(&out, d, 0)
	}
	return &out
}

// Close implements rowSource.
func (r *duckRows) Close() error {
	if r.conn == nil {
		return nil
	}
	r.cancel(nil)
	if r.result != nil {
		r.result.Close()
		r.result = nil
	}
	if r.stmt != nil {
		r.stmt.Close()
	}
	r.conn.release()
	r.conn, r.chunk = nil, nil
	return nil
}

// duckFailure brings an error of the DuckDB road into PostgreSQL's terms: first what our own SQL or functions raised.
func (s *Session) duckFailure(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var d *duck.Error
	if errors.As(err, &d) {
		if e, ok := plan.DecodeRaised(d.Message); ok {
			return e
		}
		if _, rest, ok := strings.Cut(d.Message, "Function with name __engram_"); ok && d.Kind == duck.Catalog {
			name, _, _ := strings.Cut(rest, " ")
			return unsupported("function %s is not supported", strings.TrimPrefix(name, "pg_"))
		}
	}
	return err
}
