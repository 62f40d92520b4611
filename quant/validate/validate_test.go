package validate

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"engram/quant/model"
	"engram/quant/model/modeltest"
	"engram/quant/quantize"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-6 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestSpearman(t *testing.T) {
	near(t, "same order", spearman([]float32{1, 2, 3, 9}, []float32{-1, 0, 0.5, 0.6}), 1)
	near(t, "reversed", spearman([]float32{1, 2, 3}, []float32{3, 2, 1}), -1)
	near(t, "one swap", spearman([]float32{1, 2, 3, 4}, []float32{1, 2, 4, 3}), 0.8) // 1 - 6*2/(4*15)
	near(t, "ties", spearman([]float32{1, 1, 2}, []float32{5, 5, 7}), 1)
	near(t, "no order against one", spearman([]float32{1, 1}, []float32{1, 2}), 0)
	near(t, "no orders", spearman([]float32{1, 1}, []float32{2, 2}), 1)
	near(t, "one pair", spearman([]float32{1}, []float32{2}), 1)
}

func TestCompareByHand(t *testing.T) {
	before := [][]float32{{1, 0}, {0, 2}, {3, 3}}
	l := compare([]string{"a", "b", "c"}, before, [][]float32{{2, 0}, {0, 1}, {0, 1}})
	near(t, "mean", l.Mean, (2+math.Sqrt(0.5))/3)
	near(t, "min", l.Min, math.Sqrt(0.5))
	if l.Worst != "c" || l.P1 != l.Min || l.P5 != l.Min {
		t.Errorf("%+v", l)
	}
	same := compare([]string{"a", "b", "c"}, before, before)
	near(t, "Spearman of itself", same.Spearman, 1)
	near(t, "overlap with itself", same.Overlap, 1)
	near(t, "mean with itself", same.Mean, 1)
	for _, bad := range [][]float32{{0, 0}, {float32(math.NaN()), 1}, {1}} {
		near(t, "no direction", cosine([]float32{1, 0}, bad), -1)
	}
	one := compare([]string{"a"}, before[:1], [][]float32{{0, 0}})
	near(t, "one text", one.Mean, -1)
}

func TestOverlapCountsSharedNeighbours(t *testing.T) {
	// Of four texts in a row, each has three neighbours, whatever the similarity: k is n-1.
	s := []float32{9, 3, 2, 1, 3, 9, 3, 2, 2, 3, 9, 3, 1, 2, 3, 9}
	near(t, "all", overlap(s, s, 4), 1)
	if got := nearTo(s[:4], 0, 2); got[0] != 1 || got[1] != 2 {
		t.Errorf("near the first: %v", got)
	}
	// Twelve texts on a line against the reverse of the first's order.
	n := 12
	a, b := make([]float32, n*n), make([]float32, n*n)
	for i := range n {
		for j := range n {
			a[i*n+j] = -float32(max(i-j, j-i))
			b[i*n+j] = float32(max(i-j, j-i))
		}
	}
	// k is 10 of 11 others: the farthest by a is missing there, the nearest by a is missing in b.
	near(t, "reversed", overlap(a, b, n), 0.9)
}

func quantized(t *testing.T, dir, out string, o *quantize.Options) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(dir), out)
	if _, err := quantize.Run(t.Context(), dir, path, o); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEncodersAreJudgedByTheCosine(t *testing.T) {
	dir := modeltest.UseLite(t, t.TempDir(), "lite", 3)
	int8 := quantized(t, dir, "lite-int8", &quantize.Options{})
	int2 := quantized(t, dir, "lite-int2", &quantize.Options{Type: quantize.Int2, Method: quantize.PTQ})
	told := 0
	good, err := Run(t.Context(), dir, int8, &Options{Progress: func(done, total int) { told = done }})
	if err != nil {
		t.Fatal(err)
	}
	if !good.Passed || good.Threshold(t) != CosineInt8 || good.Mean < 0.99 || !good.BuiltIn || good.Texts != 256 || told != 256 || good.Type != "int8" || good.Kind != "encoder" {
		t.Errorf("int8: %+v %+v", good, good.Likeness)
	}
	bad, err := Run(t.Context(), dir, int2, &Options{Cosine: 0.999, Texts: []string{"the bird", "a cat", "singing in the rain"}})
	if err != nil {
		t.Fatal(err)
	}
	if bad.Passed || !strings.Contains(bad.Reason, "cosine") || bad.Mean >= good.Mean || bad.BuiltIn {
		t.Errorf("int2: %+v %+v", bad, bad.Likeness)
	}
	if len(good.Layers) < 8 || len(bad.Layers) != len(good.Layers) {
		t.Fatalf("layers %v", good.Layers)
	}
	small := 0 // layers of few numbers stay as they are, and what reaches the first ones too
	for i, l := range good.Layers {
		if l.Error == 0 {
			small++
		}
		if l.Error > bad.Layers[i].Error || i > len(good.Layers)/2 && l.Error == 0 {
			t.Errorf("layer %s: %v by int8, %v by int2", l.Name, l.Error, bad.Layers[i].Error)
		}
	}
	if small == len(good.Layers) {
		t.Error("nothing was rounded")
	}
	same, err := Run(t.Context(), dir, dir, nil)
	if err != nil || !same.Passed || same.Mean < 1-1e-6 || same.Overlap != 1 || same.Layers[3].Error != 0 || same.Likeness.Threshold != Cosine {
		t.Errorf("against itself: %+v %v", same.Likeness, err)
	}
}

// Threshold is that of an encoder's report.
func (r *Report) Threshold(t *testing.T) float64 {
	t.Helper()
	if r.Likeness == nil {
		t.Fatal("no encoders were compared")
	}
	return r.Likeness.Threshold
}

func TestLanguageModelsAreWarnedOf(t *testing.T) {
	dir := modeltest.Llama(t, t.TempDir(), "small", 3)
	int2 := quantized(t, dir, "small-int2", &quantize.Options{Type: quantize.Int2, Method: quantize.PTQ})
	texts := []string{"the bird was singing in the garden", "a cat. the cat", ""}
	r, err := Run(t.Context(), dir, int2, &Options{Texts: texts, Perplexity: 1e-9})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "rise", r.Prediction.Rise, r.Prediction.Perplexity/r.Prediction.Before-1)
	if !r.Passed || r.Prediction.Tokens == 0 || r.Likeness != nil || len(r.Layers) == 0 || (r.Prediction.Rise > 1e-9) != (len(r.Warnings) == 1) {
		t.Errorf("%+v %+v", r, r.Prediction)
	}
	same, err := Run(t.Context(), dir, dir, &Options{Texts: texts, Progress: func(done, total int) {}})
	if err != nil || same.Prediction.Rise != 0 || len(same.Warnings) != 0 || same.Prediction.Threshold != Rise {
		t.Errorf("%+v %v", same, err)
	}
}

func TestWhatCannotBeCompared(t *testing.T) {
	root := t.TempDir()
	lite, small := modeltest.UseLite(t, root, "lite", 1), modeltest.Llama(t, root, "small", 1)
	if _, err := Run(t.Context(), lite, small, nil); !errors.Is(err, ErrModels) {
		t.Errorf("an encoder and a language model: %v", err)
	}
	if _, err := Run(t.Context(), lite, filepath.Join(root, "none"), nil); err == nil {
		t.Error("a model that is not there")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, dir := range []string{lite, small} {
		if _, err := Run(ctx, dir, dir, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
	if err := os.Truncate(filepath.Join(small, model.WeightsFile), 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), small, small, nil); err == nil {
		t.Error("a file that was cut")
	}
}

func TestReportIsKept(t *testing.T) {
	dir := modeltest.UseLite(t, t.TempDir(), "lite", 5)
	if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no report: %v", err)
	}
	r, err := Run(t.Context(), dir, dir, &Options{Texts: []string{"a", "the"}, Cosine: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	back, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(r)
	b, _ := json.Marshal(back)
	if string(a) != string(b) || !back.Time.Equal(r.Time) {
		t.Errorf("%s\nis not\n%s", b, a)
	}
	text, err := os.ReadFile(filepath.Join(dir, ReportText))
	if err != nil || !strings.Contains(string(text), "rejected: the mean cosine is 1.0000, at least 2.0000") {
		t.Errorf("%s %v", text, err)
	}
	for _, bad := range []string{"{", `{"texts": "many"}`} {
		if err := os.WriteFile(filepath.Join(dir, ReportJSON), []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
	if err := r.Save(filepath.Join(dir, "none")); err == nil {
		t.Error("saved into a directory that is not there")
	}
}

// TestTextOfReports is what people read.
func TestTextOfReports(t *testing.T) {
	r := Report{Model: "b", Reference: "a", Passed: true, Texts: 2, BuiltIn: true, Warnings: []string{"w"},
		Prediction: &Prediction{Tokens: 7, Perplexity: 3.5, Before: 3.25, Rise: 3.5/3.25 - 1}, Layers: []LayerError{{"layers.0", 0.25}}}
	want := "b against a: passed\n0001-01-01T00:00:00Z, 2 texts (built in: texts of your own tell more), 0.0 s\n\n" +
		"perplexity  3.5000  was 3.2500: +7.69 %\ntokens      7       \nwarning: w\n\nerror of what reaches each layer\n  layers.0  0.2500\n"
	if got := r.Text(); got != want {
		t.Errorf("%q\nwant\n%q", got, want)
	}
	if cut("abcdef", 4) != "abc…" || cut("abc", 4) != "abc" {
		t.Error("cut")
	}
}

func TestBuiltInTextsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Texts() {
		if seen[s] {
			t.Errorf("%q twice", s)
		}
		seen[s] = true
	}
}
