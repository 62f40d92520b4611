package sql

import (
	"context"
	"errors"
	"io"
	"strconv"

	"engram/db"
	"engram/sql/internal/plan"
)

// execution is one run of an analysed statement.
type execution struct {
	session  *Session
	analyzed *analyzed
	params   []any
	text     string
	ctx      context.Context       // lives until the outcome is closed
	binary   func(column int) bool // whether the client takes a column in binary; nil: none
	report   *searchReport         // filled with what a search did, when not nil
}

// outcome is what running a statement gives.
type outcome struct {
	columns []Column
	rows    rowSource // nil when the statement returns no rows
	tag     string
	counted bool // the number of rows sent belongs behind the tag
}

// finalTag is the command tag after n rows were sent.
func (o *outcome) finalTag(n int64) string {
	if o.counted {
		return o.tag + " " + strconv.FormatInt(n, 10)
	}
	return o.tag
}

func (o *outcome) close() {
	if o.rows != nil {
		o.rows.Close()
	}
}

// Query runs the statements of a text as the simple protocol does: outside of a transaction block they are one implicit
// transaction, and the first error ends it and the text. The error is always an *Error.
func (s *Session) Query(ctx context.Context, text string, w ResultWriter) error {
	s.setQuery(text)
	defer s.setActivity()
	s.ClosePortal("")
	s.CloseStatement("")
	stmt, done := s.statementContext(ctx)
	defer done()
	err := s.queryAll(stmt, text, w)
	if err != nil {
		err = asError(causeOf(stmt, err))
		s.fail()
		return err
	}
	return nil
}

func (s *Session) queryAll(ctx context.Context, text string, w ResultWriter) (err error) {
	defer s.engine.rescue(&err)
	all, err := s.engine.plans.parse(text)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return w.Empty()
	}
	for i, st := range all {
		if err := s.queryOne(ctx, st, len(all), i == len(all)-1, w); err != nil {
			return err
		}
	}
	return nil
}

// queryOne runs one statement. The last one's tag is sent after the implicit transaction is committed, as a promise kept.
func (s *Session) queryOne(ctx context.Context, st *plan.Statement, count int, last bool, w ResultWriter) error {
	if err := s.admit(st); err != nil {
		return err
	}
	if err := s.startStatement(st); err != nil {
		return err
	}
	a, err := s.analyze(ctx, st, nil)
	if err != nil {
		return err
	}
	if len(a.params) > 0 {
		return undefinedParameter(1)
	}
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	x := &execution{session: s, analyzed: a, text: st.Text, ctx: life}
	var out *outcome
	if count == 1 {
		out, err = s.runReplayable(x, w)
	} else {
		out, err = s.run(x, w)
	}
	if err != nil {
		return err
	}
	defer out.close()
	n, err := s.send(out, w)
	if err != nil {
		return err
	}
	out.close()
	if last && s.txn.state == txnImplicit {
		if _, err := s.commitTxn(ctx); err != nil {
			return err
		}
	}
	return w.Complete(out.finalTag(n))
}

// send writes all rows of an outcome.
func (s *Session) send(out *outcome, w ResultWriter) (n int64, err error) {
	if out.rows == nil {
		return 0, nil
	}
	if err := w.Describe(out.columns); err != nil {
		return 0, err
	}
	for {
		row, err := out.rows.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if err := w.Row(row); err != nil {
			return n, err
		}
		n++
	}
}

// startStatement opens a transaction when there is none and gives the statement its snapshot.
func (s *Session) startStatement(st *plan.Statement) error {
	if s.txn.state == txnFailed || st.Kind == plan.KindExit || st.Kind == plan.KindControl {
		return s.open()
	}
	s.open()
	if st.Kind != plan.KindBegin {
		if err := s.freshen(); err != nil {
			return err
		}
	}
	return nil
}

// run runs a statement up to its first row.
func (s *Session) run(x *execution, w ResultWriter) (*outcome, error) {
	p := x.analyzed.plan
	if p.Road != plan.RoadUtility {
		s.txn.ran++
	}
	if p.Writes {
		if err := s.mayWrite(p.Tag); err != nil {
			return nil, err
		}
		if err := s.spoolPortals(); err != nil {
			return nil, err
		}
	}
	s.txn.replay = nil
	out, err := s.runRoad(x, w)
	if err == nil {
		s.spellObjects(x, out)
	}
	return out, err
}

func (s *Session) runRoad(x *execution, w ResultWriter) (*outcome, error) {
	switch x.analyzed.plan.Road {
	case plan.RoadDirect:
		return s.runDirect(x)
	case plan.RoadDuck:
		return s.runDuck(x)
	case plan.RoadDML:
		return s.runDML(x)
	}
	return s.runUtility(x, w)
}

// runReplayable runs what may be an implicit transaction's only statement: when its commit meets a conflict it is run
// again over a newer snapshot, unless that gives the client another answer than it was told.
func (s *Session) runReplayable(x *execution, w ResultWriter) (*outcome, error) {
	first := s.txn.ran == 0
	out, err := s.run(x, w)
	if err != nil && errors.Is(err, db.ErrConflict) && first && s.txn.state == txnImplicit && x.analyzed.plan.Road == plan.RoadDML {
		out, err = s.rerun(x)
	}
	if err != nil || x.analyzed.plan.Road != plan.RoadDML || !first || s.txn.state != txnImplicit {
		return out, err
	}
	told := *out
	var rows [][]any
	if l, ok := out.rows.(*listed); ok {
		rows = l.rows
	}
	again := *x
	s.txn.replay = &replay{run: func(ctx context.Context) (bool, error) {
		again.ctx = ctx
		next, err := s.runDML(&again)
		if err != nil {
			return false, err
		}
		defer next.close()
		if next.tag != told.tag {
			return false, nil
		}
		l, ok := next.rows.(*listed)
		return !ok || sameRows(rows, l.rows, x.analyzed.columns), nil
	}}
	return out, nil
}

// rerun tries a statement that met a conflict while it ran.
func (s *Session) rerun(x *execution) (out *outcome, err error) {
	for range maxReplays {
		if s.txn.batch != nil {
			s.txn.batch.Close()
			s.txn.batch = nil
		}
		if out, err = s.runDML(x); !errors.Is(err, db.ErrConflict) {
			return out, err
		}
	}
	return out, err
}
