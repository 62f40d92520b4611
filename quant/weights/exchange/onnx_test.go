package exchange_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"engram/quant/weights"
	"engram/quant/weights/exchange"
)

func readONNX(b []byte) (exchange.Source, error) {
	return exchange.ReadONNX(b, &exchange.Options{MaxTensorBytes: 1 << 20})
}

// onnxFile is what testdata/make_onnx.py wrote with onnx 1.12.
func onnxFile(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/onnx.onnx")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestONNX(t *testing.T) {
	m, err := exchange.ReadONNX(onnxFile(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.Format() != exchange.FormatONNX || m.Opset() != 13 {
		t.Errorf("%v, operators %d", m.Format(), m.Opset())
	}
	le := binary.LittleEndian
	for name, c := range map[string]struct {
		shape []int
		dtype weights.DType
		data  []byte
	}{
		"float":     {[]int{2, 2}, weights.Float32, f32(1, -2.5, 3, 0.25)},
		"kernel":    {[]int{1, 2, 1, 1}, weights.Float32, f32(1, 2)},
		"scalar":    {[]int{}, weights.Float32, f32(0.5)},
		"bias":      {[]int{1}, weights.Float32, f32(0.5)},
		"int32":     {[]int{2}, weights.Int32, i32(7, -8)},
		"int64":     {[]int{2}, weights.Int64, le.AppendUint64(le.AppendUint64(nil, 9), ^uint64(9))},
		"raw int64": {[]int{2}, weights.Int64, le.AppendUint64(le.AppendUint64(nil, 5), ^uint64(5))},
		"uint8":     {[]int{2}, weights.Uint8, []byte{200, 1}},
		"int8":      {[]int{2}, weights.Int8, []byte{128, 127}},
		"int16":     {[]int{2}, weights.Int16, []byte{0xd4, 0xfe, 0x2c, 1}},
		"bool":      {[]int{3}, weights.Bool, []byte{1, 0, 1}},
		"half":      {[]int{2}, weights.Float16, []byte{0, 0x3e, 0, 0xc0}},
		"double":    {[]int{1}, weights.Float64, le.AppendUint64(nil, math.Float64bits(0.125))},
		"out/table": {[]int{1}, weights.Int8, []byte{3}},
	} {
		x, err := m.Read(name)
		if err != nil || !slices.Equal(x.Shape, c.shape) || x.DType != c.dtype || !bytes.Equal(x.Data, c.data) {
			t.Errorf("%s: %+v, err %v, want %+v", name, x, err, c)
		}
	}
	if n := len(m.Tensors()); n != 15 {
		t.Errorf("%d tensors", n)
	}
	if _, err := m.Read("word"); !errors.Is(err, weights.ErrUnsupported) {
		t.Errorf("text: %v", err)
	}
	g := m.Graph()
	if !slices.Equal(g.Inputs, []string{"x"}) || !slices.Equal(g.Outputs, []string{"out"}) || len(g.Nodes) != 3 {
		t.Fatalf("%+v", g)
	}
	conv := g.Nodes[0]
	if conv.Name != "conv" || conv.Op != "Conv" || !slices.Equal(conv.Inputs, []string{"x", "kernel", "bias"}) ||
		!slices.Equal(conv.Ints("strides"), []int{1, 2}) || conv.Text("auto_pad", "") != "SAME_UPPER" || conv.Int("group", 0) != 1 {
		t.Errorf("%+v", conv)
	}
	if n := g.Nodes[1]; n.Float("alpha", 0) != 0.25 {
		t.Errorf("%+v", n)
	}
	mine := g.Nodes[2]
	if mine.Op != "example.org.Mine" || !slices.Equal(mine.Inputs, []string{"z", "", "float"}) ||
		mine.Settings["table"].Tensor != "out/table" ||
		!slices.Equal(mine.Settings["words"].Texts, []string{"a", "b"}) || !slices.Equal(mine.Settings["rates"].Floats, []float32{0.5, 2}) {
		t.Errorf("%+v", mine)
	}
	for name, want := range map[string]exchange.Value{
		"x":      {Name: "x", Shape: []int{-1, 2, 4, 4}, Type: "FLOAT"},
		"y":      {Name: "y", Shape: []int{-1, 1, 4, 2}, Type: "FLOAT"},
		"kernel": {Name: "kernel", Shape: []int{1, 2, 1, 1}, Type: "FLOAT", Tensor: true},
	} {
		if v, ok := g.Value(name); !ok || !slices.Equal(v.Shape, want.Shape) || v.Type != want.Type || v.Tensor != want.Tensor {
			t.Errorf("%+v, want %+v", v, want)
		}
	}
	if v, ok := g.Value("out"); !ok || v.Shape != nil {
		t.Errorf("a value without a shape: %+v", v)
	}
}

// message fields for writing ONNX by hand.
func pbBytes(id int, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, protowire.Number(id), protowire.BytesType), b)
}
func pbText(id int, s string) []byte { return pbBytes(id, []byte(s)) }
func pbInt(id int, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, protowire.Number(id), protowire.VarintType), uint64(v))
}
func pbFloat(id int, v float32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(nil, protowire.Number(id), protowire.Fixed32Type), math.Float32bits(v))
}
func pbDouble(id int, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, protowire.Number(id), protowire.Fixed64Type), math.Float64bits(v))
}
func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// tensorFile is a network of one tensor and nothing else.
func tensorFile(fields ...[]byte) []byte { return pbBytes(7, pbBytes(5, cat(fields...))) }

// TestONNXUnpacked reads numbers that lie one by one, as old writers have them.
func TestONNXUnpacked(t *testing.T) {
	for _, c := range []struct {
		fields [][]byte
		want   []byte
	}{
		{[][]byte{pbInt(1, 2), pbInt(2, 1), pbFloat(4, 1), pbFloat(4, -2)}, f32(1, -2)},
		{[][]byte{pbInt(1, 2), pbInt(2, 6), pbInt(5, 3), pbInt(5, -4)}, i32(3, -4)},
		{[][]byte{pbInt(1, 1), pbInt(2, 11), pbDouble(10, 0.5)}, binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.5))},
		{[][]byte{pbInt(1, 0), pbInt(2, 1)}, []byte{}},
	} {
		m, err := exchange.ReadONNX(tensorFile(append(c.fields, pbText(8, "x"))...), nil)
		if err != nil {
			t.Fatal(err)
		}
		if x, err := m.Read("x"); err != nil || !bytes.Equal(x.Data, c.want) {
			t.Errorf("%v, err %v, want %v", x, err, c.want)
		}
	}
}

func TestONNXRefuses(t *testing.T) {
	name, one, float := pbText(8, "x"), pbInt(1, 1), pbInt(2, 1)
	node := func(fields ...[]byte) []byte { return pbBytes(7, pbBytes(1, cat(fields...))) }
	attribute := func(fields ...[]byte) []byte {
		return node(pbText(2, "y"), pbBytes(5, cat(append([][]byte{pbText(1, "a")}, fields...)...)))
	}
	for what, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":               {nil, weights.ErrFormat},
		"no graph":              {pbInt(1, 7), weights.ErrFormat},
		"two graphs":            {cat(pbBytes(7, nil), pbBytes(7, nil)), weights.ErrCorrupt},
		"functions":             {pbBytes(25, nil), weights.ErrUnsupported},
		"text":                  {[]byte("this is no protobuf"), weights.ErrCorrupt},
		"no tensor name":        {tensorFile(one, float), weights.ErrCorrupt},
		"two of a name":         {pbBytes(7, cat(pbBytes(5, cat(one, float, name)), pbBytes(5, cat(one, float, name)))), weights.ErrCorrupt},
		"negative dimension":    {tensorFile(pbInt(1, -1), float, name), weights.ErrCorrupt},
		"17 dimensions":         {tensorFile(bytes.Repeat(one, 17), float, name), weights.ErrTooLarge},
		"a huge shape":          {tensorFile(pbInt(1, 1<<40), float, name), weights.ErrTooLarge},
		"external data":         {tensorFile(one, float, name, pbBytes(13, nil)), weights.ErrUnsupported},
		"external by its place": {tensorFile(one, float, name, pbInt(14, 1)), weights.ErrUnsupported},
		"segments":              {tensorFile(one, float, name, pbBytes(3, nil)), weights.ErrUnsupported},
		"sparse":                {pbBytes(7, pbBytes(15, nil)), weights.ErrUnsupported},
		"a graph in a node":     {attribute(pbBytes(6, nil)), weights.ErrUnsupported},
		"a list of tensors":     {attribute(pbBytes(10, nil)), weights.ErrUnsupported},
		"half a float":          {attribute(pbBytes(7, []byte{1, 2, 3})), weights.ErrCorrupt},
		"an attribute unnamed":  {node(pbBytes(5, pbInt(3, 1))), weights.ErrCorrupt},
		"an attribute twice":    {node(pbBytes(5, pbText(1, "a")), pbBytes(5, pbText(1, "a"))), weights.ErrCorrupt},
		"a tensor for nothing":  {node(pbBytes(5, cat(pbText(1, "a"), pbBytes(5, cat(one, float))))), weights.ErrCorrupt},
		"an input of nowhere":   {node(pbText(1, "z")), weights.ErrCorrupt},
		"an output of nowhere":  {pbBytes(7, pbBytes(12, pbText(1, "z"))), weights.ErrCorrupt},
	} {
		if _, err := exchange.ReadONNX(c.b, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", what, err, c.want)
		}
	}
	for what, c := range map[string]struct {
		fields [][]byte
		want   error
	}{
		"raw data too short":  {[][]byte{pbInt(1, 2), float, pbBytes(9, f32(1))}, weights.ErrCorrupt},
		"floats too few":      {[][]byte{pbInt(1, 2), float, pbFloat(4, 1)}, weights.ErrCorrupt},
		"floats for integers": {[][]byte{pbInt(1, 1), pbInt(2, 7), pbFloat(4, 1)}, weights.ErrCorrupt},
		"integers too many":   {[][]byte{one, pbInt(2, 7), pbInt(7, 1), pbInt(7, 1)}, weights.ErrCorrupt},
		"a number cut off":    {[][]byte{one, pbInt(2, 7), pbBytes(7, []byte{0x80})}, weights.ErrCorrupt},
		"no data":             {[][]byte{one, float}, weights.ErrCorrupt},
		"complex numbers":     {[][]byte{one, pbInt(2, 14)}, weights.ErrUnsupported},
		"an unknown type":     {[][]byte{one, pbInt(2, 99)}, weights.ErrUnsupported},
	} {
		m, err := exchange.ReadONNX(tensorFile(append(c.fields, name)...), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Read("x"); !errors.Is(err, c.want) {
			t.Errorf("%s: err %v, want %v", what, err, c.want)
		}
	}
}

func TestONNXDamaged(t *testing.T) { damaged(t, onnxFile(t), readONNX) }

func FuzzONNX(f *testing.F) {
	f.Add(onnxFile(f))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b, readONNX) })
}

// TestONNXOfOthers reads the backbone of Google's speech embedding.
func TestONNXOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		nodes, tensors, params int
		input, output          string
	}{
		"embedding_model.onnx": {65, 42, 328137, "input_1", "conv2d_19"},
		"melspectrogram.onnx":  {20, 15, 271404, "input", "output"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := exchange.ReadONNX(foreignModel(t, name), nil)
			if err != nil {
				t.Fatal(err)
			}
			params := 0
			for _, x := range m.Tensors() {
				if _, err := m.Read(x.Name); err != nil {
					t.Error(err)
				}
				params += x.Params
			}
			g := m.Graph()
			if len(g.Nodes) != c.nodes || len(m.Tensors()) != c.tensors || params != c.params || g.Inputs[0] != c.input || g.Outputs[0] != c.output {
				t.Errorf("%d nodes, %d tensors of %d numbers, %q to %q", len(g.Nodes), len(m.Tensors()), params, g.Inputs, g.Outputs)
			}
		})
	}
}
