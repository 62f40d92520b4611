// Package row answers one question: how is a row written as bytes?
//
// It holds the column types, the Go form of a value of each type, and the codec that head rows (in Pebble) and
// settled rows (in a segment's row sidecar) share. Package db re-exports the types.
package row
