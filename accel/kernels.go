package accel

// op is a float32 operation with one result a row.
type op uint8

const (
	opDot op = iota
	opL2Sq
	opL1
)

// pairGo is the reference of o.
func (o op) pairGo(a, b []float32) float32 {
	switch o {
	case opL2Sq:
		return l2sqGo(a, b)
	case opL1:
		return l1Go(a, b)
	}
	return dotGo(a, b)
}

// The functions below are the batch forms at LevelGo.

func rowsGo(o op, q, rows, dst []float32) {
	for i := range dst {
		dst[i] = o.pairGo(q, rows[i*len(q):(i+1)*len(q)])
	}
}

func gatherGo(o op, q, rows []float32, at []uint32, dst []float32) {
	for i, r := range at {
		dst[i] = o.pairGo(q, rows[int(r)*len(q):(int(r)+1)*len(q)])
	}
}

func dotNormRowsGo(q, rows, dst, sq []float32) {
	for i := range dst {
		r := rows[i*len(q) : (i+1)*len(q)]
		dst[i], sq[i] = dotGo(q, r), dotGo(r, r)
	}
}

func dotNormGatherGo(q, rows []float32, at []uint32, dst, sq []float32) {
	for i, n := range at {
		r := rows[int(n)*len(q) : (int(n)+1)*len(q)]
		dst[i], sq[i] = dotGo(q, r), dotGo(r, r)
	}
}

func dotInt8RowsGo(q, rows []int8, dst []int32) {
	for i := range dst {
		dst[i] = dotInt8Go(q, rows[i*len(q):(i+1)*len(q)])
	}
}

func dotInt8GatherGo(q, rows []int8, at []uint32, dst []int32) {
	for i, r := range at {
		dst[i] = dotInt8Go(q, rows[int(r)*len(q):(int(r)+1)*len(q)])
	}
}
