package token_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// texts are awkward ones.
var texts = []string{
	"the banana", "", "a", "and the an a.", " ", "xyz", "\xff\xfe broken \x80", "é ﬁ ①", "日本語", "😀😀", "\x00", "::",
	strings.Repeat("banana ", 50), strings.Repeat("q", 3000), "a\u0301 \u2581b", "It's I'LL  go\n\n\tto 12345 places...",
}

// golden is testdata/unigram.json: what the tokenizer that use-lite was published with answers for a small vocabulary.
type golden struct {
	Vocab json.RawMessage `json:"vocab"`
	Cases []goldenText    `json:"cases"`
}

type goldenText struct {
	Text string  `json:"text"`
	IDs  []int32 `json:"ids"`
}

func readGolden(tb testing.TB) golden {
	tb.Helper()
	b, err := os.ReadFile("testdata/unigram.json")
	if err != nil {
		tb.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		tb.Fatal(err)
	}
	return g
}
