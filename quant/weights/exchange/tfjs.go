package exchange

import (
	"encoding/json"
	"fmt"
	"math"
	"path"
	"path/filepath"
	"strings"

	"engram/quant"
	"engram/quant/weights"
)

// TFJS is a model of TensorFlow.js (https://www.tensorflow.org/js/guide/save_load): model.json with a list of weights, which
// follow each other in the shards that it names, and, of a graph model, the network.
type TFJS struct {
	parts
	graph Graph
}

// tfjsWeight is an entry of the weights manifest.
type tfjsWeight struct {
	Name         string  `json:"name"`
	Shape        []int64 `json:"shape"`
	DType        string  `json:"dtype"`
	Quantization *struct {
		DType string  `json:"dtype"`
		Scale float64 `json:"scale"`
		Min   float64 `json:"min"`
	} `json:"quantization"`
}

// tfjsDoc is model.json.
type tfjsDoc struct {
	Topology struct {
		Node []tfjsNode `json:"node"`
	} `json:"modelTopology"`
	Manifest []struct {
		Paths   []string     `json:"paths"`
		Weights []tfjsWeight `json:"weights"`
	} `json:"weightsManifest"`
	Signature struct {
		Outputs map[string]struct {
			Name string `json:"name"`
		} `json:"outputs"`
	} `json:"signature"`
}

// tfjsTypes says what the elements of a weight are, and their bytes.
var tfjsTypes = map[string]weights.DType{"float32": weights.Float32, "int32": weights.Int32, "bool": weights.Bool, "uint8": weights.Uint8}

// ReadTFJS reads a model from its model.json and its shards by the last element of their names. They must not change while
// the result is used; of big tensors they are all there is.
//
// Weights that are stored as uint8, uint16 or float16 are read as the numbers that they stand for. A network that goes round
// in circles, as those with loops do, is refused.
func ReadTFJS(doc []byte, shards map[string][]byte, o *Options) (*TFJS, error) {
	if len(doc) > maxHeaderBytes {
		return nil, fmt.Errorf("%w: model.json of %d bytes", weights.ErrTooLarge, len(doc))
	}
	var d tfjsDoc
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("%w: model.json: %w", weights.ErrFormat, err)
	}
	if d.Manifest == nil {
		return nil, fmt.Errorf("%w: model.json without a weightsManifest", weights.ErrFormat)
	}
	m := &TFJS{parts: parts{format: FormatTFJS}}
	for _, group := range d.Manifest {
		var data shardList
		for _, p := range group.Paths {
			shard, ok := shards[path.Base(p)]
			if !ok {
				return nil, fmt.Errorf("%w: shard %.80q is missing", weights.ErrCorrupt, p)
			}
			data = append(data, shard)
		}
		for _, w := range group.Weights {
			if err := m.weight(w, &data, o.limit()); err != nil {
				return nil, fmt.Errorf("weight %.80q: %w", w.Name, err)
			}
		}
		if n := data.size(); n != 0 {
			return nil, fmt.Errorf("%w: %d bytes of shards belong to no weight", weights.ErrCorrupt, n)
		}
	}
	if err := m.readGraph(&d); err != nil {
		return nil, err
	}
	return m, nil
}

// shardList is bytes that lie in pieces.
type shardList [][]byte

func (s shardList) size() (n int) {
	for _, b := range s {
		n += len(b)
	}
	return n
}

// cut takes the first n bytes, of which there are enough, as pieces.
func (s *shardList) cut(n int) (out shardList) {
	for n > 0 {
		b := (*s)[0]
		k := min(n, len(b))
		out = append(out, b[:k:k])
		if n -= k; k == len(b) {
			*s = (*s)[1:]
		} else {
			(*s)[0] = b[k:]
		}
	}
	for len(*s) > 0 && len((*s)[0]) == 0 {
		*s = (*s)[1:]
	}
	return out
}

// join puts pieces together.
func (s shardList) join() []byte {
	out := make([]byte, 0, s.size())
	for _, b := range s {
		out = append(out, b...)
	}
	return out
}

// weight adds one weight and takes its bytes off data.
func (m *TFJS) weight(w tfjsWeight, data *shardList, limit int64) error {
	p := part{Info: Info{Name: w.Name, Type: w.DType, DType: tfjsTypes[w.DType], Shape: []int{}}}
	if p.DType == 0 {
		return fmt.Errorf("%w: dtype %.20q", weights.ErrUnsupported, w.DType)
	}
	for _, d := range w.Shape {
		p.Shape = append(p.Shape, clampInt(d))
	}
	n, err := count(p.Shape, limit/4)
	if err != nil {
		return err
	}
	size := p.DType.Size()
	if q := w.Quantization; q != nil {
		p.Type = w.DType + " as " + q.DType
		if size = map[string]int{"uint8": 1, "uint16": 2, "float16": 2}[q.DType]; size == 0 || (p.DType != weights.Float32 &&
			p.DType != weights.Int32) {
			return fmt.Errorf("%w: %.20q quantized as %.20q", weights.ErrUnsupported, w.DType, q.DType)
		}
	}
	if have := data.size(); n*size > have {
		return fmt.Errorf("%w: needs %d bytes, the shards have %d left", weights.ErrCorrupt, n*size, have)
	}
	pieces := data.cut(n * size)
	p.decode = func(_ []byte, n int) ([]byte, error) { return w.decode(pieces.join(), n, p.DType), nil }
	return m.add(p, limit)
}

// decode gives n numbers of a weight as float32 or int32: code * scale + min, rounded for int32.
func (w *tfjsWeight) decode(b []byte, n int, dtype weights.DType) []byte {
	q := w.Quantization
	if q == nil {
		return b
	}
	out := make([]byte, 0, 4*n)
	for i := range n {
		var x float64
		switch q.DType {
		case "uint8":
			x = float64(b[i])*q.Scale + q.Min
		case "uint16":
			x = float64(le.Uint16(b[2*i:]))*q.Scale + q.Min
		case "float16":
			x = float64(quant.FromHalf(le.Uint16(b[2*i:])))
		}
		if dtype == weights.Int32 {
			out = le.AppendUint32(out, uint32(int32(math.Round(min(max(x, math.MinInt32), math.MaxInt32)))))
		} else {
			out = le.AppendUint32(out, math.Float32bits(float32(x)))
		}
	}
	return out
}

// openTFJS opens a model.json and the shards beside it.
func openTFJS(file string, o *Options) (*TFJS, error) {
	doc, err := readSmall(file)
	if err != nil {
		return nil, err
	}
	var d tfjsDoc
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, fmt.Errorf("%w: model.json: %w", weights.ErrFormat, err)
	}
	shards := map[string][]byte{}
	var frees []func() error
	free := func() {
		for _, f := range frees {
			_ = f() // the error to report is another
		}
	}
	for _, group := range d.Manifest {
		for _, p := range group.Paths {
			name := path.Base(p)
			if _, open := shards[name]; open {
				continue
			}
			if !filepath.IsLocal(name) || len(shards) >= maxShards {
				free()
				return nil, fmt.Errorf("%w: shard %.80q, or more than %d", weights.ErrCorrupt, p, maxShards)
			}
			b, f, err := openBytes(filepath.Join(filepath.Dir(file), name))
			if err != nil {
				free()
				return nil, err
			}
			shards[name], frees = b, append(frees, f)
		}
	}
	m, err := ReadTFJS(doc, shards, o)
	if err != nil {
		free()
		return nil, err
	}
	m.free = frees
	return m, nil
}

// Graph is the network; it has no nodes where the model is one of layers. The caller must not change it.
func (m *TFJS) Graph() *Graph { return &m.graph }

// baseName is the node that a reference such as "name:1" or "^name" is to.
func baseName(ref string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(ref, "^"), ":")
	return name
}
