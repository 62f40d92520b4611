// Package indextest answers one question: does this index keep the promises of index.Index?
package indextest
