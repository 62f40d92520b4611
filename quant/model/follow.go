package model

import (
	"fmt"
	"slices"

	"engram/quant"
	"engram/quant/weights"
	"engram/quant/weights/exchange"
)

// network is a published network: what it computes and its numbers.
type network interface {
	Graph() *exchange.Graph
	Read(name string) (*weights.Tensor, error)
}

// coded is a network that also gives its numbers as the codes that they are stored as.
type coded interface {
	network
	Codes(name string) (*weights.Tensor, *exchange.Quantization, error)
}

// follower walks through the graph of a network, node by node in the order of computation, and compares it with what an
// architecture of this package computes. It keeps the first difference; after it everything else is empty.
type follower struct {
	net   network
	graph *exchange.Graph
	what  string // the architecture, for errors
	at    int    // number of the next node
	err   error
	alias map[string]string // what a node that only passes on a tensor gives, and the tensor
	out   *tensorSink
}

func follow(net network, what string, out *tensorSink) *follower {
	return &follower{net: net, graph: net.Graph(), what: what, alias: map[string]string{}, out: out}
}

// fail says that the graph is not the one expected.
func (f *follower) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%w: not the network of %s: node %d: %s", ErrSource, f.what, f.at-1, fmt.Sprintf(format, args...))
	}
}

// passing says whether a node computes nothing: it is a constant, or turns a stored tensor into plain numbers.
func (f *follower) passing(n *exchange.Node) bool {
	switch n.Op {
	case "Const", "Constant", "Placeholder":
		return true
	case "DEQUANTIZE", "Identity":
		if len(n.Inputs) != 1 || len(n.Outputs) != 1 || !f.isTensor(n.Inputs[0]) {
			return false
		}
		f.alias[n.Outputs[0]] = n.Inputs[0]
		return true
	}
	return false
}

func (f *follower) isTensor(name string) bool {
	v, ok := f.graph.Value(name)
	return ok && v.Tensor
}

// next takes the next node, which must be of the operation op and take in first, unless in is empty.
func (f *follower) next(op, in string) *exchange.Node {
	for f.err == nil && f.at < len(f.graph.Nodes) {
		n := &f.graph.Nodes[f.at]
		f.at++
		if f.passing(n) {
			continue
		}
		switch {
		case n.Op != op:
			f.fail("%s where %s should be", n.Op, op)
		case len(n.Outputs) < 1:
			f.fail("%s gives nothing", op)
		case in != "" && (len(n.Inputs) == 0 || n.Inputs[0] != in):
			f.fail("%s takes %.200q, not %q", op, n.Inputs, in)
		default:
			return n
		}
	}
	if f.err == nil {
		f.at++
		f.fail("the graph ends where %s should be", op)
	}
	return &exchange.Node{Outputs: []string{""}, Inputs: make([]string, 8)}
}

// end fails where nodes are left.
func (f *follower) end() {
	for f.err == nil && f.at < len(f.graph.Nodes) {
		n := &f.graph.Nodes[f.at]
		f.at++
		if !f.passing(n) {
			f.fail("%s where nothing more should be", n.Op)
		}
	}
}

// input gives the name of input i of a node, that of the tensor behind it where it only passes that on.
func (f *follower) input(n *exchange.Node, i int) string {
	if i >= len(n.Inputs) {
		f.fail("%s takes %d inputs, input %d should be there", n.Op, len(n.Inputs), i)
		return ""
	}
	if to, ok := f.alias[n.Inputs[i]]; ok {
		return to
	}
	return n.Inputs[i]
}

// numbers compares settings of a node, pairs of a name and what each of its integers must be.
func (f *follower) numbers(n *exchange.Node, want map[string]int) {
	for name, v := range want {
		got := n.Ints(name)
		if len(got) == 0 {
			got = []int{0}
		}
		if f.err == nil && slices.ContainsFunc(got, func(x int) bool { return x != v }) {
			f.fail("%s has %s %v, not %d", n.Op, name, got, v)
		}
	}
}

func (f *follower) text(n *exchange.Node, name, want string) {
	if got := n.Text(name, ""); f.err == nil && got != want {
		f.fail("%s has %s %q, not %q", n.Op, name, got, want)
	}
}

// shape compares the shape of a value with what it must be, where -1 takes any size, and gives it.
func (f *follower) shape(name string, want ...int) []int {
	v, ok := f.graph.Value(name)
	if f.err != nil {
		return want
	}
	good := ok && len(v.Shape) == len(want)
	for i := range want {
		good = good && (want[i] == -1 || v.Shape[i] == want[i])
	}
	if !good {
		f.fail("%q has shape %v, not %v", name, v.Shape, want)
		return want
	}
	return v.Shape
}

// floats reads a tensor as numbers.
func (f *follower) floats(name string, shape ...int) []float32 {
	if f.err != nil {
		return nil
	}
	t, err := f.net.Read(name)
	if err != nil {
		f.err = fmt.Errorf("%w: %w", ErrSource, err)
		return nil
	}
	if len(shape) > 0 && !slices.Equal(t.Shape, shape) {
		f.fail("tensor %q has shape %v, not %v", name, t.Shape, shape)
		return nil
	}
	v, err := finiteFloats(t)
	if err != nil {
		f.err = err
	}
	return v
}

// integers compares a tensor of integers with what it must be.
func (f *follower) integers(name string, want ...int) {
	got := f.floats(name)
	if f.err != nil {
		return
	}
	same := len(got) == len(want)
	for i := range want {
		same = same && float64(got[i]) == float64(want[i])
	}
	if !same {
		f.fail("tensor %q is %.20v, not %v", name, got, want)
	}
}

// weight copies a tensor to the model, as codes where the network has them of eight bits, else as numbers. turn says how the
// tensor is laid out; rows is the number of outputs. The tensor's other dimensions make the columns.
func (f *follower) weight(to, name string, turn layout, shape ...int) {
	if f.err != nil {
		return
	}
	if c, ok := f.net.(coded); ok {
		t, q, err := c.Codes(name)
		if err == nil && t.DType.Size() == 1 {
			f.codes(to, t, q, turn, shape)
			return
		}
	}
	v := f.floats(name, shape...)
	if f.err == nil {
		rows, cols, v := turn.apply(shape, v)
		f.out.floats(to, []int{rows, cols}, v)
	}
}

// codes copies a tensor of bytes. Those without a sign become ones with a sign: code and zero point both move by 128.
func (f *follower) codes(to string, t *weights.Tensor, g *exchange.Quantization, turn layout, shape []int) {
	if !slices.Equal(t.Shape, shape) {
		f.fail("tensor %q has shape %v, not %v", t.Name, t.Shape, shape)
		return
	}
	data := slices.Clone(t.Data)
	shift := 0.0
	if t.DType == weights.Uint8 {
		shift = 128
		for i := range data {
			data[i] -= 128
		}
	}
	q := &quant.Quantized{Scheme: quant.Scheme{Bits: 8, Granularity: quant.PerTensor}, Scales: g.Scales}
	for _, z := range g.Zeros {
		q.Zeros = append(q.Zeros, float32(float64(z)-shift))
	}
	q.Rows, q.Cols, q.Codes = applyLayout(turn, shape, data)
	if len(g.Scales) > 1 {
		q.Scheme.Granularity = quant.PerChannel
		if len(g.Scales) != q.Rows || g.Axis != turn.outputs(len(shape)) {
			f.fail("tensor %q has %d scales along dimension %d of %v", t.Name, len(g.Scales), g.Axis, shape)
			return
		}
	}
	if !slices.ContainsFunc(q.Zeros, func(z float32) bool { return z != 0 }) {
		q.Zeros, q.Scheme.Symmetric = nil, true
	}
	f.out.codes(to, []int{q.Rows, q.Cols}, q)
}

// output copies the grid of a value, where the network was trained on codes.
func (f *follower) output(to, value string) {
	v, ok := f.graph.Value(value)
	if f.err != nil || !ok || v.Quantization == nil {
		return
	}
	if v.Type != "UINT8" || len(v.Quantization.Scales) != 1 {
		f.fail("%q has codes of type %s with %d scales, not UINT8 with one", value, v.Type, len(v.Quantization.Scales))
		return
	}
	f.out.floats(to+".output", []int{2}, []float32{v.Quantization.Scales[0], float32(v.Quantization.Zeros[0])})
}

// result is the first error of the walk or of the writing.
func (f *follower) result() error {
	if f.err != nil {
		return f.err
	}
	return f.out.err
}
