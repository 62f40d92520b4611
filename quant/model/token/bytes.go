package token

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// byteIDs gives the id of the piece that stands for a byte, such as <0x0A>, where a vocabulary has all 256.
type byteIDs [256]int32

// findBytes looks for the pieces of bytes; nil if one is missing.
func findBytes(id func(string) int32) *byteIDs {
	var b byteIDs
	for c := range b {
		if b[c] = id(fmt.Sprintf("<0x%02X>", c)); b[c] < 0 {
			return nil
		}
	}
	return &b
}

// byteOf reads a piece such as <0x0A>.
func byteOf(piece string) (b byte, ok bool) {
	if len(piece) != 6 || !strings.HasPrefix(piece, "<0x") || piece[5] != '>' {
		return 0, false
	}
	for _, c := range []byte(piece[3:5]) {
		switch {
		case c >= '0' && c <= '9':
			b = b<<4 | (c - '0')
		case c >= 'A' && c <= 'F':
			b = b<<4 | (c - 'A' + 10)
		default:
			return 0, false
		}
	}
	return b, true
}

// byteRunes writes each byte as a visible rune, and runeBytes reads it back: the code of GPT-2, in which printable
// bytes of Latin-1 stand for themselves and the others, in order, for the runes from U+0100 on
// (https://github.com/openai/gpt-2, encoder.py).
var (
	byteRunes [256]string
	runeBytes = map[rune]byte{}
)

func init() {
	next := rune(0x100)
	for c := range byteRunes {
		r := rune(c)
		if !(c >= '!' && c <= '~' || c >= 0xA1 && c <= 0xAC || c >= 0xAE) {
			r = next
			next++
		}
		byteRunes[c] = string(r)
		runeBytes[r] = byte(c)
	}
}

// toRunes writes the bytes of a text as visible runes.
func toRunes(dst []byte, text string) []byte {
	for i := range len(text) {
		dst = append(dst, byteRunes[text[i]]...)
	}
	return dst
}

// fromRunes undoes toRunes. Runes that stand for no byte are kept as they are.
func fromRunes(dst []byte, text string) []byte {
	for _, r := range text {
		if b, ok := runeBytes[r]; ok {
			dst = append(dst, b)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}
