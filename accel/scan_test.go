package accel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestFastScanAgreesWithReference goes through numbers of groups and blocks, at every alignment.
func TestFastScanAgreesWithReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for groups := ScanGroups; groups <= 300; groups += ScanGroups {
		for _, blocks := range []int{0, 1, 2, 3, 7} {
			shift := r.IntN(32)
			codes := randomBytes(r, shift+blocks*groups*16)[shift:]
			tables := randomBytes(r, shift/2+groups*16)[shift/2:]
			want := make([]uint16, blocks*ScanRows)
			fastScanGo(codes, tables, want)
			for _, l := range levels(t) {
				got := make([]uint16, len(want)+1)
				got[len(want)] = 77
				if blocks > 0 {
					l.fastScan(codes, tables, got[:len(want)])
				}
				if !slices.Equal(got[:len(want)], want) || got[len(want)] != 77 {
					t.Fatalf("%v, %d groups, %d blocks: %v, want %v", l, groups, blocks, got, want)
				}
			}
		}
	}
}

// TestFastScanAddsUp sets codes one by one and adds up what they pick.
func TestFastScanAddsUp(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const groups = 12
	codes, tables := make([]byte, groups*16), randomBytes(r, groups*16)
	var want, got [ScanRows]uint16
	for row := range ScanRows {
		for g := range groups {
			code := byte(r.IntN(16))
			SetScanCode(codes, g, row, code)
			if ScanCode(codes, g, row) != code {
				t.Fatalf("group %d of row %d is not what was set", g, row)
			}
			want[row] += uint16(tables[16*g+int(code)])
		}
	}
	FastScan(codes, tables, got[:])
	if got != want {
		t.Fatalf("%v, want %v", got, want)
	}
}

func TestScanBoundsAgreeWithReference(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for blocks := range 9 {
		n := blocks * ScanRows
		sums, factors := make([]uint16, n), make([]float32, 3*n)
		for i := range sums {
			sums[i] = uint16(r.Uint32())
		}
		for i := range factors {
			factors[i] = float32(r.NormFloat64() * 10)
		}
		s := ScanScale{Base: 3.7, Scale: 0.013, Shift: -11.3, Reach: float32(r.Float64())}
		want := make([]float32, n)
		scanBoundsGo(sums, factors, s, want)
		if n > 0 {
			exact := (float64(factors[0]) + 3.7) - (float64(sums[0])*0.013-11.3)*float64(factors[32]) - float64(factors[64])*float64(s.Reach)
			if math.Abs(exact-float64(want[0])) > 1e-4*(1+math.Abs(exact)) {
				t.Fatalf("%v, exactly %v", want[0], exact)
			}
		}
		for _, l := range levels(t) {
			atLevel(l, func() {
				got := make([]float32, n)
				ScanBounds(sums, factors, s, got)
				if !slices.Equal(got, want) {
					t.Fatalf("%v, %d blocks: %v, want %v", l, blocks, got, want)
				}
			})
		}
	}
}

func TestBelowAgreesWithReference(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	nan := float32(math.NaN())
	for n := range 200 {
		scores := make([]float32, n)
		for i := range scores {
			scores[i] = float32(r.IntN(8))
			if r.IntN(10) == 0 {
				scores[i] = nan
			}
		}
		for _, bound := range []float32{nan, -1, 0, 1, 3, 7, 8, float32(math.Inf(1)), float32(math.Inf(-1))} {
			var want []uint32
			for i, s := range scores {
				if !(s > bound) {
					want = append(want, uint32(i))
				}
			}
			for _, l := range levels(t) {
				atLevel(l, func() {
					dst := make([]uint32, n+1)
					dst[n] = 77
					got := dst[:Below(scores, bound, dst)]
					if !slices.Equal(got, want) || dst[n] != 77 {
						t.Fatalf("%v: of %v up to %v: %v, want %v", l, scores, bound, got, want)
					}
				})
			}
		}
	}
}

func TestDotNibblesAgreesWithReference(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for size := NibbleLine; size <= 20*NibbleLine; size += NibbleLine {
		for count := range 9 {
			const n = 20
			shift := r.IntN(32)
			codes := randomBytes(r, shift+n*size)[shift:]
			q := make([]int8, 2*size)
			for i := range q {
				q[i] = int8(r.Uint32())
			}
			if count == 8 { // the largest sums there are
				for i := range q {
					q[i] = -128
				}
				for i := range codes {
					codes[i] = 0xff
				}
			}
			at := make([]uint32, count)
			for i := range at {
				at[i] = r.Uint32N(n)
			}
			want, wantAt := make([]int32, count), make([]int32, count)
			dotNibblesRowsGo(q, size, codes, want)
			dotNibblesGatherGo(q, size, codes, at, wantAt)
			for _, l := range levels(t) {
				atLevel(l, func() {
					got, gotAt := make([]int32, count), make([]int32, count)
					DotNibbles(q, codes[:count*size], got)
					DotNibblesGather(q, codes, at, gotAt)
					if !slices.Equal(got, want) || !slices.Equal(gotAt, wantAt) {
						t.Fatalf("%v, %d bytes: %v and %v, want %v and %v", l, size, got, gotAt, want, wantAt)
					}
				})
			}
		}
	}
}

func TestScansRefuseWhatDoesNotFit(t *testing.T) {
	for i, f := range []func(){
		func() { FastScan(make([]byte, 64), make([]byte, 64), make([]uint16, 31)) },
		func() { FastScan(make([]byte, 48), make([]byte, 48), make([]uint16, 32)) },
		func() { FastScan(make([]byte, 64), make([]byte, 64), make([]uint16, 64)) },
		func() { ScanBounds(make([]uint16, 32), make([]float32, 95), ScanScale{}, make([]float32, 32)) },
		func() { ScanBounds(make([]uint16, 31), make([]float32, 93), ScanScale{}, make([]float32, 31)) },
		func() { Below(make([]float32, 3), 0, make([]uint32, 2)) },
		func() { DotNibbles(make([]int8, 62), make([]byte, 31), make([]int32, 1)) },
		func() { DotNibbles(nil, nil, nil) },
		func() { DotNibbles(make([]int8, 64), make([]byte, 64), make([]int32, 1)) },
		func() { DotNibblesGather(make([]int8, 64), make([]byte, 64), []uint32{2}, make([]int32, 1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("case %d: no panic", i)
				}
			}()
			f()
		}()
	}
	FastScan(nil, make([]byte, 64), nil)
}

func TestScansAllocateNothing(t *testing.T) {
	codes, tables, sums := make([]byte, 4*128), make([]byte, 128), make([]uint16, 4*ScanRows)
	factors, bounds, places := make([]float32, 4*ScanFactors), make([]float32, 4*ScanRows), make([]uint32, 4*ScanRows)
	q, dots := make([]int8, 128), make([]int32, 4)
	if n := testing.AllocsPerRun(20, func() {
		FastScan(codes, tables, sums)
		ScanBounds(sums, factors, ScanScale{Scale: 1}, bounds)
		Below(bounds, 1, places)
		DotNibbles(q, codes[:256], dots)
		DotNibblesGather(q, codes[:256], []uint32{3, 1, 2, 0}, dots)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
