package db

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"engram/index"
)

// RecallOptions says how to measure recall. The zero value of each field means its default.
type RecallOptions struct {
	Samples int    // stored vectors to search for; 0 means 100
	K       int    // hits of each search; 0 means 10
	Ef      int    // Query.Ef of the indexed searches
	Probes  int    // Query.Probes of the indexed searches
	Metric  Metric // 0 means Cosine
	Seed    uint64 // the same seed chooses the same rows of the same snapshot
}

// RecallReport compares indexed with exact search.
type RecallReport struct {
	Index           string  // the index measured, "" when the column has none for the metric
	K               int     // hits of each search
	Samples         int     // searches made: fewer than asked for when the column has fewer vectors
	Mean, Min       float64 // recall@K over the searches, between 0 and 1; 1 when there were none
	IndexMS         float64 // milliseconds an indexed search took, on average
	ExactMS         float64 // milliseconds an exact search took, on average
	IndexedSegments int     // segments that the indexed searches asked by index, of Segments
	Segments        int
}

// Recall searches for stored vectors of a column, by index and exactly, and reports which share of the K nearest rows the index
// finds. A row as near as the K-th counts as found, so that ties are no misses. The searched row itself counts.
func (s *Snapshot) Recall(ctx context.Context, t *Table, column int, o RecallOptions) (RecallReport, error) {
	if o.Samples <= 0 {
		o.Samples = 100
	}
	if o.K <= 0 {
		o.K = 10
	}
	if o.Metric == 0 {
		o.Metric = Cosine
	}
	report := RecallReport{K: o.K, Mean: 1, Min: 1}
	q := Query{Column: column, Near: []float32{0}, K: o.K, Metric: o.Metric, Ef: o.Ef, Probes: o.Probes}
	ts, err := s.begin(t, nil)
	if err != nil {
		return report, err
	}
	defer s.exit()
	if c := t.Columns; column >= 0 && column < len(c) && (c[column].Type.Kind == Bit || c[column].Type.Kind == Varbit) {
		return report, fmt.Errorf("%w: column %q is always searched exactly", ErrInvalidValue, c[column].Name)
	}
	if column >= 0 && column < len(t.Columns) && t.Columns[column].Type.Dim() > 0 {
		q.Near = make([]float32, t.Columns[column].Type.Dim())
	}
	if _, err := newSearch(ctx, ts.t, &q); err != nil {
		return report, err
	}
	samples, err := s.sample(ts, column, o.Samples, o.Seed)
	if err != nil {
		return report, err
	}
	var sum float64
	for _, v := range samples {
		found, err := s.recallOf(ctx, ts.t, q, v, &report)
		if err != nil {
			return report, err
		}
		sum += found
		report.Min = min(report.Min, found)
		report.Samples++
	}
	if n := float64(report.Samples); n > 0 {
		report.Mean = sum / n
		report.IndexMS /= n
		report.ExactMS /= n
	}
	return report, nil
}

// recallOf searches for one vector both ways and adds to the report what it cost.
func (s *Snapshot) recallOf(ctx context.Context, t *Table, q Query, v []float32, report *RecallReport) (float64, error) {
	var stats SearchStats
	q.Near, q.Stats = v, &stats
	start := time.Now()
	got, err := s.Search(ctx, t, q)
	if err != nil {
		return 0, err
	}
	report.IndexMS += float64(time.Since(start)) / float64(time.Millisecond)
	report.Index, report.IndexedSegments, report.Segments = stats.Index, stats.IndexedSegments, stats.Segments
	q.Exact, q.Stats = true, nil
	start = time.Now()
	want, err := s.Search(ctx, t, q)
	if err != nil {
		return 0, err
	}
	report.ExactMS += float64(time.Since(start)) / float64(time.Millisecond)
	if len(want) == 0 {
		return 1, nil
	}
	farthest := want[len(want)-1].Dist
	found := 0
	for _, h := range got {
		if index.CompareDist(h.Dist, farthest) <= 0 {
			found++
		}
	}
	return float64(found) / float64(len(want)), nil
}

// sample returns up to n vectors of a column that the snapshot sees, each row as likely as any other.
func (s *Snapshot) sample(ts *tableState, column, n int, seed uint64) ([][]float32, error) {
	id := ts.t.Columns[column].ID
	r := rand.New(rand.NewPCG(seed, uint64(id)))
	var parts []samplePart
	total := 0
	if a := ts.arenas[id]; a != nil {
		for _, c := range a.view() {
			parts = append(parts, samplePart{c.n, func(i int) []float32 {
				if !c.visible(i, s.commit) {
					return nil
				}
				return c.vector(i)
			}})
			total += c.n
		}
	}
	for _, g := range ts.segments {
		v, ok := g.seg.Vectors(id)
		if !ok || v.Count == 0 {
			continue
		}
		dead, err := s.deadOf(g)
		if err != nil {
			return nil, err
		}
		parts = append(parts, samplePart{v.Count, func(i int) []float32 {
			if dead != nil && dead.Contains(v.Ord(i)) {
				return nil
			}
			return v.Nth(i)
		}})
		total += v.Count
	}
	return drawSamples(r, parts, total, n), nil
}

// samplePart is vectors that lie in one place; at returns nil for one that does not count.
type samplePart struct {
	n  int
	at func(i int) []float32
}

// drawSamples draws vectors without repetition. Where most places are empty it may find fewer than there are.
func drawSamples(r *rand.Rand, parts []samplePart, total, n int) [][]float32 {
	var places []int
	if total <= 8*n {
		places = r.Perm(total)
	} else {
		seen := map[int]bool{}
		for len(places) < 8*n {
			if i := r.IntN(total); !seen[i] {
				seen[i] = true
				places = append(places, i)
			}
		}
	}
	var out [][]float32
	for _, i := range places {
		for _, p := range parts {
			if i >= p.n {
				i -= p.n
				continue
			}
			if v := p.at(i); v != nil {
				out = append(out, v)
			}
			break
		}
		if len(out) == n {
			break
		}
	}
	return slices.Clip(out)
}
