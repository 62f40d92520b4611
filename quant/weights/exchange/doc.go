// Package exchange answers one question: how do others write the numbers of a model?
//
// [Open] looks at a file or folder, finds out by its content who wrote it, and gives its tensors one at a time as a
// [Source]: safetensors (one file, shards with an index, a Hugging Face folder), TensorFlow.js (weightsManifest), ONNX,
// GGUF, llama2.c, TFLite, and the weight files of package weights itself. What is quantized there is read as the numbers
// that it stands for. Those that hold a network beside its numbers ([ONNX], [TFLite], [TFJS]) also give its [Graph].
//
// Nothing in a file is believed: every length is compared with what is there before memory is taken, and the worst that
// a damaged file gives is an error that wraps weights.ErrCorrupt, ErrFormat, ErrUnsupported or ErrTooLarge.
package exchange
