// Package weights answers one question: what are the numbers of a model?
//
// A model's tensors lie in one Parquet file, a row a tensor. Two forms are read:
//
//   - V1: layer_name string, shape list<int32>, dtype string ("torch.float32"), data binary (little-endian, C order),
//     num_params int64.
//   - V2: V1 plus quant_type string, scales binary, zero_points binary (both float32), quant_axis int32, group_size int32.
//     A file is V2 exactly when it has the column quant_type. A code q stands for (q - zero_point) * scale.
//
// [Create] writes V1 with one row group a tensor and the bytes of the tensor plain, uncompressed and aligned to 64
// bytes, so that [Open] maps the file and a float32 tensor is a slice of the map: nothing is read before it is used and
// nothing is copied. Files written by others (compressed, dictionary-encoded, several tensors in a row group) are read
// too, by decoding. docs/format-weights.md describes the files byte by byte.
//
// Nothing in a file is believed: the footer and every page header are walked before the Parquet library sees them, sizes
// are compared with limits and with the bytes that are there before memory is taken, and a damaged file gives an error
// that names the file and the layer, never a panic.
package weights
