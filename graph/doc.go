// Package graph answers one question: which memories belong together?
//
// Memories are nodes, numbered by whoever keeps them; an [Edge] says that one is associated with another,
// how strongly, why and since when. A [Source] gives the edges that leave a node. [Walk] scores what lies
// within a few edges of some seeds, [PageRank] ranks by where a random walk that keeps returning to the
// seeds spends its time, and [Compact] copies a Source into a few flat arrays, which is a Source again and
// the fast one.
//
// Walks read at most so many nodes and edges per node as their options say, tell when that cut something
// off, end early with their context, and give the same answer each time if the Source gives edges in the
// same order each time. All functions may be called concurrently as far as the Source may.
package graph
