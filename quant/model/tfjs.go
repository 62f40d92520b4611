package model

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
)

// maxGraphBytes bounds the JSON of a graph.
const maxGraphBytes = 64 << 20

// graph is a TensorFlow.js graph model: its nodes, and its weights cut into shards
// (https://www.tensorflow.org/js/guide/save_load).
type graph struct {
	ops     map[string]graphNode
	weights map[string]graphWeight
}

type graphNode struct {
	Name  string   `json:"name"`
	Op    string   `json:"op"`
	Input []string `json:"input"`
}

type graphWeight struct {
	Name         string          `json:"name"`
	Shape        []int           `json:"shape"`
	DType        string          `json:"dtype"`
	Quantization json.RawMessage `json:"quantization"`
	data         []byte
}

// readGraph parses model.json at dir of the bundle and gathers its weights from the shards beside it.
func readGraph(b *bundle, dir string) (*graph, error) {
	var doc struct {
		Topology struct {
			Node []graphNode `json:"node"`
		} `json:"modelTopology"`
		Manifest []struct {
			Paths   []string      `json:"paths"`
			Weights []graphWeight `json:"weights"`
		} `json:"weightsManifest"`
	}
	raw := b.files[path.Join(dir, "model.json")]
	if len(raw) > maxGraphBytes {
		return nil, fmt.Errorf("%w: model.json of %d bytes", ErrSource, len(raw))
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%w: model.json: %w", ErrSource, err)
	}
	g := &graph{ops: map[string]graphNode{}, weights: map[string]graphWeight{}}
	for _, n := range doc.Topology.Node {
		g.ops[n.Name] = n
	}
	for _, m := range doc.Manifest {
		var data []byte
		for _, p := range m.Paths {
			shard, ok := b.files[path.Join(dir, path.Base(p))]
			if !ok {
				return nil, fmt.Errorf("%w: shard %q is missing", ErrSource, p)
			}
			data = append(data, shard...)
		}
		if err := g.cut(m.Weights, data); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// cut gives each weight its bytes, which follow one another.
func (g *graph) cut(ws []graphWeight, data []byte) error {
	for _, w := range ws {
		if len(w.Quantization) > 0 && string(w.Quantization) != "null" {
			return fmt.Errorf("%w: weight %q is quantized", ErrSource, w.Name)
		}
		if w.DType != "float32" && w.DType != "int32" {
			return fmt.Errorf("%w: weight %q has dtype %q", ErrSource, w.Name, w.DType)
		}
		n := 4
		for _, d := range w.Shape {
			if d < 0 || (d > 0 && n > len(data)/d) {
				return fmt.Errorf("%w: weight %q of shape %v in %d bytes", ErrSource, w.Name, w.Shape, len(data))
			}
			n *= d
		}
		if n > len(data) {
			return fmt.Errorf("%w: the shards end before weight %q", ErrSource, w.Name)
		}
		w.data, data = data[:n:n], data[n:]
		if _, twice := g.weights[w.Name]; twice {
			return fmt.Errorf("%w: weight %q twice", ErrSource, w.Name)
		}
		g.weights[w.Name] = w
	}
	if len(data) != 0 {
		return fmt.Errorf("%w: %d bytes of shards belong to no weight", ErrSource, len(data))
	}
	return nil
}

// tensor returns a float32 weight with its leading dimensions of 1 removed until rank dimensions are left.
func (g *graph) tensor(name string, rank int) (shape []int, data []float32, err error) {
	w, ok := g.weights[name]
	if !ok || w.DType != "float32" {
		return nil, nil, fmt.Errorf("%w: no float32 weight %q; is it a Universal Sentence Encoder Lite?", ErrSource, name)
	}
	shape = slices.Clone(w.Shape)
	for len(shape) > rank && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) != rank {
		return nil, nil, fmt.Errorf("%w: weight %q has shape %v, not %d dimensions", ErrSource, name, w.Shape, rank)
	}
	data = make([]float32, len(w.data)/4)
	for i := range data {
		data[i] = math.Float32frombits(binary.LittleEndian.Uint32(w.data[i*4:]))
		if v := float64(data[i]); math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil, fmt.Errorf("%w: weight %q is not finite at %d", ErrSource, name, i)
		}
	}
	return shape, data, nil
}

// number returns a weight that is a single number.
func (g *graph) number(name string) (float64, error) {
	w, ok := g.weights[name]
	if !ok || len(w.data) != 4 {
		return 0, fmt.Errorf("%w: no number %q; is it a Universal Sentence Encoder Lite?", ErrSource, name)
	}
	bits := binary.LittleEndian.Uint32(w.data)
	if w.DType == "int32" {
		return float64(int32(bits)), nil
	}
	return float64(math.Float32frombits(bits)), nil
}

// expect checks that a node does what the code here does in its place: its operation and the ends of its inputs' names.
func (g *graph) expect(name, op string, inputs ...string) error {
	n, ok := g.ops[name]
	if !ok || n.Op != op {
		return fmt.Errorf("%w: node %q is %q, not %q", ErrSource, name, n.Op, op)
	}
	for i, in := range inputs {
		if i >= len(n.Input) || !strings.HasSuffix(n.Input[i], in) {
			return fmt.Errorf("%w: node %q takes %q, not %q", ErrSource, name, n.Input, inputs)
		}
	}
	return nil
}
