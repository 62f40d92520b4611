package segment

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"
)

// VectorRun is the vectors of one row group, back to back: those of the rows that have one, in row order.
type VectorRun struct {
	FirstOrd uint32    // first row of the row group
	Rows     int       // rows in the row group, with and without a vector
	First    int       // dense index of the run's first vector among all vectors of the column
	Count    int       // vectors in the run
	Data     []float32 // Count*Dim values (the rows' own lengths when Dim is 0); aliases the mapped file, read-only
}

// VectorColumn is one vector column of a segment, readable without a copy until the segment is closed. Safe for concurrent use.
type VectorColumn struct {
	Dim     int             // elements per vector; 0 when the rows of this segment differ in length, or none has a vector
	Rows    int             // rows in the segment
	Count   int             // rows that have a vector
	Present *roaring.Bitmap // ords of rows that have a vector; nil = all of them; read-only
	Runs    []VectorRun     // one per row group, in row order

	words []uint64 // with NULLs: the presence bitmap, plain
	ranks []uint32 // with NULLs: vectors before each word
	ends  []uint64 // when Dim is 0: values before the end of each vector, over the whole column
	bases []uint64 // when Dim is 0: values before each run
}

// newVectorColumn lays runs over the mapped Parquet file.
func newVectorColumn(v *vectorIndex, groups []uint32, rows int, data []byte) *VectorColumn {
	c := &VectorColumn{Dim: v.dim, Rows: rows, Count: int(v.present.GetCardinality())}
	if c.Count < rows {
		c.Present = v.present
		c.words = make([]uint64, (rows+63)/64)
		c.ranks = make([]uint32, len(c.words))
		for it := v.present.Iterator(); it.HasNext(); {
			ord := it.Next()
			c.words[ord/64] |= 1 << (ord % 64)
		}
		for i := 1; i < len(c.words); i++ {
			c.ranks[i] = c.ranks[i-1] + uint32(bits.OnesCount64(c.words[i-1]))
		}
	}
	var ord uint32
	first := 0
	base := uint64(0)
	for g, n := range groups {
		start := v.offsets[g]
		c.Runs = append(c.Runs, VectorRun{
			FirstOrd: ord, Rows: int(n), First: first, Count: int(v.counts[g]),
			Data: floatsOf(data[start : start+4*v.floats[g]]),
		})
		c.bases = append(c.bases, base)
		ord += n
		first += int(v.counts[g])
		base += uint64(v.floats[g])
	}
	if v.lens != nil {
		c.ends = make([]uint64, len(v.lens))
		end := uint64(0)
		for i, n := range v.lens {
			end += uint64(n)
			c.ends[i] = end
		}
	}
	return c
}

// Index returns the dense index of a row's vector: the number of vectors before it. O(1). False when it has none or ord is out
// of range.
func (v *VectorColumn) Index(ord uint32) (int, bool) {
	if int64(ord) >= int64(v.Rows) {
		return 0, false
	}
	if v.words == nil {
		return int(ord), true
	}
	w, bit := v.words[ord/64], uint64(1)<<(ord%64)
	return int(v.ranks[ord/64]) + bits.OnesCount64(w&(bit-1)), w&bit != 0
}

// Ord returns the row of the i-th vector, i in [0, Count). O(1) without NULLs, else O(log rows).
func (v *VectorColumn) Ord(i int) uint32 {
	if v.words == nil {
		return uint32(i)
	}
	k := sort.Search(len(v.ranks), func(k int) bool { return int(v.ranks[k]) > i }) - 1
	w := v.words[k]
	for range i - int(v.ranks[k]) {
		w &= w - 1
	}
	return uint32(k*64 + bits.TrailingZeros64(w))
}

// At returns the vector of a row, false when it has none or ord is out of range. O(1). The slice aliases the mapped file.
func (v *VectorColumn) At(ord uint32) ([]float32, bool) {
	i, ok := v.Index(ord)
	if !ok {
		return nil, false
	}
	r := int(ord) / v.Runs[0].Rows // row groups are alike unless long texts ended some early
	if r >= len(v.Runs) || ord-v.Runs[r].FirstOrd >= uint32(v.Runs[r].Rows) || ord < v.Runs[r].FirstOrd {
		r = sort.Search(len(v.Runs), func(k int) bool { return v.Runs[k].FirstOrd > ord }) - 1
	}
	return v.in(r, i), true
}

// Nth returns the i-th vector, i in [0, Count). O(log runs). The slice aliases the mapped file.
func (v *VectorColumn) Nth(i int) []float32 {
	r := sort.Search(len(v.Runs), func(k int) bool { return v.Runs[k].First > i }) - 1
	return v.in(r, i)
}

// in returns the vector with dense index i, which lies in run r.
func (v *VectorColumn) in(r, i int) []float32 {
	run := &v.Runs[r]
	if v.ends == nil {
		at := (i - run.First) * v.Dim
		return run.Data[at : at+v.Dim : at+v.Dim]
	}
	start := uint64(0)
	if i > 0 {
		start = v.ends[i-1]
	}
	start, end := start-v.bases[r], v.ends[i]-v.bases[r]
	return run.Data[start:end:end]
}

// copyFloats reads little-endian values from bytes of any alignment.
func copyFloats(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}
