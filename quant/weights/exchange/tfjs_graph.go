package exchange

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"engram/quant/weights"
)

// tfjsNode is a NodeDef of TensorFlow, written as JSON.
type tfjsNode struct {
	Name  string                     `json:"name"`
	Op    string                     `json:"op"`
	Input []string                   `json:"input"`
	Attr  map[string]json.RawMessage `json:"attr"`
}

// tfjsAttr is an AttrValue. Integers are texts, as protobuf writes them in JSON.
type tfjsAttr struct {
	Text  *tfjsBytes   `json:"s"`
	Int   *json.Number `json:"i"`
	Float *float32     `json:"f"`
	Bool  *bool        `json:"b"`
	Type  *tfjsType    `json:"type"`
	Shape *struct {
		Dim []struct {
			Size json.Number `json:"size"`
		} `json:"dim"`
	} `json:"shape"`
	List *struct {
		Texts  []tfjsBytes   `json:"s"`
		Ints   []json.Number `json:"i"`
		Floats []float32     `json:"f"`
	} `json:"list"`
}

// tfjsBytes are bytes: base64, as protobuf writes them in JSON, or an array of numbers, as some converters do.
type tfjsBytes []byte

func (t *tfjsBytes) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '[' {
		return json.Unmarshal(b, (*[]byte)(t))
	}
	var numbers []uint16 // a []uint8 would be base64
	if err := json.Unmarshal(b, &numbers); err != nil {
		return err
	}
	*t = make([]byte, len(numbers))
	for i, n := range numbers {
		if n > 0xff {
			return fmt.Errorf("%d is no byte", n)
		}
		(*t)[i] = byte(n)
	}
	return nil
}

// tfjsType is the name of a DataType. Protobuf writes enumerations in JSON by name or by number.
type tfjsType string

// tfjsTypeNames are the numbers of the types that graphs here have (tensorflow/core/framework/types.proto).
var tfjsTypeNames = map[string]tfjsType{"1": "DT_FLOAT", "3": "DT_INT32", "4": "DT_UINT8", "6": "DT_INT8", "7": "DT_STRING", "9": "DT_INT64", "10": "DT_BOOL"}

func (t *tfjsType) UnmarshalJSON(b []byte) error {
	var name string
	if err := json.Unmarshal(b, &name); err == nil {
		*t = tfjsType(name)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	name = n.String()
	if *t = tfjsTypeNames[name]; *t == "" {
		*t = tfjsType("DT_" + name)
	}
	return nil
}

// setting turns an attribute into a Setting; of those that no node here needs, such as tensors in place, it is empty.
func (a *tfjsAttr) setting() (s Setting, err error) {
	text := func(t tfjsBytes) { s.Texts = append(s.Texts, string(t)) }
	number := func(n json.Number) {
		v, e := strconv.ParseInt(n.String(), 10, 64)
		if s.Ints = append(s.Ints, v); e != nil {
			err = fmt.Errorf("%w: attribute: %w", weights.ErrCorrupt, e)
		}
	}
	switch {
	case a.Text != nil:
		text(*a.Text)
	case a.Int != nil:
		number(*a.Int)
	case a.Float != nil:
		s.Floats = []float32{*a.Float}
	case a.Bool != nil:
		s.Ints = []int64{0}
		if *a.Bool {
			s.Ints[0] = 1
		}
	case a.Type != nil:
		s.Texts = []string{string(*a.Type)}
	case a.Shape != nil:
		for _, d := range a.Shape.Dim {
			number(d.Size)
		}
	case a.List != nil:
		for _, t := range a.List.Texts {
			text(t)
		}
		for _, n := range a.List.Ints {
			number(n)
		}
		s.Floats = a.List.Floats
	}
	return s, err
}

// readGraph makes the graph of model.json: placeholders are its inputs, constants its tensors; the rest is put in an order
// of computation, since the file need not be in one.
func (m *TFJS) readGraph(d *tfjsDoc) error {
	if len(d.Topology.Node) > maxNodes {
		return fmt.Errorf("%w: more than %d nodes", weights.ErrTooLarge, maxNodes)
	}
	for _, x := range m.infos {
		m.graph.Values = append(m.graph.Values, Value{Name: x.Name, Shape: x.Shape, Type: x.Type, Tensor: true})
	}
	var nodes []Node
	used := map[string]bool{}
	for _, x := range d.Topology.Node {
		n := Node{Name: x.Name, Op: x.Op, Outputs: []string{x.Name}, Settings: map[string]Setting{}}
		for name, raw := range x.Attr {
			var a tfjsAttr
			err := json.Unmarshal(raw, &a)
			if err == nil {
				n.Settings[name], err = a.setting()
			}
			if err != nil {
				return fmt.Errorf("%w: node %.80q, attribute %.80q: %w", weights.ErrCorrupt, x.Name, name, err)
			}
		}
		for _, in := range x.Input {
			used[baseName(in)] = true
			n.Inputs = append(n.Inputs, in)
		}
		switch x.Op {
		case "Placeholder":
			m.graph.Inputs = append(m.graph.Inputs, x.Name)
			m.graph.Values = append(m.graph.Values, Value{Name: x.Name, Shape: n.Ints("shape"), Type: n.Text("dtype", "")})
		case "Const":
			if _, ok := m.byName[x.Name]; !ok {
				return fmt.Errorf("%w: constant %.80q has no weight", weights.ErrCorrupt, x.Name)
			}
		default:
			nodes = append(nodes, n)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(d.Signature.Outputs)) {
		m.graph.Outputs = append(m.graph.Outputs, d.Signature.Outputs[k].Name)
	}
	for _, n := range nodes {
		if len(d.Signature.Outputs) == 0 && !used[n.Name] {
			m.graph.Outputs = append(m.graph.Outputs, n.Name)
		}
	}
	var err error
	m.graph.Nodes, err = inOrder(nodes, m.graph.Inputs, m.byName)
	return err
}

// inOrder sorts nodes so that each comes after those that it takes from, and as near to their order as that allows.
func inOrder(nodes []Node, inputs []string, tensors map[string]int) ([]Node, error) {
	known := map[string]bool{}
	for _, in := range inputs {
		known[in] = true
	}
	for name := range tensors {
		known[name] = true
	}
	at := make(map[string]int, len(nodes))
	for i, n := range nodes {
		if _, twice := at[n.Name]; twice || known[n.Name] {
			return nil, fmt.Errorf("%w: node %.80q twice", weights.ErrCorrupt, n.Name)
		}
		at[n.Name] = i
	}
	waits := make([]int, len(nodes))     // how many nodes each waits for
	after := make([][]int32, len(nodes)) // which nodes wait for each
	var ready []int
	for i, n := range nodes {
		for _, in := range n.Inputs {
			base := baseName(in)
			if known[base] {
				continue
			}
			j, ok := at[base]
			if !ok {
				return nil, fmt.Errorf("%w: node %.80q takes %.80q, which nothing gives", weights.ErrCorrupt, n.Name, in)
			}
			waits[i]++
			after[j] = append(after[j], int32(i))
		}
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	out := make([]Node, 0, len(nodes))
	for len(ready) > 0 {
		i := ready[0]
		ready = ready[1:]
		out = append(out, nodes[i])
		for _, j := range after[i] {
			if waits[j]--; waits[j] == 0 {
				ready = append(ready, int(j))
			}
		}
	}
	if len(out) != len(nodes) {
		return nil, fmt.Errorf("%w: nodes go round in a circle", weights.ErrUnsupported)
	}
	return out, nil
}
