package plan

import (
	"errors"
	"strings"
	"unicode/utf8"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"github.com/pganalyze/pg_query_go/v6/parser"

	"engram/sql/types"
)

// Limits of what is parsed: PostgreSQL has its stack depth and its gigabyte; these are ours.
const (
	MaxTextBytes = 64 << 20 // of one text
	maxNesting   = 2000     // brackets open at once; the parser recurses in C
	maxDepth     = 400      // nested expressions and queries that the analyser follows
	maxNameBytes = 63       // as PostgreSQL's NAMEDATALEN-1
)

// Kind says roughly what a statement is, before it is analysed.
type Kind uint8

// The kinds of statements.
const (
	KindSelect  Kind = iota + 1 // SELECT, VALUES, TABLE
	KindDML                     // INSERT, UPDATE, DELETE, MERGE
	KindBegin                   // BEGIN, START TRANSACTION
	KindExit                    // COMMIT, ROLLBACK, ROLLBACK TO, PREPARE TRANSACTION: runs in a failed transaction
	KindControl                 // SAVEPOINT, RELEASE
	KindUtility                 // everything else
)

// Statement is one statement of a text, parsed.
type Statement struct {
	Text   string // its own text, without blanks and comments around it and without the semicolon
	Offset int    // where Text starts in the whole text, in bytes
	Kind   Kind
	Tag    string // command tag without counts

	node   *pgquery.Node
	source string // the whole text: error positions count in it
}

// Parse splits a text into its statements. A text of blanks and comments has none. Errors are *types.Error with a
// position in characters of text, from 1.
func Parse(text string) ([]*Statement, error) {
	if len(text) > MaxTextBytes {
		return nil, types.Errorf("54000", "statement too long").
			WithDetail("A text of %d bytes was sent; the limit is %d.", len(text), MaxTextBytes)
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, types.Errorf(types.CodeCharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00")
	}
	if !utf8.ValidString(text) {
		return nil, types.Errorf(types.CodeCharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
	}
	if err := checkNesting(text); err != nil {
		return nil, err
	}
	tree, err := pgquery.Parse(text)
	if err != nil {
		return nil, syntaxError(err)
	}
	out := make([]*Statement, 0, len(tree.Stmts))
	for _, raw := range tree.Stmts {
		start := int(raw.StmtLocation)
		end := start + int(raw.StmtLen)
		if raw.StmtLen == 0 {
			end = len(text)
		}
		if start < 0 || end > len(text) || start > end || raw.Stmt == nil {
			return nil, types.Errorf("XX000", "the parser gave a statement outside of its text")
		}
		lead := skipBlanks(text[start:end])
		st := &Statement{Text: strings.TrimRight(text[start+lead:end], " \t\r\n\f\v;"), Offset: start + lead, node: raw.Stmt, source: text}
		st.Kind, st.Tag = classify(raw.Stmt)
		out = append(out, st)
	}
	return out, nil
}

func syntaxError(err error) error {
	var pe *parser.Error
	if !errors.As(err, &pe) {
		return types.Errorf(types.CodeSyntaxError, "%s", err.Error())
	}
	code := types.CodeSyntaxError
	switch {
	case strings.Contains(pe.Message, "invalid Unicode") || strings.Contains(pe.Message, "invalid byte sequence"):
		code = types.CodeCharacterNotInRepertoire
	case strings.Contains(pe.Message, "stack depth") || strings.Contains(pe.Message, "memory exhausted"):
		code = "54001"
	case strings.Contains(pe.Message, "not supported") || strings.Contains(pe.Message, "not implemented"):
		code = types.CodeFeatureNotSupported
	}
	e := types.Errorf(code, "%s", pe.Message)
	if pe.Cursorpos > 0 { // already in characters, from 1
		e.Position = pe.Cursorpos
	}
	return e
}

// charPosition turns a byte offset into a position in characters, from 1.
func charPosition(text string, offset int) int {
	return utf8.RuneCountInString(text[:max(0, min(offset, len(text)))]) + 1
}

// skipBlanks counts the bytes of blanks and comments (and stray semicolons) at the start of s.
func skipBlanks(s string) int {
	i := 0
	for i < len(s) {
		switch {
		case strings.IndexByte(" \t\r\n\f\v;", s[i]) >= 0:
			i++
		case strings.HasPrefix(s[i:], "--"):
			n := strings.IndexAny(s[i:], "\r\n")
			if n < 0 {
				return len(s)
			}
			i += n
		case strings.HasPrefix(s[i:], "/*"):
			i += blockComment(s[i:])
		default:
			return i
		}
	}
	return i
}

// blockComment is the length of a comment; they nest.
func blockComment(s string) int {
	depth := 0
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "/*"):
			depth++
			i += 2
		case strings.HasPrefix(s[i:], "*/"):
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(s)
}

// checkNesting bounds how deeply brackets nest, before the parser in C recurses over them: it counts outside of
// strings, quoted names and comments. A text that ends inside of one is the parser's business.
func checkNesting(text string) error {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '(', '[':
			if depth++; depth > maxNesting {
				return types.Errorf("54001", "stack depth limit exceeded").
					WithDetail("Brackets nest deeper than %d.", maxNesting).At(charPosition(text, i))
			}
		case ')', ']':
			depth = max(0, depth-1)
		case '\'', '"':
			i += quotedLength(text[i:], c, c == '\'' && i > 0 && (text[i-1] == 'e' || text[i-1] == 'E')) - 1
		case '-':
			if strings.HasPrefix(text[i:], "--") {
				i += skipBlanksLine(text[i:])
			}
		case '/':
			if strings.HasPrefix(text[i:], "/*") {
				i += blockComment(text[i:]) - 1
			}
		case '$':
			i += dollarLength(text[i:]) - 1
		}
	}
	return nil
}

func skipBlanksLine(s string) int {
	if n := strings.IndexAny(s, "\r\n"); n >= 0 {
		return n
	}
	return len(s)
}

// quotedLength is the length of a quoted string or name; a doubled quote closes and opens again, which counts right.
func quotedLength(s string, q byte, escapes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == q:
			return i + 1
		}
	}
	return len(s)
}

// dollarLength is the length of a dollar-quoted string at the start of s, or 1 when there is none.
func dollarLength(s string) int {
	end := 1
	for end < len(s) && (s[end] == '_' || s[end] >= 0x80 || isLetter(s[end]) || end > 1 && isDigit(s[end])) {
		end++
	}
	if end >= len(s) || s[end] != '$' {
		return 1
	}
	tag := s[:end+1]
	if n := strings.Index(s[end+1:], tag); n >= 0 {
		return end + 1 + n + len(tag)
	}
	return len(s)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
