//go:build race

package db

// raced says that the race detector runs, under which building an index takes ten times as long.
const raced = true
