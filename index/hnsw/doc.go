// Package hnsw answers one question: which of many vectors are nearest, by walking a graph of neighbours?
//
// [Build] links every vector to some that are near it in many directions; [Index.Nearest] walks from link to link towards the query. The walk
// looks at codes only, the best rows it finds are compared exactly with the float32 vectors. An index is immutable; it is
// written by [Index.WriteTo] and used by [Open] as it lies in a mapped file.
package hnsw
