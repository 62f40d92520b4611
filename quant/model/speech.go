package model

import (
	"context"
	"fmt"
	"math"

	"engram/quant/model/layer"
	"engram/quant/model/media"
)

// SpeechEmbedding is the architecture of a model for speech: mel bands and convolutions along time and frequency (Lin et al.
// 2020, arXiv 2002.01322; https://github.com/dscripka/openWakeWord). The vector is the mean over windows of 0.775 seconds, one
// every 80 milliseconds.
const SpeechEmbedding = "speech-embedding"

// The frames of speech-embedding, in samples and in frames.
const (
	speechFrame  = 512
	speechHop    = 160
	speechBands  = 32
	speechFrames = 76 // of a window
	speechStep   = 8  // from window to window, what the poolings divide time by
	speechChunk  = 32 // windows that pass the layers together
)

// The curves of speech-embedding.
const (
	speechFloor   = 1e-10 // the least power
	speechRange   = 80    // decibels below the loudest band of the sound that count
	speechSlope   = 0.2   // of activations below 0
	speechMinimum = -0.4  // the least activation
)

// speechLayer is one convolution of speech-embedding and the pooling after it.
type speechLayer struct {
	window layer.Window
	pool   layer.Window // Rows 0: none
	conv   *layer.Conv
}

// speechLayers lists the convolutions: along frequency with zeros around, along time without.
func speechLayers() []speechLayer {
	along := layer.Window{Rows: 1, Cols: 3, RowStep: 1, ColStep: 1, SameCols: true}
	over := layer.Window{Rows: 3, Cols: 1, RowStep: 1, ColStep: 1}
	both := layer.Window{Rows: 3, Cols: 3, RowStep: 1, ColStep: 1, SameCols: true}
	half := layer.Window{Rows: 2, Cols: 2, RowStep: 2, ColStep: 2}
	narrow := layer.Window{Rows: 1, Cols: 2, RowStep: 1, ColStep: 2}
	out := []speechLayer{{window: both}, {window: along}, {window: over, pool: half}}
	for _, pool := range []layer.Window{narrow, half, narrow, half} {
		out = append(out, speechLayer{window: along}, speechLayer{window: over}, speechLayer{window: along}, speechLayer{window: over, pool: pool})
	}
	return append(out, speechLayer{window: over})
}

type speechNet struct {
	spectrum *spectrum
	layers   []speechLayer
}

func newSpeech(p *layer.Params, m *Manifest) (mediaNet, error) {
	n := &speechNet{layers: speechLayers()}
	var err error
	if n.spectrum, err = newSpectrum(p, speechFrame, speechHop, false); err != nil {
		return nil, err
	}
	if n.spectrum.bands != speechBands {
		return nil, fmt.Errorf("%w: %d bands, the model needs %d", ErrManifest, n.spectrum.bands, speechBands)
	}
	width := 1
	for i := range n.layers {
		l := &n.layers[i]
		if l.conv, err = p.Conv(fmt.Sprintf("layers.%d", i), -1, width, l.window); err != nil {
			return nil, err
		}
		width = l.conv.Out
	}
	if width != m.Dim {
		return nil, fmt.Errorf("%w: the network makes %d numbers, dim is %d", ErrManifest, width, m.Dim)
	}
	return n, nil
}

func (n *speechNet) classes() int { return 0 }

func (n *speechNet) run(ctx context.Context, s *mediaScratch, b []byte, l *media.Limits, feature, _ []float32) error {
	sound, err := decodeSound(b, l)
	if err != nil {
		return err
	}
	return n.pass(ctx, s, sound, feature)
}

// pass computes the mean vector over all windows. Half a window of silence lies before and after the sound, so that its ends
// are heard in the middle of a window too and a word shorter than a window is heard at every place in it; more follows until the
// last window is whole.
//
// The layers see time as it is, without zeros around, so that many windows pass as one long picture: what they share is computed
// once, and the result is that of each window by itself.
func (n *speechNet) pass(ctx context.Context, s *mediaScratch, samples, feature []float32) error {
	const window = (speechFrames-1)*speechHop + speechFrame
	const step = speechStep * speechHop
	windows := 1 + (len(samples)+step-1)/step // of the samples and two halves of a window
	wave := layer.Grow(&s.input, window+(windows-1)*step)
	clear(wave[:window/2])
	clear(wave[window/2+copy(wave[window/2:], samples):])
	for i := range wave {
		wave[i] *= 1 << 15 // the model was trained on the numbers of 16 bits
	}
	frames := speechFrames + (windows-1)*speechStep
	bands := make([]float32, frames*speechBands)
	n.spectrum.run(s, bands, wave, frames)
	decibels(bands)
	clear(feature)
	for from := 0; from < windows; from += speechChunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from+speechChunk, windows)
		y := n.convolve(s, bands[from*speechStep*speechBands:], speechFrames+(to-from-1)*speechStep)
		for i := range to - from {
			layer.Add(feature, y[i*len(feature):])
		}
	}
	for i := range feature {
		feature[i] /= float32(windows)
	}
	return s.Err()
}

// decibels brings powers to a logarithmic scale: nothing is more than speechRange below the loudest, and tens of decibels become
// ones, around 2.
func decibels(v []float32) {
	loudest := float32(math.Inf(-1))
	for i, x := range v {
		v[i] = float32(math.Log(max(float64(x), speechFloor)) * (10 / math.Ln10))
		loudest = max(loudest, v[i])
	}
	for i, x := range v {
		v[i] = max(x, loudest-speechRange)/10 + 2
	}
}

// convolve passes frames of bands through the layers. A vector for every speechStep frames from the first window on comes out.
func (n *speechNet) convolve(s *mediaScratch, x []float32, rows int) []float32 {
	cols := speechBands
	from, to := &s.a, &s.b
	for i := range n.layers {
		l := &n.layers[i]
		outRows, outCols := l.conv.Over(rows, cols)
		y := layer.Grow(to, outRows*outCols*l.conv.Out)
		l.conv.Apply(y, x, 1, rows, cols, &s.Scratch)
		rows, cols = outRows, outCols
		if i < len(n.layers)-1 {
			layer.LeakyReLU(y, speechSlope)
			layer.Clamp(y, speechMinimum, math.MaxFloat32)
		}
		x, from, to = y, to, from
		if l.pool.Rows > 0 {
			outRows, outCols = l.pool.Over(rows, cols)
			y = layer.Grow(to, outRows*outCols*l.conv.Out)
			layer.MaxPool(y, x, 1, rows, cols, l.conv.Out, l.pool)
			rows, cols = outRows, outCols
			x, from, to = y, to, from
		}
	}
	return x
}

// check passes a second of silence through the network.
func (n *speechNet) check(ctx context.Context, s *mediaScratch, feature, _ []float32) error {
	return n.pass(ctx, s, make([]float32, soundRate), feature)
}
