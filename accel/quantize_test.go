package accel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// halfway returns n numbers at offset off; some lie halfway between whole numbers.
func halfway(r *rand.Rand, n, off int) []float32 {
	buf := make([]float32, n+off+16)
	for i := range buf {
		buf[i] = float32(r.NormFloat64() * 60)
		if r.IntN(4) == 0 {
			buf[i] = float32(r.IntN(300)-150) + 0.5
		}
	}
	return buf[off : off+n : off+n]
}

func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func TestQuantizeInt8Levels(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	for n := 0; n <= 1000; n++ {
		v := halfway(r, n, offsets[n%len(offsets)])
		inv, scale, zero := float32(1), float32(r.NormFloat64()), float32(r.NormFloat64())
		if n%3 == 0 {
			inv = r.Float32() * 2
		}
		want := make([]int8, n)
		quantizeInt8Go(want, v, inv)
		back := make([]float32, n)
		dequantizeInt8Go(back, want, scale, zero)
		for _, l := range levels(t) {
			atLevel(l, func() {
				got, values := make([]int8, n+3)[3:], make([]float32, n+1)[1:]
				if AbsMax(v) != math.Float32frombits(absMaxGo(v)) {
					t.Fatalf("at %v, length %d: greatest magnitude %v", l, n, AbsMax(v))
				}
				QuantizeInt8(got, v, inv)
				if !slices.Equal(got, want) {
					t.Fatalf("at %v, length %d: codes %v, want %v", l, n, got, want)
				}
				DequantizeInt8(values, got, scale, zero)
				if !sameBits(values, back) {
					t.Fatalf("at %v, length %d: values %v, want %v", l, n, values, back)
				}
			})
		}
	}
}

func TestAbsMaxOfWhatIsNotFinite(t *testing.T) {
	for n := 1; n <= 200; n++ {
		for _, x := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
			v := make([]float32, n)
			v[n*7/11] = float32(x)
			for _, l := range levels(t) {
				atLevel(l, func() {
					if got := AbsMax(v); got-got == 0 {
						t.Fatalf("at %v, %v among %d: greatest magnitude %v", l, x, n, got)
					}
				})
			}
		}
	}
}

func TestDequantizeGroupsLevels(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	for bits := 2; bits <= 4; bits++ {
		for _, group := range []int{16, 32, 48, 64, 128, 384, 512} {
			for n := range 7 {
				for _, slack := range []int{0, 1, 5, 16} {
					codes := make([]byte, group*n/8*bits+slack)
					for i := range codes {
						codes[i] = byte(r.Uint32())
					}
					codes = slices.Clip(codes)
					scales, zeros := make([]float32, n), make([]float32, n)
					for i := range scales {
						scales[i], zeros[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
					}
					want := make([]float32, n*group)
					dequantizeGroupsGo(want, bits, codes, scales, zeros, group)
					for _, l := range levels(t) {
						atLevel(l, func() {
							got := make([]float32, n*group)
							DequantizeGroups(got, bits, codes, scales, zeros, group)
							if !sameBits(got, want) {
								t.Fatalf("at %v, %d bits, %d groups of %d: %v, want %v", l, bits, n, group, got, want)
							}
						})
					}
				}
			}
		}
	}
}

func BenchmarkQuantizeInt8(b *testing.B) {
	const rows, cols = 16384, 1024 // 64 MiB: more than the caches
	v, dst := halfway(rand.New(rand.NewPCG(1, 1)), rows*cols, 0), make([]int8, rows*cols)
	b.SetBytes(rows * cols * 4)
	for b.Loop() {
		for i := 0; i < len(v); i += cols {
			row := v[i : i+cols]
			QuantizeInt8(dst[i:i+cols], row, 127/AbsMax(row))
		}
	}
	b.ReportMetric(float64(rows*cols)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gnumbers/s")
}

func BenchmarkDequantize(b *testing.B) {
	const n, group = 1 << 20, 64
	dst, scales, zeros := make([]float32, n), make([]float32, n/group), make([]float32, n/group)
	codes := make([]byte, n)
	for bits := 2; bits <= 4; bits++ {
		b.Run(string(rune('0'+bits)), func(b *testing.B) {
			b.SetBytes(n * 4)
			for b.Loop() {
				DequantizeGroups(dst, bits, codes, scales, zeros, group)
			}
		})
	}
	b.Run("8", func(b *testing.B) {
		b.SetBytes(n * 4)
		signed := make([]int8, n)
		for b.Loop() {
			DequantizeInt8(dst, signed, 1, 0)
		}
	})
}
