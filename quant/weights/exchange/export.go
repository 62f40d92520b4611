package exchange

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"engram/quant"
	"engram/quant/weights"
)

// ExportOptions set how a model is written. The zero value is the default.
type ExportOptions struct {
	// Floats is what tensors of floating-point numbers are written as: weights.Float32 or weights.Float16. Default: what Read
	// gives. A number too large for float16 is an error, not an infinity.
	Floats weights.DType
	// Metadata is what the file says of itself. Default none.
	Metadata map[string]string
	// Progress is told after every tensor how many numbers of how many are written. Default none.
	Progress func(done, total int64)
}

// WriteSafetensors writes all tensors of a source as one file of safetensors. The file is at path whole, or not at all; one
// tensor at a time is in memory.
func WriteSafetensors(ctx context.Context, path string, s Source, o *ExportOptions) error {
	var opt ExportOptions
	if o != nil {
		opt = *o
	}
	if opt.Floats != 0 && opt.Floats != weights.Float32 && opt.Floats != weights.Float16 {
		return fmt.Errorf("%w: floats as %v", weights.ErrUnsupported, opt.Floats)
	}
	infos := s.Tensors()
	for i := range infos {
		infos[i].DType = opt.dtype(infos[i].DType)
	}
	// The widest first, as the reference does, so that every tensor is aligned to its elements.
	slices.SortStableFunc(infos, func(a, b Info) int { return cmp.Compare(b.DType.Size(), a.DType.Size()) })
	head, err := safetensorsHead(infos, opt.Metadata)
	if err != nil {
		return err
	}
	return replaceFile(path, func(w *bufio.Writer) error {
		if _, err := w.Write(head); err != nil {
			return fmt.Errorf("exchange: %w", err)
		}
		return eachTensor(ctx, s, infos, opt.Progress, func(x Info, t *weights.Tensor) error {
			data, err := convert(t, x.DType)
			if err != nil {
				return err
			}
			if len(data) != x.Params*x.DType.Size() {
				return fmt.Errorf("%w: %d bytes for %d of %v", weights.ErrCorrupt, len(data), x.Params, x.DType)
			}
			_, err = w.Write(data)
			return err
		})
	})
}

// dtype is what tensors of a type are written as.
func (o *ExportOptions) dtype(d weights.DType) weights.DType {
	if o.Floats != 0 && isFloat(d) {
		return o.Floats
	}
	return d
}

func isFloat(d weights.DType) bool {
	return d == weights.Float32 || d == weights.Float16 || d == weights.BFloat16 || d == weights.Float64
}

// safetensorsHead writes the length, and the header padded with blanks to a multiple of eight bytes.
func safetensorsHead(infos []Info, metadata map[string]string) ([]byte, error) {
	type entry struct {
		DType   string  `json:"dtype"`
		Shape   []int   `json:"shape"`
		Offsets []int64 `json:"data_offsets"`
	}
	header := map[string]any{}
	if len(metadata) > 0 {
		header["__metadata__"] = metadata
	}
	at := int64(0)
	for _, x := range infos {
		e := entry{Shape: append([]int{}, x.Shape...), Offsets: []int64{at, at + int64(x.Params)*int64(x.DType.Size())}}
		for name, d := range safetensorsTypes {
			if d == x.DType {
				e.DType = name
			}
		}
		if e.DType == "" || x.Name == "__metadata__" {
			return nil, fmt.Errorf("%w: tensor %q of type %s in safetensors", weights.ErrUnsupported, x.Name, x.Type)
		}
		header[x.Name] = e
		at = e.Offsets[1]
	}
	text, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	if len(text) > maxHeaderBytes {
		return nil, fmt.Errorf("%w: header of %d bytes", weights.ErrTooLarge, len(text))
	}
	return append(le.AppendUint64(nil, uint64(len(text))), text...), nil
}

// WriteParquet writes all tensors of a source as a weight file of V1. The file is at path whole, or not at all; one tensor
// at a time is in memory.
func WriteParquet(ctx context.Context, path string, s Source, o *ExportOptions) error {
	var opt ExportOptions
	if o != nil {
		opt = *o
	}
	w, err := weights.Create(path, &weights.WriterOptions{Metadata: opt.Metadata})
	if err != nil {
		return err
	}
	defer w.Abort()
	err = eachTensor(ctx, s, s.Tensors(), opt.Progress, func(_ Info, t *weights.Tensor) (err error) {
		d := opt.dtype(t.DType)
		if t.Data, err = convert(t, d); err != nil {
			return err
		}
		t.DType = d
		return w.Add(t)
	})
	if err != nil {
		return err
	}
	return w.Close()
}

// eachTensor reads tensors one by one and hands them to do, until the context is done.
func eachTensor(ctx context.Context, s Source, infos []Info, progress func(done, total int64), do func(Info, *weights.Tensor) error) error {
	var done, total int64
	for _, x := range infos {
		total += int64(x.Params)
	}
	for _, x := range infos {
		if err := ctx.Err(); err != nil {
			return err
		}
		t, err := s.Read(x.Name)
		if err == nil {
			err = do(x, t)
		}
		if err != nil {
			return fmt.Errorf("tensor %q: %w", x.Name, err)
		}
		if done += int64(x.Params); progress != nil {
			progress(done, total)
		}
	}
	return nil
}

// convert gives the elements of a tensor as another type of floating-point numbers.
func convert(t *weights.Tensor, to weights.DType) ([]byte, error) {
	if t.DType == to {
		return t.Data, nil
	}
	v, err := t.Float32()
	if err != nil {
		return nil, err
	}
	switch to {
	case weights.Float32:
		return weights.Float32Bytes(v), nil
	case weights.Float16:
		out := make([]byte, 0, 2*len(v))
		for _, x := range v {
			h := quant.ToHalf(x)
			if h&0x7fff == 0x7c00 && !math.IsInf(float64(x), 0) {
				return nil, fmt.Errorf("%w: %v as float16", weights.ErrUnsupported, x)
			}
			out = le.AppendUint16(out, h)
		}
		return out, nil
	case weights.BFloat16: // a writer without bfloat16 had widened it; the low half is 0
		out := make([]byte, 0, 2*len(v))
		for _, x := range v {
			out = le.AppendUint16(out, uint16(math.Float32bits(x)>>16))
		}
		return out, nil
	}
	return nil, fmt.Errorf("%w: %v as %v", weights.ErrUnsupported, t.DType, to)
}

// replaceFile writes a file beside path, syncs it and renames it to path.
func replaceFile(path string, write func(*bufio.Writer) error) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("exchange: %w", err)
	}
	defer os.Remove(tmp.Name()) // after the rename there is nothing of that name
	w := bufio.NewWriterSize(tmp, 1<<20)
	if err := write(w); err != nil {
		tmp.Close()
		return err
	}
	err = w.Flush()
	for _, step := range []func() error{func() error { return tmp.Chmod(fs.FileMode(0o644)) }, tmp.Sync} {
		if err == nil {
			err = step()
		}
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("exchange: %w", err)
	}
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // makes the rename durable where directories can be synced
		d.Close()
	}
	return nil
}
