package token_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"engram/quant/model/token"
)

func tinyTokenizer(tb testing.TB) *token.Unigram {
	tb.Helper()
	u, err := token.NewUnigram(readGolden(tb).Vocab, 6)
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

func TestGoldenTokens(t *testing.T) {
	u := tinyTokenizer(t)
	if u.Size() != 40 {
		t.Errorf("%d pieces", u.Size())
	}
	for _, c := range readGolden(t).Cases {
		if got := u.Encode(c.Text, 1000); !slices.Equal(got, c.IDs) {
			t.Errorf("%q: %v, want %v", c.Text, got, c.IDs)
		}
	}
}

// naiveUnigram fills the whole table of the dynamic program, from the vocabulary as a map.
type naiveUnigram struct {
	ids    map[string]int32
	scores []float64
}

func newNaive(tb testing.TB) *naiveUnigram {
	tb.Helper()
	var pairs [][]any
	if err := json.Unmarshal(readGolden(tb).Vocab, &pairs); err != nil {
		tb.Fatal(err)
	}
	n := &naiveUnigram{ids: map[string]int32{}}
	for i, p := range pairs {
		score, _ := p[1].(float64)
		n.scores = append(n.scores, score)
		if i >= 6 {
			n.ids[p[0].(string)] = int32(i)
		}
	}
	return n
}

func (n *naiveUnigram) encode(text string) []int32 {
	s := []rune(strings.ReplaceAll(norm.NFKC.String(text), " ", "\u2581"))
	if len(s) == 0 {
		return nil
	}
	s = append([]rune{'\u2581'}, s...)
	best, last, length := make([]float64, len(s)+1), make([]int32, len(s)+1), make([]int, len(s)+1)
	offer := func(i, j int, id int32, score float64) {
		if sum := best[i] + score; length[j] == 0 || best[j] == 0 || sum >= best[j] {
			best[j], last[j], length[j] = sum, id, j-i
		}
	}
	for i := range s {
		if i > 0 && length[i] == 0 {
			continue
		}
		found := false
		for j := i + 1; j <= min(i+8, len(s)); j++ { // the longest piece has 5 runes
			if id, ok := n.ids[string(s[i:j])]; ok {
				offer(i, j, id, n.scores[id])
				found = true
			}
		}
		if !found {
			offer(i, i+1, 0, 0)
		}
	}
	var out []int32
	for j := len(s); j > 0; j -= length[j] {
		out = append(out, last[j])
	}
	slices.Reverse(out)
	merged := out[:0]
	for i, id := range out {
		if id != 0 || i == 0 || merged[len(merged)-1] != 0 {
			merged = append(merged, id)
		}
	}
	return merged
}

// TestTokensAgainstTable compares the tokenizer, which works in a moving window and stops early, with the whole table.
func TestTokensAgainstTable(t *testing.T) {
	u, n := tinyTokenizer(t), newNaive(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("aabndtheee .:xéﬁ①\u2581\u0301\t😀"))).Draw(t, "text")
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		want := n.encode(text)
		if got := u.Encode(text, limit); !slices.Equal(got, want[:min(limit, len(want))]) {
			t.Fatalf("%q to %d: %v, want %v", text, limit, got, want)
		}
	})
}

func TestVocabularyRefused(t *testing.T) {
	for name, v := range map[string]string{
		"not JSON":        `[["a", 1]`,
		"not pairs":       `[1, 2, 3]`,
		"short":           `[["u", 0]]`,
		"no text":         `[["u", 0], [1, 2]]`,
		"no score":        `[["u", 0], ["a"]]`,
		"score of text":   `[["u", 0], ["a", "b"]]`,
		"empty piece":     `[["u", 0], ["", -1]]`,
		"piece too long":  `[["u", 0], ["` + strings.Repeat("a", 300) + `", -1]]`,
		"score too large": `[["u", 0], ["a", 1e999]]`,
	} {
		if _, err := token.NewUnigram([]byte(v), 1); !errors.Is(err, token.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := token.NewUnigram(make([]byte, 65<<20), 1); !errors.Is(err, token.ErrFormat) {
		t.Errorf("huge: %v", err)
	}
	if _, err := token.NewUnigram([]byte(`[["u", 0], ["a", -1]]`), 0); !errors.Is(err, token.ErrFormat) {
		t.Errorf("nothing reserved: %v", err)
	}
	if u, err := token.NewUnigram([]byte(`[["u", 0], ["a", -1], ["a", null]]`), 1); err != nil || !slices.Equal(u.Encode("a", 9), []int32{0, 2}) {
		t.Errorf("the last of equal pieces must count: %v", err)
	}
}

// FuzzTokens checks on any text that ids are in range, that no two unknowns are neighbours, that a limit only cuts, and
// that the whole table agrees.
func FuzzTokens(f *testing.F) {
	u, n := tinyTokenizer(f), newNaive(f)
	for _, s := range texts {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		all := u.Encode(text, len(text)*20+20)
		for i, id := range all {
			if id < 0 || int(id) >= u.Size() || (id > 0 && id < 6) || (i > 0 && id == 0 && all[i-1] == 0) {
				t.Fatalf("%q: %v", text, all)
			}
		}
		if (len(all) == 0) != (text == "") {
			t.Fatalf("%q has %d tokens", text, len(all))
		}
		if got := u.Encode(text, limit); !slices.Equal(got, all[:max(0, min(limit, len(all)))]) {
			t.Fatalf("%q to %d: %v of %v", text, limit, got, all)
		}
		if want := n.encode(text); !slices.Equal(all, want) {
			t.Fatalf("%q: %v, want %v", text, all, want)
		}
	})
}

// FuzzVocabulary reads any vocabulary: an error, or a tokenizer that works.
func FuzzVocabulary(f *testing.F) {
	f.Add([]byte(readGolden(f).Vocab), 6, "the banana")
	f.Add([]byte(`[["u",0],["ab",-1],["b",null]]`), 1, "abab")
	f.Fuzz(func(t *testing.T, vocab []byte, reserved int, text string) {
		u, err := token.NewUnigram(vocab, reserved)
		if err != nil {
			if !errors.Is(err, token.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		for _, id := range u.Encode(text, 100) {
			if id < 0 || int(id) >= u.Size() {
				t.Fatalf("id %d of %d", id, u.Size())
			}
		}
	})
}
