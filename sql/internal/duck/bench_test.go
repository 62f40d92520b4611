package duck

import (
	"context"
	"path/filepath"
	"testing"
)

// fixed is a relation whose columns are written from slices, as the head of a table is.
type fixed struct {
	cols []Column
	n    int
	fill func(cols []*Writer, projection []int, from, n int)
}

func (f *fixed) Columns() []Column { return f.cols }
func (f *fixed) Rows() int64       { return int64(f.n) }
func (f *fixed) Scan(_ context.Context, projection []int) (RelationScan, error) {
	return &fixedScan{f, projection, 0}, nil
}

type fixedScan struct {
	f          *fixed
	projection []int
	at         int
}

func (s *fixedScan) Next(cols []*Writer, max int) (int, error) {
	n := min(max, s.f.n-s.at)
	s.f.fill(cols, s.projection, s.at, n)
	s.at += n
	return n, nil
}
func (s *fixedScan) Close() error { return nil }

func benchQuery(b *testing.B, c *Conn, sql string, rows int) {
	b.Helper()
	s, err := c.Prepare(bg, sql)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		r, err := s.Query(bg)
		if err != nil {
			b.Fatal(err)
		}
		for {
			ch, err := r.Next()
			if err != nil {
				b.Fatal(err)
			}
			if ch == nil {
				break
			}
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

func BenchmarkRelationThreeColumns(b *testing.B) {
	c := connect(b, open(b, nil))
	const n = 1_000_000
	texts := []string{"short", "a text that does not fit in the header", "another text beyond twelve bytes", ""}
	c.Bind("t", &fixed{cols: []Column{{"id", BigInt}, {"score", Double}, {"s", Varchar}}, n: n,
		fill: func(cols []*Writer, projection []int, from, n int) {
			for k, j := range projection {
				w := cols[k]
				switch j {
				case 0:
					for i := range n {
						w.SetInt64(i, int64(from+i))
					}
				case 1:
					for i := range n {
						w.SetFloat64(i, float64(from+i))
					}
				case 2:
					for i := range n {
						w.SetString(i, texts[(from+i)&3])
					}
				}
			}
		}})
	b.Run("all", func(b *testing.B) { benchQuery(b, c, "SELECT sum(id), sum(score), max(s) FROM engram_rows('t')", n) })
	b.Run("numbers", func(b *testing.B) { benchQuery(b, c, "SELECT sum(id), sum(score) FROM engram_rows('t')", n) })
	b.Run("count", func(b *testing.B) { benchQuery(b, c, "SELECT count(*) FROM engram_rows('t')", n) })
	b.Run("streamed", func(b *testing.B) { benchQuery(b, c, "SELECT * FROM engram_rows('t')", n) })
}

func BenchmarkRelationVector512(b *testing.B) {
	c := connect(b, open(b, nil))
	const n = 100_000
	v := make([]float32, 512)
	c.Bind("t", &fixed{cols: []Column{{"v", List(Float)}}, n: n, fill: func(cols []*Writer, projection []int, from, n int) {
		for i := range n {
			cols[0].SetFloats(i, v)
		}
	}})
	b.Run("streamed", func(b *testing.B) { benchQuery(b, c, "SELECT v FROM engram_rows('t')", n) })
	b.Run("distance", func(b *testing.B) {
		benchQuery(b, c, "SELECT min(list_distance(v, v)) FROM engram_rows('t')", n)
	})
}

func BenchmarkAliveFilter(b *testing.B) {
	dir := b.TempDir()
	path := filepath.Join(dir, "seg.parquet")
	const n = 1_000_000
	parquet(b, path, n, "r * 10 AS id, r % 7 AS c")
	i := open(b, &Config{AllowedDirs: []string{dir}, Threads: 2})
	c := connect(b, i)
	dead := make([]uint64, n/64+1)
	for k := range dead {
		dead[k] = 1 << (k % 64)
	}
	register(b, i, aliveFunction(dead, nil))
	scan := "SELECT sum(id) FROM read_parquet([" + QuoteLiteral(path) + "], file_row_number = true)"
	b.Run("with", func(b *testing.B) { benchQuery(b, c, scan+" WHERE alive(file_row_number)", n) })
	b.Run("row_number_only", func(b *testing.B) { benchQuery(b, c, scan+" WHERE file_row_number >= 0", n) })
	b.Run("without", func(b *testing.B) { benchQuery(b, c, scan, n) })
	b.Run("limit10", func(b *testing.B) {
		benchQuery(b, c, "SELECT id FROM read_parquet(["+QuoteLiteral(path)+"], file_row_number = true) WHERE alive(file_row_number) LIMIT 10", 10)
	})
}

func BenchmarkOverhead(b *testing.B) {
	i := open(b, nil)
	c := connect(b, i)
	b.Run("connect", func(b *testing.B) {
		for b.Loop() {
			c, err := i.Connect()
			if err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
	b.Run("prepare", func(b *testing.B) {
		for b.Loop() {
			s, err := c.Prepare(bg, "SELECT $1::INTEGER + 1")
			if err != nil {
				b.Fatal(err)
			}
			s.Close()
		}
	})
	b.Run("query", func(b *testing.B) { benchQuery(b, c, "SELECT 1", 1) })
	b.Run("bind512", func(b *testing.B) {
		s, err := c.Prepare(bg, "SELECT $1::FLOAT[]")
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		v := make([]float32, 512)
		for b.Loop() {
			if err := s.Bind(1, v, List(Float)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bind512_as_bytes", func(b *testing.B) {
		s, err := c.Prepare(bg, "SELECT engram_floats($1::BLOB)")
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		v := make([]float32, 512)
		for b.Loop() {
			if err := s.Bind(1, v, Blob); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("firstchunk", func(b *testing.B) {
		s, err := c.Prepare(bg, "SELECT * FROM range(100000000)")
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		for b.Loop() {
			r, err := s.Query(bg)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.Next(); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
}

func BenchmarkParquetVector512(b *testing.B) {
	dir := b.TempDir()
	path := filepath.Join(dir, "seg.parquet")
	const n = 20_000
	parquet(b, path, n, "r AS id, list_transform(range(512), x -> (x + r)::FLOAT) AS v")
	c := connect(b, open(b, &Config{AllowedDirs: []string{dir}, Threads: 2}))
	from := " FROM read_parquet([" + QuoteLiteral(path) + "])"
	b.Run("streamed", func(b *testing.B) { benchQuery(b, c, "SELECT v"+from, n) })
	b.Run("counted", func(b *testing.B) { benchQuery(b, c, "SELECT max(len(v))"+from, n) })
}
