package accel

//go:generate sh -c "cd _gen && go run main.go -op scan -out ../scan_amd64.s -stubs ../scan_amd64.go -pkg accel"

// A scan compares a query with blocks of 32 rows of few bits (the idea is FastScan's, arXiv 1704.07355). A row has a code of four bits
// in each of a number of groups; a query has a table of 16 bytes for each group, and a row's sum is that of the bytes its codes pick. One
// shuffle of bytes looks up 32 codes.

const (
	// ScanRows is how many rows a block has.
	ScanRows = 32
	// ScanGroups is what the number of groups is a multiple of.
	ScanGroups = 4
	// ScanFactors is how many numbers of ScanBounds belong to a block.
	ScanFactors = 3 * ScanRows
)

// SetScanCode puts the code of a row, 0 to 15, into a group of a block, where it must not have been set before.
func SetScanCode(block []byte, group, row int, code byte) {
	// Rows 0 to 7 are even bytes and rows 8 to 15 odd ones, so that sums come out in order; rows from 16 on are upper halves.
	at := 16*group + row%8*2 + row/8%2
	block[at] |= code << (row / 16 * 4)
}

// ScanCode is the code of a row in a group of a block.
func ScanCode(block []byte, group, row int) byte {
	at := 16*group + row%8*2 + row/8%2
	return block[at] >> (row / 16 * 4) & 15
}

// FastScan writes to dst the sums of every row of len(dst)/32 blocks, which lie one after the other in codes. tables holds 16 bytes a
// group, a multiple of ScanGroups groups; no sum may exceed 65,535 (it loses what is above). It panics if the lengths do not fit. Sums
// are the same at every level.
func FastScan(codes, tables []byte, dst []uint16) {
	blocks := len(dst) / ScanRows
	if len(dst)%ScanRows != 0 || len(tables)%(16*ScanGroups) != 0 || len(codes) != blocks*len(tables) {
		panic("accel: codes, tables and sums of a scan do not fit")
	}
	if len(codes) == 0 {
		clear(dst)
		return
	}
	current.fastScan(codes, tables, dst)
}

func fastScanGo(codes, tables []byte, dst []uint16) {
	for ; len(dst) > 0; codes, dst = codes[len(tables):], dst[ScanRows:] {
		for row := range ScanRows {
			sum := uint16(0)
			for g := range len(tables) / 16 {
				sum += uint16(tables[16*g+int(ScanCode(codes, g, row))])
			}
			dst[row] = sum
		}
	}
}

// ScanScale turns sums into dists: see ScanBounds.
type ScanScale struct {
	Base, Scale, Shift, Reach float32
}

// ScanBounds writes to dst, for every row of len(dst)/32 blocks,
//
//	((add + Base) - (sum*Scale + Shift)*mul) - err*Reach
//
// where factors holds for each block 32 numbers add, 32 numbers mul and 32 numbers err. Every product and sum is rounded, so that the
// result has the same bits at every level. It panics if the lengths do not fit.
func ScanBounds(sums []uint16, factors []float32, s ScanScale, dst []float32) {
	if len(dst)%ScanRows != 0 || len(sums) != len(dst) || len(factors) != 3*len(dst) {
		panic("accel: sums, factors and bounds of a scan do not fit")
	}
	if len(dst) > 0 {
		current.scanBounds(sums, factors, s, dst)
	}
}

func scanBoundsGo(sums []uint16, factors []float32, s ScanScale, dst []float32) {
	for ; len(dst) > 0; sums, factors, dst = sums[ScanRows:], factors[ScanFactors:], dst[ScanRows:] {
		for i, sum := range sums[:ScanRows] {
			t := float32(float32(sum)*s.Scale) + s.Shift
			v := (factors[i] + s.Base) - float32(t*factors[ScanRows+i])
			dst[i] = v - float32(factors[2*ScanRows+i]*s.Reach)
		}
	}
}

// Below writes to dst the places of the scores that are not above bound, in order, and returns how many they are. A score or a bound
// that is NaN is not above: a TopK that is not full yet has such a bound. dst has room for all of scores; what it holds behind the
// places is undefined.
func Below(scores []float32, bound float32, dst []uint32) int {
	dst = dst[:len(scores)]
	found, done := current.below(scores, bound, dst)
	for i := done; i < len(scores); i++ {
		if !(scores[i] > bound) {
			dst[found] = uint32(i)
			found++
		}
	}
	return found
}
