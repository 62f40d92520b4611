package exchange

import (
	"fmt"
	"math"
	"slices"

	"engram/quant/weights"
)

// Limits on graphs.
const (
	maxNodes  = 1 << 16
	maxValues = 1 << 17
)

// Graph is a network as its file states it.
type Graph struct {
	Inputs  []string // names of the values that are given, tensors aside
	Outputs []string // names of the values that are asked for
	Nodes   []Node   // an order of computation: what a node takes is given, a tensor, or made by a node before it
	Values  []Value  // what the file says of the values that go between nodes; formats say more or less of it
}

// Value is what goes between nodes.
type Value struct {
	Name  string
	Shape []int  // -1: a dimension that is known only when the network runs; nil: not stated
	Type  string // the format's own word
	// Quantization says what the codes of the value stand for; nil: they are plain numbers.
	Quantization *Quantization
	Tensor       bool // a tensor of the file, to be had by Read
}

// Quantization says that a code q stands for (q - zero point) * scale.
type Quantization struct {
	Scales []float32
	Zeros  []int64 // as many as Scales
	Axis   int     // the dimension that the scales go with, where there is more than one
}

// Node is one operation.
type Node struct {
	Name    string // may be empty
	Op      string // the format's own word, such as "CONV_2D", "Conv" or "Conv2D"
	Inputs  []string
	Outputs []string
	// Settings are the attributes or options of the node by their names in the format.
	Settings map[string]Setting
}

// Setting is one attribute of a node: one of its fields is filled, as its kind has it.
type Setting struct {
	Ints   []int64 // integers and truth values (0 or 1)
	Floats []float32
	Texts  []string
	Tensor string // the name of a tensor, to be had by Read
}

// Int is a setting of one integer, or absent where the node has none of that name.
func (n *Node) Int(name string, absent int) int {
	if s := n.Settings[name].Ints; len(s) > 0 {
		return clampInt(s[0])
	}
	return absent
}

// Ints is a setting of integers, nil where the node has none of that name.
func (n *Node) Ints(name string) []int {
	var out []int
	for _, v := range n.Settings[name].Ints {
		out = append(out, clampInt(v))
	}
	return out
}

// clampInt keeps numbers that mean "to the end", such as the greatest int64, on machines of 32 bits.
func clampInt(v int64) int { return int(min(max(v, math.MinInt), math.MaxInt)) }

// Float is a setting of one number, or absent where the node has none of that name.
func (n *Node) Float(name string, absent float32) float32 {
	if s := n.Settings[name].Floats; len(s) > 0 {
		return s[0]
	}
	return absent
}

// Text is a setting of a word, or absent where the node has none of that name.
func (n *Node) Text(name, absent string) string {
	if s := n.Settings[name].Texts; len(s) > 0 {
		return s[0]
	}
	return absent
}

// Value describes a value by its name, or ok is false where the file does not.
func (g *Graph) Value(name string) (v Value, ok bool) {
	i := slices.IndexFunc(g.Values, func(v Value) bool { return v.Name == name })
	if i < 0 {
		return Value{}, false
	}
	return g.Values[i], true
}

// check fails where a node takes, or the caller is promised, what nothing before it gives. given are further names that need
// no giving.
func (g *Graph) check(given ...string) error {
	known := map[string]bool{"": true}
	for _, names := range [][]string{given, g.Inputs} {
		for _, n := range names {
			known[n] = true
		}
	}
	for _, v := range g.Values {
		if v.Tensor {
			known[v.Name] = true
		}
	}
	for i, n := range g.Nodes {
		for _, in := range n.Inputs {
			if !known[in] {
				return fmt.Errorf("%w: node %d, %s, takes %q, which nothing before it gives", weights.ErrCorrupt, i, n.Op, in)
			}
		}
		for _, out := range n.Outputs {
			known[out] = true
		}
	}
	for _, out := range g.Outputs {
		if !known[out] {
			return fmt.Errorf("%w: nothing gives the output %q", weights.ErrCorrupt, out)
		}
	}
	return nil
}
