//go:build amd64 && !purego

package accel

func (l Level) hadamard(v, factors []float32) {
	switch {
	case l >= LevelAVX512 && len(v) >= 16:
		hadamardAVX512(&v[0], &factors[0], len(v))
	case l >= LevelAVX2 && len(v) >= 8:
		hadamardAVX2(&v[0], &factors[0], len(v))
	default:
		hadamardGo(v, factors)
	}
}
