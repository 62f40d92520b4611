// Package db answers one question: where do memories live, and which version of them do I see?
package db
