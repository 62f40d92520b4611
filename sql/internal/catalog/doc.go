// Package catalog answers one question: what would PostgreSQL say is there?
//
// Clients learn a database by reading pg_catalog and information_schema. Every relation of PostgreSQL 15 is here with
// its exact column list ([Lookup]); the rows come from three places: rows that no user changes (types, functions,
// operators) are a dump of PostgreSQL 15 embedded in the program; rows about tables, columns, indexes and roles are
// made from the session's view of the database, so a table created in a transaction is seen in that transaction only;
// relations about things Engram does not have (triggers, publications) are empty, as they are in a fresh PostgreSQL.
//
// [Functions] holds the catalog functions (format_type, pg_get_indexdef ...) that those clients call.
//
// Everything here is read-only and safe for concurrent use; an [Env] belongs to one session.
package catalog
