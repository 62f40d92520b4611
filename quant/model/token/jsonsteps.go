package token

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

func readNormalizer(raw json.RawMessage, depth int) ([]mapping, error) {
	const what = "normalizer"
	name, err := component(what, raw, depth)
	if err != nil || name == "" {
		return nil, err
	}
	one := func(m mapping, fields any) ([]mapping, error) {
		return []mapping{m}, strict(what+" "+name, raw, fields)
	}
	switch name {
	case "Sequence":
		var s struct {
			kind
			Normalizers []json.RawMessage `json:"normalizers"`
		}
		if err := strict(what+" Sequence", raw, &s); err != nil {
			return nil, err
		}
		return inTurn(s.Normalizers, func(r json.RawMessage) ([]mapping, error) { return readNormalizer(r, depth+1) })
	case "BertNormalizer":
		return readBertNormalizer(raw)
	case "NFC":
		return one(norm.NFC.String, &kind{})
	case "NFD":
		return one(norm.NFD.String, &kind{})
	case "NFKC":
		return one(norm.NFKC.String, &kind{})
	case "NFKD":
		return one(norm.NFKD.String, &kind{})
	case "Lowercase":
		return one(lower, &kind{})
	case "StripAccents":
		return one(withoutMarks, &kind{})
	case "Strip":
		var s struct {
			kind
			Left  bool `json:"strip_left"`
			Right bool `json:"strip_right"`
		}
		err := strict(what+" Strip", raw, &s)
		return []mapping{strip(s.Left, s.Right)}, err
	case "Prepend":
		var s struct {
			kind
			Prepend string `json:"prepend"`
		}
		err := strict(what+" Prepend", raw, &s)
		return []mapping{prepend(s.Prepend)}, err
	case "Replace":
		return readReplace(raw)
	case "Precompiled":
		var s struct {
			kind
			Map string `json:"precompiled_charsmap"`
		}
		if err := strict(what+" Precompiled", raw, &s); err != nil {
			return nil, err
		}
		b, err := base64.StdEncoding.DecodeString(s.Map)
		if err != nil {
			return nil, fmt.Errorf("%w: precompiled_charsmap: %w", ErrFormat, err)
		}
		c, err := newCharMap(b)
		if err != nil {
			return nil, err
		}
		return []mapping{c.apply}, nil
	}
	return nil, unknownType(what, name)
}

// inTurn reads the parts of a sequence and puts what they make one after the other.
func inTurn[T any](raws []json.RawMessage, read func(json.RawMessage) ([]T, error)) ([]T, error) {
	var out []T
	for _, r := range raws {
		more, err := read(r)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

func readBertNormalizer(raw json.RawMessage) ([]mapping, error) {
	s := struct {
		kind
		Clean   bool  `json:"clean_text"`
		CJK     bool  `json:"handle_chinese_chars"`
		Accents *bool `json:"strip_accents"` // null: as lower case
		Lower   bool  `json:"lowercase"`
	}{Clean: true, CJK: true, Lower: true}
	if err := strict("normalizer BertNormalizer", raw, &s); err != nil {
		return nil, err
	}
	b := &bertText{clean: s.Clean, cjk: s.CJK, strip: s.Lower, lower: s.Lower}
	if s.Accents != nil {
		b.strip = *s.Accents
	}
	return []mapping{b.apply}, nil
}

func readReplace(raw json.RawMessage) ([]mapping, error) {
	var s struct {
		kind
		Pattern textPattern `json:"pattern"`
		Content string      `json:"content"`
	}
	if err := strict("normalizer Replace", raw, &s); err != nil {
		return nil, err
	}
	switch p := s.Pattern; {
	case p.String != nil && *p.String != "":
		return []mapping{strings.NewReplacer(*p.String, s.Content).Replace}, nil
	case p.Regex == nil:
		return nil, fmt.Errorf("%w: normalizer Replace without a pattern", ErrFormat)
	case *p.Regex == " {2,}":
		return []mapping{replaceRuns(func(r rune) bool { return r == ' ' }, 2, s.Content)}, nil
	case *p.Regex == `\s+`:
		return []mapping{replaceRuns(unicode.IsSpace, 1, s.Content)}, nil
	default:
		return nil, unknownType("normalizer Replace with the pattern", *p.Regex)
	}
}

func readPreTokenizer(raw json.RawMessage, depth int) ([]splitter, error) {
	const what = "pre_tokenizer"
	name, err := component(what, raw, depth)
	if err != nil || name == "" {
		return nil, err
	}
	one := func(s splitter) ([]splitter, error) { return []splitter{s}, strict(what+" "+name, raw, &kind{}) }
	switch name {
	case "Sequence":
		var s struct {
			kind
			PreTokenizers []json.RawMessage `json:"pretokenizers"`
		}
		if err := strict(what+" Sequence", raw, &s); err != nil {
			return nil, err
		}
		return inTurn(s.PreTokenizers, func(r json.RawMessage) ([]splitter, error) { return readPreTokenizer(r, depth+1) })
	case "BertPreTokenizer":
		return one(splitBERT)
	case "Whitespace":
		return one(splitWords)
	case "WhitespaceSplit":
		return one(splitBy(runs(unicode.IsSpace, false), removed, false))
	case "ByteLevel":
		s := struct {
			kind
			Front bool `json:"add_prefix_space"`
			Trim  bool `json:"trim_offsets"`
			Regex bool `json:"use_regex"`
		}{Front: true, Regex: true}
		err := strict(what+" ByteLevel", raw, &s)
		return []splitter{(&byteLevel{front: s.Front, regex: s.Regex}).split}, err
	case "Metaspace":
		m, err := readMetaspace(what, raw)
		if err != nil {
			return nil, err
		}
		return []splitter{m.split}, nil
	case "Digits":
		var s struct {
			kind
			Single bool `json:"individual_digits"`
		}
		err := strict(what+" Digits", raw, &s)
		return []splitter{splitBy(runs(unicode.IsNumber, s.Single), isolated, false)}, err
	case "Punctuation":
		var s struct {
			kind
			Behaviour string `json:"behavior"`
		}
		if err := strict(what+" Punctuation", raw, &s); err != nil {
			return nil, err
		}
		b, err := readBehaviour(s.Behaviour)
		return []splitter{splitBy(runs(isPunctuation, true), b, false)}, err
	case "Split":
		return readSplit(raw)
	}
	return nil, unknownType(what, name)
}

// readMetaspace reads a pre-tokenizer or a decoder; old files have add_prefix_space where new ones have prepend_scheme.
func readMetaspace(what string, raw json.RawMessage) (*metaspace, error) {
	s := struct {
		kind
		Mark   string  `json:"replacement"`
		Old    *string `json:"str_rep"`
		Front  *bool   `json:"add_prefix_space"`
		Scheme string  `json:"prepend_scheme"`
		Split  *bool   `json:"split"`
	}{Mark: string(space)}
	if err := strict(what+" Metaspace", raw, &s); err != nil {
		return nil, err
	}
	m := &metaspace{mark: s.Mark, whole: s.Split != nil && !*s.Split}
	switch {
	case s.Mark == "" || s.Old != nil && *s.Old != s.Mark:
		return nil, fmt.Errorf("%w: %s Metaspace with the mark %.40q", ErrUnsupported, what, s.Mark)
	case s.Scheme == "first":
		m.once = true
	case s.Scheme == "never" || s.Scheme == "" && s.Front != nil && !*s.Front:
	case s.Scheme == "always" || s.Scheme == "":
		m.always = true
	default:
		return nil, unknownType(what+" Metaspace with prepend_scheme", s.Scheme)
	}
	return m, nil
}

func readBehaviour(name string) (behaviour, error) {
	switch name {
	case "Isolated", "":
		return isolated, nil
	case "Removed":
		return removed, nil
	case "MergedWithPrevious":
		return withPrevious, nil
	case "MergedWithNext":
		return withNext, nil
	case "Contiguous":
		return contiguous, nil
	}
	return 0, unknownType("behavior", name)
}

func readSplit(raw json.RawMessage) ([]splitter, error) {
	var s struct {
		kind
		Pattern   textPattern `json:"pattern"`
		Behaviour string      `json:"behavior"`
		Invert    bool        `json:"invert"`
	}
	if err := strict("pre_tokenizer Split", raw, &s); err != nil {
		return nil, err
	}
	b, err := readBehaviour(s.Behaviour)
	if err != nil {
		return nil, err
	}
	var find matcher
	switch p := s.Pattern; {
	case p.String != nil && *p.String != "":
		find = literal(*p.String)
	case p.Regex == nil:
		return nil, fmt.Errorf("%w: pre_tokenizer Split without a pattern", ErrFormat)
	case patterns[*p.Regex] != nil:
		find = patterns[*p.Regex].match
	case *p.Regex == `\s+`:
		find = runs(unicode.IsSpace, false)
	case *p.Regex == `\d` || *p.Regex == `\p{Nd}`:
		find = runs(unicode.IsDigit, true)
	case *p.Regex == `\d+` || *p.Regex == `\p{Nd}+`:
		find = runs(unicode.IsDigit, false)
	default:
		return nil, fmt.Errorf("%w: pre_tokenizer Split with the pattern %.300q", ErrUnsupported, *p.Regex)
	}
	return []splitter{splitBy(find, b, s.Invert)}, nil
}

func readDecoder(raw json.RawMessage, depth int) ([]decoder, error) {
	const what = "decoder"
	name, err := component(what, raw, depth)
	if err != nil || name == "" {
		return nil, err
	}
	one := func(d decoder, fields any) ([]decoder, error) {
		return []decoder{d}, strict(what+" "+name, raw, fields)
	}
	switch name {
	case "Sequence":
		var s struct {
			kind
			Decoders []json.RawMessage `json:"decoders"`
		}
		if err := strict(what+" Sequence", raw, &s); err != nil {
			return nil, err
		}
		return inTurn(s.Decoders, func(r json.RawMessage) ([]decoder, error) { return readDecoder(r, depth+1) })
	case "ByteLevel":
		var s struct {
			kind
			Front bool `json:"add_prefix_space"`
			Trim  bool `json:"trim_offsets"`
			Regex bool `json:"use_regex"`
		}
		return one(visibleBytes{}, &s)
	case "ByteFallback":
		return one(byteFallback{}, &kind{})
	case "Fuse":
		return one(fuse{}, &kind{})
	case "WordPiece":
		s := struct {
			kind
			Prefix  string `json:"prefix"`
			Cleanup bool   `json:"cleanup"`
		}{Prefix: "##", Cleanup: true}
		err := strict(what+" WordPiece", raw, &s)
		return []decoder{&joinWords{prefix: s.Prefix, cleanup: s.Cleanup}}, err
	case "Metaspace":
		m, err := readMetaspace(what, raw)
		if err != nil {
			return nil, err
		}
		return []decoder{&joinMarks{mark: m.mark, front: m.always || m.once}}, nil
	case "Replace":
		m, err := readReplace(raw)
		if err != nil {
			return nil, err
		}
		return []decoder{each(m[0])}, nil
	case "Strip":
		var s struct {
			kind
			Content string `json:"content"`
			Start   int    `json:"start"`
			Stop    int    `json:"stop"`
		}
		err := strict(what+" Strip", raw, &s)
		if err == nil && s.Content == "" {
			err = fmt.Errorf("%w: decoder Strip without a content", ErrFormat)
		}
		return []decoder{stripEnds(s.Content, s.Start, s.Stop)}, err
	}
	return nil, unknownType(what, name)
}

// specialToken is a token of a post-processor, written ["[CLS]", 101].
type specialToken struct{ id int32 }

func (t *specialToken) UnmarshalJSON(b []byte) error {
	var name string
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("a special token has a name and an id, not %d things", len(pair))
	}
	if err := json.Unmarshal(pair[0], &name); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &t.id)
}

// readPostProcessor gives the special tokens that are put before and after a single text. p is the pipeline so far.
func readPostProcessor(raw json.RawMessage, p *Pipeline, depth int) (before, after []int32, err error) {
	const what = "post_processor"
	name, err := component(what, raw, depth)
	if err != nil || name == "" {
		return nil, nil, err
	}
	switch name {
	case "Sequence":
		var s struct {
			kind
			Processors []json.RawMessage `json:"processors"`
		}
		if err := strict(what+" Sequence", raw, &s); err != nil {
			return nil, nil, err
		}
		for _, r := range s.Processors {
			b, a, err := readPostProcessor(r, p, depth+1)
			if err != nil {
				return nil, nil, err
			}
			before, after = append(b, before...), append(after, a...)
		}
		return before, after, nil
	case "ByteLevel": // moves offsets, which are not kept here
		return nil, nil, nil
	case "BertProcessing", "RobertaProcessing":
		var s struct {
			kind
			Sep   specialToken `json:"sep"`
			Cls   specialToken `json:"cls"`
			Trim  bool         `json:"trim_offsets"`
			Front bool         `json:"add_prefix_space"`
		}
		err := strict(what+" "+name, raw, &s)
		return []int32{s.Cls.id}, []int32{s.Sep.id}, err
	case "TemplateProcessing":
		return readTemplate(raw)
	}
	return nil, nil, unknownType(what, name)
}

func readTemplate(raw json.RawMessage) (before, after []int32, err error) {
	type item struct {
		ID     string `json:"id"`
		TypeID int    `json:"type_id"`
	}
	var s struct {
		kind
		Single []struct {
			SpecialToken *item `json:"SpecialToken"`
			Sequence     *item `json:"Sequence"`
		} `json:"single"`
		Pair    json.RawMessage `json:"pair"`
		Special map[string]struct {
			ID     string   `json:"id"`
			IDs    []int32  `json:"ids"`
			Tokens []string `json:"tokens"`
		} `json:"special_tokens"`
	}
	const what = "post_processor TemplateProcessing"
	if err := strict(what, raw, &s); err != nil {
		return nil, nil, err
	}
	texts := 0
	for _, part := range s.Single {
		it := part.SpecialToken
		switch {
		case part.Sequence != nil:
			texts++
			it = part.Sequence
		case it == nil:
			return nil, nil, fmt.Errorf("%w: %s with an empty part", ErrFormat, what)
		}
		if it.TypeID != 0 {
			return nil, nil, fmt.Errorf("%w: %s with type_id %d for a single text", ErrUnsupported, what, it.TypeID)
		}
		if part.Sequence != nil {
			continue
		}
		t, ok := s.Special[it.ID]
		if !ok {
			return nil, nil, fmt.Errorf("%w: %s has no special token %.40q", ErrFormat, what, it.ID)
		}
		if texts == 0 {
			before = append(before, t.IDs...)
		} else {
			after = append(after, t.IDs...)
		}
	}
	if texts != 1 {
		return nil, nil, fmt.Errorf("%w: %s with %d texts in a single one", ErrFormat, what, texts)
	}
	return before, after, nil
}
