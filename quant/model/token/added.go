package token

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is found in a text as a whole, before any model sees it, as tokenizer.json writes it.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // not inside of a word
	LStrip     bool   `json:"lstrip"`      // takes the blanks before it along
	RStrip     bool   `json:"rstrip"`      // and those after it
	Normalized bool   `json:"normalized"`  // looked for after normalising
	Special    bool   `json:"special"`     // has no text when decoded
}

// finder finds added tokens in a text: of those that begin first the longest.
type finder struct {
	next   map[byteEdge]int32 // a trie over bytes; node 0 is its root
	tokens map[int32]addedToken
}

type byteEdge struct {
	node int32
	b    byte
}

// with puts a token into the finder, which may be nil. Of equal ones the last counts.
func (f *finder) with(t addedToken) *finder {
	if f == nil {
		f = &finder{next: map[byteEdge]int32{}, tokens: map[int32]addedToken{}}
	}
	node := int32(0)
	for i := range len(t.Content) {
		to, ok := f.next[byteEdge{node, t.Content[i]}]
		if !ok {
			to = int32(len(f.next)) + 1
			f.next[byteEdge{node, t.Content[i]}] = to
		}
		node = to
	}
	if node != 0 {
		f.tokens[node] = t
	}
	return f
}

// match returns the longest token that text has at a place.
func (f *finder) match(text string, at int) (t addedToken, end int, ok bool) {
	node := int32(0)
	for i := at; i < len(text); i++ {
		to, more := f.next[byteEdge{node, text[i]}]
		if !more {
			break
		}
		node = to
		if found, is := f.tokens[node]; is {
			t, end, ok = found, i+1, true
		}
	}
	return t, end, ok
}

// cut passes on the tokens in text and, with a nil token, what lies between them and where it begins, until yield says
// that it has enough. A nil finder finds nothing.
func (f *finder) cut(text string, yield func(between string, t *addedToken, at int) bool) bool {
	from := 0
	for at := 0; f != nil && at < len(text); {
		t, end, ok := f.match(text, at)
		if !ok {
			at++
			continue
		}
		start := at
		at = end
		if t.SingleWord && (endsWord(text[:start]) || beginsWord(text[end:])) {
			continue
		}
		if t.LStrip {
			start = from + len(strings.TrimRightFunc(text[from:start], unicode.IsSpace))
		}
		if t.RStrip {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
		}
		if start > from && !yield(text[from:start], nil, from) || !yield("", &t, start) {
			return false
		}
		from, at = end, end
	}
	return from == len(text) || yield(text[from:], nil, from)
}

// endsWord and beginsWord say whether a text ends or begins with a symbol of a word.
func endsWord(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && isWord(r)
}

func beginsWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && isWord(r)
}

// isWord is \w as Unicode has it (UTS 18, Annex C).
func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.Is(unicode.Nd, r) || unicode.Is(unicode.Nl, r) || unicode.Is(unicode.Pc, r) ||
		unicode.Is(unicode.Other_Alphabetic, r) || r == 0x200C || r == 0x200D
}
