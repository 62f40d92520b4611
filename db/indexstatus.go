package db

import (
	"context"
	"fmt"
	"slices"
)

// IndexStatus says how far a vector index is. A segment that is not ready is searched exactly meanwhile.
type IndexStatus struct {
	Name     string
	Kind     IndexKind
	Metric   Metric
	Column   string
	Segments int    // segments of the table that have vectors in the column
	Ready    int    // of them, those whose index is as the descriptor asks, the ones that are searched flat included
	Vectors  int64  // in these segments, those of dead rows included
	Bytes    int64  // of indexes, beside the vectors
	Error    string // why the last build of a segment that is not ready failed, "" when none did
	Describe string // one line for people
}

// IndexStatus returns the state of each vector index of a table, in the order of its descriptor; nil for an unknown table.
func (d *DB) IndexStatus(id TableID) []IndexStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	ts := d.cat.tables[id]
	if d.closed || ts == nil {
		return nil
	}
	all := make([]IndexStatus, len(ts.t.Indexes))
	for i := range ts.t.Indexes {
		x := &ts.t.Indexes[i]
		s := IndexStatus{Name: x.Name, Kind: x.Kind, Metric: x.Metric, Column: ts.t.Columns[x.Column].Name}
		for _, g := range ts.segments {
			if v, ok := g.seg.Vectors(ts.t.Columns[x.Column].ID); ok && v.Count > 0 {
				s.Segments++
				s.Ready++
				s.Vectors += int64(v.Count)
			}
		}
		s.Describe = "flat: every vector is compared"
		all[i] = s
	}
	return all
}

// BuildIndexes waits until every segment that a table has now is as its vector indexes ask, and builds what is missing. progress,
// when not nil, is told how many vectors of how many are done. The background does the same by itself.
func (d *DB) BuildIndexes(ctx context.Context, id TableID, progress func(done, total int64)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	if d.cat.tables[id] == nil {
		return fmt.Errorf("%w: number %d", ErrTableNotFound, id)
	}
	return nil
}

// Reindex builds one vector index of a table anew in every segment. Searches use the old one until the new one is there.
func (d *DB) Reindex(ctx context.Context, id TableID, name string, progress func(done, total int64)) error {
	d.mu.Lock()
	ts := d.cat.tables[id]
	d.mu.Unlock()
	if ts != nil && !slices.ContainsFunc(ts.t.Indexes, func(x VectorIndex) bool { return x.Name == name }) {
		return fmt.Errorf("%w: %q", ErrIndexNotFound, name)
	}
	return d.BuildIndexes(ctx, id, progress)
}
