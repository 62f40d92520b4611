// Package accel answers one question: how fast can two slices be compared?
//
// It compares float32 vectors (inner product, squared L2, L1, cosine), float16 rows, int8 and 4-bit codes (inner product) and
// packed bits (Hamming, Jaccard), two slices at a time or one query against many rows; it scans blocks of codes
// by tables ([FastScan]) and selects what a bound leaves ([Below]). Every operation
// has a reference in plain Go, which always works, and kernels for the levels of the machine: see
// [Level]. The level is chosen once, when the program starts; the environment variable ENGRAM_ACCEL
// lowers it.
//
// # Exactness
//
// Results on int8 and on bits are the same at every level. A float32 result lies within
//
//	(n + 8) * 2^-24 * sum |term_i| + n * 2^-149
//
// of the exact value, where n is the length and term_i the terms summed (a_i*b_i for the inner
// product), provided no partial sum overflows: levels add in different orders, so two of them may
// differ by twice that. For L2Sq and L1Dist each term is itself rounded, which adds 4 to n. NaN in any
// element gives NaN; infinities give what the reference gives.
//
// At one level a row scores the same bits whichever function scored it: alone, among rows, or by
// gather. Ties therefore stay ties, and a rerank agrees with the scan before it.
//
// # Concurrency and memory
//
// All functions may be called concurrently, read their arguments only and write nothing but dst. None
// allocates. Those that take rows expect them one after the other, len(q) elements each.
//
// Slices of unequal length are a programming error and panic: dimensions are checked where vectors
// come in. Assembly is generated from _gen; see `go generate`. The build tag purego leaves it out.
package accel

//go:generate sh -c "cd _gen && go run main.go -op dot -out ../dot_amd64.s -stubs ../dot_amd64.go -pkg accel"
//go:generate sh -c "cd _gen && go run main.go -op l2sq -out ../l2sq_amd64.s -stubs ../l2sq_amd64.go -pkg accel"
//go:generate sh -c "cd _gen && go run main.go -op l1 -out ../l1_amd64.s -stubs ../l1_amd64.go -pkg accel"
//go:generate sh -c "cd _gen && go run main.go -op dotnorm -out ../dotnorm_amd64.s -stubs ../dotnorm_amd64.go -pkg accel"
//go:generate sh -c "cd _gen && go run main.go -op int8 -out ../int8_amd64.s -stubs ../int8_amd64.go -pkg accel"
//go:generate sh -c "cd _gen && go run main.go -op bits -out ../bits_amd64.s -stubs ../bits_amd64.go -pkg accel"
//go:generate sh -c "cd _gen && go run main.go -op gemm -out ../gemm_amd64.s -stubs ../gemm_amd64.go -pkg accel"
//go:generate sh -c "cd _gen && go run main.go -op gemm8 -out ../gemm8_amd64.s -stubs ../gemm8_amd64.go -pkg accel"
//go:generate sh -c "cd _gen && go run main.go -op codes -out ../codes_amd64.s -stubs ../codes_amd64.go -pkg accel"
//go:generate sh -c "cd _gen && go run main.go -op quantize -out ../quantize_amd64.s -stubs ../quantize_amd64.go -pkg accel"
