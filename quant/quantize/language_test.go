package quantize_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"engram/quant/model"
	"engram/quant/quantize"
)

// tinyLanguage imports a language model of random weights, written as llama2.c does: seven numbers, then the tensors.
func tinyLanguage(tb testing.TB) string {
	tb.Helper()
	const dim, hidden, layers, heads, kv, vocab, window = 32, 48, 2, 4, 2, 286, 32
	dir := tb.TempDir()
	var b, tok []byte
	for _, v := range []int32{dim, hidden, layers, heads, kv, vocab, window} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	for i, n := range []int{vocab * dim, layers * dim, layers * dim * dim, layers * dim * dim / 2, layers * dim * dim / 2, layers * dim * dim, layers * dim,
		layers * dim * hidden, layers * dim * hidden, layers * dim * hidden, dim, window * dim / heads / 2, window * dim / heads / 2} {
		for _, v := range normal(uint64(i), n) {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v*0.3))
		}
	}
	tok = binary.LittleEndian.AppendUint32(tok, 8)
	for i := range vocab {
		piece := fmt.Sprintf("<0x%02X>", i-3)
		if i < 3 {
			piece = []string{"<unk>", "<s>", "</s>"}[i]
		} else if i >= 259 {
			piece = string(" abcdefghijklmnopqrstuvwxyz"[i-259])
		}
		tok = binary.LittleEndian.AppendUint32(tok, 0)
		tok = binary.LittleEndian.AppendUint32(tok, uint32(len(piece)))
		tok = append(tok, piece...)
	}
	src := filepath.Join(dir, "tiny.bin")
	for name, b := range map[string][]byte{src: b, filepath.Join(dir, "tokenizer.bin"): tok} {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	out := filepath.Join(dir, "language")
	if err := model.Import(tb.Context(), src, out, nil); err != nil {
		tb.Fatal(err)
	}
	return out
}

// TestLanguageModel: a language model is calibrated by the layers that it runs, mixed by its loss, and runs afterwards.
func TestLanguageModel(t *testing.T) {
	src, dir := tinyLanguage(t), t.TempDir()
	for _, kind := range []quantize.Type{quantize.Int8, quantize.Int4, quantize.Int2Mix} {
		out := filepath.Join(dir, string(kind))
		rep, err := quantize.Run(t.Context(), src, out, &quantize.Options{Type: kind, MixBits: 5, Texts: words(1, 40)})
		if err != nil {
			t.Fatal(err)
		}
		calibrated := 0
		for _, l := range rep.Layers {
			if l.Method == "gptq" {
				calibrated++
			}
		}
		if calibrated < 8 {
			t.Errorf("%s: %d layers calibrated: %+v", kind, calibrated, rep.Layers)
		}
		m, err := model.OpenLanguageModel(out, nil)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := m.Perplexity(t.Context(), words(2, 5), nil); err != nil || !(p.Perplexity > 1) {
			t.Errorf("%s: %+v, err %v", kind, p, err)
		}
		m.Close()
	}
}
