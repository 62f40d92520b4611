package model

import (
	"fmt"
	"math"

	"engram/quant/model/layer"
)

// trunk is the convolutions of a MobileNet: a first one over all channels, blocks of depthwise and pointwise ones, and in
// version 2 a last one. What goes between them is kept within 0 and ceiling.
//
// Version 1: Howard et al. 2017, arXiv 1704.04861. Version 2: Sandler et al. 2018, arXiv 1801.04381.
type trunk struct {
	stem     *layer.Conv
	stemGrid grid
	blocks   []block
	last     *layer.Conv // nil: none
	lastGrid grid
	ceiling  float32
	width    int // channels of what comes out
}

// block is one step of a trunk.
type block struct {
	expand, project *layer.Conv // expand nil: none
	deep            *layer.Depthwise
	linear          bool // the projection is not cut off at 0 and ceiling
	around          bool // what came in is added to what comes out

	expandGrid, deepGrid, projectGrid, sumGrid grid
}

// stemStep is by how much the first convolution moves.
const stemStep = 2

// version1Steps is by how much the depthwise convolutions of version 1 move.
var version1Steps = []int{1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1}

// version2Steps is the same of version 2. Its first block expands nothing.
var version2Steps = []int{1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1}

// grid is the values that numbers between layers have in a network that was trained on codes of eight bits: value = (code -
// zero) * scale, with codes from 0 to 255. What lies outside is cut off, which the network was trained to count on. A zero grid
// changes nothing.
type grid struct{ scale, zero float32 }

// round brings numbers to the grid.
func (g grid) round(v []float32) {
	if g.scale == 0 {
		return
	}
	for i, x := range v {
		code := min(max(float32(math.RoundToEven(float64(x/g.scale)))+g.zero, 0), 255)
		v[i] = (code - g.zero) * g.scale
	}
}

// readGrid reads the grid of a layer's output, name+".output", zero where the model has none.
func readGrid(p *layer.Params, name string) (grid, error) {
	if !p.Has(name + ".output") {
		return grid{}, nil
	}
	v, err := p.Float32(name+".output", 2)
	if err != nil {
		return grid{}, err
	}
	if !(v[0] > 0 && v[0] < math.MaxFloat32) || !(v[1] >= 0 && v[1] <= 255) {
		return grid{}, fmt.Errorf("%w: %s.output is %v", ErrManifest, name, v)
	}
	return grid{v[0], v[1]}, nil
}

// trunkReader reads the layers of a trunk and keeps the first error.
type trunkReader struct {
	p   *layer.Params
	err error
}

func (r *trunkReader) conv(name string, out, in int, w layer.Window) (*layer.Conv, grid) {
	if r.err != nil {
		return &layer.Conv{}, grid{}
	}
	c, err := r.p.Conv(name, out, in, w)
	var g grid
	if err == nil {
		g, err = readGrid(r.p, name)
	}
	if r.err = err; err != nil {
		return &layer.Conv{}, grid{}
	}
	return c, g
}

func (r *trunkReader) depthwise(name string, channels int, w layer.Window) (*layer.Depthwise, grid) {
	if r.err != nil {
		return &layer.Depthwise{}, grid{}
	}
	d, err := r.p.Depthwise(name, channels, w)
	var g grid
	if err == nil {
		g, err = readGrid(r.p, name)
	}
	if r.err = err; err != nil {
		return &layer.Depthwise{}, grid{}
	}
	return d, g
}

// newTrunk reads the layers of a trunk over pictures of the given channels.
func newTrunk(p *layer.Params, version, channels int, ceiling float32) (*trunk, error) {
	r := &trunkReader{p: p}
	t := &trunk{ceiling: ceiling}
	t.stem, t.stemGrid = r.conv("stem", -1, channels, layer.Square(3, stemStep))
	width := t.stem.Out
	steps := version1Steps
	if version == 2 {
		steps = version2Steps
	}
	for i, step := range steps {
		b := block{linear: version == 2}
		name := fmt.Sprintf("blocks.%d.", i)
		inner := width
		if version == 2 && i > 0 {
			b.expand, b.expandGrid = r.conv(name+"expand", -1, width, layer.Square(1, 1))
			inner = b.expand.Out
		}
		b.deep, b.deepGrid = r.depthwise(name+"depthwise", inner, layer.Square(3, step))
		b.project, b.projectGrid = r.conv(name+"project", -1, inner, layer.Square(1, 1))
		if b.around = version == 2 && step == 1 && b.project.Out == width; b.around && r.err == nil {
			b.sumGrid, r.err = readGrid(p, name+"sum")
		}
		width = b.project.Out
		t.blocks = append(t.blocks, b)
	}
	if version == 2 {
		t.last, t.lastGrid = r.conv("last", -1, width, layer.Square(1, 1))
		width = t.last.Out
	}
	t.width = width
	return t, r.err
}

// run passes n pictures of rows by cols pixels through the trunk. What comes out, width numbers a pixel, lies in the scratch.
func (t *trunk) run(s *mediaScratch, x []float32, n, rows, cols int) (y []float32, outRows, outCols int) {
	y, rows, cols = t.conv(s, &s.a, t.stem, x, n, rows, cols)
	t.cut(y)
	t.stemGrid.round(y)
	for i := range t.blocks {
		y, rows, cols = t.block(s, &t.blocks[i], y, n, rows, cols)
	}
	if t.last != nil {
		y, rows, cols = t.conv(s, &s.b, t.last, y, n, rows, cols)
		t.cut(y)
		t.lastGrid.round(y)
	}
	return y, rows, cols
}

// block passes pictures through one block. What comes in lies in s.a, and what comes out does too.
func (t *trunk) block(s *mediaScratch, b *block, x []float32, n, rows, cols int) ([]float32, int, int) {
	y := x
	if b.expand != nil {
		y, _, _ = t.conv(s, &s.b, b.expand, y, n, rows, cols)
		t.cut(y)
		b.expandGrid.round(y)
	}
	outRows, outCols := b.deep.Over(rows, cols)
	deep := layer.Grow(&s.c, n*outRows*outCols*b.deep.Channels)
	b.deep.Apply(deep, y, n, rows, cols)
	t.cut(deep)
	b.deepGrid.round(deep)
	y, _, _ = t.conv(s, &s.b, b.project, deep, n, outRows, outCols)
	if !b.linear {
		t.cut(y)
	}
	b.projectGrid.round(y)
	if b.around {
		layer.Add(y, x)
		b.sumGrid.round(y)
	}
	s.a, s.b = s.b, s.a
	return y, outRows, outCols
}

func (t *trunk) conv(s *mediaScratch, to *[]float32, c *layer.Conv, x []float32, n, rows, cols int) ([]float32, int, int) {
	outRows, outCols := c.Over(rows, cols)
	y := layer.Grow(to, n*outRows*outCols*c.Out)
	c.Apply(y, x, n, rows, cols, &s.Scratch)
	return y, outRows, outCols
}

func (t *trunk) cut(v []float32) { layer.Clamp(v, 0, t.ceiling) }

// mediaScratch is the working memory of one run over a picture or a sound, kept for the next.
type mediaScratch struct {
	layer.Scratch
	a, b, c, input, front, power, mean []float32
}
