// Package duck answers one question: how does DuckDB run it?
//
// It is the only package that knows DuckDB. An [Instance] is an engine in memory without data of its own; a [Conn] runs
// one statement at a time; a [Result] streams chunks of up to [ChunkRows] rows that are read in place through [Vector].
// SQL reaches us through [ScalarFunction] (a chunk of rows at a time) and [Relation] (rows of ours behind
// engram_rows('token')).
package duck
