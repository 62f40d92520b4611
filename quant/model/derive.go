package model

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"engram/quant/model/layer"
)

// Quantization says in a manifest how the weights of a model were rounded. Models of plain numbers have none.
type Quantization struct {
	Type   string `json:"type"`   // such as "int8"
	Method string `json:"method"` // such as "gptq"
	// Bits is how many bits a weight takes in the file, over all layers that were rounded, with scales and zero points.
	Bits  float64 `json:"bits"`
	Texts int     `json:"texts,omitempty"` // how many texts calibrated it
	// SourceSHA256 is that of the weight file that it was made from.
	SourceSHA256 string `json:"source_sha256"`
}

// DeriveOptions set how a model is made from another. The zero value is the default.
type DeriveOptions struct {
	Name    string // the model's name; default the last element of the destination
	Replace bool   // put the model in the place of one that is there; default false, an error
	// Accept, if not nil, judges the finished model before it is put in its place. It may add files to the directory; its
	// error is returned, and the model is gone.
	Accept func(dir string) error
}

// Derive makes a model directory that differs from the one at srcDir in its weights. build writes the weight file at the
// path it is given and says how it was made; all other files are copied. The new directory appears whole, after the model
// in it has been run once, or not at all. build may be nil, which copies the weights too.
func Derive(ctx context.Context, srcDir, destDir string, o *DeriveOptions, build func(weights string) (*Quantization, error)) error {
	var opt DeriveOptions
	if o != nil {
		opt = *o
	}
	if opt.Name == "" {
		opt.Name = filepath.Base(filepath.Clean(destDir))
	}
	if !plainName(opt.Name) || strings.HasPrefix(opt.Name, ".") {
		return fmt.Errorf("%w: %q cannot be a model's name", ErrSource, opt.Name)
	}
	if _, err := os.Lstat(destDir); err == nil && !opt.Replace {
		return fmt.Errorf("model: %s: %w", destDir, fs.ErrExist)
	}
	m, err := ReadManifest(srcDir)
	if err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(destDir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	tmp, err := os.MkdirTemp(parent, "."+opt.Name+".*.tmp")
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if err := copyFiles(srcDir, tmp, func(name string) bool { return name == ManifestFile || (build != nil && name == m.Weights.File) }); err != nil {
		return err
	}
	m.Name = opt.Name
	if build != nil {
		if m.Quantization, err = build(filepath.Join(tmp, m.Weights.File)); err != nil {
			return err
		}
		if m.Weights.SHA256, err = fileSHA256(filepath.Join(tmp, m.Weights.File)); err != nil {
			return err
		}
	}
	if err := m.write(tmp); err != nil {
		return err
	}
	if err := Verify(ctx, tmp); err != nil {
		return fmt.Errorf("model: the model made from %s does not run: %w", srcDir, err)
	}
	if opt.Accept != nil {
		if err := opt.Accept(tmp); err != nil {
			return err
		}
	}
	return install(tmp, destDir, opt.Replace)
}

// copyFiles copies the regular files of a directory that are not hidden, but for those that skip names.
func copyFiles(src, dest string, skip func(name string) bool) error {
	entries, err := os.ReadDir(src)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") || skip(e.Name()) {
			continue
		}
		if err := copyFile(filepath.Join(src, e.Name()), filepath.Join(dest, e.Name())); err != nil {
			return fmt.Errorf("model: %w", err)
		}
	}
	return nil
}

func copyFile(src, dest string) error {
	from, err := os.Open(src)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// Params are the parameters that the model runs on, for calibration. They belong to the encoder.
func (e *Encoder) Params() *layer.Params { return e.params }
