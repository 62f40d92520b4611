package accel

// chunkBytes bounds what one call into assembly reads: the runtime cannot stop a goroutine inside it.
const chunkBytes = 256 << 10

// chunkRows is how many rows of dim elements of size bytes go into one call, a multiple of four so that
// rows stay in full groups.
func chunkRows(dim, size int) int {
	return max(4, chunkBytes/max(1, dim*size)&^3)
}

// checkRows panics unless rows holds exactly count rows of dim elements.
func checkRows(dim, have, count int) {
	if dim == 0 || have/dim != count || have%dim != 0 {
		if dim == 0 && have == 0 {
			return
		}
		panic("accel: rows do not hold len(dst) vectors of the query's length")
	}
}

// checkAt panics unless every row number lies inside rows.
func checkAt(dim, have int, at []uint32, dst int) {
	same(len(at), dst)
	if dim == 0 {
		return
	}
	n := have / dim
	for _, i := range at {
		if int(i) >= n {
			panic("accel: row number beyond the rows")
		}
	}
}

// DotRows writes the inner products of q with each row of rows, which holds len(dst) rows of len(q).
func DotRows(q, rows, dst []float32) {
	checkRows(len(q), len(rows), len(dst))
	current.rows(opDot, q, rows, dst)
}

// L2SqRows writes the squared Euclidean distances of q to each row of rows.
func L2SqRows(q, rows, dst []float32) {
	checkRows(len(q), len(rows), len(dst))
	current.rows(opL2Sq, q, rows, dst)
}

// L1Rows writes the L1 distances of q to each row of rows.
func L1Rows(q, rows, dst []float32) {
	checkRows(len(q), len(rows), len(dst))
	current.rows(opL1, q, rows, dst)
}

// DotGather writes the inner products of q with the rows numbered at: dst[i] belongs to row at[i].
func DotGather(q, rows []float32, at []uint32, dst []float32) {
	checkAt(len(q), len(rows), at, len(dst))
	current.gather(opDot, q, rows, at, dst)
}

// L2SqGather writes the squared Euclidean distances of q to the rows numbered at.
func L2SqGather(q, rows []float32, at []uint32, dst []float32) {
	checkAt(len(q), len(rows), at, len(dst))
	current.gather(opL2Sq, q, rows, at, dst)
}

// L1Gather writes the L1 distances of q to the rows numbered at.
func L1Gather(q, rows []float32, at []uint32, dst []float32) {
	checkAt(len(q), len(rows), at, len(dst))
	current.gather(opL1, q, rows, at, dst)
}

// CosineRows writes the cosine distances of q to each row of rows. sq holds the squared norms of the
// rows as SqNorms gives them; nil computes them on the way.
func CosineRows(q, rows, sq, dst []float32) {
	checkRows(len(q), len(rows), len(dst))
	if sq != nil {
		same(len(sq), len(dst))
	}
	current.cosineRows(q, current.dot(q, q), rows, sq, dst)
}

// CosineGather writes the cosine distances of q to the rows numbered at. sq holds the squared norms of
// all rows, or is nil.
func CosineGather(q, rows, sq []float32, at []uint32, dst []float32) {
	checkAt(len(q), len(rows), at, len(dst))
	if sq != nil && len(q) > 0 {
		same(len(sq), len(rows)/len(q))
	}
	current.cosineGather(q, current.dot(q, q), rows, sq, at, dst)
}

// SqNorms writes the squared norms of rows of dim elements.
func SqNorms(dim int, rows, dst []float32) {
	checkRows(dim, len(rows), len(dst))
	for i := range dst {
		r := rows[i*dim : (i+1)*dim]
		dst[i] = current.dot(r, r)
	}
}

// DotInt8Rows writes the inner products of the code q with each row of rows, as DotInt8 gives them.
func DotInt8Rows(q, rows []int8, dst []int32) {
	checkRows(len(q), len(rows), len(dst))
	current.dotInt8Rows(q, rows, dst)
}

// DotInt8Gather writes the inner products of the code q with the rows numbered at.
func DotInt8Gather(q, rows []int8, at []uint32, dst []int32) {
	checkAt(len(q), len(rows), at, len(dst))
	current.dotInt8Gather(q, rows, at, dst)
}

// cosineBlock is how many rows' norms fit on the stack between the kernel and the division.
const cosineBlock = 128

func (l Level) cosineRows(q []float32, sqQ float32, rows, sq, dst []float32) {
	if sq != nil {
		l.rows(opDot, q, rows, dst)
		for i, d := range dst {
			dst[i] = cosineDist(d, sqQ, sq[i])
		}
		return
	}
	var buf [cosineBlock]float32
	for len(dst) > 0 {
		n := min(len(dst), cosineBlock)
		l.dotNormRows(q, rows[:n*len(q)], dst[:n], buf[:n])
		for i := 0; i < n; i++ {
			dst[i] = cosineDist(dst[i], sqQ, buf[i])
		}
		rows, dst = rows[n*len(q):], dst[n:]
	}
}

func (l Level) cosineGather(q []float32, sqQ float32, rows, sq []float32, at []uint32, dst []float32) {
	if sq != nil {
		l.gather(opDot, q, rows, at, dst)
		for i, d := range dst {
			dst[i] = cosineDist(d, sqQ, sq[at[i]])
		}
		return
	}
	var buf [cosineBlock]float32
	for len(dst) > 0 {
		n := min(len(dst), cosineBlock)
		l.dotNormGather(q, rows, at[:n], dst[:n], buf[:n])
		for i := 0; i < n; i++ {
			dst[i] = cosineDist(dst[i], sqQ, buf[i])
		}
		at, dst = at[n:], dst[n:]
	}
}
