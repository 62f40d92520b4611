package model

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"path"
	"slices"

	"engram/quant/model/layer"
	"engram/quant/weights/exchange"
)

// The files of speech-embedding in its package. Nothing else of the package is looked at.
const (
	speechBandsFile = "melspectrogram.onnx"
	speechLayerFile = "embedding_model.onnx"
)

// speechDir finds the folder that has both files, the first by name where there are more.
func (b *bundle) speechDir() (dir string, ok bool) {
	for name := range b.files {
		d := path.Dir(name)
		if _, both := b.files[path.Join(d, speechLayerFile)]; path.Base(name) == speechBandsFile && both && (!ok || d < dir) {
			dir, ok = d, true
		}
	}
	return dir, ok
}

// writeSpeech writes the files of speech-embedding into dir.
func writeSpeech(ctx context.Context, b *bundle, at, src, dir string, opt *ImportOptions) error {
	var nets []*exchange.ONNX
	var size int64
	for _, name := range []string{speechBandsFile, speechLayerFile} {
		data := b.files[path.Join(at, name)]
		net, err := exchange.ReadONNX(data, nil)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrSource, name, err)
		}
		defer net.Close()
		nets, size = append(nets, net), size+int64(len(data))
	}
	m := &Manifest{Architecture: SpeechEmbedding, Source: b.source(at)}
	return writeMedia(ctx, m, src, dir, size, opt, func(s *tensorSink) (int, error) {
		f := follow(nets[0], SpeechEmbedding+" ("+speechBandsFile+")", s)
		f.onnxBands()
		if err := f.result(); err != nil {
			return 0, err
		}
		f = follow(nets[1], SpeechEmbedding+" ("+speechLayerFile+")", s)
		m.Dim = f.onnxSpeech()
		return 0, f.result()
	})
}

// list compares a setting of a node with what it must be; absent may be what its absence stands for.
func (f *follower) list(n *exchange.Node, name string, absent []int, want ...int) {
	got := n.Ints(name)
	if len(got) == 0 {
		got = absent
	}
	if f.err == nil && !slices.Equal(got, want) {
		f.fail("%s has %s %v, not %v", n.Op, name, got, want)
	}
}

// constant compares a tensor of one number with what it must be, to the precision of float32.
func (f *follower) constant(name string, want float64) {
	if f.err != nil {
		return
	}
	t, err := f.net.Read(name)
	if err != nil {
		f.fail("%v", err)
		return
	}
	got := math.NaN()
	if len(t.Data) == 4 {
		got = float64(math.Float32frombits(binary.LittleEndian.Uint32(t.Data)))
	}
	if !(math.Abs(got-want) <= 1e-6*math.Abs(want)) && got != want {
		f.fail("%q is %v, not %v", name, got, want)
	}
}

// onnxBands takes the graph from samples to mel bands in decibels, see decibels.
func (f *follower) onnxBands() {
	if len(f.graph.Inputs) != 1 {
		f.fail("%d inputs, not one", len(f.graph.Inputs))
	}
	if f.err != nil {
		return
	}
	n := f.next("Unsqueeze", f.graph.Inputs[0])
	f.integers(f.input(n, 1), 1)
	wave := n.Outputs[0]
	var parts []string
	for _, part := range []string{"cos", "sin"} {
		n = f.next("Conv", wave)
		f.list(n, "strides", nil, speechHop)
		f.list(n, "pads", []int{0, 0}, 0, 0)
		f.list(n, "dilations", []int{1}, 1)
		f.numbers(n, map[string]int{"group": 1})
		f.weight("spectrum."+part, f.input(n, 1), channelFirst, f.shape(f.input(n, 1), spectrumBins, 1, speechFrame)...)
		parts = append(parts, n.Outputs[0])
	}
	for i, part := range parts {
		n = f.next("Unsqueeze", part)
		f.integers(f.input(n, 1), 1)
		n = f.next("Transpose", n.Outputs[0])
		f.list(n, "perm", nil, 0, 1, 3, 2)
		parts[i] = n.Outputs[0]
	}
	for i, part := range parts {
		n = f.next("Pow", part)
		f.constant(f.input(n, 1), 2)
		parts[i] = n.Outputs[0]
	}
	n = f.next("Add", parts[0])
	if f.input(n, 1) != parts[1] {
		f.fail("Add takes %.200q, not both squares", n.Inputs)
	}
	n = f.next("MatMul", n.Outputs[0])
	f.weight("spectrum.mel", f.input(n, 1), outLast, f.shape(f.input(n, 1), spectrumBins, speechBands)...)
	n = f.next("Clip", n.Outputs[0])
	f.constant(f.input(n, 1), speechFloor)
	f.constant(f.input(n, 2), math.Inf(1))
	n = f.next("Log", n.Outputs[0])
	n = f.next("Mul", n.Outputs[0])
	f.constant(f.input(n, 1), 10)
	n = f.next("Div", n.Outputs[0])
	f.constant(f.input(n, 1), math.Ln10)
	n = f.next("Sub", n.Outputs[0])
	f.constant(f.input(n, 1), 0)
	bands := n.Outputs[0]
	n = f.next("ReduceMax", bands)
	n = f.next("Sub", n.Outputs[0])
	f.constant(f.input(n, 1), speechRange)
	n = f.next("Cast", n.Outputs[0])
	least := n.Outputs[0]
	n = f.next("Clip", bands)
	if f.input(n, 1) != least {
		f.fail("Clip takes %.200q, not what is %d below the greatest", n.Inputs, speechRange)
	}
	f.constant(f.input(n, 2), math.Inf(1))
	f.end()
}

// onnxSpeech takes the graph from mel bands to vectors and gives their length.
func (f *follower) onnxSpeech() (dim int) {
	if len(f.graph.Inputs) != 1 {
		f.fail("%d inputs, not one", len(f.graph.Inputs))
	}
	if f.err != nil {
		return 0
	}
	n := f.next("Reshape", f.graph.Inputs[0])
	f.integers(f.input(n, 1), -1, 1, speechFrames, speechBands)
	x, width := n.Outputs[0], 1
	layers := speechLayers()
	for i, l := range layers {
		last := i == len(layers)-1
		x, width = f.onnxConv(fmt.Sprintf("layers.%d", i), x, width, l.window, !last)
		if last {
			break
		}
		n = f.next("LeakyRelu", x)
		if a := n.Float("alpha", 0.01); f.err == nil && a != speechSlope {
			f.fail("LeakyRelu has alpha %v, not %v", a, speechSlope)
		}
		n = f.next("Max", n.Outputs[0])
		f.constant(f.input(n, 1), speechMinimum)
		x = n.Outputs[0]
		if l.pool.Rows > 0 {
			n = f.next("MaxPool", x)
			f.list(n, "kernel_shape", nil, l.pool.Rows, l.pool.Cols)
			f.list(n, "strides", []int{1, 1}, l.pool.RowStep, l.pool.ColStep)
			f.list(n, "pads", []int{0, 0, 0, 0}, 0, 0, 0, 0)
			f.numbers(n, map[string]int{"ceil_mode": 0})
			x = n.Outputs[0]
		}
	}
	n = f.next("Reshape", x)
	f.integers(f.input(n, 1), -1, 1, 1, width)
	f.end()
	return width
}

// onnxConv takes a convolution over pictures of in channels and copies its numbers. It gives what comes out and its channels.
func (f *follower) onnxConv(to, x string, in int, w layer.Window, bias bool) (out string, channels int) {
	n := f.next("Conv", x)
	f.list(n, "kernel_shape", []int{w.Rows, w.Cols}, w.Rows, w.Cols)
	f.list(n, "strides", []int{1, 1}, w.RowStep, w.ColStep)
	f.list(n, "dilations", []int{1, 1}, 1, 1)
	f.numbers(n, map[string]int{"group": 1})
	if got := n.Text("auto_pad", "NOTSET"); f.err == nil && got != "NOTSET" {
		f.fail("Conv has auto_pad %q", got)
	}
	around := 0
	if w.SameCols {
		around = (w.Cols - 1) / 2
	}
	f.list(n, "pads", []int{0, 0, 0, 0}, 0, around, 0, around)
	shape := f.shape(f.input(n, 1), -1, in, w.Rows, w.Cols)
	f.weight(to+".weight", f.input(n, 1), channelFirst, shape...)
	if bias {
		if v := f.floats(f.input(n, 2), shape[0]); f.err == nil {
			f.out.floats(to+".bias", []int{shape[0]}, v)
		}
	}
	return n.Outputs[0], shape[0]
}
