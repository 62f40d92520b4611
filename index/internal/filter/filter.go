package filter

import (
	"math/bits"

	"engram/index"
)

// Filter says which rows a search may return. It asks Keep once a row at most. The zero value is ready for Begin.
type Filter struct {
	n     int
	bits  []uint64 // nil: all rows
	keep  func(ord uint32) bool
	asked []uint64 // rows keep was asked for, and
	yes   []uint64 // those it let through
	// Refused counts rows met that do not pass; who asks Passes counts those himself.
	Refused int64
	word    int    // where fill goes on
	left    uint64 // what is left of the word before
}

// Begin makes f the filter of o over n rows.
func (f *Filter) Begin(o *index.SearchOptions, n int) {
	f.n, f.bits, f.keep, f.Refused = n, o.Bits, o.Keep, 0
	f.Rewind()
	if f.keep == nil {
		return
	}
	words := (n + 63) / 64
	if cap(f.asked) < words {
		f.asked, f.yes = make([]uint64, words), make([]uint64, words)
	}
	f.asked, f.yes = f.asked[:words], f.yes[:words]
	clear(f.asked)
	clear(f.yes)
}

// End forgets what belongs to the caller.
func (f *Filter) End() { f.bits, f.keep = nil, nil }

// Rewind makes Fill start over.
func (f *Filter) Rewind() { f.word, f.left = 0, 0 }

// None reports whether every row passes as far as is known without asking.
func (f *Filter) None() bool { return f.bits == nil && f.keep == nil }

// Passes reports whether a row may be returned.
func (f *Filter) Passes(ord uint32) bool {
	if f.bits != nil && (int(ord>>6) >= len(f.bits) || f.bits[ord>>6]>>(ord&63)&1 == 0) {
		return false
	}
	return f.keep == nil || f.ask(ord)
}

func (f *Filter) ask(ord uint32) bool {
	word, bit := ord>>6, uint64(1)<<(ord&63)
	if f.asked[word]&bit == 0 {
		f.asked[word] |= bit
		if f.keep(ord) {
			f.yes[word] |= bit
		}
	}
	return f.yes[word]&bit != 0
}

// wordAt is 64 rows of bits, those beyond the rows left out.
func (f *Filter) wordAt(i int) uint64 {
	w := ^uint64(0)
	if f.bits != nil {
		if i >= len(f.bits) {
			return 0
		}
		w = f.bits[i]
	}
	if rest := f.n - 64*i; rest < 64 {
		w &= 1<<rest - 1
	}
	return w
}

// samples is how many rows are asked to guess how many Keep lets through.
const samples = 128

// Matching is how many rows pass: exactly without Keep, about with it.
func (f *Filter) Matching() int {
	count := f.n
	if f.bits != nil {
		count = 0
		for i := range (f.n + 63) / 64 {
			count += bits.OnesCount64(f.wordAt(i))
		}
	}
	if f.keep == nil || count == 0 {
		return count
	}
	asked, yes := 0, 0
	step := max(1, f.n/(2*samples))
	for ord := step / 2; ord < f.n && asked < samples; ord += step {
		if f.wordAt(ord/64)>>(ord%64)&1 == 1 {
			asked++
			if f.ask(uint32(ord)) {
				yes++
			}
		}
	}
	if asked == 0 {
		return count
	}
	return count * yes / asked
}

// Fill writes the next rows that pass to dst and returns how many, fewer than len(dst) only at the end.
func (f *Filter) Fill(dst []uint32) int {
	m := 0
	for m < len(dst) {
		if f.left == 0 {
			if 64*f.word >= f.n {
				break
			}
			f.left = f.wordAt(f.word)
			f.word++
			f.Refused += int64(min(64, f.n-64*(f.word-1)) - bits.OnesCount64(f.left))
			continue
		}
		ord := uint32(64*(f.word-1) + bits.TrailingZeros64(f.left))
		f.left &= f.left - 1
		if f.keep != nil && !f.ask(ord) {
			f.Refused++
			continue
		}
		dst[m] = ord
		m++
	}
	return m
}
