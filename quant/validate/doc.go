// Package validate answers one question: does a quantized model still mean the same?
//
// Run puts texts through a model and through the one it was made from, and compares what comes out: for models that
// embed, the cosine of the two vectors of each text, how alike the two orders of all pairs of texts are, and whether the nearest
// texts of each text stay the nearest; for language models, the perplexity of both. A Report says whether the model
// passes and why not, and is kept beside the model as JSON and as text.
//
// The cosine decides, the perplexity only warns: it depends on the texts more than on the model. Weights are not compared: codes
// chosen by what they do to outputs (package gptq) lie further from the weights and nearer to the outputs.
package validate
