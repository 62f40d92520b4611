package model

import (
	"fmt"
	"slices"

	"engram/quant/weights/exchange"
)

// tfliteConv takes a convolution of a TFLite graph, compares it with what is expected and copies its numbers. It gives the name
// of what comes out. op is CONV_2D or DEPTHWISE_CONV_2D.
func (f *follower) tfliteConv(to, op, in string, side, step int, activation string) string {
	n := f.next(op, in)
	f.text(n, "padding", "SAME")
	f.text(n, "fused_activation_function", activation)
	f.numbers(n, map[string]int{"stride_w": step, "stride_h": step, "dilation_w_factor": 1, "dilation_h_factor": 1})
	name, bias := f.input(n, 1), f.input(n, 2)
	turn := outFirst
	shape := f.shape(name, -1, side, side, -1)
	channels := shape[0]
	if op == "DEPTHWISE_CONV_2D" {
		turn = outLast
		f.numbers(n, map[string]int{"depth_multiplier": 1})
		shape = f.shape(name, 1, side, side, -1)
		channels = shape[3]
	}
	f.weight(to+".weight", name, turn, shape...)
	if v := f.floats(bias, channels); f.err == nil {
		f.out.floats(to+".bias", []int{channels}, v)
	}
	f.output(to, n.Outputs[0])
	return n.Outputs[0]
}

// tfliteTrunk takes the convolutions of a MobileNet.
func (f *follower) tfliteTrunk(in string, version int, activation string) string {
	const conv, depthwise = "CONV_2D", "DEPTHWISE_CONV_2D"
	x := f.tfliteConv("stem", conv, in, 3, stemStep, activation)
	if version == 1 {
		for i, step := range version1Steps {
			name := fmt.Sprintf("blocks.%d.", i)
			x = f.tfliteConv(name+"depthwise", depthwise, x, 3, step, activation)
			x = f.tfliteConv(name+"project", conv, x, 1, 1, activation)
		}
		return x
	}
	for i, step := range version2Steps {
		name, around := fmt.Sprintf("blocks.%d.", i), x
		if i > 0 {
			x = f.tfliteConv(name+"expand", conv, x, 1, 1, activation)
		}
		x = f.tfliteConv(name+"depthwise", depthwise, x, 3, step, activation)
		x = f.tfliteConv(name+"project", conv, x, 1, 1, "NONE")
		before, _ := f.graph.Value(around)
		after, _ := f.graph.Value(x)
		if f.err == nil && step == 1 && slices.Equal(before.Shape, after.Shape) {
			n := f.next("ADD", "")
			if !slices.Equal(n.Inputs, []string{x, around}) && !slices.Equal(n.Inputs, []string{around, x}) {
				f.fail("ADD takes %.200q, not %q and %q", n.Inputs, x, around)
			}
			f.text(n, "fused_activation_function", "NONE")
			f.output(name+"sum", n.Outputs[0])
			x = n.Outputs[0]
		}
	}
	return f.tfliteConv("last", conv, x, 1, 1, activation)
}

// tfliteMobileNetV2 takes the graph of MobileNetV2 as TensorFlow's quantization-aware training makes it: pictures of codes in,
// codes between all layers, the shares of the classes out.
func (f *follower) tfliteMobileNetV2(m *Manifest) (classes int) {
	in := f.tfliteInput(1, -1, -1, 3)
	side := f.shape(in, 1, -1, -1, 3)[1]
	f.shape(in, 1, side, side, 3)
	v, _ := f.graph.Value(in)
	if f.err == nil && (v.Type != "UINT8" || v.Quantization == nil || len(v.Quantization.Scales) != 1) {
		f.fail("the input is %s, not codes of UINT8", v.Type)
	}
	if f.err != nil {
		return 0
	}
	m.Config = Config{ImageSize: side, PixelScale: float64(v.Quantization.Scales[0])}
	m.Config.PixelOffset = -m.Config.PixelScale * float64(v.Quantization.Zeros[0])
	f.output("input", in)
	x := f.tfliteTrunk(in, 2, "RELU6")
	shape := f.shape(x, 1, -1, -1, -1)
	m.Dim = shape[3]
	n := f.next("AVERAGE_POOL_2D", x)
	f.numbers(n, map[string]int{"filter_height": shape[1], "filter_width": shape[2]})
	f.text(n, "fused_activation_function", "NONE")
	x = n.Outputs[0]
	f.shape(x, 1, 1, 1, m.Dim)
	f.output("pool", x)
	x = f.tfliteConv("classifier", "CONV_2D", x, 1, 1, "NONE")
	classes = f.shape(x, 1, 1, 1, -1)[3]
	n = f.next("RESHAPE", x)
	n = f.next("SOFTMAX", n.Outputs[0])
	if n.Float("beta", 0) != 1 {
		f.fail("SOFTMAX has beta %v, not 1", n.Float("beta", 0))
	}
	f.end()
	return classes
}

// tfliteInput gives the name of the one input, which must have the shape.
func (f *follower) tfliteInput(shape ...int) string {
	if len(f.graph.Inputs) != 1 {
		f.fail("%d inputs, not one", len(f.graph.Inputs))
		return ""
	}
	f.shape(f.graph.Inputs[0], shape...)
	return f.graph.Inputs[0]
}

// tfliteYAMNet takes the graph of YAMNet: a wave in, frames, a window, the products with cosines and sines, mel bands, their
// logarithm, a MobileNet of version 1 without an upper bound, the mean, and a score for every class.
func (f *follower) tfliteYAMNet(m *Manifest) (classes int) {
	in := f.tfliteInput(1, yamnetWindow)
	bands := f.tfliteBands(in)
	// The first 96 frames are taken (all), cut into patches and put together again.
	n := f.next("STRIDED_SLICE", bands)
	f.integers(f.input(n, 1), 0, 0)
	f.integers(f.input(n, 3), 1, 1)
	f.shape(n.Outputs[0], yamnetFrames, -1)
	n = f.next("RESHAPE", n.Outputs[0])
	n = f.next("GATHER", n.Outputs[0])
	f.integers(f.input(n, 1), 0, 1)
	n = f.next("RESHAPE", n.Outputs[0])
	f.shape(n.Outputs[0], 1, yamnetFrames, -1, 1)
	x := f.tfliteTrunk(n.Outputs[0], 1, "RELU")
	m.Dim = f.shape(x, 1, -1, -1, -1)[3]
	n = f.next("MEAN", x)
	f.integers(f.input(n, 1), 1, 2)
	x = n.Outputs[0]
	f.shape(x, 1, m.Dim)
	n = f.next("FULLY_CONNECTED", x)
	f.text(n, "fused_activation_function", "NONE")
	classes = f.shape(f.input(n, 1), -1, m.Dim)[0]
	f.weight("classifier.weight", f.input(n, 1), outFirst, classes, m.Dim)
	if v := f.floats(f.input(n, 2), classes); f.err == nil {
		f.out.floats("classifier.bias", []int{classes}, v)
	}
	f.next("LOGISTIC", n.Outputs[0])
	f.end()
	return classes
}

// tfliteBands takes the nodes from the wave to the logarithm of the mel bands.
func (f *follower) tfliteBands(in string) string {
	const frameStep = 80 // frames are put together of rows of so many samples: the greatest common divisor of frame and hop
	n := f.next("RESHAPE", in)
	n = f.next("SLICE", n.Outputs[0])
	n = f.next("RESHAPE", n.Outputs[0])
	f.shape(n.Outputs[0], yamnetWindow/frameStep, frameStep)
	n = f.next("GATHER", n.Outputs[0])
	var rows []int
	for i := range yamnetFrames {
		for k := range yamnetFrame / frameStep {
			rows = append(rows, i*yamnetHop/frameStep+k)
		}
	}
	f.integers(f.input(n, 1), rows...)
	n = f.next("RESHAPE", n.Outputs[0])
	f.shape(n.Outputs[0], yamnetFrames, yamnetFrame)
	n = f.next("MUL", n.Outputs[0])
	f.shape(f.input(n, 1), 1, yamnetFrame)
	if v := f.floats(f.input(n, 1)); f.err == nil {
		f.out.floats("spectrum.window", []int{yamnetFrame}, v)
	}
	n = f.next("PAD", n.Outputs[0])
	f.integers(f.input(n, 1), 0, 0, (spectrumSize-yamnetFrame)/2, (spectrumSize-yamnetFrame)/2)
	framed := n.Outputs[0]
	var squares []string
	for _, part := range []string{"cos", "sin"} {
		n = f.next("FULLY_CONNECTED", framed)
		f.text(n, "fused_activation_function", "NONE")
		f.weight("spectrum."+part, f.input(n, 1), outFirst, f.shape(f.input(n, 1), spectrumBins, spectrumSize)...)
		product := n.Outputs[0]
		n = f.next("MUL", product)
		if f.input(n, 1) != product {
			f.fail("MUL takes %.200q, not a square", n.Inputs)
		}
		squares = append(squares, n.Outputs[0])
	}
	n = f.next("ADD", squares[0])
	if f.input(n, 1) != squares[1] {
		f.fail("ADD takes %.200q, not both squares", n.Inputs)
	}
	n = f.next("SQRT", n.Outputs[0])
	n = f.next("FULLY_CONNECTED", n.Outputs[0])
	f.text(n, "fused_activation_function", "NONE")
	shape := f.shape(f.input(n, 1), -1, spectrumBins)
	f.weight("spectrum.mel", f.input(n, 1), outFirst, shape...)
	if v := f.floats(f.input(n, 2), shape[0]); f.err == nil {
		f.out.floats("spectrum.mel_bias", []int{shape[0]}, v)
	}
	return f.next("LOG", n.Outputs[0]).Outputs[0]
}

// tfliteArchitecture guesses by its input which architecture a TFLite file holds.
func tfliteArchitecture(g *exchange.Graph) (string, error) {
	if len(g.Inputs) == 1 {
		switch v, _ := g.Value(g.Inputs[0]); {
		case len(v.Shape) == 4 && v.Shape[3] == 3:
			return MobileNetV2, nil
		case slices.Equal(v.Shape, []int{1, yamnetWindow}):
			return YAMNet, nil
		}
	}
	return "", fmt.Errorf("%w: a TFLite network that is not known here; known are a quantized MobileNetV2 and YAMNet", ErrSource)
}
