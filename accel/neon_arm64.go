//go:build arm64 && !purego

package accel

// The kernels of NEON, which every 64-bit Arm processor has. They take the lengths of their slices apart, so that a caller with
// empty ones must not ask.

//go:noescape
func dotNEON(a, b *float32, n int) float32

//go:noescape
func l2sqNEON(a, b *float32, n int) float32

//go:noescape
func l1NEON(a, b *float32, n int) float32

//go:noescape
func dotInt8NEON(a, b *int8, n int) int32

//go:noescape
func hammingNEON(a, b *byte, n int) int
