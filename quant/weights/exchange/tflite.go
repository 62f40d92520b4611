package exchange

import (
	"encoding/binary"
	"fmt"
	"slices"

	"engram/quant/weights"
)

// TFLite is a TensorFlow Lite file: a FlatBuffer with one network and its numbers.
type TFLite struct {
	parts
	graph Graph
	codes map[string]codes
}

// codes are the bytes of a quantized tensor.
type codes struct {
	data  []byte
	kind  string
	dtype weights.DType
	q     *Quantization
}

// le is the byte order of every format here.
var le = binary.LittleEndian

// tfliteTypes says what the elements of a TFLite type are. A type without dtype is named but not read.
var tfliteTypes = []struct {
	name  string
	dtype weights.DType
}{
	{"FLOAT32", weights.Float32}, {"FLOAT16", weights.Float16}, {"INT32", weights.Int32}, {"UINT8", weights.Uint8}, {"INT64", weights.Int64},
	{"STRING", 0}, {"BOOL", weights.Bool}, {"INT16", weights.Int16}, {"COMPLEX64", 0}, {"INT8", weights.Int8}, {"FLOAT64", weights.Float64},
	{"COMPLEX128", 0}, {"UINT64", 0}, {"RESOURCE", 0}, {"VARIANT", 0}, {"UINT32", 0}, {"UINT16", 0}, {"INT4", 0}, {"BFLOAT16",
		weights.BFloat16},
}

// ReadTFLite reads a TFLite file that lies in memory. b must not change while the result is used; of big tensors it is
// all there is. Tensors whose name is empty or taken have "#" and their number after it.
//
// A quantized tensor is read as the float32 numbers that its codes stand for; Codes gives the codes. Networks of more than
// one subgraph, sparse tensors and data outside the FlatBuffer are refused.
func ReadTFLite(b []byte, o *Options) (*TFLite, error) {
	if len(b) < 8 || string(b[4:8]) != "TFL3" {
		return nil, fmt.Errorf("%w: no mark of TFLite", weights.ErrFormat)
	}
	f := newFlatBuffer(b)
	t := &TFLite{parts: parts{format: FormatTFLite}, codes: map[string]codes{}}
	err := t.read(f.root(), o.limit())
	if f.err != nil { // what it led to means nothing
		err = f.err
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// read walks the table Model: operator codes 1, subgraphs 2, buffers 4.
func (t *TFLite) read(model flatTable, limit int64) error {
	subgraphs := model.tables(2)
	if len(subgraphs) != 1 {
		return fmt.Errorf("%w: TFLite with %d subgraphs", weights.ErrUnsupported, len(subgraphs))
	}
	buffers := model.tables(4)
	sub := subgraphs[0]
	tensors := sub.tables(0)
	if len(tensors) > maxValues {
		return fmt.Errorf("%w: more than %d values", weights.ErrTooLarge, maxValues)
	}
	names := make([]string, len(tensors))
	taken := map[string]bool{}
	var variables []string
	for i, x := range tensors {
		if names[i] = x.text(3); names[i] == "" || taken[names[i]] {
			names[i] = fmt.Sprintf("%s#%d", names[i], i)
		}
		if taken[names[i]] || len(names[i]) > maxNameBytes {
			return fmt.Errorf("%w: tensor name %.80q is too long or taken", weights.ErrCorrupt, names[i])
		}
		taken[names[i]] = true
		if x.uint8(5, 0) != 0 { // keeps its value from run to run
			variables = append(variables, names[i])
		}
		if err := t.tensor(x, names[i], buffers, limit); err != nil {
			return fmt.Errorf("tensor %q: %w", names[i], err)
		}
	}
	var err error
	if t.graph.Inputs, err = pick(names, sub.int32s(1)); err != nil {
		return err
	}
	if t.graph.Outputs, err = pick(names, sub.int32s(2)); err != nil {
		return err
	}
	if err := t.operators(model.tables(1), sub.tables(3), names); err != nil {
		return err
	}
	return t.graph.check(variables...)
}

// pick gives the names of tensors by their numbers; -1 is an input that is left out.
func pick(names []string, at []int32) ([]string, error) {
	out := make([]string, len(at))
	for i, k := range at {
		if k == -1 {
			continue
		}
		if k < 0 || int(k) >= len(names) {
			return nil, fmt.Errorf("%w: tensor %d of %d", weights.ErrCorrupt, k, len(names))
		}
		out[i] = names[k]
	}
	return out, nil
}

// tensor reads the table Tensor: shape 0, type 1, buffer 2, name 3, quantization 4, sparsity 6, shape signature 7.
func (t *TFLite) tensor(x flatTable, name string, buffers []flatTable, limit int64) error {
	kind := int(x.uint8(1, 0))
	if kind >= len(tfliteTypes) {
		return fmt.Errorf("%w: type %d", weights.ErrUnsupported, kind)
	}
	v := Value{Name: name, Type: tfliteTypes[kind].name, Shape: []int{}}
	shape := x.int32s(0)
	for _, d := range shape {
		v.Shape = append(v.Shape, int(d))
	}
	buffer := x.int32(2, 0)
	if buffer < 0 || int(buffer) >= len(buffers) {
		return fmt.Errorf("%w: buffer %d of %d", weights.ErrCorrupt, buffer, len(buffers))
	}
	var err error
	if v.Quantization, err = tfliteQuantization(x.table(4), v.Shape); err != nil {
		return err
	}
	if at := buffers[buffer]; at.uint64(1) > 1 {
		return fmt.Errorf("%w: data outside the FlatBuffer", weights.ErrUnsupported)
	} else if data := at.bytes(0); len(data) > 0 && buffer > 0 {
		if x.table(6).present() {
			return fmt.Errorf("%w: sparse tensor", weights.ErrUnsupported)
		}
		v.Tensor = true
		err = t.constant(&v, tfliteTypes[kind].dtype, data, limit)
	} else if sig := x.int32s(7); len(sig) == len(v.Shape) { // what is computed may have open dimensions
		for i, d := range sig {
			v.Shape[i] = int(d)
		}
	}
	t.graph.Values = append(t.graph.Values, v)
	return err
}

// constant adds a tensor that has data.
func (t *TFLite) constant(v *Value, dtype weights.DType, data []byte, limit int64) error {
	p := part{Info: Info{Name: v.Name, Shape: v.Shape, Type: v.Type, DType: dtype}, data: data}
	if q := v.Quantization; q != nil {
		p.DType = weights.Float32
		kind, shape := v.Type, v.Shape
		p.decode = func(data []byte, n int) ([]byte, error) { return affine(data, kind, shape, n, q) }
		t.codes[v.Name] = codes{data: data, kind: kind, dtype: dtype, q: q}
	}
	return t.add(p, limit)
}

// tfliteQuantization reads the table QuantizationParameters: scale 2, zero point 3, a scheme of its own 4, dimension 6.
func tfliteQuantization(x flatTable, shape []int) (*Quantization, error) {
	scales := x.float32s(2)
	if len(scales) == 0 {
		return nil, nil
	}
	if x.uint8(4, 0) != 0 {
		return nil, fmt.Errorf("%w: a quantization scheme of its own", weights.ErrUnsupported)
	}
	q := &Quantization{Scales: scales, Zeros: x.int64s(3), Axis: int(x.int32(6, 0))}
	if len(q.Zeros) == 0 {
		q.Zeros = make([]int64, len(scales))
	}
	if len(q.Zeros) != len(scales) {
		return nil, fmt.Errorf("%w: %d scales and %d zero points", weights.ErrCorrupt, len(scales), len(q.Zeros))
	}
	if len(scales) > 1 && (q.Axis < 0 || q.Axis >= len(shape) || shape[q.Axis] != len(scales)) {
		return nil, fmt.Errorf("%w: %d scales along dimension %d of %v", weights.ErrCorrupt, len(scales), q.Axis, shape)
	}
	return q, nil
}

// integers widens n codes of a type.
func integers(data []byte, kind string, n int) ([]int64, error) {
	size := map[string]int{"UINT8": 1, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8}[kind]
	if kind == "INT4" {
		if len(data) != (n+1)/2 {
			return nil, fmt.Errorf("%w: %d bytes for %d codes of 4 bits", weights.ErrCorrupt, len(data), n)
		}
		out := make([]int64, n)
		for i := range out { // the low half of a byte comes first, two's complement
			out[i] = int64(int8(data[i/2]>>(i%2*4)<<4) >> 4)
		}
		return out, nil
	}
	if size == 0 {
		return nil, fmt.Errorf("%w: codes of type %s", weights.ErrUnsupported, kind)
	}
	if len(data) != n*size {
		return nil, fmt.Errorf("%w: %d bytes for %d codes of type %s", weights.ErrCorrupt, len(data), n, kind)
	}
	out := make([]int64, n)
	for i := range out {
		switch kind {
		case "UINT8":
			out[i] = int64(data[i])
		case "INT8":
			out[i] = int64(int8(data[i]))
		case "INT16":
			out[i] = int64(int16(le.Uint16(data[2*i:])))
		case "INT32":
			out[i] = int64(int32(le.Uint32(data[4*i:])))
		case "INT64":
			out[i] = int64(le.Uint64(data[8*i:]))
		}
	}
	return out, nil
}

// affine computes (q - zero point) * scale for every code.
func affine(data []byte, kind string, shape []int, n int, q *Quantization) ([]byte, error) {
	in, err := integers(data, kind, n)
	if err != nil {
		return nil, err
	}
	out := make([]float32, n)
	inner := 1 // numbers that follow each other under one scale
	if len(q.Scales) > 1 {
		for _, d := range shape[q.Axis+1:] {
			inner *= d
		}
	} else {
		inner = max(n, 1)
	}
	for i, c := range in {
		k := i / inner % len(q.Scales)
		out[i] = float32(c-q.Zeros[k]) * q.Scales[k]
	}
	return weights.Float32Bytes(out), nil
}

// Graph is the network. The caller must not change it.
func (t *TFLite) Graph() *Graph { return &t.graph }

// Codes returns a quantized tensor as it lies in the file, DType Uint8, Int8, Int16, Int32 or Int64, and what its codes
// stand for. The tensor is the caller's. The error wraps weights.ErrNoLayer where there is no quantized tensor of the name.
func (t *TFLite) Codes(name string) (*weights.Tensor, *Quantization, error) {
	c, ok := t.codes[name]
	if !ok {
		return nil, nil, fmt.Errorf("%w: no quantized tensor %q", weights.ErrNoLayer, name)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		return nil, nil, weights.ErrClosed
	}
	x := t.list[t.byName[name]]
	out := &weights.Tensor{Name: name, Shape: slices.Clone(x.Shape), DType: c.dtype, Data: slices.Clone(c.data)}
	if c.kind == "INT4" { // a byte a code from here on
		codes, err := integers(c.data, c.kind, x.Params)
		if err != nil {
			return nil, nil, err
		}
		out.DType, out.Data = weights.Int8, make([]byte, len(codes))
		for k, v := range codes {
			out.Data[k] = byte(v)
		}
	}
	if len(out.Data) != x.Params*out.DType.Size() {
		return nil, nil, fmt.Errorf("%w: tensor %q has %d bytes", weights.ErrCorrupt, name, len(c.data))
	}
	return out, c.q, nil
}
