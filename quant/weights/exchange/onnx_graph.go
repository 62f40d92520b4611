package exchange

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"engram/quant/weights"
)

// maxSettings bounds the attributes of one node and the numbers in one attribute.
const (
	maxSettings       = 256
	maxSettingNumbers = 1 << 20
)

// readGraph reads a GraphProto: node 1, initializer 5, input 11, output 12, value_info 13, sparse_initializer 15.
func (x *ONNX) readGraph(b []byte, limit int64) error {
	var inputs []Value
	values := map[string]int{}
	put := func(v Value) error {
		if at, ok := values[v.Name]; ok { // of a tensor that is also listed as an input, both say the same
			v.Tensor = v.Tensor || x.graph.Values[at].Tensor
			x.graph.Values[at] = v
			return nil
		}
		if len(x.graph.Values) >= maxValues {
			return fmt.Errorf("%w: more than %d values", weights.ErrTooLarge, maxValues)
		}
		values[v.Name] = len(x.graph.Values)
		x.graph.Values = append(x.graph.Values, v)
		return nil
	}
	constant := func(p part) error {
		if err := x.add(p, limit); err != nil {
			return err
		}
		return put(Value{Name: p.Name, Shape: p.Shape, Type: p.Type, Tensor: true})
	}
	err := message(b, func(id int, number uint64, body []byte) error {
		switch id {
		case 1:
			return x.readNode(body, constant)
		case 5:
			p, err := onnxTensor(body)
			if err != nil {
				return err
			}
			return constant(p)
		case 11, 12, 13:
			v, err := onnxValue(body)
			if err != nil {
				return err
			}
			switch id {
			case 11:
				inputs = append(inputs, v)
			case 12:
				x.graph.Outputs = append(x.graph.Outputs, v.Name)
			}
			return put(v)
		case 15:
			return fmt.Errorf("%w: sparse tensor", weights.ErrUnsupported)
		}
		return nil
	})
	for _, v := range inputs { // early versions list tensors as inputs too
		if _, tensor := x.byName[v.Name]; !tensor {
			x.graph.Inputs = append(x.graph.Inputs, v.Name)
		}
	}
	return err
}

// onnxValue reads a ValueInfoProto: name 1, type 2 (TypeProto: tensor_type 1: elem_type 1, shape 2).
func onnxValue(b []byte) (Value, error) {
	var v Value
	shape := func(_ int, _ uint64, body []byte) error { // TensorShapeProto.Dimension: dim_value 1
		d := -1
		err := message(body, func(id int, number uint64, _ []byte) error {
			if id == 1 {
				d = clampInt(int64(number))
			}
			return nil
		})
		if v.Shape = append(v.Shape, d); len(v.Shape) > maxDims {
			return fmt.Errorf("%w: value %q has more than %d dimensions", weights.ErrCorrupt, v.Name, maxDims)
		}
		return err
	}
	err := message(b, func(id int, _ uint64, body []byte) error {
		if id == 1 {
			v.Name = string(body)
		}
		if id != 2 {
			return nil
		}
		return message(body, func(id int, _ uint64, body []byte) error {
			if id != 1 {
				v.Type = "not a tensor"
				return nil
			}
			return message(body, func(id int, number uint64, body []byte) error {
				switch id {
				case 1:
					v.Type = onnxTypeName(int(min(number, math.MaxInt16)))
				case 2:
					v.Shape = []int{}
					return message(body, func(id int, n uint64, b []byte) error {
						if id != 1 {
							return nil
						}
						return shape(id, n, b)
					})
				}
				return nil
			})
		})
	})
	return v, err
}

// readNode reads a NodeProto: input 1, output 2, name 3, op_type 4, attribute 5, domain 7. The tensor of a Constant goes by
// the name of its output; tensors in other attributes by the node's output, "/" and the attribute's name.
func (x *ONNX) readNode(b []byte, constant func(part) error) error {
	n := Node{Settings: map[string]Setting{}}
	domain := ""
	tensors := map[string]part{}
	err := message(b, func(id int, _ uint64, body []byte) error {
		switch id {
		case 1:
			n.Inputs = append(n.Inputs, string(body))
		case 2:
			n.Outputs = append(n.Outputs, string(body))
		case 3:
			n.Name = string(body)
		case 4:
			n.Op = string(body)
		case 5:
			return n.attribute(body, tensors)
		case 7:
			domain = string(body)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("node %q, %s: %w", n.Name, n.Op, err)
	}
	if domain != "" && domain != "ai.onnx" {
		n.Op = domain + "." + n.Op
	}
	if len(tensors) > 0 && len(n.Outputs) == 0 {
		return fmt.Errorf("%w: node %q holds a tensor and gives nothing", weights.ErrCorrupt, n.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		p := tensors[name]
		if n.Op == "Constant" && name == "value" && len(n.Outputs) == 1 {
			p.Name = n.Outputs[0]
			return constant(p)
		}
		p.Name = n.Outputs[0] + "/" + name
		n.Settings[name] = Setting{Tensor: p.Name}
		if err := constant(p); err != nil {
			return err
		}
	}
	if len(x.graph.Nodes) >= maxNodes {
		return fmt.Errorf("%w: more than %d nodes", weights.ErrTooLarge, maxNodes)
	}
	x.graph.Nodes = append(x.graph.Nodes, n)
	return nil
}

// attribute reads an AttributeProto: name 1, f 2, i 3, s 4, t 5, g 6, floats 7, ints 8, strings 9, tensors 10, graphs 11.
func (n *Node) attribute(b []byte, tensors map[string]part) error {
	var s Setting
	var tensor *part
	name := ""
	err := message(b, func(id int, number uint64, body []byte) (err error) {
		switch id {
		case 1:
			name = string(body)
		case 2:
			s.Floats = append(s.Floats, math.Float32frombits(uint32(number)))
		case 3:
			s.Ints = append(s.Ints, int64(number))
		case 4, 9:
			if s.Texts = append(s.Texts, string(body)); len(s.Texts) > maxSettingNumbers {
				err = fmt.Errorf("%w: attribute %q of more than %d words", weights.ErrTooLarge, name, maxSettingNumbers)
			}
		case 5:
			var p part
			p, err = onnxTensor(body)
			tensor = &p
		case 7:
			s.Floats, err = packedFloats(s.Floats, number, body)
		case 8:
			s.Ints, err = packed(s.Ints, number, body, maxSettingNumbers)
		case 6, 10, 11, 22: // graphs, lists of tensors, sparse tensors
			err = fmt.Errorf("%w: attribute %q of kind %d", weights.ErrUnsupported, name, id)
		}
		return err
	})
	if err != nil {
		return err
	}
	if _, twice := n.Settings[name]; twice || len(n.Settings) >= maxSettings || name == "" {
		return fmt.Errorf("%w: attribute %.80q twice, nameless or beyond %d", weights.ErrCorrupt, name, maxSettings)
	}
	if tensor != nil {
		tensors[name] = *tensor
	}
	n.Settings[name] = s
	return nil
}

// packedFloats is packed for floats.
func packedFloats(dst []float32, number uint64, bytes []byte) ([]float32, error) {
	if bytes == nil {
		return append(dst, math.Float32frombits(uint32(number))), nil
	}
	if len(bytes)%4 != 0 || len(bytes)/4 > maxSettingNumbers {
		return nil, fmt.Errorf("%w: %d bytes of floats", weights.ErrCorrupt, len(bytes))
	}
	for len(bytes) > 0 {
		v, n := protowire.ConsumeFixed32(bytes)
		dst, bytes = append(dst, math.Float32frombits(v)), bytes[n:]
	}
	return slices.Clip(dst), nil
}
