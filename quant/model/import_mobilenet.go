package model

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"engram/quant/weights/exchange"
)

// mobileNetMark is a node that the graph of MobileNetV1 has, by the end of its name.
const mobileNetMark = "MobilenetV1/Conv2d_0/Relu6"

// mobileNetGraph finds the TensorFlow.js graph of a MobileNet of version 1 in a package: the first by name.
func (b *bundle) mobileNetGraph() (dir string, net *exchange.TFJS, ok bool) {
	var dirs []string
	for name := range b.files {
		if path.Base(name) == "model.json" {
			dirs = append(dirs, path.Dir(name))
		}
	}
	slices.Sort(dirs)
	for _, dir := range dirs {
		shards := map[string][]byte{}
		for name, data := range b.files {
			if path.Dir(name) == dir {
				shards[path.Base(name)] = data
			}
		}
		net, err := exchange.ReadTFJS(b.files[path.Join(dir, "model.json")], shards, nil)
		if err == nil && slices.ContainsFunc(net.Graph().Nodes, func(n exchange.Node) bool { return strings.HasSuffix(n.Name, mobileNetMark) }) {
			return dir, net, true
		}
	}
	return "", nil, false
}

// writeMobileNetV1 writes the files of the model into dir.
func writeMobileNetV1(ctx context.Context, b *bundle, net *exchange.TFJS, at, src, dir string, opt *ImportOptions) error {
	var size int64
	for _, t := range net.Tensors() {
		size += int64(t.Params) * 4
	}
	m := &Manifest{Architecture: MobileNetV1, Source: b.source(at)}
	return writeMedia(ctx, m, src, dir, size, opt, func(s *tensorSink) (classes int, err error) {
		f := follow(net, MobileNetV1, s)
		classes = f.tfjsMobileNetV1(m)
		return classes, f.result()
	})
}

// mobileNetSide is the width and height of the pictures that the network was trained on; its graph takes any.
const mobileNetSide = 224

// tfjsMobileNetV1 takes the graph of MobileNetV1: pictures of 0 to 1 in, batch norms folded into the convolutions, scores before
// softmax out.
func (f *follower) tfjsMobileNetV1(m *Manifest) (classes int) {
	if len(f.graph.Inputs) != 1 {
		f.fail("%d inputs, not one", len(f.graph.Inputs))
		return 0
	}
	m.Config = Config{ImageSize: mobileNetSide, PixelScale: 2.0 / 255, PixelOffset: -1}
	n := f.next("Mul", f.graph.Inputs[0])
	f.constant(f.input(n, 1), 2)
	n = f.next("Sub", n.Outputs[0])
	f.constant(f.input(n, 1), 1)
	x, width := f.tfjsConv("stem", n.Outputs[0], 3, 3, stemStep, "Relu6")
	for i, step := range version1Steps {
		name := fmt.Sprintf("blocks.%d.", i)
		x = f.tfjsDepthwise(name+"depthwise", x, width, step)
		x, width = f.tfjsConv(name+"project", x, width, 1, 1, "Relu6")
	}
	m.Dim = width
	n = f.next("Mean", x)
	f.integers(f.input(n, 1), 1, 2)
	f.numbers(n, map[string]int{"keep_dims": 1})
	x, classes = f.tfjsConv("classifier", n.Outputs[0], width, 1, 1, "")
	f.next("Squeeze", x)
	f.end()
	return classes
}

// tfjsWindow compares how a convolution goes over a picture.
func (f *follower) tfjsWindow(n *exchange.Node, step int) {
	f.text(n, "padding", "SAME")
	f.text(n, "data_format", "NHWC")
	f.list(n, "strides", nil, 1, step, step, 1)
	f.list(n, "dilations", []int{1, 1, 1, 1}, 1, 1, 1, 1)
}

// tfjsConv takes a convolution with its bias and activation, which is none where activation is empty.
func (f *follower) tfjsConv(to, x string, in, side, step int, activation string) (out string, channels int) {
	n := f.next("_FusedConv2D", x)
	f.tfjsWindow(n, step)
	want := []string{"BiasAdd"}
	if activation != "" {
		want = append(want, activation)
	}
	if got := n.Settings["fused_ops"].Texts; f.err == nil && !slices.Equal(got, want) {
		f.fail("%s has fused_ops %q, not %q", n.Op, got, want)
	}
	shape := f.shape(f.input(n, 1), side, side, in, -1)
	f.weight(to+".weight", f.input(n, 1), outLast, shape...)
	if v := f.floats(f.input(n, 2), shape[3]); f.err == nil {
		f.out.floats(to+".bias", []int{shape[3]}, v)
	}
	return n.Outputs[0], shape[3]
}

// tfjsDepthwise takes a depthwise convolution and the nodes of its bias and activation.
func (f *follower) tfjsDepthwise(to, x string, channels, step int) string {
	n := f.next("DepthwiseConv2dNative", x)
	f.tfjsWindow(n, step)
	f.shape(f.input(n, 1), 3, 3, channels, 1)
	if v := f.floats(f.input(n, 1), 3, 3, channels, 1); f.err == nil {
		rows, cols, turned := outLast.apply([]int{3, 3, channels}, v)
		f.out.floats(to+".weight", []int{rows, cols}, turned)
	}
	n = f.next("BiasAdd", n.Outputs[0])
	if v := f.floats(f.input(n, 1), channels); f.err == nil {
		f.out.floats(to+".bias", []int{channels}, v)
	}
	return f.next("Relu6", n.Outputs[0]).Outputs[0]
}
