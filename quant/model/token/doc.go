// Package token answers one question: which pieces is a text made of?
//
// Four kinds of tokenizer are known: a unigram language model ([Unigram]), longest pieces of a word ([WordPiece], as BERT
// has it), pairs joined in the order of their merges ([BytePair], as GPT-2 has it), and pairs joined in the order of their
// scores ([Scored], as llama2.c has it). The first three are also read from a tokenizer.json of Hugging Face, which puts
// normalisation before them, and special tokens round them ([ReadJSON] makes a [Pipeline]).
//
// All of them take any bytes for text, give ids below [Tokenizer.Size], and take time in proportion to the length of the
// text, but for byte pairs, whose words take n log n. They are immutable and may be used by several goroutines.
//
// What a file asks for and this package does not know is an error, [ErrUnsupported], never a guess: ids that are nearly
// right make vectors that are quietly wrong.
package token
