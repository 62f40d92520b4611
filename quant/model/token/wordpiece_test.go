package token_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"engram/quant/model/token"
)

// vocabText writes the vocabulary of a published WordPiece as vocab.txt.
func vocabText(tb testing.TB, raw json.RawMessage) []byte {
	tb.Helper()
	var d struct {
		Model struct {
			Vocab map[string]int `json:"vocab"`
		} `json:"model"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		tb.Fatal(err)
	}
	lines := make([]string, len(d.Model.Vocab))
	for p, id := range d.Model.Vocab {
		lines[id] = p
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n")
}

// TestVocabularyOfLines checks that a vocab.txt makes the tokenizer that tokenizer.json describes.
func TestVocabularyOfLines(t *testing.T) {
	all := readPublished(t)
	for name, o := range map[string]*token.BERTOptions{"bert uncased": nil, "bert cased": {KeepCase: true}} {
		p, err := token.NewBERT(vocabText(t, all[name].Tokenizer), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all[name].Cases {
			if strings.Contains(c.Text, "[MASK]") {
				continue // takes the blanks before it along in one and not in the other
			}
			if got := p.Encode(c.Text, 1000); !slices.Equal(got, c.IDs) {
				t.Errorf("%s: %q: %v, want %v", name, c.Text, got, c.IDs)
			}
		}
	}
	for name, v := range map[string]string{
		"empty":      "",
		"no [UNK]":   "[CLS]\n[SEP]\na\n",
		"no [SEP]":   "[CLS]\n[UNK]\na\n",
		"twice":      "[CLS]\n[SEP]\n[UNK]\na\na\n",
		"long piece": "[CLS]\n[SEP]\n[UNK]\n" + strings.Repeat("a", 5000),
		"huge":       string(make([]byte, token.MaxBytes+1)),
	} {
		if _, err := token.NewBERT([]byte(v), nil); !errors.Is(err, token.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzBERT reads any vocab.txt.
func FuzzBERT(f *testing.F) {
	f.Add([]byte("[CLS]\n[SEP]\n[UNK]\na\n##b\n"), "ab ba")
	f.Fuzz(func(t *testing.T, vocab []byte, text string) {
		p, err := token.NewBERT(vocab, nil)
		if err != nil {
			if !errors.Is(err, token.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		for _, id := range p.Encode(text, 100) {
			if id < 0 || int(id) >= p.Size() {
				t.Fatalf("id %d of %d", id, p.Size())
			}
		}
	})
}
