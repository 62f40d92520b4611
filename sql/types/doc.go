// Package types answers one question: how is a value written in Postgres?
package types
