//go:build amd64 && !purego

package accel

// tileRows is how many rows of C one tile has.
func (l Level) tileRows() int {
	switch {
	case l >= LevelAVX512:
		return 12
	case l == LevelAVX2:
		return 6
	}
	return 4
}

// tile writes tileRows by 32 numbers of C; strides are in numbers.
func (l Level) tile(k int, a []float32, lda int, b, c []float32, ldc int, add bool) {
	switch {
	case l >= LevelAVX512:
		gemmTileAVX512(k, &a[0], 4*lda, &b[0], &c[0], 4*ldc, add)
	case l == LevelAVX2:
		gemmTileAVX2(k, &a[0], 4*lda, &b[0], &c[0], 4*ldc, add)
		gemmTileAVX2(k, &a[0], 4*lda, &b[16], &c[16], 4*ldc, add)
	default:
		gemmTileGo(k, a, lda, b, c, ldc, add)
	}
}
