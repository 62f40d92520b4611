package model

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"engram/quant"
	"engram/quant/weights"
)

// layout is how a published tensor lies, told by its dimensions in order. In a model every tensor is out x in.
type layout int

const (
	outFirst     layout = iota // outputs, then rows, columns and inputs: TensorFlow Lite
	outLast                    // rows, columns, inputs, then outputs: TensorFlow; rows, columns, channels of depthwise ones
	channelFirst               // outputs, inputs, rows, columns: ONNX
)

// outputs is the dimension of the outputs in a tensor of n dimensions.
func (l layout) outputs(n int) int {
	if l == outLast {
		return n - 1
	}
	return 0
}

func (l layout) apply(shape []int, v []float32) (rows, cols int, out []float32) {
	return applyLayout(l, shape, v)
}

// applyLayout lays out a tensor as a matrix, a row an output.
func applyLayout[T any](l layout, shape []int, v []T) (rows, cols int, out []T) {
	rows, cols = max(shape[l.outputs(len(shape))], 1), 0
	cols = len(v) / rows
	out = v
	switch l {
	case outLast:
		out = make([]T, len(v))
		for i := range cols {
			for o := range rows {
				out[o*cols+i] = v[i*rows+o]
			}
		}
	case channelFirst: // to rows, columns, inputs
		in := max(shape[1], 1)
		out = make([]T, len(v))
		for o := range rows {
			for c := range in {
				for k := range cols / in {
					out[o*cols+k*in+c] = v[o*cols+c*(cols/in)+k]
				}
			}
		}
	}
	return rows, cols, out
}

// tensorSink writes the tensors of a model that is imported and keeps the first error.
type tensorSink struct {
	ctx  context.Context
	w    *weights.Writer
	done func(bytes int)
	err  error
}

func (s *tensorSink) floats(name string, shape []int, v []float32) {
	if s.ok() {
		s.keep(s.w.Add(&weights.Tensor{Name: name, Shape: shape, DType: weights.Float32, Data: weights.Float32Bytes(v)}))
		s.done(4 * len(v))
	}
}

func (s *tensorSink) codes(name string, shape []int, q *quant.Quantized) {
	if s.ok() {
		s.keep(s.w.AddQuantized(name, shape, weights.Float32, q, weights.Note{}))
		s.done(len(q.Codes))
	}
}

func (s *tensorSink) ok() bool {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	return s.err == nil
}

func (s *tensorSink) keep(err error) {
	if s.err == nil && err != nil {
		s.err = fmt.Errorf("%w: %w", ErrSource, err)
	}
}

// finiteFloats gives the numbers of a tensor of float32 or integers. ErrSource says that one is not finite.
func finiteFloats(t *weights.Tensor) ([]float32, error) {
	le := binary.LittleEndian
	out := make([]float32, len(t.Data)/max(t.DType.Size(), 1))
	for i := range out {
		switch t.DType {
		case weights.Float32:
			out[i] = math.Float32frombits(le.Uint32(t.Data[i*4:]))
		case weights.Int32:
			out[i] = float32(int32(le.Uint32(t.Data[i*4:])))
		case weights.Int64:
			out[i] = float32(int64(le.Uint64(t.Data[i*8:])))
		default:
			return nil, fmt.Errorf("%w: tensor %q of %v", ErrSource, t.Name, t.DType)
		}
		if v := float64(out[i]); math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%w: tensor %q is not finite at %d", ErrSource, t.Name, i)
		}
	}
	return out, nil
}
