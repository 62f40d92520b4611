package plan

import (
	"regexp"
	"strings"
	"sync"

	"engram/sql/types"
)

var patternCalls = map[string]goCall{
	"regexp_like": func(_ *Env, v []any) (any, error) {
		re, _, err := pattern(v[1].(string), v[2].(string))
		if err != nil {
			return nil, err
		}
		return re.MatchString(v[0].(string)), nil
	},
	"regexp_replace": regexpReplace,
	"regexp_match": func(_ *Env, v []any) (any, error) {
		re, _, err := pattern(v[1].(string), v[2].(string))
		if err != nil {
			return nil, err
		}
		return groups(re, v[0].(string)), nil
	},
	"regexp_split": func(_ *Env, v []any) (any, error) {
		re, _, err := pattern(v[1].(string), v[2].(string))
		if err != nil {
			return nil, err
		}
		parts := re.Split(v[0].(string), -1)
		out := make([]any, len(parts))
		for i, p := range parts {
			out[i] = p
		}
		return out, nil
	},
	"regexp_substring": func(_ *Env, v []any) (any, error) {
		re, _, err := pattern(v[1].(string), "")
		if err != nil {
			return nil, err
		}
		m := re.FindStringSubmatchIndex(v[0].(string))
		if m == nil {
			return nil, nil
		}
		if len(m) > 2 {
			m = m[2:]
		}
		if m[0] < 0 {
			return nil, nil
		}
		return v[0].(string)[m[0]:m[1]], nil
	},
	"regexp_count": func(_ *Env, v []any) (any, error) {
		re, _, err := pattern(v[1].(string), "")
		if err != nil {
			return nil, err
		}
		return int64(len(re.FindAllStringIndex(v[0].(string), -1))), nil
	},
	"similar_to": func(_ *Env, v []any) (any, error) {
		p, err := similarPattern(v[1].(string), v[2].(string))
		if err != nil {
			return nil, err
		}
		re, err := compilePattern(p)
		if err != nil {
			return nil, err
		}
		return re.MatchString(v[0].(string)), nil
	},
}

// groups are the parenthesised parts of the first match, or the whole match.
func groups(re *regexp.Regexp, s string) any {
	m := re.FindStringSubmatchIndex(s)
	if m == nil {
		return nil
	}
	if len(m) > 2 {
		m = m[2:]
	}
	out := make([]any, 0, len(m)/2)
	for i := 0; i < len(m); i += 2 {
		if m[i] < 0 {
			out = append(out, nil)
			continue
		}
		out = append(out, s[m[i]:m[i+1]])
	}
	return out
}

func regexpReplace(_ *Env, v []any) (any, error) {
	re, global, err := pattern(v[1].(string), v[3].(string))
	if err != nil {
		return nil, err
	}
	s, with := v[0].(string), v[2].(string)
	var b strings.Builder
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, pick(global, -1, 1)) {
		b.WriteString(s[last:m[0]])
		expand(&b, with, s, m)
		last = m[1]
	}
	b.WriteString(s[last:])
	return b.String(), nil
}

// expand writes a replacement: \1 to \9 are groups, \& the match, \\ a backslash.
func expand(b *strings.Builder, with, s string, m []int) {
	for i := 0; i < len(with); i++ {
		if with[i] != '\\' || i+1 == len(with) {
			b.WriteByte(with[i])
			continue
		}
		i++
		n := -1
		switch c := with[i]; {
		case c == '&':
			n = 0
		case c >= '1' && c <= '9':
			n = int(c - '0')
		case c == '\\':
			b.WriteByte('\\')
			continue
		default:
			b.WriteString(with[i-1 : i+1])
			continue
		}
		if 2*n+1 < len(m) && m[2*n] >= 0 {
			b.WriteString(s[m[2*n]:m[2*n+1]])
		}
	}
}

// pattern compiles an advanced regular expression of PostgreSQL with its flags. What Go's engine does not have
// (look-around, back references) is an error, never another meaning.
func pattern(p, flags string) (re *regexp.Regexp, global bool, err error) {
	mode := "s" // a dot takes newlines too, unless a flag says otherwise
	for _, f := range flags {
		switch f {
		case 'g':
			global = true
		case 'i':
			mode += "i"
		case 'c':
			mode = strings.ReplaceAll(mode, "i", "")
		case 'n', 'm':
			mode = strings.ReplaceAll(mode, "s", "") + "m"
		case 's', 't', 'e':
		case 'p':
			mode = strings.ReplaceAll(mode, "s", "")
		case 'w':
			mode += "m"
		case 'q':
			p = regexp.QuoteMeta(p)
		default:
			return nil, false, types.Errorf(types.CodeInvalidParameterValue, "invalid regular expression option: \"%c\"", f)
		}
	}
	p = strings.TrimPrefix(p, "***:")
	if q, ok := strings.CutPrefix(p, "***="); ok {
		p = regexp.QuoteMeta(q)
	}
	p, err = translatePattern(p)
	if err != nil {
		return nil, false, err
	}
	re, err = compilePattern("(?" + mode + ")" + p)
	return re, global, err
}

// translatePattern writes the escapes that differ: \m, \M and \y are word boundaries, \A and \Z the ends of the text.
func translatePattern(p string) (string, error) {
	if !strings.Contains(p, `\`) {
		return p, nil
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] != '\\' || i+1 == len(p) {
			b.WriteByte(p[i])
			continue
		}
		i++
		switch c := p[i]; c {
		case 'y':
			b.WriteString(`\b`)
		case 'Y':
			b.WriteString(`\B`)
		case 'Z':
			b.WriteString(`\z`)
		case 'm', 'M', 'b', 'B':
			return "", types.Errorf(types.CodeFeatureNotSupported, "the escape \\%c in regular expressions is not supported", c).
				WithHint("Use \\y for the boundary of a word.")
		case 'u':
			if len(p) > i+4 {
				b.WriteString(`\x{` + p[i+1:i+5] + `}`)
				i += 4
			}
		default:
			b.WriteString(p[i-1 : i+1])
		}
	}
	return b.String(), nil
}

var compiled struct {
	sync.Mutex
	m map[string]*regexp.Regexp
}

const mostCompiled = 256 // patterns kept; more start anew

func compilePattern(p string) (*regexp.Regexp, error) {
	compiled.Lock()
	re := compiled.m[p]
	compiled.Unlock()
	if re != nil {
		return re, nil
	}
	re, err := regexp.Compile(p)
	if err != nil {
		return nil, types.Errorf(types.CodeInvalidRegularExpression, "invalid regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	compiled.Lock()
	defer compiled.Unlock()
	if compiled.m == nil || len(compiled.m) >= mostCompiled {
		compiled.m = map[string]*regexp.Regexp{}
	}
	compiled.m[p] = re
	return re, nil
}

// similarPattern turns a SIMILAR TO pattern into a regular expression over the whole text.
func similarPattern(p, escape string) (string, error) {
	if len([]rune(escape)) > 1 {
		return "", types.Errorf(types.CodeInvalidEscapeSequence, "invalid escape string").WithHint("Escape string must be empty or one character.")
	}
	esc := rune(-1)
	for _, r := range escape {
		esc = r
	}
	var b strings.Builder
	b.WriteString(`(?s)\A(?:`)
	escaped, inClass := false, false
	for _, r := range p {
		switch {
		case escaped:
			b.WriteString(regexp.QuoteMeta(string(r)))
			escaped = false
		case r == esc:
			escaped = true
		case inClass:
			if r == ']' {
				inClass = false
			}
			b.WriteString(pick(r == '\\', `\\`, string(r)))
		case r == '[':
			inClass = true
			b.WriteRune(r)
		case r == '%':
			b.WriteString(".*")
		case r == '_':
			b.WriteString(".")
		case r == '(':
			b.WriteString("(?:")
		case r == '.' || r == '^' || r == '$' || r == '\\':
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteString(`)\z`)
	return b.String(), nil
}

// likeMatch is LIKE: % is any text, _ any character; the escape takes a character for itself.
func likeMatch(s, p, escape string, insensitive bool) (bool, error) {
	if insensitive {
		s, p = strings.ToLower(s), strings.ToLower(p)
	}
	if len([]rune(escape)) > 1 {
		return false, types.Errorf(types.CodeInvalidEscapeSequence, "invalid escape string").WithHint("Escape string must be empty or one character.")
	}
	return likeRunes([]rune(s), []rune(p), []rune(escape))
}

func likeRunes(s, p, esc []rune) (bool, error) {
	i, j, star, mark := 0, 0, -1, 0
	for i < len(s) {
		if j < len(p) {
			switch {
			case len(esc) == 1 && p[j] == esc[0]:
				if j+1 == len(p) {
					return false, types.Errorf(types.CodeInvalidEscapeSequence, "LIKE pattern must not end with escape character")
				}
				if p[j+1] == s[i] {
					i, j = i+1, j+2
					continue
				}
			case p[j] == '%':
				star, mark = j, i
				j++
				continue
			case p[j] == '_' || p[j] == s[i]:
				i, j = i+1, j+1
				continue
			}
		}
		if star < 0 {
			return false, nil
		}
		mark++
		i, j = mark, star+1
	}
	for j < len(p) && p[j] == '%' {
		j++
	}
	return j == len(p), nil
}
