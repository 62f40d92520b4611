package token

import (
	"strings"
	"unicode/utf8"
)

// decoder changes the pieces that are to become a text.
type decoder interface {
	apply(pieces []string) []string
}

// each changes every piece on its own.
type each func(string) string

func (f each) apply(pieces []string) []string {
	for i, s := range pieces {
		pieces[i] = f(s)
	}
	return pieces
}

// fuse makes one piece of all.
type fuse struct{}

func (fuse) apply(pieces []string) []string { return []string{strings.Join(pieces, "")} }

// visibleBytes turns visible runes back into the bytes that they stand for.
type visibleBytes struct{}

func (visibleBytes) apply(pieces []string) []string {
	var b []byte
	for _, s := range pieces {
		b = fromRunes(b, s)
	}
	return []string{string(b)}
}

// byteFallback turns pieces such as <0x0A> back into bytes; those that make no UTF-8 into U+FFFD each.
type byteFallback struct{}

func (byteFallback) apply(pieces []string) []string {
	var out []string
	var held []byte
	flush := func() {
		switch {
		case len(held) == 0:
		case utf8.Valid(held):
			out = append(out, string(held))
		default:
			out = append(out, strings.Repeat("\uFFFD", len(held)))
		}
		held = held[:0]
	}
	for _, s := range pieces {
		if b, ok := byteOf(s); ok {
			held = append(held, b)
			continue
		}
		flush()
		out = append(out, s)
	}
	flush()
	return out
}

// stripEnds takes a text, which is not empty, away from the beginning and the end of every piece, so many times at most.
func stripEnds(content string, start, stop int) each {
	return func(s string) string {
		for i := 0; i < start && strings.HasPrefix(s, content); i++ {
			s = s[len(content):]
		}
		for i := 0; i < stop && strings.HasSuffix(s, content); i++ {
			s = s[:len(s)-len(content)]
		}
		return s
	}
}

// joinWords puts blanks between pieces, but before those that go on within a word.
type joinWords struct {
	prefix  string
	cleanup bool // take the blanks before punctuation and contractions away again
}

var untidy = []string{" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'", " n't", "n't", " 'm", "'m", " do not", " don't", " 's", "'s",
	" 've", "'ve", " 're", "'re"}

func (j *joinWords) apply(pieces []string) []string {
	for i, s := range pieces {
		if rest, ok := strings.CutPrefix(s, j.prefix); ok && i > 0 {
			s = rest
		} else if i > 0 {
			s = " " + s
		}
		for k := 0; k < len(untidy) && j.cleanup; k += 2 {
			s = strings.ReplaceAll(s, untidy[k], untidy[k+1])
		}
		pieces[i] = s
	}
	return pieces
}

// joinMarks turns the marks of a metaspace back into blanks; front says that the first one was put there.
type joinMarks struct {
	mark  string
	front bool
}

func (j *joinMarks) apply(pieces []string) []string {
	for i, s := range pieces {
		s = strings.ReplaceAll(s, j.mark, " ")
		if i == 0 && j.front {
			s = strings.TrimPrefix(s, " ")
		}
		pieces[i] = s
	}
	return pieces
}
