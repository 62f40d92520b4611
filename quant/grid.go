package quant

import (
	"math"
	"unsafe"

	"engram/accel"
)

// Grid is what numbers that share a scale are rounded to: code q stands for (q - Zero) * Scale. Zero need not be whole,
// and Scale may be below 0, which turns the longer end of the codes to the side of the larger numbers.
type Grid struct{ Scale, Zero float32 }

// Code is the code of a given width whose value is nearest to x, a finite number; of two as near the even one.
func (g Grid) Code(bits int, x float32) int8 {
	half := float32(int(1) << (bits - 1))
	return int8(roundIn(x/g.Scale+g.Zero, -half, half-1))
}

// Codes writes the code of every number of w.
func (g Grid) Codes(dst []int8, bits int, w []float32) {
	half := float32(int(1) << (bits - 1))
	for i, x := range w {
		dst[i] = int8(roundIn(x/g.Scale+g.Zero, -half, half-1))
	}
}

// Value is the number that a code stands for.
func (g Grid) Value(q int8) float32 { return (float32(q) - g.Zero) * g.Scale }

// Values writes the numbers of the codes from to from+len(dst) of packed.
func (g Grid) Values(dst []float32, bits int, packed []byte, from int) {
	if bits == 8 {
		accel.DequantizeInt8(dst, asInt8(packed[from:from+len(dst)]), g.Scale, g.Zero)
		return
	}
	var levels [16]float32 // by code without its sign
	half := 1 << (bits - 1)
	for i := range 2 * half {
		levels[i] = g.Value(int8(i - half))
	}
	var codes [256]int8
	for len(dst) > 0 {
		n := min(len(dst), len(codes))
		Unpack(codes[:n], bits, packed, from)
		for i, q := range codes[:n] {
			dst[i] = levels[(int(q)+half)&15]
		}
		dst, from = dst[n:], from+n
	}
}

// asInt8 is b as signed bytes, in the same memory.
func asInt8(b []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

// Fit chooses the grid of numbers that share one, as the scheme says. importance weighs the squared errors of a scheme
// of least squares; nil weighs all alike. All numbers must be finite, and no importance below 0.
func (s Scheme) Fit(w, importance []float32) Grid {
	f := fitter{s: s}
	return f.fit(w, importance)
}

// span is the grid that reaches from the least to the greatest number. A range that leaves out 0 is widened to it, so
// that the zero point is a code; a number that is far from 0 still has an error of half a scale at most.
func (s Scheme) span(w []float32) Grid {
	lo, hi := float32(0), float32(0)
	for _, x := range w {
		lo, hi = min(lo, x), max(hi, x)
	}
	if s.Symmetric {
		return Grid{Scale: safeScale(max(-lo, hi) / float32(s.top()/2))}
	}
	// Differences of large numbers may overflow float32.
	scale := safeScale(float32((float64(hi) - float64(lo)) / float64(s.top())))
	zero := math.RoundToEven(float64(s.low()) - float64(lo)/float64(scale))
	return Grid{Scale: scale, Zero: float32(min(max(zero, float64(s.low())), float64(s.low()+s.top())))}
}

// safeScale replaces the scale of numbers that are all 0, or so small that their quotients are not finite.
func safeScale(scale float32) float32 {
	if scale < 0x1p-120 {
		return 1
	}
	return scale
}
