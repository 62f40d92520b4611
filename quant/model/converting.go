package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"engram/quant/weights"
	"engram/quant/weights/exchange"
)

// conversion writes the tensors that others named into a weight file with the names of this package. It keeps the first
// error.
type conversion struct {
	ctx         context.Context
	src         exchange.Source
	shapes      map[string][]int
	out         *weights.Writer
	opt         *ImportOptions
	done, total int64
	err         error
}

func newConversion(ctx context.Context, src exchange.Source, path, architecture string, opt *ImportOptions) (*conversion, error) {
	c := &conversion{ctx: ctx, src: src, shapes: map[string][]int{}, opt: opt}
	for _, t := range src.Tensors() {
		c.shapes[t.Name] = t.Shape
		c.total += int64(t.Params) * 4
	}
	var err error
	c.out, err = weights.Create(path, &weights.WriterOptions{Metadata: map[string]string{"engram.architecture": architecture}})
	return c, err
}

// fail keeps the first error.
func (c *conversion) fail(err error) {
	if c.err == nil && err != nil {
		c.err = err
	}
}

// first is the first of some names that the source has; else the first of them, which will be missed.
func (c *conversion) first(names ...string) string {
	for _, n := range names {
		if _, ok := c.shapes[n]; ok {
			return n
		}
	}
	return names[0]
}

// read gives the numbers of a tensor, which must have this shape and be finite.
func (c *conversion) read(name string, shape ...int) []float32 {
	if c.err != nil {
		return nil
	}
	if c.fail(c.ctx.Err()); c.err != nil {
		return nil
	}
	have, ok := c.shapes[name]
	if !ok {
		c.fail(fmt.Errorf("%w: the tensor %q is missing", ErrSource, name))
		return nil
	}
	if len(have) != len(shape) {
		c.fail(fmt.Errorf("%w: the tensor %q is %v, not %v", ErrSource, name, have, shape))
		return nil
	}
	for i, d := range shape {
		if have[i] != d {
			c.fail(fmt.Errorf("%w: the tensor %q is %v, not %v", ErrSource, name, have, shape))
			return nil
		}
	}
	t, err := c.src.Read(name)
	if err != nil {
		c.fail(fmt.Errorf("%w: %w", ErrSource, err))
		return nil
	}
	v, err := t.Values()
	if err != nil {
		c.fail(fmt.Errorf("%w: %w", ErrSource, err))
		return nil
	}
	for i, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			c.fail(fmt.Errorf("%w: the tensor %q is not finite at %d", ErrSource, name, i))
			return nil
		}
	}
	c.done += int64(len(v)) * 4
	c.opt.Progress("write", min(c.done, c.total), c.total)
	return v
}

// write puts a tensor into the weight file.
func (c *conversion) write(name string, v []float32, shape ...int) {
	if c.err == nil {
		c.fail(c.out.Add(&weights.Tensor{Name: name, Shape: shape, DType: weights.Float32, Data: weights.Float32Bytes(v)}))
	}
}

// copy writes a tensor as it is under another name.
func (c *conversion) copy(to, from string, shape ...int) {
	c.write(to, c.read(from, shape...), shape...)
}

// stack writes matrices of as many columns, or vectors, one below the other as one.
func (c *conversion) stack(to string, from []string, rows []int, cols int) {
	var all []float32
	total := 0
	for i, name := range from {
		shape := []int{rows[i], cols}
		if cols == 0 {
			shape = shape[:1]
		}
		all = append(all, c.read(name, shape...)...)
		total += rows[i]
	}
	if cols == 0 {
		c.write(to, all, total)
		return
	}
	c.write(to, all, total, cols)
}

// close finishes the weight file.
func (c *conversion) close() error {
	if c.err != nil {
		c.out.Abort()
		return c.err
	}
	c.opt.Progress("write", c.total, c.total)
	return c.out.Close()
}

// finish completes a manifest whose weights and tokenizer lie in dir, and writes it.
func (m *Manifest) finish(dir string) error {
	sum, err := fileSHA256(filepath.Join(dir, WeightsFile))
	if err != nil {
		return err
	}
	m.Format, m.Weights = manifestFormat, FileRef{WeightsFile, sum}
	if err := m.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	return m.write(dir)
}

// keepTokenizer copies a file that describes a tokenizer into dir, after looking whether it can be read.
func (m *Manifest) keepTokenizer(path, dir, name string) error {
	b, err := readBounded(path, maxKeptBytes)
	if err != nil {
		return err
	}
	if _, err := tokenizers[m.Tokenizer.Kind](b, &m.Tokenizer); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSource, path, err)
	}
	m.Tokenizer.FileRef = FileRef{name, bytesSHA256(b)}
	return writeSynced(filepath.Join(dir, name), b)
}

// filesSHA256 hashes files one after the other.
func filesSHA256(paths []string) (string, error) {
	h := sha256.New()
	for _, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			return "", fmt.Errorf("model: %w", err)
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", fmt.Errorf("model: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
