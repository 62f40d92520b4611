//go:build (!amd64 && !arm64) || purego

package accel

func (Level) fastScan(codes, tables []byte, dst []uint16) { fastScanGo(codes, tables, dst) }

func (Level) scanBounds(sums []uint16, factors []float32, s ScanScale, dst []float32) {
	scanBoundsGo(sums, factors, s, dst)
}

func (Level) below([]float32, float32, []uint32) (found, done int) { return 0, 0 }

func (Level) dotNibbles(q []int8, size int, codes []byte, dst []int32) {
	dotNibblesRowsGo(q, size, codes, dst)
}

func (Level) dotNibblesGather(q []int8, size int, codes []byte, at []uint32, dst []int32) {
	dotNibblesGatherGo(q, size, codes, at, dst)
}

func (Level) nearest(norms, dots []float32) (place uint32, score float32) {
	return nearestGo(norms, dots)
}
