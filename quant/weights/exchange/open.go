package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"engram/quant/internal/mapped"
	"engram/quant/weights"
)

// Open opens what is at a path, whoever wrote it, and finds that out by its content, not its name. A folder may hold a model
// of Hugging Face (config.json and safetensors), of TensorFlow.js (model.json and shards) or of Engram (weights.parquet).
//
// Files are mapped where the system can, and read tensor by tensor. They must not be changed while they are open. What is
// nothing of this gives weights.ErrFormat.
func Open(path string, o *Options) (Source, error) {
	s, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func open(path string, o *Options) (Source, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	if st.IsDir() {
		return openDir(path, o)
	}
	head, err := readHead(path)
	if err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("PAR1")):
		return openParquet(path, o)
	case bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n\xef\xbb\xbf"), []byte("{")):
		return openJSON(path, o)
	}
	b, free, err := openBytes(path)
	if err != nil {
		return nil, err
	}
	s, p, err := detect(b, o)
	if err != nil {
		free()
		return nil, err
	}
	p.free = append(p.free, free)
	return s, nil
}

// detect reads a file of one of the formats that are one file.
func detect(b []byte, o *Options) (Source, *parts, error) {
	switch {
	case bytes.HasPrefix(b, []byte("GGUF")):
		g, err := ReadGGUF(b, o)
		if err != nil {
			return nil, nil, err
		}
		return g, &g.parts, nil
	case len(b) >= 8 && string(b[4:8]) == "TFL3":
		t, err := ReadTFLite(b, o)
		if err != nil {
			return nil, nil, err
		}
		return t, &t.parts, nil
	case isSafetensors(b):
		s, err := ReadSafetensors(b, o)
		if err != nil {
			return nil, nil, err
		}
		return s, &s.parts, nil
	case isLLaMA2C(b, int64(len(b))):
		m, err := ReadLLaMA2C(b, o)
		if err != nil {
			return nil, nil, err
		}
		return m, &m.parts, nil
	case bytes.HasPrefix(b, []byte("\x80\x02")) || bytes.HasPrefix(b, []byte("PK\x03\x04")):
		return nil, nil, fmt.Errorf("%w: a checkpoint of PyTorch is a program; save it as safetensors", weights.ErrUnsupported)
	}
	x, err := ReadONNX(b, o)
	if err != nil && !errors.Is(err, weights.ErrUnsupported) && !errors.Is(err, weights.ErrTooLarge) {
		return nil, nil, fmt.Errorf("%w: not a format that is read (nor ONNX: %w)", weights.ErrFormat, err)
	}
	if err != nil {
		return nil, nil, err
	}
	return x, &x.parts, nil
}

// openJSON opens an index of safetensors or a model.json of TensorFlow.js.
func openJSON(path string, o *Options) (Source, error) {
	raw, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, fmt.Errorf("%w: %w", weights.ErrFormat, err)
	}
	switch {
	case keys["weight_map"] != nil:
		return openIndex(path, o)
	case keys["weightsManifest"] != nil:
		return openTFJS(path, o)
	}
	return nil, fmt.Errorf("%w: JSON without a weight_map or a weightsManifest", weights.ErrFormat)
}

func openDir(dir string, o *Options) (Source, error) {
	switch {
	case exists(filepath.Join(dir, "weights.parquet")):
		return openParquet(filepath.Join(dir, "weights.parquet"), o)
	case exists(filepath.Join(dir, configFile)) && (exists(filepath.Join(dir, safetensorsFile)) || exists(filepath.Join(dir,
		safetensorsIndex))):
		return openFolder(dir, o)
	case exists(filepath.Join(dir, "model.json")):
		return openTFJS(filepath.Join(dir, "model.json"), o)
	case exists(filepath.Join(dir, "pytorch_model.bin")):
		return nil, fmt.Errorf("%w: a checkpoint of PyTorch is a program; save it as safetensors", weights.ErrUnsupported)
	}
	return nil, fmt.Errorf("%w: a folder without config.json and %s, model.json or weights.parquet", weights.ErrFormat, safetensorsFile)
}

// readHead reads the first bytes of a file.
func readHead(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	defer f.Close()
	b := make([]byte, 64)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	return b[:n], nil
}

// openBytes maps a file, or reads it where the system cannot map. free gives it back.
func openBytes(path string) (b []byte, free func() error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("exchange: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("exchange: %w", err)
	}
	switch n := st.Size(); {
	case !st.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%w: not a regular file", weights.ErrFormat)
	case n > math.MaxInt:
		return nil, nil, fmt.Errorf("%w: %d bytes", weights.ErrTooLarge, n)
	case n > 0:
		if b, err := mapped.Map(f, n); err == nil {
			return b, func() error { return mapped.Unmap(b) }, nil
		}
	}
	if b, err = io.ReadAll(f); err != nil {
		return nil, nil, fmt.Errorf("exchange: %w", err)
	}
	return b, func() error { return nil }, nil
}

// parquet is a weight file as a source.
type parquet struct {
	f     *weights.File
	infos []Info
}

func openParquet(path string, o *Options) (Source, error) {
	f, err := weights.Open(path, &weights.Options{MaxTensorBytes: o.limit()})
	if err != nil {
		return nil, err
	}
	p := &parquet{f: f}
	for _, l := range f.Layers() {
		x := Info{Name: l.Name, Shape: l.Shape, Type: l.DType.String(), DType: l.DType, Params: l.Params}
		switch {
		case l.Quant.Bits() > 0:
			x.Type, x.DType = string(l.Quant), weights.Float32
		case l.Quant == weights.QuantFP16:
			x.DType = weights.Float16
		case l.Quant == weights.QuantFP32:
			x.DType = weights.Float32
		}
		p.infos = append(p.infos, x)
	}
	return p, nil
}

func (p *parquet) Format() Format  { return FormatParquet }
func (p *parquet) Tensors() []Info { return append([]Info(nil), p.infos...) }
func (p *parquet) Close() error    { return p.f.Close() }

func (p *parquet) Read(name string) (*weights.Tensor, error) {
	l, ok := p.f.Layer(name)
	if !ok {
		return nil, fmt.Errorf("%w: %q", weights.ErrNoLayer, name)
	}
	if l.Quant.Bits() == 0 {
		t, shared, err := p.f.Tensor(name)
		if err == nil && shared {
			t.Data = bytes.Clone(t.Data)
		}
		return t, err
	}
	v, _, err := p.f.Float32(name)
	if err != nil {
		return nil, err
	}
	return &weights.Tensor{Name: name, Shape: append([]int(nil), l.Shape...), DType: weights.Float32, Data: weights.Float32Bytes(v)}, nil
}
