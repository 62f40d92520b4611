//go:build amd64 && !purego

package accel

func (l Level) absMax(v []float32) uint32 {
	switch {
	case l >= LevelAVX512:
		return absMaxAVX512(v)
	case l == LevelAVX2:
		return absMaxAVX2(v)
	}
	return absMaxGo(v)
}

// quantizeBlock is the numbers of a block of quantizeInt8.
const quantizeBlock = 64

func (l Level) quantizeInt8(dst []int8, v []float32, inv float32) {
	blocks := len(v) / quantizeBlock
	if l == LevelGo || blocks == 0 {
		quantizeInt8Go(dst, v, inv)
		return
	}
	if l >= LevelAVX512 {
		quantizeInt8AVX512(&dst[0], &v[0], blocks, inv, len(v)*4)
	} else {
		quantizeInt8AVX2(&dst[0], &v[0], blocks, inv, len(v)*4)
	}
	quantizeInt8Go(dst[blocks*quantizeBlock:], v[blocks*quantizeBlock:], inv)
}

func (l Level) dequantizeInt8(dst []float32, codes []int8, scale, zero float32) {
	blocks := len(dst) / 16
	if l == LevelGo || blocks == 0 {
		dequantizeInt8Go(dst, codes, scale, zero)
		return
	}
	if l >= LevelAVX512 {
		dequantizeInt8AVX512(&dst[0], &codes[0], blocks, scale, zero)
	} else {
		dequantizeInt8AVX2(&dst[0], &codes[0], blocks, scale, zero)
	}
	dequantizeInt8Go(dst[blocks*16:], codes[blocks*16:], scale, zero)
}

// dequantizeGroups leaves the last groups to Go where the kernel would read behind the codes. It has no form for AVX2,
// whose registers hold half the levels of 4 bits.
func (l Level) dequantizeGroups(dst []float32, bits int, codes []byte, scales, zeros []float32, group int) {
	whole := 0
	if l >= LevelAVX512 {
		// The last block of a group reads 8 bytes from 2*bits before the group's end.
		if fit := len(codes) - (8 - 2*bits); fit > 0 {
			whole = min(fit/(group/8*bits), len(dst)/group)
		}
	}
	if whole > 0 {
		dequantizeGroupsAVX512(&dst[0], &codes[0], whole, group/16, 2*bits, &scales[0], &zeros[0], &groupTables[bits])
	}
	dequantizeGroupsGo(dst[whole*group:], bits, codes[whole*group/8*bits:], scales[whole:], zeros[whole:], group)
}
