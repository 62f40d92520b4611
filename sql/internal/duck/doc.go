// Package duck answers one question: how does DuckDB run it?
//
// It is the only package that knows DuckDB. An [Instance] is an engine in memory without data of its own; a [Conn] runs
// one statement at a time; a [Result] streams chunks of up to [ChunkRows] rows that are read in place through [Vector].
// SQL reaches us through [ScalarFunction] (a chunk of rows at a time) and [Relation] (rows of ours behind
// engram_rows('token')). It drives DuckDB's C interface through its bindings; no header of DuckDB's is needed.
//
// # Statements
//
// [Conn.Prepare] never runs anything: a function of ours that DuckDB wants to fold into the plan refuses meanwhile, and
// DuckDB then leaves the call in the plan. So a constant call such as embed('text') is computed at execution, once a
// chunk, because equal rows are computed once. [Conn.Query] plans and runs in one step and folds such a call once.
// Functions find the caller's session in the context given to Query or Exec.
//
// Prepare tells the types of parameters and columns when each mention of a parameter has a cast ($1::INTEGER) or stands
// where DuckDB can infer it (id = $1, LIMIT $1, an argument of a function of ours). One unresolved column makes all of
// them unknown. Arguments of table functions are never resolved, engram_rows($1) and unnest(f($1)) in FROM included. The
// parameters are $1 to $n without a gap. A vector is bound fastest as bytes: engram_floats($1::BLOB).
//
// One result can be open on a connection; DuckDB would close it silently when another statement starts, so every other
// use gives [ErrStreamOpen]. Since no data lives in DuckDB, a session need not share one connection: each open portal can
// have its own, a connection costs about as much as preparing a statement. What does belong to a connection is its
// time zone, its temporary objects, its transaction and its tokens.
//
// The context of Query ends the statement at any time, in DuckDB's code by an interrupt that is repeated until it is
// heard, in ours by the context that functions and scans receive. Closing a stream early lets callbacks finish their
// chunk, and cancels their context when they take longer; their scans are closed when Close returns.
//
// # Search functions in FROM
//
// A table function cannot take columns, subqueries or unresolved parameters, so a search is a scalar function that
// returns all its hits as LIST(STRUCT(id BIGINT, score FLOAT)), and a table macro around it:
//
//	CREATE MACRO cosine_top_k(query, k, table_name := 'memories') AS TABLE
//	    SELECT unnest(engram_top_k(query, k, table_name), recursive := true)
//
// This form takes named arguments, prepared parameters (whose types are inferred), subqueries and columns of tables to
// its left, with and without LATERAL, and hits keep their order within one query. The unnest must stand in the select
// list: with FROM unnest(f(...)) DuckDB computes f while it binds, which Prepare refuses.
//
// # Segments and the head
//
// A segment is read_parquet(['file'], file_row_number = true) WHERE alive(file_row_number), alive being a function of ours
// over a bitmap; DuckDB pushes the other filters and the projection into the file, and a LIMIT stops it early. The head
// is engram_rows('token'): projection reaches the relation, filters and limits do not.
//
// A relation is found by its token on the connection that runs the statement, when the statement is prepared (for its
// columns) and again when it runs (for its rows).
//
// # What is shut and what is not
//
// Open allows the listed directories, then closes external access (files elsewhere, network, extensions, ATTACH of
// files), then locks the configuration except TimeZone and streaming_buffer_size. Links out of an allowed directory are
// refused, and so is LOAD everywhere. Not refused by DuckDB, so the caller must not let users' statements do it:
// COPY ... TO, EXPORT and ATTACH into an allowed directory, ATTACH ':memory:', CREATE anything (macros over built-in
// names!), PRAGMA enable_profiling, CALL enable_logging(), SET of the two open settings, query() and query_table(),
// glob() and reading of segments' files inside an allowed directory, the duckdb_* functions, engram_rows itself (tokens
// cannot be guessed, but its name should be refused). [Stmt.Kind] tells SELECT from the rest.
//
// Integer division truncates, NULLs sort as in Postgres, the time zone is UTC until it is set.
//
// # Errors
//
// DuckDB's errors are [*Error] with their class. An error that a function or relation of ours returned stays visible to
// errors.Is and errors.As through DuckDB; a panic in one becomes a [*PanicError]. After an Internal or Fatal error DuckDB
// refuses all work, so [Instance.Broken] is true and every call gives [ErrBroken]: the holder takes a new instance from
// [Instance.Reopen], moves new statements there, and closes the old one when its connections are closed.
package duck
