package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
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

// UseLite is the architecture of the Universal Sentence Encoder Lite.
const UseLite = "use-lite"

// maxManifestBytes bounds model.json.
const maxManifestBytes = 1 << 20

// Manifest is model.json: what a model is and where it came from. Everything but the numbers of the tensors is here.
type Manifest struct {
	Format       int       `json:"format"`       // manifestFormat
	Name         string    `json:"name"`         // as given when it was imported
	Architecture string    `json:"architecture"` // UseLite
	Dim          int       `json:"dim"`          // elements of a vector
	MaxTokens    int       `json:"max_tokens"`   // tokens of a text that count; the rest is cut off
	Config       Config    `json:"config"`
	Weights      FileRef   `json:"weights"`
	Tokenizer    Tokenizer `json:"tokenizer"`
	Source       Source    `json:"source"`

	Quantization *Quantization `json:"quantization,omitempty"`
}

// Config holds the numbers of an architecture that its tensors' shapes do not tell.
type Config struct {
	Layers           int     `json:"layers"`
	Heads            int     `json:"heads"`
	LayerNormEpsilon float64 `json:"layer_norm_epsilon"`
	NormEpsilon      float64 `json:"norm_epsilon"` // least squared length that the last step divides by
}

// FileRef names a file of the model directory and its SHA-256 in hex.
type FileRef struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

// Tokenizer says how text becomes ids.
type Tokenizer struct {
	Kind     string `json:"kind"`     // "unigram"
	Reserved int    `json:"reserved"` // pieces at the start of the vocabulary that text never becomes
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

// check refuses what no model has.
func (m *Manifest) check() error {
	c := m.Config
	for _, bad := range []struct {
		is   bool
		what string
	}{
		{m.Architecture != UseLite, fmt.Sprintf("architecture %.40q is not known; known is %q", m.Architecture, UseLite)},
		{m.Tokenizer.Kind != "unigram", fmt.Sprintf("tokenizer %.40q is not known; known is \"unigram\"", m.Tokenizer.Kind)},
		{m.Dim < 1 || m.Dim > 1<<16, "dim is out of range"},
		{m.MaxTokens < 1 || m.MaxTokens > 1<<16, "max_tokens is out of range"},
		{c.Layers < 1 || c.Layers > 256, "config.layers is out of range"},
		{c.Heads < 1 || c.Heads > 1024, "config.heads is out of range"},
		{!(c.LayerNormEpsilon > 0 && c.LayerNormEpsilon < 1), "config.layer_norm_epsilon is out of range"},
		{!(c.NormEpsilon > 0 && c.NormEpsilon < 1) || math.IsNaN(c.NormEpsilon), "config.norm_epsilon is out of range"},
		{m.Tokenizer.Reserved < 1 || m.Tokenizer.Reserved > 1<<20, "tokenizer.reserved is out of range"},
		{!plainName(m.Weights.File), "weights.file must be the name of a file beside model.json"},
		{!plainName(m.Tokenizer.File), "tokenizer.file must be the name of a file beside model.json"},
	} {
		if bad.is {
			return fmt.Errorf("%w: %s", ErrManifest, bad.what)
		}
	}
	return nil
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
