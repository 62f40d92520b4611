package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// The errors of this package, found with errors.Is.
var (
	// ErrNotFound says that no model of that name is installed. Its text says which command installs one.
	ErrNotFound = errors.New("model: not found")
	// ErrManifest says that model.json or a vocabulary is damaged or does not fit the weights.
	ErrManifest = errors.New("model: bad model")
	// ErrSource says that what was to be imported is not what it should be.
	ErrSource = errors.New("model: bad source")
	// ErrClosed says that the encoder has been closed.
	ErrClosed = errors.New("model: closed")
)

// The files of a model directory.
const (
	ManifestFile = "model.json"
	WeightsFile  = "weights.parquet"
	VocabFile    = "vocab.json"
)

// manifestFormat is the version of model.json that is written and read.
const manifestFormat = 1

// The architectures of models of text.
const (
	UseLite = "use-lite" // the Universal Sentence Encoder Lite
	BERT    = "bert"     // encoders of the family of BERT: MiniLM, bge, e5, gte
	Llama   = "llama"    // language models
)

// maxManifestBytes bounds model.json.
const maxManifestBytes = 1 << 20

// Manifest is model.json: what a model is and where it came from. Everything but the numbers of the tensors is here.
type Manifest struct {
	Format       int       `json:"format"`               // manifestFormat
	Name         string    `json:"name"`                 // as given when it was imported
	Architecture string    `json:"architecture"`         // such as UseLite
	Dim          int       `json:"dim"`                  // elements of a vector; of a language model, of a token within it
	MaxTokens    int       `json:"max_tokens,omitempty"` // tokens of a text that count; the rest is cut off
	Config       Config    `json:"config"`
	Weights      FileRef   `json:"weights"`
	Tokenizer    Tokenizer `json:"tokenizer,omitzero"`
	Labels       *FileRef  `json:"labels,omitempty"` // names of the classes of a model for pictures or sounds
	Source       Source    `json:"source"`

	Quantization *Quantization `json:"quantization,omitempty"`
}

// Config holds the numbers of an architecture that its tensors' shapes do not tell. Those that an architecture does not
// have are 0.
type Config struct {
	Layers           int     `json:"layers,omitempty"`
	Heads            int     `json:"heads,omitempty"`
	LayerNormEpsilon float64 `json:"layer_norm_epsilon,omitempty"` // of Llama, that of its RMS norm
	NormEpsilon      float64 `json:"norm_epsilon,omitempty"`       // least squared length that the last step divides by

	// Of BERT.
	Activation    string `json:"activation,omitempty"`     // "gelu", "gelu-tanh" or "relu"
	Pooling       string `json:"pooling,omitempty"`        // "mean" or "cls", the first token
	FirstPosition int    `json:"first_position,omitempty"` // row of the table of positions that the first token gets
	TextPrefix    string `json:"text_prefix,omitempty"`    // put in front of every text by Encode
	QueryPrefix   string `json:"query_prefix,omitempty"`   // and by EncodeQueries

	// Of Llama.
	KVHeads   int     `json:"kv_heads,omitempty"`   // heads of keys and values, which share the heads of queries
	RopeTheta float64 `json:"rope_theta,omitempty"` // base of the angles by which positions turn queries and keys
	EndTokens []int32 `json:"end_tokens,omitempty"` // ids that end what is generated

	// Of models for pictures.
	ImageSize   int     `json:"image_size,omitempty"`  // width and height of what goes in
	PixelScale  float64 `json:"pixel_scale,omitempty"` // a colour c from 0 to 255 becomes c * pixel_scale + pixel_offset
	PixelOffset float64 `json:"pixel_offset,omitempty"`
}

// FileRef names a file of the model directory and its SHA-256 in hex.
type FileRef struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

// Tokenizer says how text becomes ids.
type Tokenizer struct {
	// Kind is "unigram" (the vocabulary of use-lite), "tokenizer.json" (of Hugging Face), "wordpiece" (the vocab.txt of a
	// BERT) or "llama2.c" (its tokenizer.bin).
	Kind     string `json:"kind"`
	Reserved int    `json:"reserved,omitempty"`  // unigram: pieces at the start of the vocabulary that text never becomes
	KeepCase bool   `json:"keep_case,omitempty"` // wordpiece: capitals and accents are kept
	FileRef
}

// Source says where a model came from.
type Source struct {
	Package string `json:"package,omitempty"` // the package's name
	Version string `json:"version,omitempty"`
	Licence string `json:"licence,omitempty"` // an SPDX identifier
	File    string `json:"file,omitempty"`    // base name of what was imported
	SHA256  string `json:"sha256,omitempty"`  // of that file; of a directory, of its files one after the other
}

// ReadManifest reads and checks model.json in a model directory.
func ReadManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, ManifestFile)
	b, err := readBounded(path, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func parseManifest(b []byte) (*Manifest, error) {
	m := &Manifest{}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if m.Format != manifestFormat {
		return nil, fmt.Errorf("%w: format %d, this program reads %d", ErrManifest, m.Format, manifestFormat)
	}
	return m, m.check()
}

// rule is something that a manifest must not be.
type rule struct {
	broken bool
	what   string
}

// architectures are the networks that are known, each with the rules for its manifest.
var architectures = map[string]func(m *Manifest) []rule{
	UseLite: useLiteRules, BERT: bertRules, Llama: llamaRules,
	MobileNetV1: mediaRules, MobileNetV2: mediaRules, YAMNet: mediaRules, SpeechEmbedding: mediaRules,
}

// check refuses what no model has.
func (m *Manifest) check() error {
	rules, ok := architectures[m.Architecture]
	if !ok {
		return fmt.Errorf("%w: architecture %.40q is not known; known are %q", ErrManifest, m.Architecture, slices.Sorted(maps.Keys(architectures)))
	}
	general := []rule{
		{m.Dim < 1 || m.Dim > 1<<16, "dim is out of range"},
		{!plainName(m.Weights.File), "weights.file must be the name of a file beside model.json"},
	}
	for _, r := range append(general, rules(m)...) {
		if r.broken {
			return fmt.Errorf("%w: %s", ErrManifest, r.what)
		}
	}
	return nil
}

// textRules are those of every transformer of text.
func textRules(m *Manifest) []rule {
	c := m.Config
	_, known := tokenizers[m.Tokenizer.Kind]
	return []rule{
		{!known, fmt.Sprintf("tokenizer %.40q is not known; known are %q", m.Tokenizer.Kind, slices.Sorted(maps.Keys(tokenizers)))},
		{m.MaxTokens < 1 || m.MaxTokens > 1<<17, "max_tokens is out of range"},
		{c.Layers < 1 || c.Layers > 256, "config.layers is out of range"},
		{c.Heads < 1 || c.Heads > 1024, "config.heads is out of range"},
		{!(c.LayerNormEpsilon > 0 && c.LayerNormEpsilon < 1), "config.layer_norm_epsilon is out of range"},
		{!plainName(m.Tokenizer.File), "tokenizer.file must be the name of a file beside model.json"},
		{m.Tokenizer.Kind == unigramKind && (m.Tokenizer.Reserved < 1 || m.Tokenizer.Reserved > 1<<20), "tokenizer.reserved is out of range"},
	}
}

func useLiteRules(m *Manifest) []rule {
	return append(textRules(m), rule{!(m.Config.NormEpsilon > 0 && m.Config.NormEpsilon < 1), "config.norm_epsilon is out of range"},
		rule{m.MaxTokens > 1<<16, "max_tokens is out of range"})
}

// plainName says whether s names a file in its own directory, not a path out of it.
func plainName(s string) bool {
	return s != "" && s != "." && s != ".." && filepath.IsLocal(s) && filepath.Base(s) == s && !strings.ContainsFunc(s, unicode.IsControl)
}

// write puts model.json into dir and syncs it.
func (m *Manifest) write(dir string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return writeSynced(filepath.Join(dir, ManifestFile), append(b, '\n'))
}

// writeSynced writes a new file and syncs it.
func writeSynced(path string, b []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrManifest, path, limit)
	}
	return b, nil
}

// fileSHA256 hashes a file.
func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("model: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("model: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func bytesSHA256(b []byte) string {
	h := sha256.New()
	io.Copy(h, bytes.NewReader(b))
	return hex.EncodeToString(h.Sum(nil))
}
