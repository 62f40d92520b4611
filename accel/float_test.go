package accel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// offsets are where slices start inside their buffer, in elements: every alignment that differs for
// 32-byte and 64-byte loads.
var offsets = []int{0, 1, 3, 7, 8, 13}

// poisoned returns n random numbers at offset off of a buffer that holds NaN everywhere else, so that
// a kernel that takes in a neighbour shows.
func poisoned(r *rand.Rand, n, off int) []float32 {
	buf := make([]float32, n+off+32)
	for i := range buf {
		buf[i] = float32(math.NaN())
	}
	v := buf[off : off+n : off+n]
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

type floatOp struct {
	name string
	at   func(l Level, a, b []float32) float32
	term func(a, b float64) float64
	more float64 // roundings of one term
	rows func(q, rows, dst []float32)
	pick func(q, rows []float32, at []uint32, dst []float32)
}

var floatOps = []floatOp{
	{"dot", Level.dot, func(a, b float64) float64 { return a * b }, 0, DotRows, DotGather},
	{"l2sq", Level.l2sq, func(a, b float64) float64 { return (a - b) * (a - b) }, 4, L2SqRows, L2SqGather},
	{"l1", Level.l1, func(a, b float64) float64 { return math.Abs(a - b) }, 4, L1Rows, L1Gather},
}

// check compares got with the sum in float64, by the bound the package promises.
func (o floatOp) check(got float32, a, b []float32) error {
	sum, size := 0.0, 0.0
	for i := range a {
		x := o.term(float64(a[i]), float64(b[i]))
		sum += x
		size += math.Abs(x)
	}
	n := float64(len(a))
	bound := (n+8+o.more)*size/(1<<24) + n*math.SmallestNonzeroFloat32
	if d := math.Abs(float64(got) - sum); !(d <= bound) {
		return fmt.Errorf("%v, exactly %v: off by %g, bound %g", got, sum, d, bound)
	}
	return nil
}

func TestFloatPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, o := range floatOps {
		for n := 0; n <= 1000; n++ {
			a := poisoned(r, n, offsets[n%len(offsets)])
			b := poisoned(r, n, offsets[(n/len(offsets))%len(offsets)])
			for _, l := range levels(t) {
				if err := o.check(o.at(l, a, b), a, b); err != nil {
					t.Fatalf("%s at %v, length %d: %v", o.name, l, n, err)
				}
			}
		}
		for _, n := range []int{1, 15, 16, 17, 63, 64, 65, 100, 127, 768} {
			for _, oa := range offsets {
				for _, ob := range offsets {
					a, b := poisoned(r, n, oa), poisoned(r, n, ob)
					for _, l := range levels(t) {
						if err := o.check(o.at(l, a, b), a, b); err != nil {
							t.Fatalf("%s at %v, length %d, offsets %d and %d: %v", o.name, l, n, oa, ob, err)
						}
					}
				}
			}
		}
	}
}

// TestFloatSpecial puts NaN, infinities, zeros of both signs, the largest and the smallest numbers at
// every place of short vectors: NaN and infinity come out as the reference says.
func TestFloatSpecial(t *testing.T) {
	inf := float32(math.Inf(1))
	special := []float32{float32(math.NaN()), inf, -inf, 0, float32(math.Copysign(0, -1)), 1e18, -1e18, math.SmallestNonzeroFloat32}
	r := rand.New(rand.NewPCG(2, 2))
	same := func(x, y float32) bool {
		if x != x || y != y {
			return x != x && y != y
		}
		if math.IsInf(float64(x), 0) || math.IsInf(float64(y), 0) {
			return x == y
		}
		return true // finite values are checked against their bound elsewhere
	}
	step := 1
	if testing.Short() {
		step = 7 // every kind of tail all the same: an emulated processor takes a microsecond for an addition
	}
	for _, o := range floatOps {
		for n := 1; n <= 150; n += step {
			a, b := poisoned(r, n, 1), poisoned(r, n, 3)
			for i := 0; i < n; i++ {
				for si, s := range special {
					oldA, oldB := a[i], b[n-1-i]
					a[i], b[n-1-i] = s, special[(si+i)%len(special)]
					want := o.at(LevelGo, a, b)
					for _, l := range levels(t) {
						if got := o.at(l, a, b); !same(got, want) {
							t.Fatalf("%s at %v, length %d, %v and %v: %v, reference %v", o.name, l, n, a[i], b[n-1-i], got, want)
						}
					}
					a[i], b[n-1-i] = oldA, oldB
				}
			}
		}
		for _, x := range special[:3] {
			if got := o.at(LevelGo, []float32{1, x, 2}, []float32{1, 1, 1}); got == got && !math.IsInf(float64(got), 0) {
				t.Errorf("%s with %v is %v", o.name, x, got)
			}
		}
	}
}

// TestFloatRows says that rows and gather give the bits of the pair, for every count around the group
// sizes and every kind of tail.
func TestFloatRows(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	dims := []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 100, 127, 128, 129, 300, 511, 784, 1000}
	for _, dim := range dims {
		for count := 0; count <= 13; count++ {
			q := poisoned(r, dim, offsets[count%len(offsets)])
			rows := poisoned(r, dim*count, offsets[dim%len(offsets)])
			at := make([]uint32, 0, 2*count)
			for i := 0; i < count; i++ {
				at = append(at, uint32(i), uint32(r.IntN(count)))
			}
			for _, l := range levels(t) {
				atLevel(l, func() { rowsAgree(t, dim, q, rows, at) })
			}
		}
	}
	// More rows than go into one call of a kernel.
	dim, count := 700, 2*chunkRows(700, 4)+3
	q, rows := poisoned(r, dim, 0), poisoned(r, dim*count, 1)
	at := make([]uint32, count)
	for i := range at {
		at[i] = uint32(r.IntN(count))
	}
	for _, l := range levels(t) {
		atLevel(l, func() { rowsAgree(t, dim, q, rows, at) })
	}
}

func rowsAgree(t *testing.T, dim int, q, rows []float32, at []uint32) {
	t.Helper()
	row := func(i uint32) []float32 { return rows[int(i)*dim : (int(i)+1)*dim] }
	dst := make([]float32, len(rows)/dim+1)
	dst[len(dst)-1] = 42
	picked := make([]float32, len(at)+1)
	picked[len(at)] = 42
	compare := func(name string, pair func(a, b []float32) float32) {
		t.Helper()
		for i, d := range dst[:len(dst)-1] {
			if w := pair(q, row(uint32(i))); math.Float32bits(w) != math.Float32bits(d) {
				t.Fatalf("%s at %v, dim %d: row %d of %d is %v, alone %v", name, current, dim, i, len(dst)-1, d, w)
			}
		}
		for i, o := range at {
			if w := pair(q, row(o)); math.Float32bits(w) != math.Float32bits(picked[i]) {
				t.Fatalf("%s at %v, dim %d: gathered %d is %v, alone %v", name, current, dim, i, picked[i], w)
			}
		}
		if dst[len(dst)-1] != 42 || picked[len(at)] != 42 {
			t.Fatalf("%s at %v, dim %d wrote beyond its results", name, current, dim)
		}
	}
	for _, o := range floatOps {
		o.rows(q, rows, dst[:len(dst)-1])
		o.pick(q, rows, at, picked[:len(at)])
		compare(o.name, func(a, b []float32) float32 { return o.at(current, a, b) })
	}
	sq := make([]float32, len(dst)-1)
	SqNorms(dim, rows, sq)
	for _, norms := range [][]float32{nil, sq} {
		CosineRows(q, rows, norms, dst[:len(dst)-1])
		CosineGather(q, rows, norms, at, picked[:len(at)])
		compare("cosine", CosineDist)
	}
	for _, m := range []Metric{L2, InnerProduct, Cosine, L1} {
		x := NewQuery(m, q)
		for _, norms := range [][]float32{nil, sq} {
			x.Rows(rows, norms, dst[:len(dst)-1])
			x.Gather(rows, norms, at, picked[:len(at)])
			compare(m.String(), m.Distance())
			compare(m.String(), m.Dist)
			compare(m.String(), func(_, b []float32) float32 { return x.Dist(b) })
		}
	}
}

func TestCosine(t *testing.T) {
	for _, l := range levels(t) {
		atLevel(l, func() {
			f := func(a, b []float32, want float64) {
				t.Helper()
				got := float64(CosineDist(a, b))
				if math.IsNaN(want) != math.IsNaN(got) || math.Abs(got-want) > 1e-6 {
					t.Errorf("cosine distance of %v and %v at %v is %v, want %v", a, b, l, got, want)
				}
			}
			f([]float32{1, 0}, []float32{0, 1}, 1)
			f([]float32{1, 2}, []float32{-2, -4}, 2)
			f([]float32{1, 1}, []float32{1, 0}, 1-math.Sqrt(0.5))
			f([]float32{0, 0}, []float32{1, 0}, math.NaN())
			f([]float32{1e15, 0}, []float32{1e15, 1e15}, 1-math.Sqrt(0.5))
			r := rand.New(rand.NewPCG(4, 4))
			for n := 1; n < 200; n++ {
				v := poisoned(r, n, 0)
				if d := CosineDist(v, v); d != 0 {
					t.Errorf("a vector of %d is %v from itself", n, d)
				}
				for _, by := range []float32{0.3, -0.7, 3} { // rounding must not lead out of 0 to 2
					w := poisoned(r, n, 0)
					for i := range w {
						w[i] = by * v[i]
					}
					if d := CosineDist(v, w); !(d >= 0 && d <= 2) || math.Abs(float64(d)-1+math.Copysign(1, float64(by))) > 1e-5 {
						t.Errorf("a vector of %d is %v from %v times itself", n, d, by)
					}
				}
				if s := Norm(v); math.Abs(float64(s)*float64(s)-float64(SqNorm(v))) > 1e-5*float64(SqNorm(v)) {
					t.Errorf("norm %v, squared %v", s, SqNorm(v))
				}
			}
		})
	}
}

func TestLengthsPanic(t *testing.T) {
	v := make([]float32, 12)
	f := func(name string, call func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s accepts slices that do not fit", name)
			}
		}()
		call()
	}
	f("Dot", func() { Dot(v, v[:3]) })
	f("L2Sq", func() { L2Sq(v[:3], v) })
	f("DotRows short", func() { DotRows(v[:4], v, v[:4]) })
	f("DotRows ragged", func() { DotRows(v[:5], v, v[:2]) })
	f("DotRows of nothing", func() { DotRows(nil, v, v[:2]) })
	f("DotGather beyond", func() { DotGather(v[:4], v, []uint32{3}, v[:1]) })
	f("DotGather dst", func() { DotGather(v[:4], v, []uint32{1}, v[:2]) })
	f("CosineRows norms", func() { CosineRows(v[:4], v, v[:2], v[:3]) })
	f("HammingDist", func() { HammingDist(make([]byte, 3), make([]byte, 4)) })
	f("Query of bits", func() { NewQuery(Hamming, v) })
	f("Dist of bits", func() { Jaccard.Dist(v, v) })
}

func TestNoAllocation(t *testing.T) {
	q, rows, dst, sq := make([]float32, 100), make([]float32, 1000), make([]float32, 10), make([]float32, 10)
	at := []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 0}
	q8, rows8, dst8 := make([]int8, 100), make([]int8, 1000), make([]int32, 10)
	bits := make([]byte, 100)
	for _, l := range levels(t) {
		atLevel(l, func() {
			n := testing.AllocsPerRun(20, func() {
				var local [100]float32
				Dot(local[:], q)
				for _, m := range []Metric{L2, InnerProduct, Cosine, L1} {
					x := NewQuery(m, q)
					x.Rows(rows, nil, dst)
					x.Rows(rows, sq, dst)
					x.Gather(rows, nil, at, dst)
					x.Gather(rows, sq, at, dst)
					x.Dist(q)
					m.Distance()(q, q)
				}
				DotRows(q, rows, dst)
				L2SqRows(q, rows, dst)
				L1Rows(q, rows, dst)
				CosineRows(q, rows, nil, dst)
				DotInt8(q8, q8)
				DotInt8Rows(q8, rows8, dst8)
				DotInt8Gather(q8, rows8, at, dst8)
				HammingDist(bits, bits)
				JaccardDist(bits, bits)
			})
			if n != 0 {
				t.Errorf("%v allocations at %v", n, l)
			}
		})
	}
}
