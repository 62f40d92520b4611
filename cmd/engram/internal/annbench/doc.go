// Package annbench answers one question: how fast is a search at a given recall?
//
// A [Dataset] is rows, queries and the exact answers to them. [Run] builds an index over the rows and sweeps its
// search width; [Filters] does it under filters; [Peer] measures another library on the same rows in the same run.
package annbench
