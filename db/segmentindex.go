package db

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"engram/db/internal/segment"
	"engram/db/internal/vecindex"
	"engram/index"
)

// segmentIndex is a vector index of one segment, open. A segment never changes and so its index serves every snapshot that sees
// the segment, whenever it was built. It is closed when it is published no more and the last search that uses it has ended.
type segmentIndex struct {
	id     uint32 // VectorIndex.ID
	path   string
	file   *vecindex.File
	column *segment.VectorColumn
	refs   atomic.Int64 // one while it is published, and one for each search
	alive  atomic.Pointer[aliveBits]
}

// aliveBits says which vectors of a column belong to rows that live, at one version of the segment's dead rows.
type aliveBits struct {
	dead  *roaring.Bitmap
	words []uint64 // one bit a vector; never changed
}

// use begins a search; false when the index has just been closed.
func (x *segmentIndex) use() bool {
	for {
		n := x.refs.Load()
		if n == 0 {
			return false
		}
		if x.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release ends what use, or publishing, began.
func (x *segmentIndex) release() error {
	if x.refs.Add(-1) > 0 {
		return nil
	}
	return x.file.Close()
}

// useIndex finds an index of the segment and begins a search of it; nil when there is none yet.
func (g *segmentRef) useIndex(id uint32) *segmentIndex {
	for {
		x := g.index(id)
		if x == nil || x.use() {
			return x
		}
	}
}

func (g *segmentRef) index(id uint32) *segmentIndex {
	all := g.indexes.Load()
	if all == nil {
		return nil
	}
	for _, x := range *all {
		if x.id == id {
			return x
		}
	}
	return nil
}

// setIndexLocked publishes an index of the segment, nil for none, and returns the one it replaces. The caller holds the commit lock
// or is alone.
func (g *segmentRef) setIndexLocked(id uint32, x *segmentIndex) (old *segmentIndex) {
	var next []*segmentIndex
	if all := g.indexes.Load(); all != nil {
		for _, have := range *all {
			if have.id == id {
				old = have
			} else {
				next = append(next, have)
			}
		}
	}
	if x != nil {
		next = append(next, x)
	}
	g.indexes.Store(&next)
	return old
}

// closeIndexes takes all indexes from a segment that nobody searches any more and returns their paths.
func (g *segmentRef) closeIndexes() (paths []string, err error) {
	all := g.indexes.Swap(nil)
	if all == nil {
		return nil, nil
	}
	var errs []error
	for _, x := range *all {
		paths = append(paths, x.path)
		errs = append(errs, x.release())
	}
	return paths, errors.Join(errs...)
}

// indexPath is the file of an index of a segment.
func (g *segmentRef) indexPath(id uint32) string { return fmt.Sprintf("%s.%d.idx", g.base, id) }

var indexFile = regexp.MustCompile(`^[^.]*\.([0-9]{1,9})\.idx$`)

// parseIndexFile returns the index ID in the name of an index file.
func parseIndexFile(name string) (uint32, bool) {
	m := indexFile.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(m[1], 10, 32)
	return uint32(n), err == nil
}

// indexRows is the vectors of a column as indexes see them.
func indexRows(v *segment.VectorColumn) (*index.Rows, error) {
	runs := make([][]float32, len(v.Runs))
	for i := range v.Runs {
		runs[i] = v.Runs[i].Data
	}
	return index.NewRows(v.Dim, runs...)
}

// openIndex opens the file of an index of a segment.
func (d *DB) openIndex(g *segmentRef, t *Table, x *VectorIndex) (*segmentIndex, error) {
	id := t.Columns[x.Column].ID
	v, ok := g.seg.Vectors(id)
	if !ok || v.Dim == 0 {
		return nil, fmt.Errorf("%w: segment %s has no vectors of one dimension", index.ErrFile, g.base)
	}
	rows, err := indexRows(v)
	if err != nil {
		return nil, err
	}
	path := g.indexPath(x.ID)
	want := vecindex.Spec{Kind: index.KindAuto, Metric: x.Metric} // of any kind: memory may not have sufficed for the one asked for
	f, err := vecindex.Open(d.fs, path, rows, want, vecindex.Owner{Column: id, Parquet: g.seg.Footer().ParquetSum})
	if err != nil {
		return nil, err
	}
	s := &segmentIndex{id: x.ID, path: path, file: f, column: v}
	s.refs.Store(1)
	return s, nil
}

// alivePicks returns which vectors belong to rows that are not dead, nil when none is. The words are shared and never changed.
// newest says that dead is what the segment's dead rows are now, which is worth remembering.
func (x *segmentIndex) alivePicks(dead *roaring.Bitmap, newest bool) []uint64 {
	if dead == nil || dead.IsEmpty() {
		return nil
	}
	if have := x.alive.Load(); have != nil && have.dead == dead {
		return have.words
	}
	words := make([]uint64, (x.column.Rows+63)/64)
	dead.WriteDenseTo(words)
	for i := range words {
		words[i] = ^words[i]
	}
	if tail := x.column.Rows % 64; tail != 0 {
		words[len(words)-1] &= 1<<tail - 1
	}
	if x.column.Present != nil {
		dense := make([]uint64, (x.column.Count+63)/64)
		x.column.DenseBits(words, dense)
		words = dense
	}
	if newest {
		x.alive.Store(&aliveBits{dead, words})
	}
	return words
}
