//go:build !amd64 || purego

package accel

func (l Level) hadamard(v, factors []float32) { hadamardGo(v, factors) }
