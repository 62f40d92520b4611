package db

import (
	"runtime"
	"sync"
	"sync/atomic"

	"engram/index"
)

// scanBlock is how many vectors are scored at a time.
const scanBlock = 512

// run makes the probes and scans and merges their hits.
func (x *search) run() ([]Hit, error) {
	defer x.release()
	if x.index != nil && len(x.probes) > 0 {
		x.stats.Index, x.stats.IndexedSegments = x.index.Name, len(x.probes)
	}
	var hits []Hit
	var err error
	if len(x.scans) == 0 && len(x.probes) == 1 {
		hits, err = x.probe(&x.probes[0])
	} else {
		hits, err = x.runAll()
	}
	if err != nil {
		return nil, err
	}
	if x.q.Stats != nil {
		for i := range x.probes {
			x.stats.add(&x.probes[i].stats)
		}
		*x.q.Stats = x.stats
	}
	return hits, nil
}

// runAll shares probes and scans among goroutines, as many as the work is worth.
func (x *search) runAll() ([]Hit, error) {
	total := 0
	for i := range x.scans {
		total += x.scans[i].n * x.scans[i].dim
	}
	blocks := x.blocks()
	workers := max(1, min(runtime.GOMAXPROCS(0), len(x.probes)+total>>18))
	r := searchRun{x: x, blocks: blocks, lists: make([][]Hit, workers+len(x.probes)), errs: make([]error, workers)}
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Add(1)
		go func() { defer wg.Done(); r.work(w) }()
	}
	r.work(0)
	wg.Wait()
	for _, err := range r.errs {
		if err != nil {
			return nil, err
		}
	}
	x.stats.HeadVectors, x.stats.SegmentVectors = int(r.headScored.Load()), int(r.segmentScored.Load())
	return index.Merge(make([]Hit, 0, min(x.q.K, 1024)), x.q.K, compareHits, r.lists...), nil
}

// searchRun is what the goroutines of a search share.
type searchRun struct {
	x                         *search
	blocks                    []block
	next                      atomic.Int64 // probe or, behind those, block to do next
	lists                     [][]Hit      // of each worker, then of each probe
	errs                      []error      // of each worker
	headScored, segmentScored atomic.Int64
}

func (r *searchRun) work(w int) {
	x := r.x
	k := nearest{k: x.q.K}
	var buf *scanBuffer
	for {
		i := int(r.next.Add(1)) - 1
		if i < len(x.probes) {
			hits, err := x.probe(&x.probes[i])
			if err != nil {
				r.errs[w] = err
				return
			}
			r.lists[len(r.errs)+i] = hits
			continue
		}
		if i -= len(x.probes); i >= len(r.blocks) {
			break
		}
		if r.errs[w] = x.ctx.Err(); r.errs[w] != nil {
			return
		}
		if buf == nil {
			buf = scanBuffers.Get().(*scanBuffer)
			defer scanBuffers.Put(buf)
		}
		n, err := x.scan(r.blocks[i], &k, buf)
		if err != nil {
			r.errs[w] = err
			return
		}
		if r.blocks[i].scan < x.head {
			r.headScored.Add(int64(n))
		} else {
			r.segmentScored.Add(int64(n))
		}
	}
	r.lists[w] = k.sorted()
}

// block is a part of a scan that one goroutine does at a time.
type block struct{ scan, from, to int }

func (x *search) blocks() []block {
	var blocks []block
	for i := range x.scans {
		const step = 8 * scanBlock
		for from := 0; from < x.scans[i].n; from += step {
			blocks = append(blocks, block{i, from, min(from+step, x.scans[i].n)})
		}
	}
	return blocks
}

type scanBuffer struct {
	at   [scanBlock]uint32
	dist [scanBlock]float32
}

var scanBuffers = sync.Pool{New: func() any { return new(scanBuffer) }}

// scan scores a block and shows the hits to k. It returns how many vectors it compared.
func (x *search) scan(b block, k *nearest, buf *scanBuffer) (int, error) {
	s := &x.scans[b.scan]
	scored := 0
	for from := b.from; from < b.to; from += scanBlock {
		to := min(from+scanBlock, b.to)
		var at []uint32
		if s.listed != nil {
			at = s.listed[from:to]
		} else {
			at = s.pick(buf.at[:0], from, to)
		}
		if len(at) == 0 {
			continue
		}
		if s.dim != len(x.q.Near) {
			return 0, &QueryDimensionError{Stored: s.dim, Query: len(x.q.Near)}
		}
		dist := buf.dist[:len(at)]
		if s.listed == nil && len(at) == to-from {
			x.query.Rows(s.data[from*s.dim:to*s.dim], nil, dist)
		} else {
			x.query.Gather(s.data, nil, at, dist)
		}
		scored += len(at)
		for i, d := range dist {
			if k.wants(d) {
				k.push(Hit{ID: s.id(at[i]), Dist: d})
			}
		}
	}
	return scored, nil
}
