package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// table prints rows as psql's aligned format does.
type table struct {
	names   []string
	numeric []bool // right-aligned
	rows    [][]cell
}

type cell struct {
	text string
	null bool
}

// maxCellWidth is where a cell is cut on paper; the data is not touched, and \x or a file show all of it.
const maxCellWidth = 100

func (t *table) print(w io.Writer) {
	widths := make([]int, len(t.names))
	for i, n := range t.names {
		widths[i] = runewidth.StringWidth(n)
	}
	for _, r := range t.rows {
		for i, c := range r {
			widths[i] = max(widths[i], runewidth.StringWidth(shorten(c.text)))
		}
	}
	var b strings.Builder
	for i, n := range t.names {
		left := (widths[i] - runewidth.StringWidth(n)) / 2
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(" " + strings.Repeat(" ", left) + n + strings.Repeat(" ", widths[i]-left-runewidth.StringWidth(n)) + " ")
	}
	b.WriteByte('\n')
	for i, width := range widths {
		if i > 0 {
			b.WriteByte('+')
		}
		b.WriteString(strings.Repeat("-", width+2))
	}
	b.WriteByte('\n')
	for _, r := range t.rows {
		for i, c := range r {
			t.cell(&b, i, shorten(c.text), widths[i], t.numeric[i])
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "(%d %s)\n\n", len(t.rows), plural(len(t.rows), "row"))
	io.WriteString(w, b.String())
}

func (t *table) cell(b *strings.Builder, i int, text string, width int, right bool) {
	if i > 0 {
		b.WriteByte('|')
	}
	pad := strings.Repeat(" ", max(0, width-runewidth.StringWidth(text)))
	last := i == len(t.names)-1
	switch {
	case right:
		b.WriteString(" " + pad + text)
	case last:
		b.WriteString(" " + text)
		return
	default:
		b.WriteString(" " + text + pad)
	}
	if !last {
		b.WriteByte(' ')
	}
}

func shorten(text string) string {
	text = strings.NewReplacer("\n", "\\n", "\r", "\\r", "\t", "\\t").Replace(text)
	if utf8.RuneCountInString(text) <= maxCellWidth {
		return text
	}
	return runewidth.Truncate(text, maxCellWidth, "...")
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
