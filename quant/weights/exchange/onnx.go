package exchange

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"engram/quant/weights"
)

// ONNX is a file of the Open Neural Network Exchange: a protobuf message with one network and its numbers
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
type ONNX struct {
	parts
	graph Graph
	opset int
}

// onnxType says what the elements of a TensorProto.DataType are. A type without dtype is named but not read.
var onnxTypes = []struct {
	name  string
	dtype weights.DType
}{
	1: {"FLOAT", weights.Float32}, 2: {"UINT8", weights.Uint8}, 3: {"INT8", weights.Int8}, 4: {"UINT16", 0}, 5: {"INT16", weights.Int16},
	6: {"INT32", weights.Int32}, 7: {"INT64", weights.Int64}, 8: {"STRING", 0}, 9: {"BOOL", weights.Bool}, 10: {"FLOAT16", weights.Float16},
	11: {"DOUBLE", weights.Float64}, 12: {"UINT32", 0}, 13: {"UINT64", 0}, 14: {"COMPLEX64", 0}, 15: {"COMPLEX128", 0},
	16: {"BFLOAT16", weights.BFloat16},
}

func onnxTypeName(kind int) string {
	if kind > 0 && kind < len(onnxTypes) {
		return onnxTypes[kind].name
	}
	return fmt.Sprintf("TYPE_%d", kind)
}

// message calls field with every field of a protobuf message: a number for the wire types that hold one, else bytes.
// field returns an error to stop. Groups, which no format here has, are passed over.
func message(b []byte, field func(id int, number uint64, bytes []byte) error) error {
	for len(b) > 0 {
		id, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: protobuf: %w", weights.ErrCorrupt, protowire.ParseError(n))
		}
		b = b[n:]
		var number uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			number = uint64(v)
		case protowire.Fixed64Type:
			number, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(b)
			if n >= 0 && bytes == nil {
				bytes = []byte{} // there, though empty
			}
		default:
			n = protowire.ConsumeFieldValue(id, kind, b)
		}
		if n < 0 {
			return fmt.Errorf("%w: protobuf: field %d: %w", weights.ErrCorrupt, id, protowire.ParseError(n))
		}
		b = b[n:]
		if err := field(int(id), number, bytes); err != nil {
			return err
		}
	}
	return nil
}

// packed appends the numbers of a repeated integer field, which lie alone or many in a run of bytes.
func packed(dst []int64, number uint64, bytes []byte, most int) ([]int64, error) {
	if bytes == nil {
		dst = append(dst, int64(number))
	}
	for len(bytes) > 0 && len(dst) <= most {
		v, n := protowire.ConsumeVarint(bytes)
		if n < 0 {
			return nil, fmt.Errorf("%w: protobuf: %w", weights.ErrCorrupt, protowire.ParseError(n))
		}
		dst, bytes = append(dst, int64(v)), bytes[n:]
	}
	if len(dst) > most {
		return nil, fmt.Errorf("%w: more than %d numbers", weights.ErrTooLarge, most)
	}
	return dst, nil
}

// ReadONNX reads an ONNX file that lies in memory. b must not change while the result is used; of big tensors it is all
// there is.
//
// Tensors are the initializers and the values of Constant nodes, which go by the names of their outputs and are no nodes of
// the Graph. Tensors in other files (external data), sparse ones, functions and nodes with graphs inside are refused.
func ReadONNX(b []byte, o *Options) (*ONNX, error) {
	x := &ONNX{parts: parts{format: FormatONNX}}
	found := false
	err := message(b, func(id int, number uint64, body []byte) error {
		switch id {
		case 7: // graph
			if found {
				return fmt.Errorf("%w: two graphs", weights.ErrCorrupt)
			}
			found = true
			return x.readGraph(body, o.limit())
		case 8: // opset_import
			return x.readOpset(body)
		case 25: // functions
			return fmt.Errorf("%w: ONNX with functions", weights.ErrUnsupported)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("%w: no graph of ONNX", weights.ErrFormat)
	}
	if err := x.graph.check(); err != nil {
		return nil, err
	}
	return x, nil
}

// readOpset reads an OperatorSetIdProto: domain 1, version 2. The set without a domain is that of ONNX itself.
func (x *ONNX) readOpset(b []byte) error {
	domain, version := "", 0
	err := message(b, func(id int, number uint64, body []byte) error {
		switch id {
		case 1:
			domain = string(body)
		case 2:
			version = int(min(number, math.MaxInt32))
		}
		return nil
	})
	if domain == "" || domain == "ai.onnx" {
		x.opset = version
	}
	return err
}

// Graph is the network. The caller must not change it.
func (x *ONNX) Graph() *Graph { return &x.graph }

// Opset is the version of ONNX's own operators that the network is written in, 0 where the file does not say.
func (x *ONNX) Opset() int { return x.opset }

// typedData is a TensorProto whose numbers lie in a field of their type rather than as raw bytes.
type typedData struct {
	runs   [][]byte // packed, or one number each
	fixed  int      // bytes of a number, 0: a varint
	stored int      // bytes in runs
}

// onnxTensor reads a TensorProto: dims 1, data_type 2, float_data 4, int32_data 5, int64_data 7, name 8, raw_data 9,
// double_data 10, uint64_data 11, external_data 13, data_location 14.
func onnxTensor(b []byte) (part, error) {
	p := part{}
	p.Shape = []int{}
	var kind int
	var typed typedData
	err := message(b, func(id int, number uint64, body []byte) error {
		switch id {
		case 1:
			dims, err := packed(nil, number, body, maxDims-len(p.Shape))
			for _, d := range dims {
				p.Shape = append(p.Shape, clampInt(d))
			}
			return err
		case 2:
			kind = int(min(number, math.MaxInt16))
		case 3:
			return fmt.Errorf("%w: tensor in segments", weights.ErrUnsupported)
		case 4, 5, 7, 10, 11:
			typed.add(id, number, body)
		case 8:
			p.Name = string(body)
		case 9:
			p.data = body
		case 13:
			return fmt.Errorf("%w: tensor %q lies in another file (external data)", weights.ErrUnsupported, p.Name)
		case 14:
			if number != 0 {
				return fmt.Errorf("%w: tensor %q lies in another file (external data)", weights.ErrUnsupported, p.Name)
			}
		}
		return nil
	})
	p.Type = onnxTypeName(kind)
	if kind < len(onnxTypes) {
		p.DType = onnxTypes[kind].dtype
	}
	if p.data == nil && typed.runs != nil {
		dtype := p.DType
		p.decode = func(_ []byte, n int) ([]byte, error) { return typed.bytes(dtype, n) }
	}
	return p, err
}

// add keeps a run of numbers. Those of a number alone are written as they would lie in a run.
func (d *typedData) add(id int, number uint64, body []byte) {
	d.fixed = map[int]int{4: 4, 10: 8}[id]
	if body == nil {
		switch d.fixed {
		case 4:
			body = le.AppendUint32(nil, uint32(number))
		case 8:
			body = le.AppendUint64(nil, number)
		default:
			body = protowire.AppendVarint(nil, number)
		}
	}
	d.runs = append(d.runs, body)
	d.stored += len(body)
}

// bytes gives n elements of a type as they lie in a tensor.
func (d *typedData) bytes(dtype weights.DType, n int) ([]byte, error) {
	size := dtype.Size()
	if need := n * max(d.fixed, 1); d.stored < need || (d.fixed > 0 && (d.stored != need || d.fixed != size)) {
		return nil, fmt.Errorf("%w: %d bytes of numbers for %d of %v", weights.ErrCorrupt, d.stored, n, dtype)
	}
	out := make([]byte, 0, n*size)
	for _, run := range d.runs {
		if d.fixed > 0 {
			out = append(out, run...)
			continue
		}
		for len(run) > 0 && len(out) < n*size {
			v, k := protowire.ConsumeVarint(run)
			if k < 0 {
				return nil, fmt.Errorf("%w: protobuf: %w", weights.ErrCorrupt, protowire.ParseError(k))
			}
			for range size { // of smaller types, which lie in int32_data, the low bytes
				out = append(out, byte(v))
				v >>= 8
			}
			run = run[k:]
		}
		if len(run) > 0 {
			return nil, fmt.Errorf("%w: more than %d numbers", weights.ErrCorrupt, n)
		}
	}
	return out, nil
}
