// Package model answers one question: what does a model make of this text?
//
// A model is a directory: model.json says what it is ([Manifest]), weights.parquet holds its numbers (package weights),
// and a vocabulary file belongs to its tokenizer. [Open] makes an [Encoder] of it, [Import] makes such a directory from
// what others publish, and a [Registry] finds models by name below some directories.
//
// Known are "use-lite", the Universal Sentence Encoder Lite (Cer et al. 2018, https://arxiv.org/abs/1803.11175), and "bert",
// encoders of the family of BERT, both of which an [Encoder] runs; and "llama", language models, which [OpenLanguageModel]
// opens. What a text is made of says package token, what a layer computes package layer. docs/models.md describes the
// architectures and says how to install a model.
package model
