package wire

import (
	"context"

	"engram/sql"
	"engram/sql/types"
)

// Engine runs the statements of the server's clients. Its methods are called concurrently. Of makes one from an
// *sql.Engine.
type Engine interface {
	// NewSession starts a session for a role that has proved who it is. ctx bounds the whole session.
	NewSession(ctx context.Context, o sql.SessionOptions) (Session, error)
	// Role finds a role by name; false means that there is none.
	Role(name string) (*sql.Role, bool, error)
}

// Session is one client's conversation with the engine, as *sql.Session documents it. One goroutine uses it, but for
// Cancel, Notifications and Notified.
type Session interface {
	PID() int32
	Query(ctx context.Context, text string, w sql.ResultWriter) error
	Prepare(ctx context.Context, name, text string, paramOIDs []uint32) (Statement, error)
	Statement(name string) (Statement, error)
	Bind(ctx context.Context, portal, statement string, params []sql.Param, resultFormats []int16) (Portal, error)
	Portal(name string) (Portal, error)
	Execute(ctx context.Context, portal string, maxRows int, w sql.ResultWriter) (suspended bool, err error)
	CloseStatement(name string)
	ClosePortal(name string)
	Sync(ctx context.Context) error
	Fail()
	Status() byte
	Cancel()
	ParameterChanges() []sql.Parameter
	Notifications() []sql.Notification
	Notified() <-chan struct{}
	Style() *types.Style
	Close()
}

// Statement is a prepared statement.
type Statement interface {
	Params() []types.Type
	Columns() []sql.Column // nil: returns no rows
}

// Portal is a bound statement.
type Portal interface {
	Columns() []sql.Column // nil: returns no rows
	Formats() []int16      // none: all text; one: for all columns; else one a column
}

// Of gives the Engine that a server needs.
func Of(e *sql.Engine) Engine { return engine{e} }

type engine struct{ *sql.Engine }

func (e engine) NewSession(ctx context.Context, o sql.SessionOptions) (Session, error) {
	s, err := e.Engine.NewSession(ctx, o)
	if err != nil {
		return nil, err
	}
	return session{s}, nil
}

// session turns the concrete results of *sql.Session into the interfaces above; a nil must stay nil.
type session struct{ *sql.Session }

func (s session) Prepare(ctx context.Context, name, text string, paramOIDs []uint32) (Statement, error) {
	st, err := s.Session.Prepare(ctx, name, text, paramOIDs)
	if err != nil {
		return nil, err
	}
	return st, nil
}

func (s session) Statement(name string) (Statement, error) {
	st, err := s.Session.Statement(name)
	if err != nil {
		return nil, err
	}
	return st, nil
}

func (s session) Bind(ctx context.Context, portal, statement string, params []sql.Param, resultFormats []int16) (Portal, error) {
	p, err := s.Session.Bind(ctx, portal, statement, params, resultFormats)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (s session) Portal(name string) (Portal, error) {
	p, err := s.Session.Portal(name)
	if err != nil {
		return nil, err
	}
	return p, nil
}
