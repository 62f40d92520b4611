package quant

import (
	"testing"

	"engram/accel"
)

// BenchmarkMemory works on matrices that no cache holds, on one thread. "read" is the bandwidth that the others are to be
// seen beside: the greatest magnitude of each row.
func BenchmarkMemory(b *testing.B) {
	const rows, cols = 16 << 10, 4 << 10
	const n = rows * cols
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(i%8191)/4096 - 1
	}
	run := func(name string, moved int, f func()) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(moved))
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gnumbers/s")
		})
	}
	var most float32
	run("read", 4*n, func() {
		for r := range rows {
			most = max(most, accel.AbsMax(w[r*cols:(r+1)*cols]))
		}
	})
	codes := make([]int8, n)
	run("int8", 5*n, func() { // as QuantizeMatrix does, into memory that is there
		for r := range rows {
			row := w[r*cols : (r+1)*cols]
			accel.QuantizeInt8(codes[r*cols:(r+1)*cols], row, 127/accel.AbsMax(row))
		}
	})
	run("QuantizeMatrix int8", 5*n, func() {
		if _, err := QuantizeMatrix(Scheme{Bits: 8, Symmetric: true, Granularity: PerChannel}, rows, cols, w); err != nil {
			b.Fatal(err)
		}
	})
	const part = 1 << 10 // rows of codes, as a model's layers have
	for name, s := range map[string]Scheme{
		"dequantize int8": {Bits: 8, Symmetric: true, Granularity: PerChannel}, "dequantize int4": {Bits: 4, Granularity: PerGroup, GroupSize: 64},
		"dequantize int2": {Bits: 2, Granularity: PerGroup, GroupSize: 32},
	} {
		q, err := QuantizeMatrix(s, part, cols, w[:part*cols])
		if err != nil {
			b.Fatal(err)
		}
		dst := make([]float32, part*cols)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(4 * part * cols) // written
			for b.Loop() {
				q.Dequantize(dst)
			}
		})
	}
}
