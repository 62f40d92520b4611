package model_test

import (
	"testing"

	"engram/quant/model"
)

// BenchmarkEncode encodes short sentences on one thread.
func BenchmarkEncode(b *testing.B) {
	e := installed(b, &model.Options{Threads: 1})
	texts := make([]string, 256)
	for i := range texts {
		texts[i] = []string{"A man is playing a guitar.", "Someone is strumming a musical instrument.",
			"The stock market fell sharply today.", "Shares dropped on Wall Street."}[i%4]
	}
	for b.Loop() {
		if _, err := e.Encode(b.Context(), texts); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(texts))/b.Elapsed().Seconds(), "texts/s")
}
