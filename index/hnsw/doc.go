// Package hnsw answers one question: which rows does a walk over a graph of near rows find?
//
// An [Index] is a navigable graph of one layer: every row has links to rows near it, chosen so that no two of them lie in
// the same direction. A search starts from the nearest of a few hundred sampled rows and follows links towards the query; a
// sample finds the region as well as the upper layers of HNSW (arXiv 1603.09320) do and is one sequential scan. The walk compares
// codes of a few cache lines (quant.Lean), the nearest rows it finds are then compared exactly.
//
// The package is named for what users ask for; docs/decisions/0003-graph.md tells where it differs and what was measured.
package hnsw
