// Package levels answers one question: which levels of instructions does this machine have?
//
// It is a program: it prints their names on one line, lowest first. `make levels` runs the tests at these and says which it skips.
package main
