package annbench

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"engram/accel"
	"engram/index"
)

// answer finds the exact nearest rows of every query, or reads them where an earlier run kept them.
func (d *Dataset) answer(ctx context.Context, cache string, progress Progress) error {
	d.TruthFile = filepath.Join(cache, fmt.Sprintf("%s-%d-%d.truth", d.Name, d.N, d.NQ))
	var err error
	if exists(d.TruthFile) {
		d.Truth, err = readUints(d.TruthFile, d.NQ*K)
		return err
	}
	if d.Truth, err = exact(ctx, d, nil, progress); err != nil {
		return err
	}
	return writeUints(d.TruthFile, d.Truth)
}

// missing marks the places of an answer that fewer than K rows fill.
const missing = ^uint32(0)

// exact compares every query with every row that allow, if not nil, has a bit for. A block of rows is compared with
// every query while the cache holds it.
func exact(ctx context.Context, d *Dataset, allow []uint64, progress Progress) ([]uint32, error) {
	if d.N < K {
		return nil, fmt.Errorf("%d rows are too few to find %d", d.N, K)
	}
	const share = 100 // queries of one goroutine's turn
	truth := make([]uint32, d.NQ*K)
	var next, done atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for ctx.Err() == nil {
				from := int(next.Add(share)) - share
				if from >= d.NQ {
					return
				}
				to := min(from+share, d.NQ)
				d.exactOf(ctx, from, to, allow, truth)
				if progress != nil {
					progress.tell("exact answers", done.Add(int64(to-from)), int64(d.NQ))
				}
			}
		}()
	}
	wg.Wait()
	return truth, ctx.Err()
}

func (d *Dataset) exactOf(ctx context.Context, from, to int, allow []uint64, truth []uint32) {
	const rows = 256
	tops, queries := make([]index.TopK, to-from), make([]accel.Query, to-from)
	for i := range tops {
		tops[i].Reset(K)
		queries[i] = accel.NewQuery(d.Metric, d.Query(from+i))
	}
	sq, dist := make([]float32, rows), make([]float32, rows)
	for r := 0; r < d.N && ctx.Err() == nil; r += rows {
		n := min(rows, d.N-r)
		block := d.Base[r*d.Dim : (r+n)*d.Dim]
		accel.SqNorms(d.Dim, block, sq[:n])
		for i := range tops {
			queries[i].Rows(block, sq[:n], dist[:n])
			if allow == nil {
				tops[i].PushRange(uint32(r), dist[:n])
				continue
			}
			for j, x := range dist[:n] {
				if o := r + j; allow[o/64]>>(o%64)&1 == 1 {
					tops[i].Push(uint32(o), x)
				}
			}
		}
	}
	var hits []index.Hit
	for i := range tops {
		hits = tops[i].AppendTo(hits[:0])
		for j := range K {
			truth[(from+i)*K+j] = missing
			if j < len(hits) {
				truth[(from+i)*K+j] = hits[j].Ord
			}
		}
	}
}
