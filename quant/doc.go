// Package quant answers one question: how few bits can a number keep?
package quant
