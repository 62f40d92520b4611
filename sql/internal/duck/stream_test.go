package duck

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func start(t testing.TB, c *Conn, ctx context.Context, sql string) *Result {
	t.Helper()
	s, err := c.Prepare(bg, sql)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() // a result outlives its statement
	r, err := s.Query(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// endless is a relation of one column that counts its open scans.
type endless struct {
	open, chunks atomic.Int64
	wait         bool  // blocks in Next until the context ends
	after        int64 // chunks given before it waits, at least 1
	fail         error // after ten chunks
}

func (e *endless) Columns() []Column { return []Column{{"n", BigInt}} }
func (e *endless) Rows() int64       { return -1 }
func (e *endless) Scan(ctx context.Context, _ []int) (RelationScan, error) {
	e.open.Add(1)
	return &endlessScan{e, ctx, 0}, nil
}

type endlessScan struct {
	e   *endless
	ctx context.Context
	n   int64
}

func (s *endlessScan) Next(cols []*Writer, max int) (int, error) {
	chunks := s.e.chunks.Add(1)
	if s.e.wait && chunks > 1 && chunks > s.e.after {
		<-s.ctx.Done()
		return 0, context.Cause(s.ctx)
	}
	if s.e.fail != nil && chunks > 10 {
		return 0, s.e.fail
	}
	for _, c := range cols {
		for i := range max {
			c.SetInt64(i, s.n+int64(i))
		}
	}
	s.n += int64(max)
	return max, nil
}

func (s *endlessScan) Close() error { s.e.open.Add(-1); return nil }

func TestFirstChunkComesWhileTheScanIsEndless(t *testing.T) {
	c := connect(t, open(t, nil))
	e := &endless{}
	c.Bind("e", e)
	r := start(t, c, bg, "SELECT n + 1 FROM engram_rows('e')")
	ch, err := r.Next()
	if err != nil || ch.Rows() == 0 || ch.Col(0).Int64(0) != 1 {
		t.Fatalf("first chunk: %v %v", ch, err)
	}
	for range 100 {
		if ch, err = r.Next(); err != nil || ch == nil {
			t.Fatal(ch, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n := e.open.Load(); n != 0 {
		t.Errorf("%d scans are open after the result was closed", n)
	}
	if _, err := r.Next(); !errors.Is(err, ErrClosed) {
		t.Errorf("Next after Close: %v", err)
	}
	if got := query(t, c, "SELECT 1"); got[0][0] != int64(1) {
		t.Error("the connection is not usable after an early close")
	}
}

func TestOneOpenResultPerConnection(t *testing.T) {
	c := connect(t, open(t, nil))
	s, err := c.Prepare(bg, "SELECT 2")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := start(t, c, bg, "SELECT * FROM range(100000)")
	if _, err := c.Prepare(bg, "SELECT 1"); !errors.Is(err, ErrStreamOpen) {
		t.Errorf("Prepare: %v", err)
	}
	if err := c.Exec(bg, "SELECT 1"); !errors.Is(err, ErrStreamOpen) {
		t.Errorf("Exec: %v", err)
	}
	if _, err := s.Query(bg); !errors.Is(err, ErrStreamOpen) {
		t.Errorf("Query: %v", err)
	}
	if err := c.Close(); !errors.Is(err, ErrStreamOpen) {
		t.Errorf("Close: %v", err)
	}
	if rows, err := drain(r); err != nil || len(rows) != 100000 || rows[99999][0] != int64(99999) {
		t.Errorf("the open result lost rows: %d %v", len(rows), err)
	}
	if r, err = s.Query(bg); err != nil {
		t.Fatalf("Query after the end: %v", err)
	}
	r.Close()
}

func TestContextEndsAStatement(t *testing.T) {
	c := connect(t, open(t, nil))
	const long = "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE a.range + b.range = -1"
	boom := errors.New("boom")

	t.Run("while it runs", func(t *testing.T) {
		s, err := c.Prepare(bg, long)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, cancel := context.WithTimeoutCause(bg, 30*time.Millisecond, boom)
		defer cancel()
		if r, err := s.Query(ctx); err == nil {
			_, err = r.Next()
			checkInterrupted(t, err, boom)
		} else {
			checkInterrupted(t, err, boom)
		}
	})
	t.Run("in Exec", func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(bg, 30*time.Millisecond, boom)
		defer cancel()
		checkInterrupted(t, c.Exec(ctx, long), boom)
	})
	t.Run("before it runs", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		cancel(boom)
		checkInterrupted(t, c.Exec(ctx, "SELECT 1"), boom)
		_, err := c.Prepare(ctx, "SELECT 1")
		checkInterrupted(t, err, boom)
	})
	t.Run("between chunks", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		r := start(t, c, ctx, "SELECT * FROM range(10000000)")
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		cancel(boom)
		_, err := r.Next()
		checkInterrupted(t, err, boom)
		r.Close()
	})
	t.Run("in a relation that waits", func(t *testing.T) {
		e := &endless{wait: true}
		c.Bind("w", e)
		ctx, cancel := context.WithTimeoutCause(bg, 30*time.Millisecond, boom)
		defer cancel()
		s, err := c.Prepare(bg, "SELECT * FROM engram_rows('w')")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r, err := s.Query(ctx)
		if err == nil {
			_, err = drain(r)
		}
		checkInterrupted(t, err, boom)
		if e.open.Load() != 0 {
			t.Error("the scan stays open")
		}
	})
	t.Run("by Interrupt", func(t *testing.T) {
		time.AfterFunc(30*time.Millisecond, c.Interrupt)
		checkInterrupted(t, c.Exec(bg, long), ErrInterrupted)
	})
	c.Interrupt() // nothing runs: nothing happens
	if got := query(t, c, "SELECT sum(range) FROM range(10)"); got[0][0].(interface{ String() string }).String() != "45" {
		t.Error("the connection is not sound after interrupts:", got)
	}
}

func checkInterrupted(t *testing.T, err, cause error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Kind != Interrupt || !errors.Is(err, cause) {
		t.Errorf("got %v, want an interrupt because of %v", err, cause)
	}
}

type ownError struct{ code int }

func (*ownError) Error() string { return "own error with 'quotes', ünïcödé and\nline" }

func TestErrorsKeepTheirGoIdentity(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	err := i.Register(ScalarFunction{Name: "picky", Params: []Type{BigInt}, Returns: BigInt,
		Exec: func(_ context.Context, args []Vector, rows int, out *Writer) error {
			for k := range rows {
				switch v := args[0].Int64(k); v {
				case 5000:
					return &ownError{42}
				case 6000:
					panic("six thousand")
				default:
					out.SetInt64(k, v)
				}
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	var own *ownError
	if _, err = try(c, "SELECT picky(range) FROM range(5500)"); !errors.As(err, &own) || own.code != 42 || err.Error() != own.Error() {
		t.Errorf("function: %v", err)
	}
	var e *Error
	if !errors.As(err, &e) || e.Kind != InvalidInput {
		t.Errorf("the DuckDB error is lost: %#v", err)
	}
	var p *PanicError
	if _, err = try(c, "SELECT sum(picky(range)) FROM range(5999, 6001)"); !errors.As(err, &p) || p.Where != "picky" || p.Value != "six thousand" ||
		!strings.Contains(string(p.Stack), "stream_test.go") {
		t.Errorf("panic: %v", err)
	}
	e2 := &endless{fail: &ownError{43}}
	c.Bind("f", e2)
	if rows, err := try(c, "SELECT * FROM engram_rows('f')"); !errors.As(err, &own) || own.code != 43 {
		t.Errorf("relation in mid-stream: %d rows, %v", len(rows), err)
	}
	if e2.open.Load() != 0 {
		t.Error("the failed scan stays open")
	}
	// An error of DuckDB's own has no cause, even when an earlier one of ours was swallowed.
	if _, err = try(c, "SELECT TRY(picky(5000)), error('mine')"); err == nil || errors.As(err, &own) {
		t.Errorf("TRY: %v", err)
	}
	c.Bind("p", &table{cols: []Column{{"a", BigInt}}, onNext: func() error { panic("scan") }})
	if _, err = try(c, "SELECT * FROM engram_rows('p')"); !errors.As(err, &p) || p.Where != RowsFunction {
		t.Errorf("panic in a relation: %v", err)
	}
	if got := query(t, c, "SELECT 1"); len(got) != 1 {
		t.Error("the connection is not usable")
	}
}

func TestErrorKinds(t *testing.T) {
	c := connect(t, open(t, nil))
	exec(t, c, "CREATE TEMP TABLE u(a INTEGER PRIMARY KEY, b INTEGER NOT NULL)")
	for _, k := range []struct {
		sql  string
		kind ErrorKind
	}{
		{"SELEC 1", Parser},
		{"SELECT", Parser},
		{"SELECT 1; SELECT 2", InvalidInput},
		{"SELECT 1\x00, 2", Parser},
		{"SELECT nosuch", Binder},
		{"SELECT 1 + 'INTERNAL Error: x'", Binder},
		{"SELECT * FROM nosuch", Catalog},
		{"SELECT nosuch(1)", Catalog},
		{"SELECT 'abc'::INTEGER", Conversion},
		{"SELECT 300::TINYINT", Conversion},
		{"SELECT 9223372036854775807 + range FROM range(5)", OutOfRange},
		{"SELECT error('FATAL Error: boo')", InvalidInput},
		{"INSERT INTO u VALUES (1, NULL)", Constraint},
		{"INSERT INTO u SELECT 1, 1 FROM range(2)", Constraint},
		{"SELECT (SELECT range FROM range(2))", InvalidInput},
		{"SELECT '1'::VARIANT", NotImplemented},
		{"SELECT $x", ParameterNotResolved},
	} {
		_, err := try(c, k.sql)
		var e *Error
		if !errors.As(err, &e) || e.Kind != k.kind {
			t.Errorf("%q: %T %v (%v), want %v", k.sql, err, err, e, k.kind)
		}
	}
	var e *Error
	if _, err := try(c, "SELECT nosuch"); !errors.As(err, &e) || strings.Contains(e.Message, "LINE") || !strings.HasPrefix(e.Excerpt, "LINE 1: SELECT nosuch") {
		t.Errorf("%+v", e)
	}
}

// The instance must not be lost through the text of an error, only through its class.
func TestBrokenInstance(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	if _, err := try(c, "SELECT error('INTERNAL Error: boo')"); err == nil || i.Broken() {
		t.Fatalf("%v, broken %v", err, i.Broken())
	}
	if err := i.Register(ScalarFunction{Name: "one", Returns: BigInt, Exec: func(_ context.Context, _ []Vector, rows int, out *Writer) error {
		for k := range rows {
			out.SetInt64(k, 1)
		}
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	if err := i.Setup("CREATE MACRO two() AS one() + one()"); err != nil {
		t.Fatal(err)
	}
	x := &execution{conn: c, ctx: bg}
	if err := x.wrap(Unclassified, "INTERNAL Error: something DuckDB did not expect"); err.(*Error).Kind != Internal || !i.Broken() {
		t.Fatal("an internal error leaves the instance in use")
	}
	if err := c.Exec(bg, "SELECT 1"); !errors.Is(err, ErrBroken) {
		t.Errorf("Exec on a broken instance: %v", err)
	}
	if _, err := i.Connect(); !errors.Is(err, ErrBroken) {
		t.Errorf("Connect to a broken instance: %v", err)
	}
	n, err := i.Reopen()
	if err != nil {
		t.Fatal(err)
	}
	c2, err := n.Connect()
	if err != nil {
		t.Fatal(err)
	}
	if got := query(t, c2, "SELECT two()"); got[0][0] != int64(2) {
		t.Errorf("the reopened instance lacks functions or macros: %v", got)
	}
	if err := n.Close(); err == nil {
		t.Error("an instance with connections was closed")
	}
	c2.Close()
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

// Closing does not wait for a relation that has nothing to give, whether the reader or a worker of DuckDB's is in it.
func TestCloseWhileARelationWaits(t *testing.T) {
	c := connect(t, open(t, nil))
	for _, after := range []int64{1, 40, 50, 55, 60, 70} {
		e := &endless{wait: true, after: after}
		c.Bind("w", e)
		time.AfterFunc(100*time.Millisecond, c.Interrupt) // Query itself may be what waits
		r, err := c.Query(bg, "SELECT n FROM engram_rows('w')")
		if err == nil {
			if ch, err := r.Next(); err != nil || ch == nil {
				t.Errorf("%d: %v", after, err)
			}
			time.Sleep(10 * time.Millisecond) // DuckDB's workers may go on filling the buffer
			r.Close()
		} else {
			checkInterrupted(t, err, ErrInterrupted)
		}
		if n := e.chunks.Load(); n > 30 {
			t.Errorf("%d chunks were computed for the first", n)
		}
		if e.open.Load() != 0 {
			t.Errorf("%d: a scan is open", after)
		}
	}
}
