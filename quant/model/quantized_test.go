package model_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"engram/quant"
	"engram/quant/model"
	"engram/quant/weights"
)

// kinds are schemes of every width. The layers of the tiny model are of odd sizes, so that some are multiplied as bytes
// and some cannot be.
var kinds = []quant.Scheme{
	{Bits: 8, Symmetric: true, Granularity: quant.PerChannel},
	{Bits: 8, Granularity: quant.PerGroup, GroupSize: 4},
	{Bits: 4, Granularity: quant.PerGroup, GroupSize: 32},
	{Bits: 4, Symmetric: true, Granularity: quant.PerChannel},
	{Bits: 3, Granularity: quant.PerGroup, GroupSize: 32},
	{Bits: 2, Granularity: quant.PerGroup, GroupSize: 16},
}

func kindName(s *quant.Scheme) string {
	if s == nil {
		return "float32"
	}
	return fmt.Sprintf("int%d-%v%d", s.Bits, s.Granularity, s.GroupSize)
}

// quantized makes a copy of a model whose matrices are codes, or, where s is nil, float16.
func quantized(tb testing.TB, dir string, s *quant.Scheme) string {
	tb.Helper()
	dest := filepath.Join(tb.TempDir(), "models", "codes")
	err := model.Derive(context.Background(), dir, dest, nil, func(path string) (*model.Quantization, error) {
		f, err := weights.Open(filepath.Join(dir, model.WeightsFile), nil)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		w, err := weights.CreateV2(path, nil)
		if err != nil {
			return nil, err
		}
		defer w.Abort()
		for _, l := range f.Layers() {
			v, _, err := f.Float32(l.Name)
			if err != nil {
				return nil, err
			}
			switch {
			case len(l.Shape) != 2:
				err = w.Add(&weights.Tensor{Name: l.Name, Shape: l.Shape, DType: weights.Float32, Data: weights.Float32Bytes(v)})
			case s == nil:
				err = w.Add(&weights.Tensor{Name: l.Name, Shape: l.Shape, DType: weights.Float16, Data: quant.AppendHalf(nil, v)})
			default:
				var q *quant.Quantized
				if q, err = quant.QuantizeMatrix(*s, l.Shape[0], l.Shape[1], v); err == nil {
					err = w.AddQuantized(l.Name, l.Shape, weights.Float32, q, weights.Note{})
				}
			}
			if err != nil {
				return nil, err
			}
		}
		return &model.Quantization{Type: "test"}, w.Close()
	})
	if err != nil {
		tb.Fatal(err)
	}
	return dest
}

// TestQuantizedBatchInvariance checks, for every kind of weights, that neighbours, their number, threads and a budget that
// keeps one layer change no bit of a vector.
func TestQuantizedBatchInvariance(t *testing.T) {
	dir := tinyModel(t)
	check := func(s *quant.Scheme) {
		dir := quantized(t, dir, s)
		one, err := model.Open(dir, &model.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close()
		many, err := model.Open(dir, &model.Options{Threads: 4, Budget: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer many.Close()
		batch := slices.Concat(texts, texts[3:], texts[1:9], texts)
		for _, e := range []*model.Encoder{one, many} {
			got, err := e.Encode(t.Context(), batch)
			if err != nil {
				t.Fatal(err)
			}
			for i, text := range batch {
				alone, err := one.Encode(t.Context(), []string{text})
				if err != nil || !slices.Equal(alone[0], got[i]) {
					t.Fatalf("%s: text %d %.20q differs in a batch, err %v", kindName(s), i, text, err)
				}
			}
		}
	}
	for i := range kinds {
		check(&kinds[i])
	}
	check(nil)
}

// TestQuantizedTiny: the vectors of a quantized model are those of its float32 model, but for the rounding.
func TestQuantizedTiny(t *testing.T) {
	dir := tinyModel(t)
	f, err := model.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := f.Encode(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		s     *quant.Scheme
		least float64
	}{{&kinds[0], 0.999}, {&kinds[1], 0.999}, {&kinds[2], 0.9}, {nil, 0.99999}} {
		e, err := model.Open(quantized(t, dir, c.s), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Encode(t.Context(), texts)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			if cos := cosine(want[i], got[i]); cos < c.least {
				t.Errorf("%s: %.20q has cosine %v", kindName(c.s), text, cos)
			}
		}
		e.Close()
	}
}

// TestUnreadableLayer: a layer that turns out to be damaged when it is first used makes Encode fail, naming it.
func TestUnreadableLayer(t *testing.T) {
	dir := tinyModel(t)
	e, err := model.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	spoil(t, filepath.Join(dir, model.WeightsFile), "layers.1.ffn.up.weight")
	v, err := e.Encode(t.Context(), texts)
	if v != nil || !errors.Is(err, weights.ErrCorrupt) || !strings.Contains(err.Error(), "layers.1.ffn.up.weight") {
		t.Errorf("%v, err %v", v, err)
	}
}

// spoil flips a bit in the middle of a tensor.
func spoil(tb testing.TB, path, name string) {
	tb.Helper()
	f, err := weights.Open(path, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	v, _, err := f.Tensor(name)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	at := bytes.Index(b, v.Data)
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	at += len(v.Data) / 2
	if _, err := file.WriteAt([]byte{b[at] ^ 4}, int64(at)); err != nil {
		tb.Fatal(err)
	}
}

// heldOut are texts that no model here was made with: sentences of STS 2015.
func heldOut(tb testing.TB, most int) []string {
	var out []string
	seen := map[string]bool{}
	for _, name := range []string{"data/sts/sts2015_images.tsv", "data/sts/sts2015_headlines.tsv"} {
		for _, line := range strings.Split(string(shared(tb, name)), "\n") {
			if f := strings.Split(line, "\t"); len(f) > 2 {
				for _, text := range f[1:3] {
					if !seen[text] {
						seen[text] = true
						out = append(out, text)
					}
				}
			}
		}
	}
	return out[:min(most, len(out))]
}

// TestInstalledInt8 measures the real model with weights of 8 bits on 1,000 texts.
func TestInstalledInt8(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: a thousand sentences take long without vector instructions")
	}
	f := installed(t, nil)
	texts := heldOut(t, 1000)
	want, err := f.Encode(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	e, err := model.Open(quantized(t, installedDir(t), &kinds[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	got, err := e.Encode(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	mean, least := 0.0, math.Inf(1)
	for i := range want {
		c := cosine(want[i], got[i])
		mean, least = mean+c/float64(len(want)), min(least, c)
	}
	t.Logf("int8 per channel, %d texts: cosine to float32 %.5f mean, %.5f least", len(texts), mean, least)
	if mean < 0.999 || least < 0.997 {
		t.Errorf("cosine %v mean, %v least", mean, least)
	}
	small, large := e.Params().Resident(), f.Params().Resident()
	t.Logf("%d bytes of weights beside %d: %.1f %%", small, large, 100*float64(small)/float64(large))
	if small*100 > large*26 {
		t.Errorf("%d bytes of weights beside %d", small, large)
	}
}
