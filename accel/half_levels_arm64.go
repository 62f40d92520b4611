//go:build arm64 && !purego

package accel

// The kernels work on a positive multiple of 4 numbers.

//go:noescape
func dotHalfNEON(q *float32, row *uint16, n int) float32

//go:noescape
func l2sqHalfNEON(q *float32, row *uint16, n int) float32

func (l Level) dotHalf(q []float32, row []uint16) float32 {
	whole := len(row) &^ 3
	if l == LevelGo || whole == 0 {
		return dotHalfGo(q, row)
	}
	return dotHalfNEON(&q[0], &row[0], whole) + dotHalfGo(q[whole:], row[whole:])
}

func (l Level) l2sqHalf(q []float32, row []uint16) float32 {
	whole := len(row) &^ 3
	if l == LevelGo || whole == 0 {
		return l2sqHalfGo(q, row)
	}
	return l2sqHalfNEON(&q[0], &row[0], whole) + l2sqHalfGo(q[whole:], row[whole:])
}
