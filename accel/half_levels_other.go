//go:build (!amd64 && !arm64) || purego

package accel

func (Level) dotHalf(q []float32, row []uint16) float32  { return dotHalfGo(q, row) }
func (Level) l2sqHalf(q []float32, row []uint16) float32 { return l2sqHalfGo(q, row) }
