package quantize

import (
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"engram/quant"
)

// sample is a finished layer with codes and a shift.
func sample(tb testing.TB, name string) outcome {
	q, err := quant.QuantizeMatrix(quant.Scheme{Bits: 3, Granularity: quant.PerGroup, GroupSize: 4}, 3, 8, make([]float32, 24))
	if err != nil {
		tb.Fatal(err)
	}
	return outcome{report: LayerReport{Name: name, Type: Int3, Method: "gptq", Bits: 3.5}, q: q, shift: []float32{1, -2, 3}}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	h := header{Input: "in", Options: []byte(`{"a":1}`), Texts: "t"}
	j, done, err := openJournal(path, h)
	if err != nil || done != nil {
		t.Fatal(done, err)
	}
	want := []outcome{sample(t, "a"), {report: LayerReport{Name: "b", Method: "float"}}, sample(t, "c")}
	for i := range want {
		if err := j.append(&want[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if j, done, err = openJournal(path, h); err != nil || !reflect.DeepEqual(done, want) {
		t.Fatalf("%+v, err %v, want %+v", done, err, want)
	}
	if err := j.remove(); err != nil {
		t.Fatal(err)
	}
}

// FuzzJournal: bytes of any kind give layers that hold together, or none, and never a panic.
func FuzzJournal(f *testing.F) {
	o := sample(f, "a")
	b, err := encodeOutcome(&o)
	if err != nil {
		f.Fatal(err)
	}
	whole := appendFrame(appendFrame([]byte(journalMark), []byte("{}")), b)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte(journalMark))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, done, end := readJournal(b)
		if end > len(b) {
			t.Fatalf("ends at %d of %d", end, len(b))
		}
		for _, o := range done {
			if o.q != nil && o.q.Check() != nil {
				t.Fatal("codes that do not hold together")
			}
		}
		if o, err := decodeOutcome(b); err == nil && o.q != nil && o.q.Check() != nil {
			t.Fatal("codes that do not hold together")
		}
	})
}

// TestDamagedFrames changes a byte of a frame's payload, and what describes a layer.
func TestDamagedFrames(t *testing.T) {
	o := sample(t, "a")
	b, err := encodeOutcome(&o)
	if err != nil {
		t.Fatal(err)
	}
	whole := appendFrame(appendFrame([]byte(journalMark), []byte("{}")), b)
	for i := range whole {
		bad := slices.Clone(whole)
		bad[i] ^= 1
		if _, done, _ := readJournal(bad); len(done) != 0 {
			t.Fatalf("byte %d: %+v", i, done)
		}
	}
	for n := range b {
		if _, err := decodeOutcome(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes were enough", n, len(b))
		}
	}
}

// TestChoose compares with all ways to choose.
func TestChoose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layers := make([][]option, rapid.IntRange(1, 4).Draw(t, "layers"))
		for k := range layers {
			for range rapid.IntRange(1, 3).Draw(t, "options") {
				layers[k] = append(layers[k], option{bytes: int64(rapid.IntRange(1, 50).Draw(t, "bytes")), harm: float64(rapid.IntRange(0, 20).Draw(t, "harm"))})
			}
		}
		budget := int64(rapid.IntRange(0, 150).Draw(t, "budget"))
		least := math.Inf(1)
		var walk func(k int, bytes int64, harm float64)
		walk = func(k int, bytes int64, harm float64) {
			if k == len(layers) {
				if bytes <= budget {
					least = min(least, harm)
				}
				return
			}
			for _, o := range layers[k] {
				walk(k+1, bytes+o.bytes, harm+o.harm)
			}
		}
		walk(0, 0, 0)
		picked, ok := choose(layers, budget)
		if ok != !math.IsInf(least, 1) {
			t.Fatalf("ok %v, least harm %g", ok, least)
		}
		if !ok {
			return
		}
		var bytes int64
		var harm float64
		for k, i := range picked {
			bytes, harm = bytes+layers[k][i].bytes, harm+layers[k][i].harm
		}
		if bytes > budget || harm != least {
			t.Fatalf("%d bytes of %d, harm %g, least %g", bytes, budget, harm, least)
		}
	})
}
