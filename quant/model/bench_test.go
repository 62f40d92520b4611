package model_test

import (
	"fmt"
	"runtime"
	"testing"

	"engram/quant"
	"engram/quant/model"
)

// sentences are short ones.
func sentences(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = []string{"A man is playing a guitar.", "Someone is strumming a musical instrument.",
			"The stock market fell sharply today.", "Shares dropped on Wall Street."}[i%4]
	}
	return texts
}

// BenchmarkEncode encodes short sentences with weights of every kind, on one thread and on all.
func BenchmarkEncode(b *testing.B) {
	dir := installedDir(b)
	texts := sentences(512)
	for _, s := range []*quant.Scheme{nil, &kinds[0], &kinds[2], &kinds[4], &kinds[5]} {
		dir := dir
		if s != nil {
			dir = quantized(b, dir, s)
		}
		for _, threads := range []int{1, runtime.GOMAXPROCS(0)} {
			b.Run(fmt.Sprintf("%s/threads=%d", kindName(s), threads), func(b *testing.B) {
				e, err := model.Open(dir, &model.Options{Threads: threads})
				if err != nil {
					b.Fatal(err)
				}
				defer e.Close()
				if _, err := e.Encode(b.Context(), texts[:1]); err != nil { // reads the layers
					b.Fatal(err)
				}
				for b.Loop() {
					if _, err := e.Encode(b.Context(), texts); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)*float64(len(texts))/b.Elapsed().Seconds(), "texts/s")
				b.ReportMetric(float64(e.Params().Resident())/(1<<20), "MiB")
			})
		}
	}
}
