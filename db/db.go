package db

import (
	"container/list"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/db/internal/segment"
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	dir, segDir string
	opt         Options
	fs          vfs.FS
	log         *slog.Logger
	lock        io.Closer
	cache       *pebble.Cache
	kv          *pebble.DB
	blocks      *segment.Cache
	counters    *counters
	encoders    encoderSource

	definedAt atomic.Uint64 // the last commit that changed a descriptor, a schema or a setting

	mu       sync.Mutex // the commit lock
	commit   uint64     // number of the last commit
	cat      *catalog
	live     list.List // *Snapshot, by commit: all that are not released
	batches  list.List // *Snapshot, by commit: those of batches
	drained  sync.Cond // signalled when live shrinks
	closed   bool
	failed   error // set once by a sync that failed
	recent   recentWrites
	pending  roaring64.Bitmap // memories that wait for an embedding
	unswept  map[*arena]bool  // mostly dead, kept for some snapshot
	trash    []*segmentRef    // without references, files not removed yet
	building *buildJob        // the build that runs, if any

	seals   chan struct{} // holds a token while nobody seals
	merges  chan struct{} // holds a token while nobody compacts
	builds  chan struct{} // holds a token while nobody builds an index
	embedMu sync.Mutex    // one EmbedPending at a time
	wake    chan struct{}
	stop    chan struct{}
	closing context.Context // done when stop is closed
	cancel  context.CancelFunc

	wakeMerger  chan struct{}
	wakeIndexer chan struct{}
	working     sync.WaitGroup
}

// Stats says how large a database is.
type Stats struct {
	Tables            int
	HeadRows          int64 // rows in no segment
	HeadBytes         int64 // what they took when they were written; an upper bound
	SegmentRows       int64 // dead rows included
	DeadRows          int64 // rows of segments that are deleted or replaced
	Segments          int
	SegmentBytes      int64 // all their files
	ArenaBytes        int64 // vectors of head rows in memory
	Snapshots         int   // open snapshots and batches
	PendingEmbeddings int
	Commits           uint64 // since the database was opened
}

// Dir returns the directory given to Open.
func (d *DB) Dir() string { return d.dir }

// SegmentDir returns the absolute directory of the Parquet files.
func (d *DB) SegmentDir() string { return d.segDir }

// Snapshot returns a view of the last commit. It must be closed. After Close its methods answer ErrClosed.
func (d *DB) Snapshot() *Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.snapshotLocked(false)
}

func (d *DB) snapshotLocked(forBatch bool) *Snapshot {
	if d.closed {
		return &Snapshot{d: d, cat: newCatalog(), closed: true, gone: true}
	}
	s := &Snapshot{d: d, kv: d.kv.NewSnapshot(), commit: d.commit, cat: d.cat}
	d.cat.refs++
	s.elem = d.live.PushBack(s)
	if forBatch {
		s.batchElem = d.batches.PushBack(s)
	}
	return s
}

// release frees a snapshot that is closed and has no operation running.
func (d *DB) release(s *Snapshot) {
	d.mu.Lock()
	d.live.Remove(s.elem)
	if s.batchElem != nil {
		d.batches.Remove(s.batchElem)
	}
	if err := s.kv.Close(); err != nil {
		d.log.Error("closing a snapshot", "error", err)
	}
	d.unrefLocked(s.cat)
	if oldest := d.oldestLocked(); oldest > s.commit {
		for a := range d.unswept {
			d.sweepLocked(a, oldest)
		}
	}
	d.drained.Broadcast()
	d.mu.Unlock()
	d.emptyTrash()
}

// sweepLocked frees what an arena holds for no snapshot, now or when the snapshots that need it are closed.
func (d *DB) sweepLocked(a *arena, oldest uint64) {
	if a.sweep(oldest) {
		d.unswept[a] = true
	} else {
		delete(d.unswept, a)
	}
}

// oldestLocked returns the oldest commit that a snapshot still sees.
func (d *DB) oldestLocked() uint64 {
	if e := d.live.Front(); e != nil {
		return e.Value.(*Snapshot).commit
	}
	return d.commit
}

// oldestBatchLocked returns the oldest commit that a batch other than that of self reads from.
func (d *DB) oldestBatchLocked(self *Snapshot) uint64 {
	for e := d.batches.Front(); e != nil; e = e.Next() {
		if s := e.Value.(*Snapshot); s != self {
			return s.commit
		}
	}
	return math.MaxUint64
}

// setCatalogLocked publishes a catalog.
func (d *DB) setCatalogLocked(cat *catalog) {
	cat.refs = 1
	for _, ts := range cat.tables {
		for _, g := range ts.segments {
			g.refs++
		}
	}
	old := d.cat
	d.cat = cat
	if old != nil {
		d.unrefLocked(old)
	}
	d.stopUnwantedLocked()
	for _, wake := range []chan struct{}{d.wakeMerger, d.wakeIndexer} {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

func (d *DB) unrefLocked(cat *catalog) {
	if cat.refs--; cat.refs > 0 {
		return
	}
	for _, ts := range cat.tables {
		for _, g := range ts.segments {
			if g.refs--; g.refs == 0 {
				d.trash = append(d.trash, g)
			}
		}
	}
}

// emptyTrash removes the files of segments that nothing refers to any more. What it fails to remove the next Open sweeps. After
// a failed sync nothing is removed: the manifest on disk may still name these files.
func (d *DB) emptyTrash() {
	d.mu.Lock()
	if d.failed != nil {
		d.mu.Unlock()
		return
	}
	trash := d.trash
	d.trash = nil
	d.mu.Unlock()
	for _, g := range trash {
		if err := errors.Join(d.removeIndexes(g), g.seg.Close(), segment.Remove(d.fs, g.base)); err != nil {
			d.log.Warn("removing a segment", "segment", g.base, "error", err)
		}
	}
}

// removeIndexes closes the indexes of a segment in the trash and removes their files.
func (d *DB) removeIndexes(g *segmentRef) error {
	paths, err := g.closeIndexes()
	errs := []error{err}
	for _, p := range paths {
		errs = append(errs, d.removeFile(p))
	}
	return errors.Join(errs...)
}

// Close stops the background work, waits for operations that run, and closes the files. Snapshots and batches still open answer
// ErrClosed afterwards. It must not be called from within a callback of a scan.
func (d *DB) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return ErrClosed
	}
	d.closed = true
	close(d.stop)
	d.cancel()
	var open []*Snapshot
	for e := d.live.Front(); e != nil; e = e.Next() {
		open = append(open, e.Value.(*Snapshot))
	}
	d.mu.Unlock()
	for _, s := range open {
		s.Close()
	}
	d.working.Wait()
	d.mu.Lock()
	for d.live.Len() > 0 {
		d.drained.Wait()
	}
	d.mu.Unlock()
	return d.shut()
}

// shut closes what Open opened, as far as it came.
func (d *DB) shut() error {
	var errs []error
	if d.kv != nil {
		if d.counters != nil && d.failed == nil {
			errs = append(errs, d.counters.save())
		}
		errs = append(errs, d.kv.Close())
	}
	if d.cat != nil {
		for _, ts := range d.cat.tables {
			for _, g := range ts.segments {
				_, err := g.closeIndexes()
				errs = append(errs, err, g.seg.Close())
			}
		}
	}
	if d.cache != nil {
		d.cache.Unref()
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// storageError makes errors of Pebble ours.
func (d *DB) storageError(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrCorrupt):
		return err
	case pebble.IsCorruptionError(err):
		return corrupt(err, "%s", filepath.Join(d.dir, pebbleDir))
	}
	return err
}

func (d *DB) headRowsLocked(ts *tableState) int64 {
	n := ts.mem.rows(d.commit)
	for _, g := range ts.segments {
		n -= int64(g.seg.Rows()) - deadCount(g.dead.Load().bits)
	}
	return n
}

// Stats returns sizes as of now.
func (d *DB) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Stats{Snapshots: d.live.Len(), PendingEmbeddings: int(d.pending.GetCardinality()), Commits: d.commit}
	if d.closed {
		return s
	}
	s.Tables = len(d.cat.tables)
	for _, ts := range d.cat.tables {
		s.HeadRows += d.headRowsLocked(ts)
		s.HeadBytes += ts.mem.headBytes
		for _, a := range ts.arenas {
			s.ArenaBytes += a.bytes()
		}
		for _, g := range ts.segments {
			s.Segments++
			s.SegmentRows += int64(g.seg.Rows())
			s.DeadRows += deadCount(g.dead.Load().bits)
			s.SegmentBytes += g.seg.Bytes()
		}
	}
	return s
}
