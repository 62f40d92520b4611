package quant

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"engram/accel"
)

// leanRows makes rows whose variance falls from one coordinate to the next, around a centre.
func leanRows(seed uint64, n, dim int, fall float64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := make([]float32, 0, n*dim)
	for range n {
		for j := range dim {
			rows = append(rows, float32(3+r.NormFloat64()*math.Pow(float64(j+1), -fall)))
		}
	}
	return rows
}

// leans are codecs of both widths, of directions and of plain coordinates.
func leans(t testing.TB) map[string]*Lean {
	t.Helper()
	f := &leanFit{dim: 150, rows: leanRows(1, 500, 150, 0.7)}
	f.findCentre()
	if err := f.findDirections(context.Background(), 150); err != nil {
		t.Fatal(err)
	}
	return map[string]*Lean{
		"nibbles of 120": f.make(f.directions[:120*150], true),
		"nibbles of 125": f.make(f.directions[:125*150], true), // half a record
		"nibbles of all": f.make(f.directions, true),
		"bytes of 60":    f.make(f.directions[:60*150], false),
		"bytes of all":   f.make(nil, false),
	}
}

// TestLeanScoresAreThoseOfTheirDecodedCodes takes the definition literally.
func TestLeanScoresAreThoseOfTheirDecodedCodes(t *testing.T) {
	rows := leanRows(2, 40, 150, 0.7)
	for name, l := range leans(t) {
		var s LeanScratch
		codes := make([]byte, 40*l.CodeSize())
		decoded := make([][]float64, 40)
		for i := range 40 {
			record := codes[i*l.CodeSize():][:l.CodeSize()]
			l.Encode(record, rows[i*150:][:150], &s)
			decoded[i] = decodeLean(l, record)
			rest, _ := leanRest(l, rows[i*150:][:150])
			if want, tail := sumSquares(decoded[i])+rest, float64(l.RowOffset(record)); math.Abs(want-tail) > 1e-4*want {
				t.Errorf("%s: tail %v, want %v", name, tail, want)
			}
		}
		at := make([]uint32, 40)
		for i := range at {
			at[i] = uint32(i)
		}
		scores := make([]float32, 40)
		var q accel.CodeQuery
		l.RowQuery(codes[:l.CodeSize()], &q, &s)
		q.Gather(codes, at, scores)
		for i, got := range scores {
			want := float64(l.RowOffset(codes[i*l.CodeSize():][:l.CodeSize()])) - 2*dot64(decoded[0], decoded[i])
			if math.Abs(want-float64(got)) > 1e-4*(1+math.Abs(want)) {
				t.Errorf("%s: row 0 scores row %d %v, want %v", name, i, got, want)
			}
		}
		query := leanRows(3, 1, 150, 0.7)
		offset := l.Query(query, &q, &s)
		_, y := leanRest(l, query)
		off := 0.0
		for i, x := range query {
			off += float64(x-l.centre[i]) * float64(x-l.centre[i])
		}
		if math.Abs(float64(offset)-off) > 1e-4*off {
			t.Errorf("%s: offset %v, want %v", name, offset, off)
		}
		q.Gather(codes, at, scores)
		for i, got := range scores {
			want := float64(l.RowOffset(codes[i*l.CodeSize():][:l.CodeSize()])) - 2*dot64(y, decoded[i])
			if math.Abs(want-float64(got)) > 0.03*math.Sqrt(sumSquares(y)*sumSquares(decoded[i])) { // the query is rounded to bytes
				t.Errorf("%s: the query scores row %d %v, want %v", name, i, got, want)
			}
		}
	}
}

// decodeLean reads a record by the documented formula.
func decodeLean(l *Lean, record []byte) []float64 {
	v := make([]float64, l.Kept())
	for i := range v {
		half := len(record) - accel.CodeTail
		switch {
		case l.Bits() == 8:
			v[i] = (float64(record[i]) - 128) * float64(l.Step())
		case i < half:
			v[i] = (float64(record[i]&15) - 7.5) * float64(l.Step())
		default:
			v[i] = (float64(record[i-half]>>4) - 7.5) * float64(l.Step())
		}
	}
	return v
}

// leanRest is what of v lies outside of the directions, and its coordinates along them.
func leanRest(l *Lean, v []float32) (rest float64, y []float64) {
	off := make([]float64, len(v))
	for i := range v {
		off[i] = float64(v[i] - l.centre[i])
	}
	if l.turn == nil {
		return 0, off
	}
	for i := range l.kept {
		d := 0.0
		for j, x := range off {
			d += x * float64(l.turn[i*l.dim+j])
		}
		y = append(y, d)
	}
	return sumSquares(off) - sumSquares(y), y
}

func sumSquares(v []float64) float64 { return dot64(v, v) }

func dot64(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func TestLeanCodesOfWhatIsNotFiniteScoreNaN(t *testing.T) {
	for name, l := range leans(t) {
		var s LeanScratch
		var q accel.CodeQuery
		record := make([]byte, l.CodeSize())
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
			v := leanRows(4, 1, 150, 0.7)
			v[7] = bad
			l.Encode(record, v, &s)
			if d := l.RowOffset(record); d == d && d < math.MaxFloat32 {
				t.Errorf("%s: tail %v of a row with %v", name, d, bad)
			}
			if offset := l.Query(v, &q, &s); offset-offset == 0 {
				t.Errorf("%s: offset %v of a query with %v", name, offset, bad)
			}
		}
	}
}

func TestLeanParametersMakeTheSameCodec(t *testing.T) {
	v := leanRows(5, 1, 150, 0.7)
	for name, l := range leans(t) {
		params := l.AppendParams(nil)
		same, err := OpenLean(params)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a, b := make([]byte, l.CodeSize()), make([]byte, same.CodeSize())
		var s LeanScratch
		l.Encode(a, v, &s)
		same.Encode(b, v, &s)
		if !bytes.Equal(a, b) || same.Bits() != l.Bits() || same.Kept() != l.Kept() || same.Bytes() != l.Bytes() {
			t.Errorf("%s: another codec after opening", name)
		}
		for _, cut := range []int{0, 5, leanHeader, len(params) - 1} {
			if _, err := OpenLean(params[:cut]); !errors.Is(err, ErrParams) {
				t.Errorf("%s: cut to %d bytes: %v", name, cut, err)
			}
		}
		for _, at := range []int{0, 1, 2, 3, 7, 11, 15} {
			bad := bytes.Clone(params)
			bad[at] = 0xff
			if _, err := OpenLean(bad); !errors.Is(err, ErrParams) {
				t.Errorf("%s: byte %d damaged: %v", name, at, err)
			}
		}
		binary.LittleEndian.PutUint32(params[leanHeader:], math.Float32bits(float32(math.NaN())))
		if _, err := OpenLean(params); !errors.Is(err, ErrParams) {
			t.Errorf("%s: NaN in the centre: %v", name, err)
		}
	}
}

func FuzzOpenLean(f *testing.F) {
	for _, l := range leans(f) {
		if l.Bytes() < 50_000 {
			f.Add(l.AppendParams(nil))
		}
	}
	f.Fuzz(func(t *testing.T, params []byte) {
		l, err := OpenLean(params)
		if err != nil {
			return
		}
		var s LeanScratch
		var q accel.CodeQuery
		record := make([]byte, l.CodeSize())
		l.Encode(record, make([]float32, l.Dim()), &s)
		l.Query(make([]float32, l.Dim()), &q, &s)
		l.RowQuery(record, &q, &s)
	})
}

// TestFitLeanSpendsWhatTheDataNeeds: variance that falls fast fits few codes, noise in all directions wants all.
func TestFitLeanSpendsWhatTheDataNeeds(t *testing.T) {
	fit := func(fall float64, dim, largest int) *Lean {
		t.Helper()
		l, err := FitLean(context.Background(), dim, leanRows(6, 1000, dim, fall), 0.98, largest)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := fit(1, 300, 0); l.CodeSize() != 64 || l.Bits() != 4 || l.Kept() != 120 {
		t.Errorf("few directions matter: %d bytes, %d bits, %d kept", l.CodeSize(), l.Bits(), l.Kept())
	}
	if l := fit(0, 400, 0); l.CodeSize() < 192 || l.Kept() < 350 {
		t.Errorf("all directions matter: %d bytes, %d bits, %d kept", l.CodeSize(), l.Bits(), l.Kept())
	}
	if l := fit(0, 400, 128); l.CodeSize() != 128 || l.Bits() != 4 {
		t.Errorf("at most 128 bytes: %d bytes, %d bits", l.CodeSize(), l.Bits())
	}
	if l := fit(0, 40, 0); l.CodeSize() != 64 || l.Kept() != 40 {
		t.Errorf("40 dimensions: %d bytes, %d kept", l.CodeSize(), l.Kept())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := FitLean(ctx, 300, leanRows(7, 500, 300, 1), 0.98, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := FitLean(context.Background(), 0, nil, 0.98, 0); !errors.Is(err, ErrParams) {
		t.Errorf("no dimension: %v", err)
	}
	if l, err := FitLean(context.Background(), 10, nil, 0.98, 0); err != nil || l.Kept() != 10 {
		t.Errorf("no rows: %v", err)
	}
}

func TestLeanAllocatesNothingPerQuery(t *testing.T) {
	v := leanRows(8, 1, 150, 0.7)
	for name, l := range leans(t) {
		var s LeanScratch
		var q accel.CodeQuery
		record := make([]byte, l.CodeSize())
		l.Encode(record, v, &s)
		if n := testing.AllocsPerRun(20, func() { l.Query(v, &q, &s); l.RowQuery(record, &q, &s); l.Encode(record, v, &s) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
