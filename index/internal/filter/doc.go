// Package filter answers one question: which rows may a search return?
package filter
