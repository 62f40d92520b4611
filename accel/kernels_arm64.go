//go:build arm64 && !purego

package accel

const detected = LevelNEON

func (l Level) dot(a, b []float32) float32 {
	if l == LevelGo || len(a) == 0 {
		return dotGo(a, b)
	}
	return dotNEON(&a[0], &b[0], len(a))
}

func (l Level) l2sq(a, b []float32) float32 {
	if l == LevelGo || len(a) == 0 {
		return l2sqGo(a, b)
	}
	return l2sqNEON(&a[0], &b[0], len(a))
}

func (l Level) l1(a, b []float32) float32 {
	if l == LevelGo || len(a) == 0 {
		return l1Go(a, b)
	}
	return l1NEON(&a[0], &b[0], len(a))
}

func (l Level) dotInt8(a, b []int8) int32 {
	if l == LevelGo || len(a) == 0 {
		return dotInt8Go(a, b)
	}
	return dotInt8NEON(&a[0], &b[0], len(a))
}

func (l Level) hamming(a, b []byte) int {
	if l == LevelGo || len(a) == 0 {
		return hammingGo(a, b)
	}
	return hammingNEON(&a[0], &b[0], len(a))
}

// pair is the kernel of o for two slices: rows and gathers go one by one, so a row has the same bits in every shape.
func (l Level) pair(o op, a, b []float32) float32 {
	switch o {
	case opL2Sq:
		return l.l2sq(a, b)
	case opL1:
		return l.l1(a, b)
	}
	return l.dot(a, b)
}

func (l Level) rows(o op, q, rows, dst []float32) {
	for i := range dst {
		dst[i] = l.pair(o, q, rows[i*len(q):(i+1)*len(q)])
	}
}

func (l Level) gather(o op, q, rows []float32, at []uint32, dst []float32) {
	for i, r := range at {
		dst[i] = l.pair(o, q, rows[int(r)*len(q):(int(r)+1)*len(q)])
	}
}

func (l Level) dotNormRows(q, rows, dst, sq []float32) {
	for i := range dst {
		r := rows[i*len(q) : (i+1)*len(q)]
		dst[i], sq[i] = l.dot(q, r), l.dot(r, r)
	}
}

func (l Level) dotNormGather(q, rows []float32, at []uint32, dst, sq []float32) {
	for i, n := range at {
		r := rows[int(n)*len(q) : (int(n)+1)*len(q)]
		dst[i], sq[i] = l.dot(q, r), l.dot(r, r)
	}
}

func (l Level) dotInt8Rows(q, rows []int8, dst []int32) {
	for i := range dst {
		dst[i] = l.dotInt8(q, rows[i*len(q):(i+1)*len(q)])
	}
}

func (l Level) dotInt8Gather(q, rows []int8, at []uint32, dst []int32) {
	for i, r := range at {
		dst[i] = l.dotInt8(q, rows[int(r)*len(q):(int(r)+1)*len(q)])
	}
}

func (Level) prefetch(*uint32, int) {}
