package types

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxNameBytes is NAMEDATALEN-1.
const maxNameBytes = 63

// CheckUTF8 refuses bytes that are not UTF-8, and NUL, with PostgreSQL's words and code 22021.
func CheckUTF8(s string) error {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return nil
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r != 0 && (r != utf8.RuneError || n > 1) {
			i += n
			continue
		}
		end := min(i+leadLength(s[i]), len(s))
		var list strings.Builder
		for j := i; j < end; j++ {
			fmt.Fprintf(&list, " 0x%02x", s[j])
		}
		return Errorf(CodeCharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\":%s", list.String())
	}
	return nil
}

// leadLength is how many bytes a character has by its first byte, in PostgreSQL's eyes.
func leadLength(b byte) int {
	switch {
	case b&0xe0 == 0xc0:
		return 2
	case b&0xf0 == 0xe0:
		return 3
	case b&0xf8 == 0xf0:
		return 4
	}
	return 1
}

func parseString(t Type, s string) (any, error) {
	if err := CheckUTF8(s); err != nil {
		return nil, err
	}
	switch t.OID {
	case VarcharOID:
		if t.Mod >= 4 {
			return fitLength(t, s, int(t.Mod-4))
		}
	case BpcharOID:
		if t.Mod >= 4 {
			n := int(t.Mod - 4)
			s, err := fitLength(t, s, n)
			if err != nil {
				return nil, err
			}
			if pad := n - utf8.RuneCountInString(s); pad > 0 {
				s += strings.Repeat(" ", pad)
			}
			return s, nil
		}
	case NameOID:
		return truncateName(s), nil
	case QCharOID:
		if len(s) > 0 && s[0] >= utf8.RuneSelf {
			return nil, Errorf(CodeFeatureNotSupported, "type \"char\" holds ASCII characters only")
		}
		return s[:min(len(s), 1)], nil
	}
	return s, nil
}

// fitLength cuts blanks beyond n characters and refuses anything else there.
func fitLength(t Type, s string, n int) (string, error) {
	if len(s) <= n {
		return s, nil
	}
	count := 0
	for i := range s {
		if count == n {
			if strings.Trim(s[i:], " ") != "" {
				return "", Errorf(CodeStringDataRightTruncation, "value too long for type %s", t)
			}
			return s[:i], nil
		}
		count++
	}
	return s, nil
}

// truncateName cuts a name to 63 bytes at a character's edge.
func truncateName(s string) string {
	if len(s) <= maxNameBytes {
		return s
	}
	n := maxNameBytes
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
