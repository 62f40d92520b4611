package token_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"engram/quant/model/token"
)

// published is testdata/tokenizers.json: tokenizers, and what a library that others use makes of texts with them. How it
// was made stands in testdata/golden.mjs.
type published map[string]struct {
	Tokenizer json.RawMessage `json:"tokenizer"`
	Cases     []struct {
		Text    string  `json:"text"`
		IDs     []int32 `json:"ids"`
		Decoded string  `json:"decoded"`
	} `json:"cases"`
}

func readPublished(tb testing.TB) published {
	tb.Helper()
	b, err := os.ReadFile("testdata/tokenizers.json")
	if err != nil {
		tb.Fatal(err)
	}
	var p published
	if err := json.Unmarshal(b, &p); err != nil {
		tb.Fatal(err)
	}
	if len(p) < 9 {
		tb.Fatalf("%d tokenizers", len(p))
	}
	return p
}

func TestPublishedTokens(t *testing.T) {
	for name, c := range readPublished(t) {
		p, err := token.ReadJSON(c.Tokenizer)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, c := range c.Cases {
			ids := p.Encode(c.Text, 1<<20)
			if !slices.Equal(ids, c.IDs) {
				t.Errorf("%s: %q: %v, want %v", name, c.Text, ids, c.IDs)
			}
			if got := p.Decode(c.IDs); got != c.Decoded {
				t.Errorf("%s: %v is %q, want %q", name, c.IDs, got, c.Decoded)
			}
		}
	}
}

// TestLimits checks that a limit cuts the text and keeps the special tokens round it.
func TestLimits(t *testing.T) {
	for name, c := range readPublished(t) {
		p, err := token.ReadJSON(c.Tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		none := p.Encode("", 100)
		for _, c := range c.Cases {
			for limit := range min(len(c.IDs)+2, 40) {
				got := p.Encode(c.Text, limit)
				want := c.IDs
				if limit < len(c.IDs) { // the last special tokens follow the first of the text
					last := 0
					for ; last < len(none) && slices.Contains([]string{"[SEP]", "</s>"}, piece(p, none[len(none)-1-last])); last++ {
					}
					want = slices.Concat(c.IDs[:max(limit-last, 0)], none[len(none)-last:])
				}
				if limit >= len(none) && name != "roberta" && !slices.Equal(got, want) {
					t.Fatalf("%s: %q to %d: %v, want %v", name, c.Text, limit, got, want)
				}
				if len(got) > limit {
					t.Fatalf("%s: %d ids, not %d", name, len(got), limit)
				}
			}
		}
	}
}

// piece finds the name of a special token by its id.
func piece(p *token.Pipeline, id int32) string {
	for _, s := range []string{"[SEP]", "</s>"} {
		if p.ID(s) == id {
			return s
		}
	}
	return ""
}

// TestBytesAreKept checks that tokenizers of bytes give back what they were given, whatever it was.
func TestBytesAreKept(t *testing.T) {
	all := readPublished(t)
	for _, name := range []string{"gpt2", "llama3", "smol"} {
		p, err := token.ReadJSON(all[name].Tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(t *rapid.T) {
			text := string(rapid.SliceOf(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("  the and\n'sé")))).Draw(t, "text"))
			if got := p.Decode(p.Encode(text, 1<<20)); got != text {
				t.Fatalf("%s: %q became %q", name, text, got)
			}
		})
	}
}

// TestLongWords gives every tokenizer long texts without a blank, the first of a megabyte. A tokenizer that took time by the square of the
// length would not end within the time that tests have.
func TestLongWords(t *testing.T) {
	all := readPublished(t)
	for name := range all {
		p, err := token.ReadJSON(all[name].Tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("the", 1<<15), strings.Repeat(" ", 1<<16), strings.Repeat("\n", 1<<16),
			strings.Repeat("<|en", 1<<14), strings.Repeat("e\u0301", 1<<15), strings.Repeat("\xff", 1<<16), strings.Repeat("'", 1<<16)} {
			for _, id := range p.Encode(text, 1<<30) {
				if id < 0 || int(id) >= p.Size() {
					t.Fatalf("%s: id %d of %d", name, id, p.Size())
				}
			}
		}
	}
}

// change sets a field of a tokenizer.json, at a path of keys and places.
func change(tb testing.TB, raw json.RawMessage, value any, path ...any) []byte {
	tb.Helper()
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		tb.Fatal(err)
	}
	at := doc
	for i, key := range path {
		last := i == len(path)-1
		switch k := key.(type) {
		case string:
			m := at.(map[string]any)
			if last {
				m[k] = value
			}
			at = m[k]
		case int:
			s := at.([]any)
			if last {
				s[k] = value
			}
			at = s[k]
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// object is a short way to write JSON.
func object(text string) json.RawMessage { return json.RawMessage(text) }

// TestRefused checks that what is not known or not sound is refused, and that the error names it.
func TestRefused(t *testing.T) {
	all := readPublished(t)
	nested := `{"type":"Lowercase"}`
	for range 9 {
		nested = `{"type":"Sequence","normalizers":[` + nested + `]}`
	}
	for _, c := range []struct {
		of    string
		value any
		path  []any
		want  error
		says  string
	}{
		{"gpt2", true, []any{"shuffle"}, token.ErrUnsupported, "shuffle"},
		{"gpt2", object(`{"type":"Nmt"}`), []any{"normalizer"}, token.ErrUnsupported, "Nmt"},
		{"gpt2", object(`{"type":"Lowercase","locale":"tr"}`), []any{"normalizer"}, token.ErrUnsupported, "locale"},
		{"gpt2", object(`{"type":"Replace","pattern":{"Regex":"a|b"},"content":""}`), []any{"normalizer"}, token.ErrUnsupported, "a|b"},
		{"gpt2", object(`{"type":"Replace","pattern":{},"content":""}`), []any{"normalizer"}, token.ErrFormat, "pattern"},
		{"gpt2", object(`{"type":"Precompiled","precompiled_charsmap":"AAA"}`), []any{"normalizer"}, token.ErrFormat, "charsmap"},
		{"gpt2", object(`{"type":"Precompiled","precompiled_charsmap":"BAAA"}`), []any{"normalizer"}, token.ErrFormat, "character map"},
		{"gpt2", object(`{"type":"Precompiled","precompiled_charsmap":"BAAAAA=="}`), []any{"normalizer"}, token.ErrFormat, "character map"},
		{"gpt2", object(`{}`), []any{"normalizer"}, token.ErrFormat, "type"},
		{"gpt2", object(nested), []any{"normalizer"}, token.ErrFormat, "nested"},
		{"gpt2", object(`[]`), []any{"normalizer"}, token.ErrFormat, "normalizer"},
		{"gpt2", object(`{"type":"UnicodeScripts"}`), []any{"pre_tokenizer"}, token.ErrUnsupported, "UnicodeScripts"},
		{"gpt2", object(`{"type":"Split","pattern":{"Regex":"\\w"},"behavior":"Isolated"}`), []any{"pre_tokenizer"}, token.ErrUnsupported, "w"},
		{"gpt2", object(`{"type":"Split","pattern":{},"behavior":"Isolated"}`), []any{"pre_tokenizer"}, token.ErrFormat, "pattern"},
		{"gpt2", object(`{"type":"Split","pattern":{"String":"x"},"behavior":"Halved"}`), []any{"pre_tokenizer"}, token.ErrUnsupported, "Halved"},
		{"gpt2", object(`{"type":"Punctuation","behavior":"Halved"}`), []any{"pre_tokenizer"}, token.ErrUnsupported, "Halved"},
		{"gpt2", object(`{"type":"Metaspace","replacement":"_","prepend_scheme":"last"}`), []any{"pre_tokenizer"}, token.ErrUnsupported, "last"},
		{"gpt2", object(`{"type":"Metaspace","replacement":"","prepend_scheme":"first"}`), []any{"pre_tokenizer"}, token.ErrUnsupported, "mark"},
		{"gpt2", object(`{"type":"CTC"}`), []any{"decoder"}, token.ErrUnsupported, "CTC"},
		{"gpt2", object(`{"type":"Strip","content":"","start":1,"stop":0}`), []any{"decoder"}, token.ErrFormat, "Strip"},
		{"gpt2", object(`{"type":"Replace","pattern":{},"content":""}`), []any{"decoder"}, token.ErrFormat, "pattern"},
		{"gpt2", object(`{"type":"Metaspace","replacement":"_","prepend_scheme":"last"}`), []any{"decoder"}, token.ErrUnsupported, "last"},
		{"gpt2", object(`{"type":"Magic"}`), []any{"post_processor"}, token.ErrUnsupported, "Magic"},
		{"gpt2", object(`{"type":"BertProcessing","sep":["a",1],"cls":["b"]}`), []any{"post_processor"}, token.ErrFormat, "special token"},
		{"gpt2", object(`{"type":"BertProcessing","sep":["a",1],"cls":["b",99999]}`), []any{"post_processor"}, token.ErrFormat, "99999"},
		{"gpt2", object(`{"type":"BertProcessing","sep":["a",1],"cls":[1,1]}`), []any{"post_processor"}, token.ErrFormat, "post_processor"},
		{"gpt2", object(`{"type":"TemplateProcessing","single":[{}],"pair":[],"special_tokens":{}}`), []any{"post_processor"}, token.ErrFormat, "empty"},
		{"gpt2", object(`{"type":"TemplateProcessing","single":[],"pair":[],"special_tokens":{}}`), []any{"post_processor"}, token.ErrFormat, "0 texts"},
		{"gpt2", object(`{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":1}}],"special_tokens":{}}`), []any{"post_processor"}, token.ErrUnsupported, "type_id"},
		{"gpt2", object(`{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}}],"special_tokens":{}}`), []any{"post_processor"}, token.ErrFormat, `"x"`},
		{"gpt2", object(`{"type":"WordLevel","vocab":{}}`), []any{"model"}, token.ErrUnsupported, "WordLevel"},
		{"gpt2", nil, []any{"model"}, token.ErrFormat, "no model"},
		{"gpt2", 3, []any{"model"}, token.ErrFormat, "model"},
		{"gpt2", 0.1, []any{"model", "dropout"}, token.ErrUnsupported, "dropout"},
		{"gpt2", "##", []any{"model", "continuing_subword_prefix"}, token.ErrUnsupported, "##"},
		{"gpt2", "</w>", []any{"model", "end_of_word_suffix"}, token.ErrUnsupported, "</w>"},
		{"gpt2", "[none]", []any{"model", "unk_token"}, token.ErrFormat, "[none]"},
		{"gpt2", true, []any{"model", "byte_fallback"}, token.ErrFormat, "<0x00>"},
		{"gpt2", "a b c", []any{"model", "merges", 0}, token.ErrFormat, "merge 0"},
		{"gpt2", []string{"a"}, []any{"model", "merges", 0}, token.ErrFormat, "merge 0"},
		{"gpt2", "qqq zzz", []any{"model", "merges", 0}, token.ErrFormat, "merge 0"},
		{"gpt2", -1, []any{"model", "vocab", "a"}, token.ErrFormat, "-1"},
		{"gpt2", 5, []any{"model", "vocab", "a"}, token.ErrFormat, "id 5"},
		{"gpt2", 1 << 30, []any{"model", "vocab", "a"}, token.ErrFormat, "1073741824"},
		{"gpt2", object(`{}`), []any{"model", "vocab"}, token.ErrFormat, "empty"},
		{"gpt2", -4, []any{"added_tokens", 0, "id"}, token.ErrFormat, "-4"},
		{"gpt2", "", []any{"added_tokens", 0, "content"}, token.ErrFormat, "added token"},
		{"gpt2", object(`{"direction":"Left","max_length":4,"strategy":"LongestFirst","stride":0}`), []any{"truncation"}, token.ErrUnsupported, "Left"},
		{"gpt2", object(`{"direction":"Right","max_length":0,"strategy":"LongestFirst","stride":0}`), []any{"truncation"}, token.ErrFormat, "0 tokens"},
		{"bert cased", "[none]", []any{"model", "unk_token"}, token.ErrFormat, "[none]"},
		{"bert cased", 0, []any{"model", "max_input_chars_per_word"}, token.ErrFormat, "0 symbols"},
		{"bert cased", object(`{}`), []any{"model", "vocab"}, token.ErrFormat, "empty"},
		{"bert cased", true, []any{"model", "strange"}, token.ErrUnsupported, "strange"},
		{"unigram", 999999, []any{"model", "unk_id"}, token.ErrFormat, "unk_id"},
		{"unigram", object(`[]`), []any{"model", "vocab"}, token.ErrFormat, "0 pieces"},
		{"unigram", object(`["", -1]`), []any{"model", "vocab", 5}, token.ErrFormat, "piece 5"},
		{"unigram", true, []any{"model", "byte_fallback"}, token.ErrFormat, "<0x00>"},
	} {
		p, err := token.ReadJSON(change(t, all[c.of].Tokenizer, c.value, c.path...))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v in %v of %s: %v, want %v about %s (%v)", c.value, c.path, c.of, err, c.want, c.says, p != nil)
		}
	}
	for _, b := range []string{"", "[]", "{} {}", `{"model":`} {
		if _, err := token.ReadJSON([]byte(b)); !errors.Is(err, token.ErrFormat) {
			t.Errorf("%q: %v", b, err)
		}
	}
	if _, err := token.ReadJSON(make([]byte, token.MaxBytes+1)); !errors.Is(err, token.ErrFormat) {
		t.Errorf("huge: %v", err)
	}
}

// TestSteps checks steps that the published cases do not have, against what the documentation of the format says.
func TestSteps(t *testing.T) {
	pieces := map[string]int{}
	for i, r := range "abcdefghijklmnopqrstuvwxyz ABC-.,12_éıi\u0307\n\tﬁ" {
		pieces[string(r)] = i
	}
	vocab, err := json.Marshal(pieces)
	if err != nil {
		t.Fatal(err)
	}
	// Every part is spelled out, so that | shows where parts are cut.
	for _, c := range []struct{ normalizer, pre, text, want string }{
		{`null`, `{"type":"WhitespaceSplit"}`, "a b  c", "a|b|c"},
		{`null`, `{"type":"Whitespace"}`, "a-b. c", "a|-|b|.|c"},
		{`null`, `{"type":"Punctuation","behavior":"Removed"}`, "a-b..c", "a|b|c"},
		{`null`, `{"type":"Punctuation","behavior":"MergedWithPrevious"}`, "a-b..c", "a-|b.|.|c"},
		{`null`, `{"type":"Punctuation","behavior":"MergedWithNext"}`, "a-b..c", "a|-b|.|.c"},
		{`null`, `{"type":"Punctuation","behavior":"Contiguous"}`, "a-b..c", "a|-|b|..|c"},
		{`null`, `{"type":"Digits","individual_digits":false}`, "a12b", "a|12|b"},
		{`null`, `{"type":"Split","pattern":{"String":"b"},"behavior":"Removed","invert":false}`, "abcb", "a|c"},
		{`null`, `{"type":"Split","pattern":{"String":"b"},"behavior":"Removed","invert":true}`, "abcb", "b|b"},
		{`null`, `{"type":"Split","pattern":{"Regex":"\\s+"},"behavior":"Isolated","invert":false}`, "a  b", "a|  |b"},
		{`null`, `{"type":"Split","pattern":{"Regex":"\\d"},"behavior":"Isolated","invert":false}`, "a12", "a|1|2"},
		{`null`, `{"type":"Split","pattern":{"Regex":"\\p{Nd}+"},"behavior":"Isolated","invert":false}`, "a12", "a|12"},
		{`null`, `{"type":"Metaspace","replacement":"_","prepend_scheme":"never"}`, "a b", "a|_b"},
		{`null`, `{"type":"Metaspace","replacement":"_","add_prefix_space":false}`, "a b", "a|_b"},
		{`null`, `{"type":"Metaspace","replacement":"_","add_prefix_space":true}`, "a b", "_a|_b"},
		{`{"type":"Lowercase"}`, `null`, "AİB", "ai\u0307b"},
		{`{"type":"StripAccents"}`, `null`, "ae\u0301", "ae"},
		{`{"type":"NFD"}`, `{"type":"Whitespace"}`, "i\u0307", "i\u0307"},
		{`{"type":"NFKC"}`, `null`, "ﬁ", "fi"},
		{`{"type":"NFKD"}`, `null`, "ﬁ", "fi"},
		{`{"type":"Strip","strip_left":true,"strip_right":true}`, `null`, " a\n", "a"},
		{`{"type":"Strip","strip_left":false,"strip_right":true}`, `null`, " a\n", " a"},
		{`{"type":"Replace","pattern":{"Regex":"\\s+"},"content":"-"}`, `null`, "a \n\tb", "a-b"},
		{`{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"-"}`, `null`, "a b   c", "a b-c"},
		{`{"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":false,"lowercase":true}`, `null`, "AÉ\n", "aé\n"},
	} {
		p, err := token.ReadJSON([]byte(`{"normalizer":` + c.normalizer + `,"pre_tokenizer":` + c.pre +
			`,"model":{"type":"BPE","unk_token":null,"merges":[],"vocab":` + string(vocab) + `},"decoder":{"type":"Fuse"}}`))
		if err != nil {
			t.Errorf("%s %s: %v", c.normalizer, c.pre, err)
			continue
		}
		if got := strings.Join(token.Words(p, c.text), "|"); got != c.want {
			t.Errorf("%s %s: %q is %q, want %q", c.normalizer, c.pre, c.text, got, c.want)
		}
	}
}

// TestAddedTokens checks the ways in which an added token is found.
func TestAddedTokens(t *testing.T) {
	gpt2 := readPublished(t)["gpt2"].Tokenizer
	with := func(tokens string) *token.Pipeline {
		p, err := token.ReadJSON(change(t, gpt2, object(tokens), "added_tokens"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const id = 5000
	for _, c := range []struct{ token, text, before, after string }{
		{`"content":"<x>","lstrip":true`, "a  <x> b", "a", " b"},
		{`"content":"<x>","rstrip":true`, "a <x>  b", "a ", "b"},
		{`"content":"x","single_word":true`, "xa ax x a", "xa ax ", " a"},
		{`"content":"<x>","normalized":true`, "a<x>b", "a", "b"},
		{`"content":"<x>"},{"id":5001,"content":"<x>y"`, "a<x>z", "a", "z"},
	} {
		p := with(`[{"id":5000,` + c.token + `}]`)
		want := slices.Concat(p.Encode(c.before, 99), []int32{id}, p.Encode(c.after, 99))
		if got := p.Encode(c.text, 99); !slices.Equal(got, want) {
			t.Errorf("%s: %q: %v, want %v", c.token, c.text, got, want)
		}
		if p.Size() <= id || p.ID("nothing of the kind") != -1 {
			t.Errorf("size %d", p.Size())
		}
	}
	p := with(`[{"id":5000,"content":"<x>"},{"id":5001,"content":"<x>y"}]`)
	if got := p.Encode("<x>y", 9); !slices.Equal(got, []int32{5001}) {
		t.Errorf("the longest must be found: %v", got)
	}
	if got := p.Decode([]int32{5000, -1, 1 << 30}); got != "<x>" {
		t.Errorf("decoded %q", got)
	}
}

// FuzzJSON reads any tokenizer.json: an error, or a tokenizer that works.
func FuzzJSON(f *testing.F) {
	for _, c := range readPublished(f) {
		f.Add([]byte(c.Tokenizer), "The memory's <|end|> 12 日本")
	}
	f.Add([]byte(`{"normalizer":{"type":"Precompiled","precompiled_charsmap":"CAAAAAABAAAAAgAAYQA="},"model":{"type":"Unigram","unk_id":0,"vocab":[["a",-1]]}}`), "a")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		p, err := token.ReadJSON(b)
		if err != nil {
			if !errors.Is(err, token.ErrFormat) && !errors.Is(err, token.ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		ids := p.Encode(text, 1000)
		for _, id := range ids {
			if id < 0 || int(id) >= p.Size() {
				t.Fatalf("id %d of %d", id, p.Size())
			}
		}
		p.Decode(ids)
	})
}

// FuzzText gives any text to every tokenizer.
func FuzzText(f *testing.F) {
	var all []*token.Pipeline
	var names []string
	for name, c := range readPublished(f) {
		p, err := token.ReadJSON(c.Tokenizer)
		if err != nil {
			f.Fatal(err)
		}
		all, names = append(all, p), append(names, name)
	}
	for _, s := range texts {
		f.Add(s, 7)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		for i, p := range all {
			ids := p.Encode(text, 1<<30)
			for _, id := range ids {
				if id < 0 || int(id) >= p.Size() {
					t.Fatalf("%s: id %d of %d", names[i], id, p.Size())
				}
			}
			back := p.Decode(ids)
			if names[i] == "gpt2" && !strings.Contains(text, "<|end|>") && back != text {
				t.Fatalf("%q became %q", text, back)
			}
			if n := len(p.Encode(text, limit)); n > max(limit, 0) {
				t.Fatalf("%s: %d ids, not %d", names[i], n, limit)
			}
		}
	})
}
