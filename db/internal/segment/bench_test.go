package segment_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"engram/db/internal/segment"
)

// benchSegment writes rows of a 512-dimensional vector and a text.
func benchSegment(b *testing.B, rows int) (string, *table) {
	tab := vectorTable(rows, 512)
	tab.cols = tab.cols[:2]
	for i := range tab.rows {
		tab.rows[i] = tab.rows[i][:2]
	}
	base := filepath.Join(b.TempDir(), "seg")
	if _, err := segment.Write(ctx, base, tab.cols, tab.source(), nil); err != nil {
		b.Fatal(err)
	}
	return base, tab
}

func BenchmarkWrite(b *testing.B) {
	base, tab := benchSegment(b, 50000)
	b.ResetTimer()
	for range b.N {
		if _, err := segment.Write(ctx, base, tab.cols, tab.source(), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(tab.rows)) * 512 * 4)
	b.ReportMetric(float64(len(tab.rows)*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkRead(b *testing.B) {
	base, tab := benchSegment(b, 50000)
	s, err := segment.Open(base, nil, &segment.OpenOptions{Cache: segment.NewCache(64 << 20)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	order := rand.New(rand.NewPCG(3, 4)).Perm(s.Rows())
	dst := make([]any, 1)
	point := func(b *testing.B) {
		for i := range b.N {
			if err := s.Row(uint32(order[i%len(order)]), []uint32{1}, dst); err != nil {
				b.Fatal(err)
			}
		}
	}
	for range order { // warm
		point(&testing.B{N: len(order)})
		break
	}
	b.Run("point-warm", point)
	b.Run("point-warm-with-vector", func(b *testing.B) {
		dst := make([]any, 2)
		for i := range b.N {
			if err := s.Row(uint32(order[i%len(order)]), []uint32{1, 2}, dst); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("point-cold", func(b *testing.B) {
		cold, err := segment.Open(base, nil, &segment.OpenOptions{Cache: segment.NewCache(0)})
		if err != nil {
			b.Fatal(err)
		}
		defer cold.Close()
		for i := range b.N {
			if err := cold.Row(uint32(order[i%len(order)]), []uint32{1}, dst); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("scan-text", func(b *testing.B) {
		for range b.N {
			if err := s.Scan(ctx, 0, []uint32{1}, func(uint32, uint64, []any) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(tab.rows)*b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("vector-at", func(b *testing.B) {
		v, _ := s.Vectors(2)
		var x float32
		for i := range b.N {
			row, _ := v.At(uint32(order[i%len(order)]))
			x += row[0]
		}
	})
	b.Run("open", func(b *testing.B) {
		for range b.N {
			s, err := segment.Open(base, nil, nil)
			if err != nil {
				b.Fatal(err)
			}
			s.Close()
		}
	})
}
