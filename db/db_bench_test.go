package db

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func randomVectors(n, dim int) [][]float32 {
	r := rand.New(rand.NewPCG(3, 4))
	all := make([]float32, n*dim)
	for i := range all {
		all[i] = r.Float32() - 0.5
	}
	v := make([][]float32, n)
	for i := range v {
		v[i] = all[i*dim : (i+1)*dim]
	}
	return v
}

func benchTable(b *testing.B, d *DB, dim int) *Table {
	batch := d.NewBatch(nil)
	t := value(batch.CreateTable(Table{Name: "bench", Columns: []Column{
		{Name: "id", Type: TypeOf(Int8), Identity: IdentityByDefault}, {Name: "text", Type: TypeOf(Text)}, {Name: "v", Type: VectorOf(dim)},
	}, PrimaryKey: []int{0}}))(b)
	must(b, batch.Commit(ctx))
	return t
}

func openDisk(b *testing.B, o *Options) *DB {
	d, err := Open(b.TempDir(), o)
	must(b, err)
	b.Cleanup(func() { d.Close() })
	return d
}

// One row of 512 dimensions a commit, each waiting for the disk.
func BenchmarkInsertOne(b *testing.B) {
	for _, writers := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			d := openDisk(b, nil)
			t := benchTable(b, d, 512)
			v := randomVectors(100, 512)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						batch := d.NewBatch(nil)
						_, err := batch.Insert(ctx, t, Row{Default, "a memory", v[i%100]})
						if err == nil {
							err = batch.Commit(ctx)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// A thousand rows of 512 dimensions a commit, sealed in the background.
func BenchmarkInsertMany(b *testing.B) {
	d := openDisk(b, nil)
	t := benchTable(b, d, 512)
	v := randomVectors(1000, 512)
	rows := make([]Row, 1000)
	for i := range rows {
		rows[i] = Row{Default, "a memory", v[i]}
	}
	for b.Loop() {
		batch := d.NewBatch(nil)
		value(batch.Insert(ctx, t, rows...))(b)
		must(b, batch.Commit(ctx))
	}
	b.ReportMetric(float64(1000*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// Exact search over 100,000 vectors of 512 dimensions, in the head and settled, and what opening such a database takes.
func BenchmarkSearch100k(b *testing.B) {
	const n, dim = 100_000, 512
	dir := b.TempDir()
	d, err := Open(dir, &Options{NoBackground: true})
	must(b, err)
	t := benchTable(b, d, dim)
	v := randomVectors(n, dim)
	start := time.Now()
	for at := 0; at < n; at += 5000 {
		batch := d.NewBatch(nil)
		rows := make([]Row, 5000)
		for i := range rows {
			rows[i] = Row{Default, "a memory", v[at+i]}
		}
		value(batch.Insert(ctx, t, rows...))(b)
		must(b, batch.Commit(ctx))
	}
	b.Logf("insert: %.0f rows/s", n/time.Since(start).Seconds())
	search := func(b *testing.B) {
		s := d.Snapshot()
		defer s.Close()
		for b.Loop() {
			hits := value(s.Search(ctx, t, Query{Column: 2, Near: v[77], K: 10}))(b)
			if len(hits) != 10 || hits[0].ID != 78 {
				b.Fatal(hits)
			}
		}
	}
	reopen := func(b *testing.B) {
		for b.Loop() {
			must(b, d.Close())
			d, err = Open(dir, &Options{NoBackground: true})
			must(b, err)
		}
	}
	get := func(b *testing.B) {
		s := d.Snapshot()
		defer s.Close()
		r := rand.New(rand.NewPCG(1, 1))
		for b.Loop() {
			value(s.Get(ctx, t, RowID(1+r.IntN(n)), nil))(b)
		}
	}
	b.Run("head", search)
	b.Run("head/get", get)
	b.Run("head/reopen", reopen)
	start = time.Now()
	must(b, d.Seal(ctx, t.ID))
	b.Logf("seal: %.0f rows/s, %+v", n/time.Since(start).Seconds(), d.Stats())
	b.Run("sealed", search)
	b.Run("sealed/get", get)
	b.Run("sealed/reopen", reopen)
	must(b, d.Close())
}
