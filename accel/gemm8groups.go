package accel

import (
	"encoding/binary"
	"fmt"
)

// PackedGroups is a matrix of codes of 2, 3, 4 or 8 bits, with a scale and a zero point for each row or each group of
// columns of it, made ready to be the right side of products with signed bytes. It may be used by many goroutines at
// once.
//
// Codes of 8 bits are copied into panels. Fewer bits stay as they are, in the slice given, and are unpacked panel by
// panel while they are multiplied: a panel serves up to 192 rows of the left side.
type PackedGroups struct {
	n, k, group, bits int
	panels            []byte
	codes             []byte    // of fewer than 8 bits
	scales            []float32 // of each panel in turn, for each group a scale a row
	shift             *Packed   // n rows of -scale*zero, one a group, or nil
}

// GroupsFit says whether PackGroups takes such a matrix: groups divide the rows, and begin at whole steps of four codes,
// or eight with fewer than 8 bits.
func GroupsFit(bits, k, group int) bool {
	switch {
	case k <= 0 || group <= 0 || k%group != 0:
		return false
	case bits == 8:
		return group == k || group%4 == 0
	}
	return bits >= 2 && bits <= 4 && group%8 == 0
}

// PackGroups packs n rows of k codes, which lie as those of DequantizeGroups do, or in a byte each, with n*k/group scales
// and as many zero points, or none. It keeps codes of fewer than 8 bits, which must not change. It panics if GroupsFit
// says no or the lengths do not fit.
func PackGroups(bits, n, k, group int, codes []byte, scales, zeros []float32) *PackedGroups {
	if !GroupsFit(bits, k, group) || n < 0 || len(codes) < (n*k*bits+7)/8 || len(scales) != n*(k/group) || (zeros != nil && len(zeros) != len(scales)) {
		panic(fmt.Sprintf("accel: %d bytes of codes of %d bits, %d scales and %d zeros are not a matrix of %d by %d in groups of %d",
			len(codes), bits, len(scales), len(zeros), n, k, group))
	}
	p := &PackedGroups{n: n, k: k, group: group, bits: bits}
	if bits == 8 {
		p.panels = packBytes(n, k, func(i int) byte { return codes[i] })
	} else {
		p.codes = codes
	}
	groups := k / group
	p.scales = make([]float32, (n+byteCols-1)/byteCols*byteCols*groups)
	for r := range n {
		for g := range groups {
			p.scales[(r/byteCols*groups+g)*byteCols+r%byteCols] = scales[r*groups+g]
		}
	}
	if zeros != nil {
		shift := make([]float32, len(zeros))
		for i, z := range zeros {
			shift[i] = -z * scales[i]
		}
		p.shift = PackNT(n, groups, shift)
	}
	return p
}

// Rows is n, how many rows B has.
func (p *PackedGroups) Rows() int { return p.n }

// Depth is k, how many codes a row has.
func (p *PackedGroups) Depth() int { return p.k }

// Bytes is the memory that the matrix takes, codes that it keeps included.
func (p *PackedGroups) Bytes() int64 {
	n := int64(len(p.panels) + 4*len(p.scales))
	if p.KeepsCodes() {
		n += int64(p.n*p.k*p.bits+7) / 8
	}
	if p.shift != nil {
		n += p.shift.Bytes()
	}
	return n
}

// KeepsCodes says whether the matrix reads the codes that it was made of, rather than a copy.
func (p *PackedGroups) KeepsCodes() bool { return p.bits < 8 }

// MulNT writes to c, m rows of Rows numbers, the products of the m rows of a with the rows of B: the sum over groups of
//
//	scale * sum a_i * (code_i - zero)
//
// The inner sum over codes is a whole number and exact; it becomes a float32 and is scaled and added, each step rounded,
// after each group, and after every 512 codes of a longer one. Without zero points every level gives the same bits. An
// element does not depend on the other rows of a. Magnitudes in a are at most 127. It panics if the lengths do not fit.
func (p *PackedGroups) MulNT(m int, a []int8, c []float32) {
	checkMatrix(m, p.k, len(a))
	checkMatrix(m, p.n, len(c))
	w := byteMemory.Get().(*byteScratch)
	defer byteMemory.Put(w)
	for i := 0; i < m; i += byteRows {
		rows := min(byteRows, m-i)
		p.block(w, rows, a[i*p.k:(i+rows)*p.k], c[i*p.n:(i+rows)*p.n])
	}
}

func (p *PackedGroups) block(w *byteScratch, rows int, a []int8, c []float32) {
	groups := p.k / p.group
	if p.shift == nil {
		clear(c)
	} else {
		w.sums = grown(w.sums, rows*groups)
		for i := range w.sums {
			w.sums[i] = sumInt8(a[i*p.group : (i+1)*p.group])
		}
		p.shift.MulNT(rows, w.sums, c)
	}
	for from := 0; from < p.k; {
		depth, parts := p.cut(from)
		w.load(a, p.k, rows, from, depth, parts, p.bits)
		for j := 0; j < p.n; j += byteCols {
			cols := min(byteCols, p.n-j)
			scales := p.scales[(j/byteCols*groups+from/p.group)*byteCols:]
			w.scaled(p.steps(w, j, cols, from), scales, rows, cols, c[j:], p.n)
		}
		from += depth
	}
}

// cut says how many codes from from on are multiplied at a time and in how many groups they lie.
func (p *PackedGroups) cut(from int) (depth, parts int) {
	if p.group > byteDepth {
		return min(byteDepth, p.group-from%p.group), 1
	}
	parts = min(byteDepth/p.group, (p.k-from)/p.group)
	return parts * p.group, parts
}

// steps gives the steps of w of the panel that begins at row j, from code from on.
func (p *PackedGroups) steps(w *byteScratch, j, cols, from int) []byte {
	if p.bits == 8 {
		return p.panels[(j/byteCols*((p.k+3)/4)+from/4)*stepBytes:][:w.steps*stepBytes]
	}
	w.panel = grown(w.panel, w.steps*stepBytes)
	for r := range cols {
		unpackSteps(w.panel[4*r:], p.bits, p.codes[((j+r)*p.k+from)/8*p.bits:], w.steps)
	}
	return w.panel
}

func sumInt8(v []int8) float32 {
	var sum int32
	for len(v) > 0 {
		n := min(len(v), len(allOnes))
		sum += current.dotInt8(v[:n], allOnes[:n])
		v = v[n:]
	}
	return float32(sum)
}

// unpackSteps writes the codes of a row, four a step, stepBytes apart.
func unpackSteps(dst []byte, bits int, codes []byte, steps int) {
	switch bits {
	case 2:
		for s, b := range codes[:steps] {
			binary.LittleEndian.PutUint32(dst[s*stepBytes:], fours2[b])
		}
	case 3:
		for s := 0; s < steps; s += 2 { // two steps are three bytes
			b := codes[s/2*3 : s/2*3+3 : s/2*3+3]
			word := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
			binary.LittleEndian.PutUint32(dst[s*stepBytes:], fours3[word&0xfff])
			binary.LittleEndian.PutUint32(dst[(s+1)*stepBytes:], fours3[word>>12])
		}
	default:
		for s := range steps {
			b := codes[2*s : 2*s+2 : 2*s+2]
			binary.LittleEndian.PutUint32(dst[s*stepBytes:], uint32(twos4[b[0]])|uint32(twos4[b[1]])<<16)
		}
	}
}

// fours2, fours3 and twos4 are the codes in some bits as the bytes of a panel.
var (
	fours2 [1 << 8]uint32
	fours3 [1 << 12]uint32
	twos4  [1 << 8]uint16
)

func init() {
	spread := func(v, bits, codes int) (out uint32) {
		for i := range codes {
			out |= uint32(v>>(i*bits)&(1<<bits-1)) << (8 * i)
		}
		return out
	}
	for v := range fours2 {
		fours2[v] = spread(v, 2, 4)
	}
	for v := range fours3 {
		fours3[v] = spread(v, 3, 4)
	}
	for v := range twos4 {
		twos4[v] = uint16(spread(v, 4, 2))
	}
}
