// Package tools answers one question: which developer tools, at which version?
//
// It is a module of its own, so that users of Engram never see these dependencies.
package tools
