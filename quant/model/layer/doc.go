// Package layer answers one question: what does one layer of a network compute?
//
// [Params] hands out the layers of a weight file: [Linear], [Embedding] and small float32 tensors. A layer is read, and
// its checksum compared, when it is first used; what it needs in memory is kept inside a budget of bytes. Codes stay
// codes: a layer of one byte a number takes one byte a number in memory too.
//
// The rest are plain functions on slices: norms, attention, pooling, activations. [Conv] and [Depthwise] convolve pictures. Every function works row by row, so what
// comes out for a row depends on no other row, to the last bit, and a text has one vector whatever it is batched with.
//
// A [Scratch] is the working memory of one goroutine. Functions that take one allocate nothing once it has grown.
package layer
