package db

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/db/internal/row"
	"engram/index"
)

// soakRow is one version of a row in the model. All but died never changes.
type soakRow struct {
	id    RowID
	group int64 // 0 to 999, for filters
	place int   // which cluster v is from
	v, w  []float32
	born  int64
	died  atomic.Int64 // the commit that replaced or deleted it, 0 while it lives
}

// soakModel is what the table must hold, at every commit that a reader may still see.
type soakModel struct {
	mu      sync.RWMutex
	version int64
	rows    []*soakRow // a reader's slice stays as it is: rows are appended, or the slice is replaced
	now     map[RowID]*soakRow
}

// soakView is the model as a snapshot sees it.
type soakView struct {
	rows    []*soakRow
	version int64
	own     map[RowID]*soakRow // what a batch has written; nil for a row that it has deleted
}

func (v *soakView) each(f func(*soakRow)) {
	for _, r := range v.rows {
		if died := r.died.Load(); r.born > v.version || died != 0 && died <= v.version {
			continue
		}
		if _, changed := v.own[r.id]; !changed {
			f(r)
		}
	}
	for _, r := range v.own {
		if r != nil {
			f(r)
		}
	}
}

// read takes a snapshot and the model as it was at the same moment.
func (m *soakModel) read(d *DB) (*Snapshot, soakView) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return d.Snapshot(), soakView{rows: m.rows, version: m.version}
}

func (m *soakModel) begin(d *DB) (*Batch, soakView) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return d.NewBatch(nil), soakView{rows: m.rows, version: m.version, own: map[RowID]*soakRow{}}
}

// commit commits a batch, and its writes to the model when that succeeds.
func (m *soakModel) commit(b *Batch, own map[RowID]*soakRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := b.Commit(ctx); err != nil {
		return err
	}
	m.version++
	for id, r := range own {
		if old := m.now[id]; old != nil {
			old.died.Store(m.version)
			delete(m.now, id)
		}
		if r != nil {
			r.born = m.version
			m.now[id] = r
			m.rows = append(m.rows, r)
		}
	}
	if len(m.rows) > 2*len(m.now)+1000 {
		m.rows = slices.Collect(func(yield func(*soakRow) bool) {
			for _, r := range m.now {
				if !yield(r) {
					return
				}
			}
		})
	}
	return nil
}

func (m *soakModel) size() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.now)
}

// some returns up to n rows that live now.
func (m *soakModel) some(n int) (rows []*soakRow) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, r := range m.now { // in no particular order
		if len(rows) == n {
			break
		}
		rows = append(rows, r)
	}
	return rows
}

// soakSpace draws vectors as embeddings lie: in clusters that spread in a few directions of many.
type soakSpace struct {
	dim     int
	centers [][]float32
	axes    [][]float32
}

func newSoakSpace(dim, clusters, spread int, seed uint64) *soakSpace {
	r := rand.New(rand.NewPCG(seed, 77))
	draw := func(n int) [][]float32 {
		all := make([][]float32, n)
		for i := range all {
			all[i] = make([]float32, dim)
			for j := range all[i] {
				all[i][j] = float32(r.NormFloat64())
			}
		}
		return all
	}
	return &soakSpace{dim, draw(clusters), draw(spread)}
}

func (s *soakSpace) draw(r *rand.Rand, place int) []float32 {
	v := slices.Clone(s.centers[place%len(s.centers)])
	for _, axis := range s.axes {
		z := 0.3 * float32(r.NormFloat64())
		for j := range v {
			v[j] += z * axis[j]
		}
	}
	for j := range v {
		v[j] += 0.05 * float32(r.NormFloat64())
	}
	return v
}

// soakQuery is a search and what it may answer.
type soakQuery struct {
	Query
	class string
	pass  func(*soakRow) bool // nil: all rows
}

// allow makes the filter of the query from what passes.
func (q *soakQuery) allow(v *soakView) {
	if q.pass == nil {
		return
	}
	var ids []uint64
	v.each(func(r *soakRow) {
		if q.pass(r) {
			ids = append(ids, uint64(r.id))
		}
	})
	q.Filter = roaring64.BitmapOf(ids...)
}

// judge checks the hits of a search against the model and returns the recall.
func (q *soakQuery) judge(hits []Hit, v *soakView) (recall float64, err error) {
	at := map[RowID]int{}
	for i, h := range hits {
		if _, twice := at[h.ID]; twice {
			return 0, fmt.Errorf("row %d is returned twice", h.ID)
		}
		if i > 0 && compareHits(hits[i-1], h) >= 0 {
			return 0, fmt.Errorf("hits %d and %d are out of order: %v %v", i-1, i, hits[i-1], h)
		}
		at[h.ID] = i
	}
	best := nearest{k: q.K}
	match := 0
	v.each(func(r *soakRow) {
		x := r.v
		if q.Column == soakW {
			x = r.w
		}
		if x == nil || q.pass != nil && !q.pass(r) {
			return
		}
		match++
		d := q.Metric.Dist(q.Near, x)
		if best.wants(d) {
			best.push(Hit{ID: r.id, Dist: d})
		}
		if i, ok := at[r.id]; ok {
			if delete(at, r.id); err == nil && !sameDist(hits[i].Dist, d) {
				err = fmt.Errorf("row %d has dist %g, not %g", r.id, hits[i].Dist, d)
			}
		}
	})
	for id, i := range at {
		return 0, fmt.Errorf("hit %d, row %d, is not there or may not be returned", i, id)
	}
	want := min(q.K, match)
	if err != nil || want == 0 {
		return 1, err
	}
	if len(hits) != want {
		return 0, fmt.Errorf("%d hits of %d that match, k %d", len(hits), match, q.K)
	}
	exact := best.sorted()
	found, last := 0, exact[want-1].Dist
	for _, h := range hits {
		if index.CompareDist(h.Dist, last) <= 0 || sameDist(h.Dist, last) {
			found++
		}
	}
	return float64(found) / float64(want), nil
}

// sameDist allows for the order in which kernels add up.
func sameDist(a, b float32) bool {
	return a == b || a != a && b != b || math.Abs(float64(a-b)) <= 1e-5*(1+math.Abs(float64(b)))
}

// recallWindow is over how many searches of a class the recall is averaged.
const recallWindow = 100

// recallBook keeps the recall of each class of searches.
type recallBook struct {
	mu     sync.Mutex
	sums   map[string]float64 // of the window under way
	counts map[string]int
	total  map[string]int
	lowest map[string]float64 // of complete windows
}

func newRecallBook() *recallBook {
	return &recallBook{sums: map[string]float64{}, counts: map[string]int{}, total: map[string]int{}, lowest: map[string]float64{}}
}

// add notes a search; it reports the mean of a window that it completes.
func (b *recallBook) add(class string, recall float64) (mean float64, complete bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sums[class] += recall
	b.counts[class]++
	b.total[class]++
	if b.counts[class] < recallWindow {
		return 0, false
	}
	mean = b.sums[class] / recallWindow
	b.sums[class], b.counts[class] = 0, 0
	if low, ok := b.lowest[class]; !ok || mean < low {
		b.lowest[class] = mean
	}
	return mean, true
}

func (b *recallBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for class, n := range b.total {
		low := "-"
		if x, ok := b.lowest[class]; ok {
			low = fmt.Sprintf("%.4f", x)
		}
		out = append(out, fmt.Sprintf("%s %d searches, lowest %s", class, n, low))
	}
	slices.SortFunc(out, cmp.Compare[string])
	return fmt.Sprint(out)
}

// halfOf rounds as a halfvec column does.
func halfOf(v []float32) []float32 {
	x, err := row.Coerce(Type{Kind: Halfvec, Mod: int32(len(v))}, v)
	if err != nil {
		panic(err)
	}
	return x.([]float32)
}
