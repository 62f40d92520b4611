//go:build arm64 && !purego

package accel

import (
	"encoding/binary"
	"math"
)

//go:noescape
func fastScanNEON(codes, lut *byte, groups, blocks int, dst *uint16)

//go:noescape
func dotNibblesNEON(q *int8, size int, record *byte) int32

// dotOffsetNEON multiplies q with a record whose bytes stand for themselves less 128; n is a multiple of 64.
//
//go:noescape
func dotOffsetNEON(q *int8, record *byte, n int) int32

func (l Level) fastScan(codes, tables []byte, dst []uint16) {
	if l == LevelGo {
		fastScanGo(codes, tables, dst)
		return
	}
	step := max(1, chunkBytes/len(tables))
	for len(dst) > 0 {
		n := min(step, len(dst)/ScanRows)
		fastScanNEON(&codes[0], &tables[0], len(tables)/16, n, &dst[0])
		codes, dst = codes[n*len(tables):], dst[n*ScanRows:]
	}
}

func (Level) scanBounds(sums []uint16, factors []float32, s ScanScale, dst []float32) {
	scanBoundsGo(sums, factors, s, dst)
}

func (Level) below([]float32, float32, []uint32) (found, done int) { return 0, 0 }

func (l Level) dotNibbles(q []int8, size int, codes []byte, dst []int32) {
	if l == LevelGo {
		dotNibblesRowsGo(q, size, codes, dst)
		return
	}
	for i := range dst {
		dst[i] = dotNibblesNEON(&q[0], size, &codes[i*size])
	}
}

func (l Level) dotNibblesGather(q []int8, size int, codes []byte, at []uint32, dst []int32) {
	if l == LevelGo {
		dotNibblesGatherGo(q, size, codes, at, dst)
		return
	}
	for i, r := range at {
		dst[i] = dotNibblesNEON(&q[0], size, &codes[int(r)*size])
	}
}

func (l Level) codeGather(c *CodeQuery, codes []byte, at []uint32, dst []float32) {
	if l == LevelGo {
		codeGatherGo(c, codes, at, dst)
		return
	}
	n := c.stride
	for i, r := range at {
		row := codes[int(r)*n : (int(r)+1)*n]
		tail := math.Float32frombits(binary.LittleEndian.Uint32(row[n-CodeTail:]))
		var dot int32
		if c.nibbles {
			dot = 2*dotNibblesNEON(&c.q[0], n, &row[0]) + c.bias
		} else {
			dot = dotOffsetNEON(&c.q[0], &row[0], n)
		}
		dst[i] = float32(float32(dot)*c.scale) + tail
	}
}

func (Level) nearest(norms, dots []float32) (place uint32, score float32) {
	return nearestGo(norms, dots)
}
