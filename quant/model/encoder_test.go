package model_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"engram/quant/model"
	"engram/quant/weights"
)

// texts are awkward ones, fit for the tiny vocabulary and for any.
var texts = []string{
	"the banana", "", "a", "and the an a.", " ", "xyz", "\xff\xfe broken \x80", "é ﬁ ①", "日本語", "😀😀", "\x00", "::",
	strings.Repeat("banana ", 50), strings.Repeat("the ", 15), strings.Repeat("q", 3000),
}

func TestEncodeAgainstOracle(t *testing.T) {
	dir := tinyModel(t)
	e, err := model.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Dim() != tinyDim || e.Name() != "tiny" {
		t.Errorf("dim %d, name %q", e.Dim(), e.Name())
	}
	o := newOracle(t, dir, e)
	got, err := e.Encode(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		compare(t, text, got[i], o.encode(text), 2e-5)
	}
	if slices.Equal(got[0], got[3]) {
		t.Error("different texts have one vector")
	}
}

// TestInstalledAgainstOracle is the same for the real model.
func TestInstalledAgainstOracle(t *testing.T) {
	e := installed(t, nil)
	dirs := []string{filepath.Join(root, "models")}
	if env := os.Getenv(model.ModelsEnv); env != "" {
		dirs = filepath.SplitList(env)
	}
	dir, err := model.Find(dirs, "use-lite")
	if err != nil {
		t.Fatal(err)
	}
	o := newOracle(t, dir, e)
	some := []string{"A man is playing a guitar.", "", "日本語 😀", "Shares dropped on Wall Street."}
	got, err := e.Encode(t.Context(), some)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range some {
		compare(t, text, got[i], o.encode(text), 2e-6)
	}
	var bad []string
	for _, c := range readGolden(t).UseLite {
		if ids := e.Tokens(c.Text); !slices.Equal(ids, c.IDs) {
			bad = append(bad, fmt.Sprintf("%q: %v, want %v", c.Text, ids, c.IDs))
		}
	}
	if len(bad) > 0 {
		t.Error(strings.Join(bad, "\n"))
	}
}

// compare checks a vector: its values within tolerance, its length one.
func compare(t *testing.T, text string, got, want []float32, tolerance float64) {
	t.Helper()
	var square float64
	for i := range want {
		square += float64(got[i]) * float64(got[i])
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= tolerance) {
			t.Errorf("%.30q: element %d is %v, want %v", text, i, got[i], want[i])
			return
		}
	}
	if len(got) != len(want) || math.Abs(square-1) > 1e-5 {
		t.Errorf("%.30q: %d elements, squared length %v", text, len(got), square)
	}
}

// TestBatchInvariance checks that neighbours, their number and threads change no bit.
func TestBatchInvariance(t *testing.T) {
	dir := tinyModel(t)
	one, err := model.Open(dir, &model.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	many, err := model.Open(dir, &model.Options{Threads: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer many.Close()
	alone := map[string][]float32{}
	for _, s := range texts {
		v, err := one.Encode(t.Context(), []string{s})
		if err != nil {
			t.Fatal(err)
		}
		alone[s] = v[0]
	}
	rapid.Check(t, func(t *rapid.T) {
		batch := rapid.SliceOfN(rapid.SampledFrom(texts), 0, 200).Draw(t, "batch")
		e := one
		if rapid.Bool().Draw(t, "threads") {
			e = many
		}
		got, err := e.Encode(context.Background(), batch)
		if err != nil || len(got) != len(batch) {
			t.Fatalf("%d vectors, err %v", len(got), err)
		}
		for i, s := range batch {
			if !slices.Equal(got[i], alone[s]) {
				t.Fatalf("text %d %.20q differs in a batch of %d", i, s, len(batch))
			}
		}
	})
}

func TestInstalledBatchInvariance(t *testing.T) {
	e := installed(t, nil)
	some := []string{"A man is playing a guitar.", "", "Shares dropped.", strings.Repeat("long text ", 100), "the", "one two three four five"}
	got, err := e.Encode(t.Context(), slices.Concat(some, some, some))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		alone, err := e.Encode(t.Context(), some[i%len(some):i%len(some)+1])
		if err != nil || !slices.Equal(alone[0], got[i]) {
			t.Errorf("text %d differs in a batch, err %v", i, err)
		}
	}
}

// TestLongTextIsCut checks the documented rule: the first tokens count, what follows does not.
func TestLongTextIsCut(t *testing.T) {
	e := openTiny(t, nil)
	head := strings.Repeat("the ", tinyLimit-1) + "the"
	if n := len(e.Tokens(head)); n != tinyLimit {
		t.Fatalf("%d tokens", n)
	}
	got, err := e.Encode(t.Context(), []string{head, head + " banana and more", head[:len(head)-4]})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[0], got[1]) || slices.Equal(got[0], got[2]) {
		t.Error("only the tokens beyond the limit must be without effect")
	}
}

func TestEncodeStops(t *testing.T) {
	e := openTiny(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v, err := e.Encode(ctx, texts); !errors.Is(err, context.Canceled) || v != nil {
		t.Errorf("cancelled: %v, %v", v, err)
	}
	if v, err := e.Encode(t.Context(), nil); err != nil || len(v) != 0 {
		t.Errorf("no texts: %v, %v", v, err)
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 20 {
				if v, err := e.Encode(t.Context(), texts[:5]); err != nil && !errors.Is(err, model.ErrClosed) {
					t.Error(err)
				} else if err == nil && len(v[4]) != tinyDim {
					t.Error("no vector")
				}
			}
		})
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if _, err := e.Encode(t.Context(), texts); !errors.Is(err, model.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// TestDamagedModels spoils a good model in many ways; each must be an error that says what is wrong.
func TestDamagedModels(t *testing.T) {
	replace := func(file, from, to string) func(dir string) error {
		return func(dir string) error {
			path := filepath.Join(dir, file)
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if !strings.Contains(string(b), from) {
				return fmt.Errorf("%s has no %q", file, from)
			}
			return os.WriteFile(path, []byte(strings.Replace(string(b), from, to, 1)), 0o644)
		}
	}
	remove := func(file string) func(dir string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, file)) }
	}
	for _, c := range []struct {
		name  string
		spoil func(dir string) error
		want  error
	}{
		{"no model.json", remove(model.ManifestFile), os.ErrNotExist},
		{"no weights", remove(model.WeightsFile), os.ErrNotExist},
		{"no vocabulary", remove(model.VocabFile), os.ErrNotExist},
		{"not JSON", replace(model.ManifestFile, "{", "["), model.ErrManifest},
		{"format of the future", replace(model.ManifestFile, `"format": 1`, `"format": 2`), model.ErrManifest},
		{"architecture", replace(model.ManifestFile, `"architecture": "use-lite"`, `"architecture": "bert"`), model.ErrManifest},
		{"tokenizer", replace(model.ManifestFile, "unigram", "wordpiece"), model.ErrManifest},
		{"dim 0", replace(model.ManifestFile, `"dim": 10`, `"dim": 0`), model.ErrManifest},
		{"wrong dim", replace(model.ManifestFile, `"dim": 10`, `"dim": 11`), weights.ErrShape},
		{"too many layers", replace(model.ManifestFile, `"layers": 2`, `"layers": 3`), weights.ErrNoLayer},
		{"heads", replace(model.ManifestFile, `"heads": 4`, `"heads": 5`), model.ErrManifest},
		{"no heads", replace(model.ManifestFile, `"heads": 4`, `"heads": 0`), model.ErrManifest},
		{"max_tokens", replace(model.ManifestFile, `"max_tokens": 16`, `"max_tokens": -1`), model.ErrManifest},
		{"epsilon", replace(model.ManifestFile, `"layer_norm_epsilon": `, `"layer_norm_epsilon": -`), model.ErrManifest},
		{"path out of the directory", replace(model.ManifestFile, `"file": "weights.parquet"`, `"file": "../tiny/weights.parquet"`), model.ErrManifest},
		{"path of the vocabulary", replace(model.ManifestFile, `"file": "vocab.json"`, `"file": "/etc/passwd"`), model.ErrManifest},
		{"another vocabulary", replace(model.VocabFile, `"the"`, `"tha"`), model.ErrManifest},
		{"not weights", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, model.WeightsFile), []byte("PAR1"), 0o644)
		}, weights.ErrFormat},
		{"huge model.json", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, model.ManifestFile), make([]byte, 2<<20), 0o644)
		}, model.ErrManifest},
		{"few embeddings", func(dir string) error { return rewrite(dir, "embeddings.weight", []int{30, tinyWidth}) }, model.ErrManifest},
		{"a vector for a matrix", func(dir string) error { return rewrite(dir, "embeddings.weight", []int{30 * tinyWidth}) }, weights.ErrShape},
		{"timescales", func(dir string) error { return rewrite(dir, "position.inverse_timescales", []int{5}) }, weights.ErrShape},
		{"a norm of another width", func(dir string) error { return rewrite(dir, "layers.0.ffn_norm.scale", []int{5}) }, weights.ErrShape},
		{"a kernel of another width", func(dir string) error { return rewrite(dir, "layers.1.attention.qkv.weight", []int{60, 19}) }, weights.ErrShape},
	} {
		dir := tinyModel(t)
		if err := c.spoil(dir); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		e, err := model.Open(dir, nil)
		if err == nil {
			e.Close()
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", c.name, err, c.want)
		}
		if err := model.Verify(t.Context(), dir); err == nil {
			t.Errorf("%s: verified", c.name)
		}
	}
	dir := tinyModel(t)
	if err := model.Verify(t.Context(), dir); err != nil {
		t.Errorf("a good model: %v", err)
	}
	path := filepath.Join(dir, model.WeightsFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := model.Verify(t.Context(), dir); !errors.Is(err, model.ErrManifest) {
		t.Errorf("one bit: %v", err)
	}
}

// rewrite gives one tensor of a model another shape, with zeros.
func rewrite(dir, name string, shape []int) error {
	path := filepath.Join(dir, model.WeightsFile)
	f, err := weights.Open(path, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	var ts []*weights.Tensor
	for _, l := range f.Layers() {
		t, _, err := f.Tensor(l.Name)
		if err != nil {
			return err
		}
		if l.Name == name {
			n := 4
			for _, d := range shape {
				n *= d
			}
			t.Shape, t.Data = shape, make([]byte, n)
		}
		ts = append(ts, t)
	}
	return weights.WriteFile(path, ts, nil)
}
