package model

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// LabelsFile holds the names of a model's classes, an array of strings in the order of their numbers.
const LabelsFile = "labels.json"

// maxLabelsBytes bounds a file of class names.
const maxLabelsBytes = 4 << 20

// readLabels reads the names of n classes, nil where the model has none.
func readLabels(dir string, m *Manifest, n int) ([]string, error) {
	if m.Labels == nil {
		return nil, nil
	}
	path := filepath.Join(dir, m.Labels.File)
	b, err := readBounded(path, maxLabelsBytes)
	if err != nil {
		return nil, err
	}
	if sum := bytesSHA256(b); sum != m.Labels.SHA256 {
		return nil, fmt.Errorf("%w: %s has SHA-256 %s, %s says %s", ErrManifest, path, sum, ManifestFile, m.Labels.SHA256)
	}
	var labels []string
	if err := json.Unmarshal(b, &labels); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrManifest, path, err)
	}
	if len(labels) != n {
		return nil, fmt.Errorf("%w: %s names %d classes of %d", ErrManifest, path, len(labels), n)
	}
	return labels, nil
}

// publishedLabels are the files that class names are published in, looked for beside what is imported.
var publishedLabels = map[string]string{MobileNetV1: "imagenet_labels.txt", MobileNetV2: "imagenet_labels.txt", YAMNet: "yamnet_class_map.csv"}

// importLabels brings the names of n classes into the model's directory: from the file that the caller names, else from the file
// of the published name beside the source, else none.
func importLabels(m *Manifest, src, dir, given string, n int) error {
	path := given
	if path == "" {
		name, ok := publishedLabels[m.Architecture]
		if !ok {
			return nil
		}
		path = filepath.Join(filepath.Dir(src), name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	b, err := readBounded(path, maxLabelsBytes)
	if err != nil {
		return err
	}
	labels, err := parseLabels(string(b), strings.EqualFold(filepath.Ext(path), ".csv"))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSource, path, err)
	}
	if len(labels) != n {
		return fmt.Errorf("%w: %s names %d classes, the model has %d", ErrSource, path, len(labels), n)
	}
	if b, err = json.Marshal(labels); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	m.Labels = &FileRef{LabelsFile, bytesSHA256(b)}
	return writeSynced(filepath.Join(dir, LabelsFile), b)
}

// parseLabels reads names, one a line, or the last column of a CSV file below its heading.
func parseLabels(text string, isCSV bool) ([]string, error) {
	var out []string
	if !isCSV {
		for line := range strings.Lines(text) {
			out = append(out, strings.TrimRight(line, "\r\n"))
		}
		return out, nil
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, r := range rows[min(1, len(rows)):] {
		out = append(out, r[len(r)-1])
	}
	return out, nil
}
