// Package rowtest answers one question: which values can a column of this type hold?
//
// It generates types and values for property tests.
package rowtest
