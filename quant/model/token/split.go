package token

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// matcher finds the first match of a pattern in a text: where it begins and ends, both len(text) where there is none.
// A match is never empty.
type matcher func(text string) (from, to int)

// behaviour says what becomes of the matches of a pattern that a text is split by.
type behaviour uint8

const (
	isolated     behaviour = iota // a part of their own
	removed                       // dropped
	withPrevious                  // the end of the part before
	withNext                      // the beginning of the part after
	contiguous                    // a part of their own, neighbours together
)

// splitBy splits by a pattern; inverted, by what lies between its matches.
func splitBy(find matcher, b behaviour, invert bool) splitter {
	return func(p part, yield func(part) bool) bool {
		g := gatherer{p: p, b: b, yield: yield}
		for at := 0; at < len(p.text); {
			from, to := find(p.text[at:])
			if from > 0 && !g.piece(at, at+from, invert) {
				return false
			}
			if to > from && !g.piece(at+from, at+to, !invert) {
				return false
			}
			at += to
		}
		return g.flush()
	}
}

// gatherer joins matches and the stretches between them to parts, as a behaviour has it.
type gatherer struct {
	p        part
	b        behaviour
	yield    func(part) bool
	from, to int // what is held back
	match    bool
}

func (g *gatherer) piece(from, to int, match bool) bool {
	joined := false
	switch g.b {
	case withPrevious:
		joined = match && !g.match
	case withNext:
		joined = !match && g.match
	case contiguous:
		joined = match && g.match
	}
	if joined && g.to > g.from {
		g.to, g.match = to, match
		return true
	}
	if !g.flush() {
		return false
	}
	if g.b == removed && match {
		return true
	}
	g.from, g.to, g.match = from, to, match
	return true
}

func (g *gatherer) flush() bool {
	if g.to == g.from {
		return true
	}
	s := part{g.p.text[g.from:g.to], g.p.first && g.from == 0}
	g.from = g.to
	return g.yield(s)
}

// runs matches the longest runs of what is says, or each symbol on its own.
func runs(is func(rune) bool, single bool) matcher {
	return func(text string) (from, to int) {
		from = strings.IndexFunc(text, is)
		if from < 0 {
			return len(text), len(text)
		}
		to = from + runeLen(text[from:])
		for !single && to < len(text) {
			r, n := utf8.DecodeRuneInString(text[to:])
			if !is(r) {
				break
			}
			to += n
		}
		return from, to
	}
}

// literal matches a text.
func literal(s string) matcher {
	return func(text string) (from, to int) {
		if from = strings.Index(text, s); from < 0 || s == "" {
			return len(text), len(text)
		}
		return from, from + len(s)
	}
}

// isPunctuation is what BERT takes for punctuation: that of Unicode, and all of ASCII that is neither letter nor digit.
func isPunctuation(r rune) bool {
	if r < 0x80 {
		return r > ' ' && r < 0x7F && !('0' <= r && r <= '9') && !('A' <= r && r <= 'Z') && !('a' <= r && r <= 'z')
	}
	return unicode.IsPunct(r)
}

// splitBERT splits at blanks, which are dropped, and around every punctuation mark.
func splitBERT(p part, yield func(part) bool) bool {
	start := -1 // of the word being read
	for i, r := range p.text {
		blank, mark := unicode.IsSpace(r), isPunctuation(r)
		if start >= 0 && (blank || mark) {
			if !yield(part{p.text[start:i], p.first && start == 0}) {
				return false
			}
			start = -1
		}
		if mark && !yield(part{p.text[i : i+utf8.RuneLen(r)], p.first && i == 0}) {
			return false
		}
		if start < 0 && !blank && !mark {
			start = i
		}
	}
	return start < 0 || yield(part{p.text[start:], p.first && start == 0})
}

// splitWords splits into runs of word symbols and runs of others, and drops blanks: \w+|[^\w\s]+.
func splitWords(p part, yield func(part) bool) bool {
	class := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	}
	start, was := 0, 0
	for i, r := range p.text {
		c := class(r)
		if c != was {
			if was != 0 && !yield(part{p.text[start:i], p.first && start == 0}) {
				return false
			}
			start, was = i, c
		}
	}
	return was == 0 || yield(part{p.text[start:], p.first && start == 0})
}

// metaspace writes blanks as a visible mark, puts one in front, and splits before each.
type metaspace struct {
	mark         string
	always, once bool // put a mark in front of every part, or of the first part of a text only
	whole        bool // do not split
}

func (m *metaspace) split(p part, yield func(part) bool) bool {
	p.text = strings.ReplaceAll(p.text, " ", m.mark)
	if (m.always || m.once && p.first) && !strings.HasPrefix(p.text, m.mark) {
		p.text = m.mark + p.text
	}
	if m.whole {
		return yield(p)
	}
	return splitBy(literal(m.mark), withNext, false)(p, yield)
}

// byteLevel splits by the pattern of GPT-2, if it is told to, and writes bytes as visible runes.
type byteLevel struct {
	front bool // put a blank in front
	regex bool
}

func (b *byteLevel) split(p part, yield func(part) bool) bool {
	if b.front && !strings.HasPrefix(p.text, " ") {
		p.text = " " + p.text
	}
	visible := func(q part) bool {
		q.text = string(toRunes(make([]byte, 0, 2*len(q.text)), q.text))
		return yield(q)
	}
	if !b.regex {
		return visible(p)
	}
	return splitBy(gpt2.match, isolated, false)(p, visible)
}
