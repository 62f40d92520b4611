package db

import (
	"errors"
	"fmt"

	"engram/db/internal/row"
	"engram/index"
)

// Errors of opening and closing.
var (
	ErrClosed  = errors.New("db: closed")                                // the database, snapshot or batch is closed
	ErrLocked  = errors.New("db: directory is in use by another engram") // Open: somebody else holds the lock
	ErrCorrupt = errors.New("db: corrupt")                               // bytes on disk are not what was written; the message names the file
	ErrFormat  = errors.New("db: format version not supported")          // Open: the directory was written by a newer version
	ErrFailed  = errors.New("db: disk failed")                           // a commit could not be synced; open the database again
)

// Errors of naming.
var (
	ErrTableNotFound  = errors.New("db: table not found")
	ErrTableExists    = errors.New("db: table already exists")
	ErrColumnNotFound = errors.New("db: column not found")
	ErrIndexNotFound  = errors.New("db: index not found")
	ErrSchemaNotFound = errors.New("db: schema not found")
	ErrSchemaExists   = errors.New("db: schema already exists")
	ErrSchemaNotEmpty = errors.New("db: schema is not empty")
	ErrRowNotFound    = errors.New("db: row not found")
	ErrSystemTable    = errors.New("db: memories is part of every database") // DROP or change of a built-in column
	ErrInvalidTable   = errors.New("db: invalid table")                      // a descriptor that contradicts itself
)

// Errors of vector indexes.
var (
	ErrIndexMemory = index.ErrMemory // a build does not fit into Options.BuildMemory, not even as the cheapest kind
	ErrIndexFile   = index.ErrFile   // an index file is broken; it is made again
)

// Errors of writing.
var (
	ErrConflict      = errors.New("db: could not serialize access due to concurrent update") // try the batch again
	ErrReadOnly      = errors.New("db: read-only batch")
	ErrBatchTooLarge = errors.New("db: batch too large")
	ErrInvalidValue  = errors.New("db: invalid value")
	ErrNoModel       = errors.New("db: no text model") // wrapped by Options.TextEncoder while no model is installed
)

// ConstraintKind says which kind of constraint was violated.
type ConstraintKind uint8

// The kinds of constraint violation.
const (
	UniqueViolation  ConstraintKind = 1
	NotNullViolation ConstraintKind = 2
	CheckViolation   ConstraintKind = 3 // raised by package sql, which evaluates CHECK expressions
)

// ConstraintError says that a row breaks a constraint. Error gives PostgreSQL's message, Detail PostgreSQL's detail
// (`Key (id)=(1) already exists.`).
type ConstraintError struct {
	Kind                                      ConstraintKind
	Schema, Table, Column, Constraint, Detail string

	Existing bool // the rows there already are break it, found while the constraint was made
}

// Error spells the violation as PostgreSQL does.
func (e *ConstraintError) Error() string {
	switch {
	case e.Kind == UniqueViolation && e.Existing:
		return fmt.Sprintf("could not create unique index %q", e.Constraint)
	case e.Kind == NotNullViolation && e.Existing:
		return fmt.Sprintf("column %q of relation %q contains null values", e.Column, e.Table)
	case e.Kind == UniqueViolation:
		return fmt.Sprintf("duplicate key value violates unique constraint %q", e.Constraint)
	case e.Kind == NotNullViolation:
		return fmt.Sprintf("null value in column %q of relation %q violates not-null constraint", e.Column, e.Table)
	default:
		return fmt.Sprintf("new row for relation %q violates check constraint %q", e.Table, e.Constraint)
	}
}

// Errors of values, as Insert, Update and Lookup return them.
type (
	DimensionError = row.DimensionError // a vector that does not fit its column
	RangeError     = row.RangeError     // out of the range of the column's type
	LengthError    = row.LengthError    // too long for the column
	TypeError      = row.TypeError      // a Go value with no reading in the column's type
	ValueError     = row.ValueError     // malformed; it carries its SQLSTATE
)

// corrupt wraps an error about bytes on disk so that it is ErrCorrupt and names its place.
func corrupt(err error, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrCorrupt, fmt.Sprintf(format, args...), err)
}

// QueryDimensionError says that two vectors of different dimensions were compared (pgvector's wording, SQLSTATE 22000).
type QueryDimensionError struct{ Stored, Query int }

// Error spells the mismatch as pgvector does.
func (e *QueryDimensionError) Error() string {
	return fmt.Sprintf("different vector dimensions %d and %d", e.Stored, e.Query)
}
