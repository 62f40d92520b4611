// Package postgres answers one question: what would PostgreSQL answer?
//
// Differential tests start a real server with it, in a temporary folder, on a Unix socket only. A test skips, and
// says so, where PostgreSQL is not installed.
package postgres
