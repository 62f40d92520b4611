package duck

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// Errors of this package itself; errors that DuckDB raises are *Error.
var (
	// ErrStreamOpen: a Result of this connection has not been read to its end or closed. DuckDB keeps one stream a
	// connection and would close it silently.
	ErrStreamOpen = errors.New("duck: another result is open on this connection")
	// ErrClosed: the instance, connection, statement or result was closed.
	ErrClosed = errors.New("duck: closed")
	// ErrBroken: DuckDB reported an internal or fatal error earlier, so the instance refuses work; see Instance.Reopen.
	ErrBroken = errors.New("duck: the instance is broken by an earlier internal error")
	// ErrInterrupted is the cause of an Interrupt error after Conn.Interrupt.
	ErrInterrupted = errors.New("duck: interrupted")
	// ErrRelationChanged: the relation behind a token has other columns than when the statement was prepared.
	ErrRelationChanged = errors.New("duck: the relation's columns changed since the statement was prepared")
	// ErrNoRelation: a statement scans a token for which no relation is bound on its connection.
	ErrNoRelation = errors.New("duck: no relation is bound to this token")
	// ErrPreparing is what a function returns to DuckDB while a statement is only being prepared: Prepare runs nothing.
	ErrPreparing = errors.New("duck: functions do not run while a statement is prepared")
)

// ErrorKind is DuckDB's class of an error. The numbers are those of DuckDB's C interface.
type ErrorKind uint8

// The classes.
const (
	Unclassified         ErrorKind = 0
	OutOfRange           ErrorKind = 1
	Conversion           ErrorKind = 2
	UnknownType          ErrorKind = 3
	DecimalError         ErrorKind = 4
	MismatchType         ErrorKind = 5
	DivideByZero         ErrorKind = 6
	ObjectSize           ErrorKind = 7
	InvalidType          ErrorKind = 8
	Serialization        ErrorKind = 9
	Transaction          ErrorKind = 10
	NotImplemented       ErrorKind = 11
	Expression           ErrorKind = 12
	Catalog              ErrorKind = 13
	Parser               ErrorKind = 14
	Planner              ErrorKind = 15
	Scheduler            ErrorKind = 16
	Executor             ErrorKind = 17
	Constraint           ErrorKind = 18
	Index                ErrorKind = 19
	Stat                 ErrorKind = 20
	Connection           ErrorKind = 21
	Syntax               ErrorKind = 22
	Settings             ErrorKind = 23
	Binder               ErrorKind = 24
	Network              ErrorKind = 25
	Optimizer            ErrorKind = 26
	NullPointer          ErrorKind = 27
	IO                   ErrorKind = 28
	Interrupt            ErrorKind = 29
	Fatal                ErrorKind = 30
	Internal             ErrorKind = 31
	InvalidInput         ErrorKind = 32
	OutOfMemory          ErrorKind = 33
	Permission           ErrorKind = 34
	ParameterNotResolved ErrorKind = 35
	ParameterNotAllowed  ErrorKind = 36
	Dependency           ErrorKind = 37
	HTTP                 ErrorKind = 38
	MissingExtension     ErrorKind = 39
	Autoload             ErrorKind = 40
	Sequence             ErrorKind = 41
	InvalidConfiguration ErrorKind = 42
)

// kindNames are the words DuckDB puts before " Error: " for each class.
var kindNames = [...]string{
	"Invalid", "Out of Range", "Conversion", "Unknown Type", "Decimal", "Mismatch Type", "Divide by Zero",
	"Object Size", "Invalid type", "Serialization", "TransactionContext", "Not implemented", "Expression", "Catalog",
	"Parser", "Planner", "Scheduler", "Executor", "Constraint", "Index", "Stat", "Connection", "Syntax", "Settings",
	"Binder", "Network", "Optimizer", "NullPointer", "IO", "INTERRUPT", "FATAL", "INTERNAL", "Invalid Input",
	"Out of Memory", "Permission", "Parameter Not Resolved", "Parameter Not Allowed", "Dependency", "HTTP",
	"Missing Extension", "Extension Autoloading", "Sequence", "Invalid Configuration",
}

// String is DuckDB's name of the class.
func (k ErrorKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("ErrorKind(%d)", uint8(k))
}

// Error is an error raised by DuckDB, or by a function or relation of ours while DuckDB ran it.
type Error struct {
	Kind    ErrorKind
	Message string // DuckDB's text without the class in front; it may quote parts of the statement
	Excerpt string // "LINE 1: ..." with a mark under the place in the statement as DuckDB got it, when it gave one
	Cause   error  // what the callback returned, or why the statement was interrupted; nil for DuckDB's own errors
}

// Error is the cause's text when a callback of ours failed, else DuckDB's.
func (e *Error) Error() string {
	switch {
	case e.Cause == nil:
		return e.Message
	case e.Kind == Interrupt:
		return "interrupted: " + e.Cause.Error()
	}
	return e.Cause.Error()
}

// Unwrap gives the Go error behind, so errors.Is and errors.As see through DuckDB.
func (e *Error) Unwrap() error { return e.Cause }

// splitKind reads the class that DuckDB writes at the very start of a message. Only the start counts: the rest may
// quote the user's own text.
func splitKind(msg string) (ErrorKind, string) {
	for k, name := range kindNames {
		if rest, ok := strings.CutPrefix(msg, name+" Error: "); ok {
			return ErrorKind(k), rest
		}
	}
	return Unclassified, msg
}

// callbackErrors keeps the Go errors that callbacks raised during one execution, because DuckDB carries only text.
type callbackErrors struct {
	mu   sync.Mutex
	errs []error
}

// maxCallbackErrors bounds what one statement keeps: TRY(...) can swallow one error per row.
const maxCallbackErrors = 16

// keep notes err and gives the text to hand to DuckDB.
func (c *callbackErrors) keep(err error) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) == maxCallbackErrors {
		copy(c.errs, c.errs[1:])
		c.errs = c.errs[:maxCallbackErrors-1]
	}
	c.errs = append(c.errs, err)
	return carried(err)
}

// find gives the newest kept error whose text is the whole of msg.
func (c *callbackErrors) find(msg string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.errs) - 1; i >= 0; i-- {
		if carried(c.errs[i]) == msg {
			return c.errs[i]
		}
	}
	return nil
}

// newest gives the last kept error, nil when there is none.
func (c *callbackErrors) newest() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) == 0 {
		return nil
	}
	return c.errs[len(c.errs)-1]
}

// carried is the text of err as it survives the way through a C string.
func carried(err error) string {
	s := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", " "), "?")
	if s == "" {
		return "unnamed error"
	}
	return s
}

// wrap makes the error of an execution from DuckDB's class (Unclassified when the interface gives none) and text.
func (x *execution) wrap(kind ErrorKind, msg string) error {
	k, rest := splitKind(msg)
	if kind == Unclassified {
		kind = k
	}
	e := &Error{Kind: kind, Message: rest}
	if at := strings.LastIndex(rest, "\n\nLINE "); at >= 0 {
		e.Message, e.Excerpt = rest[:at], rest[at+2:]
	}
	if kind == Fatal || kind == Internal {
		x.conn.inst.broken.Store(true)
	}
	if kind == Interrupt {
		if x.ctx.Err() != nil {
			e.Cause = causeOf(x.ctx)
		} else if err := x.errs.newest(); err != nil {
			// Nobody interrupted: a callback failed on one thread, and DuckDB tells what its others were stopped with.
			e.Kind, e.Message, e.Cause = InvalidInput, carried(err), err
		}
		return e
	}
	e.Cause = x.errs.find(e.Message)
	if e.Cause != nil && x.ctx.Err() != nil && (errors.Is(e.Cause, x.ctx.Err()) || errors.Is(e.Cause, causeOf(x.ctx))) {
		e.Kind, e.Cause = Interrupt, causeOf(x.ctx) // a callback saw the end of the context before DuckDB did
	}
	return e
}

func kindOf(t mapping.ErrorType) ErrorKind { return ErrorKind(t) }
