package db

import (
	"fmt"

	"engram/db/internal/segment"
)

// IndexStatus says how far a vector index is. A segment that is not ready is searched exactly meanwhile.
type IndexStatus struct {
	Name     string
	Kind     IndexKind
	Metric   Metric
	Column   string
	Segments int    // segments of the table that have vectors in the column
	Ready    int    // of them, those that are as the index asks: indexed, or flat because nothing else pays
	Vectors  int64  // in these segments, those of dead rows included
	Bytes    int64  // of indexes, beside the vectors
	Error    string // why a segment that is not ready is not, "" when nothing went wrong
	Note     string // which segments have a cheaper index than is asked for, because memory did not suffice to build that; "" for none
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
	largest, cheaper := make([]int, len(all)), make([]string, len(all))
	lesser := make([]int, len(all))
	at := map[uint32]int{}
	for i, x := range ts.t.Indexes {
		at[x.ID] = i
		all[i] = IndexStatus{Name: x.Name, Kind: x.Kind, Metric: x.Metric, Column: ts.t.Columns[x.Column].Name}
	}
	eachIndex(ts, func(x *VectorIndex, g *segmentRef, v *segment.VectorColumn) {
		i := at[x.ID]
		s := &all[i]
		s.Segments++
		s.Vectors += int64(v.Count)
		line := "flat, every vector is compared"
		if kind := x.kindIn(v); kind != IndexFlat {
			if f := g.failures[x.ID]; f != nil {
				s.Error = f.err.Error()
			}
			open := g.index(x.ID)
			if open == nil {
				return
			}
			s.Bytes += open.file.Bytes()
			line = open.file.Describe()
			if asked := x.spec(kind); open.file.Kind != kind || open.file.Profile != asked.Profile {
				lesser[i]++
				cheaper[i] = fmt.Sprintf("%s (%s) where %s (%s) is asked for", open.file.Kind, open.file.Profile, kind, asked.Profile)
			}
		}
		s.Ready++
		if v.Count > largest[i] {
			largest[i], s.Describe = v.Count, line
		}
	}, false)
	for i := range all {
		s := &all[i]
		switch {
		case s.Segments == 0:
			s.Describe = "no settled vectors yet"
		case s.Ready == 0 && s.Error != "":
			s.Describe = fmt.Sprintf("not built, %d segments are compared row by row", s.Segments)
		case s.Ready == 0:
			s.Describe = fmt.Sprintf("building, %d segments are compared row by row", s.Segments)
		default:
			s.Describe += fmt.Sprintf("; %d of %d segments", s.Ready, s.Segments)
		}
		if lesser[i] > 0 {
			s.Note = fmt.Sprintf("%d of %d segments: %s", lesser[i], s.Segments, cheaper[i])
		}
	}
	return all
}
