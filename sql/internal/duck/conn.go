package duck

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

func errorsJoin(errs ...error) error { return errors.Join(errs...) }

// Conn is a connection. It runs one statement at a time and belongs to one goroutine at a time, except for Interrupt,
// Bind and Unbind. While a Result is open every other use gives ErrStreamOpen.
type Conn struct {
	inst    *Instance
	h       mapping.Connection
	id      uint64
	current atomic.Pointer[execution] // what runs now; set under mu, read by callbacks on any thread

	mu     sync.Mutex
	closed bool

	relMu     sync.RWMutex
	relations map[string]Relation
}

// Close ends the connection; it must not have an open Result.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	if c.current.Load() != nil {
		return ErrStreamOpen
	}
	c.closed = true
	mapping.Disconnect(&c.h)
	c.inst.conns.Delete(c.id)
	c.inst.mu.Lock()
	c.inst.open--
	c.inst.mu.Unlock()
	return nil
}

// Interrupt stops what the connection is doing now, if anything, with an Interrupt error whose cause is ErrInterrupted.
// It may be called from any goroutine and returns at once.
func (c *Conn) Interrupt() {
	if x := c.current.Load(); x != nil {
		x.cancel(ErrInterrupted)
	}
}

// Bind makes r the relation that engram_rows('token') scans in statements of this connection. A statement is prepared
// with the columns r has then and scans the relation bound when it runs, which must have the same columns.
func (c *Conn) Bind(token string, r Relation) {
	c.relMu.Lock()
	defer c.relMu.Unlock()
	c.relations[token] = r
}

// Unbind forgets the relation of a token. Scans that have begun go on.
func (c *Conn) Unbind(token string) {
	c.relMu.Lock()
	defer c.relMu.Unlock()
	delete(c.relations, token)
}

func (c *Conn) relation(token string) (Relation, error) {
	c.relMu.RLock()
	defer c.relMu.RUnlock()
	if r := c.relations[token]; r != nil {
		return r, nil
	}
	return nil, ErrNoRelation
}

func checkSQL(sql string) error {
	if strings.ContainsRune(sql, 0) {
		return &Error{Kind: Parser, Message: "a statement contains a zero byte"}
	}
	return nil
}

// Exec runs one or more statements and drops their results.
func (c *Conn) Exec(ctx context.Context, sql string) error {
	if err := checkSQL(sql); err != nil {
		return err
	}
	x, err := c.begin(ctx, false)
	if err != nil {
		return err
	}
	defer x.end()
	var res mapping.Result
	defer mapping.DestroyResult(&res)
	if mapping.Query(c.h, sql, &res) != mapping.StateSuccess {
		return x.wrap(kindOf(mapping.ResultErrorType(&res)), mapping.ResultError(&res))
	}
	return nil
}

// Prepare parses, binds and plans one statement without running anything of it: functions of ours refuse to be folded
// meanwhile. Relations named by tokens must be bound. The statement is closed by its holder.
func (c *Conn) Prepare(ctx context.Context, sql string) (*Stmt, error) {
	if err := checkSQL(sql); err != nil {
		return nil, err
	}
	x, err := c.begin(ctx, true)
	if err != nil {
		return nil, err
	}
	defer x.end()
	s := &Stmt{conn: c}
	if s.h, err = x.prepare(sql); err != nil {
		return nil, err
	}
	if err := s.describe(); err != nil {
		mapping.DestroyPrepare(&s.h)
		return nil, err
	}
	return s, nil
}

func (x *execution) prepare(sql string) (h mapping.PreparedStatement, err error) {
	if mapping.Prepare(x.conn.h, sql, &h) == mapping.StateSuccess {
		return h, nil
	}
	msg := mapping.PrepareError(h)
	mapping.DestroyPrepare(&h)
	if msg == "" {
		msg = "the statement cannot be prepared"
	}
	return h, x.wrap(Unclassified, msg)
}

// Query runs one statement without parameters and streams its result, like Prepare followed by Stmt.Query. Unlike there,
// functions of constants are computed once, when the statement is planned, unless they are volatile.
func (c *Conn) Query(ctx context.Context, sql string) (*Result, error) {
	if err := checkSQL(sql); err != nil {
		return nil, err
	}
	x, err := c.begin(ctx, false)
	if err != nil {
		return nil, err
	}
	h, err := x.prepare(sql)
	if err != nil {
		x.end()
		return nil, err
	}
	defer mapping.DestroyPrepare(&h)
	return x.run(h)
}
