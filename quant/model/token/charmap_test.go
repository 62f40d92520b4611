package token_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"engram/quant/model/token"
)

// smallCharMap is a table with two strings, written by hand: "a" becomes "b" and "ab" becomes "c". A unit of the trie has the
// symbol that leads to it in its low byte, then a bit that says whether a string ends, and the way to its children from bit
// 10 on.
func smallCharMap() []byte {
	units := make([]uint32, 769)
	const root, a, ab = 256, 256 ^ 'a', 512 ^ 'b'
	units[0] = root << 10
	units[a] = (512^a)<<10 | 1<<8 | 'a'
	units[512] = 1 << 31
	units[ab] = (768^ab)<<10 | 1<<8 | 'b'
	units[768] = 1<<31 | 2
	b := binary.LittleEndian.AppendUint32(nil, uint32(4*len(units)))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint32(b, u)
	}
	return append(b, "b\x00c\x00"...)
}

func withCharMap(tb testing.TB, table []byte) []byte {
	tb.Helper()
	return fmt.Appendf(nil, `{"normalizer": {"type": "Precompiled", "precompiled_charsmap": %q}, "model": {"type": "BPE", "merges": [], "vocab": {"x": 0}}}`,
		base64.StdEncoding.EncodeToString(table))
}

func TestCharMap(t *testing.T) {
	p, err := token.ReadJSON(withCharMap(t, smallCharMap()))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"aab xa\xff": "bc xb\uFFFD", "ab": "c", "a": "b", "b": "b", "a\x00é": "b\x00é"} {
		if got := token.Words(p, text); !slices.Equal(got, []string{want}) {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// FuzzCharMap reads any table: an error, or one that ends for every text.
func FuzzCharMap(f *testing.F) {
	f.Add(smallCharMap(), "aab xa\xff")
	f.Fuzz(func(t *testing.T, table []byte, text string) {
		if p, err := token.ReadJSON(withCharMap(t, table)); err == nil {
			p.Encode(text, 100)
		}
	})
}

// TestUnigramBytes checks that a unigram model with pieces for bytes writes what no piece covers by its bytes, broken UTF-8
// included, and fuses unknown symbols where it has none.
func TestUnigramBytes(t *testing.T) {
	vocab := [][2]any{{"<unk>", 0}, {"a", -1}, {"b", -2}, {"ab", -2.5}}
	file := func(bytes bool) []byte {
		b, err := json.Marshal(map[string]any{"model": map[string]any{"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": bytes},
			"decoder": map[string]any{"type": "ByteFallback"}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	p, err := token.ReadJSON(file(false))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Encode("aé日ab", 99); !slices.Equal(got, []int32{1, 0, 3}) {
		t.Errorf("without bytes: %v", got)
	}
	for c := range 256 {
		vocab = append(vocab, [2]any{fmt.Sprintf("<0x%02X>", c), 0})
	}
	if p, err = token.ReadJSON(file(true)); err != nil {
		t.Fatal(err)
	}
	got := p.Encode("aé\xffab", 99)
	if !slices.Equal(got, []int32{1, 4 + 0xC3, 4 + 0xA9, 4 + 0xFF, 3}) {
		t.Errorf("with bytes: %v", got)
	}
	if text := p.Decode(got[:3]); text != "aé" {
		t.Errorf("decoded %q", text)
	}
	if text := p.Decode(got); text != "a\uFFFD\uFFFD\uFFFDab" {
		t.Errorf("decoded %q", text)
	}
}
