// Package ivf answers one question: in which lists may the nearest rows be?
//
// An [Index] cuts rows into lists around centroids. A search looks into the lists whose centroids are near, scores the one-bit
// codes there, and computes the exact dist of the rows whose lower bound is below the k-th best so far. The result carries exact
// dists of the metric on the stored vectors.
package ivf
