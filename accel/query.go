package accel

// Query is one vector made ready to be compared with many by one metric. Its methods may be called
// concurrently. It keeps the slice it was made from, which must not change meanwhile.
type Query struct {
	metric Metric
	v      []float32
	sq     float32 // squared norm, for Cosine
}

// NewQuery prepares v. It panics if m does not compare float32 vectors.
func NewQuery(m Metric, v []float32) Query {
	if !m.Valid() || m.Bits() {
		panic("accel: metric " + m.String() + " does not compare float32 vectors")
	}
	q := Query{metric: m, v: v}
	if m == Cosine {
		q.sq = SqNorm(v)
	}
	return q
}

// Metric is the metric the query ranks by.
func (q *Query) Metric() Metric { return q.metric }

// Vector is the slice the query was made from.
func (q *Query) Vector() []float32 { return q.v }

// Dist is how far row is: Metric.Dist of the query's vector and row.
func (q *Query) Dist(row []float32) float32 {
	if q.metric == Cosine {
		same(len(q.v), len(row))
		return cosineDist(current.dot(q.v, row), q.sq, current.dot(row, row))
	}
	return q.metric.Dist(q.v, row)
}

// Rows writes how far each row of rows is; rows holds len(dst) of them. For Cosine, sq may hold their
// squared norms as SqNorms gives them; nil computes them on the way. Other metrics ignore sq.
func (q *Query) Rows(rows, sq, dst []float32) {
	checkRows(len(q.v), len(rows), len(dst))
	switch q.metric {
	case L2:
		current.rows(opL2Sq, q.v, rows, dst)
	case L1:
		current.rows(opL1, q.v, rows, dst)
	case InnerProduct:
		current.rows(opDot, q.v, rows, dst)
		negate(dst)
	case Cosine:
		if sq != nil {
			same(len(sq), len(dst))
		}
		current.cosineRows(q.v, q.sq, rows, sq, dst)
	}
}

// Gather writes how far the rows numbered at are: dst[i] belongs to row at[i] of rows. sq is as in Rows
// and holds the squared norms of all of rows.
func (q *Query) Gather(rows, sq []float32, at []uint32, dst []float32) {
	checkAt(len(q.v), len(rows), at, len(dst))
	switch q.metric {
	case L2:
		current.gather(opL2Sq, q.v, rows, at, dst)
	case L1:
		current.gather(opL1, q.v, rows, at, dst)
	case InnerProduct:
		current.gather(opDot, q.v, rows, at, dst)
		negate(dst)
	case Cosine:
		if sq != nil && len(q.v) > 0 {
			same(len(sq), len(rows)/len(q.v))
		}
		current.cosineGather(q.v, q.sq, rows, sq, at, dst)
	}
}

func negate(dst []float32) {
	for i, d := range dst {
		dst[i] = -d
	}
}
