package quant

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"engram/accel"
)

func normals(r *rand.Rand, n int, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64() * scale)
	}
	return v
}

func squared(a, b []float32) float64 {
	sum := 0.0
	for i, x := range a {
		d := float64(x) - float64(b[i])
		sum += d * d
	}
	return sum
}

// coded is rows near a point, coded, and a query.
type coded struct {
	r       *RaBitQ
	q       RaBitQQuery
	rows    [][]float32 // as they were
	v       []float32
	base    float32
	codes   []byte
	factors []float32
	records []byte
}

func code(t *testing.T, dim, blocks int, seed uint64) *coded {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 5))
	r, err := NewRaBitQ(normals(random, dim, 3), seed)
	if err != nil {
		t.Fatal(err)
	}
	n := blocks * accel.ScanRows
	c := &coded{
		r: r, codes: make([]byte, blocks*r.BlockSize()), factors: make([]float32, blocks*accel.ScanFactors),
		records: make([]byte, n*r.RecordSize()),
	}
	near := normals(random, dim, 3)
	c.v = slices.Clone(near)
	for i := range c.v {
		c.v[i] += float32(random.NormFloat64() * 1.5)
	}
	turned := slices.Clone(near)
	r.Turn(turned)
	for i := range n {
		row := slices.Clone(near)
		scale := 0.2 + random.Float64()
		for j := range row {
			row[j] += float32(random.NormFloat64() * scale)
		}
		c.rows = append(c.rows, row)
		v := slices.Clone(row)
		r.Turn(v)
		b := i / accel.ScanRows
		r.Encode(v, turned, c.codes[b*r.BlockSize():(b+1)*r.BlockSize()], i%accel.ScanRows, c.factors[b*accel.ScanFactors:(b+1)*accel.ScanFactors],
			c.records[i*r.RecordSize():(i+1)*r.RecordSize()])
	}
	if !r.Query(c.v, &c.q) {
		t.Fatal("the query is not taken")
	}
	c.base = accel.L2Sq(c.q.Turned, turned)
	return c
}

func (c *coded) bounds(eps float32) []float32 {
	dst := make([]float32, len(c.rows))
	c.q.Bounds(c.codes, c.factors, c.base, eps, make([]uint16, len(dst)), dst)
	return dst
}

func (c *coded) fine() (est, err []float32) {
	n := len(c.rows)
	est, err = make([]float32, n), make([]float32, n)
	at := make([]uint32, n)
	for i := range at {
		at[i] = uint32(i)
	}
	c.q.Fine(c.records, at, c.base, make([]int32, n), est, err)
	return est, err
}

// TestRaBitQEstimates compares estimates with exact squared distances in units of the deviation that the codes claim: unbiased, no
// more spread than claimed, and bounds that hold as often as a normal distribution lets them.
func TestRaBitQEstimates(t *testing.T) {
	for _, dim := range []int{2, 3, 5, 24, 63, 64, 65, 100, 384, 785, 1536} {
		var one, four spread
		low, n := 0, 0
		for seed := range uint64(8) {
			c := code(t, dim, 2, seed)
			est, sure := c.bounds(0), c.bounds(1.9)
			fine, fineErr := c.fine()
			for i, row := range c.rows {
				exact := squared(row, c.v)
				// The bound at eps 1.9 is 1.9 deviations below the estimate.
				one.add((float64(est[i]) - exact) / max(1e-6, float64(est[i]-sure[i])/1.9))
				four.add((float64(fine[i]) - exact) / max(1e-6, float64(fineErr[i])))
				n++
				if float64(sure[i]) > exact {
					low++
				}
			}
		}
		// Errors of rows of one rotation go together, so few dimensions leave the mean uncertain.
		for name, s := range map[string]*spread{"one bit": &one, "four bits": &four} {
			if m, d := s.mean(), s.deviation(); math.Abs(m) > 0.35 || d > 1.3 {
				t.Errorf("%s of %d dimensions: errors of mean %.2f and deviation %.2f in units of what is claimed", name, dim, m, d)
			}
		}
		if share := float64(low) / float64(n); share > 0.08 {
			t.Errorf("%d dimensions: %.1f %% of the rows are nearer than their lower bound", dim, 100*share)
		}
	}
}

// TestRaBitQFineIsFiner: four bits are worth their bytes.
func TestRaBitQFineIsFiner(t *testing.T) {
	c := code(t, 256, 8, 3)
	est := c.bounds(0)
	fine, _ := c.fine()
	var one, four float64
	for i, row := range c.rows {
		exact := squared(row, c.v)
		one += math.Abs(float64(est[i]) - exact)
		four += math.Abs(float64(fine[i]) - exact)
	}
	if four*4 > one {
		t.Errorf("mean error %.3f with four bits, %.3f with one", four/256, one/256)
	}
}

type spread struct {
	n       int
	sum, sq float64
}

func (s *spread) add(x float64) { s.n++; s.sum += x; s.sq += x * x }

func (s *spread) mean() float64 { return s.sum / float64(s.n) }

func (s *spread) deviation() float64 { return math.Sqrt(s.sq / float64(s.n)) }

// TestRaBitQOfThePointItself: a row that is the point it is coded by has no direction and an exact distance.
func TestRaBitQOfThePointItself(t *testing.T) {
	r, err := NewRaBitQ(make([]float32, 40), 1)
	if err != nil {
		t.Fatal(err)
	}
	near := normals(rand.New(rand.NewPCG(1, 1)), 40, 1)
	block, factors, record := make([]byte, r.BlockSize()), make([]float32, accel.ScanFactors), make([]byte, r.RecordSize())
	r.Encode(near, near, block, 31, factors, record)
	var q RaBitQQuery
	if !r.Query(make([]float32, 40), &q) {
		t.Fatal("a query of zeros is not taken")
	}
	base := accel.L2Sq(q.Turned, near)
	dst := make([]float32, accel.ScanRows)
	q.Bounds(block, factors, base, 3, make([]uint16, len(dst)), dst)
	est, off := make([]float32, 1), make([]float32, 1)
	q.Fine(record, []uint32{0}, base, make([]int32, 1), est, off)
	if dst[31] != base || est[0] != base || off[0] != 0 {
		t.Errorf("bound %v, estimate %v by %v, want %v", dst[31], est[0], off[0], base)
	}
}

func TestRaBitQRefusesQueriesThatAreNoNumbers(t *testing.T) {
	r, _ := NewRaBitQ(make([]float32, 8), 1)
	var q RaBitQQuery
	for _, x := range []float32{float32(math.NaN()), float32(math.Inf(-1)), 3e38} {
		v := make([]float32, 8)
		v[3] = x
		if r.Query(v, &q) {
			t.Errorf("a query with %v is taken", x)
		}
	}
}

func TestRaBitQParams(t *testing.T) {
	r, err := NewRaBitQ([]float32{1, 2, 3, 4, 5}, 77)
	if err != nil {
		t.Fatal(err)
	}
	params := r.AppendParams(nil)
	s, err := OpenRaBitQ(params)
	if err != nil {
		t.Fatal(err)
	}
	a, b := []float32{9, 8, 7, 6, 5}, []float32{9, 8, 7, 6, 5}
	r.Turn(a)
	s.Turn(b)
	if !slices.Equal(a, b) || s.Dim() != 5 {
		t.Errorf("opened codes turn to %v, not %v", b, a)
	}
	for i := range params {
		bad := slices.Clone(params)
		bad[i] ^= 0xff
		if _, err := OpenRaBitQ(bad); err != nil && !errors.Is(err, ErrParams) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := OpenRaBitQ(params[:i]); !errors.Is(err, ErrParams) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
	if _, err := NewRaBitQ(nil, 1); !errors.Is(err, ErrParams) {
		t.Errorf("no dimensions: %v", err)
	}
	if _, err := NewRaBitQ([]float32{float32(math.NaN())}, 1); !errors.Is(err, ErrParams) {
		t.Errorf("a centre that is no number: %v", err)
	}
}

func BenchmarkRaBitQQuery(b *testing.B) {
	v := normals(rand.New(rand.NewPCG(1, 2)), 784, 1)
	r, _ := NewRaBitQ(make([]float32, 784), 1)
	var q RaBitQQuery
	for b.Loop() {
		r.Query(v, &q)
	}
}

func BenchmarkRaBitQEncode(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	v, near := normals(random, 784, 1), normals(random, 784, 1)
	r, _ := NewRaBitQ(make([]float32, 784), 1)
	block, factors, record := make([]byte, r.BlockSize()), make([]float32, accel.ScanFactors), make([]byte, r.RecordSize())
	for b.Loop() {
		clear(block)
		r.Encode(v, near, block, 0, factors, record)
	}
}
