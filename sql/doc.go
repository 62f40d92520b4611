// Package sql answers one question: what did the user mean?
package sql
