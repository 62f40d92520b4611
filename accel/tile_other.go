//go:build !amd64 || purego

package accel

func (Level) tileRows() int { return 4 }

func (Level) tile(k int, a []float32, lda int, b, c []float32, ldc int, add bool) {
	gemmTileGo(k, a, lda, b, c, ldc, add)
}
