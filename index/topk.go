package index

import (
	"math"
	"slices"

	"engram/accel"
)

// TopK keeps the k nearest of the hits it is shown. Ties go to the smaller ord, NaN is farther than any
// number, so the outcome does not depend on the order of arrival. The zero value keeps nothing: call Reset. A
// TopK is not safe for concurrent use.
type TopK struct {
	k int
	// heap has the farthest kept hit on top. A hit is one number, its dist above its ord, so that a
	// comparison of hits is a comparison of integers.
	heap  []uint64
	bound float32 // dist of the farthest kept hit once k are kept, NaN before
}

var nan = float32(math.NaN())

// NewTopK returns a TopK for k hits.
func NewTopK(k int) *TopK {
	t := new(TopK)
	t.Reset(k)
	return t
}

// Reset empties t and makes it keep k hits; a negative k counts as 0. Memory grows with the hits
// shown, not with k.
func (t *TopK) Reset(k int) {
	t.k, t.heap, t.bound = max(0, k), t.heap[:0], nan
}

// Len is how many hits are kept.
func (t *TopK) Len() int { return len(t.heap) }

// Full reports whether k hits are kept.
func (t *TopK) Full() bool { return len(t.heap) >= t.k }

// Bound is the dist beyond which no hit is kept any more: that of the farthest kept hit. It is NaN,
// which no dist exceeds, while fewer than k are kept.
func (t *TopK) Bound() float32 { return t.bound }

// Push shows one hit. The ords shown between two Resets must differ.
func (t *TopK) Push(ord uint32, dist float32) {
	if dist > t.bound {
		return
	}
	t.push(pack(ord, dist))
}

// PushAll shows the hits ords[i], dists[i].
func (t *TopK) PushAll(ords []uint32, dists []float32) {
	ords = ords[:len(dists)]
	for i, d := range dists {
		if d > t.bound {
			continue
		}
		t.push(pack(ords[i], d))
	}
}

// PushRange shows the hits from+i, dists[i].
func (t *TopK) PushRange(from uint32, dists []float32) {
	var places [selected]uint32
	for at := 0; at < len(dists); at += selected {
		some := dists[at:min(at+selected, len(dists))]
		// The bound falls while they are pushed, so that some are looked at for nothing, and none is missed.
		for _, p := range places[:accel.Below(some, t.bound, places[:])] {
			if d := some[p]; !(d > t.bound) {
				t.push(pack(from+uint32(at)+p, d))
			}
		}
	}
}

// selected is how many dists are compared with the bound at a time.
const selected = 256

// AppendTo appends the kept hits to dst, nearest first, and empties t.
func (t *TopK) AppendTo(dst []Hit) []Hit {
	slices.Sort(t.heap)
	dst = slices.Grow(dst, len(t.heap))
	for _, x := range t.heap {
		dst = append(dst, unpack(x))
	}
	t.Reset(t.k)
	return dst
}

func (t *TopK) push(x uint64) {
	if len(t.heap) < t.k {
		t.heap = append(t.heap, x)
		t.up(len(t.heap) - 1)
		if len(t.heap) == t.k {
			t.bound = unpack(t.heap[0]).Dist
		}
		return
	}
	if t.k == 0 || x >= t.heap[0] {
		return
	}
	t.down(x)
	t.bound = unpack(t.heap[0]).Dist
}

func (t *TopK) up(i int) {
	h := t.heap
	x := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent] >= x {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = x
}

// down replaces the top by x.
func (t *TopK) down(x uint64) {
	h, i := t.heap, 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1] > h[child] {
			child++
		}
		if h[child] <= x {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = x
}

// pack makes one number that orders as (dist, ord) does: the bits of a float order as its value once
// the sign is turned. Both zeros are one dist, all NaN are one and come last.
func pack(ord uint32, dist float32) uint64 {
	b := math.Float32bits(dist)
	switch {
	case dist != dist:
		b = math.MaxUint32
	case dist == 0:
		b = 1 << 31
	case b>>31 == 0:
		b |= 1 << 31
	default:
		b = ^b
	}
	return uint64(b)<<32 | uint64(ord)
}

func unpack(x uint64) Hit {
	b := uint32(x >> 32)
	switch {
	case b == math.MaxUint32:
		return Hit{Ord: uint32(x), Dist: nan}
	case b>>31 == 1:
		b &^= 1 << 31
	default:
		b = ^b
	}
	return Hit{Ord: uint32(x), Dist: math.Float32frombits(b)}
}
