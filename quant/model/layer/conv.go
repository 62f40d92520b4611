package layer

import "fmt"

// Window is how a convolution or a pooling goes over pictures: rows and columns that it sees at a time, and by how many it
// moves. Where Same is false it stays inside the picture ("VALID"); where it is true zeros are put around, as many as make the
// output the input's size divided by the stride, rounded up ("SAME"), the odd one below and to the right, as TensorFlow does
// it (https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2).
type Window struct {
	Rows, Cols       int
	RowStep, ColStep int
	SameRows         bool
	SameCols         bool
}

// Square is a window of side by side that moves by step, SAME in both directions.
func Square(side, step int) Window {
	return Window{Rows: side, Cols: side, RowStep: step, ColStep: step, SameRows: true, SameCols: true}
}

// span gives the outputs along one direction, none where the window does not fit, and the zeros before the first input.
func span(n, size, step int, same bool) (out, before int) {
	if !same {
		if n < size {
			return 0, 0
		}
		return (n-size)/step + 1, 0
	}
	out = (n + step - 1) / step
	return out, max((out-1)*step+size-n, 0) / 2
}

// Over gives the size of what comes out where pictures of rows by cols go in.
func (w Window) Over(rows, cols int) (outRows, outCols int) {
	outRows, _ = span(rows, w.Rows, w.RowStep, w.SameRows)
	outCols, _ = span(cols, w.Cols, w.ColStep, w.SameCols)
	if outRows == 0 || outCols == 0 {
		return 0, 0
	}
	return outRows, outCols
}

// single says that every output sees exactly the input in its place.
func (w Window) single() bool { return w.Rows == 1 && w.Cols == 1 && w.RowStep == 1 && w.ColStep == 1 }

// Conv is a convolution of pictures with In channels to pictures with Out channels. It may be used by many goroutines at
// once.
type Conv struct {
	Window
	In, Out int

	linear *Linear
}

// Conv returns the convolution of the tensors name+".weight", out rows of w.Rows * w.Cols * in numbers (a pixel's channels
// lie together, the pixels row by row), and name+".bias" where the file has one. -1 for out takes any number of channels.
func (p *Params) Conv(name string, out, in int, w Window) (*Conv, error) {
	if in < 1 || w.Rows < 1 || w.Cols < 1 || w.RowStep < 1 || w.ColStep < 1 {
		return nil, fmt.Errorf("layer: convolution %q of %d channels with window %+v", name, in, w)
	}
	l, err := p.Linear(name, out, w.Rows*w.Cols*in)
	if err != nil {
		return nil, err
	}
	return &Conv{Window: w, In: in, Out: l.Out, linear: l}, nil
}

// panelBytes is about how much of the unfolded picture is there at a time: it stays in the second-level cache.
const panelBytes = 256 << 10

// Apply convolves n pictures of rows by cols pixels. x has their pixels one after the other, row by row, In numbers each;
// dst gets as many pixels as Over says, Out numbers each. dst and x must not overlap. What comes out for a picture does not
// depend on the others, to the last bit. Where the weight cannot be read dst is zeros, and s.Err says why.
//
// The pixels that a window sees are laid side by side (im2col), a panel of windows at a time, and multiplied as Linear does.
func (c *Conv) Apply(dst, x []float32, n, rows, cols int, s *Scratch) {
	if c.single() {
		c.linear.Apply(dst, x, n*rows*cols, s)
		return
	}
	outRows, outCols := c.Over(rows, cols)
	width := c.linear.In
	panel := max(panelBytes/4/width, 1)
	total := n * outRows * outCols
	unfolded := Grow(&s.panel, min(panel, total)*width)
	for from := 0; from < total; from += panel {
		to := min(from+panel, total)
		for i := from; i < to; i++ {
			at := i % (outRows * outCols)
			picture := x[i/(outRows*outCols)*rows*cols*c.In:][:rows*cols*c.In]
			c.unfold(unfolded[(i-from)*width:(i-from+1)*width], picture, rows, cols, c.In, at/outCols, at%outCols)
		}
		c.linear.Apply(dst[from*c.Out:to*c.Out], unfolded, to-from, s)
	}
}

// unfold writes the pixels that the window sees at output (y, x), zeros where it looks out of the picture.
func (w Window) unfold(dst, picture []float32, rows, cols, channels, y, x int) {
	v := w.sees(y, x, rows, cols)
	for r := range w.Rows {
		line := dst[r*w.Cols*channels : (r+1)*w.Cols*channels]
		if r < v.fromRow || r >= v.toRow || v.fromCol >= v.toCol {
			clear(line)
			continue
		}
		clear(line[:v.fromCol*channels])
		clear(line[v.toCol*channels:])
		copy(line[v.fromCol*channels:v.toCol*channels], picture[((v.top+r)*cols+v.left+v.fromCol)*channels:])
	}
}

// Depthwise is a convolution of every channel for itself. It may be used by many goroutines at once.
type Depthwise struct {
	Window
	Channels int

	weight []float32 // a row a pixel of the window, Channels numbers each
	bias   []float32 // nil: none
}

// Depthwise returns the convolution of the tensors name+".weight", a row a channel of w.Rows * w.Cols numbers, and
// name+".bias" where the file has one. -1 for channels takes any number. The few numbers are kept as float32.
func (p *Params) Depthwise(name string, channels int, w Window) (*Depthwise, error) {
	if w.Rows < 1 || w.Cols < 1 || w.RowStep < 1 || w.ColStep < 1 {
		return nil, fmt.Errorf("layer: convolution %q with window %+v", name, w)
	}
	size := w.Rows * w.Cols
	v, err := p.Float32(name+".weight", channels, size)
	if err != nil {
		return nil, err
	}
	d := &Depthwise{Window: w, Channels: len(v) / size, weight: make([]float32, len(v))}
	for c := range d.Channels {
		for i := range size {
			d.weight[i*d.Channels+c] = v[c*size+i]
		}
	}
	if p.Has(name + ".bias") {
		if d.bias, err = p.Float32(name+".bias", d.Channels); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Apply convolves n pictures, as Conv.Apply does; pixels have Channels numbers before and after.
func (d *Depthwise) Apply(dst, x []float32, n, rows, cols int) {
	outRows, outCols := d.Over(rows, cols)
	ch := d.Channels
	for i := range n * outRows * outCols {
		out := dst[i*ch : (i+1)*ch]
		if d.bias != nil {
			copy(out, d.bias)
		} else {
			clear(out)
		}
		v := d.sees(i/outCols%outRows, i%outCols, rows, cols)
		picture := x[i/(outRows*outCols)*rows*cols*ch:]
		for r := v.fromRow; r < v.toRow; r++ {
			for c := v.fromCol; c < v.toCol; c++ {
				w, in := d.weight[(r*d.Cols+c)*ch:][:ch], picture[((v.top+r)*cols+v.left+c)*ch:][:ch]
				for k := range out {
					out[k] += w[k] * in[k]
				}
			}
		}
	}
}

// view is what a window sees: where its first pixel lies, and the rows and columns of the window that lie in the picture.
type view struct {
	top, left, fromRow, toRow, fromCol, toCol int
}

// sees gives what the window sees at output (y, x).
func (w Window) sees(y, x, rows, cols int) view {
	_, top := span(rows, w.Rows, w.RowStep, w.SameRows)
	_, left := span(cols, w.Cols, w.ColStep, w.SameCols)
	top, left = y*w.RowStep-top, x*w.ColStep-left
	return view{top, left, max(-top, 0), min(w.Rows, rows-top), max(-left, 0), min(w.Cols, cols-left)}
}

// MaxPool writes the greatest number of every channel in every window over n pictures of rows by cols pixels of channels
// numbers. What a window sees outside of the picture does not count.
func MaxPool(dst, x []float32, n, rows, cols, channels int, w Window) {
	outRows, outCols := w.Over(rows, cols)
	for i := range n * outRows * outCols {
		out := dst[i*channels : (i+1)*channels]
		v := w.sees(i/outCols%outRows, i%outCols, rows, cols)
		picture := x[i/(outRows*outCols)*rows*cols*channels:]
		copy(out, picture[((v.top+v.fromRow)*cols+v.left+v.fromCol)*channels:])
		for r := v.fromRow; r < v.toRow; r++ {
			for c := v.fromCol; c < v.toCol; c++ {
				in := picture[((v.top+r)*cols+v.left+c)*channels:][:channels]
				for k := range out {
					out[k] = max(out[k], in[k])
				}
			}
		}
	}
}

// MeanRows writes the mean of n rows of width numbers to dst; of no rows it is zeros.
func MeanRows(dst, x []float32, n, width int) {
	dst = dst[:width]
	clear(dst)
	for i := range n {
		Add(dst, x[i*width:])
	}
	scale := float32(max(n, 1))
	for i := range dst {
		dst[i] /= scale
	}
}

// Clamp brings every number into low to high.
func Clamp(v []float32, low, high float32) {
	for i, x := range v {
		v[i] = min(max(x, low), high)
	}
}

// LeakyReLU multiplies what is below 0 by slope.
func LeakyReLU(v []float32, slope float32) {
	for i, x := range v {
		if x < 0 {
			v[i] = x * slope
		}
	}
}
