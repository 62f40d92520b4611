// Package model answers one question: what does a model make of this text?
package model
