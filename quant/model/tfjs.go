package model

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"engram/quant/weights"
	"engram/quant/weights/exchange"
)

// graph is a TensorFlow.js graph model: its weights, and its nodes by their names.
type graph struct {
	*exchange.TFJS
	nodes map[string]exchange.Node
}

// readGraph reads model.json at dir of the bundle and its weights from the shards beside it.
func readGraph(b *bundle, dir string) (*graph, error) {
	shards := map[string][]byte{}
	for name, data := range b.files {
		if path.Dir(name) == dir {
			shards[path.Base(name)] = data
		}
	}
	m, err := exchange.ReadTFJS(b.files[path.Join(dir, "model.json")], shards, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	g := &graph{TFJS: m, nodes: map[string]exchange.Node{}}
	for _, n := range m.Graph().Nodes {
		g.nodes[n.Name] = n
	}
	return g, nil
}

// tensor returns a float32 weight with its leading dimensions of 1 removed until rank dimensions are left.
func (g *graph) tensor(name string, rank int) (shape []int, data []float32, err error) {
	w, err := g.Read(name)
	if err != nil || w.DType != weights.Float32 {
		return nil, nil, fmt.Errorf("%w: no float32 weight %q; is it a Universal Sentence Encoder Lite?", ErrSource, name)
	}
	shape = slices.Clone(w.Shape)
	for len(shape) > rank && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) != rank {
		return nil, nil, fmt.Errorf("%w: weight %q has shape %v, not %d dimensions", ErrSource, name, w.Shape, rank)
	}
	if data, err = w.Float32(); err != nil {
		return nil, nil, fmt.Errorf("%w: weight %q: %w", ErrSource, name, err)
	}
	for i, x := range data {
		if v := float64(x); math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil, fmt.Errorf("%w: weight %q is not finite at %d", ErrSource, name, i)
		}
	}
	return shape, data, nil
}

// number returns a weight that is a single number.
func (g *graph) number(name string) (float64, error) {
	if w, err := g.Read(name); err == nil {
		if v, err := w.Float32(); err == nil && len(v) == 1 {
			return float64(v[0]), nil
		}
	}
	return 0, fmt.Errorf("%w: no number %q; is it a Universal Sentence Encoder Lite?", ErrSource, name)
}

// expect checks that a node does what the code here does in its place: its operation and the ends of its inputs' names.
func (g *graph) expect(name, op string, inputs ...string) error {
	n, ok := g.nodes[name]
	if !ok || n.Op != op {
		return fmt.Errorf("%w: node %q is %q, not %q", ErrSource, name, n.Op, op)
	}
	for i, in := range inputs {
		if i >= len(n.Inputs) || !strings.HasSuffix(n.Inputs[i], in) {
			return fmt.Errorf("%w: node %q takes %q, not %q", ErrSource, name, n.Inputs, inputs)
		}
	}
	return nil
}
