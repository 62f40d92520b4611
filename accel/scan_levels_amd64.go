//go:build amd64 && !purego

package accel

// fastScan and the others cut long input so that no call into assembly keeps a goroutine from being stopped.
func (l Level) fastScan(codes, tables []byte, dst []uint16) {
	if l == LevelGo {
		fastScanGo(codes, tables, dst)
		return
	}
	step := max(1, chunkBytes/len(tables))
	for len(dst) > 0 {
		n := min(step, len(dst)/ScanRows)
		if l >= LevelAVX512 {
			fastScanAVX512(&codes[0], &tables[0], len(tables)/16, n, &dst[0])
		} else {
			fastScanAVX2(&codes[0], &tables[0], len(tables)/16, n, &dst[0])
		}
		codes, dst = codes[n*len(tables):], dst[n*ScanRows:]
	}
}

func (l Level) scanBounds(sums []uint16, factors []float32, s ScanScale, dst []float32) {
	if l == LevelGo {
		scanBoundsGo(sums, factors, s, dst)
		return
	}
	const step = chunkBytes / (4 * ScanFactors)
	for len(dst) > 0 {
		n := min(step, len(dst)/ScanRows)
		if l >= LevelAVX512 {
			scanBoundsAVX512(&sums[0], &factors[0], n, s.Base, s.Scale, s.Shift, s.Reach, &dst[0])
		} else {
			scanBoundsAVX2(&sums[0], &factors[0], n, s.Base, s.Scale, s.Shift, s.Reach, &dst[0])
		}
		sums, factors, dst = sums[n*ScanRows:], factors[n*ScanFactors:], dst[n*ScanRows:]
	}
}

// below does the whole registers and leaves the rest, which Below takes one by one.
func (l Level) below(scores []float32, bound float32, dst []uint32) (found, done int) {
	width := 8
	if l >= LevelAVX512 {
		width = 16
	}
	done = len(scores) &^ (width - 1)
	switch {
	case l == LevelGo || done == 0:
		return 0, 0
	case l >= LevelAVX512:
		found = belowAVX512(&scores[0], done, bound, &dst[0])
	default:
		found = belowAVX2(&scores[0], done, bound, &dst[0])
	}
	return found, done
}

func (l Level) dotNibbles(q []int8, size int, codes []byte, dst []int32) {
	if l == LevelGo {
		dotNibblesRowsGo(q, size, codes, dst)
		return
	}
	step := chunkRows(size, 1)
	for len(dst) > 0 {
		n := min(step, len(dst))
		if l == LevelVNNI {
			dotNibblesRowsVNNI(&q[0], size, &codes[0], n, &dst[0])
		} else {
			dotNibblesRowsAVX2(&q[0], size, &codes[0], n, &dst[0])
		}
		codes, dst = codes[n*size:], dst[n:]
	}
}

func (l Level) dotNibblesGather(q []int8, size int, codes []byte, at []uint32, dst []int32) {
	if l == LevelGo {
		dotNibblesGatherGo(q, size, codes, at, dst)
		return
	}
	step := min(64, chunkRows(size, 1)) // what is asked for ahead must still be there when it is read
	for len(dst) > 0 {
		n := min(step, len(dst))
		if l == LevelVNNI {
			dotNibblesGatherVNNI(&q[0], size, &codes[0], &at[0], n, &dst[0])
		} else {
			dotNibblesGatherAVX2(&q[0], size, &codes[0], &at[0], n, &dst[0])
		}
		at, dst = at[n:], dst[n:]
	}
}

func (l Level) nearest(norms, dots []float32) (place uint32, score float32) {
	width := 8
	if l >= LevelAVX512 {
		width = 16
	}
	whole := len(dots) &^ (width - 1)
	if l == LevelGo || whole == 0 {
		return nearestGo(norms, dots)
	}
	var scores [16]float32
	var places [16]uint32
	if l >= LevelAVX512 {
		nearestAVX512(&norms[0], &dots[0], whole, &scores[0], &places[0])
	} else {
		nearestAVX2(&norms[0], &dots[0], whole, &scores[0], &places[0])
	}
	place, score = places[0], scores[0]
	for i, v := range scores[:width] {
		if v < score || v == score && places[i] < place {
			place, score = places[i], v
		}
	}
	if rest, v := nearestGo(norms[whole:], dots[whole:]); v < score {
		return rest + uint32(whole), v
	}
	return place, score
}
