package sql

import (
	"context"

	"engram/sql/types"
)

type Statement struct {
	name    string
	params  []types.Type
	columns []Column
}

func (st *Statement) Name() string         { return st.name }
func (st *Statement) Params() []types.Type { return st.params }
func (st *Statement) Columns() []Column    { return st.columns }

type Portal struct {
	columns []Column
	formats []int16
}

func (p *Portal) Columns() []Column { return p.columns }
func (p *Portal) Formats() []int16  { return p.formats }

var errPending = unsupportedYet()

func unsupportedYet() *Error { return types.Errorf(types.CodeFeatureNotSupported, "not yet") }

func (s *Session) Query(ctx context.Context, text string, w ResultWriter) error { return errPending }
func (s *Session) Prepare(ctx context.Context, name, text string, paramOIDs []uint32) (*Statement, error) {
	return nil, errPending
}
func (s *Session) Statement(name string) (*Statement, error) { return nil, errPending }
func (s *Session) Bind(ctx context.Context, portal, statement string, params []Param, resultFormats []int16) (*Portal, error) {
	return nil, errPending
}
func (s *Session) Portal(name string) (*Portal, error) { return nil, errPending }
func (s *Session) Execute(ctx context.Context, portal string, maxRows int, w ResultWriter) (suspended bool, err error) {
	return false, errPending
}
func (s *Session) CloseStatement(name string)     {}
func (s *Session) ClosePortal(name string)        {}
func (s *Session) Sync(ctx context.Context) error { return errPending }
func (s *Session) closePortals(all bool)          {}
func (s *Session) spoolPortals() error            { return nil }
func (s *Session) holdCursors() error             { return nil }

type planCache struct{}

func newPlanCache() *planCache { return nil }

type token struct{}
type tokens struct{}

func (t *tokens) open(s *Session) *token { return nil }
func (t *tokens) close(*token)           {}

type engineDuck struct{}

func (e *Engine) openDuck() error       { return nil }
func (e *Engine) closeDuck() error      { return nil }
func columnValueError(err error) *Error { return nil }
