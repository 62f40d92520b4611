package quantize_test

import (
	"path/filepath"
	"testing"

	"engram/quant/model"
	"engram/quant/quantize"
)

// BenchmarkRun quantizes the real model: its weight file alone, its directory, and its directory with 256 texts.
func BenchmarkRun(b *testing.B) {
	dir := useLite(b)
	texts, _ := glosses(b, 256)
	for _, c := range []struct {
		name, in string
		o        quantize.Options
	}{
		{"file int8", filepath.Join(dir, model.WeightsFile), quantize.Options{}},
		{"directory int8", dir, quantize.Options{}},
		{"directory int4 gptq", dir, quantize.Options{Type: quantize.Int4, Texts: texts}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.o.Replace = true
			out := filepath.Join(b.TempDir(), "out")
			for b.Loop() {
				if _, err := quantize.Run(b.Context(), c.in, out, &c.o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
