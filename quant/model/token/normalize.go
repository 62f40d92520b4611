package token

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// bertText is how BERT makes a text simple: control characters go and blanks become spaces, ideographs stand alone,
// accents go, capitals are lowered. Each step can be left out.
type bertText struct {
	clean, cjk, strip, lower bool
}

func (b *bertText) apply(text string) string {
	out := make([]byte, 0, len(text)+len(text)/8)
	for _, r := range text {
		switch {
		case b.clean && (r == 0 || r == utf8.RuneError || isControl(r)):
		case b.clean && unicode.IsSpace(r):
			out = append(out, ' ')
		case b.cjk && isIdeograph(r):
			out = append(out, ' ')
			out = utf8.AppendRune(out, r)
			out = append(out, ' ')
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	s := string(out)
	if b.strip {
		s = withoutMarks(norm.NFD.String(s))
	}
	if b.lower {
		s = lower(s)
	}
	return s
}

// isControl says whether BERT drops a character: control, format, private use.
func isControl(r rune) bool {
	return r != '\t' && r != '\n' && r != '\r' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

// ideographs are the CJK blocks that BERT takes apart; kana and hangul are not among them.
var ideographs = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x3400, Hi: 0x4DBF, Stride: 1}, {Lo: 0x4E00, Hi: 0x9FFF, Stride: 1}, {Lo: 0xF900, Hi: 0xFAFF, Stride: 1}},
	R32: []unicode.Range32{{Lo: 0x20000, Hi: 0x2A6DF, Stride: 1}, {Lo: 0x2A700, Hi: 0x2B73F, Stride: 1}, {Lo: 0x2B740, Hi: 0x2B81F, Stride: 1},
		{Lo: 0x2B820, Hi: 0x2CEAF, Stride: 1}, {Lo: 0x2F800, Hi: 0x2FA1F, Stride: 1}},
}

func isIdeograph(r rune) bool { return r >= 0x3400 && unicode.Is(ideographs, r) }

// withoutMarks drops the marks that stand on letters (category Mn).
func withoutMarks(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x300 && unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, s)
}

// lower lowers each character on its own; only U+0130 becomes two.
func lower(s string) string {
	if strings.ContainsRune(s, '\u0130') {
		s = strings.ReplaceAll(s, "\u0130", "i\u0307")
	}
	return strings.Map(unicode.ToLower, s)
}

// strip takes blanks away at the ends.
func strip(left, right bool) mapping {
	return func(s string) string {
		if left {
			s = strings.TrimLeftFunc(s, unicode.IsSpace)
		}
		if right {
			s = strings.TrimRightFunc(s, unicode.IsSpace)
		}
		return s
	}
}

// prepend puts a text in front of one that is not empty.
func prepend(front string) mapping {
	return func(s string) string {
		if s == "" {
			return s
		}
		return front + s
	}
}

// replaceRuns puts one text in the place of every run of at least n of what is says.
func replaceRuns(is func(rune) bool, n int, by string) mapping {
	return func(s string) string {
		var b strings.Builder
		for s != "" {
			run, count := 0, 0
			for run < len(s) {
				r, size := utf8.DecodeRuneInString(s[run:])
				if !is(r) {
					break
				}
				run, count = run+size, count+1
			}
			switch {
			case count >= n:
				b.WriteString(by)
			case count > 0:
				b.WriteString(s[:run])
			default:
				run = runeLen(s)
				b.WriteString(s[:run])
			}
			s = s[run:]
		}
		return b.String()
	}
}
