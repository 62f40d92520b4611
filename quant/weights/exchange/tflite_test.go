package exchange_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"

	"engram/quant/weights"
	"engram/quant/weights/exchange"
)

// flat writes TFLite files with the library of FlatBuffers itself. Only what it writes through is known here: which field
// of which table has which number.
type flat struct{ *flatbuffers.Builder }

// fields writes a table from functions that add one field each.
func (f flat) fields(n int, add ...func()) flatbuffers.UOffsetT {
	f.StartObject(n)
	for _, a := range add {
		a()
	}
	return f.EndObject()
}

func (f flat) offset(id int, v flatbuffers.UOffsetT) func() {
	return func() { f.PrependUOffsetTSlot(id, v, 0) }
}
func (f flat) int(id int, v int32) func()     { return func() { f.PrependInt32Slot(id, v, 0) } }
func (f flat) byte(id int, v byte) func()     { return func() { f.PrependByteSlot(id, v, 0) } }
func (f flat) float(id int, v float32) func() { return func() { f.PrependFloat32Slot(id, v, 0) } }

func (f flat) ints(v ...int32) flatbuffers.UOffsetT {
	f.StartVector(4, len(v), 4)
	for _, x := range slices.Backward(v) {
		f.PrependInt32(x)
	}
	return f.EndVector(len(v))
}

func (f flat) floats(v ...float32) flatbuffers.UOffsetT {
	f.StartVector(4, len(v), 4)
	for _, x := range slices.Backward(v) {
		f.PrependFloat32(x)
	}
	return f.EndVector(len(v))
}

func (f flat) longs(v ...int64) flatbuffers.UOffsetT {
	f.StartVector(8, len(v), 8)
	for _, x := range slices.Backward(v) {
		f.PrependInt64(x)
	}
	return f.EndVector(len(v))
}

func (f flat) tables(v ...flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	f.StartVector(4, len(v), 4)
	for _, x := range slices.Backward(v) {
		f.PrependUOffsetT(x)
	}
	return f.EndVector(len(v))
}

func (f flat) buffer(b []byte) flatbuffers.UOffsetT {
	return f.fields(3, f.offset(0, f.CreateByteVector(b)))
}

func (f flat) tensor(name string, kind byte, buffer int32, quantization flatbuffers.UOffsetT, shape ...int32) flatbuffers.UOffsetT {
	n, s := f.CreateString(name), f.ints(shape...)
	return f.fields(10, f.offset(0, s), f.byte(1, kind), f.int(2, buffer), f.offset(3, n), f.offset(4, quantization))
}

func (f flat) quantization(axis int32, zeros []int64, scales ...float32) flatbuffers.UOffsetT {
	s, z := f.floats(scales...), flatbuffers.UOffsetT(0)
	if zeros != nil {
		z = f.longs(zeros...)
	}
	return f.fields(7, f.offset(2, s), f.offset(3, z), f.int(6, axis))
}

// tfliteChange is what a test may change of the file.
type tfliteChange struct {
	mark      string
	subgraphs int
	inputs    []int32 // of the convolution
	scales    []float32
	axis      int32
	options   byte // the number of the convolution's padding
	kind      byte // of the weights
	details   byte // the number of a quantization scheme of its own
	sparse    bool
	opcode    int32
	outside   bool
	buffer    int32 // of the weights
}

// tflite writes a network: a convolution by int8 weights per channel, a sum, a custom operator, a softmax.
func tflite(tb testing.TB, change func(*tfliteChange)) []byte {
	tb.Helper()
	c := tfliteChange{mark: "TFL3", subgraphs: 1, inputs: []int32{0, 1, 2}, scales: []float32{0.5, 2}, kind: 9, buffer: 1}
	if change != nil {
		change(&c)
	}
	f := flat{flatbuffers.NewBuilder(64)}
	buffers := []flatbuffers.UOffsetT{f.fields(3), f.buffer([]byte{1, 2, 0xff, 0x80}), f.buffer(i32(10, -10)), f.buffer(f32(1.5)),
		f.buffer([]byte{0x21, 0x0f})}
	if c.outside {
		f.StartObject(3)
		f.PrependUint64Slot(1, 4096, 0)
		buffers[1] = f.EndObject()
	}
	weightScales := f.floats(c.scales...)
	zeros := f.longs(make([]int64, len(c.scales))...)
	weightQ := f.fields(7, f.offset(2, weightScales), f.offset(3, zeros), f.byte(4, c.details), f.int(6, c.axis))
	name, shape := f.CreateString("weights"), f.ints(2, 1, 1, 2)
	sparsity := flatbuffers.UOffsetT(0)
	if c.sparse {
		sparsity = f.fields(3)
	}
	signature := f.ints(-1, 1, 1, 2)
	named := f.CreateString("x")
	inputShape := f.ints(1, 1, 1, 2)
	inputQ := f.quantization(0, []int64{128}, 0.25)
	tensors := f.tables(
		f.fields(10, f.offset(0, inputShape), f.byte(1, 3), f.offset(3, named), f.offset(4, inputQ), f.offset(7, signature)),
		f.fields(10, f.offset(0, shape), f.byte(1, c.kind), f.int(2, c.buffer), f.offset(3, name), f.offset(4, weightQ), f.offset(6, sparsity)),
		f.tensor("bias", 2, 2, f.quantization(0, nil, 0.125), 2),
		f.tensor("y", 3, 0, 0, 1, 1, 1, 2),
		f.tensor("", 0, 3, 0),
		f.tensor("y", 3, 0, 0, 1, 1, 1, 2),
		f.tensor("four", 17, 4, f.quantization(0, []int64{1}, 3), 3),
		f.tensor("z", 0, 0, 0), f.tensor("out", 0, 0, 0))
	custom := f.CreateString("mine")
	codes := f.tables(f.fields(4, f.byte(0, 3), f.int(3, c.opcode)), f.fields(4), f.fields(4, f.byte(0, 32), f.offset(1, custom)),
		f.fields(4, f.int(3, 25)))
	operator := func(code int32, inputs, outputs []int32, kind byte, options flatbuffers.UOffsetT) flatbuffers.UOffsetT {
		in, out := f.ints(inputs...), f.ints(outputs...)
		return f.fields(9, f.int(0, code), f.offset(1, in), f.offset(2, out), f.byte(3, kind), f.offset(4, options))
	}
	operators := f.tables(
		operator(0, c.inputs, []int32{3}, 1, f.fields(7, f.byte(0, c.options), f.int(1, 2), f.int(2, 3), f.byte(3, 3))),
		operator(1, []int32{3, 4}, []int32{5}, 11, 0),
		operator(2, []int32{5, -1}, []int32{7}, 0, 0),
		operator(3, []int32{7}, []int32{8}, 9, f.fields(1, f.float(0, 0.75))))
	in, out := f.ints(0), f.ints(8)
	sub := f.fields(5, f.offset(0, tensors), f.offset(1, in), f.offset(2, out), f.offset(3, operators))
	subs := f.tables(slices.Repeat([]flatbuffers.UOffsetT{sub}, c.subgraphs)...)
	all := f.tables(buffers...)
	f.FinishWithFileIdentifier(f.fields(8, f.int(0, 3), f.offset(1, codes), f.offset(2, subs), f.offset(4, all)), []byte(c.mark))
	return bytes.Clone(f.FinishedBytes())
}

func f32(v ...float32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func i32(v ...int32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

// values reads a tensor that is float32.
func values(tb testing.TB, s exchange.Source, name string) []float32 {
	tb.Helper()
	t, err := s.Read(name)
	if err != nil {
		tb.Fatal(err)
	}
	if t.DType != weights.Float32 || t.Name != name {
		tb.Fatalf("%q is %v", t.Name, t.DType)
	}
	out := make([]float32, len(t.Data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return out
}

func TestTFLite(t *testing.T) {
	m, err := exchange.ReadTFLite(tflite(t, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.Format() != exchange.FormatTFLite {
		t.Error(m.Format())
	}
	var names []string
	for _, x := range m.Tensors() {
		names = append(names, x.Name)
	}
	if want := []string{"weights", "bias", "#4", "four"}; !slices.Equal(names, want) {
		t.Errorf("tensors %q, want %q", names, want)
	}
	for name, want := range map[string][]float32{"weights": {0.5, 1, -2, -256}, "bias": {1.25, -1.25}, "#4": {1.5}, "four": {0, 3, -6}} {
		if got := values(t, m, name); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	q, how, err := m.Codes("weights")
	if err != nil || q.DType != weights.Int8 || !bytes.Equal(q.Data, []byte{1, 2, 0xff, 0x80}) || !slices.Equal(how.Scales, []float32{0.5,
		2}) || how.Axis != 0 {
		t.Errorf("codes %+v, %+v, err %v", q, how, err)
	}
	q, how, err = m.Codes("four")
	if err != nil || q.DType != weights.Int8 || !bytes.Equal(q.Data, []byte{1, 2, 0xff}) || how.Zeros[0] != 1 {
		t.Errorf("codes of 4 bits %+v, %+v, err %v", q, how, err)
	}
	if _, _, err := m.Codes("#4"); !errors.Is(err, weights.ErrNoLayer) {
		t.Errorf("codes of plain numbers: err %v", err)
	}
	g := m.Graph()
	if !slices.Equal(g.Inputs, []string{"x"}) || !slices.Equal(g.Outputs, []string{"out"}) || len(g.Nodes) != 4 {
		t.Fatalf("%+v", g)
	}
	conv := g.Nodes[0]
	if conv.Op != "CONV_2D" || !slices.Equal(conv.Inputs, []string{"x", "weights", "bias"}) || conv.Text("padding", "") != "SAME" ||
		conv.Int("stride_w", 0) != 2 || conv.Int("stride_h", 0) != 3 || conv.Int("dilation_h_factor", 0) != 1 ||
		conv.Text("fused_activation_function", "") != "RELU6" || conv.Int("none", 7) != 7 || conv.Text("none", "n") != "n" {
		t.Errorf("%+v", conv)
	}
	if n := g.Nodes[1]; n.Op != "ADD" || !slices.Equal(n.Outputs, []string{"y#5"}) || n.Text("fused_activation_function", "") != "NONE" {
		t.Errorf("%+v", n)
	}
	if n := g.Nodes[2]; n.Op != "mine" || !slices.Equal(n.Inputs, []string{"y#5", ""}) {
		t.Errorf("%+v", n)
	}
	if n := g.Nodes[3]; n.Op != "SOFTMAX" || n.Float("beta", 0) != 0.75 || n.Float("none", 2) != 2 || n.Ints("none") != nil {
		t.Errorf("%+v", n)
	}
	x, ok := g.Value("x")
	if !ok || x.Tensor || !slices.Equal(x.Shape, []int{-1, 1, 1, 2}) || x.Type != "UINT8" || x.Quantization.Zeros[0] != 128 {
		t.Errorf("%+v", x)
	}
	if _, ok := g.Value("none"); ok {
		t.Error("a value that is not there")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.Read("weights"); !errors.Is(err, weights.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, _, err := m.Codes("weights"); !errors.Is(err, weights.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := m.Read("none"); !errors.Is(err, weights.ErrNoLayer) {
		t.Errorf("none: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestTFLiteRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*tfliteChange)
		want   error
	}{
		"another mark":          {func(c *tfliteChange) { c.mark = "TFL2" }, weights.ErrFormat},
		"two subgraphs":         {func(c *tfliteChange) { c.subgraphs = 2 }, weights.ErrUnsupported},
		"no subgraph":           {func(c *tfliteChange) { c.subgraphs = 0 }, weights.ErrUnsupported},
		"an input beyond":       {func(c *tfliteChange) { c.inputs = []int32{0, 99} }, weights.ErrCorrupt},
		"an input not made yet": {func(c *tfliteChange) { c.inputs = []int32{5} }, weights.ErrCorrupt},
		"a scale too many":      {func(c *tfliteChange) { c.scales = []float32{1, 2, 3} }, weights.ErrCorrupt},
		"an axis beyond":        {func(c *tfliteChange) { c.axis = 4 }, weights.ErrCorrupt},
		"an unknown padding":    {func(c *tfliteChange) { c.options = 9 }, weights.ErrUnsupported},
		"an unknown type":       {func(c *tfliteChange) { c.kind = 99 }, weights.ErrUnsupported},
		"a scheme of its own":   {func(c *tfliteChange) { c.details = 1 }, weights.ErrUnsupported},
		"a sparse tensor":       {func(c *tfliteChange) { c.sparse = true }, weights.ErrUnsupported},
		"data outside":          {func(c *tfliteChange) { c.outside = true }, weights.ErrUnsupported},
		"a buffer beyond":       {func(c *tfliteChange) { c.buffer = 50 }, weights.ErrCorrupt},
	} {
		if _, err := exchange.ReadTFLite(tflite(t, c.change), nil); !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", name, err, c.want)
		}
	}
	// What only Read can tell.
	for name, c := range map[string]struct {
		change func(*tfliteChange)
		want   error
	}{
		"codes of text":  {func(c *tfliteChange) { c.kind = 5 }, weights.ErrUnsupported},
		"codes too few":  {func(c *tfliteChange) { c.kind = 7 }, weights.ErrCorrupt},
		"half a byte":    {func(c *tfliteChange) { c.kind = 17 }, weights.ErrCorrupt},
		"eight for four": {func(c *tfliteChange) { c.kind, c.buffer = 9, 2 }, weights.ErrCorrupt},
	} {
		m, err := exchange.ReadTFLite(tflite(t, c.change), nil)
		if err == nil {
			_, err = m.Read("weights")
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", name, err, c.want)
		}
	}
	if _, err := exchange.ReadTFLite(tflite(t, nil), &exchange.Options{MaxTensorBytes: 15}); !errors.Is(err, weights.ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
	m, err := exchange.ReadTFLite(tflite(t, func(c *tfliteChange) { c.opcode = 150 }), nil)
	if err != nil || m.Graph().Nodes[0].Op != "BUILTIN_150" {
		t.Errorf("an operator without a name here: %v", err)
	}
}

// damaged reads every truncation of a file and the file with every byte changed in several ways: an error of ours, or
// tensors that can be read or refused, never a panic.
func damaged(t *testing.T, good []byte, read func([]byte) (exchange.Source, error)) {
	t.Helper()
	try := func(what string, at int, b []byte) {
		s, err := read(b)
		if err == nil {
			err = readAll(s)
		}
		if err != nil && !known(err) {
			t.Fatalf("%s at %d of %d: %v", what, at, len(good), err)
		}
	}
	for n := range good {
		try("cut", n, good[:n:n])
	}
	for i := range good {
		for _, x := range []byte{0xff, 0x01, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= x
			try("changed", i, bad)
		}
	}
}

// known says whether an error is one that callers can tell apart.
func known(err error) bool {
	for _, e := range []error{weights.ErrCorrupt, weights.ErrFormat, weights.ErrUnsupported, weights.ErrTooLarge} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// readAll reads every tensor and returns the last error that is no refusal.
func readAll(s exchange.Source) (failed error) {
	defer s.Close()
	for _, x := range s.Tensors() {
		t, err := s.Read(x.Name)
		switch {
		case err != nil && !known(err):
			return err
		case err == nil && len(t.Data) != x.Params*t.DType.Size():
			return errors.New("wrong number of bytes")
		}
	}
	return nil
}

func readTFLite(b []byte) (exchange.Source, error) {
	return exchange.ReadTFLite(b, &exchange.Options{MaxTensorBytes: 1 << 20})
}

func TestTFLiteDamaged(t *testing.T) { damaged(t, tflite(t, nil), readTFLite) }

func FuzzTFLite(f *testing.F) {
	f.Add(tflite(f, nil))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b, readTFLite) })
}

// fuzzed reads bytes: an error of ours or tensors.
func fuzzed(t *testing.T, b []byte, read func([]byte) (exchange.Source, error)) {
	s, err := read(b)
	if err == nil {
		err = readAll(s)
	}
	if err != nil && !known(err) {
		t.Errorf("unexpected error: %v", err)
	}
}

// foreignModel reads a file that others made, from the folder that ENGRAM_FOREIGN_MODELS names.
func foreignModel(tb testing.TB, name string) []byte {
	tb.Helper()
	dir := os.Getenv("ENGRAM_FOREIGN_MODELS")
	if dir == "" {
		tb.Skip("ENGRAM_FOREIGN_MODELS names no folder of models that others made")
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestTFLiteOfOthers reads networks that Google published.
func TestTFLiteOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		nodes, tensors, params int
		op, output             string
	}{
		"mobilenet_v2_1.0_224_quant.tflite": {66, 107, 3489099, "SOFTMAX", "MobilenetV2/Predictions/Softmax"},
		"yamnet.tflite":                     {60, 74, 4010068, "LOGISTIC", "Identity"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := exchange.ReadTFLite(foreignModel(t, name), nil)
			if err != nil {
				t.Fatal(err)
			}
			g, params := m.Graph(), 0
			for _, x := range m.Tensors() {
				if _, err := m.Read(x.Name); err != nil {
					t.Error(err)
				}
				params += x.Params
			}
			if last := g.Nodes[len(g.Nodes)-1]; len(g.Nodes) != c.nodes || len(m.Tensors()) != c.tensors || last.Op != c.op ||
				last.Outputs[0] != c.output || params != c.params {
				t.Errorf("%d nodes, %d tensors of %d numbers, last %+v", len(g.Nodes), len(m.Tensors()), params, last)
			}
		})
	}
}
