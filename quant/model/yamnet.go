package model

import (
	"context"
	"fmt"
	"math"

	"engram/quant/model/layer"
	"engram/quant/model/media"
)

// YAMNet is the architecture of a sound model for events of every kind: mel bands and a MobileNet of version 1 over 96 frames
// of them (https://github.com/tensorflow/models/tree/master/research/audioset/yamnet). The vector is the mean over windows of
// 0.975 seconds, one every 0.48 seconds.
const YAMNet = "yamnet"

// soundRate is the samples a second that the sound models were trained on.
const soundRate = 16_000

// The frames of YAMNet, in samples and in frames.
const (
	yamnetFrame  = 400
	yamnetHop    = 160
	yamnetFrames = 96 // of a window
	yamnetStep   = 48 // from window to window

	yamnetWindow = (yamnetFrames-1)*yamnetHop + yamnetFrame
)

type yamnet struct {
	spectrum *spectrum
	trunk    *trunk
	classify *layer.Conv
}

func newYAMNet(p *layer.Params, m *Manifest) (mediaNet, error) {
	n := &yamnet{}
	var err error
	if n.spectrum, err = newSpectrum(p, yamnetFrame, yamnetHop, true); err != nil {
		return nil, err
	}
	if n.trunk, err = newTrunk(p, 1, 1, math.MaxFloat32); err != nil {
		return nil, err
	}
	if n.trunk.width != m.Dim {
		return nil, fmt.Errorf("%w: the network makes %d numbers, dim is %d", ErrManifest, n.trunk.width, m.Dim)
	}
	n.classify, err = p.Conv("classifier", -1, m.Dim, layer.Square(1, 1))
	return n, err
}

func (n *yamnet) classes() int { return n.classify.Out }

func (n *yamnet) run(ctx context.Context, s *mediaScratch, b []byte, l *media.Limits, feature, scores []float32) error {
	sound, err := decodeSound(b, l)
	if err != nil {
		return err
	}
	return n.pass(ctx, s, sound, feature, scores)
}

// decodeSound decodes a sound and brings it to the rate of the models.
func decodeSound(b []byte, l *media.Limits) ([]float32, error) {
	sound, err := media.DecodeSound(b, l)
	if err != nil {
		return nil, err
	}
	return sound.Resample(soundRate).Samples, nil
}

// pass computes the vector and, where scores is not nil, the classes' scores, both the means over all windows. Silence follows
// the sound until its last window is whole.
func (n *yamnet) pass(ctx context.Context, s *mediaScratch, samples, feature, scores []float32) error {
	const step = yamnetStep * yamnetHop
	windows := 1 + (max(len(samples)-yamnetWindow, 0)+step-1)/step
	x := layer.Grow(&s.input, yamnetWindow+yamnetFrames*n.spectrum.bands)
	wave, bands := x[:yamnetWindow], x[yamnetWindow:]
	var one []float32
	if scores != nil {
		one = make([]float32, len(scores))
		clear(scores)
	}
	clear(feature)
	mean := layer.Grow(&s.mean, n.trunk.width)
	for w := range windows {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := copy(wave, samples[min(w*step, len(samples)):])
		clear(wave[k:])
		n.spectrum.run(s, bands, wave, yamnetFrames)
		for i, v := range bands {
			bands[i] = float32(math.Log(float64(v)))
		}
		y, rows, cols := n.trunk.run(s, bands, 1, yamnetFrames, n.spectrum.bands)
		layer.MeanRows(mean, y, rows*cols, n.trunk.width)
		layer.Add(feature, mean)
		if scores != nil {
			n.classify.Apply(one, mean, 1, 1, 1, &s.Scratch)
			for i, v := range one {
				scores[i] += float32(1 / (1 + math.Exp(-float64(v))))
			}
		}
	}
	for _, sum := range [][]float32{feature, scores} {
		for i := range sum {
			sum[i] /= float32(windows)
		}
	}
	return s.Err()
}

// check passes a second of silence through the network.
func (n *yamnet) check(ctx context.Context, s *mediaScratch, feature, scores []float32) error {
	return n.pass(ctx, s, make([]float32, soundRate), feature, scores)
}

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }
