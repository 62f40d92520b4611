package layer

import (
	"encoding/binary"

	"engram/quant"
)

// halves is a matrix of float16, kept so and turned into float32 a block of rows at a time.
type halves struct {
	b          []byte
	rows, cols int
}

func (m *halves) bytes() int64 { return int64(len(m.b)) }

func (m *halves) row(dst []float32, r int) { m.read(dst[:m.cols], r*m.cols) }

func (m *halves) read(dst []float32, from int) {
	b := m.b[2*from : 2*(from+len(dst))]
	for i := range dst {
		dst[i] = quant.FromHalf(binary.LittleEndian.Uint16(b[2*i:]))
	}
}

func (m *halves) mulNT(dst, x []float32, rows int, s *Scratch) {
	block := blockRows(m.cols)
	for from := 0; from < m.rows; from += block {
		w := Grow(&s.block, (min(from+block, m.rows)-from)*m.cols)
		m.read(w, from*m.cols)
		dotBlock(dst, x, rows, w, from, m.rows, m.cols)
	}
}
