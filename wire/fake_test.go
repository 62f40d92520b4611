package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"engram/sql"
	"engram/sql/types"
)

// fakeEngine runs a small language of its own, one word a behaviour of the protocol:
//
//	rows N | big N | echo OID | error CODE text | fatal | panic | sleep | notice text | set name value | notify text
//	begin | commit | rollback | copyin | copyout N | badrow | none | ints N (both result formats)
type fakeEngine struct {
	mu       sync.Mutex
	roles    map[string]*sql.Role
	sessions map[*fakeSession]bool
	next     int32
	closed   atomic.Int32
}

func newFake() *fakeEngine {
	return &fakeEngine{roles: map[string]*sql.Role{}, sessions: map[*fakeSession]bool{}, next: 41}
}

func (e *fakeEngine) withRole(name, password string) *fakeEngine {
	verifier, err := sql.NewVerifier(password)
	if err != nil {
		panic(err)
	}
	e.roles[name] = &sql.Role{Name: name, Verifier: verifier, Login: true}
	return e
}

func (e *fakeEngine) Role(name string) (*sql.Role, bool, error) {
	r, ok := e.roles[name]
	return r, ok, nil
}

func (e *fakeEngine) NewSession(ctx context.Context, o sql.SessionOptions) (Session, error) {
	if o.User == "nobody" {
		return nil, fatal(types.CodeInvalidAuthorizationSpec, "role \"nobody\" does not exist")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	s := &fakeSession{engine: e, o: o, ctx: ctx, pid: e.next, status: 'I', statements: map[string]*fakeStatement{},
		portals: map[string]*fakePortal{}, notified: make(chan struct{}, 1), style: &types.Style{},
		changes: []sql.Parameter{{Name: "server_version", Value: "15.0"}, {Name: "client_encoding", Value: "UTF8"},
			{Name: "integer_datetimes", Value: "on"}, {Name: "standard_conforming_strings", Value: "on"}}}
	e.sessions[s] = true
	return s, nil
}

type fakeSession struct {
	engine     *fakeEngine
	o          sql.SessionOptions
	ctx        context.Context
	pid        int32
	status     byte
	failed     bool // within a segment of the extended protocol
	statements map[string]*fakeStatement
	portals    map[string]*fakePortal
	changes    []sql.Parameter
	notified   chan struct{}
	style      *types.Style

	mu      sync.Mutex
	waiting []sql.Notification
	cancel  context.CancelFunc
}

type fakeStatement struct {
	text    string
	params  []types.Type
	columns []sql.Column
}

func (s *fakeStatement) Params() []types.Type  { return s.params }
func (s *fakeStatement) Columns() []sql.Column { return s.columns }

type fakePortal struct {
	*fakeStatement
	formats []int16
	values  []any
	done    int
}

func (p *fakePortal) Formats() []int16 { return p.formats }

func (s *fakeSession) PID() int32                 { return s.pid }
func (s *fakeSession) Status() byte               { return s.status }
func (s *fakeSession) Style() *types.Style        { return s.style }
func (s *fakeSession) Notified() <-chan struct{}  { return s.notified }
func (s *fakeSession) CloseStatement(name string) { delete(s.statements, name) }
func (s *fakeSession) ClosePortal(name string)    { delete(s.portals, name) }
func (s *fakeSession) Fail()                      { s.failed = true; s.fail() }
func (s *fakeSession) fail() {
	if s.status == 'T' {
		s.status = 'E'
	}
}

func (s *fakeSession) ParameterChanges() []sql.Parameter {
	c := s.changes
	s.changes = nil
	return c
}

func (s *fakeSession) Notifications() []sql.Notification {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.waiting
	s.waiting = nil
	return n
}

func (s *fakeSession) Cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
}

func (s *fakeSession) Close() {
	s.engine.mu.Lock()
	delete(s.engine.sessions, s)
	s.engine.mu.Unlock()
	s.engine.closed.Add(1)
}

func (s *fakeSession) Query(ctx context.Context, text string, w sql.ResultWriter) error {
	if strings.TrimSpace(text) == "" {
		return w.Empty()
	}
	for part := range strings.SplitSeq(text, ";") {
		st := plan(strings.TrimSpace(part), nil)
		if st.columns != nil {
			if err := w.Describe(st.columns); err != nil {
				return err
			}
		}
		p := &fakePortal{fakeStatement: st}
		if _, err := s.run(ctx, p, 0, w); err != nil {
			s.fail()
			return err
		}
	}
	return nil
}

// plan gives the columns and parameters of a statement.
func plan(text string, oids []uint32) *fakeStatement {
	st := &fakeStatement{text: text}
	word, arg, _ := strings.Cut(text, " ")
	column := func(name string, oid uint32) sql.Column { return sql.Column{Name: name, Type: types.Of(oid)} }
	switch word {
	case "rows", "badrow":
		st.columns = []sql.Column{column("n", types.Int8OID)}
	case "big":
		st.columns = []sql.Column{column("n", types.Int8OID), column("t", types.TextOID)}
	case "ints":
		st.columns = []sql.Column{column("a", types.Int4OID), column("b", types.Int4OID), column("c", types.TextOID)}
	case "none":
		st.columns = []sql.Column{}
	case "echo":
		n, _ := strconv.ParseUint(arg, 10, 32)
		st.params = []types.Type{types.Of(uint32(n))}
		st.columns = []sql.Column{column("echo", uint32(n))}
	}
	return st
}

func (s *fakeSession) Prepare(ctx context.Context, name, text string, oids []uint32) (Statement, error) {
	if strings.HasPrefix(text, "syntax") {
		return nil, types.Errorf(types.CodeSyntaxError, "syntax error").At(3)
	}
	if name != "" && s.statements[name] != nil {
		return nil, types.Errorf(types.CodeDuplicatePreparedStatement, "prepared statement %q already exists", name)
	}
	s.statements[name] = plan(text, oids)
	return s.statements[name], nil
}

func (s *fakeSession) Statement(name string) (Statement, error) {
	if st := s.statements[name]; st != nil {
		return st, nil
	}
	return nil, types.Errorf(types.CodeInvalidSQLStatementName, "prepared statement %q does not exist", name)
}

func (s *fakeSession) Portal(name string) (Portal, error) {
	if p := s.portals[name]; p != nil {
		return p, nil
	}
	return nil, types.Errorf(types.CodeInvalidCursorName, "portal %q does not exist", name)
}

func (s *fakeSession) Bind(ctx context.Context, portal, statement string, params []sql.Param, formats []int16) (Portal, error) {
	st := s.statements[statement]
	if st == nil {
		return nil, types.Errorf(types.CodeInvalidSQLStatementName, "prepared statement %q does not exist", statement)
	}
	if len(params) != len(st.params) {
		return nil, types.Errorf(types.CodeProtocolViolation, "bind message supplies %d parameters, but prepared statement %q requires %d",
			len(params), statement, len(st.params))
	}
	p := &fakePortal{fakeStatement: st, formats: append([]int16(nil), formats...)}
	for i, param := range params {
		var v any
		var err error
		switch {
		case param.Null:
		case param.Binary:
			v, err = types.ParseBinary(st.params[i], param.Value)
		default:
			v, err = types.ParseText(st.params[i], string(param.Value), s.style)
		}
		if err != nil {
			return nil, err
		}
		p.values = append(p.values, v)
	}
	s.portals[portal] = p
	return p, nil
}

func (s *fakeSession) Execute(ctx context.Context, portal string, most int, w sql.ResultWriter) (bool, error) {
	p := s.portals[portal]
	if p == nil {
		return false, types.Errorf(types.CodeInvalidCursorName, "portal %q does not exist", portal)
	}
	if p.text == "" {
		return false, w.Empty()
	}
	suspended, err := s.run(ctx, p, most, w)
	if err != nil {
		s.fail()
	}
	return suspended, err
}

func (s *fakeSession) Sync(ctx context.Context) error {
	s.failed = false
	if s.status == 'I' {
		clear(s.portals)
	}
	return nil
}

// run executes one statement.
func (s *fakeSession) run(ctx context.Context, p *fakePortal, most int, w sql.ResultWriter) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.cancel = cancel
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.cancel = nil
		s.mu.Unlock()
		cancel()
	}()
	word, arg, _ := strings.Cut(p.text, " ")
	n, _ := strconv.Atoi(arg)
	if s.status == 'E' && word != "rollback" && word != "commit" {
		return false, types.Errorf(types.CodeInFailedSQLTransaction, "current transaction is aborted, commands ignored until end of transaction block")
	}
	switch word {
	case "rows", "big", "ints":
		return s.rows(ctx, p, word, n, most, w)
	case "badrow":
		if err := w.Row([]any{int64(1)}); err != nil {
			return false, err
		}
		return false, w.Row([]any{"not a number"})
	case "none":
		if err := w.Row(nil); err != nil {
			return false, err
		}
		return false, w.Complete("SELECT 1")
	case "echo":
		if err := w.Row(p.values); err != nil {
			return false, err
		}
		return false, w.Complete("SELECT 1")
	case "sleep":
		<-ctx.Done()
		return false, types.Errorf(types.CodeQueryCanceled, "canceling statement due to user request")
	case "copyin":
		return false, s.copyIn(arg, w)
	case "copyout":
		return false, s.copyOut(n, w)
	}
	return false, s.command(word, arg, w)
}

func (s *fakeSession) rows(ctx context.Context, p *fakePortal, word string, n, most int, w sql.ResultWriter) (bool, error) {
	sent := 0
	for ; p.done < n; p.done++ {
		if most > 0 && sent == most {
			return true, nil
		}
		if ctx.Err() != nil {
			return false, types.Errorf(types.CodeQueryCanceled, "canceling statement due to user request")
		}
		row := []any{int64(p.done)}
		switch word {
		case "big":
			row = append(row, strings.Repeat("x", 1000))
		case "ints":
			row = []any{int64(p.done), int64(-p.done), nil}
		}
		if err := w.Row(row); err != nil {
			return false, err
		}
		sent++
	}
	return false, w.Complete(fmt.Sprintf("SELECT %d", sent))
}

func (s *fakeSession) copyIn(arg string, w sql.ResultWriter) error {
	r, err := w.CopyIn(sql.CopyFormat{Columns: 2, Binary: arg == "binary"})
	if err != nil {
		return err
	}
	switch arg {
	case "reject":
		return types.Errorf(types.CodeBadCopyFileFormat, "no thanks")
	case "early":
		return w.Complete("COPY 0")
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return w.Complete(fmt.Sprintf("COPY %d", len(data)))
}

func (s *fakeSession) copyOut(n int, w sql.ResultWriter) error {
	out, err := w.CopyOut(sql.CopyFormat{Columns: 1})
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := fmt.Fprintf(out, "line %d\n", i); err != nil {
			return err
		}
	}
	return w.Complete(fmt.Sprintf("COPY %d", n))
}

func (s *fakeSession) command(word, arg string, w sql.ResultWriter) error {
	switch word {
	case "begin":
		s.status = 'T'
	case "commit", "rollback":
		s.status = 'I'
	case "error":
		code, text, _ := strings.Cut(arg, " ")
		return types.Errorf(code, "%s", text).WithDetail("the detail").WithHint("the hint").At(7)
	case "plainerror":
		return errors.New("plain \x00 \xff text")
	case "fatal":
		return fatal(types.CodeAdminShutdown, "go away")
	case "panic":
		panic("a statement panicked")
	case "notice":
		e := types.Errorf(types.CodeWarning, "%s", arg)
		e.Severity = "NOTICE"
		s.o.Notice(e)
	case "set":
		name, value, _ := strings.Cut(arg, " ")
		s.changes = append(s.changes, sql.Parameter{Name: name, Value: value})
	case "notify":
		s.engine.mu.Lock()
		defer s.engine.mu.Unlock()
		for other := range s.engine.sessions {
			other.mu.Lock()
			other.waiting = append(other.waiting, sql.Notification{PID: s.pid, Channel: "c", Payload: arg})
			other.mu.Unlock()
			select {
			case other.notified <- struct{}{}:
			default:
			}
		}
	default:
		return types.Errorf(types.CodeSyntaxError, "syntax error at or near %q", word)
	}
	return w.Complete(strings.ToUpper(word))
}
