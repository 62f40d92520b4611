package duck

import (
	"context"
	"fmt"
	"time"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// execution is one use of a connection: a Prepare, an Exec, or a Query until its Result ends.
type execution struct {
	conn      *Conn
	ctx       context.Context // the caller's, also cancelled by Conn.Interrupt and when the execution ends
	cancel    context.CancelCauseFunc
	preparing bool
	errs      callbackErrors
	stop      func() bool
	done      chan struct{} // closed when the execution ends
	quiet     chan struct{} // closed when no interrupt will be sent any more
}

// interruptEvery is how often an interrupt is repeated: DuckDB forgets one that arrives before its work begins.
const interruptEvery = 5 * time.Millisecond

// begin takes the connection for one execution.
func (c *Conn) begin(ctx context.Context, preparing bool) (*execution, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, fmt.Errorf("duck: connection: %w", ErrClosed)
	case c.inst.broken.Load():
		return nil, ErrBroken
	case c.current.Load() != nil:
		return nil, ErrStreamOpen
	}
	if ctx.Err() != nil {
		return nil, &Error{Kind: Interrupt, Message: "Interrupted!", Cause: causeOf(ctx)}
	}
	x := &execution{conn: c, preparing: preparing, done: make(chan struct{}), quiet: make(chan struct{})}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.stop = context.AfterFunc(x.ctx, x.interrupt)
	c.current.Store(x)
	return x, nil
}

// interrupt runs on its own goroutine from the moment the context is cancelled until the execution ends.
func (x *execution) interrupt() {
	defer close(x.quiet)
	tick := time.NewTicker(interruptEvery)
	defer tick.Stop()
	for {
		mapping.Interrupt(x.conn.h)
		select {
		case <-x.done:
			return
		case <-tick.C:
		}
	}
}

// end gives the connection back. No interrupt of this execution reaches the next one.
func (x *execution) end() {
	close(x.done)
	if !x.stop() {
		<-x.quiet
	}
	x.cancel(context.Canceled)
	x.conn.current.Store(nil)
}

// carry keeps err for the caller and gives the text that DuckDB is to carry. x may be nil.
func (x *execution) carry(err error) string {
	if x == nil {
		return carried(err)
	}
	return x.errs.keep(err)
}

func causeOf(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return ctx.Err()
}
