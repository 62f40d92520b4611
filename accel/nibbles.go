package accel

//go:generate sh -c "cd _gen && go run main.go -op nibbles -out ../nibbles_amd64.s -stubs ../nibbles_amd64.go -pkg accel"

// NibbleLine is what the size of a record of 4-bit codes is a multiple of.
const NibbleLine = 32

// DotNibbles writes to dst the inner products of q with records that lie one after the other in codes. A record has len(q)/2 bytes, a
// multiple of NibbleLine; the lower half of byte i is multiplied by q[i], the upper half by q[len(q)/2+i]: bytes that are no codes
// have zeros in q. The sums must fit an int32, which they do up to half a million bytes. It panics if the lengths do not fit.
func DotNibbles(q []int8, codes []byte, dst []int32) {
	size := nibbleSize(q)
	if len(codes) != size*len(dst) {
		panic("accel: codes are not len(dst) records of half the query's length")
	}
	if len(dst) > 0 {
		current.dotNibbles(q, size, codes, dst)
	}
}

// DotNibblesGather writes to dst[i] the inner product of q with record at[i] of codes: see DotNibbles.
func DotNibblesGather(q []int8, codes []byte, at []uint32, dst []int32) {
	size := nibbleSize(q)
	checkAt(size, len(codes), at, len(dst))
	if len(at) > 0 {
		current.dotNibblesGather(q, size, codes, at, dst)
	}
}

func nibbleSize(q []int8) int {
	size := len(q) / 2
	if size == 0 || size%NibbleLine != 0 || len(q)%2 != 0 {
		panic("accel: a record of 4-bit codes is a multiple of 32 bytes")
	}
	return size
}

func dotNibblesGo(q []int8, record []byte) int32 {
	sum := int32(0)
	high := q[len(record):]
	for i, c := range record {
		sum += int32(c&15)*int32(q[i]) + int32(c>>4)*int32(high[i])
	}
	return sum
}

func dotNibblesRowsGo(q []int8, size int, codes []byte, dst []int32) {
	for i := range dst {
		dst[i] = dotNibblesGo(q, codes[i*size:(i+1)*size])
	}
}

func dotNibblesGatherGo(q []int8, size int, codes []byte, at []uint32, dst []int32) {
	for i, r := range at {
		dst[i] = dotNibblesGo(q, codes[int(r)*size:(int(r)+1)*size])
	}
}
