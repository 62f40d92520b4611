//go:build (!amd64 && !arm64) || purego

package accel

func (Level) byteWidth(int) int { return byteCols }

func (Level) byteSize(int) int { return 1 }

func (Level) byteLoad(dst []byte, row []int8, _ int) { copyBytes(dst, row) }

func (Level) byteTile(steps int, a []byte, lda int, b []byte, first, c []int32, ldc int, add bool) {
	byteTileGo(steps, a, lda, b, first, c, ldc, add)
}

func (Level) byteGroups(_, groups, steps int, a []byte, lda int, b []byte, first []int32, scales, c []float32, ldc int) {
	byteGroupsGo(groups, steps, a, lda, b, first, scales, c, ldc)
}
