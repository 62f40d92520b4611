package token

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// document is a tokenizer.json as the library tokenizers of Hugging Face writes it
// (https://huggingface.co/docs/tokenizers/components).
type document struct {
	Version       string          `json:"version"`
	Truncation    *truncation     `json:"truncation"`
	Padding       json.RawMessage `json:"padding"` // batches are padded by nobody here
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         json.RawMessage `json:"model"`
}

type truncation struct {
	Direction string `json:"direction"`
	MaxLength int    `json:"max_length"`
	Strategy  string `json:"strategy"`
	Stride    int    `json:"stride"` // of overlapping pieces, of which only the first is used here
}

// ReadJSON reads a tokenizer.json. Models WordPiece, BPE and Unigram are known, and the normalizers, pre-tokenizers,
// post-processors and decoders that go with them; anything else in the file, down to a field that is not known, is
// ErrUnsupported with its name.
func ReadJSON(b []byte) (*Pipeline, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%w: tokenizer.json of %d bytes, at most %d", ErrFormat, len(b), MaxBytes)
	}
	var d document
	if err := strict("tokenizer.json", b, &d); err != nil {
		return nil, err
	}
	p := &Pipeline{}
	var err error
	if p.model, err = readModel(d.Model); err != nil {
		return nil, err
	}
	if p.normalize, err = readNormalizer(d.Normalizer, 0); err != nil {
		return nil, err
	}
	if p.split, err = readPreTokenizer(d.PreTokenizer, 0); err != nil {
		return nil, err
	}
	if p.decode, err = readDecoder(d.Decoder, 0); err != nil {
		return nil, err
	}
	for _, t := range d.AddedTokens {
		if t.ID < 0 || t.ID >= maxPieces || t.Content == "" || len(t.Content) > maxPieceBytes {
			return nil, fmt.Errorf("%w: added token %.40q with id %d", ErrFormat, t.Content, t.ID)
		}
	}
	p.addTokens(d.AddedTokens)
	if p.before, p.after, err = readPostProcessor(d.PostProcessor, p, 0); err != nil {
		return nil, err
	}
	if t := d.Truncation; t != nil {
		if t.Direction != "" && t.Direction != "Right" {
			return nil, fmt.Errorf("%w: truncation on the side %.40q", ErrUnsupported, t.Direction)
		}
		if t.MaxLength < 1 {
			return nil, fmt.Errorf("%w: truncation to %d tokens", ErrFormat, t.MaxLength)
		}
		p.maxTokens = t.MaxLength
	}
	return p, p.check()
}

// strict decodes JSON into v and refuses fields that v has not.
func strict(what string, b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	switch {
	case err == nil && d.More():
		return fmt.Errorf("%w: %s goes on after its end", ErrFormat, what)
	case err == nil:
		return nil
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return fmt.Errorf("%w: %s has the %s", ErrUnsupported, what, strings.TrimPrefix(err.Error(), "json: "))
	}
	return fmt.Errorf("%w: %s: %w", ErrFormat, what, err)
}

// maxNesting bounds sequences within sequences.
const maxNesting = 4

// component reads the type of a part of the pipeline; "" where it is absent.
func component(what string, raw json.RawMessage, depth int) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	if depth > maxNesting {
		return "", fmt.Errorf("%w: %s nested too deep", ErrFormat, what)
	}
	var c struct{ Type string }
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrFormat, what, err)
	}
	if c.Type == "" {
		return "", fmt.Errorf("%w: %s without a type", ErrFormat, what)
	}
	return c.Type, nil
}

// kind is the field that every component has.
type kind struct {
	Type string `json:"type"`
}

func unknownType(what, name string) error {
	return fmt.Errorf("%w: %s %.60q", ErrUnsupported, what, name)
}

// textPattern is a pattern of a Replace or a Split.
type textPattern struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}

// readModel reads the model; that of old files has no type, and is told by its fields.
func readModel(raw json.RawMessage) (subwords, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, fmt.Errorf("%w: no model", ErrFormat)
	}
	var m struct {
		Type   string          `json:"type"`
		Merges json.RawMessage `json:"merges"`
		Prefix *string         `json:"continuing_subword_prefix"`
		Max    *int            `json:"max_input_chars_per_word"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%w: model: %w", ErrFormat, err)
	}
	switch {
	case m.Type == "WordPiece", m.Type == "" && m.Max != nil:
		return readWordPiece(raw)
	case m.Type == "BPE", m.Type == "" && m.Merges != nil:
		return readBytePair(raw)
	case m.Type == "Unigram":
		return readUnigram(raw)
	}
	return nil, unknownType("model", m.Type)
}

func readWordPiece(raw json.RawMessage) (subwords, error) {
	m := struct {
		kind
		Unknown string           `json:"unk_token"`
		Prefix  string           `json:"continuing_subword_prefix"`
		Max     int              `json:"max_input_chars_per_word"`
		Vocab   map[string]int32 `json:"vocab"`
	}{Unknown: "[UNK]", Prefix: "##", Max: 100}
	if err := strict("model WordPiece", raw, &m); err != nil {
		return nil, err
	}
	v, err := newVocabulary(m.Vocab)
	if err != nil {
		return nil, err
	}
	return newWordPiece(v, m.Unknown, m.Prefix, m.Max)
}

func readBytePair(raw json.RawMessage) (subwords, error) {
	var m struct {
		kind
		Dropout *float64          `json:"dropout"`
		Unknown *string           `json:"unk_token"`
		Prefix  *string           `json:"continuing_subword_prefix"`
		Suffix  *string           `json:"end_of_word_suffix"`
		Fuse    bool              `json:"fuse_unk"`
		Bytes   bool              `json:"byte_fallback"`
		Whole   bool              `json:"ignore_merges"`
		Vocab   map[string]int32  `json:"vocab"`
		Merges  []json.RawMessage `json:"merges"`
	}
	if err := strict("model BPE", raw, &m); err != nil {
		return nil, err
	}
	switch {
	case m.Dropout != nil && *m.Dropout != 0:
		return nil, fmt.Errorf("%w: model BPE with dropout", ErrUnsupported)
	case m.Prefix != nil && *m.Prefix != "":
		return nil, fmt.Errorf("%w: model BPE with continuing_subword_prefix %.40q", ErrUnsupported, *m.Prefix)
	case m.Suffix != nil && *m.Suffix != "":
		return nil, fmt.Errorf("%w: model BPE with end_of_word_suffix %.40q", ErrUnsupported, *m.Suffix)
	}
	v, err := newVocabulary(m.Vocab)
	if err != nil {
		return nil, err
	}
	pairs, err := mergePairs(m.Merges)
	if err != nil {
		return nil, err
	}
	b, err := newBytePair(v, pairs)
	if err != nil {
		return nil, err
	}
	b.fuse, b.whole = m.Fuse, m.Whole
	if m.Unknown != nil {
		if b.unknown = v.id(*m.Unknown); b.unknown < 0 {
			return nil, fmt.Errorf("%w: the vocabulary has no %.40q, which stands for the unknown", ErrFormat, *m.Unknown)
		}
	}
	if m.Bytes {
		if b.bytes = findBytes(v.id); b.bytes == nil {
			return nil, fmt.Errorf("%w: byte_fallback, and the vocabulary lacks pieces from <0x00> to <0xFF>", ErrFormat)
		}
	}
	return b, nil
}

// mergePairs reads merges, which are "left right" in old files and ["left", "right"] in new ones.
func mergePairs(raw []json.RawMessage) ([][2]string, error) {
	out := make([][2]string, len(raw))
	for i, r := range raw {
		var line string
		if json.Unmarshal(r, &line) == nil {
			left, right, ok := strings.Cut(line, " ")
			if !ok || strings.Contains(right, " ") {
				return nil, fmt.Errorf("%w: merge %d is %.40q", ErrFormat, i, line)
			}
			out[i] = [2]string{left, right}
			continue
		}
		var two []string
		if err := json.Unmarshal(r, &two); err != nil || len(two) != 2 {
			return nil, fmt.Errorf("%w: merge %d is %.40q", ErrFormat, i, r)
		}
		out[i] = [2]string{two[0], two[1]}
	}
	return out, nil
}

// unknownPenalty is how much less likely than the least likely piece an unknown symbol is, in SentencePiece.
const unknownPenalty = 10

func readUnigram(raw json.RawMessage) (subwords, error) {
	var m struct {
		kind
		Unknown *int32               `json:"unk_id"`
		Vocab   [][2]json.RawMessage `json:"vocab"`
		Bytes   bool                 `json:"byte_fallback"`
	}
	if err := strict("model Unigram", raw, &m); err != nil {
		return nil, err
	}
	if len(m.Vocab) == 0 || len(m.Vocab) > maxPieces {
		return nil, fmt.Errorf("%w: vocabulary of %d pieces", ErrFormat, len(m.Vocab))
	}
	u := newTrie(len(m.Vocab))
	u.unknown = -1
	least := 0.0
	for id, pair := range m.Vocab {
		text, score, err := pieceOf(pair)
		if err == nil {
			err = u.insert(text, int32(id), score)
		}
		if err != nil {
			return nil, fmt.Errorf("piece %d: %w", id, err)
		}
		u.texts[id] = text
		least = min(least, score)
	}
	u.unknownScore = least - unknownPenalty
	if m.Unknown != nil {
		if u.unknown = *m.Unknown; u.unknown < 0 || int(u.unknown) >= len(m.Vocab) {
			return nil, fmt.Errorf("%w: unk_id %d of %d pieces", ErrFormat, u.unknown, len(m.Vocab))
		}
	}
	if m.Bytes {
		if u.bytes = findBytes(u.id); u.bytes == nil {
			return nil, fmt.Errorf("%w: byte_fallback, and the vocabulary lacks pieces from <0x00> to <0xFF>", ErrFormat)
		}
	}
	return u, nil
}
