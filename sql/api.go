package sql

import (
	"io"

	"engram/sql/types"
)

// Error is an error or a notice as PostgreSQL reports it, with its SQLSTATE. Every error that a Session returns is one.
type Error = types.Error

// Column is one column of a result.
type Column struct {
	Name     string
	Type     types.Type
	TableOID uint32 // of the table the column comes from, 0 when it is computed
	AttNum   int16  // number of the column within that table from 1, 0 when it is computed
}

// Param is the value of one parameter of a prepared statement as the client sent it.
type Param struct {
	Value  []byte
	Null   bool
	Binary bool // the value is in the type's binary format, else in its text format
}

// Parameter is a setting whose changes clients are told about.
type Parameter struct {
	Name, Value string
}

// CopyFormat says what travels in a COPY: how many columns and whether they are in the binary format. The bytes
// themselves are made and read by this package.
type CopyFormat struct {
	Columns int
	Binary  bool
}

// ResultWriter takes what statements give. A Session calls it from its own goroutine, one call at a time; an error it
// returns ends the statement. For each statement of Session.Query the calls are
//
//	Describe Row* Complete     a statement that returns rows
//	Complete                   a statement that returns none
//	CopyIn Complete            COPY FROM STDIN
//	CopyOut Complete           COPY TO STDOUT
//	Empty                      an empty query string
//
// Session.Execute makes the same calls without Describe, and without Complete when the portal is suspended.
type ResultWriter interface {
	// Describe announces the columns of the rows that follow. cols may be kept.
	Describe(cols []Column) error
	// Row takes one row, a value a column in the forms of package types. The values are valid until Row returns.
	Row(values []any) error
	// Complete ends the statement with its command tag, such as "INSERT 0 3".
	Complete(tag string) error
	// Empty answers an empty query string.
	Empty() error
	// CopyIn starts a COPY FROM STDIN. The reader gives the bytes the client sends, io.EOF after the client's
	// CopyDone, and another error after its CopyFail.
	CopyIn(f CopyFormat) (io.Reader, error)
	// CopyOut starts a COPY TO STDOUT; each Write is a whole line or record. The COPY ends when Complete is called.
	CopyOut(f CopyFormat) (io.Writer, error)
}

// SessionOptions say who a session is for. The zero value is a session of the first superuser.
type SessionOptions struct {
	User       string            // role; "" = "engram"
	Database   string            // name that current_database() gives; "" = User
	RemoteAddr string            // shown in pg_stat_activity; "" = none
	Settings   map[string]string // settings the client asked for at start, set before anything runs
	PID        int32             // number of the backend as clients see it, positive; 0 = the engine picks one
	Notice     func(*Error)      // takes notices and warnings, called from the session's goroutine; nil = dropped
}

// Role is a user or a group of users.
type Role struct {
	Name      string
	Verifier  string // SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>; "" = the role has no password
	Superuser bool
	Login     bool
}
