package sql

import (
	"context"
	"errors"
	"io"
	"strconv"

	"engram/sql/internal/plan"
	"engram/sql/types"
)

// runPrepared runs PREPARE, EXECUTE, DEALLOCATE and what concerns cursors.
func (s *Session) runPrepared(x *execution, out *outcome, w ResultWriter) (bool, error) {
	switch u := x.analyzed.plan.Utility.(type) {
	case *plan.Prepare:
		return true, s.prepareCommand(x, u)
	case *plan.Execute:
		return true, s.executeCommand(x, u, out, w)
	case *plan.Deallocate:
		return true, s.deallocate(u, out)
	case *plan.DeclareCursor:
		return true, s.declare(x, u)
	case *plan.Fetch:
		return true, s.fetch(x, u, out)
	case *plan.CloseCursor:
		return true, s.closeCursor(u, out)
	}
	return false, nil
}

func (s *Session) prepareCommand(x *execution, u *plan.Prepare) error {
	if s.statements[u.Name] != nil {
		return types.Errorf(types.CodeDuplicatePreparedStatement, "prepared statement %q already exists", u.Name)
	}
	declared := make([]uint32, len(u.Types))
	for i, t := range u.Types {
		declared[i] = t.OID
	}
	st := &Statement{name: u.Name, text: x.text, declared: declared, made: s.engine.now(), fromSQL: true}
	if err := s.define(x.ctx, st, u.Statement); err != nil {
		return err
	}
	s.statements[u.Name] = st
	return nil
}

// executeCommand runs a prepared statement with the values of EXECUTE's arguments.
func (s *Session) executeCommand(x *execution, u *plan.Execute, out *outcome, w ResultWriter) error {
	st, err := s.Statement(u.Name)
	if err != nil {
		return err
	}
	if len(u.Args) != len(st.params) {
		return types.Errorf(types.CodeSyntaxError, "wrong number of parameters for prepared statement %q", u.Name).
			WithDetail("Expected %d parameters but got %d.", len(st.params), len(u.Args))
	}
	env := s.env(x)
	values := make([]any, len(u.Args))
	for i, e := range u.Args {
		if e.Type() != st.params[i] {
			if e, err = s.engine.coerceExpr(e, st.params[i]); err != nil {
				return err
			}
		}
		if values[i], err = e.Eval(env); err != nil {
			return err
		}
	}
	if st.parsed == nil {
		return nil
	}
	a, err := s.analyze(x.ctx, st.parsed, st.declared)
	if err != nil {
		return err
	}
	if !sameTypes(a.columns, st.columns) {
		return types.Errorf(types.CodeFeatureNotSupported, "cached plan must not change result type")
	}
	inner, err := s.run(&execution{session: s, analyzed: a, params: values, text: st.text, ctx: x.ctx}, w)
	if err == nil {
		*out = *inner
	}
	return err
}

func (s *Session) deallocate(u *plan.Deallocate, out *outcome) error {
	if u.All {
		s.statements = map[string]*Statement{}
		out.tag = "DEALLOCATE ALL"
		return nil
	}
	if _, err := s.Statement(u.Name); err != nil {
		return err
	}
	delete(s.statements, u.Name)
	return nil
}

// declare opens a cursor: a portal that SQL names.
func (s *Session) declare(x *execution, u *plan.DeclareCursor) error {
	if !u.Hold {
		if err := s.inBlock("DECLARE CURSOR"); err != nil {
			return err
		}
	}
	if s.portals[u.Name] != nil {
		return types.Errorf(types.CodeDuplicateCursor, "cursor %q already exists", u.Name)
	}
	a := &analyzed{plan: u.Query, params: x.analyzed.params, scope: x.analyzed.scope}
	if err := s.resolveTypes(x.ctx, a); err != nil {
		return err
	}
	p := &Portal{name: u.Name, columns: a.columns, cursor: true, hold: u.Hold, binary: u.Binary,
		scroll: u.Scroll != nil && *u.Scroll, made: s.engine.now(), text: x.text}
	p.live(s)
	unlink := p.follow(x.ctx)
	defer unlink()
	var err error
	if p.out, err = s.run(&execution{session: s, analyzed: a, params: x.params, text: x.text, ctx: p.life}, nil); err != nil {
		p.end(nil)
		return err
	}
	if p.scroll {
		p.out.rows = newTape(p.out.rows, p.columns, s.engine.tempDir)
	}
	s.portals[u.Name] = p
	return nil
}

// fetch answers FETCH and MOVE.
func (s *Session) fetch(x *execution, u *plan.Fetch, out *outcome) error {
	p := s.portals[u.Cursor]
	if p == nil {
		return types.Errorf(types.CodeInvalidCursorName, "cursor %q does not exist", u.Cursor)
	}
	if p.out == nil { // a portal of the extended protocol that nothing was read of yet
		if err := s.startPortal(x.ctx, p, nil); err != nil {
			return err
		}
	}
	if p.columns == nil {
		return types.Errorf(types.CodeInvalidCursorState, "cursor %q returns no rows", u.Cursor)
	}
	unlink := p.follow(x.ctx)
	defer unlink()
	rows, n, err := p.fetch(x.ctx, u)
	if err != nil {
		return err
	}
	if u.Move {
		out.tag = "MOVE " + strconv.FormatInt(n, 10)
		out.columns = nil
		return nil
	}
	out.columns, out.rows, out.tag = p.columns, &listed{rows}, "FETCH "+strconv.FormatInt(n, 10)
	return nil
}

// fetch moves a cursor and gives the rows it came over.
func (p *Portal) fetch(ctx context.Context, u *plan.Fetch) (rows [][]any, n int64, err error) {
	direction, count := u.Direction, u.Count
	if count < 0 && (direction == plan.FetchForward || direction == plan.FetchBackward) {
		count = -count
		direction = map[plan.FetchDirection]plan.FetchDirection{plan.FetchForward: plan.FetchBackward, plan.FetchBackward: plan.FetchForward}[direction]
	}
	switch direction {
	case plan.FetchForward:
		if count == 0 {
			return p.current(u)
		}
		return p.forward(ctx, count, u.Move)
	case plan.FetchBackward:
		if count == 0 {
			return p.current(u)
		}
		return p.backward(count, u.Move)
	case plan.FetchAbsolute:
		return p.absolute(ctx, count, u)
	}
	return p.absolute(ctx, p.at+count, u)
}

// tape gives the rows of a cursor that may move backward.
func (p *Portal) tape() (*tape, bool) {
	t, ok := p.out.rows.(*tape)
	return t, ok && p.scroll
}

func (p *Portal) forward(ctx context.Context, count int64, move bool) (rows [][]any, n int64, err error) {
	if t, ok := p.tape(); ok {
		return p.tapeForward(ctx, t, count, move)
	}
	for n < count {
		row, err := p.next()
		if errors.Is(err, io.EOF) {
			return rows, n, nil
		}
		if err != nil {
			return nil, 0, err
		}
		if !move {
			rows = append(rows, append([]any{}, row...))
		}
		n++
	}
	return rows, n, nil
}

// tapeForward reads rows at+1.. of a cursor whose rows are kept; past the last it stands behind it.
func (p *Portal) tapeForward(ctx context.Context, t *tape, count int64, move bool) (rows [][]any, n int64, err error) {
	for n < count {
		row, err := t.at(p.at)
		if errors.Is(err, io.EOF) {
			p.at = t.spool.Len() + 1
			return rows, n, nil
		}
		if err != nil {
			return nil, 0, err
		}
		p.at++
		t.next = p.at
		if !move {
			rows = append(rows, append([]any{}, row...))
		}
		n++
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
	}
	return rows, n, nil
}

var errForwardOnly = types.Errorf(types.CodeObjectNotInPrerequisiteState, "cursor can only scan forward").
	WithHint("Declare it with SCROLL option to enable backward scan.")

func (p *Portal) backward(count int64, move bool) (rows [][]any, n int64, err error) {
	t, ok := p.tape()
	if !ok {
		return nil, 0, errForwardOnly
	}
	for n < count {
		if p.at <= 1 {
			p.at = 0
			break
		}
		p.at--
		row, err := t.at(p.at - 1)
		if err != nil {
			return nil, 0, err
		}
		if !move {
			rows = append(rows, append([]any{}, row...))
		}
		n++
	}
	t.next = p.at
	return rows, n, nil
}

// current gives the row the cursor stands on again.
func (p *Portal) current(u *plan.Fetch) (rows [][]any, n int64, err error) {
	t, ok := p.tape()
	if !ok {
		return nil, 0, errForwardOnly
	}
	if p.at < 1 || p.at > t.spool.Len() {
		return nil, 0, nil
	}
	if u.Move {
		return nil, 1, nil
	}
	row, err := t.at(p.at - 1)
	return [][]any{row}, 1, err
}

// absolute puts the cursor on a row, counted from the end when negative, and gives it.
func (p *Portal) absolute(ctx context.Context, to int64, u *plan.Fetch) ([][]any, int64, error) {
	t, scrolls := p.tape()
	if to < 0 && u.Direction == plan.FetchAbsolute {
		if !scrolls {
			return nil, 0, errForwardOnly
		}
		if err := t.drain(); err != nil {
			return nil, 0, err
		}
		to = t.spool.Len() + 1 + to
	}
	if to <= p.at {
		if !scrolls {
			return nil, 0, errForwardOnly
		}
		p.at = max(to-1, 0)
		if to <= 0 {
			return nil, 0, nil
		}
	} else if skip := to - 1 - p.at; skip > 0 {
		if _, _, err := p.forward(ctx, skip, true); err != nil {
			return nil, 0, err
		}
	}
	return p.forward(ctx, 1, u.Move)
}

func (s *Session) closeCursor(u *plan.CloseCursor, out *outcome) error {
	if u.All {
		for name, p := range s.portals {
			if p.cursor {
				s.ClosePortal(name)
			}
		}
		out.tag = "CLOSE CURSOR ALL"
		return nil
	}
	if s.portals[u.Name] == nil {
		return types.Errorf(types.CodeInvalidCursorName, "cursor %q does not exist", u.Name)
	}
	s.ClosePortal(u.Name)
	out.tag = "CLOSE CURSOR"
	return nil
}
