// Package segment answers one question: how does a settled row lie on disk?
package segment
