//go:build amd64 && !purego

package accel

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

var detected = climb()

// climb goes up the ladder and stops at the first missing rung: the flags are independent of each
// other (GODEBUG=cpu.avx2=off leaves the AVX-512 flags set), a level is not. VNNI asks for VPOPCNTDQ too,
// which leaves Cascade Lake at AVX512 and keeps one rung from becoming two.
func climb() Level {
	x := &cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasFMA || !x.HasBMI2:
		return LevelGo
	case !x.HasAVX512 || !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512DQ || !x.HasAVX512VL:
		return LevelAVX2
	case !x.HasAVX512VNNI || !x.HasAVX512VPOPCNTDQ:
		return LevelAVX512
	}
	return LevelVNNI
}

// Levels are chosen by a switch rather than through a table of functions: calls through a table make
// every slice passed escape to the heap.

func (l Level) dot(a, b []float32) float32 {
	switch {
	case l >= LevelAVX512:
		return dotAVX512(a, b)
	case l == LevelAVX2:
		return dotAVX2(a, b)
	}
	return dotGo(a, b)
}

func (l Level) l2sq(a, b []float32) float32 {
	switch {
	case l >= LevelAVX512:
		return l2sqAVX512(a, b)
	case l == LevelAVX2:
		return l2sqAVX2(a, b)
	}
	return l2sqGo(a, b)
}

func (l Level) l1(a, b []float32) float32 {
	switch {
	case l >= LevelAVX512:
		return l1AVX512(a, b)
	case l == LevelAVX2:
		return l1AVX2(a, b)
	}
	return l1Go(a, b)
}

func (l Level) dotInt8(a, b []int8) int32 {
	switch l {
	case LevelVNNI:
		return dotInt8VNNI(a, b)
	case LevelAVX512:
		return dotInt8AVX512(a, b)
	case LevelAVX2:
		return dotInt8AVX2(a, b)
	}
	return dotInt8Go(a, b)
}

func (l Level) hamming(a, b []byte) int {
	if l == LevelVNNI {
		return hammingVNNI(a, b)
	}
	return hammingGo(a, b) // POPCNT alone keeps up with memory below VPOPCNTDQ
}

func (l Level) rows(o op, q, rows, dst []float32) {
	if l == LevelGo || len(q) == 0 {
		rowsGo(o, q, rows, dst)
		return
	}
	step := chunkRows(len(q), 4)
	for len(dst) > 0 {
		n := min(step, len(dst))
		qp, rp, dp, wide := &q[0], &rows[0], &dst[0], l >= LevelAVX512
		switch {
		case o == opDot && wide:
			dotRowsAVX512(qp, len(q), rp, n, dp)
		case o == opDot:
			dotRowsAVX2(qp, len(q), rp, n, dp)
		case o == opL2Sq && wide:
			l2sqRowsAVX512(qp, len(q), rp, n, dp)
		case o == opL2Sq:
			l2sqRowsAVX2(qp, len(q), rp, n, dp)
		case wide:
			l1RowsAVX512(qp, len(q), rp, n, dp)
		default:
			l1RowsAVX2(qp, len(q), rp, n, dp)
		}
		rows, dst = rows[n*len(q):], dst[n:]
	}
}

func (l Level) gather(o op, q, rows []float32, at []uint32, dst []float32) {
	if l == LevelGo || len(q) == 0 {
		gatherGo(o, q, rows, at, dst)
		return
	}
	step := chunkRows(len(q), 4)
	for len(dst) > 0 {
		n := min(step, len(dst))
		qp, rp, ap, dp, wide := &q[0], &rows[0], &at[0], &dst[0], l >= LevelAVX512
		switch {
		case o == opDot && wide:
			dotGatherAVX512(qp, len(q), rp, ap, n, dp)
		case o == opDot:
			dotGatherAVX2(qp, len(q), rp, ap, n, dp)
		case o == opL2Sq && wide:
			l2sqGatherAVX512(qp, len(q), rp, ap, n, dp)
		case o == opL2Sq:
			l2sqGatherAVX2(qp, len(q), rp, ap, n, dp)
		case wide:
			l1GatherAVX512(qp, len(q), rp, ap, n, dp)
		default:
			l1GatherAVX2(qp, len(q), rp, ap, n, dp)
		}
		at, dst = at[n:], dst[n:]
	}
}

// dotNormRows and dotNormGather are given short blocks by their callers, so they do not cut them.

func (l Level) dotNormRows(q, rows, dst, sq []float32) {
	switch {
	case l == LevelGo || len(q) == 0 || len(dst) == 0:
		dotNormRowsGo(q, rows, dst, sq)
	case l >= LevelAVX512:
		dotNormRowsAVX512(&q[0], len(q), &rows[0], len(dst), &dst[0], &sq[0])
	default:
		dotNormRowsAVX2(&q[0], len(q), &rows[0], len(dst), &dst[0], &sq[0])
	}
}

func (l Level) dotNormGather(q, rows []float32, at []uint32, dst, sq []float32) {
	switch {
	case l == LevelGo || len(q) == 0 || len(dst) == 0:
		dotNormGatherGo(q, rows, at, dst, sq)
	case l >= LevelAVX512:
		dotNormGatherAVX512(&q[0], len(q), &rows[0], &at[0], len(dst), &dst[0], &sq[0])
	default:
		dotNormGatherAVX2(&q[0], len(q), &rows[0], &at[0], len(dst), &dst[0], &sq[0])
	}
}

func (l Level) dotInt8Rows(q, rows []int8, dst []int32) {
	if l == LevelGo || len(q) == 0 {
		dotInt8RowsGo(q, rows, dst)
		return
	}
	step := chunkRows(len(q), 1)
	for len(dst) > 0 {
		n := min(step, len(dst))
		switch l {
		case LevelAVX2:
			dotInt8RowsAVX2(&q[0], len(q), &rows[0], n, &dst[0])
		case LevelAVX512:
			dotInt8RowsAVX512(&q[0], len(q), &rows[0], n, &dst[0])
		default:
			dotInt8RowsVNNI(&q[0], len(q), &rows[0], n, &dst[0])
		}
		rows, dst = rows[n*len(q):], dst[n:]
	}
}

func (l Level) dotInt8Gather(q, rows []int8, at []uint32, dst []int32) {
	if l == LevelGo || len(q) == 0 {
		dotInt8GatherGo(q, rows, at, dst)
		return
	}
	step := chunkRows(len(q), 1)
	for len(dst) > 0 {
		n := min(step, len(dst))
		switch l {
		case LevelAVX2:
			dotInt8GatherAVX2(&q[0], len(q), &rows[0], &at[0], n, &dst[0])
		case LevelAVX512:
			dotInt8GatherAVX512(&q[0], len(q), &rows[0], &at[0], n, &dst[0])
		default:
			dotInt8GatherVNNI(&q[0], len(q), &rows[0], &at[0], n, &dst[0])
		}
		at, dst = at[n:], dst[n:]
	}
}

func (l Level) codeGather(c *CodeQuery, codes []byte, at []uint32, dst []float32) {
	if l == LevelGo {
		codeGatherGo(c, codes, at, dst)
		return
	}
	step := chunkRows(c.stride, 1)
	for len(dst) > 0 {
		n := min(step, len(dst))
		switch {
		case c.nibbles && l == LevelVNNI:
			codeGatherNibblesVNNI(&c.q[0], c.stride, &codes[0], &at[0], n, c.bias, c.scale, &dst[0])
		case c.nibbles:
			codeGatherNibblesAVX2(&c.q[0], c.stride, &codes[0], &at[0], n, c.bias, c.scale, &dst[0])
		case l == LevelVNNI:
			codeGatherVNNI(&c.q[0], c.stride, &codes[0], &at[0], n, c.bias, c.scale, &dst[0])
		default:
			codeGatherAVX2(&c.q[0], c.stride, &codes[0], &at[0], n, c.bias, c.scale, &dst[0])
		}
		at, dst = at[n:], dst[n:]
	}
}

func (l Level) prefetch(p *uint32, bytes int) {
	if l != LevelGo {
		prefetchLines((*byte)(unsafe.Pointer(p)), bytes)
	}
}
