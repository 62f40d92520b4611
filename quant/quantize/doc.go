// Package quantize answers one question: which bits does each layer of a model get?
//
// [Run] reads a model directory or a weight file and writes another whose matrices are codes of few bits (a weight file of
// V2, see package weights). What becomes of a layer follows from its name and shape, from the type asked for and from
// rules of the caller; [Report] says it, layer by layer. With calibration texts the model is run on them, and codes are
// chosen by what they do to each layer's output (package gptq); a layer for which that cannot be done is rounded without,
// and the report says why. Type int2-mix gives each layer the width that its errors are worth, within a number of bits a
// weight on average.
//
// Layers are worked on one after the other, so memory holds one layer and what its calibration needs. Each finished layer is
// appended to a journal beside the output; a run that was cancelled or killed goes on from there when it is started again
// with the same input and options, and ends with the same bytes. The output appears whole or not at all.
package quantize
