package gptq

import (
	"math"

	"engram/quant"
)

// tile rounds some rows of the weights. Its memory serves for one tile after the other.
type tile struct {
	a      *answer
	rows   int
	turned []float32 // rows x n, the weights in the order of rounding, as they are after the errors so far
	errs   []float32 // rows x blockColumns, errors over U_jj
	carry  []float32 // rows x n, what a block's errors do to the columns behind it
	left   []float32 // rows x n, w - w'
	pull   []float32 // rows x n, left times a Hessian
	grids  []quant.Grid
	codes  []int8
	row    []float32
	near   []quant.Grid
}

func newTile(a *answer) *tile {
	n := a.p.n
	return &tile{
		a: a, turned: make([]float32, tileRows*n), errs: make([]float32, tileRows*blockColumns), carry: make([]float32, tileRows*n),
		left: make([]float32, tileRows*n), pull: make([]float32, tileRows*n), row: make([]float32, n),
		grids: make([]quant.Grid, tileRows*(n/a.p.group)), codes: make([]int8, tileRows*n),
	}
}

// run finds codes and grids for rows from to to-1.
func (t *tile) run(from, to int) error {
	a, n := t.a, t.a.p.n
	t.rows = to - from
	w := a.w[from*n : to*n]
	t.sweep(w)
	for range a.rounds {
		t.descend(w)
		t.refit(w)
	}
	if a.rounds > 0 {
		t.descend(w)
	}
	return t.judge(w, from)
}

// sweep is GPTQ itself.
func (t *tile) sweep(w []float32) {
	p, n := t.a.p, t.a.p.n
	for r := range t.rows {
		for j, at := range p.order {
			t.turned[r*n+j] = w[r*n+at]
		}
	}
	for _, b := range p.blocks {
		width := b.to - b.from
		for r := range t.rows {
			t.sweepRow(r, b, t.errs[r*width:(r+1)*width])
		}
		rest := n - b.to
		if rest == 0 {
			continue
		}
		carry := t.carry[:t.rows*rest]
		b.ahead.MulNT(t.rows, t.errs[:t.rows*width], carry)
		for r := range t.rows {
			sub(t.turned[r*n+b.to:(r+1)*n], carry[r*rest:(r+1)*rest])
		}
	}
}

// sweepRow rounds one row's columns of a block and writes their errors.
func (t *tile) sweepRow(r int, b block, errs []float32) {
	p, s, n := t.a.p, t.a.s, t.a.p.n
	groups := n / p.group
	row := t.turned[r*n : (r+1)*n]
	for i := b.from; i < b.to; i++ {
		k := r*groups + p.order[i]/p.group // groups stay together, so a group's columns all have the same k
		if i%p.group == 0 {
			if s.Granularity == quant.PerTensor {
				t.grids[k] = t.a.grids[0]
			} else {
				t.grids[k] = s.Fit(row[i:i+p.group], p.fees[i:i+p.group])
			}
		}
		g := t.grids[k]
		q := g.Code(s.Bits, row[i])
		t.codes[r*n+p.order[i]] = q
		u := p.u[i*n+i : i*n+b.to]
		e := (row[i] - g.Value(q)) / u[0]
		errs[i-b.from] = e
		axpy(row[i+1:b.to], -e, u[1:])
	}
}

// remain computes left = w - w' for the codes as they are and pull = left * H.
func (t *tile) remain(w []float32) {
	p, n := t.a.p, t.a.p.n
	groups := n / p.group
	for r := range t.rows {
		for j := range n {
			t.left[r*n+j] = w[r*n+j] - t.grids[r*groups+j/p.group].Value(t.codes[r*n+j])
		}
	}
	p.right.MulNT(t.rows, t.left[:t.rows*n], t.pull[:t.rows*n])
}

// descend makes every code in turn the best one given all others: with column j's share taken out, the loss is a parabola
// in what it stands for, whose lowest point is at w'_j + pull_j / H_jj.
func (t *tile) descend(w []float32) {
	p, n, bits := t.a.p, t.a.p.n, t.a.s.Bits
	groups := n / p.group
	t.remain(w)
	for r := range t.rows {
		left, pull, codes := t.left[r*n:(r+1)*n], t.pull[r*n:(r+1)*n], t.codes[r*n:(r+1)*n]
		for _, j := range p.order {
			g := t.grids[r*groups+j/p.group]
			now := g.Value(codes[j])
			q := g.Code(bits, now+pull[j]/p.h[j*n+j])
			if q == codes[j] {
				continue
			}
			d := g.Value(q) - now
			codes[j] = q
			left[j] -= d
			axpy(pull, -d, p.h[j*n:(j+1)*n])
		}
	}
}

// refit makes every grid in turn the best one given all codes. It has nothing to do where a grid is shared by rows, where the
// scheme does not choose by squared errors, and with 8 bits, whose grids are fine.
func (t *tile) refit(w []float32) {
	p, s, n := t.a.p, t.a.s, t.a.p.n
	if s.Granularity == quant.PerTensor || !s.LeastSquares || s.Bits == 8 {
		return
	}
	groups := n / p.group
	t.remain(w)
	for r := range t.rows {
		for k := range groups {
			t.refitGroup(r, k)
		}
	}
}

// refitGroup moves scale and offset of one group to the least loss, as far as the scheme allows. A change of the scale by a
// and of the offset by b takes a*codes + b off left, so the loss changes by
//
//	a^2 cHc + 2ab cH1 + b^2 1H1 - 2 (a c*pull + b 1*pull)
//
// with the sums over the group's columns.
func (t *tile) refitGroup(r, k int) {
	p, s, n, g := t.a.p, t.a.s, t.a.p.n, t.a.p.group
	from := k * g
	pull := t.pull[r*n : (r+1)*n]
	codes, row := t.codes[r*n+from:r*n+from+g], t.row[:g]
	for i, q := range codes {
		row[i] = float32(q)
	}
	var cHc, cH1, oneH1, cp, onep float64
	for i := range g {
		h := p.h[(from+i)*n+from : (from+i)*n+from+g]
		var hc, h1 float32
		for j, v := range h {
			hc += v * row[j]
			h1 += v
		}
		cHc += float64(row[i]) * float64(hc)
		cH1 += float64(row[i]) * float64(h1)
		oneH1 += float64(h1)
		cp += float64(row[i]) * float64(pull[from+i])
		onep += float64(pull[from+i])
	}
	old := t.grids[r*(n/g)+k]
	scale, offset := float64(old.Scale), -float64(old.Zero)*float64(old.Scale)
	var a, b float64
	if s.Symmetric {
		if cHc <= 0 {
			return
		}
		a = cp / cHc
	} else {
		det := cHc*oneH1 - cH1*cH1
		if det <= 1e-9*cHc*oneH1 {
			return // one code for all, or the like
		}
		a, b = (cp*oneH1-onep*cH1)/det, (onep*cHc-cp*cH1)/det
	}
	if v := scale + a; !(v > 0x1p-100 || v < -0x1p-100) {
		return
	}
	best, least, da, db := old, 0.0, 0.0, 0.0
	t.near = s.Near(t.near[:0], quant.Grid{Scale: float32(scale + a), Zero: float32(-(offset + b) / (scale + a))})
	for _, c := range t.near {
		a, b := float64(c.Scale)-scale, -float64(c.Zero)*float64(c.Scale)-offset
		if d := a*a*cHc + 2*a*b*cH1 + b*b*oneH1 - 2*(a*cp+b*onep); d < least {
			best, least, da, db = c, d, a, b
		}
	}
	if least == 0 {
		return
	}
	t.grids[r*(n/g)+k] = best
	for i := range g {
		d := float32(da*float64(row[i]) + db)
		t.left[r*n+from+i] -= d
		axpy(pull, -d, p.h[(from+i)*n:(from+i+1)*n])
	}
}

// judge measures the rows with the Hessian as it was seen, takes for each the better of the codes found and the nearest
// ones, and writes it to the answer.
func (t *tile) judge(w []float32, from int) error {
	a, n := t.a, t.a.p.n
	sums := a.sums[from : from+t.rows]
	a.energy.MulNT(t.rows, w, t.pull[:len(w)])
	for r := range sums {
		sums[r] = rowSums{energy: max(inner(w[r*n:(r+1)*n], t.pull[r*n:(r+1)*n]), 0), nearest: math.Inf(1)}
	}
	t.remain(w)
	for r, v := range t.measure() {
		sums[r].loss = v
	}
	nearest, err := a.nearestCodes(w, t.rows)
	if err != nil {
		return err
	}
	for _, q := range nearest {
		q.Dequantize(t.left[:len(w)])
		for i, v := range w {
			t.left[i] = v - t.left[i]
		}
		for r, v := range t.measure() {
			s := &sums[r]
			s.nearest = min(s.nearest, v)
			if v < s.loss {
				s.kept, s.loss = true, v
				t.keep(r, q)
			}
		}
	}
	copy(a.codes[from*n:], t.codes[:len(w)])
	if groups := n / a.p.group; a.s.Granularity != quant.PerTensor {
		copy(a.grids[from*groups:], t.grids[:t.rows*groups])
	}
	return nil
}

// nearestCodes rounds rows to the nearest codes: of the grids that the scheme chooses without inputs, and of those that it
// chooses by the mean squares of the inputs.
func (a *answer) nearestCodes(w []float32, rows int) (out []*quant.Quantized, err error) {
	n := a.p.n
	if a.s.Granularity == quant.PerTensor {
		codes := make([]int8, len(w))
		a.grids[0].Codes(codes, a.s.Bits, w)
		q := &quant.Quantized{Rows: rows, Cols: n, Scheme: a.s, Codes: quant.Pack(nil, a.s.Bits, codes),
			Scales: []float32{a.grids[0].Scale}, Zeros: []float32{a.grids[0].Zero}}
		return []*quant.Quantized{q}, nil
	}
	q, err := quant.QuantizeMatrix(a.s, rows, n, w)
	if err == nil {
		out = append(out, q)
	}
	if err == nil && a.s.LeastSquares {
		q, err = quant.QuantizeWeighted(a.s, rows, n, w, a.diagonal)
		out = append(out, q)
	}
	return out, err
}

// keep replaces row r by that of q.
func (t *tile) keep(r int, q *quant.Quantized) {
	n := t.a.p.n
	q.Unpack(t.codes[r*n:(r+1)*n], r*n)
	if groups := n / t.a.p.group; t.a.s.Granularity != quant.PerTensor {
		for k := range groups {
			t.grids[r*groups+k] = q.Grid(r*groups + k)
		}
	}
}

// measure gives the loss of each row for what left holds.
func (t *tile) measure() []float64 {
	n := t.a.p.n
	out := make([]float64, t.rows)
	t.a.raw.MulNT(t.rows, t.left[:t.rows*n], t.pull[:t.rows*n])
	for r := range out {
		out[r] = max(inner(t.left[r*n:(r+1)*n], t.pull[r*n:(r+1)*n]), 0)
	}
	return out
}

func sub(dst, src []float32) {
	for i, v := range src[:len(dst)] {
		dst[i] -= v
	}
}

// axpy adds a*x to y.
func axpy(y []float32, a float32, x []float32) {
	for i, v := range x[:len(y)] {
		y[i] += a * v
	}
}

func inner(x, y []float32) (sum float64) {
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}
