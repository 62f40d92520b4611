package accel

import (
	"encoding/binary"
	"sync"
	"unsafe"
)

// The product of matrices of signed bytes, C = A * transposed B, laid out as that of float32 (gemm.go). Sums are whole
// numbers, taken modulo 2^32, and the same at every level.
//
// B is packed in panels of 64 rows: a step of a panel has four codes of each of its rows, as unsigned bytes, code + 128,
// because the instruction that multiplies bytes takes one side unsigned. What that adds to a sum, 128 times the sum of
// the row of A, every tile starts from the negative of. Codes of fewer bits are code + 2^(bits-1) likewise.

const (
	byteCols  = 64  // rows of B in a panel
	byteRows  = 192 // rows of A that stay in the second-level cache
	byteDepth = 512 // the most numbers of a row between two visits of C
	stepBytes = 4 * byteCols
	tileBytes = 6 // rows of a tile
)

// PackedInt8 is a matrix of signed bytes made ready to be the right side of products. It may be used by many goroutines
// at once.
type PackedInt8 struct {
	n, k   int
	panels []byte
}

// PackInt8 packs n rows of k numbers. It keeps nothing of b.
func PackInt8(n, k int, b []int8) *PackedInt8 {
	checkMatrix(n, k, len(b))
	return &PackedInt8{n, k, packBytes(n, k, func(i int) byte { return byte(b[i]) })}
}

// packBytes lays out n rows of k codes in panels, with code 0 where a panel goes beyond them.
func packBytes(n, k int, code func(i int) byte) []byte {
	steps := (k + 3) / 4
	panels := make([]byte, (n+byteCols-1)/byteCols*steps*stepBytes)
	for i := range panels {
		panels[i] = 128
	}
	for r := 0; r < n && k > 0; r++ {
		to := panels[r/byteCols*steps*stepBytes+r%byteCols*4:]
		for i := range k {
			to[i/4*stepBytes+i%4] = code(r*k+i) ^ 128
		}
	}
	return panels
}

// Rows is n, how many rows B has.
func (p *PackedInt8) Rows() int { return p.n }

// Depth is k, how many numbers a row has.
func (p *PackedInt8) Depth() int { return p.k }

// MulNT writes to c, m rows of Rows numbers, the inner products of the m rows of a with the rows of B, modulo 2^32; they
// fit up to a depth of 131,072. It panics if the lengths do not fit.
func (p *PackedInt8) MulNT(m int, a []int8, c []int32) {
	checkMatrix(m, p.k, len(a))
	checkMatrix(m, p.n, len(c))
	if p.k == 0 {
		clear(c)
		return
	}
	w := byteMemory.Get().(*byteScratch)
	defer byteMemory.Put(w)
	panel := (p.k + 3) / 4 * stepBytes
	for i := 0; i < m; i += byteRows {
		rows := min(byteRows, m-i)
		for from := 0; from < p.k; from += byteDepth {
			depth := min(byteDepth, p.k-from)
			w.load(a[i*p.k:], p.k, rows, from, depth, 1, 8)
			for j := 0; j < p.n; j += byteCols {
				b := p.panels[j/byteCols*panel+from/4*stepBytes:][:w.steps*stepBytes]
				w.products(b, rows, min(byteCols, p.n-j), c[i*p.n+j:], p.n, from > 0)
			}
		}
	}
}

// byteScratch is the memory of one product: rows of A as tiles take them, and what the tiles start from.
type byteScratch struct {
	a      []byte  // tileBytes rows at a time, zeros behind
	first  []int32 // for each tile and each group of it a number a row
	panel  []byte  // unpacked codes
	sums   []float32
	ints   [tileBytes * byteCols]int32 // a tile of C that hangs over the edge
	floats [tileBytes * byteCols]float32

	stride int // bytes of a row of a
	steps  int // of all groups
	groups int
	bits   int // of the codes of B
}

var byteMemory = sync.Pool{New: func() any { return new(byteScratch) }}

// allOnes is what a row is multiplied with to be summed.
var allOnes = func() (v [byteDepth]int8) {
	for i := range v {
		v[i] = 1
	}
	return v
}()

// load takes rows rows of a, depth numbers from from on, in groups equal parts, to be multiplied with codes of bits bits.
func (w *byteScratch) load(a []int8, k, rows, from, depth, groups, bits int) {
	l := current
	size := l.byteSize(bits)
	w.steps, w.groups, w.bits = (depth+3)/4, groups, bits
	w.stride = w.steps * 4 * size
	tiles := (rows + tileBytes - 1) / tileBytes
	w.a, w.first = grown(w.a, tiles*tileBytes*w.stride), grown(w.first, tiles*tileBytes*groups)
	clear(w.a[rows*w.stride:])
	clear(w.first[(tiles-1)*tileBytes*groups:])
	part := depth / groups
	for r := range rows {
		row := a[r*k+from : r*k+from+depth]
		l.byteLoad(w.a[r*w.stride:(r+1)*w.stride], row, bits)
		for g := range groups {
			sum := l.dotInt8(row[g*part:(g+1)*part], allOnes[:part])
			w.first[(r/tileBytes*groups+g)*tileBytes+r%tileBytes] = -sum << (bits - 1)
		}
	}
}

// products writes the cols columns of C that belong to panel b, or adds to them.
func (w *byteScratch) products(b []byte, rows, cols int, c []int32, ldc int, add bool) {
	l := current
	width := l.byteWidth(w.bits)
	for j := 0; j < cols; j += width {
		for i := 0; i < rows; i += tileBytes {
			a, first := w.a[i*w.stride:], w.first[i:]
			high, wide := min(tileBytes, rows-i), min(width, cols-j)
			if high == tileBytes && wide == width {
				l.byteTile(w.steps, a, w.stride, b[4*j:], first, c[i*ldc+j:], ldc, add)
				continue
			}
			l.byteTile(w.steps, a, w.stride, b[4*j:], first, w.ints[:], byteCols, false)
			for r := range high {
				to := c[(i+r)*ldc+j:][:wide]
				for x, v := range w.ints[r*byteCols:][:wide] {
					if add {
						v += to[x]
					}
					to[x] = v
				}
			}
		}
	}
}

// scaled adds to the cols columns of C that belong to panel b, with the panel's scales, byteCols a group.
func (w *byteScratch) scaled(b []byte, scales []float32, rows, cols int, c []float32, ldc int) {
	l := current
	width := l.byteWidth(w.bits)
	steps := w.steps / w.groups
	for j := 0; j < cols; j += width {
		for i := 0; i < rows; i += tileBytes {
			a, first := w.a[i*w.stride:], w.first[i*w.groups:]
			high, wide := min(tileBytes, rows-i), min(width, cols-j)
			if high == tileBytes && wide == width {
				l.byteGroups(w.bits, w.groups, steps, a, w.stride, b[4*j:], first, scales[j:], c[i*ldc+j:], ldc)
				continue
			}
			// The sum goes on from what C has, in the same order as inside: else an element at the edge had other bits.
			for r := range high {
				copy(w.floats[r*byteCols:][:wide], c[(i+r)*ldc+j:])
			}
			l.byteGroups(w.bits, w.groups, steps, a, w.stride, b[4*j:], first, scales[j:], w.floats[:], byteCols)
			for r := range high {
				copy(c[(i+r)*ldc+j:][:wide], w.floats[r*byteCols:])
			}
		}
	}
}

func grown[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n)
	}
	return b[:n]
}

// The functions below are the references: tiles of 6 rows by 64 columns, with A in bytes.

func byteTileGo(steps int, a []byte, lda int, b []byte, first, c []int32, ldc int, add bool) {
	for i := range tileBytes {
		sum := byteSums(steps, a[i*lda:], b, first[i])
		row := c[i*ldc:][:byteCols]
		for j, s := range sum {
			if add {
				s += row[j]
			}
			row[j] = s
		}
	}
}

func byteGroupsGo(groups, steps int, a []byte, lda int, b []byte, first []int32, scales, c []float32, ldc int) {
	for g := range groups {
		for i := range tileBytes {
			sum := byteSums(steps, a[i*lda+g*steps*4:], b[g*steps*stepBytes:], first[g*tileBytes+i])
			row, scale := c[i*ldc:][:byteCols], scales[g*byteCols:][:byteCols]
			for j, s := range sum {
				row[j] += float32(float32(s) * scale[j])
			}
		}
	}
}

// byteSums multiplies a row of A with a panel.
func byteSums(steps int, a, b []byte, first int32) (sum [byteCols]int32) {
	for j := range sum {
		sum[j] = first
	}
	for s := range steps {
		x := binary.LittleEndian.Uint32(a[4*s:])
		x0, x1, x2, x3 := int32(int8(x)), int32(int8(x>>8)), int32(int8(x>>16)), int32(int8(x>>24))
		if x == 0 {
			continue
		}
		step := b[s*stepBytes:][:stepBytes]
		for j := range sum {
			q := step[4*j : 4*j+4 : 4*j+4]
			sum[j] += x0*int32(q[0]) + x1*int32(q[1]) + x2*int32(q[2]) + x3*int32(q[3])
		}
	}
	return sum
}

// copyBytes copies a row with zeros behind.
func copyBytes(dst []byte, row []int8) {
	n := copy(dst, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(row))), len(row)))
	clear(dst[n:])
}
