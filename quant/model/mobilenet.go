package model

import (
	"context"
	"fmt"

	"engram/quant/model/layer"
	"engram/quant/model/media"
)

// The architectures of pictures: MobileNet of version 1 and 2 (see trunk). The vector is the mean over the picture of what the
// last convolution gives.
const (
	MobileNetV1 = "mobilenet-v1"
	MobileNetV2 = "mobilenet-v2"
)

// relu6 is where the activations of both versions are cut off (Krizhevsky 2010).
const relu6 = 6

// mobileNet is the network of a picture model.
type mobileNet struct {
	side          int
	scale, offset float32 // what becomes of a colour from 0 to 255
	input         grid
	trunk         *trunk
	pool          grid
	classify      *layer.Conv // the classes' scores before softmax
	scores        grid
}

func newMobileNet(p *layer.Params, m *Manifest) (mediaNet, error) {
	version := 1
	if m.Architecture == MobileNetV2 {
		version = 2
	}
	n := &mobileNet{side: m.Config.ImageSize, scale: float32(m.Config.PixelScale), offset: float32(m.Config.PixelOffset)}
	var err error
	if n.trunk, err = newTrunk(p, version, 3, relu6); err != nil {
		return nil, err
	}
	if n.trunk.width != m.Dim {
		return nil, fmt.Errorf("%w: the network makes %d numbers, dim is %d", ErrManifest, n.trunk.width, m.Dim)
	}
	r := &trunkReader{p: p}
	n.classify, n.scores = r.conv("classifier", -1, m.Dim, layer.Square(1, 1))
	if r.err == nil {
		n.input, r.err = readGrid(p, "input")
	}
	if r.err == nil {
		n.pool, r.err = readGrid(p, "pool")
	}
	return n, r.err
}

func (n *mobileNet) classes() int { return n.classify.Out }

// run decodes a picture and passes its middle square through the network.
func (n *mobileNet) run(ctx context.Context, s *mediaScratch, b []byte, l *media.Limits, feature, scores []float32) error {
	p, err := media.DecodePicture(b, l)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	x := layer.Grow(&s.input, n.side*n.side*3)
	p.Square(x, n.side)
	n.pass(s, x, feature, scores)
	return s.Err()
}

// pass computes the vector and, where scores is not nil, the share of each class, from colours of 0 to 255, which it changes.
func (n *mobileNet) pass(s *mediaScratch, x, feature, scores []float32) {
	for i, v := range x {
		x[i] = v*n.scale + n.offset
	}
	n.input.round(x)
	y, rows, cols := n.trunk.run(s, x, 1, n.side, n.side)
	layer.MeanRows(feature, y, rows*cols, n.trunk.width)
	n.pool.round(feature)
	if scores != nil {
		n.classify.Apply(scores, feature, 1, 1, 1, &s.Scratch)
		n.scores.round(scores)
		layer.Softmax(scores)
	}
}

// check passes a grey picture through the network.
func (n *mobileNet) check(_ context.Context, s *mediaScratch, feature, scores []float32) error {
	x := layer.Grow(&s.input, n.side*n.side*3)
	for i := range x {
		x[i] = 127.5
	}
	n.pass(s, x, feature, scores)
	return s.Err()
}
