package ivf

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"

	"engram/accel"
	"engram/index"
	"engram/index/internal/space"
	"engram/quant"
)

// Config says how to build. The zero value of every field but Metric is a good choice.
type Config struct {
	Metric   accel.Metric            // L2, InnerProduct or Cosine
	Lists    int                     // how many lists, 0 chooses from the number of rows
	Profile  index.Profile           // Compact makes fewer lists, which costs speed
	Threads  int                     // goroutines of the build, 0 means GOMAXPROCS
	Memory   int64                   // bytes the build may use beside the rows, 0 means any; more is index.ErrMemory
	Seed     uint64                  // of every random choice: with the same seed the same rows give the same file
	Progress func(done, total int64) // called by one goroutine at a time, may be nil
}

const (
	// smallest is how many rows lists are worth it for: fewer are compared exactly, which takes no longer.
	smallest = 1000
	// listRows and compactRows are how many rows a list has at least, on average: a list costs its centroid and half a block of codes.
	listRows, compactRows = accel.ScanRows, 4 * accel.ScanRows
	// mostSample and leastSample are how many rows a list the centroids are found from.
	mostSample, leastSample = 40, 8
	// none is the list of rows without a code.
	none = math.MaxUint32
)

// lists is how many lists n rows are cut into.
func (c *Config) lists(n int) int {
	if c.Lists > 0 {
		return min(c.Lists, n/2)
	}
	least := listRows
	if c.Profile == index.Compact {
		least = compactRows
	}
	return max(1, min(int(4*math.Sqrt(float64(n))), n/least))
}

// Build makes an index of rows, which it keeps. When ctx ends, it returns ctx.Err and leaves nothing running. Other errors are
// accel.ErrMetric and index.ErrMemory.
func Build(ctx context.Context, rows *index.Rows, cfg Config) (*Index, error) {
	if err := checkMetric(cfg.Metric); err != nil {
		return nil, err
	}
	if rows.Len() > math.MaxInt32 {
		return nil, fmt.Errorf("ivf: %d rows, an index has up to %d", rows.Len(), math.MaxInt32)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if cfg.Threads <= 0 {
		cfg.Threads = runtime.GOMAXPROCS(0)
	}
	b := &builder{x: &Index{metric: cfg.Metric, rows: rows, n: rows.Len()}, cfg: cfg}
	if b.x.n >= smallest {
		if err := b.build(ctx); err != nil {
			return nil, err
		}
	}
	b.tell(2 * b.x.n)
	return b.x, nil
}

func checkMetric(m accel.Metric) error {
	if m != accel.L2 && m != accel.InnerProduct && m != accel.Cosine {
		return fmt.Errorf("ivf: %v: %w for lists", m, accel.ErrMetric)
	}
	return nil
}

type builder struct {
	x      *Index
	cfg    Config
	space  *space.Space
	dim    int // of the space
	lists  int
	sample int // rows
	labels []uint32
	told   sync.Mutex
	done   int
}

func (b *builder) tell(more int) {
	if b.cfg.Progress == nil {
		return
	}
	b.told.Lock()
	defer b.told.Unlock()
	if more = min(more, 2*b.x.n-b.done); more > 0 || b.x.n == 0 {
		b.done += more
		b.cfg.Progress(int64(b.done), int64(2*b.x.n))
	}
}

func (b *builder) build(ctx context.Context) error {
	x := b.x
	b.space = space.New(b.cfg.Metric, x.rows)
	x.longest, b.dim = b.space.Longest(), b.space.Dim()
	b.lists = b.cfg.lists(x.n)
	if err := b.budget(); err != nil {
		return err
	}
	ords, sample, err := b.draw()
	if err != nil {
		return err
	}
	if len(ords) == 0 {
		return nil // nothing can be coded: rows are compared exactly
	}
	b.lists = min(b.lists, len(ords))
	m := &means{dim: b.dim, rows: sample, threads: b.cfg.Threads, seed: b.cfg.Seed}
	if x.centroids, err = m.find(ctx, b.lists); err != nil {
		return err
	}
	l := newLearner(b.dim, ords, sample)
	if err := b.assign(ctx, l); err != nil {
		return err
	}
	x.reach = l.reach(x.centroids, b.labels)
	if err := b.encode(ctx); err != nil {
		return err
	}
	b.encodeRoot()
	return nil
}

// budget chooses how many rows to sample so that the build fits into its memory.
func (b *builder) budget() error {
	n, dim, lists := int64(b.x.n), int64(b.dim), int64(b.lists)
	codes, err := quant.NewRaBitQ(make([]float32, b.dim), 0)
	if err != nil {
		return err
	}
	row := int64(codes.RecordSize()) + 4
	block := int64(codes.BlockSize()) + 4*accel.ScanFactors
	result := n*row + (n/accel.ScanRows+lists)*block
	work := 8*n + 12*dim*lists + int64(b.cfg.Threads)*share*4*(lists+dim+learners)
	b.sample = min(b.x.n, b.lists*mostSample)
	if b.cfg.Memory <= 0 {
		return nil
	}
	const copies = 2 // the sample, and one part of it for each step
	fit := (b.cfg.Memory - result - work) / (copies * 4 * dim)
	if least := min(n, lists*leastSample); fit < least {
		return fmt.Errorf("%w: %d bytes for %d rows, allowed are %d", index.ErrMemory, result+work+least*copies*4*dim, n, b.cfg.Memory)
	}
	b.sample = int(min(int64(b.sample), fit))
	return nil
}

// draw chooses the codes and returns a sample of the rows that can be coded, turned, and their ords.
func (b *builder) draw() (ords []uint32, rows []float32, err error) {
	r := rand.New(rand.NewPCG(b.cfg.Seed, 5))
	rows = make([]float32, 0, b.sample*b.dim)
	sums := make([]float64, b.dim)
	for i := range b.sample {
		from, to := i*b.x.n/b.sample, (i+1)*b.x.n/b.sample
		ord := uint32(from + r.IntN(to-from))
		v := b.space.Row(ord)
		if !(accel.SqNorm(v) < longestSq) {
			continue
		}
		ords, rows = append(ords, ord), append(rows, v...)
		for j, y := range v {
			sums[j] += float64(y)
		}
	}
	centre := make([]float32, b.dim)
	for j, s := range sums {
		centre[j] = float32(s / float64(max(1, len(ords))))
	}
	codes, err := quant.NewRaBitQ(centre, b.cfg.Seed)
	if err != nil || len(ords) == 0 {
		return nil, nil, err
	}
	b.x.codes = codes
	for i := range ords {
		codes.Turn(rows[i*b.dim : (i+1)*b.dim])
	}
	return ords, rows, nil
}

// turned writes a row, turned, to dst; false, and zeros, if it can have no code.
func (b *builder) turned(s *scratch, ord uint32, dst []float32) bool {
	if s.space == nil {
		s.space = b.space.Fork()
	}
	copy(dst, s.space.Row(ord))
	b.x.codes.Turn(dst)
	if accel.SqNorm(dst) < longestSq {
		return true
	}
	clear(dst)
	return false
}

// assign finds the list of every row, and shows the rows to l on the way.
func (b *builder) assign(ctx context.Context, l *learner) error {
	b.labels = make([]uint32, b.x.n)
	a := newAssigner(b.dim, b.x.centroids)
	return parallel(ctx, b.cfg.Threads, b.x.n, share, func(s *scratch, from, to int) {
		s.block = grow(s.block, share*b.dim)
		block, labels := s.block[:(to-from)*b.dim], b.labels[from:to]
		var odd [share]bool
		for i := range labels {
			odd[i] = !b.turned(s, uint32(from+i), block[i*b.dim:(i+1)*b.dim])
		}
		a.assign(s, block, labels)
		for i := range labels {
			if odd[i] {
				labels[i] = none
			}
		}
		l.show(s, block, uint32(from), labels)
		b.tell(to - from)
	})
}

// encode makes the codes of every list.
func (b *builder) encode(ctx context.Context) error {
	x := b.x
	sizes := make([]int, b.lists)
	for ord, l := range b.labels {
		if l == none {
			x.odd = append(x.odd, uint32(ord))
		} else {
			sizes[l]++
		}
	}
	members := make([]uint32, 0, x.n)
	x.lists.plan(x.codes, sizes, x.n)
	members = members[:x.n-len(x.odd)]
	next := append([]uint32(nil), x.lists.starts...)
	for ord, l := range b.labels {
		if l != none {
			members[next[l]] = uint32(ord)
			next[l]++
		}
	}
	return parallel(ctx, b.cfg.Threads, b.lists, 1, func(s *scratch, list, _ int) {
		s.block = grow(s.block, b.dim)
		from, to := x.lists.span(list)
		near := x.centroid(list)
		for i, ord := range members[from:to] {
			b.turned(s, ord, s.block[:b.dim])
			x.lists.set(x.codes, list, i, ord, s.block[:b.dim], near)
		}
		b.tell(to - from)
	})
}

func (b *builder) encodeRoot() {
	x := b.x
	x.root.plan(x.codes, []int{b.lists}, b.lists)
	origin := make([]float32, b.dim)
	for l := range b.lists {
		x.root.set(x.codes, 0, l, uint32(l), x.centroid(l), origin)
	}
}
