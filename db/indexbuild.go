package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
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
	early  bool // the segment is not in the catalog yet: a compaction is about to put it there
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
	d.checkIndexes()
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
	release, err := take(d.closing, d.builds)
	if err != nil {
		return false
	}
	defer release()
	job := d.nextBuild(func(j *buildJob) bool {
		if f := j.g.failures[j.x.ID]; f != nil && (errors.Is(f.err, index.ErrMemory) || time.Now().Before(f.again)) {
			return false
		}
		return !j.g.merging && !slices.Contains(d.chooseCompaction(d.cat.tables[j.t.ID]), j.g) // else it is about to go
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
	return d.buildPinned(ctx, j, threads, progress)
}

// buildPinned is build for a segment that stays whatever happens.
func (d *DB) buildPinned(ctx context.Context, j *buildJob, threads int, progress func(done, total int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j.cancel = cancel
	d.mu.Lock()
	d.building = j
	d.stopUnwantedLocked()
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
		return errors.Join(s.release(), d.removeFile(s.path))
	}
	d.log.Info("built a vector index", "segment", j.g.base, "index", j.x.Name, "vectors", j.column.Count, "kind", s.file.Kind,
		"profile", s.file.Profile, "bytes", s.file.Size, "took", time.Since(start).Round(time.Millisecond))
	if old != nil {
		return old.release()
	}
	return nil
}

// buildEarly builds the indexes of a segment that a compaction has written and not published. Only the end of ctx is an error:
// what cannot be built now the background tries again.
func (d *DB) buildEarly(ctx context.Context, t *Table, g *segmentRef) error {
	for i := range t.Indexes {
		x := t.Indexes[i]
		v, ok := g.seg.Vectors(t.Columns[x.Column].ID)
		if !ok || x.kindIn(v) == IndexFlat {
			continue
		}
		release, err := take(ctx, d.builds)
		if err != nil {
			return err
		}
		err = d.buildPinned(ctx, &buildJob{t: t, x: x, g: g, column: v, kind: x.kindIn(v), early: true}, d.opt.BuildThreads, nil)
		release()
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			d.log.Error("building a vector index", "segment", g.base, "index", x.Name, "error", err)
		}
	}
	return nil
}

// removeFile removes a file that others may remove too.
func (d *DB) removeFile(path string) error {
	if err := d.fs.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
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

// wantedLocked reports whether the index of a job still has a place: its segment is live, or about to be, and its table still has the
// index.
func (d *DB) wantedLocked(j *buildJob) bool {
	ts := d.cat.tables[j.t.ID]
	return ts != nil && (j.early || slices.Contains(ts.segments, j.g)) && ts.t.hasIndex(j.x.ID)
}

// stopUnwantedLocked ends the running build when a new catalog has no place for it.
func (d *DB) stopUnwantedLocked() {
	if d.building != nil && !d.wantedLocked(d.building) {
		d.building.cancel()
	}
}

// makeIndex builds an index, writes its file and opens that. Where memory does not suffice for what is asked, it takes fewer bytes a
// vector and then lists, which take least.
func (d *DB) makeIndex(ctx context.Context, j *buildJob, threads int, progress func(done, total int64)) (*segmentIndex, error) {
	rows, err := indexRows(j.column)
	if err != nil {
		return nil, err
	}
	o := vecindex.BuildOptions{Threads: threads, Memory: d.opt.BuildMemory, Progress: progress}
	var x vecindex.Index
	var s vecindex.Spec
	for _, s = range j.x.specs(j.kind) {
		if x, err = vecindex.Build(ctx, rows, s, o); !errors.Is(err, index.ErrMemory) {
			break
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

// buildAll builds the indexes of a table that which accepts: those that are missing, or all of them anew. Segments that come
// meanwhile, by a seal or a compaction, get theirs too.
func (d *DB) buildAll(ctx context.Context, id TableID, which func(*VectorIndex) bool, anew bool, progress func(done, total int64)) error {
	ctx, end, err := d.work(ctx)
	if err != nil {
		return err
	}
	defer end()
	d.dropIndexes()
	var done, total int64
	tell := func(n int64) {
		if progress != nil {
			progress(done+n, total)
		}
	}
	tried := map[target]bool{}
	for {
		todo, vectors, err := d.targets(id, which, anew && len(tried) == 0, tried)
		if err != nil {
			return err
		}
		if len(todo) == 0 {
			return nil
		}
		total += vectors
		for _, want := range todo {
			n, err := d.buildTarget(ctx, id, want, anew && !tried[want], tell)
			if cause := context.Cause(ctx); err != nil && cause != nil {
				err = cause
			}
			if err != nil {
				return err
			}
			tried[want] = true
			done += n
			tell(0)
		}
	}
}

// targets lists the indexes of a table that which accepts and that have not been tried: those that are missing, or with anew all.
func (d *DB) targets(id TableID, which func(*VectorIndex) bool, anew bool, tried map[target]bool) (todo []target, vectors int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ts := d.cat.tables[id]
	if ts == nil {
		return nil, 0, fmt.Errorf("%w: number %d", ErrTableNotFound, id)
	}
	for i := range ts.t.Indexes {
		which(&ts.t.Indexes[i])
	}
	eachIndex(ts, func(x *VectorIndex, g *segmentRef, v *segment.VectorColumn) {
		if want := (target{x.ID, g}); which(x) && x.kindIn(v) != IndexFlat && !tried[want] {
			todo = append(todo, want)
			vectors += int64(v.Count)
		}
	}, !anew)
	return todo, vectors, nil
}

// buildTarget builds one index of a segment, unless somebody has built it or nobody wants it any more, and returns its vectors.
func (d *DB) buildTarget(ctx context.Context, id TableID, want target, anew bool, progress func(done int64)) (int64, error) {
	release, err := take(ctx, d.builds)
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
