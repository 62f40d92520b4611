//go:build amd64 && !purego

package accel

import "golang.org/x/sys/cpu"

// wholeHalves is how many of n halves the kernels of l work on. F16C is no part of AVX2, though whoever has one has the other.
func (l Level) wholeHalves(n int) int {
	switch {
	case l >= LevelAVX512:
		return n &^ 15
	case l == LevelAVX2 && cpu.X86.HasF16C:
		return n &^ 7
	}
	return 0
}

func (l Level) dotHalf(q []float32, row []uint16) float32 {
	whole := l.wholeHalves(len(row))
	switch {
	case whole == 0:
		return dotHalfGo(q, row)
	case l >= LevelAVX512:
		return dotHalfAVX512(&q[0], &row[0], whole) + dotHalfGo(q[whole:], row[whole:])
	}
	return dotHalfAVX2(&q[0], &row[0], whole) + dotHalfGo(q[whole:], row[whole:])
}

func (l Level) l2sqHalf(q []float32, row []uint16) float32 {
	whole := l.wholeHalves(len(row))
	switch {
	case whole == 0:
		return l2sqHalfGo(q, row)
	case l >= LevelAVX512:
		return l2sqHalfAVX512(&q[0], &row[0], whole) + l2sqHalfGo(q[whole:], row[whole:])
	}
	return l2sqHalfAVX2(&q[0], &row[0], whole) + l2sqHalfGo(q[whole:], row[whole:])
}
