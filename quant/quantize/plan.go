package quantize

import (
	"strings"

	"engram/quant"
	"engram/quant/weights"
)

// leastCodes is the size of a matrix below which codes save nothing worth the loss.
const leastCodes = 1024

// job is what becomes of one layer.
type job struct {
	layer      weights.Layer
	kind       Type // a width, FP16 or FP32
	table      bool // gathered by row rather than multiplied, so that no inputs are known
	rows, cols int
	scheme     quant.Scheme // where kind is a width
	// choices are the widths that a mix chooses from; nil where the layer's is settled.
	choices []Type
}

// plan decides on every layer of a file, in its order.
func plan(f *weights.File, o *Options) []job {
	layers := f.Layers()
	jobs := make([]job, len(layers))
	for i, l := range layers {
		jobs[i] = o.decide(l)
	}
	return jobs
}

// decide gives a layer its type and scheme.
func (o *Options) decide(l weights.Layer) job {
	j := job{layer: l, kind: FP32, table: isTable(l.Name)}
	if len(l.Shape) > 0 && l.Shape[0] > 0 {
		j.rows, j.cols = l.Shape[0], l.Params/l.Shape[0]
	}
	if !isFloat(&l) {
		return j
	}
	for _, r := range o.Layers {
		if r.matches(l.Name) {
			if r.Type.bits() > 0 && (len(l.Shape) < 2 || l.Params == 0) {
				return j // codes are for matrices
			}
			j.kind = r.Type
			j.scheme = o.scheme(j.kind, j.cols)
			return j
		}
	}
	if !isMatrix(&l) {
		return j
	}
	switch {
	case o.Type == Int2Mix:
		j.choices = []Type{Int2, Int3, Int4, Int8}
		j.kind = Int8 // until the mix is made
	case j.table && o.Type == Int4:
		j.kind = Int8
	case j.table && o.Type.bits() < 4:
		j.kind = Int4
	default:
		j.kind = o.Type
	}
	j.scheme = o.scheme(j.kind, j.cols)
	return j
}

// isFloat says whether a layer holds numbers that can be rounded.
func isFloat(l *weights.Layer) bool {
	if l.Quant.Bits() > 0 {
		return true
	}
	switch l.DType {
	case weights.Float32, weights.Float16, weights.BFloat16, weights.Float64:
		return true
	}
	return false
}

// isMatrix says whether a layer is one of those that codes are for when no rule says so.
func isMatrix(l *weights.Layer) bool {
	if len(l.Shape) < 2 || l.Shape[0] < 2 || l.Params < leastCodes {
		return false
	}
	name := strings.ToLower(l.Name)
	for _, part := range []string{"norm", "position", "token_type", "timescale", ".bias"} {
		if strings.Contains(name, part) {
			return false
		}
	}
	return true
}

// isTable says whether a layer is a table of embeddings.
func isTable(name string) bool { return strings.Contains(strings.ToLower(name), "embed") }

// scheme is how a matrix of cols columns becomes codes of the given type.
func (o *Options) scheme(t Type, cols int) quant.Scheme {
	bits := t.bits()
	if bits == 0 {
		return quant.Scheme{}
	}
	s := quant.Scheme{Bits: bits, Granularity: o.Granularity, LeastSquares: bits < 8, Coarse: bits < 8, Symmetric: bits == 8}
	if o.Symmetry != AutoSymmetry {
		s.Symmetric = o.Symmetry == Symmetric
	}
	if s.Granularity == 0 {
		s.Granularity = quant.PerGroup
		if bits == 8 && o.GroupSize == 0 {
			s.Granularity = quant.PerChannel
		}
	}
	if s.Granularity == quant.PerGroup {
		want := o.GroupSize
		if want == 0 {
			want = 32
			if bits == 4 {
				want = 64
			}
		}
		if s.GroupSize = groupSize(cols, want); s.GroupSize == 0 {
			s.Granularity = quant.PerChannel
		}
	}
	return s
}

// leastGroup is the smallest group that is taken in the place of one that does not divide a row.
const leastGroup = 8

// groupSize is the size of groups that divide a row of cols numbers and are at most want, a multiple of 16 if there is one,
// for which there are fast ways. 0 says that there is none worth having.
func groupSize(cols, want int) int {
	if cols < 1 || cols%want == 0 {
		return want
	}
	best := 0
	for g := min(want, cols); g >= leastGroup; g-- {
		if cols%g == 0 && g%16 == 0 {
			return g
		}
		if cols%g == 0 && best == 0 {
			best = g
		}
	}
	return best
}
