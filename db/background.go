package db

import (
	"context"
	"errors"
	"time"
)

// wakeBackground asks the background to look for work.
func (d *DB) wakeBackground() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// background seals and embeds until the database closes.
func (d *DB) background() {
	defer d.working.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-d.stop
		cancel()
	}()
	var embeddings sync1
	defer embeddings.wait()
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
		case <-d.wake:
		}
		if d.PendingEmbeddings() > 0 {
			embeddings.start(func() { d.embedInBackground(ctx) })
		}
		d.keepUp(ctx)
	}
}

// sync1 runs at most one function at a time beside its owner.
type sync1 struct{ done chan struct{} }

func (s *sync1) start(f func()) {
	if s.done != nil {
		select {
		case <-s.done:
		default:
			return
		}
	}
	done := make(chan struct{})
	s.done = done
	go func() { defer close(done); f() }()
}

func (s *sync1) wait() {
	if s.done != nil {
		<-s.done
	}
}

func (d *DB) embedInBackground(ctx context.Context) {
	if _, err := d.encoders.get(ctx, false); err != nil {
		if !errors.Is(err, ErrNoModel) && ctx.Err() == nil {
			d.log.Error("text encoder", "error", err)
		}
		return
	}
	n, err := d.EmbedPending(ctx)
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrNoModel) && !errors.Is(err, ErrClosed) {
		d.log.Error("embedding memories that waited for a model", "error", err)
	}
	if n > 0 {
		d.log.Info("embedded memories that waited for a model", "rows", n)
	}
}

// keepUp seals tables whose heads are large.
func (d *DB) keepUp(ctx context.Context) {
	for ctx.Err() == nil {
		table := d.nextSeal()
		if table == 0 {
			return
		}
		if err := d.Seal(ctx, table); err != nil {
			d.upkeepFailed(ctx, "sealing", table, err)
			return
		}
	}
}

// merger compacts tables until the database closes. It has a goroutine of its own: a compaction may take minutes, and writers
// wait for seals.
func (d *DB) merger() {
	defer d.working.Done()
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
		case <-d.wakeMerger:
		}
		d.mergeAll(d.closing)
	}
}

// mergeAll compacts tables whose segments are many or mostly dead.
func (d *DB) mergeAll(ctx context.Context) {
	for ctx.Err() == nil {
		table := d.nextMerge()
		if table == 0 {
			return
		}
		if err := d.compact(ctx, table, d.chooseCompaction); err != nil {
			d.upkeepFailed(ctx, "compacting", table, err)
			return
		}
	}
}

func (d *DB) upkeepFailed(ctx context.Context, what string, table TableID, err error) {
	if ctx.Err() == nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrTableNotFound) && !errors.Is(err, ErrConflict) {
		d.log.Error(what+" in the background", "table", table, "error", err)
	}
}

// nextSeal chooses a table to seal; 0 means none.
func (d *DB) nextSeal() TableID {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0
	}
	var total, most int64
	var largest TableID
	for id, ts := range d.cat.tables {
		rows := d.headRowsLocked(ts)
		if rows >= int64(d.opt.SealRows) || rows > 0 && ts.mem.headBytes >= d.opt.SealBytes {
			return id
		}
		if rows == 0 {
			if ts.mem.written == nil {
				ts.mem.headBytes = 0 // what was written has been deleted: no writer need wait for it
			}
			continue
		}
		if total += ts.mem.headBytes; ts.mem.headBytes > most {
			most, largest = ts.mem.headBytes, id
		}
	}
	if total >= 2*d.opt.SealBytes {
		return largest // many tables with small heads take memory too
	}
	return 0
}

// nextMerge chooses a table to compact; 0 means none.
func (d *DB) nextMerge() TableID {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0
	}
	for id, ts := range d.cat.tables {
		if len(d.chooseCompaction(ts)) > 0 {
			return id
		}
	}
	return 0
}

// slowDown makes a writer wait while the head is far behind sealing: writers are slowed, never refused.
func (d *DB) slowDown(ctx context.Context, b *Batch) {
	if d.opt.NoBackground {
		return
	}
	var backlog int64
	d.mu.Lock()
	for id := range b.tables {
		if now := d.cat.tables[id]; now != nil {
			backlog = max(backlog, 2*now.mem.headBytes/d.opt.SealBytes, d.headRowsLocked(now)/int64(d.opt.SealRows))
		}
	}
	d.mu.Unlock()
	if backlog < 4 { // twice the bytes, which are in memory, or four times the rows
		return
	}
	d.wakeBackground()
	select {
	case <-time.After(min(time.Duration(backlog)*10*time.Millisecond, time.Second)):
	case <-ctx.Done():
	case <-d.stop:
	}
}
