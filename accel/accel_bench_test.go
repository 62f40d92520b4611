package accel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Bytes per second count the rows read, once; the query stays in cache.

func BenchmarkPair(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, dim := range []int{100, 768} {
		x, y := poisoned(r, dim, 0), poisoned(r, dim, 0)
		i, j := codes(r, dim, 0), codes(r, dim, 0)
		for _, l := range Levels() {
			for _, o := range floatOps {
				b.Run(fmt.Sprintf("%s/dim=%d/%v", o.name, dim, l), func(b *testing.B) {
					b.SetBytes(int64(4 * dim))
					for b.Loop() {
						o.at(l, x, y)
					}
				})
			}
			b.Run(fmt.Sprintf("int8/dim=%d/%v", dim, l), func(b *testing.B) {
				b.SetBytes(int64(dim))
				for b.Loop() {
					l.dotInt8(i, j)
				}
			})
		}
	}
}

// BenchmarkRows scans rows that fit the second-level cache and rows that do not fit any.
func BenchmarkRows(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	const dim = 768
	for _, count := range []int{128, 100_000} {
		q, rows, dst := poisoned(r, dim, 0), make([]float32, dim*count), make([]float32, count)
		for i := range rows {
			rows[i] = float32(i%1000) / 1000
		}
		sq := make([]float32, count)
		SqNorms(dim, rows, sq)
		at := make([]uint32, min(count, 4096))
		for i := range at {
			at[i] = uint32(r.IntN(count))
		}
		for _, l := range Levels() {
			for _, m := range []Metric{InnerProduct, L2, L1, Cosine} {
				x := NewQuery(m, q)
				b.Run(fmt.Sprintf("%v/rows=%d/%v", m, count, l), func(b *testing.B) {
					b.SetBytes(int64(4 * dim * count))
					atLevel(l, func() {
						for b.Loop() {
							x.Rows(rows, nil, dst)
						}
					})
				})
				b.Run(fmt.Sprintf("%v/gather=%d/of=%d/%v", m, len(at), count, l), func(b *testing.B) {
					b.SetBytes(int64(4 * dim * len(at)))
					atLevel(l, func() {
						for b.Loop() {
							x.Gather(rows, nil, at, dst[:len(at)])
						}
					})
				})
			}
			x := NewQuery(Cosine, q)
			b.Run(fmt.Sprintf("cosine-norms/rows=%d/%v", count, l), func(b *testing.B) {
				b.SetBytes(int64(4 * dim * count))
				atLevel(l, func() {
					for b.Loop() {
						x.Rows(rows, sq, dst)
					}
				})
			})
		}
	}
}

func BenchmarkInt8Rows(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, count := range []int{512, 400_000} {
		const dim = 768
		q, rows, dst := codes(r, dim, 0), make([]int8, dim*count), make([]int32, count)
		for i := range rows {
			rows[i] = int8(i * 7)
		}
		for _, l := range Levels() {
			b.Run(fmt.Sprintf("rows=%d/%v", count, l), func(b *testing.B) {
				b.SetBytes(int64(dim * count))
				atLevel(l, func() {
					for b.Loop() {
						DotInt8Rows(q, rows, dst)
					}
				})
			})
		}
	}
}

func BenchmarkHamming(b *testing.B) {
	for _, n := range []int{96, 1024} {
		x, y := make([]byte, n), make([]byte, n)
		for _, l := range Levels() {
			b.Run(fmt.Sprintf("bytes=%d/%v", n, l), func(b *testing.B) {
				b.SetBytes(int64(n))
				for b.Loop() {
					l.hamming(x, y)
				}
			})
		}
	}
}

// BenchmarkMemory is the ceiling of the scans above: it reads and does nothing else.
func BenchmarkMemory(b *testing.B) {
	buf := make([]byte, 300<<20)
	for i := range buf {
		buf[i] = byte(i)
	}
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		Current().hamming(buf[:len(buf)/2], buf[len(buf)/2:])
	}
}

// BenchmarkFastScan scans 32 blocks of 784 dimensions at a bit each; one row is a 1,024th of an op.
func BenchmarkFastScan(b *testing.B) {
	const groups, blocks = 196, 32
	codes, tables, sums := make([]byte, blocks*groups*16), make([]byte, groups*16), make([]uint16, blocks*ScanRows)
	for _, l := range Levels() {
		b.Run(l.String(), func(b *testing.B) {
			atLevel(l, func() {
				b.SetBytes(int64(len(codes)))
				for b.Loop() {
					FastScan(codes, tables, sums)
				}
			})
		})
	}
}

// BenchmarkDotNibbles compares one query with 1,024 records of 784 dimensions.
func BenchmarkDotNibbles(b *testing.B) {
	const size, n = 416, 1024
	q, codes, dots := make([]int8, 2*size), make([]byte, n*size), make([]int32, n)
	for _, l := range Levels() {
		b.Run(l.String(), func(b *testing.B) {
			atLevel(l, func() {
				b.SetBytes(int64(len(codes)))
				for b.Loop() {
					DotNibbles(q, codes, dots)
				}
			})
		})
	}
}
