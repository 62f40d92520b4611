package wire

import (
	"context"
	"errors"
	"io"
	"strings"

	"engram/sql/types"

	"github.com/jackc/pgx/v5/pgproto3"
)

// fatal makes an error that ends the connection.
func fatal(code, format string, args ...any) *types.Error {
	e := types.Errorf(code, format, args...)
	e.Severity = "FATAL"
	return e
}

// errOutput wraps a failed write: the client is gone, and nothing more can be said to it.
type errOutput struct{ err error }

func (e *errOutput) Error() string { return "writing to the client: " + e.err.Error() }
func (e *errOutput) Unwrap() error { return e.err }

// asError gives what a client is told of an error.
func asError(err error) *types.Error {
	var e *types.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return types.Errorf(types.CodeQueryCanceled, "canceling statement due to user request")
	}
	return types.Errorf(types.CodeInternalError, "%w", err)
}

// frameError gives what a client is told of a stream that cannot be read on; the stream's own errors stay as they are.
func (c *conn) frameError(err error) error {
	var long *errTooLong
	switch {
	case errors.As(err, &long) && c.session == nil:
		return fatal(types.CodeProtocolViolation, "invalid message length")
	case errors.As(err, &long):
		return fatal(types.CodeProgramLimitExceeded, "message of %d bytes exceeds the limit of %d bytes", long.length, long.limit)
	case errors.Is(err, errBadLength):
		return fatal(types.CodeProtocolViolation, "invalid message length")
	}
	return err
}

// isGone reports whether an error means that nobody listens any more.
func isGone(err error) bool {
	var out *errOutput
	var e *types.Error
	if errors.As(err, &out) {
		return true
	}
	return !errors.As(err, &e) && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isNetError(err))
}

// sendError reports an error.
func (o *out) sendError(e *types.Error) {
	r := response(e, "ERROR")
	o.send(&r)
}

// response writes an error or a notice as a message. Text that is not UTF-8, and NULs, which would end a field early,
// are replaced.
func response(e *types.Error, severity string) pgproto3.ErrorResponse {
	if e.Severity != "" {
		severity = e.Severity
	}
	code := e.Code
	if len(code) != 5 {
		code = types.CodeInternalError
	}
	return pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: code, Message: printable(e.Message),
		Detail: printable(e.Detail), Hint: printable(e.Hint), Position: int32(e.Position), Where: printable(e.Where),
		SchemaName: printable(e.Schema), TableName: printable(e.Table), ColumnName: printable(e.Column),
		DataTypeName: printable(e.DataType), ConstraintName: printable(e.Constraint)}
}

func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
