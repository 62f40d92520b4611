package token

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// charMap is the table by which SentencePiece normalises text: strings to be replaced, as a trie in two arrays that lie in
// one (Aoe 1989; the layout is that of darts-clone), and what to put in their place, each ended by a zero byte. A file of
// SentencePiece has it as precompiled_charsmap.
type charMap struct {
	units []uint32
	texts string
}

func newCharMap(b []byte) (*charMap, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("%w: a character map of %d bytes", ErrFormat, len(b))
	}
	size := binary.LittleEndian.Uint32(b)
	b = b[4:]
	if size == 0 || size%4 != 0 || uint64(size) > uint64(len(b)) {
		return nil, fmt.Errorf("%w: a character map with a trie of %d bytes in %d", ErrFormat, size, len(b))
	}
	c := &charMap{units: make([]uint32, size/4), texts: string(b[size:])}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return c, nil
}

// longest finds the longest string of the trie that s begins with, and what takes its place.
func (c *charMap) longest(s string) (n int, text string, ok bool) {
	at := offset(c.units[0])
	for i := range len(s) {
		at ^= uint32(s[i])
		if s[i] == 0 || int(at) >= len(c.units) {
			return n, text, ok
		}
		unit := c.units[at]
		if unit&(1<<31|0xFF) != uint32(s[i]) {
			return n, text, ok
		}
		at ^= offset(unit)
		if unit&(1<<8) == 0 { // no string ends here
			continue
		}
		if int(at) >= len(c.units) {
			return n, text, ok
		}
		if from := int(c.units[at] &^ (1 << 31)); from <= len(c.texts) {
			text, _, _ = strings.Cut(c.texts[from:], "\x00")
			n, ok = i+1, true
		}
	}
	return n, text, ok
}

// offset is where the children of a unit lie, as a difference to it.
func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }

// apply replaces, from left to right, the longest string that the table has; what it has not stays, and a byte that is
// not UTF-8 becomes U+FFFD.
func (c *charMap) apply(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		n, text, ok := c.longest(s)
		if !ok {
			var r rune
			r, n = utf8.DecodeRuneInString(s)
			b.WriteRune(r)
		} else {
			b.WriteString(text)
		}
		s = s[n:]
	}
	return b.String()
}
