package quant

import "math"

// Grids of least squares. With codes c counted from 0 and numbers w ~ s*c + m, the best s and m for given codes are those
// of a straight line through the points (c, w); the best codes for given s and m are those of rounding. Both steps lower
// the error, so they are taken in turn (Lloyd's method) from several starts: the range of the numbers and narrower ones.

// The starts of a search, as shares of the range that the codes span, and how many of the best go on.
var starts = map[int][]float64{
	2: {1, 0.92, 0.85, 0.78, 0.71, 0.64, 0.57, 0.5},
	3: {1, 0.95, 0.9, 0.85, 0.8, 0.74, 0.68, 0.6},
	4: {1, 0.97, 0.94, 0.91, 0.88, 0.84, 0.8, 0.74},
	8: {1, 0.99, 0.97, 0.94},
}

// lloydSteps bounds the steps after the starts.
const lloydSteps = 4

// fitter chooses grids one after the other for one scheme.
type fitter struct{ s Scheme }

// line is a grid with codes from 0: w ~ s*c + m, and the squared error of the numbers that it was fitted to.
type line struct{ s, m, err float64 }

// moments are sums over the numbers of a span that do not depend on the codes. Weighted, n is the sum of the weights.
type moments struct{ n, w, ww, lo, hi float64 }

func (f *fitter) fit(w, v []float32) Grid {
	if !f.s.LeastSquares {
		g := f.s.span(w)
		if f.s.Coarse {
			return f.coarse(g, w, v)
		}
		return g
	}
	mo := momentsOf(w, v)
	if mo.n == 0 { // nothing counts
		v, mo = nil, momentsOf(w, nil)
	}
	if mo.hi-mo.lo <= 0x1p-100 || mo.hi-mo.lo < 1e-12*max(mo.hi, -mo.lo) {
		return f.constant(float32(mo.lo), w, v, mo)
	}
	var g Grid
	if f.s.Symmetric {
		g = f.symmetric(w, v, mo)
	} else {
		g = f.affine(w, v, mo)
	}
	if f.s.Coarse {
		g = f.coarse(g, w, v)
	}
	return g
}

// constant is the grid of numbers that are all x.
func (f *fitter) constant(x float32, w, v []float32, mo moments) Grid {
	switch {
	case x == 0 || safeScale(float32(math.Abs(float64(x)))) == 1:
		return Grid{Scale: 1}
	case f.s.Coarse:
		return f.coarse(Grid{Scale: x / float32(f.s.low())}, w, v)
	}
	return Grid{Scale: x / float32(f.s.low())} // the lowest code is a power of two, so this is exact
}

func momentsOf(w, v []float32) moments {
	mo := moments{n: float64(len(w))}
	if len(w) > 0 {
		mo.lo, mo.hi = float64(w[0]), float64(w[0])
	}
	if v != nil {
		mo.n = 0
	}
	for i, x := range w {
		a, h := float64(x), 1.0
		if v != nil {
			h = float64(v[i])
			mo.n += h
		}
		mo.w += h * a
		mo.ww += h * a * a
		mo.lo, mo.hi = min(mo.lo, a), max(mo.hi, a)
	}
	return mo
}

// affine finds the best of the grids with scale and zero point.
func (f *fitter) affine(w, v []float32, mo moments) Grid {
	top := float64(f.s.top())
	best := line{err: math.Inf(1)}
	try := func(s, m float64) line {
		l := refit(w, v, mo, s, m, int32(top))
		if l.err < best.err {
			best = l
		}
		return l
	}
	mid, mean := (mo.lo+mo.hi)/2, mo.w/mo.n
	for _, share := range starts[f.s.Bits] {
		s := (mo.hi - mo.lo) * share / top
		try(s, mid-s*top/2)
		if share < 1 {
			try(s, (mid+mean)/2-s*top/2)
		}
	}
	for range lloydSteps {
		before := best.err
		try(best.s, best.m)
		if best.err >= before*(1-1e-4) {
			break
		}
	}
	g := Grid{Scale: float32(best.s), Zero: float32(float64(f.s.low()) - best.m/best.s)}
	// The widened span may be the better one where rounding of s and m to float32 counts, as for numbers far from 0.
	if r := f.s.span(w); f.errorOf(r, w, v) < f.errorOf(g, w, v) {
		return r
	}
	return g
}

// refit rounds the numbers to a line's codes and gives the best line for these codes, with its error.
func refit(w, v []float32, mo moments, s, m float64, top int32) line {
	inv := 1 / s
	c, cc, wc := codeSums(w, v, float32(inv), float32(0.5-m*inv), top)
	d := mo.n*cc - c*c
	if d <= 1e-9*mo.n*cc {
		return line{err: math.Inf(1)} // one code for all
	}
	l := line{s: (mo.n*wc - mo.w*c) / d}
	l.m = (mo.w - l.s*c) / mo.n
	l.err = max(mo.ww-l.s*wc-l.m*mo.w, 0)
	if !(math.Abs(l.s) > 0x1p-120) {
		return line{err: math.Inf(1)}
	}
	return l
}

// sumBlock is how many numbers are summed in float32 before the sum is carried to float64.
const sumBlock = 64

// codeSums rounds the numbers, code = floor(w*inv + off) cut to 0..top, and gives the sums of the codes, of their squares
// and of number times code, each weighted with v unless v is nil.
func codeSums(w, v []float32, inv, off float32, top int32) (c, cc, wc float64) {
	for len(w) > 0 {
		n := min(len(w), sumBlock)
		var b, bb, xb float32
		if v == nil {
			var ib, ibb int32
			for _, x := range w[:n] {
				k := min(max(int32(x*inv+off), 0), top)
				ib += k
				ibb += k * k
				xb += x * float32(k)
			}
			b, bb = float32(ib), float32(ibb)
		} else {
			for i, x := range w[:n] {
				k := float32(min(max(int32(x*inv+off), 0), top))
				h := v[i] * k
				b += h
				bb += h * k
				xb += h * x
			}
			v = v[n:]
		}
		c, cc, wc, w = c+float64(b), cc+float64(bb), wc+float64(xb), w[n:]
	}
	return c, cc, wc
}

// symmetric finds the best of the grids whose zero point is 0, with either sign of the scale: the codes reach one step
// further below 0 than above.
func (f *fitter) symmetric(w, v []float32, mo moments) Grid {
	low, top := float64(f.s.low()), int32(f.s.top())
	best, gain := f.s.span(w), -1.0
	most := max(mo.hi, -mo.lo)
	try := func(s float64) {
		// The codes counted from 0 are q - low, so the sums over q follow from those over c.
		c, cc, wc := codeSums(w, v, float32(1/s), float32(0.5-low), top)
		qq := cc + 2*low*c + low*low*mo.n
		wq := wc + low*mo.w
		if qq <= 0 {
			return
		}
		if g := wq * wq / qq; g > gain && math.Abs(wq/qq) > 0x1p-120 {
			gain, best = g, Grid{Scale: float32(wq / qq)}
		}
	}
	for _, share := range starts[f.s.Bits] {
		for _, reach := range []float64{low, -low - 1, low + 0.5} {
			if mo.lo+mo.hi > 0 { // the longer side is above 0: turn the grid
				try(most * share / reach)
			} else {
				try(-most * share / reach)
			}
		}
	}
	for range lloydSteps {
		before := gain
		try(float64(best.Scale))
		if gain <= before*(1+1e-6) {
			break
		}
	}
	if r := f.s.span(w); f.errorOf(r, w, v) < f.errorOf(best, w, v) {
		return r
	}
	return best
}

// errorOf is the weighted squared error of rounding to g.
func (f *fitter) errorOf(g Grid, w, v []float32) float64 {
	inv, low, high := 1/g.Scale, float32(f.s.low()), float32(f.s.low()+f.s.top())
	var sum float64
	for i, x := range w {
		d := float64(x - (roundIn(x*inv+g.Zero, low, high)-g.Zero)*g.Scale)
		if v != nil {
			d *= d * float64(v[i])
		} else {
			d *= d
		}
		sum += d
	}
	return sum
}

// roundMagic added to a number below 2^22 leaves no room for a fraction, so the sum is rounded to whole numbers.
const roundMagic = 3 << 22

// roundIn is x as the nearest whole number from low to high, the even one of two.
func roundIn(x, low, high float32) float32 {
	if x < low {
		return low
	}
	if x > high {
		return high
	}
	return float32(x+roundMagic) - roundMagic
}

// coarseSteps is how finely coarse grids divide: scales an octave, and zero points a step of the codes.
func (s Scheme) coarseSteps() (scales, zeros float64) {
	if s.Bits == 4 {
		return 12, 8
	}
	return 8, 4
}

// coarse rounds a grid to what Scheme.Coarse allows and takes the best of the neighbours.
func (f *fitter) coarse(g Grid, w, v []float32) Grid {
	var near [nearGrids]Grid
	best, least := g, math.Inf(1)
	for _, c := range f.s.Near(near[:0], g) {
		if err := f.errorOf(c, w, v); err < least {
			best, least = c, err
		}
	}
	return best
}

// nearGrids is how many grids Near gives at most.
const nearGrids = 9

// Near appends to dst the grids that the scheme allows nearest to g: g itself, or with Coarse the three nearest scales, each
// with the three nearest zero points that keep the middle of the codes where it is, the nearest of all first. The zero
// point of a symmetric scheme is 0.
func (s Scheme) Near(dst []Grid, g Grid) []Grid {
	if s.Symmetric {
		g.Zero = 0
	}
	if !s.Coarse {
		return append(dst, g)
	}
	perOctave, perStep := s.coarseSteps()
	exp := math.Round(math.Log2(math.Abs(float64(g.Scale))) * perOctave)
	middle := float64(s.low()) + float64(s.top())/2
	centre := (middle - float64(g.Zero)) * float64(g.Scale) // the number in the middle of the grid
	for _, e := range []float64{0, -1, 1} {
		scale := math.Copysign(math.Exp2((exp+e)/perOctave), float64(g.Scale))
		if s.Symmetric {
			dst = append(dst, Grid{Scale: float32(scale)})
			continue
		}
		near := math.Round((middle - centre/scale) * perStep)
		for _, z := range []float64{0, -1, 1} {
			dst = append(dst, Grid{Scale: float32(scale), Zero: float32((near + z) / perStep)})
		}
	}
	return dst
}
