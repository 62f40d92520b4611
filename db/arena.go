package db

import (
	"slices"
	"sync"
	"sync/atomic"
)

// arena holds the vectors of one column's head rows, back to back, for exact search. Every entry says from which commit on and
// up to which commit it is seen, so one arena serves all snapshots.
//
// Writers hold the commit lock. Readers take a view and read without a lock: a chunk's entries are never moved or
// overwritten, new ones come behind the length the view saw, and only the death stamp of an entry changes, to a commit that is
// later than any view's snapshot for which it still counts.
type arena struct {
	mu     sync.RWMutex
	chunks []*chunk
	where  map[RowID]slot // the newest version of each row
	dead   int            // entries with a death stamp
	size   int            // entries
	swept  uint64         // oldest snapshot at the last sweep
}

type chunk struct {
	dim  int
	n    int // entries in use; under arena.mu
	data []float32
	ids  []RowID
	born []uint64
	died []atomic.Uint64 // 0 while alive
}

type slot struct {
	c *chunk
	i int
}

// chunkFloats is the size of a chunk, but for a column's first ones, which are smaller.
const chunkFloats = 1 << 19

func newArena() *arena { return &arena{where: map[RowID]slot{}} }

func newChunk(dim, rows int) *chunk {
	return &chunk{dim: dim, data: make([]float32, rows*dim), ids: make([]RowID, rows), born: make([]uint64, rows),
		died: make([]atomic.Uint64, rows)}
}

func (c *chunk) vector(i int) []float32 { return c.data[i*c.dim : (i+1)*c.dim : (i+1)*c.dim] }

// visible reports whether a snapshot at commit sees entry i.
func (c *chunk) visible(i int, commit uint64) bool {
	if c.born[i] > commit {
		return false
	}
	died := c.died[i].Load()
	return died == 0 || died > commit
}

// put adds the vector of a row that commit wrote; an older version of the row dies.
func (a *arena) put(id RowID, v []float32, commit uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.killLocked(id, commit)
	a.where[id] = a.appendLocked(id, v, commit)
}

// kill ends the newest version of a row, if there is one.
func (a *arena) kill(commit uint64, ids ...RowID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		a.killLocked(id, commit)
	}
}

func (a *arena) killLocked(id RowID, commit uint64) {
	if s, ok := a.where[id]; ok {
		s.c.died[s.i].Store(commit)
		delete(a.where, id)
		a.dead++
	}
}

func (a *arena) appendLocked(id RowID, v []float32, commit uint64) slot {
	var c *chunk
	for i := len(a.chunks) - 1; i >= 0; i-- {
		if x := a.chunks[i]; x.dim == len(v) {
			if x.n < len(x.ids) {
				c = x
			}
			break
		}
	}
	if c == nil {
		rows := max(1, min(chunkFloats/max(1, len(v)), max(16, a.size)))
		c = newChunk(len(v), rows)
		// Views hold the old slice: never append in place.
		a.chunks = append(slices.Clone(a.chunks), c)
	}
	i := c.n
	copy(c.vector(i), v)
	c.ids[i], c.born[i] = id, commit
	c.n++
	a.size++
	return slot{c, i}
}

// chunkView is a chunk as a reader may read it: its first n entries.
type chunkView struct {
	*chunk
	n int
}

// view returns what there is to read now.
func (a *arena) view() []chunkView {
	a.mu.RLock()
	defer a.mu.RUnlock()
	v := make([]chunkView, len(a.chunks))
	for i, c := range a.chunks {
		v[i] = chunkView{c, c.n}
	}
	return v
}

// sweep forgets entries that no snapshot from oldest on sees, when at least half of the entries are dead; it copies what remains of
// chunks that are mostly dead. It reports whether there is more to forget once older snapshots are closed. The caller
// holds the commit lock.
func (a *arena) sweep(oldest uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mostlyDead() && a.swept < oldest {
		a.sweepLocked(oldest)
	}
	return a.mostlyDead()
}

func (a *arena) mostlyDead() bool { return a.dead >= 256 && a.dead*2 >= a.size }

func (a *arena) sweepLocked(oldest uint64) {
	a.swept = oldest
	old := a.chunks
	a.chunks = nil
	for _, c := range old {
		gone := 0
		for i := range c.n {
			if died := c.died[i].Load(); died != 0 && died <= oldest {
				gone++
			}
		}
		if gone*2 <= c.n {
			a.chunks = append(a.chunks, c)
			continue
		}
		a.size -= c.n
		a.rewriteLocked(c, oldest)
	}
}

// rewriteLocked copies the entries of a chunk that some snapshot from oldest on sees. Readers of the old chunk see the same
// rows in it, for entries that die from now on die after their snapshots.
func (a *arena) rewriteLocked(c *chunk, oldest uint64) {
	for i := range c.n {
		died := c.died[i].Load()
		if died != 0 && died <= oldest {
			a.dead--
			continue
		}
		s := a.appendLocked(c.ids[i], c.vector(i), c.born[i])
		s.c.died[s.i].Store(died)
		if died == 0 {
			a.where[c.ids[i]] = s
		}
	}
}

func (a *arena) bytes() int64 {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var n int64
	for _, c := range a.chunks {
		n += int64(len(c.data))*4 + int64(len(c.ids))*24
	}
	return n + int64(len(a.where))*48
}
