package db

import (
	"errors"
	"io/fs"

	"engram/db/internal/segment"
)

// loadIndexes opens the index files that there are. Those that are missing or broken are made anew in the background.
func (d *DB) loadIndexes() {
	for _, ts := range d.cat.tables {
		eachIndex(ts, func(x *VectorIndex, g *segmentRef, v *segment.VectorColumn) {
			if x.kindIn(v) == IndexFlat {
				return
			}
			s, err := d.openIndex(g, ts.t, x)
			switch {
			case err == nil:
				g.setIndexLocked(x.ID, s)
			case errors.Is(err, fs.ErrNotExist):
				d.log.Info("a vector index is missing and will be built", "file", g.indexPath(x.ID), "index", x.Name)
			default:
				d.log.Warn("a vector index is broken and will be built anew", "file", g.indexPath(x.ID), "index", x.Name, "reason", err)
				g.noteLocked(x.ID, err)
			}
		}, true)
	}
}

// checkIndexes reads the index files that were opened, in the background, for opening them reads only their headers. One that is
// broken is taken out of use and made anew.
func (d *DB) checkIndexes() {
	type opened struct {
		t *Table
		x VectorIndex
		g *segmentRef
		s *segmentIndex
	}
	var all []opened
	d.mu.Lock()
	for _, ts := range d.cat.tables {
		eachIndex(ts, func(x *VectorIndex, g *segmentRef, _ *segment.VectorColumn) {
			if s := g.useIndex(x.ID); s != nil {
				g.refs++
				all = append(all, opened{ts.t, *x, g, s})
			}
		}, false)
	}
	d.mu.Unlock()
	for _, o := range all {
		if d.closing.Err() == nil {
			if err := o.s.file.Verify(); err != nil {
				d.log.Warn("a vector index is broken and will be built anew", "file", o.s.path, "index", o.x.Name, "reason", err)
				d.discard(o.g, o.s, err)
			}
		}
		if err := o.s.release(); err != nil {
			d.log.Warn("closing a vector index", "file", o.s.path, "error", err)
		}
		d.unpin(o.g)
	}
}

// discard takes a broken index out of use, unless it has been replaced already.
func (d *DB) discard(g *segmentRef, s *segmentIndex, cause error) {
	d.mu.Lock()
	mine := g.index(s.id) == s
	if mine {
		g.setIndexLocked(s.id, nil)
		g.noteLocked(s.id, cause)
	}
	d.mu.Unlock()
	if !mine {
		return
	}
	if err := s.release(); err != nil {
		d.log.Warn("closing a vector index", "file", s.path, "error", err)
	}
	select {
	case d.wakeIndexer <- struct{}{}:
	default:
	}
}

// noteLocked remembers why an index of a segment cannot be used. The background tries to build it at once.
func (g *segmentRef) noteLocked(id uint32, err error) {
	if g.failures == nil {
		g.failures = map[uint32]*buildFailure{}
	}
	g.failures[id] = &buildFailure{err: err}
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
		if err := errors.Join(x.release(), d.removeFile(x.path)); err != nil {
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
