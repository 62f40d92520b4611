package db

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"engram/db/internal/segment"
)

// catalog is one version of everything that DDL, seals and compactions change: which tables there are and which segments they
// have. It is immutable but for refs; the database's current one is replaced under the commit lock.
type catalog struct {
	tables  map[TableID]*tableState
	names   map[tableName]TableID
	schemas map[string]bool
	refs    int // snapshots that use it, plus one while it is current; under DB.mu
}

type tableName struct{ schema, name string }

// tableState is a table in one catalog.
type tableState struct {
	t        *Table
	segments []*segmentRef     // by first RowID
	arenas   map[uint32]*arena // vectors of head rows by column ID
	mem      *tableMem         // shared by the versions of the table until TRUNCATE
}

// segmentRef is a live segment. All but dead and its indexes is immutable; refs counts the catalogs, the
// builds and the compactions that hold it, under DB.mu.
type segmentRef struct {
	id       uint64
	table    TableID
	base     string
	seg      *segment.Segment
	min, max RowID
	dead     atomic.Pointer[deadRows]
	indexes  atomic.Pointer[[]*segmentIndex] // the open ones; a new slice is made for each change
	refs     int
	merging  bool // a compaction replaces it; under DB.mu

	failures map[uint32]*buildFailure // by index ID, under DB.mu
}

// deadRows is the dead rows of a segment from a commit on. The bitmap is never changed: a commit makes a new one.
type deadRows struct {
	bits   *roaring.Bitmap
	commit uint64
}

// tableMem is what memory holds of a table's rows beyond their vectors.
type tableMem struct {
	mu     sync.RWMutex
	counts []countAt // ascending commits

	// Under DB.mu:
	headBytes int64              // written since the last seal; an upper bound of what the head holds
	lastWrite uint64             // last commit that wrote a row
	written   map[RowID]struct{} // rows written since a running seal's snapshot, nil when there is none
}

// countAt is the number of rows from a commit on.
type countAt struct {
	commit uint64
	rows   int64
}

// arenasFor returns an arena for each vector column of t, those of an earlier version where there are any.
func arenasFor(t *Table, earlier map[uint32]*arena) map[uint32]*arena {
	arenas := map[uint32]*arena{}
	for _, p := range t.vectors {
		id := t.Columns[p].ID
		if arenas[id] = earlier[id]; arenas[id] == nil {
			arenas[id] = newArena()
		}
	}
	return arenas
}

// rows returns the number of rows at a commit.
func (m *tableMem) rows(commit uint64) int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	i, ok := slices.BinarySearchFunc(m.counts, commit, func(c countAt, at uint64) int { return cmp.Compare(c.commit, at) })
	if !ok {
		i--
	}
	if i < 0 {
		return 0
	}
	return m.counts[i].rows
}

// addRows records a commit that changed the number of rows, and forgets counts that no snapshot from oldest on can ask for.
func (m *tableMem) addRows(delta int64, commit, oldest uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rows int64
	if n := len(m.counts); n > 0 {
		rows = m.counts[n-1].rows
	}
	i := 0
	for i+1 < len(m.counts) && m.counts[i+1].commit <= oldest {
		i++
	}
	m.counts = append(m.counts[:copy(m.counts, m.counts[i:])], countAt{commit, rows + delta})
}

func newCatalog() *catalog {
	return &catalog{tables: map[TableID]*tableState{}, names: map[tableName]TableID{}, schemas: map[string]bool{}}
}

// clone returns a catalog to change before it is published.
func (c *catalog) clone() *catalog {
	return &catalog{tables: maps.Clone(c.tables), names: maps.Clone(c.names), schemas: maps.Clone(c.schemas)}
}

func (c *catalog) put(s *tableState) {
	if old := c.tables[s.t.ID]; old != nil {
		delete(c.names, tableName{old.t.Schema, old.t.Name})
	}
	c.tables[s.t.ID] = s
	c.names[tableName{s.t.Schema, s.t.Name}] = s.t.ID
}

func (c *catalog) drop(id TableID) {
	if s := c.tables[id]; s != nil {
		delete(c.names, tableName{s.t.Schema, s.t.Name})
		delete(c.tables, id)
	}
}

// find returns the live segment row that holds id at a set of dead rows.
func (s *tableState) find(id RowID, dead func(*segmentRef) (*roaring.Bitmap, error)) (*segmentRef, uint32, error) {
	for _, g := range s.segments {
		if id < g.min {
			break
		}
		if id > g.max {
			continue
		}
		ord, ok := g.seg.Ord(uint64(id))
		if !ok {
			continue
		}
		bits, err := dead(g)
		if err != nil {
			return nil, 0, err
		}
		if bits == nil || !bits.Contains(ord) {
			return g, ord, nil
		}
	}
	return nil, 0, nil
}

// withSegments returns the state with segments removed and added.
func (s *tableState) withSegments(remove []*segmentRef, add *segmentRef) *tableState {
	n := &tableState{t: s.t, mem: s.mem, arenas: s.arenas}
	for _, g := range s.segments {
		if !slices.Contains(remove, g) {
			n.segments = append(n.segments, g)
		}
	}
	if add != nil {
		n.segments = append(n.segments, add)
	}
	slices.SortFunc(n.segments, func(a, b *segmentRef) int {
		return cmp.Or(cmp.Compare(a.min, b.min), cmp.Compare(a.id, b.id))
	})
	return n
}
