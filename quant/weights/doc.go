// Package weights answers one question: what are the numbers of a model?
package weights
