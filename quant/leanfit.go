package quant

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"engram/accel"
)

// FitLean makes the Lean with the smallest records that still tell near rows apart, measured on sample, which holds rows of dim
// elements back to back: of every probe's nearest rows of the sample, the share agreement (0 to 1) is among the few more
// that records say are nearest. largest, if not 0, bounds the size of a record, at least accel.CodeLine: where none agrees so well, it is the
// largest that may be. The error is ErrParams, or that of ctx.
func FitLean(ctx context.Context, dim int, sample []float32, agreement float64, largest int) (*Lean, error) {
	if err := checkDim(dim); err != nil {
		return nil, err
	}
	f := &leanFit{dim: dim, rows: onlyFinite(dim, sample)}
	f.findCentre()
	whole := f.make(nil, false)
	full := whole.CodeSize()
	var sizes []int
	for _, size := range LeanSizes {
		if size < full && (largest == 0 || size <= largest) {
			sizes = append(sizes, size)
		}
	}
	fits := largest == 0 || full <= largest
	if len(sizes) == 0 || f.n() < 100 && fits {
		return whole, ctx.Err()
	}
	most := min(nibblesIn(sizes[len(sizes)-1]), dim)
	if err := f.findDirections(ctx, most); err != nil {
		return nil, err
	}
	f.findNearest()
	for i, size := range sizes {
		kept := min(nibblesIn(size), dim)
		l := f.make(f.directions[:kept*dim], true)
		if last := !fits && (i == len(sizes)-1 || kept == dim); last || f.agreement(l) >= agreement {
			return l, ctx.Err()
		}
		if kept == dim {
			break // more room holds nothing more
		}
	}
	return whole, ctx.Err()
}

type leanFit struct {
	dim        int
	rows       []float32
	centre     []float32
	directions []float32 // rows, those of most variance first
	probes     []int     // rows whose neighbours are known
	near       [][]uint32
}

func (f *leanFit) n() int { return len(f.rows) / f.dim }

func (f *leanFit) row(i int) []float32 { return f.rows[i*f.dim : (i+1)*f.dim] }

// onlyFinite returns the rows without those that hold NaN or infinities.
func onlyFinite(dim int, rows []float32) []float32 {
	out := make([]float32, 0, len(rows))
	for ; len(rows) >= dim; rows = rows[dim:] {
		if finite(accel.SqNorm(rows[:dim])) {
			out = append(out, rows[:dim]...)
		}
	}
	return out
}

func (f *leanFit) findCentre() {
	sums := make([]float64, f.dim)
	for i := range f.n() {
		for j, x := range f.row(i) {
			sums[j] += float64(x)
		}
	}
	f.centre = make([]float32, f.dim)
	for j, s := range sums {
		f.centre[j] = float32(s / float64(max(1, f.n())))
	}
}

// findDirections finds the most directions of largest variance by orthogonal iteration on the covariance of the rows.
func (f *leanFit) findDirections(ctx context.Context, most int) error {
	c := f.covariance()
	r := rand.New(rand.NewPCG(3, 4))
	q := make([]float32, most*f.dim)
	for i := range q {
		q[i] = float32(r.NormFloat64())
	}
	next := make([]float32, len(q))
	for range 8 {
		if err := ctx.Err(); err != nil {
			return err
		}
		orthonormalise(q, f.dim)
		for i := 0; i < len(q); i += f.dim {
			accel.DotRows(q[i:i+f.dim], c, next[i:i+f.dim])
		}
		q, next = next, q
	}
	orthonormalise(q, f.dim)
	f.directions = q
	f.sortDirections(c)
	return nil
}

// sortDirections puts the directions of largest variance first: those of the iteration are nearly so already.
func (f *leanFit) sortDirections(c []float32) {
	n := len(f.directions) / f.dim
	variance, order := make([]float32, n), make([]int, n)
	cu := make([]float32, f.dim)
	for i := range n {
		u := f.directions[i*f.dim : (i+1)*f.dim]
		accel.DotRows(u, c, cu)
		variance[i], order[i] = accel.Dot(u, cu), i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case variance[a] > variance[b]:
			return -1
		case variance[a] < variance[b]:
			return 1
		}
		return 0
	})
	sorted := make([]float32, 0, len(f.directions))
	for _, i := range order {
		sorted = append(sorted, f.directions[i*f.dim:(i+1)*f.dim]...)
	}
	f.directions = sorted
}

// covariance is dim*dim sums of products over a few thousand rows.
func (f *leanFit) covariance() []float32 {
	n := min(f.n(), max(2048, 4*f.dim), 8192)
	columns := make([]float32, f.dim*n) // a row of columns is one dimension of every row
	for i := range n {
		row := f.row(i * f.n() / n)
		for j, x := range row {
			columns[j*n+i] = x - f.centre[j]
		}
	}
	c := make([]float32, f.dim*f.dim)
	const block = 16 // columns compared while the cache holds them
	for from := 0; from < f.dim; from += block {
		to := min(from+block, f.dim)
		for i := range to {
			first := max(i, from)
			accel.DotRows(columns[i*n:(i+1)*n], columns[first*n:to*n], c[i*f.dim+first:i*f.dim+to])
		}
	}
	for i := range f.dim {
		for j := range i {
			c[i*f.dim+j] = c[j*f.dim+i]
		}
	}
	return c
}

// orthonormalise makes the rows of q orthonormal, by Gram-Schmidt done twice.
func orthonormalise(q []float32, dim int) {
	dots := make([]float32, len(q)/dim)
	for i := 0; i < len(q)/dim; i++ {
		v := q[i*dim : (i+1)*dim]
		for range 2 {
			scale(v, 1/float32(math.Sqrt(float64(max(accel.SqNorm(v), math.SmallestNonzeroFloat32)))))
			if i == 0 {
				continue
			}
			accel.DotRows(v, q[:i*dim], dots[:i])
			for j, d := range dots[:i] {
				u := q[j*dim : (j+1)*dim]
				for k := range v {
					v[k] -= d * u[k]
				}
			}
		}
		n := accel.SqNorm(v)
		if !(n > 0) {
			clear(v)
			continue
		}
		scale(v, 1/float32(math.Sqrt(float64(n))))
	}
}

func scale(v []float32, by float32) {
	for i := range v {
		v[i] *= by
	}
}

// make makes the Lean of some directions, turned among themselves so that all vary alike and one step fits them.
func (f *leanFit) make(directions []float32, nibbles bool) *Lean {
	l := &Lean{dim: f.dim, kept: f.dim, centre: f.centre, nibbles: nibbles}
	if directions != nil {
		l.kept = len(directions) / f.dim
		l.turn = mix(directions, f.dim)
	}
	l.makeBytes()
	l.step = f.bestStep(l)
	return l
}

// mix turns rows by a random rotation: rows times a random orthonormal matrix.
func mix(rows []float32, dim int) []float32 {
	n := len(rows) / dim
	r := rand.New(rand.NewPCG(5, 6))
	turn := make([]float32, n*n)
	for i := range turn {
		turn[i] = float32(r.NormFloat64())
	}
	orthonormalise(turn, n)
	out := make([]float32, n*dim)
	for i := range n {
		dst := out[i*dim : (i+1)*dim]
		for j := range n {
			w := turn[i*n+j]
			for k, x := range rows[j*dim : (j+1)*dim] {
				dst[k] += w * x
			}
		}
	}
	return out
}

// bestStep is the step that loses least: a wide one rounds more, a narrow one clamps more.
func (f *leanFit) bestStep(l *Lean) float32 {
	l.step = 1
	var s LeanScratch
	s.grow(l)
	var all []float32
	n := min(f.n(), 1+(1<<18)/l.kept)
	for i := range n {
		l.coordinates(f.row(i*f.n()/n), &s)
		all = append(all, s.y...)
	}
	most := float32(0)
	for _, y := range all {
		most = max(most, y, -y)
	}
	if !(most > 0) || !finite(most) {
		return 1
	}
	levels, lose := float32(127), lostByte
	if l.nibbles {
		levels, lose = 8, lostNibble
	}
	best, least := most/levels, math.Inf(1)
	for range 24 {
		step := most / levels
		inv, lost := 1/step, 0.0
		if !finite(inv) {
			break
		}
		for _, y := range all {
			e := float64(lose(y * inv))
			lost += e * e
		}
		if lost *= float64(step) * float64(step); lost < least {
			best, least = step, lost
		}
		most *= 0.9
	}
	return best
}

// lostByte and lostNibble are what codes lose of a number of steps.

func lostByte(x float32) float32 { return x - float32(roundByte(x)) }

func lostNibble(x float32) float32 { return x - (float32(floorNibble(x)) - 7.5) }

const (
	leanProbes = 400
	leanNear   = 10
	leanNamed  = 20 // twice as many: what codes misplace by so little is compared exactly
)

// findNearest finds the true neighbours of some rows among a few thousand.
func (f *leanFit) findNearest() {
	if f.n() > 10_000 {
		f.rows = f.rows[:10_000*f.dim]
	}
	dist, near := make([]float32, f.n()), make([]uint32, leanNear)
	for p := range leanProbes {
		i := p * f.n() / leanProbes
		accel.L2SqRows(f.row(i), f.rows, dist)
		dist[i] = float32(math.Inf(1))
		f.probes = append(f.probes, i)
		f.near = append(f.near, slices.Clone(nearestOf(dist, near)))
	}
}

// nearestOf fills near, nearest first, with the rows of the smallest dist.
func nearestOf(dist []float32, near []uint32) []uint32 {
	n := 0
	for i, d := range dist {
		if n == len(near) && !(d < dist[near[n-1]]) {
			continue
		}
		if n < len(near) {
			n++
		}
		j := n - 1
		for ; j > 0 && d < dist[near[j-1]]; j-- {
			near[j] = near[j-1]
		}
		near[j] = uint32(i)
	}
	return near[:n]
}

// agreement is the share of true neighbours among the few more that records name.
func (f *leanFit) agreement(l *Lean) float64 {
	size := l.CodeSize()
	codes := make([]byte, f.n()*size)
	var s LeanScratch
	for i := range f.n() {
		l.Encode(codes[i*size:(i+1)*size], f.row(i), &s)
	}
	at, dist, near := make([]uint32, f.n()), make([]float32, f.n()), make([]uint32, leanNamed)
	for i := range at {
		at[i] = uint32(i)
	}
	found, want := 0, 0
	var q accel.CodeQuery
	for p, i := range f.probes {
		l.Query(f.row(i), &q, &s)
		q.Gather(codes, at, dist)
		dist[i] = float32(math.Inf(1))
		named := nearestOf(dist, near)
		for _, t := range f.near[p] {
			want++
			if slices.Contains(named, t) {
				found++
			}
		}
	}
	return float64(found) / float64(max(1, want))
}
