package sql

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"engram/sql/internal/plan"
	"engram/sql/types"
)

// Portal is a statement with its parameters bound, ready to run or running. It belongs to its session.
type Portal struct {
	name      string
	statement *Statement
	params    []any
	columns   []Column
	formats   []int16

	out  *outcome // nil until it is first run
	done bool     // read to the end, or run
	life context.Context
	end  context.CancelCauseFunc
	made time.Time
	text string

	// of a cursor
	cursor, scroll, hold, binary bool
	held                         bool  // its rows outlive the transaction, which was committed
	at                           int64 // rows before its position
}

// Name is the name it was bound under.
func (p *Portal) Name() string { return p.name }

// Columns describes the rows it returns; nil when it returns none.
func (p *Portal) Columns() []Column { return p.columns }

// Formats are the result formats the client asked for in Bind: none (text), one for all columns, or one each.
func (p *Portal) Formats() []int16 { return p.formats }

// Format is the format of the i-th column, 0 for text and 1 for binary.
func (p *Portal) Format(i int) int16 {
	switch {
	case p.cursor && p.binary:
		return 1
	case len(p.formats) == 0:
		return 0
	case len(p.formats) == 1:
		return p.formats[0]
	}
	return p.formats[i]
}

// Bind gives a prepared statement its parameters and makes a portal of it; "" is the unnamed portal, which it replaces.
// A value that cannot be read is 22P02 or 22P03, a wrong number of parameters or formats 08P01, a name in use 42P03.
func (s *Session) Bind(ctx context.Context, portal, statement string, params []Param, resultFormats []int16) (*Portal, error) {
	p, err := s.bind(ctx, portal, statement, params, resultFormats)
	if err != nil {
		s.fail()
		return nil, asError(err)
	}
	return p, nil
}

func (s *Session) bind(ctx context.Context, portal, statement string, params []Param, resultFormats []int16) (_ *Portal, err error) {
	defer s.engine.rescue(&err)
	st, err := s.Statement(statement)
	if err != nil {
		return nil, err
	}
	if len(params) != len(st.params) {
		return nil, types.Errorf(types.CodeProtocolViolation, "bind message supplies %d parameters, but prepared statement %q requires %d",
			len(params), statement, len(st.params))
	}
	if n := len(resultFormats); n > 1 && n != len(st.columns) {
		return nil, types.Errorf(types.CodeProtocolViolation, "bind message has %d result formats but query has %d columns", n, len(st.columns))
	}
	for _, f := range resultFormats {
		if f != 0 && f != 1 {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "unsupported format code: %d", f)
		}
	}
	if st.parsed != nil {
		if err := s.admit(st.parsed); err != nil {
			return nil, err
		}
	}
	values := make([]any, len(params))
	for i, p := range params {
		if values[i], err = s.readParam(p, st.params[i]); err != nil {
			e := *asError(err)
			if e.Where == "" {
				e.Where = "portal parameter $" + strconv.Itoa(i+1)
			}
			return nil, &e
		}
	}
	if s.portals[portal] != nil {
		if portal != "" {
			return nil, types.Errorf(types.CodeDuplicateCursor, "cursor %q already exists", portal)
		}
		s.ClosePortal("")
	}
	s.open()
	p := &Portal{name: portal, statement: st, params: values, columns: st.columns, formats: resultFormats, made: s.engine.now(), text: st.text}
	s.portals[portal] = p
	return p, nil
}

func (s *Session) readParam(p Param, t types.Type) (any, error) {
	switch {
	case p.Null:
		return nil, nil
	case p.Binary:
		return types.ParseBinary(t, p.Value)
	}
	if out, ok := objectNames[t.OID]; ok { // an object by its name or number
		return s.call(s.ctx, strings.TrimSuffix(out, "out")+"in", []any{string(p.Value)})
	}
	return types.ParseText(t, string(p.Value), s.Style())
}

// Portal finds a portal, which may be a cursor: 34000 when there is none.
func (s *Session) Portal(name string) (*Portal, error) {
	if p := s.portals[name]; p != nil {
		return p, nil
	}
	return nil, types.Errorf(types.CodeInvalidCursorName, "portal %q does not exist", name)
}

// ClosePortal ends a portal. It is no error when there is none.
func (s *Session) ClosePortal(name string) {
	if p := s.portals[name]; p != nil {
		p.stop()
		delete(s.portals, name)
	}
}

// closePortals ends the portals of the transaction; held cursors of earlier ones live on.
func (s *Session) closePortals() {
	for name, p := range s.portals {
		if !p.held {
			p.stop()
			delete(s.portals, name)
		}
	}
}

// stop gives back what a portal holds.
func (p *Portal) stop() {
	if p.out != nil {
		p.out.close()
	}
	if p.end != nil {
		p.end(nil)
	}
	p.done = true
}

// spoolPortals reads the rest of every open portal aside, because what comes next changes what they read from.
func (s *Session) spoolPortals() error {
	for _, p := range s.portals {
		if err := s.spoolPortal(p); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) spoolPortal(p *Portal) error {
	if p.out == nil || p.out.rows == nil || p.done {
		return nil
	}
	rows, err := spoolRows(p.out.rows, p.columns, s.engine.tempDir)
	if err != nil {
		return err
	}
	p.out.rows = rows
	return nil
}

// holdCursors reads aside the rows of cursors WITH HOLD, which live on after the commit, and lists them.
func (s *Session) holdCursors() (held []*Portal, err error) {
	for _, p := range s.portals {
		if p.hold && !p.held {
			if err := s.spoolPortal(p); err != nil {
				return held, err
			}
			p.held = true
			held = append(held, p)
		}
	}
	return held, nil
}

// Execute runs a portal until it ends or has given maxRows rows (0: all); it then is suspended and goes on at the next
// Execute. A portal that has ended gives no rows, or 55000 when it is no query.
func (s *Session) Execute(ctx context.Context, portal string, maxRows int, w ResultWriter) (suspended bool, err error) {
	p, err := s.Portal(portal)
	if err != nil {
		s.fail()
		return false, err
	}
	if p.statement != nil && p.statement.parsed == nil {
		return false, wrapped(w.Empty())
	}
	stmt, done := s.statementContext(ctx)
	defer done()
	suspended, err = s.execute(stmt, p, maxRows, w)
	if err != nil {
		err = causeOf(stmt, err)
		s.fail()
		return false, asError(err)
	}
	return suspended, nil
}

func (s *Session) execute(ctx context.Context, p *Portal, maxRows int, w ResultWriter) (suspended bool, err error) {
	defer s.engine.rescue(&err)
	if p.done && p.columns == nil {
		return false, types.Errorf(types.CodeObjectNotInPrerequisiteState, "portal %q cannot be run", p.name)
	}
	if p.out == nil {
		if err := s.startPortal(ctx, p, w); err != nil {
			return false, err
		}
	}
	if p.columns == nil {
		p.done = true
		return false, w.Complete(p.out.tag)
	}
	unlink := p.follow(ctx)
	defer unlink()
	n := int64(0)
	for maxRows <= 0 || n < int64(maxRows) {
		row, err := p.next()
		if errors.Is(err, io.EOF) {
			return false, w.Complete(p.out.finalTag(n))
		}
		if err != nil {
			return false, err
		}
		if err := w.Row(row); err != nil {
			return false, err
		}
		n++
	}
	return true, nil
}

// startPortal runs a portal's statement up to its first row.
func (s *Session) startPortal(ctx context.Context, p *Portal, w ResultWriter) error {
	st := p.statement
	if err := s.admit(st.parsed); err != nil {
		return err
	}
	s.setQuery(st.text)
	if err := s.startStatement(st.parsed); err != nil {
		return err
	}
	a, err := s.meaning(ctx, st)
	if err != nil {
		return err
	}
	if !sameTypes(a.columns, st.columns) {
		return types.Errorf(types.CodeFeatureNotSupported, "cached plan must not change result type")
	}
	x := &execution{session: s, analyzed: a, params: p.params, text: st.text, ctx: ctx,
		binary: func(i int) bool { return p.Format(i) == 1 }}
	if a.plan.Road != plan.RoadDirect { // whose rows are all there when it has run
		p.live(s)
		unlink := p.follow(ctx)
		defer unlink()
		if a.columns != nil { // its rows may be fetched by a later Execute
			x.ctx = p.life
		}
	}
	if p.out, err = s.runReplayable(x, w); err != nil {
		p.stop()
		return err
	}
	return nil
}

// live gives a portal a context of its own, which may outlive the Execute that started it.
func (p *Portal) live(s *Session) { p.life, p.end = context.WithCancelCause(s.ctx) }

// follow makes the portal's context end with ctx while an Execute is under way.
func (p *Portal) follow(ctx context.Context) (unlink func()) {
	if p.life == nil {
		return func() {}
	}
	stop := context.AfterFunc(ctx, func() { p.end(context.Cause(ctx)) })
	return func() { stop() }
}

// next gives the next row.
func (p *Portal) next() ([]any, error) {
	if p.done || p.out.rows == nil {
		return nil, io.EOF
	}
	row, err := p.out.rows.Next()
	if err != nil {
		if _, rewinds := p.out.rows.(*tape); !rewinds || !errors.Is(err, io.EOF) {
			p.done = true
		}
		return nil, err
	}
	p.at++
	return row, nil
}

// Sync ends a segment of the extended protocol: the implicit transaction is committed. An error of the commit is to be
// reported before ReadyForQuery.
func (s *Session) Sync(ctx context.Context) error {
	if s.txn.state != txnImplicit {
		s.setActivity()
		return nil
	}
	stmt, done := ctx, func() {}
	if s.txn.batch != nil && !s.txn.batch.Empty() {
		stmt, done = s.statementContext(ctx)
	}
	defer done()
	_, err := s.commitTxn(stmt)
	s.setActivity()
	if err != nil {
		return asError(causeOf(stmt, err))
	}
	return nil
}
