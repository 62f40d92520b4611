package accel

import (
	"fmt"
	"sync"
)

// The product of float32 matrices, C = A * transposed B, where A has m rows of k numbers, B n rows of k and C m rows of n, each
// row after the other: C holds the inner products of every row of A with every row of B. Each element is summed in the order of k,
// in chunks that depend on k alone, so it has the same bits wherever it lies in C and however C is cut into calls.

const (
	panelCols = 32  // rows of B that are packed together
	gemmRows  = 192 // rows of A that stay in the second-level cache
	gemmDepth = 272 // the most steps of k between two visits of C: a panel of as many fits the first-level cache
)

// Packed is a matrix B made ready to be the right side of products. It may be used by many goroutines at once.
type Packed struct {
	n, k   int
	panels []float32 // ceil(n/32) panels, each k steps of 32 numbers, zeros beyond n
}

// PackNT packs n rows of k numbers. It copies b.
func PackNT(n, k int, b []float32) *Packed {
	p := new(Packed)
	p.Reset(n, k, b)
	return p
}

// Reset makes p the packed form of b, reusing its memory.
func (p *Packed) Reset(n, k int, b []float32) {
	checkMatrix(n, k, len(b))
	size := (n + panelCols - 1) / panelCols * panelCols * k
	if cap(p.panels) < size {
		p.panels = make([]float32, size)
	}
	p.n, p.k, p.panels = n, k, p.panels[:size]
	for j := 0; j < n; j += panelCols {
		packPanel(p.panels[j*k:(j+panelCols)*k], b[j*k:min(n, j+panelCols)*k], k)
	}
}

// packPanel lays up to 32 rows of k numbers out column by column.
func packPanel(dst, rows []float32, k int) {
	have := len(rows) / max(1, k)
	if have < panelCols {
		clear(dst)
	}
	j := 0
	for ; j+4 <= have; j += 4 {
		r0, r1 := rows[j*k:(j+1)*k], rows[(j+1)*k:(j+2)*k]
		r2, r3 := rows[(j+2)*k:(j+3)*k], rows[(j+3)*k:(j+4)*k]
		for i, x := range r0 {
			d := dst[i*panelCols+j : i*panelCols+j+4 : i*panelCols+j+4]
			d[0], d[1], d[2], d[3] = x, r1[i], r2[i], r3[i]
		}
	}
	for ; j < have; j++ {
		for i, x := range rows[j*k : (j+1)*k] {
			dst[i*panelCols+j] = x
		}
	}
}

// Rows is n, how many rows B has.
func (p *Packed) Rows() int { return p.n }

// Depth is k, how many numbers a row has.
func (p *Packed) Depth() int { return p.k }

// Bytes is the memory that the matrix takes.
func (p *Packed) Bytes() int64 { return 4 * int64(len(p.panels)) }

// MulNT writes to c, m rows of Rows numbers, the inner products of the m rows of a with the rows of B. It panics if the
// lengths do not fit.
func (p *Packed) MulNT(m int, a, c []float32) {
	checkMatrix(m, p.k, len(a))
	checkMatrix(m, p.n, len(c))
	if m == 0 || p.n == 0 {
		return
	}
	if p.k == 0 {
		clear(c)
		return
	}
	w := gemmMemory.Get().(*gemmScratch)
	parts := (p.k + gemmDepth - 1) / gemmDepth
	depth := (p.k + parts - 1) / parts
	for i := 0; i < m; i += gemmRows {
		rows := min(gemmRows, m-i)
		for from := 0; from < p.k; from += depth {
			p.block(w, rows, a[i*p.k:], c[i*p.n:], from, min(depth, p.k-from))
		}
	}
	gemmMemory.Put(w)
}

// gemmScratch is the memory of one product: a tile of C that hangs over the edge, and the rows of A that belong to it.
type gemmScratch struct {
	c [12 * panelCols]float32
	a [12 * gemmDepth]float32
}

var gemmMemory = sync.Pool{New: func() any { return new(gemmScratch) }}

// block multiplies rows rows of A, from step from of k for depth steps, with all panels.
func (p *Packed) block(w *gemmScratch, rows int, a, c []float32, from, depth int) {
	high := current.tileRows()
	whole := rows / high * high
	if rest := rows - whole; rest > 0 { // the last rows, with zeros below them
		for i := range rest {
			copy(w.a[i*depth:(i+1)*depth], a[(whole+i)*p.k+from:])
		}
		clear(w.a[rest*depth : high*depth])
	}
	for j := 0; j < p.n; j += panelCols {
		panel := p.panels[j*p.k+from*panelCols:][:depth*panelCols]
		cols := min(panelCols, p.n-j)
		for i := 0; i < whole; i += high {
			if cols == panelCols {
				current.tile(depth, a[i*p.k+from:], p.k, panel, c[i*p.n+j:], p.n, from > 0)
				continue
			}
			current.tile(depth, a[i*p.k+from:], p.k, panel, w.c[:], panelCols, false)
			putTile(c[i*p.n+j:], p.n, w.c[:], high, cols, from > 0)
		}
		if whole < rows {
			current.tile(depth, w.a[:], depth, panel, w.c[:], panelCols, false)
			putTile(c[whole*p.n+j:], p.n, w.c[:], rows-whole, cols, from > 0)
		}
	}
}

// putTile moves rows by cols numbers of a tile to their place in C.
func putTile(c []float32, ldc int, tile []float32, rows, cols int, add bool) {
	for i := range rows {
		to, t := c[i*ldc:i*ldc+cols], tile[i*panelCols:i*panelCols+cols]
		if !add {
			copy(to, t)
			continue
		}
		for j, x := range t {
			to[j] += x
		}
	}
}

var packedMemory = sync.Pool{New: func() any { return new(Packed) }}

// GemmNT writes to c, m rows of n numbers, the inner products of the m rows of a with the n rows of b, k numbers each. To
// multiply by the same b again, keep a Packed. It panics if the lengths do not fit.
func GemmNT(m, n, k int, a, b, c []float32) {
	p := packedMemory.Get().(*Packed)
	p.Reset(n, k, b)
	p.MulNT(m, a, c)
	if cap(p.panels) <= 8<<20 {
		packedMemory.Put(p)
	}
}

func checkMatrix(rows, cols, have int) {
	if rows < 0 || cols < 0 || rows*cols != have {
		panic(fmt.Sprintf("accel: %d numbers are not a matrix of %d by %d", have, rows, cols))
	}
}

// gemmTileGo is the reference of the tiles: 4 rows by 32 columns.
func gemmTileGo(k int, a []float32, lda int, b, c []float32, ldc int, add bool) {
	for i := range 4 {
		var sum [panelCols]float32
		for p, x := range a[i*lda : i*lda+k] {
			for j, y := range b[p*panelCols : p*panelCols+panelCols] {
				sum[j] += x * y
			}
		}
		row := c[i*ldc : i*ldc+panelCols]
		for j, s := range sum {
			if add {
				s += row[j]
			}
			row[j] = s
		}
	}
}
