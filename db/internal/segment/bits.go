package segment

import "math/bits"

// PickBits writes to dst, one bit a row, which rows of the segment are in a set of RowIDs: bit i of words stands for RowID first+i,
// RowIDs outside are not in it. dst has a word for each 64 rows.
func (s *Segment) PickBits(words []uint64, first uint64, dst []uint64) {
	l := &s.ids
	clear(dst)
	if l.near == nil && l.far == nil {
		shiftBits(words, int64(l.first-first), dst)
		if tail := l.n % 64; tail != 0 && len(dst) > 0 {
			dst[len(dst)-1] &= 1<<tail - 1
		}
		return
	}
	limit := uint64(len(words)) * 64
	for w := range dst {
		var word uint64
		for i := w * 64; i < min(w*64+64, l.n); i++ {
			if at := l.at(i) - first; at < limit { // a RowID before first wraps around and is beyond the limit
				word |= words[at/64] >> (at % 64) & 1 << (i % 64)
			}
		}
		dst[w] = word
	}
}

// shiftBits sets bit i of dst to bit from+i of words, those outside words to 0.
func shiftBits(words []uint64, from int64, dst []uint64) {
	word := func(i int64) uint64 {
		if i < 0 || i >= int64(len(words)) {
			return 0
		}
		return words[i]
	}
	at, shift := from>>6, uint(from&63)
	if shift == 0 {
		for i := range dst {
			dst[i] = word(at + int64(i))
		}
		return
	}
	for i := range dst {
		dst[i] = word(at+int64(i))>>shift | word(at+int64(i)+1)<<(64-shift)
	}
}

// DenseBits turns bits of rows into bits of vectors: bit i of dst is that of the row whose vector is the i-th. Rows without a vector
// drop out. dst has a word for each 64 vectors and may be rows when every row has one.
func (v *VectorColumn) DenseBits(rows, dst []uint64) {
	if v.words == nil {
		copy(dst, rows)
		return
	}
	clear(dst)
	for w, present := range v.words {
		picked := rows[w] & present
		at := v.ranks[w]
		if present == ^uint64(0) {
			i, shift := at/64, at%64
			dst[i] |= picked << shift
			if shift > 0 && picked>>(64-shift) != 0 {
				dst[i+1] |= picked >> (64 - shift)
			}
			continue
		}
		for ; picked != 0; picked &= picked - 1 {
			i := at + uint32(bits.OnesCount64(present&(picked&-picked-1)))
			dst[i/64] |= 1 << (i % 64)
		}
	}
}
