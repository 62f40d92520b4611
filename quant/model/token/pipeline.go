package token

import (
	"fmt"
	"unicode/utf8"
)

// Pipeline is a tokenizer in steps: special tokens are found in the text, what lies between them is normalised and split
// into words, a model cuts the words into pieces, and special tokens are put round it all. [ReadJSON] and [NewBERT] make
// one.
type Pipeline struct {
	model     subwords
	normalize []mapping
	split     []splitter
	raw       *finder // added tokens that are looked for before normalising
	cooked    *finder // and after
	added     map[int32]addedToken
	before    []int32 // special tokens put round a text
	after     []int32
	decode    []decoder
	ids       int // every id is below it
	maxTokens int // what the description cuts a text to; 0: nothing
}

// subwords is a model that cuts a word into pieces.
type subwords interface {
	// appendWord appends the ids of a word; ids beyond limit in all need not be there.
	appendWord(ids []int32, word string, limit int) []int32
	piece(id int32) string // "" where there is none
	id(piece string) int32 // -1 where there is none
	size() int
}

// mapping changes a text.
type mapping func(text string) string

// part is a stretch of text that is being split.
type part struct {
	text  string
	first bool // nothing of the text lies before it
}

// splitter cuts a part into smaller ones and passes them on, in order, until yield says that it has enough.
type splitter func(p part, yield func(part) bool) bool

// addTokens makes tokens be found in text as a whole.
func (p *Pipeline) addTokens(tokens []addedToken) {
	if p.added == nil {
		p.added = map[int32]addedToken{}
	}
	for _, t := range tokens {
		p.added[t.ID] = t
		if t.Normalized {
			t.Content = p.mapped(t.Content)
			p.cooked = p.cooked.with(t)
		} else {
			p.raw = p.raw.with(t)
		}
	}
}

// check settles the size and refuses ids out of range.
func (p *Pipeline) check() error {
	p.ids = p.model.size()
	for id := range p.added {
		p.ids = max(p.ids, int(id)+1)
	}
	for _, list := range [][]int32{p.before, p.after} {
		for _, id := range list {
			if id < 0 || int(id) >= p.ids {
				return fmt.Errorf("%w: a special token with id %d of %d", ErrFormat, id, p.ids)
			}
		}
	}
	return nil
}

// Size is the number of ids, added tokens included.
func (p *Pipeline) Size() int { return p.ids }

// MaxTokens is what the tokenizer's own description would cut a text to, special tokens included; 0 where it says nothing.
// Encode does as its caller says.
func (p *Pipeline) MaxTokens() int { return p.maxTokens }

// ID is the id of a piece or an added token, -1 where there is none.
func (p *Pipeline) ID(piece string) int32 {
	for id, t := range p.added {
		if t.Content == piece {
			return id
		}
	}
	return p.model.id(piece)
}

// Encode returns the ids of a text and of the special tokens round it, at most limit. Special tokens that a text spells out, such as "[MASK]", become that token, as with the library that the
// tokenizer was written for.
func (p *Pipeline) Encode(text string, limit int) []int32 {
	if limit <= 0 {
		return nil
	}
	room := max(limit-len(p.before)-len(p.after), 0)
	e := encoding{p: p, limit: len(p.before) + room}
	e.ids = append(e.ids, p.before...)
	if room > 0 {
		p.raw.cut(text, func(s string, t *addedToken, at int) bool {
			if t != nil {
				return e.special(t)
			}
			return e.section(s, at == 0)
		})
	}
	e.ids = append(e.ids[:min(len(e.ids), e.limit)], p.after...)
	return e.ids[:min(len(e.ids), limit)]
}

// encoding is one call of Encode.
type encoding struct {
	p     *Pipeline
	ids   []int32
	limit int
}

func (e *encoding) special(t *addedToken) bool {
	e.ids = append(e.ids, t.ID)
	return len(e.ids) < e.limit
}

// section encodes what lies between tokens that are looked for before normalising.
func (e *encoding) section(s string, first bool) bool {
	return e.p.cooked.cut(e.p.mapped(s), func(s string, t *addedToken, at int) bool {
		if t != nil {
			return e.special(t)
		}
		return e.words(part{s, first && at == 0}, e.p.split)
	})
}

// words splits a part by all splitters in turn and encodes what comes out.
func (e *encoding) words(p part, by []splitter) bool {
	if p.text == "" {
		return true
	}
	if len(by) == 0 {
		e.ids = e.p.model.appendWord(e.ids, p.text, e.limit)
		return len(e.ids) < e.limit
	}
	return by[0](p, func(q part) bool { return e.words(q, by[1:]) })
}

func (p *Pipeline) mapped(s string) string {
	for _, m := range p.normalize {
		s = m(s)
	}
	return s
}

// Decode returns the text of ids. Special tokens have none.
func (p *Pipeline) Decode(ids []int32) string {
	pieces := make([]string, 0, len(ids))
	for _, id := range ids {
		t, added := p.added[id]
		s := t.Content
		if !added {
			s = p.model.piece(id)
		}
		if !t.Special && s != "" {
			pieces = append(pieces, s)
		}
	}
	for _, d := range p.decode {
		pieces = d.apply(pieces)
	}
	n := 0
	for _, s := range pieces {
		n += len(s)
	}
	b := make([]byte, 0, n)
	for _, s := range pieces {
		b = append(b, s...)
	}
	return string(b)
}

// runeLen is the length of the rune that s begins with; of a byte that is not UTF-8 it is 1.
func runeLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}
