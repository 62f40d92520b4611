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

// background seals, compacts and embeds until the database closes.
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

// keepUp seals tables whose heads are large and compacts tables whose segments are many or mostly dead.
func (d *DB) keepUp(ctx context.Context) {
	for {
		table, compact := d.nextUpkeep()
		if table == 0 || ctx.Err() != nil {
			return
		}
		var err error
		if compact {
			err = d.compact(ctx, table, d.chooseCompaction)
		} else {
			err = d.Seal(ctx, table)
		}
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrTableNotFound) && !errors.Is(err, ErrConflict) {
				d.log.Error("background upkeep", "table", table, "compact", compact, "error", err)
			}
			return
		}
	}
}

// nextUpkeep chooses what to do next: sealing first, for it holds writers up. Table 0 means nothing.
func (d *DB) nextUpkeep() (table TableID, compact bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, false
	}
	for id, ts := range d.cat.tables {
		rows := d.headRowsLocked(ts)
		if rows >= int64(d.opt.SealRows) || rows > 0 && ts.mem.headBytes >= d.opt.SealBytes {
			return id, false
		}
	}
	for id, ts := range d.cat.tables {
		if len(d.chooseCompaction(ts)) > 0 {
			return id, true
		}
	}
	return 0, false
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
			backlog = max(backlog, now.mem.headBytes/d.opt.SealBytes, d.headRowsLocked(now)/int64(d.opt.SealRows))
		}
	}
	d.mu.Unlock()
	if backlog < 4 {
		return
	}
	d.wakeBackground()
	select {
	case <-time.After(min(time.Duration(backlog)*10*time.Millisecond, time.Second)):
	case <-ctx.Done():
	case <-d.stop:
	}
}
