// Package modeltest answers one question: which models can a test run that has none installed?
//
// They have the architectures of real ones, a few thousand random numbers, and a vocabulary of letters: what they make of a text means
// nothing, but every layer of it is real.
package modeltest
