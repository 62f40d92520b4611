//go:build amd64 && !purego

package accel

import "unsafe"

// words says that both sides are multiplied as words.
func (l Level) words(bits int) bool { return (l == LevelAVX2 || l == LevelAVX512) && bits == 8 }

// byteWidth is the columns of a tile with codes of bits bits, byteSize the bytes of a number of A.
func (l Level) byteWidth(bits int) int {
	switch {
	case l.words(bits):
		return 8
	case l == LevelAVX2 || l == LevelAVX512:
		return 16
	}
	return byteCols
}

func (l Level) byteSize(bits int) int {
	if l.words(bits) {
		return 2
	}
	return 1
}

// byteLoad writes a row of A as tiles take it, with zeros behind.
func (l Level) byteLoad(dst []byte, row []int8, bits int) {
	if !l.words(bits) {
		copyBytes(dst, row)
		return
	}
	words := unsafe.Slice((*int16)(unsafe.Pointer(&dst[0])), len(dst)/2)
	blocks := len(row) / 16
	if blocks > 0 {
		widenAVX2(&words[0], &row[0], blocks)
	}
	for i := blocks * 16; i < len(words); i++ {
		words[i] = 0
		if i < len(row) {
			words[i] = int16(row[i])
		}
	}
}

func (l Level) byteTile(steps int, a []byte, lda int, b []byte, first, c []int32, ldc int, add bool) {
	switch l {
	case LevelGo:
		byteTileGo(steps, a, lda, b, first, c, ldc, add)
	case LevelVNNI:
		byteTileVNNI(steps, &a[0], lda, &b[0], &first[0], &c[0], 4*ldc, add)
	default:
		byteTileAVX2(steps, &a[0], lda, &b[0], &first[0], &c[0], 4*ldc, add)
	}
}

func (l Level) byteGroups(bits, groups, steps int, a []byte, lda int, b []byte, first []int32, scales, c []float32, ldc int) {
	switch l {
	case LevelGo:
		byteGroupsGo(groups, steps, a, lda, b, first, scales, c, ldc)
	case LevelVNNI:
		byteGroupsVNNI(groups, steps, &a[0], lda, &b[0], &first[0], &scales[0], &c[0], 4*ldc)
	default:
		if bits < 8 {
			byteNibblesAVX2(groups, steps, &a[0], lda, &b[0], &first[0], &scales[0], &c[0], 4*ldc)
			return
		}
		byteGroupsAVX2(groups, steps, &a[0], lda, &b[0], &first[0], &scales[0], &c[0], 4*ldc)
	}
}
