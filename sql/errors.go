package sql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"engram/db"
	"engram/sql/internal/duck"
	"engram/sql/types"
)

// errorRule gives a SQLSTATE to a Go error. The first rule that fits wins.
type errorRule struct {
	is   error
	code string
	text string // PostgreSQL's words; "" = the error's own, without the package's name in front
}

// errorRules is the one table from Go errors to SQLSTATEs.
var errorRules = []errorRule{
	{errStatementTimeout, types.CodeQueryCanceled, "canceling statement due to statement timeout"},
	{errShutdown, types.CodeAdminShutdown, "terminating connection due to administrator command"},
	{errCanceled, types.CodeQueryCanceled, "canceling statement due to user request"},
	{context.DeadlineExceeded, types.CodeQueryCanceled, "canceling statement due to statement timeout"},
	{context.Canceled, types.CodeQueryCanceled, "canceling statement due to user request"},
	{db.ErrConflict, types.CodeSerializationFailure, "could not serialize access due to concurrent update"},
	{db.ErrReadOnly, types.CodeReadOnlySQLTransaction, "cannot write in a read-only transaction"},
	{db.ErrNoModel, types.CodeObjectNotInPrerequisiteState, ""},
	{db.ErrBatchTooLarge, types.CodeProgramLimitExceeded, "transaction is too large"},
	{db.ErrInvalidValue, types.CodeDataException, ""},
	{db.ErrInvalidTable, types.CodeInvalidTableDefinition, ""},
	{db.ErrTableNotFound, types.CodeUndefinedTable, ""},
	{db.ErrIndexNotFound, types.CodeUndefinedTable, ""},
	{db.ErrIndexMemory, types.CodeOutOfMemory, ""},
	{db.ErrIndexFile, types.CodeDataCorrupted, ""},
	{db.ErrTableExists, types.CodeDuplicateTable, ""},
	{db.ErrColumnNotFound, types.CodeUndefinedColumn, ""},
	{db.ErrSchemaNotFound, types.CodeInvalidSchemaName, ""},
	{db.ErrSchemaExists, types.CodeDuplicateSchema, ""},
	{db.ErrSchemaNotEmpty, types.CodeDependentObjectsStillExist, ""},
	{db.ErrRowNotFound, types.CodeNoData, ""},
	{db.ErrSystemTable, types.CodeInsufficientPrivilege, ""},
	{db.ErrClosed, types.CodeAdminShutdown, "the database is closed"},
	{db.ErrLocked, types.CodeObjectInUse, ""},
	{db.ErrFormat, types.CodeFeatureNotSupported, ""},
	{db.ErrCorrupt, types.CodeDataCorrupted, ""},
	{syscall.ENOSPC, types.CodeDiskFull, ""}, // before ErrFailed, which a full disk causes
	{db.ErrFailed, types.CodeIOError, ""},
	{duck.ErrRelationChanged, types.CodeFeatureNotSupported, "cached plan must not change result type"},
	{duck.ErrBroken, types.CodeInternalError, ""},
	{duck.ErrClosed, types.CodeAdminShutdown, ""},
	{os.ErrNotExist, types.CodeUndefinedFile, ""},
	{os.ErrPermission, types.CodeInsufficientPrivilege, ""},
}

// Causes of the end of a statement that the session itself brings about.
var (
	errStatementTimeout = errors.New("sql: statement timeout")
	errCanceled         = errors.New("sql: canceled")
	errShutdown         = errors.New("sql: shutting down")
)

// duckCodes gives DuckDB's classes of errors their SQLSTATEs.
var duckCodes = map[duck.ErrorKind]string{
	duck.OutOfRange:           types.CodeNumericValueOutOfRange,
	duck.Conversion:           types.CodeInvalidTextRepresentation,
	duck.UnknownType:          types.CodeUndefinedObject,
	duck.DecimalError:         types.CodeNumericValueOutOfRange,
	duck.MismatchType:         types.CodeDatatypeMismatch,
	duck.DivideByZero:         types.CodeDivisionByZero,
	duck.InvalidType:          types.CodeDatatypeMismatch,
	duck.NotImplemented:       types.CodeFeatureNotSupported,
	duck.Expression:           types.CodeDatatypeMismatch,
	duck.Catalog:              types.CodeUndefinedFunction,
	duck.Parser:               types.CodeSyntaxError,
	duck.Syntax:               types.CodeSyntaxError,
	duck.Binder:               types.CodeDatatypeMismatch,
	duck.Interrupt:            types.CodeQueryCanceled,
	duck.InvalidInput:         types.CodeInvalidParameterValue,
	duck.OutOfMemory:          types.CodeOutOfMemory,
	duck.Permission:           types.CodeInsufficientPrivilege,
	duck.ParameterNotResolved: types.CodeIndeterminateDatatype,
	duck.IO:                   types.CodeIOError,
	duck.Constraint:           types.CodeIntegrityConstraintViolation,
	duck.ObjectSize:           types.CodeProgramLimitExceeded,
}

// asError gives any error its SQLSTATE. nil stays nil.
func asError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if e := constraintError(err); e != nil {
		return e
	}
	if e := valueError(err); e != nil {
		return e
	}
	for _, r := range errorRules {
		if errors.Is(err, r.is) {
			text := r.text
			if text == "" {
				text = withoutPackage(err.Error())
			}
			e := types.Errorf(r.code, "%s", text)
			e.Cause = err
			if errors.Is(err, db.ErrFailed) {
				e.Hint = "Nothing is written any more. Mend the disk or free space on it, then restart; every acknowledged commit is there."
			}
			return e
		}
	}
	var d *duck.Error
	if errors.As(err, &d) {
		return duckError(d)
	}
	e = types.Errorf(types.CodeInternalError, "%s", err.Error())
	e.Cause = err
	return e
}

// wrapped is asError as an error, so that nil stays nil.
func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return asError(err)
}

func constraintError(err error) *Error {
	var c *db.ConstraintError
	if !errors.As(err, &c) {
		return nil
	}
	code := map[db.ConstraintKind]string{db.UniqueViolation: types.CodeUniqueViolation,
		db.NotNullViolation: types.CodeNotNullViolation, db.CheckViolation: types.CodeCheckViolation}[c.Kind]
	e := types.Errorf(code, "%s", c.Error())
	e.Detail, e.Schema, e.Table, e.Column, e.Constraint, e.Cause = c.Detail, c.Schema, c.Table, c.Column, c.Constraint, err
	return e
}

// valueError knows the errors of values that do not fit their columns.
func valueError(err error) *Error {
	var q *db.QueryDimensionError
	if errors.As(err, &q) {
		return withCause(types.CodeDataException, q.Error(), err)
	}
	return columnValueError(err)
}

func withCause(code, text string, cause error) *Error {
	e := types.Errorf(code, "%s", text)
	e.Cause = cause
	return e
}

// duckError brings an error of DuckDB into PostgreSQL's terms. The text may quote the statement as it was rewritten;
// what only the rewriting knows is taken out.
func duckError(d *duck.Error) *Error {
	code, ok := duckCodes[d.Kind]
	if !ok {
		code = types.CodeInternalError
	}
	text := firstParagraph(d.Message)
	lower := strings.ToLower(text)
	switch d.Kind {
	case duck.Catalog:
		if strings.Contains(lower, "table with name") {
			code = types.CodeUndefinedTable
		}
	case duck.Binder:
		code = binderCode(lower, code)
	case duck.Conversion:
		if strings.Contains(lower, "out of range") || strings.Contains(lower, "cannot be cast") || strings.Contains(lower, "can't be cast") {
			code = types.CodeNumericValueOutOfRange
		}
		if strings.Contains(lower, "date") || strings.Contains(lower, "timestamp") || strings.Contains(lower, "interval") || strings.Contains(lower, "time ") {
			code = types.CodeInvalidDatetimeFormat
		}
	case duck.InvalidInput:
		if strings.Contains(lower, "more than one row returned by a subquery") {
			code, text = types.CodeCardinalityViolation, "more than one row returned by a subquery used as an expression"
		}
	case duck.Interrupt:
		text = "canceling statement due to user request"
	case duck.OutOfMemory:
		text = "out of memory"
	}
	e := types.Errorf(code, "%s", text)
	e.Cause = d
	if d.Kind == duck.OutOfMemory {
		e.Detail = firstParagraph(d.Message)
	}
	return e
}

func binderCode(lower, code string) string {
	switch {
	case strings.Contains(lower, "group by clause") || strings.Contains(lower, "aggregate"):
		return types.CodeGroupingError
	case strings.Contains(lower, "not found in from clause") || strings.Contains(lower, "does not have a column") || strings.Contains(lower, "column named"):
		return types.CodeUndefinedColumn
	case strings.Contains(lower, "ambiguous"):
		return types.CodeAmbiguousColumn
	case strings.Contains(lower, "no function matches"):
		return types.CodeUndefinedFunction
	case strings.Contains(lower, "window"):
		return types.CodeWindowingError
	case strings.Contains(lower, "not supported") || strings.Contains(lower, "not implemented"):
		return types.CodeFeatureNotSupported
	}
	return code
}

// firstParagraph cuts a message of DuckDB before its list of candidates and its echo of the statement.
func firstParagraph(msg string) string {
	for _, cut := range []string{"\n\nLINE ", "\nLINE ", "\n\n", "\nCandidate"} {
		if i := strings.Index(msg, cut); i > 0 {
			msg = msg[:i]
		}
	}
	return strings.TrimSpace(msg)
}

// withoutPackage takes "db: " and its like from the front of a message.
func withoutPackage(text string) string {
	for _, p := range []string{"db: ", "sql: ", "duck: ", "model: "} {
		text = strings.TrimPrefix(text, p)
	}
	return text
}

// unsupported is the error for what PostgreSQL does and this server does not.
func unsupported(format string, args ...any) *Error {
	return types.Errorf(types.CodeFeatureNotSupported, "%s", fmt.Sprintf(format, args...))
}

// columnValueError knows the errors of values that a column cannot hold.
func columnValueError(err error) *Error {
	var (
		dim    *db.DimensionError
		rng    *db.RangeError
		length *db.LengthError
		kind   *db.TypeError
		value  *db.ValueError
	)
	switch {
	case errors.As(err, &dim):
		return withCause(types.CodeDataException, dim.Error(), err)
	case errors.As(err, &rng):
		code := types.CodeNumericValueOutOfRange
		switch rng.Type.Kind {
		case db.Date, db.Time, db.Timestamp, db.Timestamptz, db.IntervalKind:
			code = types.CodeDatetimeFieldOverflow
		}
		return withCause(code, rng.Error(), err)
	case errors.As(err, &length):
		code := types.CodeStringDataRightTruncation
		if length.Type.Kind == db.Bit {
			code = types.CodeStringDataLengthMismatch
		}
		return withCause(code, length.Error(), err)
	case errors.As(err, &kind):
		return withCause(types.CodeDatatypeMismatch, kind.Error(), err)
	case errors.As(err, &value):
		return withCause(value.Code, value.Error(), err)
	}
	return nil
}

func undefinedParameter(n int) *Error {
	return types.Errorf(types.CodeUndefinedParameter, "there is no parameter $%d", n)
}
