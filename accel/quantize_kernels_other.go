//go:build !amd64 || purego

package accel

func (Level) absMax(v []float32) uint32                          { return absMaxGo(v) }
func (Level) quantizeInt8(dst []int8, v []float32, inv float32)  { quantizeInt8Go(dst, v, inv) }
func (Level) dequantizeInt8(d []float32, c []int8, s, z float32) { dequantizeInt8Go(d, c, s, z) }
func (Level) dequantizeGroups(d []float32, bits int, c []byte, s, z []float32, group int) {
	dequantizeGroupsGo(d, bits, c, s, z, group)
}
