// Package plan answers one question: which road does a statement take?
package plan
