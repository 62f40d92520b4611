// Package plan answers one question: which road does a statement take?
//
// [Parse] splits a text into statements with PostgreSQL's own grammar. [Analyze] gives names and types their meaning
// in a [Scope] and chooses the road:
//
//   - direct: key reads, nearest-neighbour queries and constant SELECTs, all of whose expressions Go can evaluate
//     ([DirectPlan], [Expr]);
//   - DuckDB: everything analytical, rewritten to DuckDB's dialect so that it answers what PostgreSQL answers
//     ([Plan.DuckSQL]);
//   - DML: changes to a relation, whose source is either rows of expressions or a DuckDB query ([DMLPlan]);
//   - utility: everything else, as checked structs ([Plan.Utility]).
//
// # What DuckSQL holds
//
// Relation i of [Plan.Relations] stands in FROM as the quoted identifier "__engram_rel_<i>__" ([RelationToken]),
// always with an alias; the executor replaces the token by a relation of the session's snapshot. A user relation has
// the hidden column __engram_rowid ([RowIDColumn]). Functions that need the session have the identifier
// __engram_token__ ([SessionToken]) as their first argument; the executor replaces it by a literal. Parameters stay
// $1..$n, with casts where their type is known. Errors that a rewritten query raises itself carry their SQLSTATE:
// see [DecodeRaised].
//
// Nothing here executes anything, and nothing here knows DuckDB beyond its dialect. All functions may be called
// concurrently; a Plan is read-only and may be shared between executions.
package plan
