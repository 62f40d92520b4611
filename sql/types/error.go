package types

import "fmt"

// Error is an error or a notice as PostgreSQL reports it. The zero value of a field means that it is not sent, but
// for Severity, where it means ERROR, and Code, where it means XX000.
type Error struct {
	Severity   string // ERROR, FATAL, PANIC; WARNING, NOTICE, DEBUG, INFO, LOG for notices
	Code       string // SQLSTATE, five characters
	Message    string
	Detail     string
	Hint       string
	Position   int // in characters of the statement's text, from 1; 0 when unknown
	Where      string
	Schema     string
	Table      string
	Column     string
	DataType   string
	Constraint string

	Cause error // what errors.Is and errors.As see behind it; never sent
}

// Errorf makes an error of a SQLSTATE. A %w in the format becomes the error's Cause.
func Errorf(code, format string, args ...any) *Error {
	e := &Error{Severity: "ERROR", Code: code}
	wrapped := fmt.Errorf(format, args...)
	e.Message = wrapped.Error()
	if u, ok := wrapped.(interface{ Unwrap() error }); ok {
		e.Cause = u.Unwrap()
	}
	return e
}

// Error gives the severity-free text, with the SQLSTATE behind it.
func (e *Error) Error() string { return e.Message + " (SQLSTATE " + e.Code + ")" }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// WithDetail sets the detail and returns e.
func (e *Error) WithDetail(format string, args ...any) *Error {
	e.Detail = fmt.Sprintf(format, args...)
	return e
}

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// At sets the position (in characters from 1) and returns e.
func (e *Error) At(position int) *Error {
	e.Position = position
	return e
}
