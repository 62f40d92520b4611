// Package ivf answers one question: in which lists may the nearest rows be?
//
// An [Index] cuts rows into lists around centroids. A search looks into the lists whose centroids are near: codes of one bit a dimension,
// 32 rows at a time, give every row a distance that it is at least at (RaBitQ and FastScan, see quant.RaBitQ); where that is below the
// k-th best so far, codes of four bits narrow it; rows that are still in question are compared exactly, nearest first, until the next
// cannot be among the k nearest. The centroids themselves are found by the same codes.
//
// How far a search looks is learned when the index is built: sampled rows are asked for their nearest rows, and what it takes to find
// nearly all of them decides. The result carries exact dists of the metric on the stored vectors. docs/decisions/0004-index-choice.md
// tells when lists are the better choice.
package ivf
