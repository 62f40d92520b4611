package modeltest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"engram/quant/model"
	"engram/quant/weights"
)

// The sizes of the models.
const (
	Dim       = 32 // of the vectors of UseLite, and of the tokens of Llama
	MaxTokens = 64
	heads     = 4
	width     = 16 // of layer 0 of UseLite
	inner     = 48 // of the feed-forward nets
)

// UseLite makes a model directory of architecture use-lite below dir and returns it. The same seed gives the same numbers.
func UseLite(tb testing.TB, dir, name string, seed uint64) string {
	tb.Helper()
	m := maker{tb: tb, r: rand.New(rand.NewPCG(seed, 1))}
	pieces := m.vocabulary()
	m.add("embeddings.weight", 1, pieces, width)
	times := make([]float32, width/2)
	for i := range times {
		times[i] = float32(math.Pow(10_000, -float64(i)/float64(width/2-1)))
	}
	m.tensors = append(m.tensors, tensor("position.inverse_timescales", times, width/2))
	for i, w := range []int{width, Dim} {
		l := fmt.Sprintf("layers.%d.", i)
		m.norm(l+"attention_norm", w)
		m.dense(l+"attention.qkv", 3*w, w)
		m.dense(l+"attention.output", Dim, w)
		if i == 0 {
			m.dense(l+"residual", Dim, w)
		}
		m.norm(l+"ffn_norm", Dim)
		m.dense(l+"ffn.up", inner, Dim)
		m.dense(l+"ffn.down", Dim, inner)
	}
	m.dense("pooler", Dim, Dim)
	return m.write(filepath.Join(dir, name), model.Manifest{
		Name: name, Architecture: model.UseLite, Dim: Dim, MaxTokens: MaxTokens,
		Config: model.Config{Layers: 2, Heads: heads, LayerNormEpsilon: 1e-6, NormEpsilon: 1e-12},
	})
}

// Llama makes a model directory of architecture llama below dir and returns it. The same seed gives the same numbers.
func Llama(tb testing.TB, dir, name string, seed uint64) string {
	tb.Helper()
	const layers, kv = 2, 2
	m := maker{tb: tb, r: rand.New(rand.NewPCG(seed, 2))}
	m.add("embeddings.weight", 1, m.vocabulary(), Dim)
	for i := range layers {
		l := fmt.Sprintf("layers.%d.", i)
		m.add(l+"attention_norm.scale", 0.1, Dim)
		m.linear(l+"attention.qkv", (heads+2*kv)*Dim/heads, Dim)
		m.linear(l+"attention.output", Dim, Dim)
		m.add(l+"ffn_norm.scale", 0.1, Dim)
		m.linear(l+"ffn.gate", inner, Dim)
		m.linear(l+"ffn.up", inner, Dim)
		m.linear(l+"ffn.down", Dim, inner)
	}
	m.add("norm.scale", 1, Dim)
	return m.write(filepath.Join(dir, name), model.Manifest{
		Name: name, Architecture: model.Llama, Dim: Dim, MaxTokens: MaxTokens,
		Config: model.Config{Layers: layers, Heads: heads, KVHeads: kv, LayerNormEpsilon: 1e-5, RopeTheta: 10_000},
	})
}

type maker struct {
	tb      testing.TB
	r       *rand.Rand
	tensors []*weights.Tensor
	vocab   []byte
}

// vocabulary makes the pieces, letters and a few words, and returns how many there are.
func (m *maker) vocabulary() int {
	var pieces [][2]any
	for i := range 6 {
		pieces = append(pieces, [2]any{fmt.Sprintf("<%d>", i), 0.0})
	}
	for c := 'a'; c <= 'z'; c++ {
		pieces = append(pieces, [2]any{string(c), -4 - m.r.Float64()})
	}
	for _, s := range []string{"\u2581", "\u2581the", "\u2581a", "ing", "\u2581in", "er", "ed", "."} {
		pieces = append(pieces, [2]any{s, -3 - m.r.Float64()})
	}
	var err error
	if m.vocab, err = json.Marshal(pieces); err != nil {
		m.tb.Fatal(err)
	}
	return len(pieces)
}

// add adds a tensor of random numbers.
func (m *maker) add(name string, deviation float64, shape ...int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(m.r.NormFloat64() * deviation)
	}
	if len(shape) == 1 && deviation == 0.1 {
		for i := range v {
			v[i]++ // a scale
		}
	}
	m.tensors = append(m.tensors, tensor(name, v, shape...))
}

func tensor(name string, v []float32, shape ...int) *weights.Tensor {
	return &weights.Tensor{Name: name, Shape: shape, DType: weights.Float32, Data: weights.Float32Bytes(v)}
}

func (m *maker) linear(name string, out, in int) {
	m.add(name+".weight", 1.5/math.Sqrt(float64(in)), out, in)
}

func (m *maker) dense(name string, out, in int) {
	m.linear(name, out, in)
	m.add(name+".bias", 0.05, out)
}

func (m *maker) norm(name string, n int) {
	m.add(name+".scale", 0.1, n)
	m.add(name+".bias", 0.05, n)
}

// write writes the directory.
func (m *maker) write(dir string, manifest model.Manifest) string {
	m.tb.Helper()
	must := func(err error) {
		if err != nil {
			m.tb.Helper()
			m.tb.Fatal(err)
		}
	}
	must(os.MkdirAll(dir, 0o755))
	must(weights.WriteFile(filepath.Join(dir, model.WeightsFile), m.tensors, nil))
	must(os.WriteFile(filepath.Join(dir, model.VocabFile), m.vocab, 0o644))
	file, err := os.ReadFile(filepath.Join(dir, model.WeightsFile))
	must(err)
	manifest.Format = 1
	manifest.Weights = model.FileRef{File: model.WeightsFile, SHA256: hash(file)}
	manifest.Tokenizer = model.Tokenizer{Kind: "unigram", Reserved: 6, FileRef: model.FileRef{File: model.VocabFile, SHA256: hash(m.vocab)}}
	b, err := json.MarshalIndent(manifest, "", "  ")
	must(err)
	must(os.WriteFile(filepath.Join(dir, model.ManifestFile), b, 0o644))
	return dir
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
