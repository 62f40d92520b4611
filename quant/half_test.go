package quant

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestHalfAll takes every half to float32 and back, against the definition in the standard.
func TestHalfAll(t *testing.T) {
	for i := 0; i <= math.MaxUint16; i++ {
		h := uint16(i)
		sign, e, m := 1.0, int(h>>10&31), float64(h&0x3ff)
		if h>>15 == 1 {
			sign = -1
		}
		var want float64
		switch {
		case e == 31 && m == 0:
			want = math.Inf(int(sign))
		case e == 31:
			want = math.NaN()
		case e == 0:
			want = math.Copysign(math.Ldexp(m, -24), sign)
		default:
			want = sign * math.Ldexp(1+m/1024, e-15)
		}
		f := FromHalf(h)
		if math.Float64bits(float64(f)) != math.Float64bits(want) && !(math.IsNaN(want) && f != f) {
			t.Fatalf("FromHalf(%#04x) = %v, want %v", h, f, want)
		}
		if back := ToHalf(f); back != h {
			t.Fatalf("ToHalf(FromHalf(%#04x)) = %#04x", h, back)
		}
	}
}

// TestHalfRounding walks the gaps between neighbouring halves: the middle goes to the even one, what
// is on either side of it to the nearer.
func TestHalfRounding(t *testing.T) {
	f := func(x float32, want uint16) {
		t.Helper()
		if got := ToHalf(x); got != want {
			t.Fatalf("ToHalf(%v) = %#04x, want %#04x", x, got, want)
		}
		if got := ToHalf(-x); got != want|0x8000 {
			t.Fatalf("ToHalf(%v) = %#04x, want %#04x", -x, got, want|0x8000)
		}
	}
	inf := float32(math.Inf(1))
	for h := uint16(0); h < 0x7c00; h++ {
		low, high := float64(FromHalf(h)), float64(FromHalf(h+1))
		if h+1 == 0x7c00 {
			high = 65536 // where the next half would be
		}
		middle := float32((low + high) / 2) // exact: one more bit than a half
		even := h + h&1
		f(middle, even)
		f(math.Nextafter32(middle, -inf), h)
		f(math.Nextafter32(middle, inf), h+1)
	}
	f(math.MaxFloat32, 0x7c00)
	f(inf, 0x7c00)
	f(math.SmallestNonzeroFloat32, 0)
	f(MaxHalf, 0x7bff)
	for _, b := range []uint32{0x7f800001, 0x7fc00000, 0xff801fff, 0xffffffff} {
		if h := ToHalf(math.Float32frombits(b)); h&0x7c00 != 0x7c00 || h&0x3ff == 0 || uint32(h>>15) != b>>31 {
			t.Errorf("NaN %#08x becomes %#04x", b, h)
		}
	}
}

// TestHalfNearest compares with a search of all halves.
func TestHalfNearest(t *testing.T) {
	var all []float64
	for h := uint16(0); h < 0x7c00; h++ {
		all = append(all, float64(FromHalf(h)))
	}
	rapid.Check(t, func(t *rapid.T) {
		x := math.Float32frombits(rapid.Uint32Range(0, math.Float32bits(65519)).Draw(t, "x"))
		got := float64(FromHalf(ToHalf(x)))
		i, _ := slices.BinarySearch(all, float64(x))
		best := math.Inf(1)
		for j := max(0, i-1); j < min(len(all), i+2); j++ {
			best = min(best, math.Abs(all[j]-float64(x)))
		}
		if math.Abs(got-float64(x)) != best {
			t.Fatalf("ToHalf(%v) is %v, off by %v where %v is possible", x, got, got-float64(x), best)
		}
	})
}

func TestHalfSlices(t *testing.T) {
	v := []float32{1, -2.5, 65504, 1e-7}
	b := AppendHalf([]byte{9}, v)
	if len(b) != 9 || b[0] != 9 || b[1] != 0 || b[2] != 0x3c {
		t.Fatalf("halves are % x", b)
	}
	got := make([]float32, 4)
	if err := DecodeHalf(got, b[1:]); err != nil || got[0] != 1 || got[1] != -2.5 || got[2] != 65504 {
		t.Errorf("%v, %v", got, err)
	}
	if err := DecodeHalf(got, b); !errors.Is(err, ErrCode) {
		t.Errorf("nine bytes for four halves: %v", err)
	}
}
