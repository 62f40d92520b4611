// Package quant answers one question: how few bits can a number keep?
//
// A [Codec] turns a vector into a code of fixed size and back. [Flat] keeps float32 as it is; [SQ8] keeps
// a signed byte a dimension, scores a query against codes in the integer units of the CPU, and says for
// every row how wrong the score can be. Codes of many vectors lie one after the other in one byte slice,
// which may be a mapped file; row i is at i times the code's size. ToHalf and FromHalf convert IEEE
// half precision.
//
// Indexes use codes that compare and need not be turned back: [Lean] for walks over a graph, [RaBitQ] for lists of
// rows around points.
//
// What a codec knows beside the codes (its dimension, a trained centre) is written by AppendParams and read
// by Open. Numbers are little-endian. Codecs are immutable and safe for concurrent use.
package quant
