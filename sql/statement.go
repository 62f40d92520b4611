package sql

import (
	"context"
	"slices"
	"time"

	"engram/sql/internal/plan"
	"engram/sql/types"
)

// Statement is a prepared statement. It belongs to its session.
type Statement struct {
	name     string
	text     string
	parsed   *plan.Statement // nil: the text was empty
	declared []uint32
	params   []types.Type
	columns  []Column
	made     time.Time
	fromSQL  bool // by PREPARE
	last     remembered
}

// remembered is the meaning that a prepared statement had when it was run last, and under what.
type remembered struct {
	analyzed          *analyzed
	defined, settings uint64
}

// meaning is analyze for a prepared statement: while no definition and no setting has changed, it is what it was.
func (s *Session) meaning(ctx context.Context, st *Statement) (*analyzed, error) {
	since, ok := s.batch().Defined()
	ok = ok && s.txn.ddl == 0
	if ok && st.last.analyzed != nil && st.last.defined == since && st.last.settings == s.settings.version {
		return st.last.analyzed, nil
	}
	a, err := s.analyze(ctx, st.parsed, st.declared)
	if err == nil && ok && a.scope != nil {
		st.last = remembered{a, since, s.settings.version}
	}
	return a, err
}

// Name is the name it was prepared under, "" for the unnamed one.
func (st *Statement) Name() string { return st.name }

// Params are the types of $1..$n.
func (st *Statement) Params() []types.Type { return st.params }

// Columns describes the rows it returns; nil when it returns none.
func (st *Statement) Columns() []Column { return st.columns }

// Prepare parses and analyses one statement under a name; "" is the unnamed statement, which it replaces. paramOIDs
// declare types of the first parameters, 0 leaves one to be inferred. Nothing is executed.
func (s *Session) Prepare(ctx context.Context, name, text string, paramOIDs []uint32) (*Statement, error) {
	st, err := s.prepare(ctx, name, text, paramOIDs, false)
	if err != nil {
		s.fail()
		return nil, asError(err)
	}
	return st, nil
}

func (s *Session) prepare(ctx context.Context, name, text string, paramOIDs []uint32, fromSQL bool) (_ *Statement, err error) {
	defer s.engine.rescue(&err)
	if name != "" && s.statements[name] != nil {
		return nil, types.Errorf(types.CodeDuplicatePreparedStatement, "prepared statement %q already exists", name)
	}
	all, err := s.engine.plans.parse(text)
	if err != nil {
		return nil, err
	}
	st := &Statement{name: name, text: text, declared: slices.Clone(paramOIDs), made: s.engine.now(), fromSQL: fromSQL}
	switch len(all) {
	case 0:
		for _, oid := range paramOIDs {
			st.params = append(st.params, types.Of(oid))
		}
	case 1:
		if err := s.define(ctx, st, all[0]); err != nil {
			return nil, err
		}
	default:
		return nil, types.Errorf(types.CodeSyntaxError, "cannot insert multiple commands into a prepared statement")
	}
	s.statements[name] = st
	return st, nil
}

// define gives a prepared statement its meaning.
func (s *Session) define(ctx context.Context, st *Statement, parsed *plan.Statement) error {
	st.parsed = parsed
	if err := s.admit(parsed); err != nil {
		return err
	}
	ctx, done := s.statementContext(ctx)
	defer done()
	s.open()
	a, err := s.analyze(ctx, parsed, st.declared)
	if err != nil {
		return err
	}
	st.params, st.columns = a.params, a.columns
	return nil
}

// admit answers 25P02 to everything but the end of a failed transaction.
func (s *Session) admit(st *plan.Statement) error {
	if s.txn.state == txnFailed && st.Kind != plan.KindExit {
		return types.Errorf(types.CodeInFailedSQLTransaction,
			"current transaction is aborted, commands ignored until end of transaction block")
	}
	return nil
}

// Statement finds a prepared statement: 26000 when there is none.
func (s *Session) Statement(name string) (*Statement, error) {
	if st := s.statements[name]; st != nil {
		return st, nil
	}
	if name == "" {
		return nil, types.Errorf(types.CodeInvalidSQLStatementName, "unnamed prepared statement does not exist")
	}
	return nil, types.Errorf(types.CodeInvalidSQLStatementName, "prepared statement %q does not exist", name)
}

// CloseStatement forgets a prepared statement; portals made from it live on. It is no error when there is none.
func (s *Session) CloseStatement(name string) { delete(s.statements, name) }

// analyze gives a parsed statement its meaning in the session, from the cache where it still holds.
func (s *Session) analyze(ctx context.Context, st *plan.Statement, declared []uint32) (*analyzed, error) {
	key := ""
	if len(st.Text) <= cachedTextBytes && st.Kind != plan.KindUtility {
		key = s.planKey(st, declared)
		if a, ok := s.engine.plans.analyzed.get(key); ok {
			if same, err := a.scope.holds(s); err != nil {
				return nil, err
			} else if same {
				return a, nil
			}
		}
	}
	sc := s.scope()
	p, err := plan.Analyze(st, sc, declared)
	if err != nil {
		return nil, err
	}
	a := &analyzed{plan: p, params: slices.Clone(p.Params), scope: sc}
	if err := s.resolveTypes(ctx, a); err != nil {
		return nil, err
	}
	sc.session, sc.reader = nil, nil
	if key != "" {
		s.engine.plans.analyzed.put(key, a)
	}
	return a, nil
}

// resolveTypes fills in what the analyser left open: DuckDB's word, else text.
func (s *Session) resolveTypes(ctx context.Context, a *analyzed) error {
	p := a.plan
	a.columns = columnsOf(p.Columns)
	if p.Road == plan.RoadUtility {
		if a.columns = s.utilityColumns(ctx, p); a.columns == nil {
			return nil
		}
	}
	open := slices.ContainsFunc(a.params, func(t types.Type) bool { return t.OID == 0 }) ||
		slices.ContainsFunc(a.columns, func(c Column) bool { return c.Type.OID == 0 })
	if open && p.DuckSQL != "" {
		if err := s.askDuck(ctx, a); err != nil {
			return err
		}
	}
	for i := range a.params {
		if a.params[i].OID == 0 || a.params[i].OID == types.UnknownOID {
			a.params[i] = types.Of(types.TextOID)
		}
	}
	for i := range a.columns {
		if a.columns[i].Type.OID == 0 || a.columns[i].Type.OID == types.UnknownOID {
			a.columns[i].Type = types.Of(types.TextOID)
		}
	}
	return nil
}

func columnsOf(in []plan.PlanColumn) []Column {
	if in == nil {
		return nil
	}
	out := make([]Column, len(in))
	for i, c := range in {
		out[i] = Column{Name: c.Name, Type: c.Type, TableOID: c.TableOID, AttNum: c.AttNum}
	}
	return out
}

func sameTypes(a, b []Column) bool {
	return slices.EqualFunc(a, b, func(x, y Column) bool { return x.Type.OID == y.Type.OID && x.Name == y.Name })
}
