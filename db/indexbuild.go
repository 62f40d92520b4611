package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"engram/db/internal/segment"
	"engram/db/internal/vecindex"
	"engram/index"
)

// buildJob is an index of a segment to be made. The segment is pinned until the job ends.
type buildJob struct {
	t      *Table
	x      VectorIndex
	g      *segmentRef
	column *segment.VectorColumn
	kind   IndexKind
	cancel context.CancelFunc
}

// buildFailure is why an index of a segment could not be made.
type buildFailure struct {
	err   error
	tries int
	again time.Time // when the background tries again
}

// How long the background waits: before it builds, because more segments, or somebody who calls BuildIndexes, may follow at once;
// and after a build that failed.
const (
	buildDelay = 200 * time.Millisecond
	retryBuild = time.Minute
)

// holdBuilds waits until nobody builds; release ends the turn. Builds take all the memory they may use, so there is one at a time.
func (d *DB) holdBuilds(ctx context.Context) (release func(), err error) {
	select {
	case <-d.builds:
		return func() { d.builds <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// work begins an operation that Close cancels and waits for.
func (d *DB) work(ctx context.Context) (_ context.Context, end func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, nil, ErrClosed
	}
	d.working.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(d.closing, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil); d.working.Done() }, nil
}

// indexer builds indexes in the background until the database closes.
func (d *DB) indexer() {
	defer d.working.Done()
	tick := time.NewTicker(retryBuild)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
		case <-d.wakeIndexer:
		}
		select {
		case <-d.stop:
			return
		case <-time.After(buildDelay):
		}
		d.dropIndexes()
		for d.buildNext() {
		}
	}
}

// buildNext builds what the background is to build next; false when there is nothing.
func (d *DB) buildNext() bool {
	release, err := d.holdBuilds(d.closing)
	if err != nil {
		return false
	}
	defer release()
	job := d.nextBuild(func(j *buildJob) bool {
		if f := j.g.failures[j.x.ID]; f != nil && (errors.Is(f.err, index.ErrMemory) || time.Now().Before(f.again)) {
			return false
		}
		for _, g := range d.chooseCompaction(d.cat.tables[j.t.ID]) {
			if g == j.g {
				return false // it is about to be merged
			}
		}
		return true
	})
	if job == nil {
		return false
	}
	if err := d.build(d.closing, job, d.opt.BuildThreads, nil); err != nil && d.closing.Err() == nil {
		d.log.Error("building a vector index", "segment", job.g.base, "index", job.x.Name, "error", err)
	}
	return true
}

// nextBuild returns the largest index that is missing and that want accepts, its segment pinned; nil when none is.
func (d *DB) nextBuild(want func(*buildJob) bool) *buildJob {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.failed != nil {
		return nil
	}
	var best *buildJob
	for _, ts := range d.cat.tables {
		eachIndex(ts, func(x *VectorIndex, g *segmentRef, v *segment.VectorColumn) {
			kind := x.kindIn(v)
			if kind == IndexFlat || best != nil && v.Count <= best.column.Count {
				return
			}
			if j := (&buildJob{t: ts.t, x: *x, g: g, column: v, kind: kind}); want(j) {
				best = j
			}
		}, true)
	}
	if best != nil {
		best.g.refs++
	}
	return best
}

// eachIndex calls f for each index of each segment that has vectors in its column; with missing for those that are not open only.
func eachIndex(ts *tableState, f func(x *VectorIndex, g *segmentRef, v *segment.VectorColumn), missing bool) {
	for i := range ts.t.Indexes {
		x := &ts.t.Indexes[i]
		for _, g := range ts.segments {
			v, ok := g.seg.Vectors(ts.t.Columns[x.Column].ID)
			if ok && v.Count > 0 && !(missing && g.index(x.ID) != nil) {
				f(x, g, v)
			}
		}
	}
}

// unpin ends the use of a segment that a job has pinned.
func (d *DB) unpin(g *segmentRef) {
	d.mu.Lock()
	if g.refs--; g.refs == 0 {
		d.trash = append(d.trash, g)
	}
	d.mu.Unlock()
	d.emptyTrash()
}

// build makes the index of a job, publishes it and ends the job. The caller holds the turn to build.
func (d *DB) build(ctx context.Context, j *buildJob, threads int, progress func(done, total int64)) error {
	defer d.unpin(j.g)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j.cancel = cancel
	d.mu.Lock()
	d.building = j
	d.mu.Unlock()
	start := time.Now()
	s, err := d.makeIndex(ctx, j, threads, progress)
	d.mu.Lock()
	d.building = nil
	wanted := d.wantedLocked(j)
	var old *segmentIndex
	switch {
	case err == nil && wanted:
		old = j.g.setIndexLocked(j.x.ID, s)
		delete(j.g.failures, j.x.ID)
	case err != nil && wanted && ctx.Err() == nil:
		j.failedLocked(err)
	}
	d.mu.Unlock()
	if err != nil {
		if !wanted {
			return nil // it was cancelled, for nobody wants it any more
		}
		return err
	}
	if !wanted {
		return errors.Join(s.release(), d.fs.Remove(s.path))
	}
	d.log.Info("built a vector index", "segment", j.g.base, "index", j.x.Name, "vectors", j.column.Count, "kind", s.file.Kind,
		"bytes", s.file.Size, "took", time.Since(start).Round(time.Millisecond))
	if old != nil {
		return old.release()
	}
	return nil
}

func (j *buildJob) failedLocked(err error) {
	if j.g.failures == nil {
		j.g.failures = map[uint32]*buildFailure{}
	}
	f := j.g.failures[j.x.ID]
	if f == nil {
		f = &buildFailure{}
		j.g.failures[j.x.ID] = f
	}
	f.err = err
	f.tries++
	f.again = time.Now().Add(retryBuild * time.Duration(min(f.tries, 60)))
}

// wantedLocked reports whether the index of a job still has a place: its segment is live and its table still has the index.
func (d *DB) wantedLocked(j *buildJob) bool {
	ts := d.cat.tables[j.t.ID]
	if ts == nil {
		return false
	}
	live, described := false, false
	for _, g := range ts.segments {
		live = live || g == j.g
	}
	for i := range ts.t.Indexes {
		described = described || ts.t.Indexes[i].ID == j.x.ID
	}
	return live && described
}

// stopUnwantedLocked ends the running build when a new catalog has no place for it.
func (d *DB) stopUnwantedLocked() {
	if d.building != nil && !d.wantedLocked(d.building) {
		d.building.cancel()
	}
}

// makeIndex builds an index, writes its file and opens that. Auto takes the smaller kinds when memory does not suffice.
func (d *DB) makeIndex(ctx context.Context, j *buildJob, threads int, progress func(done, total int64)) (*segmentIndex, error) {
	rows, err := indexRows(j.column)
	if err != nil {
		return nil, err
	}
	s := j.x.spec(j.kind)
	o := vecindex.BuildOptions{Threads: threads, Memory: d.opt.BuildMemory, Progress: progress}
	x, err := vecindex.Build(ctx, rows, s, o)
	if errors.Is(err, index.ErrMemory) && j.x.Kind == IndexAuto {
		s.Profile = index.Compact
		if s.Kind = IndexIVF; ctx.Err() == nil {
			x, err = vecindex.Build(ctx, rows, s, o)
		}
	}
	if err != nil {
		return nil, err
	}
	owner := vecindex.Owner{Column: j.t.Columns[j.x.Column].ID, Parquet: j.g.seg.Footer().ParquetSum}
	if err := vecindex.Write(d.fs, j.g.indexPath(j.x.ID), x, s, rows.Dim(), owner); err != nil {
		return nil, err
	}
	return d.openIndex(j.g, j.t, &j.x)
}

// dropIndexes closes and removes indexes that their tables have no more.
func (d *DB) dropIndexes() {
	var gone []*segmentIndex
	d.mu.Lock()
	if d.failed == nil && !d.closed {
		for _, ts := range d.cat.tables {
			for _, g := range ts.segments {
				gone = append(gone, g.unwantedIndexesLocked(ts.t)...)
			}
		}
	}
	d.mu.Unlock()
	for _, x := range gone {
		if err := errors.Join(x.release(), d.fs.Remove(x.path)); err != nil {
			d.log.Warn("removing a vector index", "file", x.path, "error", err)
		}
	}
}

func (g *segmentRef) unwantedIndexesLocked(t *Table) (gone []*segmentIndex) {
	all := g.indexes.Load()
	if all == nil {
		return nil
	}
	for _, x := range *all {
		if !t.hasIndex(x.id) {
			gone = append(gone, x)
		}
	}
	for _, x := range gone {
		g.setIndexLocked(x.id, nil)
	}
	return gone
}

// loadIndexes opens the index files that there are. One that is broken is removed and made again in the background.
func (d *DB) loadIndexes() {
	for _, ts := range d.cat.tables {
		eachIndex(ts, func(x *VectorIndex, g *segmentRef, v *segment.VectorColumn) {
			if x.kindIn(v) == IndexFlat {
				return
			}
			s, err := d.openIndex(g, ts.t, x)
			if err == nil {
				g.setIndexLocked(x.ID, s)
				return
			}
			if !errors.Is(err, fs.ErrNotExist) {
				d.log.Warn("a vector index will be built anew", "file", g.indexPath(x.ID), "reason", err)
			}
		}, true)
	}
}

// BuildIndexes waits until every segment that a table has now is as its vector indexes ask, and builds what is missing. progress,
// when not nil, is told how many vectors of how many are done, by one goroutine at a time. The background does the same by itself.
func (d *DB) BuildIndexes(ctx context.Context, id TableID, progress func(done, total int64)) error {
	return d.buildAll(ctx, id, func(*VectorIndex) bool { return true }, false, progress)
}

// Reindex builds one vector index of a table anew in every segment. Searches use the old one until the new one is there. The error
// wraps ErrIndexNotFound when the table has no such index.
func (d *DB) Reindex(ctx context.Context, id TableID, name string, progress func(done, total int64)) error {
	found := false
	err := d.buildAll(ctx, id, func(x *VectorIndex) bool {
		found = found || x.Name == name
		return x.Name == name
	}, true, progress)
	if err == nil && !found {
		err = fmt.Errorf("%w: %q", ErrIndexNotFound, name)
	}
	return err
}

// target is an index of a segment that a caller waits for.
type target struct {
	id uint32
	g  *segmentRef
}

// buildAll builds the indexes of a table that which accepts: those that are missing, or all of them anew.
func (d *DB) buildAll(ctx context.Context, id TableID, which func(*VectorIndex) bool, anew bool, progress func(done, total int64)) error {
	ctx, end, err := d.work(ctx)
	if err != nil {
		return err
	}
	defer end()
	d.dropIndexes()
	var todo []target
	var done, total int64
	d.mu.Lock()
	ts := d.cat.tables[id]
	if ts != nil {
		for i := range ts.t.Indexes {
			which(&ts.t.Indexes[i])
		}
		eachIndex(ts, func(x *VectorIndex, g *segmentRef, v *segment.VectorColumn) {
			if which(x) && x.kindIn(v) != IndexFlat {
				todo = append(todo, target{x.ID, g})
				total += int64(v.Count)
			}
		}, !anew)
	}
	d.mu.Unlock()
	if ts == nil {
		return fmt.Errorf("%w: number %d", ErrTableNotFound, id)
	}
	for _, want := range todo {
		n, err := d.buildTarget(ctx, id, want, anew, func(n int64) {
			if progress != nil {
				progress(done+n, total)
			}
		})
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = cause
		}
		if err != nil {
			return err
		}
		done += n
		if progress != nil {
			progress(done, total)
		}
	}
	return nil
}

// buildTarget builds one index of a segment, unless somebody has built it or nobody wants it any more, and returns its vectors.
func (d *DB) buildTarget(ctx context.Context, id TableID, want target, anew bool, progress func(done int64)) (int64, error) {
	release, err := d.holdBuilds(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	d.mu.Lock()
	var j *buildJob
	if ts := d.cat.tables[id]; ts != nil && d.failed == nil {
		eachIndex(ts, func(x *VectorIndex, g *segmentRef, v *segment.VectorColumn) {
			if x.ID == want.id && g == want.g {
				j = &buildJob{t: ts.t, x: *x, g: g, column: v, kind: x.kindIn(v)}
				g.refs++
			}
		}, !anew)
	}
	err = d.failed
	d.mu.Unlock()
	if j == nil {
		return 0, err
	}
	n := int64(j.column.Count)
	return n, d.build(ctx, j, runtime.GOMAXPROCS(0), func(done, total int64) { progress(done * n / max(total, 1)) })
}
