package hnsw

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"engram/accel"
	"engram/index"
	"engram/index/internal/space"
	"engram/quant"
)

// Config says how to build an index. The zero value of every field but Metric is a good choice.
type Config struct {
	Metric         accel.Metric // L2, InnerProduct or Cosine
	M              int          // links a new row makes; a row has up to twice as many. 0 chooses by Profile
	EfConstruction int          // how many rows the search for links keeps in view, 0 chooses
	Profile        index.Profile
	Threads        int    // 0: all
	Memory         int64  // most bytes the build may use beside the vectors; 0: no limit
	Seed           uint64 // of the order of insertion
	// Progress, if not nil, is told how many rows are done, by one goroutine at a time.
	Progress func(done, total int64)
}

// smallest is how many rows a graph is worth it for: fewer are compared exactly, which takes no longer.
const smallest = 1000

// Build makes an index of rows. Cancelling ctx ends it soon with ctx's error. Other errors: a metric that is none of those in
// Config, accel.ErrMetric; more bytes than Config.Memory, index.ErrMemory.
func Build(ctx context.Context, rows *index.Rows, cfg Config) (*Index, error) {
	switch cfg.Metric {
	case accel.L2, accel.InnerProduct, accel.Cosine:
	default:
		return nil, fmt.Errorf("hnsw: %v: %w for a graph", cfg.Metric, accel.ErrMetric)
	}
	if rows.Len() > math.MaxInt32 {
		return nil, fmt.Errorf("hnsw: %d rows, a graph has up to %d", rows.Len(), math.MaxInt32)
	}
	cfg.fill()
	x := &Index{metric: cfg.Metric, rows: rows, n: rows.Len(), degree: 2*cfg.M - 1, efBuild: cfg.EfConstruction}
	if x.n < smallest {
		return x, nil
	}
	b := &builder{x: x, cfg: cfg, space: space.New(cfg.Metric, rows)}
	return x, b.build(ctx)
}

func (c *Config) fill() {
	if c.M <= 0 {
		c.M = 32
		if c.Profile == index.Compact {
			c.M = 16
		}
	}
	c.M = min(max(c.M, 4), 128)
	if c.EfConstruction <= 0 {
		c.EfConstruction = 200
	}
	c.EfConstruction = max(c.EfConstruction, c.M)
	if c.Threads <= 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
}

type builder struct {
	x     *Index
	cfg   Config
	space *space.Space
	order []uint32 // of insertion
	locks [1024]sync.Mutex
	done  atomic.Int64
	told  sync.Mutex
}

// sampleRows is how many rows the codes are fitted to.
const sampleRows = 10_000

func (b *builder) build(ctx context.Context) error {
	x := b.x
	if err := b.fit(ctx); err != nil {
		return err
	}
	need := int64(x.n) * int64(x.size+4*(x.degree+1)+4)
	if b.cfg.Memory > 0 && need > b.cfg.Memory {
		return fmt.Errorf("%w: %d bytes for %d rows, allowed are %d", index.ErrMemory, need, x.n, b.cfg.Memory)
	}
	x.codes = arena(x.n * x.size)
	x.links = words(x.n * (x.degree + 1))
	if err := b.encode(ctx); err != nil {
		return err
	}
	b.shuffle()
	if err := b.insertAll(ctx); err != nil {
		return err
	}
	x.connect()
	return ctx.Err()
}

// fit chooses the codes by a sample of the rows.
func (b *builder) fit(ctx context.Context) error {
	r := rand.New(rand.NewPCG(b.cfg.Seed, 7))
	n := min(sampleRows, b.x.n)
	sample := make([]float32, 0, n*b.space.Dim())
	for i := range n {
		ord := uint32(i)
		if n < b.x.n {
			ord = uint32(r.IntN(b.x.n))
		}
		sample = append(sample, b.space.Row(ord)...)
	}
	largest := 0
	if b.cfg.Profile == index.Compact {
		largest = b.largestRecord()
	}
	lean, err := quant.FitLean(ctx, b.space.Dim(), sample, leanAgreement, largest)
	if err != nil {
		return err
	}
	b.x.lean, b.x.size = lean, lean.CodeSize()
	if largest > 0 {
		b.x.degree = min(b.x.degree, max(leastDegree, (b.compactBytes()-b.x.size)/4-1))
	}
	return nil
}

// leastDegree is how many links a row of a compact index has at least: with fewer the walk gets lost, whatever the codes.
const leastDegree = 23

// compactBytes is how many bytes a compact index may spend on the record and the links of a row: dim/2 + 200 without what entries and
// directions take of that.
func (b *builder) compactBytes() int {
	dim := b.x.rows.Dim()
	return dim/2 + 200 - min(16, 1+(5*dim*dim+2048*(dim+8))/b.x.n)
}

// largestRecord is the size of record that leaves room for leastDegree links.
func (b *builder) largestRecord() int {
	return max(accel.CodeLine, (b.compactBytes()-4*(leastDegree+1))/accel.CodeLine*accel.CodeLine)
}

// leanAgreement is how well codes must tell near rows apart: see quant.FitLean.
const leanAgreement = 0.98

// encode makes the code records, a share of the rows at a time.
func (b *builder) encode(ctx context.Context) error {
	x := b.x
	const share = 1024
	var next atomic.Int64
	b.parallel(func() {
		s := b.space.Fork()
		var scratch quant.LeanScratch
		for ctx.Err() == nil {
			from := int(next.Add(share)) - share
			if from >= x.n {
				return
			}
			for ord := from; ord < min(from+share, x.n); ord++ {
				x.lean.Encode(x.record(uint32(ord)), s.Row(uint32(ord)), &scratch)
			}
		}
	})
	return ctx.Err()
}

func (b *builder) parallel(work func()) {
	var wg sync.WaitGroup
	for range b.cfg.Threads {
		wg.Add(1)
		go func() { defer wg.Done(); work() }()
	}
	wg.Wait()
}

// shuffle chooses the order of insertion and the entries, which are its first rows that have a code.
func (b *builder) shuffle() {
	x := b.x
	r := rand.New(rand.NewPCG(b.cfg.Seed, 11))
	b.order = make([]uint32, 0, x.n)
	for ord := range x.n {
		if d := x.lean.RowOffset(x.record(uint32(ord))); d == d {
			b.order = append(b.order, uint32(ord))
		}
	}
	r.Shuffle(len(b.order), func(i, j int) { b.order[i], b.order[j] = b.order[j], b.order[i] })
	entries := min(len(b.order), max(64, min(1024, int(math.Sqrt(float64(x.n))))))
	x.entries = append([]uint32(nil), b.order[:entries]...)
	x.copyEntries()
}

func (x *Index) copyEntries() {
	x.theirs = arena(len(x.entries) * x.size)[:0]
	for _, e := range x.entries {
		x.theirs = append(x.theirs, x.record(e)...)
	}
}

// alone is how many rows are inserted before others may be at the same time.
const alone = 500

func (b *builder) insertAll(ctx context.Context) error {
	var w walker
	for i := range min(alone, len(b.order)) {
		b.insert(&w, i)
	}
	next := atomic.Int64{}
	next.Store(alone)
	b.parallel(func() {
		w := new(walker)
		for {
			i := int(next.Add(1)) - 1
			if i >= len(b.order) || i%64 == 0 && ctx.Err() != nil {
				return
			}
			b.insert(w, i)
			if i%1024 == 0 {
				b.tell(int64(i))
			}
		}
	})
	if ctx.Err() == nil {
		b.tell(int64(b.x.n))
	}
	return ctx.Err()
}

func (b *builder) tell(done int64) {
	if b.cfg.Progress == nil {
		return
	}
	b.told.Lock()
	defer b.told.Unlock()
	if done > b.done.Load() {
		b.done.Store(done)
		b.cfg.Progress(done, int64(b.x.n))
	}
}

// insert links row number i of the order with the rows before it.
func (b *builder) insert(w *walker, i int) {
	x := b.x
	ord, ef := b.order[i], b.cfg.EfConstruction
	record := x.record(ord)
	w.begin(x.n, ef, x.degree)
	w.see(ord)
	x.lean.RowQuery(record, &w.query, &w.lean)
	known := min(i, len(x.entries))
	w.enter(x, x.entries[:known], x.theirs[:known*x.size])
	b.walk(w, ef)
	w.chosen.keys = append(w.chosen.keys[:0], w.pool...)
	links := w.chosen.choose(x, x.lean.RowOffset(record), b.cfg.M)
	b.setLinks(ord, links)
	w.links = append(w.links[:0], links...)
	for _, near := range w.links {
		b.linkBack(w, near, ord)
	}
}

// walk is walker.walk while others change links.
func (b *builder) walk(w *walker, ef int) {
	x := b.x
	for {
		row, ok := w.expand()
		if !ok {
			return
		}
		at := int(row) * (x.degree + 1)
		count := atomic.LoadUint32(&x.links[at])
		m := 0
		for i := at + 1; i <= at+int(count); i++ {
			if v := atomic.LoadUint32(&x.links[i]); w.see(v) {
				w.ids[m] = v
				m++
			}
		}
		w.ahead(x)
		w.score(x, m, ef)
	}
}

// setLinks replaces the links of a row. Walks under way may see old and new ones: both are rows.
func (b *builder) setLinks(ord uint32, links []uint32) {
	at := int(ord) * (b.x.degree + 1)
	for i, v := range links {
		atomic.StoreUint32(&b.x.links[at+1+i], v)
	}
	atomic.StoreUint32(&b.x.links[at], uint32(len(links)))
}

// linkBack makes near link to ord; a row with all its links taken chooses among them anew.
func (b *builder) linkBack(w *walker, near, ord uint32) {
	x := b.x
	lock := &b.locks[near%uint32(len(b.locks))]
	lock.Lock()
	defer lock.Unlock()
	at := int(near) * (x.degree + 1)
	count := int(x.links[at])
	if count < x.degree {
		atomic.StoreUint32(&x.links[at+1+count], ord)
		atomic.StoreUint32(&x.links[at], uint32(count+1))
		return
	}
	c := &w.chosen
	w.ids = append(append(w.ids[:0], x.links[at+1:at+1+count]...), ord)
	offset := c.rank(x, x.record(near), w.ids)
	b.setLinks(near, c.choose(x, offset, x.degree))
}
