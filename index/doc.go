// Package index answers one question: which rows are worth comparing?
//
// An [Index] finds the k rows nearest to a query among rows numbered by ord, 0 to Len-1. It does not know
// what is stored or how it is measured: a [Scorer] scores the query against rows by their ords, a [Space]
// measures stored rows against each other, and smaller is nearer. Seams speak builtin types, so what
// keeps the vectors or their codes need not import this package.
//
// [Flat] is the exact index over float32 vectors that lie one after the other, in an arena or in a mapped
// file; it is also the oracle of the approximate indexes, which have files of their own. [TopK] keeps the
// best of a stream of hits and [Merge] joins the results of several indexes. Package indextest holds the
// tests every Index must pass.
package index
