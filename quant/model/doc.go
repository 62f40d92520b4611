// Package model answers one question: what does a model make of this text?
//
// A model is a directory: model.json says what it is ([Manifest]), weights.parquet holds its numbers (package weights),
// and a vocabulary file belongs to its tokenizer. [Open] makes an [Encoder] of it, [Import] makes such a directory from
// what others publish, and a [Registry] finds models by name below some directories.
//
// The architecture known here is "use-lite", the Universal Sentence Encoder Lite (Cer et al. 2018,
// https://arxiv.org/abs/1803.11175): a unigram tokenizer, two transformer layers, the mean over the tokens, one dense
// layer, and a vector of length one. docs/models.md describes it and says how to install it.
package model
