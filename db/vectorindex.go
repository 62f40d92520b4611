package db

import (
	"slices"

	"engram/accel"
	"engram/db/internal/segment"
	"engram/db/internal/vecindex"
	"engram/index"
)

// IndexKind says how a vector index finds its rows.
type IndexKind = index.Kind

// The kinds. Auto chooses for each segment by the number and the dimension of its vectors.
const (
	IndexAuto = index.KindAuto
	IndexFlat = index.KindFlat // exact: every row is compared
	IndexHNSW = index.KindHNSW // a graph of near rows
	IndexIVF  = index.KindIVF  // lists of near rows
)

// VectorIndex describes a vector index of a table. Each segment has its own, made in the background; rows that are in none are
// compared one by one, so a search sees every row whatever the state of its indexes.
//
// Metrics without an approximate index (L1, and those of bits) may be named; their indexes are flat whatever Kind says.
type VectorIndex struct {
	ID     uint32 // never reused within its table; 0 in a descriptor given to CreateTable or AlterTable means new
	Name   string
	Column int // position in Table.Columns
	Kind   IndexKind
	Metric Metric // 0 in a descriptor given to CreateTable or AlterTable means Cosine

	M, EfConstruction int  // of hnsw; 0 means chosen from dimension and size
	Lists             int  // of ivf; 0 means chosen
	Compact           bool // fewer bytes a vector rather than more speed
}

// Limits of index parameters, those of pgvector.
const (
	MaxIndexM              = 100
	MaxIndexEfConstruction = 1000
	MaxIndexLists          = 32768
)

// finishIndexes checks the vector indexes of a descriptor and numbers the new ones.
func (t *Table) finishIndexes() error {
	names, ids := map[string]bool{}, map[uint32]bool{}
	for _, u := range t.Uniques {
		names[u.Name] = true
	}
	for i := range t.Indexes {
		x := &t.Indexes[i]
		if err := checkName(x.Name); err != nil {
			return t.invalid("index: %v", err)
		}
		if names[x.Name] {
			return t.invalid("two indexes are named %q", x.Name)
		}
		names[x.Name] = true
		if err := t.checkIndex(x); err != nil {
			return err
		}
		if x.ID == 0 {
			t.nextIndex++
			x.ID = t.nextIndex
		}
		if ids[x.ID] || x.ID > t.nextIndex {
			return t.invalid("index %q has the ID of another", x.Name)
		}
		ids[x.ID] = true
	}
	return nil
}

func (t *Table) checkIndex(x *VectorIndex) error {
	if x.Column < 0 || x.Column >= len(t.Columns) {
		return t.invalid("index %q names column %d", x.Name, x.Column)
	}
	c := &t.Columns[x.Column]
	bits := c.Type.Kind == Bit || c.Type.Kind == Varbit
	if !bits && c.Type.Kind != Vector && c.Type.Kind != Halfvec {
		return t.invalid("index %q: column %q of type %s has no vectors", x.Name, c.Name, c.Type)
	}
	if x.Metric == 0 {
		x.Metric = Cosine
		if bits {
			x.Metric = Hamming
		}
	}
	switch {
	case !x.Metric.Valid() || x.Metric.Bits() != bits:
		return t.invalid("index %q: metric %s does not compare values of type %s", x.Name, x.Metric, c.Type)
	case x.Kind > IndexIVF:
		return t.invalid("index %q is of an unknown kind %d", x.Name, x.Kind)
	case x.M < 0 || x.M == 1 || x.M > MaxIndexM:
		return t.invalid("index %q: m = %d is not between 2 and %d", x.Name, x.M, MaxIndexM)
	case x.EfConstruction < 0 || x.EfConstruction > MaxIndexEfConstruction:
		return t.invalid("index %q: ef_construction = %d is not between 1 and %d", x.Name, x.EfConstruction, MaxIndexEfConstruction)
	case x.Lists < 0 || x.Lists > MaxIndexLists:
		return t.invalid("index %q: lists = %d is not between 1 and %d", x.Name, x.Lists, MaxIndexLists)
	}
	return nil
}

// checkIndexesKept refuses an index that keeps its ID and is another: its files are known by that ID. A new name and a new position
// of the same column are fine.
func checkIndexesKept(old, next *Table) error {
	for _, x := range next.Indexes {
		if x.ID == 0 {
			continue
		}
		i := slices.IndexFunc(old.Indexes, func(o VectorIndex) bool { return o.ID == x.ID })
		if i < 0 {
			return next.invalid("index %q has an unknown ID", x.Name)
		}
		o := old.Indexes[i]
		if x.Column < 0 || x.Column >= len(next.Columns) || next.Columns[x.Column].ID != old.Columns[o.Column].ID {
			return next.invalid("index %q is over another column than before", x.Name)
		}
		o.Name, o.Column = x.Name, x.Column
		if o != x {
			return next.invalid("index %q is not what it was: drop it and make another", x.Name)
		}
	}
	return nil
}

// indexFor returns the index that serves searches of a column by a metric, nil when there is none. Of several it is the one that
// looks at the fewest rows.
func (t *Table) indexFor(column int, m Metric) *VectorIndex {
	var best *VectorIndex
	for i := range t.Indexes {
		x := &t.Indexes[i]
		if x.Column != column || x.Metric != m {
			continue
		}
		if best == nil || best.Kind == IndexFlat && x.Kind != IndexFlat {
			best = x
		}
	}
	return best
}

// kindIn is the kind of index that the vectors of a segment get. Flat needs no file. Vectors of different dimensions have no other.
func (x *VectorIndex) kindIn(v *segment.VectorColumn) IndexKind {
	switch {
	case v.Count == 0 || v.Dim == 0 || x.Metric != accel.L2 && x.Metric != accel.InnerProduct && x.Metric != accel.Cosine:
		return IndexFlat
	case x.Kind == IndexAuto:
		return index.Choose(v.Count, v.Dim)
	}
	return x.Kind
}

// spec is what to build for the vectors of a segment.
func (x *VectorIndex) spec(kind IndexKind) vecindex.Spec {
	s := vecindex.Spec{Kind: kind, Metric: x.Metric, M: x.M, EfConstruction: x.EfConstruction, Lists: x.Lists}
	if x.Compact {
		s.Profile = index.Compact
	}
	return s
}

// compactM is the M of a compact graph that is asked for none.
const compactM = 16

// specs are what to build for the vectors of a segment, and what to build instead as long as memory does not suffice.
func (x *VectorIndex) specs(kind IndexKind) []vecindex.Spec {
	asked := x.spec(kind)
	all := []vecindex.Spec{asked}
	if kind == IndexHNSW && asked.Profile != index.Compact {
		lean := asked
		lean.Profile = index.Compact
		if lean.M > compactM {
			lean.M = 0 // as the profile chooses
		}
		all = append(all, lean)
	}
	lists := asked
	lists.Kind, lists.Profile = IndexIVF, index.Compact
	if lists != asked {
		all = append(all, lists)
	}
	return all
}

// memoriesIndexes are the vector indexes that memories has from the start, and that a database written before there were indexes
// is read with.
func memoriesIndexes(t *Table) []VectorIndex {
	var all []VectorIndex
	for i := range t.Columns {
		switch c := &t.Columns[i]; c.ID {
		case memoryTextEmbedding + 1, memoryImageEmbedding + 1, memoryAudioEmbedding + 1, memoryJointEmbedding + 1:
			name := t.Name + "_" + c.Name + "_idx"
			for slices.ContainsFunc(t.Uniques, func(u Unique) bool { return u.Name == name }) {
				name += "1"
			}
			all = append(all, VectorIndex{Name: name, Column: i, Metric: Cosine})
		}
	}
	return all
}
