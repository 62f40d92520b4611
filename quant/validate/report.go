package validate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// The files that Save writes into a model directory.
const (
	ReportJSON = "validation.json"
	ReportText = "validation.txt"
)

// maxReport bounds the bytes of a stored report.
const maxReport = 16 << 20

// Report is what a comparison of two models found.
type Report struct {
	Model     string    `json:"model"`     // name of the model that was judged
	Reference string    `json:"reference"` // and of the one it was compared with
	Kind      string    `json:"kind"`      // "encoder" or "language model"
	Type      string    `json:"quant_type,omitempty"`
	Time      time.Time `json:"time"` // when it was made
	Texts     int       `json:"texts"`
	BuiltIn   bool      `json:"built_in_texts,omitempty"` // no texts were given
	Seconds   float64   `json:"seconds"`

	Passed   bool     `json:"passed"`
	Reason   string   `json:"reason,omitempty"` // why not
	Warnings []string `json:"warnings,omitempty"`

	*Likeness   // of encoders
	*Prediction // of language models

	Layers []LayerError `json:"layers,omitempty"` // in the order in which they run
}

// Likeness is how alike the vectors of two encoders are. Cosines are those of the two vectors of one text.
type Likeness struct {
	Threshold float64 `json:"cosine_threshold"` // the least Mean that passes
	Mean      float64 `json:"cosine_mean"`
	Min       float64 `json:"cosine_min"`
	P1        float64 `json:"cosine_p1"` // of 100 texts, one has a lower cosine
	P5        float64 `json:"cosine_p5"`
	Worst     string  `json:"worst_text"` // the text of Min
	// Spearman is the rank correlation, over all pairs of texts, of their similarity by one model and by the other.
	Spearman float64 `json:"spearman"`
	// Overlap is the share of the nearest texts of each text, ten of them where there are as many, that both models name.
	Overlap float64 `json:"top10_overlap"`
}

// Prediction is how well two language models predict texts.
type Prediction struct {
	Threshold  float64 `json:"perplexity_threshold"` // the greatest Rise without a warning
	Tokens     int     `json:"tokens"`
	Perplexity float64 `json:"perplexity"`
	Before     float64 `json:"reference_perplexity"`
	Rise       float64 `json:"perplexity_rise"` // Perplexity / Before - 1
}

// LayerError is how far what reaches a layer is from what reaches it in the reference.
type LayerError struct {
	Name string `json:"name"`
	// Error is |x - x'| / |x| over the inputs x of the layer: what all layers before it add up to.
	Error float64 `json:"input_error"`
}

// Text is the report for people.
func (r *Report) Text() string {
	var b bytes.Buffer
	verdict := "passed"
	if !r.Passed {
		verdict = "rejected: " + r.Reason
	}
	fmt.Fprintf(&b, "%s against %s: %s\n", r.Model, r.Reference, verdict)
	texts := fmt.Sprintf("%d texts", r.Texts)
	if r.BuiltIn {
		texts += " (built in: texts of your own tell more)"
	}
	fmt.Fprintf(&b, "%s, %s, %.1f s\n\n", r.Time.Format(time.RFC3339), texts, r.Seconds)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if l := r.Likeness; l != nil {
		fmt.Fprintf(w, "cosine, mean\t%.5f\tat least %.3f\n", l.Mean, l.Threshold)
		fmt.Fprintf(w, "cosine, p5 / p1 / least\t%.5f / %.5f / %.5f\t\n", l.P5, l.P1, l.Min)
		fmt.Fprintf(w, "order of all pairs (Spearman)\t%.5f\t\n", l.Spearman)
		fmt.Fprintf(w, "ten nearest in common\t%.1f %%\t\n", 100*l.Overlap)
		fmt.Fprintf(w, "least alike\t%q\t\n", cut(l.Worst, 80))
	}
	if p := r.Prediction; p != nil {
		fmt.Fprintf(w, "perplexity\t%.4f\twas %.4f: %+.2f %%\n", p.Perplexity, p.Before, 100*p.Rise)
		fmt.Fprintf(w, "tokens\t%d\t\n", p.Tokens)
	}
	w.Flush()
	for _, s := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", s)
	}
	if len(r.Layers) > 0 {
		fmt.Fprintln(&b, "\nerror of what reaches each layer")
		for _, l := range r.Layers {
			fmt.Fprintf(w, "  %s\t%.4f\n", l.Name, l.Error)
		}
		w.Flush()
	}
	return b.String()
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// Save writes the report beside the model in dir, as JSON and as text, each whole or not at all.
func (r *Report) Save(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	if err := replace(filepath.Join(dir, ReportJSON), append(b, '\n')); err != nil {
		return err
	}
	return replace(filepath.Join(dir, ReportText), []byte(r.Text()))
}

// replace puts a file in the place of what is there.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("validate: write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// Load reads the report that was saved beside the model in dir. Where there is none the error is fs.ErrNotExist.
func Load(dir string) (*Report, error) {
	path := filepath.Join(dir, ReportJSON)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxReport {
		return nil, fmt.Errorf("validate: %s: not a report of at most %d bytes: %w", path, maxReport, fs.ErrInvalid)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("validate: %s: %s", path, strings.TrimPrefix(err.Error(), "json: "))
	}
	return r, nil
}
