//go:build arm64 && !purego

package accel

import "golang.org/x/sys/cpu"

// byteDot says that the machine multiplies and sums bytes (SDOT), which is no part of what every 64-bit Arm has.
var byteDot = cpu.ARM64.HasASIMDDP

// signBits is 128 in every byte.
const signBits = 0x8080808080808080

// neonCols is the columns of a tile of bytes.
const neonCols = 16

// byteTileNEON makes 6 rows by 16 columns of the product of a and the panel b, whose bytes it flips by flip and takes as
// signed: c has 16 numbers a row.
//
//go:noescape
func byteTileNEON(steps int, a *byte, lda int, b *byte, flip uint64, c *int32)

func (l Level) byteWidth(int) int {
	if l == LevelNEON && byteDot {
		return neonCols
	}
	return byteCols
}

func (Level) byteSize(int) int { return 1 }

func (Level) byteLoad(dst []byte, row []int8, _ int) { copyBytes(dst, row) }

func (l Level) byteTile(steps int, a []byte, lda int, b []byte, first, c []int32, ldc int, add bool) {
	if l.byteWidth(8) != neonCols {
		byteTileGo(steps, a, lda, b, first, c, ldc, add)
		return
	}
	var sums [tileBytes * neonCols]int32
	byteTileNEON(steps, &a[0], lda, &b[0], signBits, &sums[0])
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

func (l Level) byteGroups(bits, groups, steps int, a []byte, lda int, b []byte, first []int32, scales, c []float32, ldc int) {
	if l.byteWidth(8) != neonCols {
		byteGroupsGo(groups, steps, a, lda, b, first, scales, c, ldc)
		return
	}
	var sums [tileBytes * neonCols]int32
	for g := range groups {
		flip := uint64(signBits) // makes code + 128 the code: the sums are complete
		if bits < 8 {
			flip = 0
		}
		byteTileNEON(steps, &a[4*steps*g], lda, &b[stepBytes*steps*g], flip, &sums[0])
		for i := range tileBytes {
			row, scale, from := c[i*ldc:][:neonCols], scales[g*byteCols:][:neonCols], int32(0)
			if bits < 8 {
				from = first[g*tileBytes+i]
			}
			for j, s := range sums[i*neonCols:][:neonCols] {
				row[j] += float32(float32(s+from) * scale[j])
			}
		}
	}
}
