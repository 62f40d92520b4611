// Package emulate answers one question: what do test programs say on a machine that has nothing else?
//
// It is the first process of an emulated computer (see scripts/emulate.sh). The file /jobs has one test run a line: words NAME=VALUE,
// then the program and its arguments. Each runs in the folder of its program, one after the other; what they say goes to
// the console. The last line is the mark "emulate: exit N", where N is 0 if every run passed; then the power goes off.
package main
