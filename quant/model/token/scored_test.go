package token_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"engram/quant/model/token"
)

type scoredPiece struct {
	text  string
	score float32
}

// tinyScored is a vocabulary of llama2.c: special pieces, bytes, then letters and some words.
func tinyScored() []scoredPiece {
	out := []scoredPiece{{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}}
	for b := range 256 {
		out = append(out, scoredPiece{fmt.Sprintf("<0x%02X>", b), 0})
	}
	for i, r := range " abcdefghijklmnopqrstuvwxyzT.é" {
		out = append(out, scoredPiece{string(r), float32(-100 - i)})
	}
	for i, s := range []string{"th", "he", " a", "in", "the", " th", "an", " the", "ing", "aa", "aaaa", "ana", "ban"} {
		out = append(out, scoredPiece{s, float32(-i)})
	}
	return out
}

func scoredFile(pieces []scoredPiece) []byte {
	longest := 0
	for _, p := range pieces {
		longest = max(longest, len(p.text))
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(longest))
	for _, p := range pieces {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(p.score))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p.text)))
		b = append(b, p.text...)
	}
	return b
}

// plainScored joins, again and again, the neighbours whose piece has the greatest score, looking at all of them each time.
func plainScored(pieces []scoredPiece, text string) []int32 {
	ids := map[string]int32{}
	for i, p := range pieces {
		if _, ok := ids[p.text]; !ok {
			ids[p.text] = int32(i)
		}
	}
	out := []int32{1}
	var at []string
	var of []int32
	for text = " " + text; text != ""; {
		n := 1
		for n < len(text) && n < 4 && !isStart(text[n]) && ids[text[:1]] == 0 {
			n++
		}
		if id, ok := ids[text[:n]]; ok {
			at, of = append(at, text[:n]), append(of, id)
		} else {
			n = 1
			at, of = append(at, text[:1]), append(of, 3+int32(text[0]))
		}
		text = text[n:]
	}
	for {
		best, where := float32(math.Inf(-1)), -1
		for i := 0; i+1 < len(at); i++ {
			if id, ok := ids[at[i]+at[i+1]]; ok && pieces[id].score > best {
				best, where = pieces[id].score, i
			}
		}
		if where < 0 {
			return append(out, of...)
		}
		at[where] += at[where+1]
		of[where] = ids[at[where]]
		at, of = slices.Delete(at, where+1, where+2), slices.Delete(of, where+1, where+2)
	}
}

func isStart(b byte) bool { return b&0xC0 != 0x80 }

func TestScored(t *testing.T) {
	pieces := tinyScored()
	s, err := token.ReadLlama2C(scoredFile(pieces))
	if err != nil {
		t.Fatal(err)
	}
	if s.Size() != len(pieces) || s.ID(" the") < 0 || s.ID("nothing") != -1 {
		t.Errorf("size %d", s.Size())
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("  aaabnthe ingé日.T"))).Draw(t, "text")
		got := s.Encode(text, 1<<20)
		if want := plainScored(pieces, text); text != "" && !slices.Equal(got, want) {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
		if back := s.Decode(got); back != text {
			t.Fatalf("%q became %q", text, back)
		}
		limit := rapid.IntRange(0, 9).Draw(t, "limit")
		if cut := s.Encode(text, limit); !slices.Equal(cut, got[:min(limit, len(got))]) {
			t.Fatalf("%q to %d: %v of %v", text, limit, cut, got)
		}
	})
	for _, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("the", 1<<15), strings.Repeat("\xff", 1<<16)} {
		if got := s.Decode(s.Encode(text, 1<<30)); got != text {
			t.Errorf("a long text is not kept")
		}
	}
	if got := s.Decode([]int32{1, -1, 9999, 2}); got != "" {
		t.Errorf("special ids and ids out of range are %q", got)
	}
}

func TestScoredRefused(t *testing.T) {
	good := tinyScored()
	spoil := func(f func(p []scoredPiece)) []byte {
		p := slices.Clone(good)
		f(p)
		return scoredFile(p)
	}
	file := scoredFile(good)
	for name, b := range map[string][]byte{
		"empty":        nil,
		"no longest":   {0, 0, 0, 0},
		"huge longest": {255, 255, 255, 127},
		"cut":          file[:len(file)-1],
		"cut head":     append(slices.Clone(file), 1, 2),
		"few pieces":   scoredFile(good[:100]),
		"score":        spoil(func(p []scoredPiece) { p[9].score = float32(math.NaN()) }),
		"bytes":        spoil(func(p []scoredPiece) { p[9].text = "x" }),
		"byte digit":   spoil(func(p []scoredPiece) { p[9].text = "<0x0g>" }),
		"huge":         make([]byte, token.MaxBytes+1),
	} {
		if _, err := token.ReadLlama2C(b); !errors.Is(err, token.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStoriesTokens compares with what llama2.c answers for the real vocabulary of 512 pieces, where the file is there.
func TestStoriesTokens(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "data", "models", "tok512.bin"))
	if err != nil {
		t.Skipf("skipped, no reference data: %v", err)
	}
	s, err := token.ReadLlama2C(b)
	if err != nil {
		t.Fatal(err)
	}
	text := "Once upon a time, there was a little girl named Lily."
	ids := s.Encode(text, 100)
	if s.Size() != 512 || s.Decode(ids) != text || ids[0] != 1 || len(ids) > 30 {
		t.Errorf("%d pieces, %v", s.Size(), ids)
	}
}

// FuzzLlama2C reads any tokenizer.bin: an error, or a tokenizer that keeps text.
func FuzzLlama2C(f *testing.F) {
	f.Add(scoredFile(tinyScored()), "the banana é")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		s, err := token.ReadLlama2C(b)
		if err != nil {
			if !errors.Is(err, token.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		for _, id := range s.Encode(text, 1000) {
			if id < 0 || int(id) >= s.Size() {
				t.Fatalf("id %d of %d", id, s.Size())
			}
		}
	})
}
