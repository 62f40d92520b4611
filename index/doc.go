// Package index answers one question: which rows are worth comparing?
package index
