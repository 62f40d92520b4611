package media

import (
	"image"
	"image/color"
)

// Square cuts the largest square out of the middle of a picture, brings it to side x side pixels and writes them to dst:
// side*side*3 numbers from 0 to 255, row by row, red, green, blue. Transparent pixels lie over white.
//
// Pixels are interpolated linearly in both directions. Where the picture shrinks, each new pixel is the mean of all old ones
// below a triangle whose base grows with the factor, so that fine patterns do not turn into coarse ones (antialiasing). Colours are
// used as they are stored (sRGB), which is what vision models are trained on.
func (p *Picture) Square(dst []float32, side int) {
	cut := min(p.Width, p.Height)
	x0, y0 := (p.Width-cut)/2, (p.Height-cut)/2
	xs, ys := triangles(cut, side), triangles(cut, side)
	row := p.rows()
	line := make([]float32, cut*3)
	narrow := make([]float32, side*3)
	clear(dst[:side*side*3])
	first := 0 // the first row of dst that rows of the source may still add to
	for y := range cut {
		row(line, x0, y0+y)
		shrink(narrow, line, xs)
		for first < side && ys[first].from+len(ys[first].weight) <= y {
			first++
		}
		for out := first; out < side && ys[out].from <= y; out++ {
			if k := y - ys[out].from; k < len(ys[out].weight) {
				add(dst[out*side*3:(out+1)*side*3], narrow, ys[out].weight[k])
			}
		}
	}
}

// tap is what a new pixel is made of: weights of old ones, which sum to one.
type tap struct {
	from   int
	weight []float32
}

// triangles gives the taps that bring n pixels to m.
func triangles(n, m int) []tap {
	ratio := float64(n) / float64(m)
	base := max(ratio, 1) // half the base of the triangle, in old pixels
	out := make([]tap, m)
	for i := range out {
		centre := (float64(i)+0.5)*ratio - 0.5
		from, to := max(int(centre-base)-1, 0), min(int(centre+base)+2, n)
		var sum float64
		weights := make([]float64, 0, to-from)
		for j := from; j < to; j++ {
			w := 1 - abs(float64(j)-centre)/base
			if w <= 0 {
				if len(weights) == 0 {
					from = j + 1
				}
				if len(weights) > 0 {
					break
				}
				continue
			}
			weights = append(weights, w)
			sum += w
		}
		out[i] = tap{from, make([]float32, len(weights))}
		for k, w := range weights {
			out[i].weight[k] = float32(w / sum)
		}
	}
	return out
}

func abs(x float64) float64 { return max(x, -x) }

// shrink applies taps to a row of pixels of three numbers.
func shrink(dst, src []float32, taps []tap) {
	for i, t := range taps {
		var r, g, b float32
		for k, w := range t.weight {
			p := src[(t.from+k)*3:]
			r, g, b = r+w*p[0], g+w*p[1], b+w*p[2]
		}
		dst[i*3], dst[i*3+1], dst[i*3+2] = r, g, b
	}
}

func add(dst, src []float32, w float32) {
	for i, v := range src[:len(dst)] {
		dst[i] += w * v
	}
}

// rows returns a function that writes len(line)/3 pixels, beginning at (x, y), to line.
func (p *Picture) rows() func(line []float32, x, y int) {
	at := pixels(p.raw)
	b := p.raw.Bounds()
	return func(line []float32, x, y int) {
		for i := range len(line) / 3 {
			sx, sy := p.turn.source(x+i, y, p.Width, p.Height)
			line[i*3], line[i*3+1], line[i*3+2] = at(b.Min.X+sx, b.Min.Y+sy)
		}
	}
}

// pixels returns the fastest way to read a pixel of an image, over white, as 0 to 255.
func pixels(raw image.Image) func(x, y int) (r, g, b float32) {
	switch m := raw.(type) {
	case *image.YCbCr:
		return func(x, y int) (float32, float32, float32) {
			yi, ci := m.YOffset(x, y), m.COffset(x, y)
			r, g, b := color.YCbCrToRGB(m.Y[yi], m.Cb[ci], m.Cr[ci])
			return float32(r), float32(g), float32(b)
		}
	case *image.Gray:
		return func(x, y int) (float32, float32, float32) {
			v := float32(m.Pix[m.PixOffset(x, y)])
			return v, v, v
		}
	case *image.RGBA: // premultiplied
		return func(x, y int) (float32, float32, float32) {
			p := m.Pix[m.PixOffset(x, y):]
			white := 255 - float32(p[3])
			return float32(p[0]) + white, float32(p[1]) + white, float32(p[2]) + white
		}
	case *image.NRGBA:
		return func(x, y int) (float32, float32, float32) {
			p := m.Pix[m.PixOffset(x, y):]
			a := float32(p[3]) / 255
			white := 255 * (1 - a)
			return float32(p[0])*a + white, float32(p[1])*a + white, float32(p[2])*a + white
		}
	}
	return func(x, y int) (float32, float32, float32) {
		r, g, b, a := raw.At(x, y).RGBA() // premultiplied, 16 bits
		white := 0xffff - a
		return float32(r+white) / 257, float32(g+white) / 257, float32(b+white) / 257
	}
}
