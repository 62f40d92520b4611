package space

import (
	"math"

	"engram/accel"
	"engram/index"
)

// Space gives rows and queries as vectors whose L2 distance ranks as the metric does: for Cosine they are made one long, for
// InnerProduct rows get one more coordinate which makes all of them equally long (Bachrach et al., RecSys 2014). It serves one
// goroutine.
type Space struct {
	metric  accel.Metric
	rows    *index.Rows
	dim     int
	longest float32 // squared length of the longest row, for InnerProduct
	buf     []float32
}

// Dim is the dimension of the space of rows of dim.
func Dim(metric accel.Metric, dim int) int {
	if metric == accel.InnerProduct {
		return dim + 1
	}
	return dim
}

// New makes the space of rows. For InnerProduct it reads them all.
func New(metric accel.Metric, rows *index.Rows) *Space {
	s := &Space{metric: metric, rows: rows, dim: Dim(metric, rows.Dim())}
	if metric == accel.InnerProduct {
		for i := range rows.Runs() {
			_, run := rows.Run(i)
			for ; len(run) > 0; run = run[rows.Dim():] {
				if sq := accel.SqNorm(run[:rows.Dim()]); sq-sq == 0 {
					s.longest = max(s.longest, sq)
				}
			}
		}
	}
	s.buf = make([]float32, s.dim)
	return s
}

// Fork is the same space for another goroutine.
func (s *Space) Fork() *Space {
	f := *s
	f.buf = make([]float32, s.dim)
	return &f
}

// Dim is how many elements a vector of the space has.
func (s *Space) Dim() int { return s.dim }

// Longest is the squared length that InnerProduct makes all rows have.
func (s *Space) Longest() float32 { return s.longest }

// Row is a row as a vector of the space; it lasts until the next call.
func (s *Space) Row(ord uint32) []float32 {
	v := s.rows.Row(ord)
	switch s.metric {
	case accel.Cosine:
		return unit(s.buf, v)
	case accel.InnerProduct:
		copy(s.buf, v)
		s.buf[len(v)] = float32(math.Sqrt(float64(max(0, s.longest-accel.SqNorm(v)))))
		return s.buf
	}
	return v
}

// Query is a query as a vector of the space, in buf where it must be changed.
func Query(metric accel.Metric, buf []float32, v []float32) []float32 {
	switch metric {
	case accel.Cosine:
		return unit(buf, v)
	case accel.InnerProduct:
		copy(buf, v)
		buf[len(v)] = 0
		return buf
	}
	return v
}

// unit writes v, made one long, to dst; NaN if it has no direction.
func unit(dst, v []float32) []float32 {
	inv := float32(1 / math.Sqrt(float64(accel.SqNorm(v))))
	if !(inv < math.MaxFloat32) {
		inv = float32(math.NaN())
	}
	for i, x := range v {
		dst[i] = x * inv
	}
	return dst
}
