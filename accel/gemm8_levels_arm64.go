//go:build arm64 && !purego

package accel

import "golang.org/x/sys/cpu"

// byteDot says that the machine multiplies and sums bytes (SDOT), which is no part of what every 64-bit Arm has.
var byteDot = cpu.ARM64.HasASIMDDP

// neonCols is the columns of a tile of bytes.
const neonCols = 16

// byteTileNEON makes 6 rows by 16 columns of the product of a and the panel b: c has 16 numbers a row. It takes the codes
// of b as signed, so that sums start from 0.
//
//go:noescape
func byteTileNEON(steps int, a *byte, lda int, b *byte, c *int32)

func (l Level) byteWidth() int {
	if l == LevelNEON && byteDot {
		return neonCols
	}
	return byteCols
}

func (Level) byteSize() int { return 1 }

func (Level) byteLoad(dst []byte, row []int8) { copyBytes(dst, row) }

func (l Level) byteTile(steps int, a []byte, lda int, b []byte, first, c []int32, ldc int, add bool) {
	if l.byteWidth() != neonCols {
		byteTileGo(steps, a, lda, b, first, c, ldc, add)
		return
	}
	var sums [tileBytes * neonCols]int32
	byteTileNEON(steps, &a[0], lda, &b[0], &sums[0])
	for i := range tileBytes {
		row := c[i*ldc:][:neonCols]
		for j, s := range sums[i*neonCols:][:neonCols] {
			if add {
				s += row[j]
			}
			row[j] = s
		}
	}
}

func (l Level) byteGroups(groups, steps int, a []byte, lda int, b []byte, first []int32, scales, c []float32, ldc int) {
	if l.byteWidth() != neonCols {
		byteGroupsGo(groups, steps, a, lda, b, first, scales, c, ldc)
		return
	}
	var sums [tileBytes * neonCols]int32
	for g := range groups {
		byteTileNEON(steps, &a[4*steps*g], lda, &b[stepBytes*steps*g], &sums[0])
		for i := range tileBytes {
			row, scale := c[i*ldc:][:neonCols], scales[g*byteCols:][:neonCols]
			for j, s := range sums[i*neonCols:][:neonCols] {
				row[j] += float32(float32(s) * scale[j])
			}
		}
	}
}
