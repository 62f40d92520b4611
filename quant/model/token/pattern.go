package token

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// pattern is one of the regular expressions that byte-pair tokenizers split text by. They are much alike and need looking
// ahead, so they are matched by hand: in time proportional to the text, whatever the text.
//
// All begin with the endings of English contractions and go on with runs of letters, of digits, of other symbols and of
// blanks, where the last blank of a run belongs to the word after it.
type pattern struct {
	anyCase bool // contractions in capitals too
	anyMark bool // a run of letters takes along any one symbol before it but a line end; else only a blank
	digits  int  // digits in a row that stay together; 0: all, with a blank before them
	lines   bool // line ends stay with symbols before them, and blanks up to a line end are a part
}

// gpt2 is the pattern of GPT-2, llama3 that of cl100k and Llama 3, and qwen2 that of Qwen 2.
var (
	gpt2   = &pattern{}
	llama3 = &pattern{anyCase: true, anyMark: true, digits: 3, lines: true}
	qwen2  = &pattern{anyCase: true, anyMark: true, digits: 1, lines: true}
)

// patterns are the regular expressions known, as tokenizer.json writes them.
var patterns = map[string]*pattern{
	`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`:                                          gpt2,
	`'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`:                                             gpt2,
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: llama3,
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:      qwen2,
	`(?:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:  {anyMark: true, digits: 3, lines: true},
}

// symbol classes of the patterns.
func isLetter(r rune) bool  { return unicode.IsLetter(r) }
func isNumber(r rune) bool  { return unicode.IsNumber(r) }
func isBlank(r rune) bool   { return unicode.IsSpace(r) }
func isOther(r rune) bool   { return !isLetter(r) && !isNumber(r) && !isBlank(r) }
func isLineEnd(r rune) bool { return r == '\r' || r == '\n' }

// match is a matcher: every text begins with a match.
func (p *pattern) match(text string) (from, to int) { return 0, p.first(text) }

// first is the length of the match that a text, which is not empty, begins with.
func (p *pattern) first(text string) int {
	if n := p.contraction(text); n > 0 {
		return n
	}
	r, n := utf8.DecodeRuneInString(text)
	next, _ := utf8.DecodeRuneInString(text[n:])
	after := func(is func(rune) bool) bool { return n < len(text) && is(next) }
	switch {
	case isLetter(r):
		return run(text, n, isLetter)
	case (r == ' ' || p.anyMark && !isLineEnd(r) && !isNumber(r)) && after(isLetter):
		return run(text, n, isLetter)
	case isNumber(r) && p.digits > 0:
		for k := 1; k < p.digits && n < len(text); k++ {
			next, size := utf8.DecodeRuneInString(text[n:])
			if !isNumber(next) {
				break
			}
			n += size
		}
		return n
	case isNumber(r), r == ' ' && p.digits == 0 && after(isNumber):
		return run(text, n, isNumber)
	case isOther(r), r == ' ' && after(isOther):
		n = run(text, n, isOther)
		if p.lines {
			n = run(text, n, isLineEnd)
		}
		return n
	}
	return p.blanks(text)
}

// blanks is the length of the match that a text which begins with a blank begins with: the blanks up to the last line
// end, if line ends count; else all blanks but the last one before a word; else that one.
func (p *pattern) blanks(text string) int {
	end, last := 0, 0
	line := 0
	for end < len(text) {
		r, n := utf8.DecodeRuneInString(text[end:])
		if !isBlank(r) {
			break
		}
		last = end
		end += n
		if isLineEnd(r) {
			line = end
		}
	}
	switch {
	case p.lines && line > 0:
		return line
	case end < len(text) && last > 0:
		return last
	}
	return end
}

// run is how far a stretch of what is says goes from at.
func run(text string, at int, is func(rune) bool) int {
	for at < len(text) {
		r, n := utf8.DecodeRuneInString(text[at:])
		if !is(r) {
			break
		}
		at += n
	}
	return at
}

// contraction is the length of an ending such as 's or 'll that a text begins with, or 0.
func (p *pattern) contraction(text string) int {
	if text[0] != '\'' {
		return 0
	}
	for _, end := range [...]string{"s", "t", "re", "ve", "m", "ll", "d"} {
		if strings.HasPrefix(text[1:], end) || p.anyCase && len(text) > len(end) && strings.EqualFold(text[1:1+len(end)], end) {
			return 1 + len(end)
		}
	}
	if p.anyCase && strings.HasPrefix(text[1:], "\u017F") { // a long s is an s but for case
		return 1 + len("\u017F")
	}
	return 0
}
