//go:build (!amd64 && !arm64) || purego

package accel

const detected = LevelGo

func (Level) dot(a, b []float32) float32      { return dotGo(a, b) }
func (Level) l2sq(a, b []float32) float32     { return l2sqGo(a, b) }
func (Level) l1(a, b []float32) float32       { return l1Go(a, b) }
func (Level) dotInt8(a, b []int8) int32       { return dotInt8Go(a, b) }
func (Level) hamming(a, b []byte) int         { return hammingGo(a, b) }
func (Level) rows(o op, q, rows, d []float32) { rowsGo(o, q, rows, d) }
func (Level) gather(o op, q, rows []float32, at []uint32, d []float32) {
	gatherGo(o, q, rows, at, d)
}
func (Level) dotNormRows(q, rows, d, sq []float32) { dotNormRowsGo(q, rows, d, sq) }
func (Level) dotNormGather(q, rows []float32, at []uint32, d, sq []float32) {
	dotNormGatherGo(q, rows, at, d, sq)
}
func (Level) dotInt8Rows(q, rows []int8, d []int32) { dotInt8RowsGo(q, rows, d) }
func (Level) dotInt8Gather(q, rows []int8, at []uint32, d []int32) {
	dotInt8GatherGo(q, rows, at, d)
}

func (Level) codeGather(c *CodeQuery, codes []byte, at []uint32, dst []float32) {
	codeGatherGo(c, codes, at, dst)
}

func (Level) prefetch(*uint32, int) {}
