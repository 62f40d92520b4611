package quantize_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"engram/quant"
	"engram/quant/quantize"
	"engram/quant/weights"
)

func normal(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// tensors of a weight file like a model's: tables, dense layers, norms, something small and something that is no float.
var tensors = []struct {
	name  string
	shape []int
}{
	{"embeddings.weight", []int{90, 48}}, {"position.inverse_timescales", []int{24}}, {"position_embeddings.weight", []int{64, 48}},
	{"layers.0.norm.scale", []int{48}}, {"layers.0.up.weight", []int{72, 48}}, {"layers.0.up.bias", []int{72}},
	{"layers.0.down.weight", []int{48, 72}}, {"small.weight", []int{5, 48}}, {"prime.weight", []int{31, 61}}, {"conv.weight", []int{16, 3, 5, 5}},
}

// weightFile writes a file of V1.
func weightFile(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "in.parquet")
	w, err := weights.Create(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for i, t := range tensors {
		n := 1
		for _, d := range t.shape {
			n *= d
		}
		if err := w.Add(&weights.Tensor{Name: t.name, Shape: t.shape, DType: weights.Float32, Data: weights.Float32Bytes(normal(uint64(i), n))}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := errors.Join(w.Add(&weights.Tensor{Name: "steps", Shape: []int{2}, DType: weights.Int32, Data: make([]byte, 8)}), w.Close()); err != nil {
		tb.Fatal(err)
	}
	return path
}

func openFile(tb testing.TB, path string) *weights.File {
	tb.Helper()
	f, err := weights.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return f
}

// TestDefaults says what each type does to each layer of a file.
func TestDefaults(t *testing.T) {
	in := weightFile(t)
	for _, c := range []struct {
		o    quantize.Options
		want string // type, granularity or group size of the coded layers, in the order of the file
	}{
		{quantize.Options{}, "embeddings int8/channel, up int8/channel, down int8/channel, prime int8/channel, conv int8/channel"},
		{quantize.Options{Type: quantize.Int4}, "embeddings int8/channel, up int4/48, down int4/36, prime int4/61, conv int4/25"},
		{quantize.Options{Type: quantize.Int2, GroupSize: 16}, "embeddings int4/16, up int2/16, down int2/12, prime int2/channel, conv int2/15"},
		{quantize.Options{Type: quantize.Int3, Granularity: quant.PerTensor}, "embeddings int4/tensor, up int3/tensor, down int3/tensor, prime int3/tensor, conv int3/tensor"},
		{quantize.Options{GroupSize: 24}, "embeddings int8/24, up int8/24, down int8/24, prime int8/channel, conv int8/15"},
		{quantize.Options{Layers: []quantize.Rule{{"embed", quantize.FP16}, {"layers.*.up.weight", quantize.Int4}, {"*", quantize.FP32}}}, "up int4/48"},
	} {
		out := filepath.Join(t.TempDir(), "out.parquet")
		rep, err := quantize.Run(t.Context(), in, out, &c.o)
		if err != nil {
			t.Fatal(err)
		}
		f := openFile(t, out)
		var got []string
		for i, l := range f.Layers() {
			if l.Name != rep.Layers[i].Name || l.Note.Method != rep.Layers[i].Method && l.Note.Method != "" {
				t.Errorf("layer %+v is reported as %+v", l, rep.Layers[i])
			}
			if s, ok := l.Scheme(); ok {
				how := s.Granularity.String()
				if s.Granularity == quant.PerGroup {
					how = strconv.Itoa(s.GroupSize)
				}
				part := strings.Split(strings.TrimSuffix(l.Name, ".weight"), ".")
				got = append(got, part[len(part)-1]+" "+string(l.Quant)+"/"+how)
			}
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.o, s, c.want)
		}
	}
}

// TestFile: the codes are those of package quant, whatever the number of threads, what stays a float stays the same, and the
// report counts right.
func TestFile(t *testing.T) {
	in, dir := weightFile(t), t.TempDir()
	for _, kind := range []quantize.Type{quantize.Int8, quantize.Int4, quantize.Int3, quantize.Int2} {
		var first []byte
		for _, threads := range []int{1, 3} {
			out := filepath.Join(dir, "out.parquet")
			rep, err := quantize.Run(t.Context(), in, out, &quantize.Options{Type: kind, Threads: threads, Replace: true,
				Symmetry: quantize.Asymmetric, Layers: []quantize.Rule{{"small", quantize.FP16}}})
			if err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = b
			} else if !slices.Equal(first, b) {
				t.Errorf("%s: other bytes with %d threads", kind, threads)
			}
			if rep.BytesAfter != int64(len(b)) || rep.Bits > rep.AllBits || rep.Bits < float64(rep.Layers[4].Bits)-3 {
				t.Errorf("%s: %+v", kind, rep)
			}
			a, f := openFile(t, in), openFile(t, out)
			for i, l := range f.Layers() {
				want, _, err := a.Float32(l.Name)
				if err != nil {
					t.Fatal(err)
				}
				if s, ok := l.Scheme(); ok {
					s.LeastSquares, s.Coarse = s.Bits < 8, s.Bits < 8
					q, err := quant.QuantizeMatrix(s, l.Shape[0], l.Params/l.Shape[0], want)
					if err != nil {
						t.Fatal(err)
					}
					want = make([]float32, l.Params)
					q.Dequantize(want)
				}
				got, _, err := f.Float32(l.Name)
				if err != nil {
					t.Fatal(err)
				}
				if l.Quant == weights.QuantFP16 {
					if l.Name != "small.weight" || rep.Layers[i].Bits != 16 {
						t.Errorf("layer %q is half precision", l.Name)
					}
					continue
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: layer %q has other values", kind, l.Name)
				}
			}
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRefuses(t *testing.T) {
	in, dir := weightFile(t), t.TempDir()
	out := filepath.Join(dir, "out.parquet")
	for name, o := range map[string]quantize.Options{
		"type":        {Type: "int5"},
		"fp16":        {Type: quantize.FP16},
		"method":      {Method: "awq"},
		"no texts":    {Method: quantize.GPTQ},
		"file, texts": {Texts: []string{"a"}},
		"symmetry":    {Symmetry: 9},
		"granularity": {Granularity: 9},
		"group":       {GroupSize: -1},
		"group of":    {GroupSize: 8, Granularity: quant.PerChannel},
		"bits":        {Type: quantize.Int2Mix, MixBits: 1},
		"too few":     {Type: quantize.Int2Mix, MixBits: 2.1},
		"rule":        {Layers: []quantize.Rule{{"[", quantize.Int8}}},
		"rule type":   {Layers: []quantize.Rule{{"x", quantize.Int2Mix}}},
	} {
		if _, err := quantize.Run(t.Context(), in, out, &o); !errors.Is(err, quantize.ErrOptions) {
			t.Errorf("%s: err %v", name, err)
		}
	}
	if _, err := quantize.Run(t.Context(), filepath.Join(dir, "none"), out, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no input: err %v", err)
	}
	if _, err := quantize.Run(t.Context(), dir, out, nil); err == nil {
		t.Error("a directory without a model was taken")
	}
	if _, err := quantize.Run(t.Context(), in, out, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := quantize.Run(t.Context(), in, out, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: err %v", err)
	}
	again := filepath.Join(dir, "again.parquet")
	if _, err := quantize.Run(t.Context(), out, again, nil); !errors.Is(err, quantize.ErrQuantized) {
		t.Errorf("quantized twice: err %v", err)
	}
	if _, err := quantize.Run(t.Context(), out, again, &quantize.Options{Type: quantize.Int4, Force: true}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := quantize.Run(ctx, in, filepath.Join(dir, "c.parquet"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: err %v", err)
	}
}

func TestParseRule(t *testing.T) {
	for s, want := range map[string]quantize.Rule{
		"pooler=int8":       {"pooler", quantize.Int8},
		" a.*.b = int2 ":    {"a.*.b", quantize.Int2},
		"layernorm":         {"layernorm", quantize.FP16},
		"embeddings.*=fp32": {"embeddings.*", quantize.FP32},
	} {
		if r, err := quantize.ParseRule(s); err != nil || r != want {
			t.Errorf("%q: %+v, err %v", s, r, err)
		}
	}
	for _, s := range []string{"", "=int8", "a=int5", "a=int2-mix", "[=int8", "a="} {
		if _, err := quantize.ParseRule(s); !errors.Is(err, quantize.ErrOptions) {
			t.Errorf("%q: err %v", s, err)
		}
	}
}

// TestJournalCannotBe: where the journal cannot be written nothing is made.
func TestJournalCannotBe(t *testing.T) {
	in, dir := weightFile(t), t.TempDir()
	out := filepath.Join(dir, "out.parquet")
	if err := os.Mkdir(journalOf(out), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := quantize.Run(t.Context(), in, out, nil); err == nil {
		t.Error("a folder was taken for the journal")
	}
	if _, err := quantize.Run(t.Context(), in, filepath.Join(in, "x", "out.parquet"), nil); err == nil {
		t.Error("a file was taken for a folder")
	}
}

// TestBackToFloats: with Force and rules, codes become numbers again.
func TestBackToFloats(t *testing.T) {
	in, dir := weightFile(t), t.TempDir()
	coded, out := filepath.Join(dir, "coded.parquet"), filepath.Join(dir, "out.parquet")
	if _, err := quantize.Run(t.Context(), in, coded, &quantize.Options{Type: quantize.Int4}); err != nil {
		t.Fatal(err)
	}
	if _, err := quantize.Run(t.Context(), coded, out, &quantize.Options{Force: true, Layers: []quantize.Rule{{"*", quantize.FP32}}}); err != nil {
		t.Fatal(err)
	}
	a, b := openFile(t, coded), openFile(t, out)
	for _, l := range b.Layers() {
		want, _, err := a.Float32(l.Name)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := b.Float32(l.Name); err != nil || l.Quant.Bits() != 0 || !slices.Equal(got, want) {
			t.Errorf("layer %q: %s, err %v", l.Name, l.Quant, err)
		}
	}
}
