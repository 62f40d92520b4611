package quantize_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"engram/quant/model"
	"engram/quant/quantize"
	"engram/quant/weights"
)

// The sizes of the tiny model.
const (
	tinyWidth = 32
	tinyWide  = 48
	tinyInner = 64
	tinyDim   = 40
)

// tinyModel makes the directory of a model of architecture use-lite with random weights and a vocabulary of letters.
func tinyModel(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "tiny")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	vocab := [][2]any{{"\uff00", -1}, {"\uff01", -1}, {"\uff02", -1}, {"\uff03", -1}, {"\uff04", -1}, {"\uff05", -1}, {"\u2581", -2.5}}
	for c := 'a'; c <= 'z'; c++ {
		vocab = append(vocab, [2]any{string(c), -4.0 - float64(c-'a')/50}, [2]any{"\u2581" + string(c), -4.5})
	}
	b, err := json.Marshal(vocab)
	if err != nil {
		tb.Fatal(err)
	}
	m := model.Manifest{Format: 1, Name: "tiny", Architecture: model.UseLite, Dim: tinyDim, MaxTokens: 32,
		Config:    model.Config{Layers: 2, Heads: 4, LayerNormEpsilon: 1e-6, NormEpsilon: 1e-12},
		Tokenizer: model.Tokenizer{Kind: "unigram", Reserved: 6, FileRef: model.FileRef{File: "vocab.json"}}}
	if err := os.WriteFile(filepath.Join(dir, "vocab.json"), b, 0o644); err != nil {
		tb.Fatal(err)
	}
	m.Weights = model.FileRef{File: model.WeightsFile, SHA256: tinyWeights(tb, filepath.Join(dir, model.WeightsFile), len(vocab))}
	if b, err = json.Marshal(m); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, model.ManifestFile), b, 0o644); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// tinyWeights writes the weight file of the tiny model and gives its SHA-256.
func tinyWeights(tb testing.TB, path string, vocab int) string {
	tb.Helper()
	w, err := weights.Create(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	seed := uint64(0)
	add := func(name string, scale float32, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		seed++
		v := normal(seed, n)
		for i := range v {
			v[i] *= scale
			if strings.HasSuffix(name, ".scale") {
				v[i]++
			}
		}
		if err := w.Add(&weights.Tensor{Name: name, Shape: shape, DType: weights.Float32, Data: weights.Float32Bytes(v)}); err != nil {
			tb.Fatal(err)
		}
	}
	dense := func(name string, out, in int) {
		add(name+".weight", 0.2, out, in)
		add(name+".bias", 0.1, out)
	}
	norm := func(name string, n int) {
		add(name+".scale", 0.1, n)
		add(name+".bias", 0.1, n)
	}
	add("embeddings.weight", 1, vocab, tinyWidth)
	add("position.inverse_timescales", 0.3, tinyWidth/2)
	for i, width := range []int{tinyWidth, tinyWide} {
		p := fmt.Sprintf("layers.%d.", i)
		norm(p+"attention_norm", width)
		dense(p+"attention.qkv", 3*width, width)
		dense(p+"attention.output", tinyWide, width)
		if i == 0 {
			dense(p+"residual", tinyWide, width)
		}
		norm(p+"ffn_norm", tinyWide)
		dense(p+"ffn.up", tinyInner, tinyWide)
		dense(p+"ffn.down", tinyWide, tinyInner)
	}
	dense("pooler", tinyDim, tinyWide)
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// words are n texts of random letters.
func words(seed uint64, n int) []string {
	r := rand.New(rand.NewPCG(seed, 3))
	out := make([]string, n)
	for i := range out {
		var b strings.Builder
		for range 4 + r.IntN(20) {
			b.WriteByte("abcdefghijklmnopqrstuvwxyz "[r.IntN(27)])
		}
		out[i] = b.String()
	}
	return out
}

// TestCalibrated: a tiny model with 3 bits stays nearer to itself when it is calibrated, and says what was done.
func TestCalibrated(t *testing.T) {
	src, dir := tinyModel(t), t.TempDir()
	texts, held := words(1, 120), words(2, 100)
	whole := encode(t, src, held)
	score := map[quantize.Method]float64{}
	for _, method := range []quantize.Method{quantize.PTQ, quantize.GPTQ} {
		out := filepath.Join(dir, string(method))
		rep, err := quantize.Run(t.Context(), src, out, &quantize.Options{Type: quantize.Int3, Method: method, Texts: texts, Name: "small"})
		if err != nil {
			t.Fatal(err)
		}
		score[method], _ = cosines(whole, encode(t, out, held))
		m, err := model.ReadManifest(out)
		if err != nil || m.Name != "small" || m.Quantization == nil || m.Quantization.Method != string(method) || m.Quantization.Texts != 120 {
			t.Errorf("%s: manifest %+v, err %v", method, m, err)
		}
		for _, l := range rep.Layers {
			want := "float"
			switch {
			case l.Name == "embeddings.weight" || (strings.HasSuffix(l.Name, ".weight") && method == quantize.PTQ):
				want = "lsq"
			case strings.HasSuffix(l.Name, ".weight"):
				want = "gptq"
			}
			if l.Method != want || l.Fallback != "" || (want == "gptq") != (l.OutputError > 0) {
				t.Errorf("%s: %+v, want %s", method, l, want)
			}
		}
		if err := model.Verify(t.Context(), out); err != nil {
			t.Error(err)
		}
	}
	if !(score[quantize.GPTQ] > score[quantize.PTQ] && score[quantize.GPTQ] > 0.9) {
		t.Errorf("cosines %v", score)
	}
}

// TestFallbacks: a layer that cannot be calibrated is rounded all the same, and the report says why.
func TestFallbacks(t *testing.T) {
	src, dir := tinyModel(t), t.TempDir()
	reasons := func(o quantize.Options) map[string]string {
		o.Replace = true
		rep, err := quantize.Run(t.Context(), src, filepath.Join(dir, "out"), &o)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, l := range rep.Layers {
			if l.Fallback != "" {
				out[l.Name] = l.Fallback
			}
			if (l.Fallback != "") != (l.Method == "lsq") {
				t.Errorf("%+v", l)
			}
		}
		return out
	}
	if r := reasons(quantize.Options{Type: quantize.Int4, Texts: []string{"one", "two"}}); !strings.Contains(r["pooler.weight"], "rows of inputs seen") {
		t.Errorf("two texts: %v", r)
	}
	if r := reasons(quantize.Options{Type: quantize.Int4, Texts: words(1, 60), Memory: 1}); len(r) != 10 || !strings.Contains(r["pooler.weight"], "MB are allowed") {
		t.Errorf("no memory: %v", r)
	}
	if r := reasons(quantize.Options{Type: quantize.Int4, Texts: slices.Repeat([]string{"ab"}, 40)}); r["pooler.weight"] == "" {
		t.Errorf("texts that are all alike: %v", r)
	}
}

// TestMix: a mix stays within its bits and gives the layers different widths; more bits are never worse.
func TestMix(t *testing.T) {
	src, dir := tinyModel(t), t.TempDir()
	texts, held := words(1, 40), words(2, 60)
	whole := encode(t, src, held)
	for _, o := range []quantize.Options{{}, {Texts: texts}} {
		last := 0.0
		for _, bits := range []float64{4.5, 7.5} {
			o.Type, o.MixBits, o.Replace = quantize.Int2Mix, bits, true
			var steps []string
			o.Progress = func(p quantize.Progress) {
				if len(steps) == 0 || steps[len(steps)-1] != p.Step {
					steps = append(steps, p.Step)
				}
				if p.Done < 0 || p.Done > p.Total {
					t.Errorf("progress %+v", p)
				}
			}
			out := filepath.Join(dir, "out")
			rep, err := quantize.Run(t.Context(), src, out, &o)
			if err != nil {
				t.Fatal(err)
			}
			mean, _ := cosines(whole, encode(t, out, held))
			kinds := map[quantize.Type]int{}
			for _, l := range rep.Layers {
				kinds[l.Type]++
			}
			if rep.Bits > bits || len(kinds) < 3 || mean < last {
				t.Errorf("%d texts, %g bits: %.3f used, cosine %.4f after %.4f, widths %v", len(o.Texts), bits, rep.Bits, mean, last, kinds)
			}
			if !slices.Equal(steps, []string{"measure", "layer", "write"}) {
				t.Errorf("steps %v", steps)
			}
			last = mean
		}
	}
}

// journalOf is the path of the journal of an output.
func journalOf(out string) string {
	return filepath.Join(filepath.Dir(out), "."+filepath.Base(out)+".quantizing")
}

// stopAfter runs until n layers are done and cancels then.
func stopAfter(t *testing.T, n int, src, out string, o quantize.Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(p quantize.Progress) {
		if p.Report != nil && p.Done == n {
			cancel()
		}
	}
	if _, err := quantize.Run(ctx, src, out, &o); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped after %d layers: err %v", n, err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Fatal("an output appeared")
	}
}

// TestResume stops a run after each layer in turn, starts it again, and finds the bytes of a run that was not stopped. So
// too when the journal ends in the middle of a write, at any of many places.
func TestResume(t *testing.T) {
	src, dir := tinyModel(t), t.TempDir()
	o := quantize.Options{Type: quantize.Int2Mix, MixBits: 4, Texts: words(1, 24)}
	out := filepath.Join(dir, "straight")
	rep, err := quantize.Run(t.Context(), src, out, &o)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(out, model.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, out string) int {
		t.Helper()
		rep, err := quantize.Run(t.Context(), src, out, &o)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got, err := os.ReadFile(filepath.Join(out, model.WeightsFile))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%s: other bytes, err %v", what, err)
		}
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
		resumed := 0
		for _, l := range rep.Layers {
			if l.Resumed {
				resumed++
			}
		}
		return resumed
	}
	out = filepath.Join(dir, "stopped")
	total := len(rep.Layers)
	for n := 1; n <= total; n += 14 {
		stopAfter(t, n, src, out, o)
		if resumed := same(fmt.Sprintf("after %d layers", n), out); resumed != n {
			t.Errorf("after %d layers %d were taken over", n, resumed)
		}
	}
	stopAfter(t, total, src, out, o)
	whole, err := os.ReadFile(journalOf(out))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 2 {
		cut := slices.Clone(whole[:r.IntN(len(whole))])
		if r.IntN(2) == 0 && len(cut) > 0 { // a block that never reached the disk
			clear(cut[len(cut)-min(len(cut), 4096):])
		}
		if err := os.WriteFile(journalOf(out), cut, 0o644); err != nil {
			t.Fatal(err)
		}
		same(fmt.Sprintf("journal cut at %d of %d", len(cut), len(whole)), out)
	}
	// A journal of other options is not used.
	if err := os.WriteFile(journalOf(out), whole, 0o644); err != nil {
		t.Fatal(err)
	}
	other := o
	other.MixBits = 5
	rep, err = quantize.Run(t.Context(), src, out, &other)
	if err != nil || slices.ContainsFunc(rep.Layers, func(l quantize.LayerReport) bool { return l.Resumed }) {
		t.Errorf("the journal of other options was used: err %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}

// TestOneRunAtATime: a second run for the same output is refused while the first is at work.
func TestOneRunAtATime(t *testing.T) {
	in := weightFile(t)
	out := filepath.Join(t.TempDir(), "out.parquet")
	var second error
	o := quantize.Options{Progress: func(p quantize.Progress) {
		if p.Step == "layer" && second == nil {
			_, second = quantize.Run(t.Context(), in, out, nil)
		}
	}}
	if _, err := quantize.Run(t.Context(), in, out, &o); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(second, quantize.ErrJournal) {
		t.Errorf("the second run: err %v", second)
	}
}

// TestAccept: a model that the caller refuses is not left as the result, nor is a journal; one that it takes is.
func TestAccept(t *testing.T) {
	src, dir := tinyModel(t), t.TempDir()
	out := filepath.Join(dir, "out")
	refused := errors.New("not good enough")
	for _, want := range []error{refused, nil} {
		judged := false
		_, err := quantize.Run(t.Context(), src, out, &quantize.Options{Accept: func(dir string) error {
			judged = true
			if err := model.Verify(t.Context(), dir); err != nil {
				t.Error(err)
			}
			return want
		}})
		if !errors.Is(err, want) || !judged {
			t.Errorf("err %v, want %v; judged %v", err, want, judged)
		}
		if left, _ := os.ReadDir(dir); (len(left) == 0) != (want != nil) {
			t.Errorf("with %v there is %v", want, left)
		}
	}
}
