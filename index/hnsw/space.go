package hnsw

import (
	"math"

	"engram/accel"
	"engram/index"
)

// space gives rows and queries as vectors whose L2 distance ranks as the metric does: for Cosine they are made one long, for
// InnerProduct rows get one more coordinate which makes all of them equally long (Bachrach et al., RecSys 2014). It serves one
// goroutine.
type space struct {
	metric  accel.Metric
	rows    *index.Rows
	dim     int
	longest float32 // squared length of the longest row, for InnerProduct
	buf     []float32
}

// newDim is the dimension of the space of rows of dim.
func newDim(metric accel.Metric, dim int) int {
	if metric == accel.InnerProduct {
		return dim + 1
	}
	return dim
}

func newSpace(metric accel.Metric, rows *index.Rows) *space {
	s := &space{metric: metric, rows: rows, dim: newDim(metric, rows.Dim())}
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

// row is a row as a vector of s.dim; it lasts until the next call.
func (s *space) row(ord uint32) []float32 {
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

// query is a query as a vector of the space, in buf where it must be changed.
func query(metric accel.Metric, buf []float32, v []float32) []float32 {
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
