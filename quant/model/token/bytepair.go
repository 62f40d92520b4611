package token

import (
	"fmt"
	"unicode/utf8"
)

// BytePair joins the symbols of a word, pair by pair, in the order in which the pairs were learned (Sennrich et al. 2015,
// https://arxiv.org/abs/1508.07909). It works on single words; a [Pipeline] makes them of a text, and for GPT-2 and its
// kin writes each byte of them as a visible rune first.
type BytePair struct {
	v       *vocabulary
	merges  map[[2]int32]merge
	unknown int32 // -1: symbols that the vocabulary lacks are dropped
	fuse    bool  // unknown symbols in a row are one
	whole   bool  // a word that is a piece is not looked into
	bytes   *byteIDs
}

type merge struct {
	rank, id int32
}

// newBytePair makes a BytePair of a vocabulary and the pairs in the order of learning.
func newBytePair(v *vocabulary, pairs [][2]string) (*BytePair, error) {
	b := &BytePair{v: v, merges: make(map[[2]int32]merge, len(pairs)), unknown: -1}
	for rank, p := range pairs {
		left, right, both := v.id(p[0]), v.id(p[1]), v.id(p[0]+p[1])
		if left < 0 || right < 0 || both < 0 {
			return nil, fmt.Errorf("%w: merge %d joins %.40q and %.40q, and not all three are pieces", ErrFormat, rank, p[0], p[1])
		}
		b.merges[[2]int32{left, right}] = merge{int32(rank), both}
	}
	return b, nil
}

func (b *BytePair) join(_ string, left, right *symbol) (id int32, turn float64, ok bool) {
	m, ok := b.merges[[2]int32{left.id, right.id}]
	return m.id, float64(m.rank), ok
}

// appendWord appends the pieces of one word.
func (b *BytePair) appendWord(ids []int32, word string, _ int) []int32 {
	if b.whole {
		if id, ok := b.v.ids[word]; ok {
			return append(ids, id)
		}
	}
	m := mergers.Get().(*merger)
	defer mergers.Put(m)
	m.reset()
	strange := false // the last symbol was unknown
	for at := 0; at < len(word); {
		_, n := utf8.DecodeRuneInString(word[at:])
		id, ok := b.v.ids[word[at:at+n]]
		switch {
		case ok:
			m.add(id, at, at+n)
		case b.bytes != nil:
			for i := at; i < at+n; i++ {
				m.add(b.bytes[word[i]], i, i+1)
			}
		case b.unknown >= 0 && !(b.fuse && strange):
			m.add(b.unknown, at, at+n)
		}
		strange = !ok && b.bytes == nil
		at += n
	}
	return m.run(ids, word, b)
}

func (b *BytePair) piece(id int32) string { return b.v.piece(id) }
func (b *BytePair) id(piece string) int32 { return b.v.id(piece) }
func (b *BytePair) size() int             { return b.v.size() }
