package model

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"engram/quant/weights"
	"engram/quant/weights/exchange"
)

// madeNet is a network like a published one, with random numbers and few channels.
type madeNet struct {
	graph   exchange.Graph
	tensors map[string]*weights.Tensor
	quant   map[string]*exchange.Quantization // of those that are codes
	r       *rand.Rand
}

func newMade(inputs ...string) *madeNet {
	return &madeNet{graph: exchange.Graph{Inputs: inputs}, tensors: map[string]*weights.Tensor{}, quant: map[string]*exchange.Quantization{},
		r: rand.New(rand.NewPCG(3, 4))}
}

func (m *madeNet) Graph() *exchange.Graph { return &m.graph }

func (m *madeNet) Read(name string) (*weights.Tensor, error) {
	t, ok := m.tensors[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q", weights.ErrNoLayer, name)
	}
	if q := m.quant[name]; q != nil { // as the numbers that the codes stand for
		v := make([]float32, len(t.Data))
		for i, c := range t.Data {
			k := 0
			if len(q.Scales) > 1 {
				inner := 1
				for _, d := range t.Shape[q.Axis+1:] {
					inner *= d
				}
				k = i / inner % len(q.Scales)
			}
			code := int64(int8(c))
			if t.DType == weights.Uint8 {
				code = int64(c)
			}
			v[i] = float32(code-q.Zeros[k]) * q.Scales[k]
		}
		return &weights.Tensor{Name: name, Shape: t.Shape, DType: weights.Float32, Data: weights.Float32Bytes(v)}, nil
	}
	return t, nil
}

func (m *madeNet) Codes(name string) (*weights.Tensor, *exchange.Quantization, error) {
	if q := m.quant[name]; q != nil {
		return m.tensors[name], q, nil
	}
	return nil, nil, weights.ErrNoLayer
}

// value describes what goes between nodes; with a scale it is codes of UINT8.
func (m *madeNet) value(name string, scale float32, zero int64, shape ...int) string {
	v := exchange.Value{Name: name, Shape: shape, Type: "FLOAT32"}
	if scale > 0 {
		v.Type, v.Quantization = "UINT8", &exchange.Quantization{Scales: []float32{scale}, Zeros: []int64{zero}}
	}
	m.graph.Values = append(m.graph.Values, v)
	return name
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// floats adds a tensor of given numbers, or of random ones where there are none.
func (m *madeNet) floats(name string, shape []int, v ...float32) string {
	if v == nil {
		for i := range product(shape) {
			if i < 10_000 {
				v = append(v, float32(m.r.NormFloat64()*0.3))
			} else { // the matrices of a Fourier transform, of which there are many in these tests
				v = append(v, v[i-9_973])
			}
		}
	}
	m.tensors[name] = &weights.Tensor{Name: name, Shape: shape, DType: weights.Float32, Data: weights.Float32Bytes(v)}
	m.graph.Values = append(m.graph.Values, exchange.Value{Name: name, Shape: shape, Type: "FLOAT32", Tensor: true})
	return name
}

func (m *madeNet) ints(name string, v ...int) string {
	f := make([]float32, len(v))
	for i, x := range v {
		f[i] = float32(x)
	}
	return m.floats(name, []int{len(v)}, f...)
}

// codes adds a tensor of random codes: of UINT8 with one scale, or of INT8 with one along the axis.
func (m *madeNet) codes(name string, axis int, shape ...int) string {
	t := &weights.Tensor{Name: name, Shape: shape, DType: weights.Uint8}
	q := &exchange.Quantization{Scales: []float32{0.01}, Zeros: []int64{120}}
	if axis >= 0 {
		t.DType, q.Axis = weights.Int8, axis
		q.Scales, q.Zeros = make([]float32, shape[axis]), make([]int64, shape[axis])
		for i := range q.Scales {
			q.Scales[i] = 0.004 + float32(i%5)*0.001
		}
	}
	for i := range product(shape) {
		if i < 10_000 {
			t.Data = append(t.Data, byte(m.r.IntN(256)))
		} else {
			t.Data = append(t.Data, t.Data[i-9_973])
		}
	}
	m.tensors[name], m.quant[name] = t, q
	m.graph.Values = append(m.graph.Values, exchange.Value{Name: name, Shape: shape, Quantization: q, Tensor: true})
	return name
}

// node adds a node that gives the value out. Settings are pairs of a name and an int, []int, float32 or string.
func (m *madeNet) node(op, out string, inputs []string, settings ...any) string {
	n := exchange.Node{Name: out, Op: op, Inputs: inputs, Outputs: []string{out}, Settings: map[string]exchange.Setting{}}
	for i := 0; i < len(settings); i += 2 {
		var s exchange.Setting
		switch v := settings[i+1].(type) {
		case int:
			s.Ints = []int64{int64(v)}
		case []int:
			for _, x := range v {
				s.Ints = append(s.Ints, int64(x))
			}
		case float32:
			s.Floats = []float32{v}
		case string:
			s.Texts = []string{v}
		case []string:
			s.Texts = v
		}
		n.Settings[settings[i].(string)] = s
	}
	m.graph.Nodes = append(m.graph.Nodes, n)
	return out
}

// conv adds a convolution as TFLite has it, over side x side pixels. coded says that its numbers are codes, axis how.
func (m *madeNet) conv(op, x string, shape []int, step int, activation string, coded bool, axis int, out ...int) string {
	name := fmt.Sprintf("conv%d", len(m.graph.Nodes))
	settings := []any{"padding", "SAME", "fused_activation_function", activation, "stride_w", step, "stride_h", step, "dilation_w_factor", 1, "dilation_h_factor", 1}
	channels := shape[0]
	if op == "DEPTHWISE_CONV_2D" {
		channels = shape[3]
		settings = append(settings, "depth_multiplier", 1)
	}
	w := name + "/weight"
	if coded {
		m.codes(w, axis, shape...)
	} else {
		m.floats(w, shape)
	}
	b := m.floats(name+"/bias", []int{channels})
	scale := float32(0)
	if coded && axis < 0 {
		scale = 0.05
	}
	m.node(op, name, []string{x, w, b}, settings...)
	return m.value(name, scale, int64(len(name)%7*10), out...)
}

func half(n, step int) int { return (n + step - 1) / step }

// madeMobileNetV2 is like MobileNetV2 of codes, with pictures of 32 by 32 pixels and 5 classes.
func madeMobileNetV2() *madeNet {
	const conv, deep = "CONV_2D", "DEPTHWISE_CONV_2D"
	m := newMade("in")
	side := 32
	m.value("in", 1.0/128, 128, 1, side, side, 3)
	side = half(side, 2)
	x, width := m.conv(conv, "in", []int{4, 3, 3, 3}, 2, "RELU6", true, -1, 1, side, side, 4), 4
	for i, step := range version2Steps {
		around, inner := x, width
		if i > 0 {
			inner = width * 2
			x = m.conv(conv, x, []int{inner, 1, 1, width}, 1, "RELU6", true, -1, 1, side, side, inner)
		}
		next := half(side, step)
		x = m.conv(deep, x, []int{1, 3, 3, inner}, step, "RELU6", true, -1, 1, next, next, inner)
		wide := width
		if step == 2 {
			wide = width + 1
		}
		x = m.conv(conv, x, []int{wide, 1, 1, inner}, 1, "NONE", true, -1, 1, next, next, wide)
		if step == 1 && wide == width {
			x = m.node("ADD", fmt.Sprintf("add%d", i), []string{x, around}, "fused_activation_function", "NONE")
			m.value(x, 0.1, 128, 1, next, next, wide)
		}
		side, width = next, wide
	}
	x = m.conv(conv, x, []int{12, 1, 1, width}, 1, "RELU6", true, -1, 1, side, side, 12)
	x = m.node("AVERAGE_POOL_2D", "pool", []string{x}, "filter_height", side, "filter_width", side, "fused_activation_function", "NONE")
	m.value(x, 0.02, 0, 1, 1, 1, 12)
	x = m.conv(conv, x, []int{5, 1, 1, 12}, 1, "NONE", true, -1, 1, 1, 1, 5)
	x = m.node("RESHAPE", "flat", []string{x, m.ints("flat/shape", 1, 5)})
	m.node("SOFTMAX", "out", []string{x}, "beta", float32(1))
	m.graph.Outputs = []string{"out"}
	return m
}

// madeYAMNet is like YAMNet, with few channels and 7 classes.
func madeYAMNet() *madeNet {
	m := newMade("in")
	m.value("in", 0, 0, 1, yamnetWindow)
	none := []any{"fused_activation_function", "NONE"}
	m.node("RESHAPE", "a", []string{"in", m.ints("as", yamnetWindow)})
	m.node("SLICE", "b", []string{"a", m.ints("bb", 0), m.ints("bs", yamnetWindow)})
	m.node("RESHAPE", m.value("c", 0, 0, 195, 80), []string{"b", m.ints("cs", 195, 80)})
	var rows []int
	for i := range 96 {
		rows = append(rows, 2*i, 2*i+1, 2*i+2, 2*i+3, 2*i+4)
	}
	m.node("GATHER", "d", []string{"c", m.ints("rows", rows...)})
	m.node("RESHAPE", m.value("e", 0, 0, 96, 400), []string{"d", m.ints("es", 96, 400)})
	m.node("MUL", "f", []string{"e", m.floats("window", []int{1, 400})})
	m.node("PAD", "g", []string{"f", m.ints("padding", 0, 0, 56, 56)})
	for _, part := range []string{"cos", "sin"} {
		m.node("FULLY_CONNECTED", part, []string{"g", m.codes(part+"w", 0, 257, 512), ""}, none...)
		m.node("MUL", part+"2", []string{part, part})
	}
	m.node("ADD", "power", []string{"cos2", "sin2"})
	m.node("SQRT", "magnitude", []string{"power"})
	mel := make([]float32, 64*257)
	for i := range mel {
		mel[i] = float32(i%3) * 0.01
	}
	m.node("FULLY_CONNECTED", "mel", []string{"magnitude", m.floats("melw", []int{64, 257}, mel...), m.floats("melb", []int{64}, slices.Repeat([]float32{0.001}, 64)...)}, none...)
	m.node("LOG", "log", []string{"mel"})
	m.node("STRIDED_SLICE", m.value("h", 0, 0, 96, 64), []string{"log", m.ints("hb", 0, 0), m.ints("he", 96, 64), m.ints("hs", 1, 1)})
	m.node("RESHAPE", "i", []string{"h", m.ints("is", 2, 48, 64)})
	m.node("GATHER", "j", []string{"i", m.ints("patches", 0, 1)})
	m.node("RESHAPE", m.value("k", 0, 0, 1, 96, 64, 1), []string{"j", m.ints("ks", -1, 96, 64, 1)})
	x, width, high, wide := m.conv("CONV_2D", "k", []int{4, 3, 3, 1}, 2, "RELU", false, 0, 1, 48, 32, 4), 4, 48, 32
	for i, step := range version1Steps {
		high, wide = half(high, step), half(wide, step)
		x = m.conv("DEPTHWISE_CONV_2D", x, []int{1, 3, 3, width}, step, "RELU", i%2 == 1, 3, 1, high, wide, width)
		if i%2 == 1 { // some of the codes are turned into numbers by a node before
			n := m.graph.Nodes[len(m.graph.Nodes)-1]
			m.graph.Nodes[len(m.graph.Nodes)-1] = exchange.Node{Op: "DEQUANTIZE", Inputs: []string{n.Inputs[1]}, Outputs: []string{n.Inputs[1] + "/plain"}}
			n.Inputs[1] += "/plain"
			m.graph.Nodes = append(m.graph.Nodes, n)
		}
		more := width + i%2
		x = m.conv("CONV_2D", x, []int{more, 1, 1, width}, 1, "RELU", true, 0, 1, high, wide, more)
		width = more
	}
	m.node("MEAN", m.value("mean", 0, 0, 1, width), []string{x, m.ints("axes", 1, 2)})
	m.node("FULLY_CONNECTED", "logits", []string{"mean", m.codes("classw", 0, 7, width), m.floats("classb", []int{7})}, none...)
	m.node("LOGISTIC", "out", []string{"logits"})
	m.graph.Outputs = []string{"out", "log"}
	return m
}

// madeMobileNetV1 is like the TensorFlow.js graph of MobileNetV1, with few channels and 6 classes.
func madeMobileNetV1() *madeNet {
	m := newMade("images")
	window := func(step int, more ...any) []any {
		return append([]any{"padding", "SAME", "data_format", "NHWC", "strides", []int{1, step, step, 1}, "dilations", []int{1, 1, 1, 1}}, more...)
	}
	m.node("Mul", "mul", []string{"images", m.floats("two", []int{}, 2)})
	x := m.node("Sub", "sub", []string{"mul", m.floats("one", []int{}, 1)})
	conv := func(x string, side, in, out, step int, fused ...string) string {
		name := fmt.Sprintf("conv%d", len(m.graph.Nodes))
		return m.node("_FusedConv2D", name, []string{x, m.floats(name+"/w", []int{side, side, in, out}), m.floats(name+"/b", []int{out})}, window(step, "fused_ops", fused)...)
	}
	width := 3
	x = conv(x, 3, 3, width, 2, "BiasAdd", "Relu6")
	for i, step := range version1Steps {
		name := fmt.Sprintf("deep%d", i)
		m.node("DepthwiseConv2dNative", name, []string{x, m.floats(name+"/w", []int{3, 3, width, 1})}, window(step)...)
		m.node("BiasAdd", name+"/bias", []string{name, m.floats(name+"/b", []int{width})})
		x = m.node("Relu6", name+"/relu", []string{name + "/bias"})
		more := width + i%2
		x = conv(x, 1, width, more, 1, "BiasAdd", "Relu6")
		width = more
	}
	m.node("Mean", "pool", []string{x, m.ints("axes", 1, 2)}, "keep_dims", 1)
	x = conv("pool", 1, width, 6, 1, "BiasAdd")
	m.node("Squeeze", "out", []string{x})
	return m
}

// madeSpeech is like the two graphs of speech-embedding, with 2 to 4 channels.
func madeSpeech() (bands, layers *madeNet) {
	m := newMade("in")
	one := func(v float32) string { return m.floats(fmt.Sprintf("constant%d", len(m.tensors)), []int{}, v) }
	m.node("Unsqueeze", "wave", []string{"in", m.ints("w1", 1)})
	for _, part := range []string{"re", "im"} {
		m.node("Conv", part, []string{"wave", m.floats(part+"w", []int{257, 1, 512})}, "strides", []int{160}, "pads", []int{0, 0}, "dilations", []int{1}, "group", 1, "kernel_shape", []int{512})
	}
	for _, part := range []string{"re", "im"} {
		m.node("Unsqueeze", part+"u", []string{part, m.ints(part+"1", 1)})
		m.node("Transpose", part+"t", []string{part + "u"}, "perm", []int{0, 1, 3, 2})
	}
	m.node("Pow", "re2", []string{"ret", one(2)})
	m.node("Pow", "im2", []string{"imt", one(2)})
	m.node("Add", "power", []string{"re2", "im2"})
	mel := make([]float32, 257*32)
	for i := range mel {
		mel[i] = float32(i%5) * 0.001
	}
	m.node("MatMul", "mel", []string{"power", m.floats("melw", []int{257, 32}, mel...)})
	m.node("Clip", "least", []string{"mel", one(1e-10), one(float32(math.Inf(1)))})
	m.node("Log", "log", []string{"least"})
	m.node("Mul", "ten", []string{"log", one(10)})
	m.node("Div", "db", []string{"ten", one(2.3025851)})
	m.node("Sub", "db0", []string{"db", one(0)})
	m.node("ReduceMax", "top", []string{"db0"}, "keepdims", 0)
	m.node("Sub", "floor", []string{"top", one(80)})
	m.node("Cast", "floorf", []string{"floor"}, "to", 1)
	m.node("Clip", "out", []string{"db0", "floorf", one(float32(math.Inf(1)))})
	bands = m

	m = newMade("in")
	m.floats("minimum", []int{1, 1, 1, 1}, -0.4)
	x, width := m.node("Reshape", "r", []string{"in", m.ints("rs", -1, 1, 76, 32)}), 1
	list := speechLayers()
	for i, l := range list {
		out := 2 + i%3
		name := fmt.Sprintf("conv%d", i)
		inputs := []string{x, m.floats(name+"/w", []int{out, width, l.window.Rows, l.window.Cols}), m.floats(name+"/b", []int{out})}
		settings := []any{"kernel_shape", []int{l.window.Rows, l.window.Cols}, "strides", []int{1, 1}, "dilations", []int{1, 1}, "group", 1, "auto_pad", "NOTSET"}
		if l.window.SameCols {
			settings = append(settings, "pads", []int{0, 1, 0, 1})
		}
		width = out
		if i == len(list)-1 {
			x = m.node("Conv", name, inputs[:2], settings...)
			break
		}
		m.node("Conv", name, inputs, settings...)
		m.node("LeakyRelu", name+"/leaky", []string{name}, "alpha", float32(0.2))
		x = m.node("Max", name+"/max", []string{name + "/leaky", "minimum"})
		if l.pool.Rows > 0 {
			x = m.node("MaxPool", name+"/pool", []string{x}, "kernel_shape", []int{l.pool.Rows, l.pool.Cols}, "strides", []int{l.pool.RowStep, l.pool.ColStep})
		}
	}
	m.node("Reshape", "out", []string{x, m.ints("os", -1, 1, 1, width)})
	return bands, m
}

// made are the networks, each with what copies it.
func made() map[string]func() ([]*madeNet, func(s *tensorSink, nets []*madeNet, m *Manifest) (int, error)) {
	one := func(make func() *madeNet, copyNet func(*follower, *Manifest) int) func() ([]*madeNet, func(*tensorSink, []*madeNet, *Manifest) (int, error)) {
		return func() ([]*madeNet, func(*tensorSink, []*madeNet, *Manifest) (int, error)) {
			return []*madeNet{make()}, func(s *tensorSink, nets []*madeNet, m *Manifest) (int, error) {
				f := follow(nets[0], m.Architecture, s)
				n := copyNet(f, m)
				return n, f.result()
			}
		}
	}
	return map[string]func() ([]*madeNet, func(*tensorSink, []*madeNet, *Manifest) (int, error)){
		MobileNetV1: one(madeMobileNetV1, (*follower).tfjsMobileNetV1),
		MobileNetV2: one(madeMobileNetV2, (*follower).tfliteMobileNetV2),
		YAMNet:      one(madeYAMNet, (*follower).tfliteYAMNet),
		SpeechEmbedding: func() ([]*madeNet, func(*tensorSink, []*madeNet, *Manifest) (int, error)) {
			bands, layers := madeSpeech()
			return []*madeNet{bands, layers}, func(s *tensorSink, nets []*madeNet, m *Manifest) (int, error) {
				f := follow(nets[0], m.Architecture, s)
				f.onnxBands()
				if err := f.result(); err != nil {
					return 0, err
				}
				f = follow(nets[1], m.Architecture, s)
				m.Dim = f.onnxSpeech()
				return 0, f.result()
			}
		},
	}
}

// writeMade writes the files of a model that networks are copied into.
func writeMade(tb testing.TB, arch string, nets []*madeNet, copyNet func(*tensorSink, []*madeNet, *Manifest) (int, error), opt *ImportOptions) (string, error) {
	tb.Helper()
	dir := tb.TempDir()
	if opt == nil {
		opt = &ImportOptions{}
	}
	opt.Name, opt.Progress = "made", func(string, int64, int64) {}
	m := &Manifest{Architecture: arch}
	err := writeMedia(tb.Context(), m, filepath.Join(dir, "source"), dir, 1000, opt, func(s *tensorSink) (int, error) { return copyNet(s, nets, m) })
	return dir, err
}

func madeModel(tb testing.TB, arch string, opt *ImportOptions) string {
	tb.Helper()
	nets, copyNet := made()[arch]()
	dir, err := writeMade(tb, arch, nets, copyNet, opt)
	if err == nil {
		err = Verify(tb.Context(), dir)
	}
	if err != nil {
		tb.Fatalf("%s: %v", arch, err)
	}
	return dir
}

// telling picks the nodes that tests spoil: the first of each operation, and the last ones.
func telling(nodes []exchange.Node) []int {
	var out []int
	seen := map[string]bool{}
	for i, n := range nodes {
		if !seen[n.Op] || i >= len(nodes)-2 {
			out = append(out, i)
		}
		seen[n.Op] = true
	}
	return out
}

// TestOtherNetworksAreRefused spoils nodes of every network in turn: each is found out, and none panics.
func TestOtherNetworksAreRefused(t *testing.T) {
	for arch, prepare := range made() {
		first, _ := prepare()
		for k := range first {
			for _, i := range telling(first[k].graph.Nodes) {
				for name, spoil := range map[string]func(g *exchange.Graph, n *exchange.Node){
					"operation": func(_ *exchange.Graph, n *exchange.Node) { n.Op = "Other" },
					"input":     func(_ *exchange.Graph, n *exchange.Node) { n.Inputs = append([]string{"elsewhere"}, n.Inputs[1:]...) },
					"no inputs": func(_ *exchange.Graph, n *exchange.Node) { n.Inputs = nil },
					"no output": func(_ *exchange.Graph, n *exchange.Node) { n.Outputs = nil },
					"one less":  func(g *exchange.Graph, _ *exchange.Node) { g.Nodes = slices.Delete(g.Nodes, i, i+1) },
					"one more": func(g *exchange.Graph, _ *exchange.Node) {
						g.Nodes = slices.Insert(g.Nodes, i, exchange.Node{Op: "Neg", Outputs: []string{"more"}})
					},
				} {
					nets, copyNet := prepare()
					spoil(&nets[k].graph, &nets[k].graph.Nodes[i])
					if _, err := writeMade(t, arch, nets, copyNet, nil); !errors.Is(err, ErrSource) {
						t.Errorf("%s, graph %d, node %d %s, %s: %v", arch, k, i, first[k].graph.Nodes[i].Op, name, err)
					}
				}
			}
		}
	}
}

// TestOtherSettingsAreRefused changes every setting of every kind of node and every small tensor.
func TestOtherSettingsAreRefused(t *testing.T) {
	unseen := []string{"to", "keepdims", "kernel_shape of Conv in " + SpeechEmbedding + " 0"} // implied by the shapes of weights
	for arch, prepare := range made() {
		first, _ := prepare()
		for k := range first {
			done := map[string]bool{}
			for i, n := range first[k].graph.Nodes {
				for name := range n.Settings {
					if key := n.Op + name; done[key] || slices.ContainsFunc(unseen, func(u string) bool {
						return u == name || u == fmt.Sprintf("%s of %s in %s %d", name, n.Op, arch, k)
					}) {
						continue
					} else {
						done[key] = true
					}
					nets, copyNet := prepare()
					s := nets[k].graph.Nodes[i].Settings[name]
					if len(s.Ints) > 0 {
						s.Ints = slices.Clone(s.Ints)
						s.Ints[len(s.Ints)-1] += 7
					}
					if len(s.Floats) > 0 {
						s.Floats = []float32{s.Floats[0] + 7}
					}
					if len(s.Texts) > 0 {
						s.Texts = append([]string{"OTHER"}, s.Texts[1:]...)
					}
					nets[k].graph.Nodes[i].Settings[name] = s
					if _, err := writeMade(t, arch, nets, copyNet, nil); !errors.Is(err, ErrSource) {
						t.Errorf("%s, graph %d, node %d %s, %s: %v", arch, k, i, n.Op, name, err)
					}
				}
			}
		}
	}
}

// TestOtherTensorsAreRefused takes every tensor away, gives it another shape or a number that is none.
func TestOtherTensorsAreRefused(t *testing.T) {
	unread := func(name string) bool { // shapes that the shapes of values tell
		return strings.HasSuffix(name, "s") && len(name) == 2 || name == "bb" || name == "he" || strings.HasSuffix(name, "/shape")
	}
	for arch, prepare := range made() {
		first, _ := prepare()
		for k := range first {
			names := slices.Sorted(maps.Keys(first[k].tensors))
			for i, name := range names {
				if unread(name) && arch != SpeechEmbedding || i%9 != 0 && len(names) > 30 && i < len(names)-5 {
					continue
				}
				nets, copyNet := prepare()
				delete(nets[k].tensors, name)
				delete(nets[k].quant, name)
				if _, err := writeMade(t, arch, nets, copyNet, nil); !errors.Is(err, ErrSource) {
					t.Errorf("%s, without tensor %q: %v", arch, name, err)
				}
				nets, copyNet = prepare()
				x := nets[k].tensors[name]
				x.Shape = append([]int{1, 1, 1}, x.Shape...)
				for j := range nets[k].graph.Values {
					if nets[k].graph.Values[j].Name == name {
						nets[k].graph.Values[j].Shape = x.Shape
					}
				}
				if nets[k].quant[name] == nil {
					for j := 3; j < len(x.Data); j += 4 {
						x.Data[j], x.Data[j-1] = 0x7f, 0xc1 // NaN
					}
				}
				if _, err := writeMade(t, arch, nets, copyNet, nil); !errors.Is(err, ErrSource) {
					t.Errorf("%s, tensor %q of another shape: %v", arch, name, err)
				}
			}
		}
	}
}
