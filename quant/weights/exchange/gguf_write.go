package exchange

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"engram/quant"
	"engram/quant/weights"
)

// GGUFOptions set how a GGUF file is written. The zero value is the default.
type GGUFOptions struct {
	// Type is what matrices are written as: "Q8_0", "Q4_0", "F16" or "F32". Default "Q8_0".
	Type string
	// Metadata is what the file says of itself: strings, bools, numbers of Go's sized types, and []string, []float32 and
	// []int32. "general.architecture" is "engram" unless it is given; programs that run models know theirs by it.
	Metadata map[string]any
	// Progress is told after every tensor how many numbers of how many are written. Default none.
	Progress func(done, total int64)
}

const (
	ggufAlign   = 32
	maxGGUFName = 63 // ggml keeps names in 64 bytes
	maxGGUFDims = 4
)

// ggufFiles gives for a type of matrices its number and that of the file's kind.
var ggufFiles = map[string]struct{ tensor, file uint32 }{"F32": {ggmlF32, 0}, "F16": {ggmlF16, 1}, "Q4_0": {ggmlQ4_0, 2},
	"Q8_0": {ggmlQ8_0, 7}}

// WriteGGUF writes all tensors of a source as a GGUF file of version 3. Matrices (two dimensions or more) of floating-point
// numbers become Options.Type; but where a row does not divide into blocks of 32, and for vectors and scalars, they are
// float32. Integers stay integers: int8, int16, int32 and int64 as they are, uint8 and bool as int16. A scalar becomes a
// vector of one. The file is at path whole, or not at all; one tensor at a time is in memory.
func WriteGGUF(ctx context.Context, path string, s Source, o *GGUFOptions) error {
	var opt GGUFOptions
	if o != nil {
		opt = *o
	}
	if opt.Type == "" {
		opt.Type = "Q8_0"
	}
	how, ok := ggufFiles[opt.Type]
	if !ok {
		return fmt.Errorf("%w: GGUF of type %q", weights.ErrUnsupported, opt.Type)
	}
	metadata := map[string]any{"general.architecture": "engram", "general.file_type": how.file, "general.quantization_version": uint32(2)}
	maps.Copy(metadata, opt.Metadata)
	metadata["general.alignment"] = uint32(ggufAlign)
	infos := s.Tensors()
	head := append([]byte("GGUF"), 3, 0, 0, 0)
	head = le.AppendUint64(head, uint64(len(infos)))
	head = le.AppendUint64(head, uint64(len(metadata)))
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		head = appendGGUFText(head, key)
		var err error
		if head, err = appendGGUFValue(head, metadata[key]); err != nil {
			return fmt.Errorf("metadata %q: %w", key, err)
		}
	}
	kinds := make([]uint32, len(infos))
	offset := uint64(0)
	for i, x := range infos {
		var err error
		if kinds[i], err = ggufKind(x, how.tensor); err != nil {
			return err
		}
		head = appendGGUFTensor(head, x, kinds[i], offset)
		k := ggmlTypes[kinds[i]]
		offset += aligned(uint64(x.Params / k.block * k.bytes))
	}
	head = append(head, make([]byte, aligned(uint64(len(head)))-uint64(len(head)))...)
	return replaceFile(path, func(w *bufio.Writer) error {
		if _, err := w.Write(head); err != nil {
			return fmt.Errorf("exchange: %w", err)
		}
		i := -1
		return eachTensor(ctx, s, infos, opt.Progress, func(x Info, t *weights.Tensor) error {
			i++
			data, err := ggufData(t, kinds[i])
			if err != nil {
				return err
			}
			k := ggmlTypes[kinds[i]]
			if want := x.Params / k.block * k.bytes; len(data) != want {
				return fmt.Errorf("%w: %d bytes of %s, not %d", weights.ErrCorrupt, len(data), k.name, want)
			}
			if _, err = w.Write(data); err == nil {
				_, err = w.Write(make([]byte, aligned(uint64(len(data)))-uint64(len(data))))
			}
			return err
		})
	})
}

func aligned(n uint64) uint64 { return (n + ggufAlign - 1) &^ (ggufAlign - 1) }

// ggufKind chooses the type that a tensor is written as.
func ggufKind(x Info, matrices uint32) (uint32, error) {
	switch {
	case len(x.Name) > maxGGUFName:
		return 0, fmt.Errorf("%w: tensor name %q is longer than the %d bytes of GGUF", weights.ErrUnsupported, x.Name, maxGGUFName)
	case len(x.Shape) > maxGGUFDims:
		return 0, fmt.Errorf("%w: tensor %q has %d dimensions, GGUF %d", weights.ErrUnsupported, x.Name, len(x.Shape), maxGGUFDims)
	}
	switch x.DType {
	case weights.Int8:
		return ggmlI8, nil
	case weights.Int16, weights.Uint8, weights.Bool:
		return ggmlI16, nil
	case weights.Int32:
		return ggmlI32, nil
	case weights.Int64:
		return ggmlI64, nil
	}
	if !isFloat(x.DType) {
		return 0, fmt.Errorf("%w: tensor %q of type %s in GGUF", weights.ErrUnsupported, x.Name, x.Type)
	}
	if len(x.Shape) < 2 || x.Shape[len(x.Shape)-1]%ggmlTypes[matrices].block != 0 {
		return ggmlF32, nil
	}
	return matrices, nil
}

func appendGGUFText(b []byte, s string) []byte {
	return append(le.AppendUint64(b, uint64(len(s))), s...)
}

// appendGGUFTensor appends a tensor's entry: its dimensions innermost first.
func appendGGUFTensor(b []byte, x Info, kind uint32, offset uint64) []byte {
	shape := x.Shape
	if len(shape) == 0 {
		shape = []int{1}
	}
	b = le.AppendUint32(appendGGUFText(b, x.Name), uint32(len(shape)))
	for _, d := range slices.Backward(shape) {
		b = le.AppendUint64(b, uint64(d))
	}
	return le.AppendUint64(le.AppendUint32(b, kind), offset)
}

// appendGGUFValue appends the number of a value's type and the value.
func appendGGUFValue(b []byte, v any) ([]byte, error) {
	u32 := func(kind, v uint32) []byte { return le.AppendUint32(le.AppendUint32(b, kind), v) }
	array := func(kind uint32, n int) []byte {
		return le.AppendUint64(le.AppendUint32(le.AppendUint32(b, 9), kind), uint64(n))
	}
	switch v := v.(type) {
	case uint8:
		return append(le.AppendUint32(b, 0), v), nil
	case int8:
		return append(le.AppendUint32(b, 1), byte(v)), nil
	case uint16:
		return le.AppendUint16(le.AppendUint32(b, 2), v), nil
	case int16:
		return le.AppendUint16(le.AppendUint32(b, 3), uint16(v)), nil
	case uint32:
		return u32(4, v), nil
	case int32:
		return u32(5, uint32(v)), nil
	case float32:
		return u32(6, math.Float32bits(v)), nil
	case bool:
		if v {
			return append(le.AppendUint32(b, 7), 1), nil
		}
		return append(le.AppendUint32(b, 7), 0), nil
	case string:
		return appendGGUFText(le.AppendUint32(b, 8), v), nil
	case uint64:
		return le.AppendUint64(le.AppendUint32(b, 10), v), nil
	case int64:
		return le.AppendUint64(le.AppendUint32(b, 11), uint64(v)), nil
	case float64:
		return le.AppendUint64(le.AppendUint32(b, 12), math.Float64bits(v)), nil
	case []string:
		b = array(8, len(v))
		for _, s := range v {
			b = appendGGUFText(b, s)
		}
		return b, nil
	case []float32:
		b = array(6, len(v))
		for _, x := range v {
			b = le.AppendUint32(b, math.Float32bits(x))
		}
		return b, nil
	case []int32:
		b = array(5, len(v))
		for _, x := range v {
			b = le.AppendUint32(b, uint32(x))
		}
		return b, nil
	}
	return nil, fmt.Errorf("%w: a %T", weights.ErrUnsupported, v)
}

// ggufData gives the bytes of a tensor as a type.
func ggufData(t *weights.Tensor, kind uint32) ([]byte, error) {
	switch kind {
	case ggmlI8, ggmlI32, ggmlI64:
		return t.Data, nil
	case ggmlI16:
		if t.DType == weights.Int16 {
			return t.Data, nil
		}
		out := make([]byte, 2*len(t.Data))
		for i, b := range t.Data {
			out[2*i] = b
		}
		return out, nil
	case ggmlF16:
		return convert(t, weights.Float16)
	case ggmlF32:
		return convert(t, weights.Float32)
	}
	v, err := t.Float32()
	if err != nil {
		return nil, err
	}
	if kind == ggmlQ8_0 {
		return encodeQ8(v)
	}
	return encodeQ4(v)
}

// blockScale is the half nearest to a scale, and what dividing by it is multiplying by. A scale below the least half is 0.
func blockScale(d float32) (half uint16, inverse float32, err error) {
	half = quant.ToHalf(d)
	r := quant.FromHalf(half)
	if r-r != 0 {
		return 0, 0, fmt.Errorf("%w: numbers too large for a block, or not finite", weights.ErrUnsupported)
	}
	if r == 0 {
		return 0, 0, nil
	}
	return half, 1 / r, nil
}

// encodeQ8 writes blocks of Q8_0: the scale is the greatest magnitude of 32 numbers over 127.
func encodeQ8(v []float32) ([]byte, error) {
	out := make([]byte, 0, len(v)/ggmlBlock*34)
	for ; len(v) > 0; v = v[ggmlBlock:] {
		most, _ := extreme(v[:ggmlBlock])
		half, inverse, err := blockScale(most / 127)
		if err != nil {
			return nil, err
		}
		out = le.AppendUint16(out, half)
		for _, x := range v[:ggmlBlock] {
			out = append(out, byte(int8(min(max(math.RoundToEven(float64(x*inverse)), -127), 127))))
		}
	}
	return out, nil
}

// encodeQ4 writes blocks of Q4_0: the number of the greatest magnitude becomes the code -8, which has no positive twin, so the
// scale has the other sign.
func encodeQ4(v []float32) ([]byte, error) {
	out := make([]byte, 0, len(v)/ggmlBlock*18)
	for ; len(v) > 0; v = v[ggmlBlock:] {
		_, signed := extreme(v[:ggmlBlock])
		half, inverse, err := blockScale(signed / -8)
		if err != nil {
			return nil, err
		}
		out = le.AppendUint16(out, half)
		code := func(i int) byte { return byte(min(max(math.RoundToEven(float64(v[i]*inverse))+8, 0), 15)) }
		for i := range ggmlBlock / 2 {
			out = append(out, code(i)|code(i+ggmlBlock/2)<<4)
		}
	}
	return out, nil
}

// extreme is the greatest magnitude, and the number that has it; NaN where there is one.
func extreme(v []float32) (magnitude, number float32) {
	for _, x := range v {
		if a := float32(math.Abs(float64(x))); a > magnitude || a != a {
			magnitude, number = a, x
			if a != a {
				break
			}
		}
	}
	return magnitude, number
}
