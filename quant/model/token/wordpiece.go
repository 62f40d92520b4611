package token

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// WordPiece cuts a word into the longest pieces that the vocabulary has, from left to right (Devlin et al. 2018,
// https://arxiv.org/abs/1810.04805). It works on single words; [NewBERT] puts around it what makes words of a text.
type WordPiece struct {
	v        *vocabulary
	rest     map[string]int32 // pieces that go on within a word, without their prefix
	prefix   string           // such as ##
	unknown  int32
	maxRunes int // a longer word is unknown
}

// newWordPiece makes a WordPiece of a vocabulary. The unknown piece must be in it.
func newWordPiece(v *vocabulary, unknown, prefix string, maxRunes int) (*WordPiece, error) {
	w := &WordPiece{v: v, rest: map[string]int32{}, prefix: prefix, unknown: v.id(unknown), maxRunes: maxRunes}
	if w.unknown < 0 {
		return nil, fmt.Errorf("%w: the vocabulary has no %.40q, which stands for unknown words", ErrFormat, unknown)
	}
	if maxRunes < 1 {
		return nil, fmt.Errorf("%w: words of at most %d symbols", ErrFormat, maxRunes)
	}
	for p, id := range v.ids {
		if s, ok := strings.CutPrefix(p, prefix); ok && s != "" {
			w.rest[s] = id
		}
	}
	return w, nil
}

// appendWord appends the pieces of one word; the id of the unknown where the word cannot be cut. What it has to look at
// is bounded by the longest piece for each piece it makes.
func (w *WordPiece) appendWord(ids []int32, word string, _ int) []int32 {
	if len(word) > w.maxRunes && utf8.RuneCountInString(word) > w.maxRunes {
		return append(ids, w.unknown)
	}
	start := len(ids)
	for at, pieces := 0, w.v.ids; at < len(word); pieces = w.rest {
		end := min(len(word), at+w.v.bytes)
		id, ok := int32(0), false
		for ; end > at; end-- {
			if end < len(word) && !utf8.RuneStart(word[end]) {
				continue
			}
			if id, ok = pieces[word[at:end]]; ok {
				break
			}
		}
		if !ok {
			return append(ids[:start], w.unknown)
		}
		ids = append(ids, id)
		at = end
	}
	return ids
}

func (w *WordPiece) piece(id int32) string { return w.v.piece(id) }
func (w *WordPiece) id(piece string) int32 { return w.v.id(piece) }
func (w *WordPiece) size() int             { return w.v.size() }

// BERTOptions set how [NewBERT] reads text. The zero value is that of an uncased English model.
type BERTOptions struct {
	KeepCase    bool // letters are not lowered and keep their accents
	KeepAccents bool // accents are kept though case is lowered
	NoCJK       bool // ideographs do not stand each for itself
}

// NewBERT makes the tokenizer of BERT from its vocab.txt, a piece a line, where the number of a line from 0 is the id of
// its piece. The pieces [UNK], [CLS] and [SEP] must be among them. Text is cleaned and split as the tokenizer.json of such
// a model says in full.
func NewBERT(vocab []byte, o *BERTOptions) (*Pipeline, error) {
	var opt BERTOptions
	if o != nil {
		opt = *o
	}
	if len(vocab) > MaxBytes {
		return nil, fmt.Errorf("%w: vocabulary of %d bytes, at most %d", ErrFormat, len(vocab), MaxBytes)
	}
	ids := map[string]int32{}
	lines := strings.Split(strings.TrimSuffix(string(vocab), "\n"), "\n")
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if _, twice := ids[line]; twice {
			return nil, fmt.Errorf("%w: line %d of the vocabulary, %.40q, is there before", ErrFormat, i+1, line)
		}
		ids[line] = int32(i)
	}
	v, err := newVocabulary(ids)
	if err != nil {
		return nil, err
	}
	m, err := newWordPiece(v, "[UNK]", "##", 100)
	if err != nil {
		return nil, err
	}
	p := &Pipeline{
		model:     m,
		normalize: []mapping{(&bertText{clean: true, cjk: !opt.NoCJK, strip: !opt.KeepCase && !opt.KeepAccents, lower: !opt.KeepCase}).apply},
		split:     []splitter{splitBERT},
		decode:    []decoder{&joinWords{prefix: "##", cleanup: true}},
	}
	for _, special := range []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"} {
		id := v.id(special)
		if id < 0 && (special == "[CLS]" || special == "[SEP]") {
			return nil, fmt.Errorf("%w: the vocabulary has no %s", ErrFormat, special)
		}
		if id >= 0 {
			p.addTokens([]addedToken{{ID: id, Content: special, Special: true}})
		}
	}
	p.before, p.after = []int32{v.id("[CLS]")}, []int32{v.id("[SEP]")}
	return p, p.check()
}
