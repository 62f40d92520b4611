// Package wire answers one question: who is asking?
package wire
