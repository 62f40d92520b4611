// Package sql answers one question: what did the user mean?
//
// An Engine stands over one db.DB. Each client has a Session, which is one goroutine's: it runs statements of
// PostgreSQL's SQL, keeps the transaction, the settings, the prepared statements and the portals. Only Session.Cancel
// may be called from another goroutine.
//
// A statement goes one of three roads. The direct road answers nearest-neighbour questions, point reads and constant
// SELECTs from package db alone. The DuckDB road runs everything analytical: each table becomes a subselect over its
// Parquet segments, filtered by the rows alive in the session's snapshot, and over the rows not settled yet. The
// utility road is everything else: transactions, definitions, settings, COPY.
//
// Transactions, savepoints, settings, roles and cursors are this package's own, because DuckDB holds no data here.
//
// Every error that leaves the package is an *Error with a SQLSTATE.
package sql
