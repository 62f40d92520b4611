package quantize

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"engram/quant"
	"engram/quant/weights"
)

// plain makes codes of a layer without calibration, or notes that it stays a float. A layer that is done is left alone.
func (r *run) plain(j *job) error {
	if r.results[j.layer.Name] != nil {
		return nil
	}
	began := r.start(j)
	o, err := r.nearest(j, nil, "")
	if err != nil {
		return err
	}
	return r.finish(o, began)
}

// nearest rounds a layer to the nearest codes; with importance, one number a column, by that.
func (r *run) nearest(j *job, importance []float32, fallback string) (*outcome, error) {
	o := &outcome{report: LayerReport{Name: j.layer.Name, Shape: j.layer.Shape, Params: j.layer.Params, Type: j.kind, Method: "float", Fallback: fallback}}
	if j.kind.bits() == 0 {
		o.report.Bytes = int64(floatBytes(j))
		o.report.Bits = perWeight(o.report.Bytes, int64(j.layer.Params))
		return o, nil
	}
	w, _, err := r.f.Float32(j.layer.Name)
	if err != nil {
		return nil, err
	}
	s := j.scheme
	s.LeastSquares = s.LeastSquares || importance != nil
	if o.q, err = quantizeRows(r.ctx, s, j.rows, j.cols, w, importance, r.o.Threads); err != nil {
		return nil, fmt.Errorf("layer %q: %w", j.layer.Name, err)
	}
	o.report.Method = "span"
	if s.LeastSquares {
		o.report.Method = "lsq"
	}
	return o, o.describe(w)
}

// describe fills in what follows from the codes.
func (o *outcome) describe(w []float32) error {
	o.report.GroupSize = o.q.Scheme.GroupSize
	o.report.WeightError = weightError(o.q, w)
	o.report.Bytes = storedBytes(o.q)
	o.report.Bits = perWeight(o.report.Bytes, int64(o.report.Params))
	return nil
}

// rowsAtOnce is how many rows are rounded by one thread at a time; a multiple of 8, so that codes of any width end at a byte.
const rowsAtOnce = 64

// quantizeRows is quant.QuantizeMatrix on several threads, with the same result. It stops when ctx is done.
func quantizeRows(ctx context.Context, s quant.Scheme, rows, cols int, w, importance []float32, threads int) (*quant.Quantized, error) {
	one := func(rows int, w []float32) (*quant.Quantized, error) {
		if importance == nil {
			return quant.QuantizeMatrix(s, rows, cols, w)
		}
		return quant.QuantizeWeighted(s, rows, cols, w, importance)
	}
	if s.Granularity == quant.PerTensor || (s.Granularity == quant.PerGroup && cols%s.GroupSize != 0) || rows <= rowsAtOnce {
		return one(rows, w)
	}
	parts := make([]*quant.Quantized, (rows+rowsAtOnce-1)/rowsAtOnce)
	errs := make([]error, len(parts))
	var next atomic.Int64
	work := func() {
		for ctx.Err() == nil {
			k := int(next.Add(1) - 1)
			if k >= len(parts) {
				return
			}
			from, to := k*rowsAtOnce, min((k+1)*rowsAtOnce, rows)
			parts[k], errs[k] = one(to-from, w[from*cols:to*cols])
		}
	}
	var wg sync.WaitGroup
	for range min(threads, len(parts)) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q := &quant.Quantized{Rows: rows, Cols: cols, Scheme: s, Codes: make([]byte, 0, quant.PackedBytes(s.Bits, rows*cols))}
	for k, p := range parts {
		if errs[k] != nil {
			return nil, errs[k]
		}
		q.Codes, q.Scales, q.Zeros = append(q.Codes, p.Codes...), append(q.Scales, p.Scales...), append(q.Zeros, p.Zeros...)
	}
	return q, nil
}

// errorBlock is how many weights are compared at a time.
const errorBlock = 4096

// weightError is |w - w'| / |w|.
func weightError(q *quant.Quantized, w []float32) float64 {
	var lost, all float64
	buf := make([]float32, errorBlock)
	for from := 0; from < len(w); from += errorBlock {
		part := w[from:min(from+errorBlock, len(w))]
		v := buf[:len(part)]
		q.DequantizeRange(v, from)
		var l, a float32
		for i, x := range part {
			d := x - v[i]
			l += d * d
			a += x * x
		}
		lost, all = lost+float64(l), all+float64(a)
	}
	if all == 0 {
		return 0
	}
	return math.Sqrt(lost / all)
}

var packer = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
})

// storedBytes is what a matrix takes in the file: its codes, and its scales and zero points as zstd leaves them. What
// Parquet says of each column, some hundred bytes a layer, is not counted.
func storedBytes(q *quant.Quantized) int64 {
	n := int64(quant.PackedBytes(q.Scheme.Bits, q.Rows*q.Cols))
	e, err := packer()
	if err != nil { // without a compressor, what it is in memory
		return n + 4*int64(len(q.Scales)+len(q.Zeros))
	}
	for _, v := range [][]float32{q.Scales, q.Zeros} {
		n += int64(len(e.EncodeAll(weights.Float32Bytes(v), nil)))
	}
	return n
}

// floatBytes is what a layer takes that stays a float.
func floatBytes(j *job) int {
	switch {
	case j.kind == FP16:
		return 2 * j.layer.Params
	case j.layer.Quant.Bits() > 0: // from codes
		return 4 * j.layer.Params
	}
	return j.layer.Params * j.layer.DType.Size()
}

// floats is a layer that stays a float as it is written: with the shift of its dense layer where it is a bias.
func (r *run) floats(j *job) (*weights.Tensor, error) {
	t := &weights.Tensor{Name: j.layer.Name, Shape: j.layer.Shape, DType: weights.Float32}
	shift := r.shiftOf(j.layer.Name)
	if j.kind != FP16 && shift == nil && j.layer.Quant.Bits() == 0 {
		t, _, err := r.f.Tensor(j.layer.Name)
		return t, err
	}
	v, _, err := r.f.Float32(j.layer.Name)
	if err != nil {
		return nil, err
	}
	if shift != nil {
		v = slices.Clone(v)
		for i, x := range shift {
			v[i] += x
		}
	}
	if j.kind == FP16 {
		t.DType = weights.Float16
		t.Data = quant.AppendHalf(nil, v)
		return t, nil
	}
	t.Data = weights.Float32Bytes(v)
	return t, nil
}

// biasOf is the name of the bias that belongs to a weight.
func biasOf(weight string) string { return strings.TrimSuffix(weight, ".weight") + ".bias" }

// shiftOf is what is to be added to the layer of that name, nil for nothing.
func (r *run) shiftOf(name string) []float32 {
	base, ok := strings.CutSuffix(name, ".bias")
	if !ok {
		return nil
	}
	if o := r.results[base+".weight"]; o != nil {
		return o.shift
	}
	return nil
}
