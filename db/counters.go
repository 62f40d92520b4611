package db

import (
	"fmt"
	"math"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"engram/db/internal/keys"
)

// counters give out numbers that are never given twice. They reserve blocks: what lies in Pebble is the first number not
// reserved, written before any number of the block is used, so that the log has it whenever it has a row with such a number.
// A crash skips the rest of a block, as PostgreSQL's sequences do.
type counters struct {
	mu sync.Mutex
	kv *pebble.DB
	m  map[counterID]*counter
}

type counterID struct {
	table  TableID
	column uint32
}

type counter struct{ next, limit uint64 }

func newCounters(kv *pebble.DB) *counters { return &counters{kv: kv, m: map[counterID]*counter{}} }

// Blocks: how many numbers are reserved at once.
const (
	rowBlock      = 1024
	identityBlock = 32
)

// take gives n numbers in a row, the first of which it returns. The first number ever is 1.
func (c *counters) take(table TableID, column uint32, n int, block uint64) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ct, err := c.loadLocked(counterID{table, column})
	if err != nil {
		return 0, err
	}
	if ct.next > math.MaxInt64-uint64(n) {
		return 0, fmt.Errorf("%w: counter of table %d is exhausted", ErrInvalidValue, table)
	}
	if ct.next+uint64(n) > ct.limit {
		limit := ct.next + max(uint64(n), block)
		if err := c.kv.Set(keys.Counter(uint32(table), column), keys.Number(limit), pebble.NoSync); err != nil {
			return 0, err
		}
		ct.limit = limit
	}
	first := ct.next
	ct.next += uint64(n)
	return first, nil
}

func (c *counters) takeRows(table TableID, n int) (RowID, error) {
	id, err := c.take(table, keys.CounterRows, n, rowBlock)
	return RowID(id), err
}

func (c *counters) loadLocked(id counterID) (*counter, error) {
	if ct := c.m[id]; ct != nil {
		return ct, nil
	}
	n, ok, err := readUnique(c.kv, keys.Counter(uint32(id.table), id.column))
	if err != nil {
		return nil, err
	}
	if !ok {
		n = 1
	}
	ct := &counter{next: uint64(n), limit: uint64(n)}
	c.m[id] = ct
	return ct, nil
}

// peek returns the number that take would give.
func (c *counters) peek(table TableID, column uint32) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ct, err := c.loadLocked(counterID{table, column})
	if err != nil {
		return 0, err
	}
	return ct.next, nil
}

// set makes next the number that take gives next.
func (c *counters) set(table TableID, column uint32, next uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ct, err := c.loadLocked(counterID{table, column})
	if err != nil {
		return err
	}
	if err := c.kv.Set(keys.Counter(uint32(table), column), keys.Number(next), pebble.Sync); err != nil {
		return err
	}
	ct.next, ct.limit = next, next
	return nil
}

// forget drops the counters of a dropped table from memory; its keys go with the commit that drops it.
func (c *counters) forget(table TableID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.m {
		if id.table == table {
			delete(c.m, id)
		}
	}
}

// save returns what was reserved and not used, so that an orderly close skips no number.
func (c *counters) save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.kv.NewBatch()
	defer b.Close()
	for id, ct := range c.m {
		if ct.next == ct.limit {
			continue
		}
		if err := b.Set(keys.Counter(uint32(id.table), id.column), keys.Number(ct.next), nil); err != nil {
			return err
		}
		ct.limit = ct.next
	}
	if b.Empty() {
		return nil
	}
	return c.kv.Apply(b, pebble.Sync)
}

// nextIdentity takes n values of an identity column.
func (d *DB) nextIdentity(t *Table, column, n int) (int64, error) {
	if err := t.checkIdentity(column); err != nil {
		return 0, err
	}
	first, err := d.counters.take(t.ID, t.Columns[column].ID, n, identityBlock)
	return int64(first), err
}

func (t *Table) checkIdentity(column int) error {
	if err := t.checkWant([]int{column}); err != nil {
		return err
	}
	if t.Columns[column].Identity == NoIdentity {
		return fmt.Errorf("%w: column %q does not count by itself", ErrInvalidValue, t.Columns[column].Name)
	}
	return nil
}

// NextIdentity takes the next value of an identity column, as nextval does. It is never given again, whatever becomes of the
// caller's batch.
func (d *DB) NextIdentity(t *Table, column int) (int64, error) {
	var n int64
	err := d.op(func() (err error) { n, err = d.nextIdentity(t, column, 1); return err })
	return n, err
}

// SetIdentity makes next, at least 1, the value that NextIdentity gives next, as setval does. It is durable when it returns and
// part of no batch.
func (d *DB) SetIdentity(t *Table, column int, next int64) error {
	return d.op(func() error {
		if err := t.checkIdentity(column); err != nil {
			return err
		}
		if next < 1 {
			return fmt.Errorf("%w: an identity column counts from 1", ErrInvalidValue)
		}
		return d.counters.set(t.ID, t.Columns[column].ID, uint64(next))
	})
}

// PeekIdentity returns the value that NextIdentity would give, without taking it.
func (d *DB) PeekIdentity(t *Table, column int) (int64, error) {
	var n uint64
	err := d.op(func() (err error) {
		if err = t.checkIdentity(column); err == nil {
			n, err = d.counters.peek(t.ID, t.Columns[column].ID)
		}
		return err
	})
	return int64(n), err
}

// op runs f while the database stays open.
func (d *DB) op(f func() error) error {
	s := d.Snapshot()
	defer s.Close()
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	return f()
}
