// Package arch answers one question: does every import point down?
package arch
